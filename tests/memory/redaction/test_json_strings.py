import json

from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.memory.redaction.json_strings import edit_strings

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_what_is_not_edited_stays_byte_for_byte(value: object, ascii_: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_, indent=indent)

    assert edit_strings(text, lambda _keys, value: value) == text


def shouted(value: object) -> object:
    if isinstance(value, dict):
        return {key: shouted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shouted(each) for each in value]
    return f"{value}!" if isinstance(value, str) else value


@given(VALUES, st.booleans())
def test_every_string_that_is_a_value_is_edited_and_no_key(value: object, ascii_: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_)

    edited = edit_strings(text, lambda _keys, value: f"{value}!")

    assert json.loads(edited) == shouted(value)
    assert not ascii_ or edited.isascii()


def test_numbers_and_spaces_stay_as_they_are_written() -> None:
    text = '{ "cost":0.950,\t"n": 1E5 , "text" : "the \\u0063ost" }'

    edited = edit_strings(text, lambda keys, value: value.replace("cost", "X") if keys == ("text",) else value)

    assert edited == '{ "cost":0.950,\t"n": 1E5 , "text" : "the X" }'


def test_half_a_character_is_written_as_it_was() -> None:
    assert edit_strings('{"a": "\\ud83d tea"}', lambda _, value: value.replace("tea", "X")) == '{"a": "\\ud83d X"}'


def test_the_keys_that_lead_to_a_value_are_told() -> None:
    seen: list[tuple[str, ...]] = []

    def edit(keys: tuple[str, ...], value: str) -> str:
        seen.append(keys)
        return value

    edit_strings('{"a": [{"b": "x"}, "y"], "c": {"d": {"e": "z"}}}', edit)

    assert seen == [("a", "b"), ("a",), ("c", "d", "e")]
