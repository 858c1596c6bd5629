import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import event, given, settings
from hypothesis import strategies as st

from atomic_agents.core import frontmatter, libyaml
from atomic_agents.core.block import FrontMatter, FrontMatterError
from atomic_agents.core.document import parse, same

ROOT = Path(__file__).parents[2]
REAL = tuple(
    sorted(
        (*(ROOT / "src/atomic_agents/samples").rglob("*.md"), *(ROOT / "tests/vaults/v0").rglob("*.md"),
         *(ROOT / "tests/vaults/v1").rglob("*.md"))
    )
)  # fmt: skip
"""Documents that somebody wrote."""

PIECES = (
    "a", "name", "Zoë", "日本", "😀", " ", "  ", "\t", ":", ": ", "::", "#", " #", "# ", "- ", "-", "--", "'", "''",
    '"', "\\", "\\n", "[", "]", "[]", "[a, b]", ", ", ",", "{", "}", "{a: 1}", "|", ">", ">-", "&a ", "*a", "!",
    "!!str ", "%", "@", "`", "?", "? ", "=", "<<", "0", "7", "010", "0x1f", "0b11", "1_000", "12:30", "1.5", ".5",
    "1e3", "1.0e+3", "+1", "-1", ".inf", ".nan", "2026-05-05", "2026-13-45", "2026-05-05 10:00:00",
    "2026-05-05T10:00:00Z", "yes", "No", "on", "OFF", "y", "n", "true", "FALSE", "null", "~", "Null", "...", "---",
    "http://x.example:8080/y", "C:\\x", "\x85", "\u2028", "\u2029", "\ufeff", "\xa0", "\x7f", "\x0b", "\x0c", "\r",
    "\x00", "it's", 'say "so"', "a#b", "a:b", "x" * 120, "9" * 120,
)  # fmt: skip
KEYS = (
    "a", "b", "c", "name", "captured", "long-key", "_x", "x" * 101, "x" * 102, "yes", "on", "null", "1", "'q k'",
    '"q"', "<<", "é", "a b",
)  # fmt: skip

scalars = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
line_ends = st.sampled_from(("\n", "\n", "\n", "\r\n"))
lines = st.one_of(
    st.builds("{}:{}{}".format, st.sampled_from(KEYS), st.sampled_from(("", " ", "  ", "\t")), scalars),
    st.builds(
        "{}: {}".format,
        st.sampled_from(KEYS),
        st.sampled_from(("30 percent", "x", "5", "12 a", "1 e 5", "2026-05-05 x", "x #", "x # c")),
    ),
    st.builds("{}- {}".format, st.sampled_from(("", "  ", "    ")), scalars),
    st.builds("{}# {}".format, st.sampled_from(("", "  ")), scalars),
    st.builds(
        "{}{} {}".format,
        st.sampled_from((" ", "  ")),
        st.sampled_from(("word", "5", "a#b", "x:y", "no", "- z")),
        scalars,
    ),
    st.just(""),
    st.just("   "),
    scalars,
)


@st.composite
def blocks(draw: st.DrawFn) -> str:
    """The lines of a block, most of them legal."""
    return "".join(draw(lines) + draw(line_ends) for _ in range(draw(st.integers(0, 5))))


@st.composite
def nested(draw: st.DrawFn) -> str:
    """A table with keys of its own, and whatever may stand between them."""
    inner = st.builds(
        "{}{}:{}{}".format,
        st.sampled_from(("  ", "  ", "  ", "    ", " ", "")),
        st.sampled_from(("sub", "b", "c", "d", "_e", "on", "sub-key", "'q'", "1")),
        st.sampled_from((" ", " ", "", "  ")),
        st.sampled_from(("x", "", "1.00", "0.5", "010.0", "1.", "1e3", "true", "[a, b]", "'q'", "2 # c", "# c"))
        | scalars,
    )
    inside = draw(st.lists(inner | inner | inner | lines, max_size=6))
    between = [draw(line_ends) for _ in inside]
    return "a:\n" + "".join(map("".join, zip(inside, between, strict=True))) + draw(st.sampled_from(("", "c: 1\n")))


@st.composite
def spoiled(draw: st.DrawFn) -> str:
    """The head of a real document with a few of its characters replaced, added or taken away."""
    text = heads()[draw(st.integers(0, len(heads()) - 1))]
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, max(len(text) - 1, 0)))
        cut = draw(st.integers(0, 3))
        text = text[:at] + draw(st.sampled_from(PIECES)) + text[at + cut :]
    return text if text.endswith("\n") else text + "\n"


