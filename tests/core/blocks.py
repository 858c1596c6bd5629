"""Front matter as people, programs and enemies write it; strategies for the tests of this folder."""

from pathlib import Path

from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
REAL = tuple(
    sorted(
        (*(ROOT / "src/atomic_agents/samples").rglob("*.md"), *(ROOT / "tests/vaults/v0").rglob("*.md"),
         *(ROOT / "tests/vaults/v1").rglob("*.md"))
    )
)  # fmt: skip
"""Documents that somebody wrote."""

PIECES = (
    "a", "name", "Zoë", "日本", "😀", " ", "  ", "\t", ":", ": ", "::", "#", " #", "# ", "- ", "-", "--", "'", "''", '"', "\\",
    "\\n", "[", "]", "[]", "[a, b]", ", ", ",", "{", "}", "{a: 1}", "|", ">", ">-", "&a ", "*a", "!", "!!str ", "%", "@", "`",
    "?", "? ", "=", "<<", "0", "7", "010", "0x1f", "0b11", "1_000", "12:30", "1.5", ".5", "1e3", "1.0e+3", "+1", "-1", ".inf",
    ".nan", "2026-05-05", "2026-13-45", "2026-05-05 10:00:00", "2026-05-05T10:00:00Z", "yes", "No", "on", "OFF", "y", "n",
    "true", "FALSE", "null", "~", "Null", "...", "---", "http://x.example:8080/y", "C:\\x", "\x85", "\u2028", "\u2029", "\ufeff",
    "\xa0", "\x7f", "\x0b", "\x0c", "\r", "\x00", "it's", 'say "so"', "a#b", "a:b", "x" * 120, "9" * 120,
)  # fmt: skip
KEYS = (
    "a", "b", "c", "name", "captured", "long-key", "_x", "x" * 101, "x" * 102, "yes", "on", "null", "1", "'q k'", '"q"', "<<",
    "é", "a b",
)  # fmt: skip

scalars = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
line_ends = st.sampled_from(("\n", "\n", "\n", "\r\n"))
lines = st.one_of(
    st.builds("{}:{}{}".format, st.sampled_from(KEYS), st.sampled_from(("", " ", "  ", "\t")), scalars),
    st.builds("{}: {}".format, st.sampled_from(KEYS), st.sampled_from(("30 percent", "x", "5", "12 a", "1 e 5", "2026-05-05 x", "x #", "x # c"))),
    st.builds("{}- {}".format, st.sampled_from(("", "  ", "    ")), scalars),
    st.builds("{}# {}".format, st.sampled_from(("", "  ")), scalars),
    st.builds("{}{} {}".format, st.sampled_from((" ", "  ")), st.sampled_from(("word", "5", "a#b", "x:y", "no", "- z")), scalars),
    st.just(""),
    st.just("   "),
    scalars,
)


@st.composite
def blocks(draw: st.DrawFn) -> str:
    """The lines of a block, most of them legal."""
    return "".join(draw(lines) + draw(line_ends) for _ in range(draw(st.integers(0, 5))))


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


VALUES = (
    "[a, b]", "['x # y', 2]", "[a, b] # c", "{a: 1}", "[a,\n  b]", "\n  - a\n  - b", "\n- a\n- b # c", "\n- a\n- - b\n  - c",
    "\n- k: v\n  l: w\n- x", "\n  k: v\n  l:\n    - 1", "plain\n  over two lines", "'quoted\n  over two'", "|\n  line\n  two",
    "|+\n  line\n\n", ">-\n  fold\n  ed\n", "\n  # inside\n  - a", "!!str 5", "\n\n- z", "x", "'q # r'", '"d q"', "5", "yes", "~", "",
    "2026-05-05", "a b # c", "'it''s' # c", "a#b", "é 日本 😀", '"esc \\" x"', "'a\u2028b'", ".nan", "1.5",
)  # fmt: skip


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Documents with front matter in every form that YAML has for it, each key once, and bodies of any kind."""
    newline = draw(st.sampled_from(("\n", "\n", "\r\n")))
    indent = draw(st.sampled_from(("", "", "", "  ")))
    written: list[str] = []
    for key in draw(st.lists(st.sampled_from(("a", "b", "c", "long-key", "'q k'", "schema_version")), unique=True, max_size=5)):
        if draw(st.booleans()):
            written.append(draw(st.sampled_from(("", "# about the next key", "   ", "#x: y"))))
        value = draw(st.sampled_from(VALUES))
        entry = f"{key}:{'' if not value or value.startswith(chr(10)) else ' '}{value}"
        written += [f"{indent}{line}" if line else "" for line in entry.split("\n")]
    head = "".join(line + newline for line in written)
    fence = draw(st.sampled_from(("---", "---  ", "-----")))
    body = draw(st.sampled_from(("", "\nbody\n", "no newline", "\n---\nrule\n", "\r\nmixed\n", "\n\u2028 \x0c\n")))
    before = draw(st.sampled_from(("", "", "\ufeff")))
    return f"{before}---{newline}{head}{fence}{newline if body or draw(st.booleans()) else ''}{body}"


wanted = st.one_of(
    st.sampled_from(
        ("x", "it's", 'say "so"', "a: b", "# c", "2026-05-05", "yes", "", "  sp ", "two\nlines\n", "\u2028x\x85", "\ttab", "-", "- x",
         "?", "|", "%", "@", "a #b", "null", "0x1f", "1_000", "é😀", "\x07", "\ufeffx", 5, True, False, None, 1.5)
    ),
    st.text(max_size=20),
    st.integers(-(10**9), 10**9),
    st.lists(st.one_of(st.booleans(), st.integers(0, 9), st.text(max_size=5)), max_size=3),
    st.dates(),
    st.dictionaries(st.text("abc", min_size=1, max_size=3), st.lists(st.integers(0, 3), max_size=2), max_size=2),
)  # fmt: skip
