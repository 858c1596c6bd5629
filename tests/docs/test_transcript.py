import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from scripts import transcript

Play = Callable[[str, Path], "subprocess.CompletedProcess[str]"]


def page(*lines: str) -> str:
    return "\n".join(["Some words.", "", "```console", *lines, "```", ""])


@pytest.mark.parametrize(
    "lines",
    [
        ("$ echo one; echo two", "one", "two"),
        ("$ echo one >&2; echo two; echo three >&2", "one", "two", "three"),
        ("$ echo took 31 ms of 40", "took … ms of …"),
        ("$ seq 1 9", "1", "…", "9"),
        ("$ echo one", "one", "…"),
        ("$ (exit 3)", "[exit 3]"),
        ("$ true",),
        ("$ cat", "$ echo after", "after"),
        ("$ echo a \\", "  b", "a b"),
        ("$ export NAME=value", "$ mkdir -p deep && cd deep", '$ echo "$NAME in ${PWD##*/}"', "value in deep"),
        ("$ echo '.*'", ".*"),
    ],
)
def test_what_a_page_says_agrees_with_what_is_printed(lines: tuple[str, ...], tmp_path: Path) -> None:
    assert transcript.check(page(*lines), tmp_path) == ""


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        (("$ echo one", "two"), ["  -two", "  +one"]),
        (("$ false",), ["  +[exit 1]"]),
        (("$ true", "[exit 1]"), ["  -[exit 1]"]),
        (("$ echo took 31 ms; echo more", "took … ms", "less"), ["   took … ms", "  -less", "  +more"]),
        (("$ seq 1 9", "1", "…", "8"), ["  +9"]),
        (("$ exit 0", "$ echo one", "one"), ["  -one", "  +(the shell had ended)"]),
    ],
)
def test_a_difference_is_shown_with_its_line(lines: tuple[str, ...], shown: list[str], tmp_path: Path) -> None:
    found = transcript.check(page("$ echo first", "first", *lines), tmp_path)

    assert found.startswith(("line 6: $ ", "line 7: $ "))
    assert [line for line in shown if line not in found.splitlines()] == []


def test_only_console_blocks_are_run(tmp_path: Path) -> None:
    text = "```sh\n$ touch made\n```\n\n    $ touch made\n"

    assert transcript.parse(text)[0] == []
    assert transcript.check(text, tmp_path) == ""


def test_playing_prints_prose_commands_and_what_they_say_now(play: Play, tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(page("$ echo one >&2; echo two", "…", "$ (exit 3)", "[exit 3]") + "\nThe end.\n")

    done = play("play", file)

    expected = "\nSome words.\n\n$ echo one >&2; echo two\none\ntwo\n$ (exit 3)\n[exit 3]\n\nThe end.\n"
    assert (done.stdout, done.returncode) == (expected, 0)


def test_playing_fails_where_a_command_does(play: Play, tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(page("$ false", "$ echo after", "after"))

    done = play("play", file)

    assert (done.stdout.splitlines()[-1], done.returncode) == ("after", 1)