def heads() -> list[str]:
    """What stands between the first two fences of every real document that has some."""
    found = []
    for path in REAL:
        text = path.read_bytes().decode(errors="replace").removeprefix("\ufeff").replace("\r\n", "\n")
        if text.startswith("---\n") and "\n---" in text[3:]:
            found.append(text[4:].partition("\n---")[0] + "\n")
    return found


def truth(text: str) -> dict[object, object]:
    loader = yaml.CSafeLoader(text)
    try:
        node = loader.get_single_node()
        return {} if node is None else loader.construct_document(node)
    finally:
        loader.dispose()


@settings(max_examples=2000, deadline=None)
@given(st.one_of(blocks(), spoiled()))
def test_the_fast_reader_says_what_the_c_loader_says(text: str) -> None:
    fast = frontmatter._read_plain(text)
    event("fast" if fast else "left to libyaml")
    if fast is None:
        return

    assert same(truth(text), fast.values)
    assert list(truth(text)) == list(fast.values)
    assert libyaml.read(text).spans == fast.spans
    assert libyaml.repeated(text) == frontmatter.repeated(text) == []


@settings(max_examples=1000, deadline=None)
@given(nested())
def test_the_fast_reader_says_what_the_c_loader_says_of_what_is_indented(text: str) -> None:
    fast = frontmatter._read_plain(text)
    event("fast" if fast else "left to libyaml")
    if fast is None:
        return
    ways = [(key, *more) for key in fast.values for more in ((), ("sub",), ("b",), ("b", "c"))]

    assert same(truth(text), fast.values)
    assert libyaml.read(text).spans == fast.spans
    assert [libyaml.line_of(text, *way) for way in ways] == [frontmatter.line_of(text, *way) for way in ways]


@settings(max_examples=3000, deadline=None)
@given(st.one_of(blocks(), spoiled()), st.sampled_from(("schema_version: 1\n", "schema_version: 2 # c\n", "")))
def test_a_peek_says_what_a_reading_says_or_nothing(text: str, more: str) -> None:
    document = f"---\n{more}{text}---\nbody\n"
    peeked = frontmatter.peek(document, "schema_version")
    event("peeked" if peeked is not None else "left to a reading")
    if peeked is None:
        return

    assert parse("a/memory/x.md", document.encode()).meta["schema_version"] == peeked


def test_the_version_of_what_people_wrote_is_found_at_a_glance() -> None:
    stated = [text for text in heads() if "\nschema_version: " in f"\n{text}" and "#" not in text]
    peeked = [text for text in stated if frontmatter.peek(f"---\n{text}---\n", "schema_version") is not None]

    assert len(peeked) >= len(stated) * 3 // 4


@settings(max_examples=1000, deadline=None)
@given(st.one_of(blocks(), spoiled()))
def test_any_text_is_read_or_refused_with_a_line_of_its_own(text: str) -> None:
    refused, found = 1, FrontMatter({}, {})
    try:
        found = frontmatter.read(text)
    except FrontMatterError as error:
        refused = error.line

    assert 1 <= refused <= len(text.splitlines()) + 1
    assert found.spans.keys() <= found.values.keys()
    assert all(0 <= first < end for first, end in found.spans.values())


