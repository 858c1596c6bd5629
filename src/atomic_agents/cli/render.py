"""Words on a terminal: stdout is data, stderr is talk."""

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass

import click

from atomic_agents.core.errors import AtomicAgentsError, SettingsInvalid
from atomic_agents.core.values import Problem, format_usd

_MOST_PROBLEMS = 20
_NOUNS = {
    "note": ("note", "notes"),
    "wiki": ("wiki page", "wiki pages"),
    "settings": ("settings file", "settings files"),
    "policy": ("policy", "policies"),
    "persona": ("persona file", "persona files"),
    "goal": ("goal", "goals"),
    "eval": ("eval", "evals"),
    "journal": ("day of a journal", "days of journals"),
    "index": ("index", "indexes"),
    "archive": ("archived note", "archived notes"),
}
_ROOT: ContextVar[str] = ContextVar("root", default="")
_COMMAND = re.compile(r"\b(?:atomic-agents|python -m atomic_agents\.migrate) (?!--root)")


def say(text: str = "") -> None:
    """A line of data."""
    click.echo(text)


def say_json(value: object) -> None:
    """Data as JSON."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def talk(text: str) -> None:
    """A line for the person at the terminal."""
    click.echo(text, err=True)


def notice(text: str) -> None:
    """A warning that does not stop anything."""
    click.echo(f"{_label('warning', 'yellow')}: {command(text)}", err=True)


def error(found: AtomicAgentsError) -> None:
    """An error: what, where, and what to type."""
    if isinstance(found, SettingsInvalid):
        problems("error", found.problems)
        return
    trouble(found.message, found.hint)


def trouble(text: str, what_to_type: str) -> None:
    """What is wrong in a line, and what to type."""
    click.echo(f"{_label('error', 'red')}: {text}", err=True)
    hint(what_to_type)


def report(found: AtomicAgentsError, *, as_json: bool) -> None:
    """An error on its way out: to a person on stderr, to a program on stdout."""
    if as_json:
        value = found.as_json() | {"hint": command(found.hint)}
        click.echo(json.dumps({"error": value}, ensure_ascii=False, default=str))
    else:
        error(found)


def problems(label: str, found: Sequence[Problem]) -> None:
    """Problems, each with its place and its fix."""
    for problem in found[:_MOST_PROBLEMS]:
        click.echo(
            f"{_label(label, 'red' if label == 'error' else 'yellow')}: {problem.where}: {problem.message}", err=True
        )
        hint(problem.hint)
    if len(found) > _MOST_PROBLEMS:
        talk(f"and {len(found) - _MOST_PROBLEMS:,} more")


def hint(text: str) -> None:
    """What to type, one command or edit a line."""
    for line in hint_lines(text):
        click.echo(line, err=True)


def hint_lines(text: str) -> list[str]:
    """A hint as it is printed; a line that is indented belongs to the one above it."""
    lines = command(text).splitlines()
    return [f"        {line}" if line.startswith("  ") else f"  hint: {line}" for line in lines]


def use_root(root: str | None) -> None:
    """Remember that the vault was named on the command line, so that the commands in hints name it too."""
    _ROOT.set(root or "")


def command(text: str) -> str:
    """Words with commands in them, as they have to be typed for the vault in use."""
    root = _ROOT.get()
    return _COMMAND.sub(lambda found: f"{found[0]}--root {shlex.quote(root)} ", text) if root else text


def _label(word: str, colour: str) -> str:
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    return click.style(word, fg=colour, bold=True) if coloured else word


def table(rows: Iterable[Sequence[str]], header: Sequence[str]) -> None:
    """Columns of text, padded, without lines."""
    everything = [tuple(header), *(tuple(row) for row in rows)]
    widths = [max(len(row[i]) for row in everything) for i in range(len(header))]
    for row in everything:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


money = format_usd


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 note`, `1,243 notes`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or noun + 's'}"


def documents(counts: Iterable[tuple[str, int]]) -> str:
    """`1,243 notes, 2 wiki pages`, from kinds of documents and how many there are."""
    return ", ".join(count(number, *_NOUNS.get(kind, ("document",))) for kind, number in counts) or "nothing"


def duration(milliseconds: float) -> str:
    """`310 ms`, `1.4 s`, `3 min`."""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1000:.1f} s" if milliseconds < 120_000 else f"{milliseconds / 60_000:.0f} min"


@dataclass
class Bar:
    """A progress bar for each phase, on a terminal and for anything that takes a while."""

    watched: bool
    _phase: str = ""
    _shown: int = -1

    def show(self, phase: str, done: int, total: int) -> None:
        """Say how far a phase is."""
        if not self.watched or total < 500:
            return
        percent = done * 100 // max(total, 1)
        if phase != self._phase or percent != self._shown:
            filled = "█" * (percent // 5)
            click.echo(f"\r{phase:<10} {filled:<20} {percent:3}% of {total:,}", err=True, nl=done >= total)
            self._phase, self._shown = phase, percent


def progress() -> Callable[[str, int, int], None]:
    """A bar for the terminal, silent where there is none."""
    return Bar(watched=sys.stderr.isatty()).show
