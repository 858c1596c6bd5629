"""Play a Markdown file's console blocks in one shell, or check that they still print what the file says.

In a fenced `console` block a line `$ command` is run, and what follows is the output it must have. In that output `…`
stands for anything on its line, and a line that is only `…` for any number of lines. Standard output and standard error
come in the order they were written; an exit code other than 0 is a last line `[exit 1]`. What one command exports or
where it goes with `cd` holds for the next, and it finds nothing on its standard input.

    python scripts/transcript.py play docs/demo.md --in .demo
    python scripts/transcript.py check docs/demo.md --in FOLDER
"""

import argparse
import difflib
import re
import secrets
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ANYTHING = "…"
_EXIT = re.compile(r"\[exit (\d+)\]")


@dataclass(frozen=True, slots=True)
class Step:
    """A command, the line it stands on, and the lines it must print; `prose` is what the file says before it."""

    command: str
    line: int
    expected: tuple[str, ...]
    prose: str

    @property
    def status(self) -> int:
        """The exit code it must have."""
        found = _EXIT.fullmatch(self.expected[-1]) if self.expected else None
        return int(found[1]) if found else 0


def parse(text: str) -> tuple[list[Step], str]:
    """The steps of a file in order, and the prose after the last one."""
    steps: list[Step] = []
    command, expected, prose, begun, inside = "", list[str](), list[str](), 0, False

    def close() -> None:
        nonlocal command
        if command:
            steps.append(Step(command, begun, tuple(_trimmed(expected)), "\n".join(_trimmed(prose))))
            prose.clear()
        command = ""

    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```") and (inside or line == "```console"):
            close()
            inside = not inside
        elif not inside:
            prose.append(line)
        elif command.endswith("\\") and not expected:
            command += f"\n{line}"
        elif line.startswith("$ "):
            close()
            command, begun, expected = line[2:], number, []
        else:
            expected.append(line)
    return steps, "\n".join(_trimmed(prose))


def play(text: str, folder: Path) -> int:
    """Print the prose, each command and its output as it comes; 1 where an exit code is not the expected one."""
    steps, rest = parse(text)
    script = ["exec 2>&1", "unexpected=0"]
    for step in steps:
        shown = "\n".join(part for part in (f"\n{step.prose}\n" if step.prose else "", f"$ {step.command}") if part)
        script += [f"printf '%s\\n' {shlex.quote(shown)}", *_run(step.command)]
        script += [f'[ "$status" -eq {step.status} ] || unexpected=1']
    script += [f"printf '\\n%s\\n' {shlex.quote(rest)}"] if rest else []
    done = subprocess.run(["bash"], input="\n".join([*script, "exit $unexpected"]), text=True, cwd=folder, check=False)
    return done.returncode


def check(text: str, folder: Path) -> str:
    """A diff between what the file says and what its commands print; "" where they agree."""
    steps, _ = parse(text)
    mark = f"--- {secrets.token_hex(8)} ---"
    script = ["exec 2>&1"]
    for step in steps:
        script += [*_run(step.command), f"printf '%s' {shlex.quote(mark)}"]
    done = subprocess.run(
        ["bash"], input="\n".join(script).encode(), stdout=subprocess.PIPE, cwd=folder, check=False
    )  # fmt: skip
    printed = done.stdout.decode(errors="replace").split(mark)
    actual = [_trimmed(part.splitlines()) for part in printed] + [["(the shell had ended)"]] * len(steps)
    return "\n".join(line for step, lines in zip(steps, actual, strict=False) for line in _difference(step, lines))


def _run(command: str) -> Iterator[str]:
    yield f"eval {shlex.quote(command)} </dev/null"
    yield 'status=$?; [ "$status" -eq 0 ] || printf \'[exit %s]\\n\' "$status"'


def _difference(step: Step, actual: Sequence[str]) -> Iterator[str]:
    patterns = ["(?:.*\n)*?" if line == ANYTHING else _pattern(line) + "\n" for line in step.expected]
    if re.fullmatch("".join(patterns), "".join(f"{line}\n" for line in actual)):
        return
    known = {line: next((e for e in step.expected if re.fullmatch(_pattern(e), line)), line) for line in actual}
    aligned = [line if known[line] == ANYTHING else known[line] for line in actual]
    yield f"line {step.line}: $ {step.command}"
    diff = difflib.unified_diff(step.expected, aligned, "expected", "printed", lineterm="")
    yield from (f"  {line}" for line in diff)


def _pattern(line: str) -> str:
    return "[^\n]*?".join(re.escape(part) for part in line.split(ANYTHING))


def _trimmed(lines: Iterable[str]) -> list[str]:
    """Lines without blank ones at either end or spaces at their ends."""
    return "\n".join(line.rstrip() for line in lines).strip("\n").splitlines()


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and do as it says."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("mode", choices=("play", "check"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--in", dest="folder", type=Path, required=True, help="where the commands are run")
    asked = parser.parse_args(arguments)
    text = asked.file.read_text(encoding="utf-8")
    if asked.mode == "play":
        return play(text, asked.folder)
    found = check(text, asked.folder)
    print(found or f"{asked.file}: {len(parse(text)[0])} commands print what it says")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
