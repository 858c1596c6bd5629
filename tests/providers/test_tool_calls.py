import json

from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.providers.tool_calls import ToolCalls

ARGUMENTS = st.dictionaries(st.sampled_from("abc"), st.integers() | st.text(max_size=8), min_size=1)


def piece(index: int | None, id_: str | None, name: str | None, arguments: str) -> dict[str, object]:
    return {"index": index, "id": id_, "function": {"name": name, "arguments": arguments}}


def collected(pieces: list[dict[str, object]]) -> list[tuple[str, object]]:
    calls = ToolCalls()
    for each in pieces:
        calls.add([each])
    found = calls.finished()
    ids = [str(call["id"]) for call in found]
    assert len(set(ids)) == len(ids)
    assert [call["index"] for call in found] == list(range(len(found)))
    functions = [call["function"] for call in found]
    return [(each["name"], json.loads(each["arguments"])) for each in functions if isinstance(each, dict)]


@given(st.lists(ARGUMENTS, max_size=4), st.booleans(), st.integers(1, 9))
def test_calls_with_ids_come_whole_whatever_their_index(wanted: list[dict[str, object]], one: bool, size: int) -> None:
    pieces = []
    for at, arguments in enumerate(wanted):
        index, text = (0 if one else at), json.dumps(arguments)
        pieces.append(piece(index, f"id-{at}", "tool", ""))
        pieces += [piece(index, None, None, text[start : start + size]) for start in range(0, len(text), size)]

    assert collected(pieces) == [("tool", arguments) for arguments in wanted]


@given(st.lists(ARGUMENTS, max_size=4, unique_by=str))
def test_whole_calls_without_ids_come_apart(wanted: list[dict[str, object]]) -> None:
    pieces = [piece(0, None, "tool", json.dumps(arguments)) for arguments in wanted]

    assert collected(pieces) == [("tool", arguments) for arguments in wanted]


def test_pieces_that_are_none_are_passed_over() -> None:
    calls = ToolCalls()
    for pieces in (None, [], "text", [None, 7, "x"], {"index": 0}):
        calls.add(pieces)

    assert calls.finished() == []


def test_a_call_without_a_name_is_still_a_call() -> None:
    assert collected([piece(0, "a", None, "{}")]) == [("unnamed", {})]