def test_what_people_wrote_goes_the_fast_way() -> None:
    fast = [text for text in heads() if frontmatter._read_plain(text) is not None]

    assert len(fast) > len(heads()) * 0.8


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 2026-05-05\n", {"a": date(2026, 5, 5)}),
        ("a: '2026-05-05'\n", {"a": "2026-05-05"}),
        ("a: yes\nb: OFF\nc: y\n", {"a": True, "b": False, "c": "y"}),
        ("a: 010\n", {"a": "010"}),
        ("a: 1_000\n", {"a": "1_000"}),
        ("a: 12:30\n", {"a": "12:30"}),
        ("a: ~\nb:\nc: null\n", {"a": None, "b": None, "c": None}),
        ("a: 1\na: 2\n", {"a": 2}),
        ("a: b#c # d\n", {"a": "b#c"}),
        ("a: x:y\n", {"a": "x:y"}),
        ("a:\n- b\n# c\n\n- d\n", {"a": ["b", "d"]}),
        ("a:\r\n  - b\r\n  - c\r\n", {"a": ["b", "c"]}),
        ("a: 'it''s'   \n", {"a": "it's"}),
        ("a: 30 percent\n  of it\n", {"a": "30 percent of it"}),
        ("a: [yes, b]\n", {"a": [True, "b"]}),
        ("on: 1\n2: x\n", {"on": 1, "2": "x"}),
        ("<<: {a: 1, b: 2}\nb: 3\n", {"a": 1, "b": 3}),
        ("a: &x [1]\nb: *x\n", {"a": [1], "b": [1]}),
        ("", {}),
        ("# only a comment\n", {}),
    ],
)
def test_the_forms_of_yaml_1_1_mean_what_pyyaml_says(text: str, expected: dict[str, object]) -> None:
    assert same(expected, frontmatter.read(text).values)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: [\n", 3, "not YAML"),
        ("a: 1\nb: 2026-99-99\n", 2, "month must be in 1..12"),
        ("a: 1\nb: !!int x\n", 2, "cannot read"),
        ("a: !!bool x\n", 1, "cannot read"),
        ("a: 1\nb: !!timestamp x\n", 2, "cannot read"),
        ("a: 1\nb: !mine x\n", 2, "could not determine a constructor"),
        ("é: 1\nb: \x01\n", 2, "control characters are not allowed"),
        ("- a\n- b\n", 1, "not a list of `key: value` lines"),
        ("words\n", 1, "not a list of `key: value` lines"),
        ("a: 1\n--- \nb: 2\n", 2, "another document"),
        ("a: *nowhere\n", 1, "undefined alias"),
        ("a: 1\n\tb: 2\n", 2, "found a tab character"),
        ("a: 1\nb: " + "9" * 5000 + "\n", 2, "a number of 5,000 digits"),
        ("a: 0x" + "f" * 5000 + "\n", 1, "a number of 5,002 digits"),
        ("a: &a [*a]\n", 1, "contains itself"),
        ("a: " + "[" * 100 + "]" * 100 + "\n", 1, "nested more than 64 deep"),
        ("".join(f"{' ' * i}a:\n" for i in range(100)), 65, "nested more than 64 deep"),
        (
            "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcde", "bcdef", strict=True)),
            5,
            "stands for more than 100,000 values",
        ),
    ],
)
def test_what_is_refused_says_where_and_why(text: str, line: int, said: str) -> None:
    with pytest.raises(FrontMatterError, match=said) as caught:
        frontmatter.read(text)

    assert line == caught.value.line


HOSTILE = """
from atomic_agents.core import frontmatter
from atomic_agents.core.block import FrontMatterError
n = 200_000
for line in (
    "k: '" + "a" * n, "k: '" + "''" * n + "x", 'k: "' + "a" * n, "k: a" + " " * n + chr(1), "k: " + " " * n + chr(1),
    "k: " + "a:" * n + chr(1), "k: " + "a#" * n + chr(1), "k: [" + "a," * n, "k: [" + "a " * n, "k: [a" + " " * n + "x",
    " " * n + "x", " " * n + "- " + " " * n + chr(1), "a" * n + ":", "k: a #" + "b" * n + chr(1), "k: " + "[" * n,
    "- " * n,
    "  " * n + "a: x", "k:\\n  a:" + " " * n + chr(1), "k:\\n  " + "a" * n + ":", "k:\\n" + "  a: b\\n" * n,
    "? " * n, "k: " + "{a: " * n, "k: " + "&a " * n, "k: " + "1:" * n + "1", "k: " + "1_" * n, "k: |" + "9" * n,
):
    try:
        frontmatter.read(line + "\\n")
    except FrontMatterError:
        pass
print("done")
"""


def test_a_hostile_line_costs_no_more_than_any_other() -> None:
    done = subprocess.run([sys.executable, "-c", HOSTILE], capture_output=True, timeout=60, check=True)

    assert done.stdout.strip() == b"done"


def test_the_line_of_a_nested_key_is_found() -> None:
    text = "a: 1\nb:\n  c: 2\n  d: {e: 3}\n"

    found = [frontmatter.line_of(text, *keys) for keys in (("a",), ("b", "c"), ("b", "d", "e"), ("b", "x"), ("x",), ())]

    assert found == [1, 3, 4, 2, 0, 0]


def test_keys_that_a_mapping_states_twice_are_found_at_any_depth() -> None:
    text = "a: 1\nb:\n  c: 2\n  d: 3\n  c: 4\na: 5\ne: [{f: 1, f: 2}]\n"

    assert frontmatter.repeated(text) == [("c", 5), ("a", 6), ("f", 7)]
