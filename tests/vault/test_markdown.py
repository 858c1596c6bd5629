import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.vault.markdown import fences, heading_of, lines_of, open_end, sections

BODY = """# Title

intro
## First ##
- one
* two `x`
  + three
- (none yet)
-
- (a) counts (b)

### Below
text
<!-- ## Commented
- gone -->
- four <!-- not five --> kept
```yaml title="x"
## not a heading
- not a bullet
```
##   C#
last"""


def test_a_body_falls_into_its_sections() -> None:
    found = [(section.level, section.title, section.line) for section in sections(BODY, 10)]

    assert found == [(0, "", 10), (2, "First", 13), (2, "C#", 30)]


def test_bullets_are_told_with_their_lines_and_without_comments() -> None:
    bullets = list(sections(BODY)[1].bullets())

    assert bullets == [(5, "one"), (6, "two `x`"), (7, "three"), (10, "(a) counts (b)"), (16, "four  kept")]


def test_prose_is_what_is_neither_blank_nor_heading_nor_code() -> None:
    assert [line.number for line in sections(BODY)[1].prose()] == [5, 6, 7, 8, 9, 10, 13, 16]


def test_a_fence_ends_with_as_many_marks_as_it_began() -> None:
    found = fences("````yaml\n```\nx\n````\n~~~\n```\n~~~~\n``` a`b\n```JSON\ny\n")

    assert [(fence.tag, fence.line, fence.text, fence.closed) for fence in found] == [
        ("yaml", 2, "```\nx\n", True), ("", 6, "```\n", True), ("json", 10, "y\n", False),
    ]  # fmt: skip


def test_a_fence_may_say_more_than_its_language() -> None:
    assert [fence.tag for fence in fences("```yaml title=x\n```\n```{.yaml}\n```\n  ```  yml\n  ```\n")] == [
        "yaml",
        "yaml",
        "yml",
    ]


def test_what_does_not_end_is_told_by_its_line() -> None:
    bodies = (
        "x\n```\ny",
        "x\n<!-- a\nb",
        "x\n",
        "```\n```\n",
        "<!-- a\n-->\n",
        "```\n<!--\n```\n",
        "<!--\n```\n-->",
        "a <!-- b --> <!-- c",
    )

    assert [open_end(body, 5) for body in bodies] == [
        (6, "code block"), (6, "HTML comment"), None, None, None, None, None, (5, "HTML comment"),
    ]  # fmt: skip


def test_lines_are_counted_as_editors_count_them() -> None:
    found = [(line.number, line.text) for line in lines_of("a\x0c## no\u2028- no\x85b\r\nc\rd\n", 3)]

    assert found == [(3, "a\x0c## no\u2028- no\x85b"), (4, "c\rd")]


def test_a_heading_needs_a_space_and_keeps_a_sharp() -> None:
    texts = ("## a", "##a", "####### a", "##", "# a # ", "## a#", "## #", " ## a")

    assert [heading_of(next(lines_of(text))) for text in texts] == [
        (2, "a"), None, None, (2, ""), (1, "a"), (2, "a#"), (2, ""), None,
    ]  # fmt: skip


@given(
    st.lists(
        st.sampled_from(("## a", "- b", "```", "~~~", "<!--", "-->", "text", "", "\r", "`x` <!-- y -->")), max_size=12
    )
)
def test_every_line_is_in_one_section_and_numbered_once(lines: list[str]) -> None:
    body = "".join(f"{line}\n" for line in lines)

    found = sections(body, 4)
    numbers = sorted(
        [line.number for section in found for line in section.lines] + [section.line for section in found[1:]]
    )

    assert numbers == list(range(4, 4 + len(lines)))
    assert (open_end(body) is None) or "```" in body or "~~~" in body or "<!--" in body


HOSTILE = """
from atomic_agents.vault import index, persona
from atomic_agents.vault.markdown import sections, fences, open_end
n = 50_000
for text in (
    "## " + "# " * n + "x", "## " + " " * n + "x", "<!---->" * n, "<!--" * n, "-->" * n, "`" * n + "x",
    "``` " + " " * n + "`", "- " + " " * n + "x", "- " + "(" * n, "- [" + "[" * n, "- [" + "](" * n,
    "- [" + "\\\\" * n, "- [x](" + "<" * n, "- [[" + "|" * n,
    "*" * n, "## Operating mode\\n" + "*" * n + "not " * n + "hybrid",
):
    list(sections(text)); fences(text); open_end(text); index.files(text); persona.Persona(text, "", "").mode
    [list(section.bullets()) for section in sections(text)]
print("done")
"""


def test_a_hostile_page_costs_no_more_than_any_other() -> None:
    done = subprocess.run([sys.executable, "-c", HOSTILE], capture_output=True, timeout=60, check=True)

    assert done.stdout.strip() == b"done"
