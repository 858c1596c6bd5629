"""The journal: what happened, day by day, as an agent's owner would read it."""

import datetime
import re


def heading(day: datetime.date, agent: str) -> str:
    """The first line of a day."""
    return f"# {day:%Y-%m-%d} — {agent.rpartition('/')[2]} journal"


def append(text: str, entry: str, *, day: datetime.date, agent: str) -> str:
    """The day's text with `entry` below what stands there, whoever wrote it; that stays byte for byte."""
    newline = "\r\n" if "\r\n" in text else "\n"
    before = text if text.strip() else heading(day, agent)
    ends = re.search(r"\n?\r?\n\Z|\Z", before[-3:])
    gap = newline * (2 - (ends[0].count("\n") if ends else 0))
    return before + gap + newline.join(re.split(r"\r?\n", entry.strip())) + newline


def run_entry(
    time: datetime.datetime, *, run_id: str, trigger: str, work_item: str, outcome: str, facts: list[str]
) -> str:
    """What a run did, for its agent's journal."""
    asked = " ".join(work_item.split())
    lines = [
        f"## {time:%H:%M} — {trigger} run",
        f"<!-- {run_id} -->",
        "",
        f"Asked: {_short(asked, 400)}",
        "",
        _short(outcome, 800),
    ]
    return "\n".join([*lines, "", *(f"- {fact}" for fact in facts)])


def without_runs(text: str) -> str:
    """The day's text without what runs wrote, line for line, so that a search does not find its own questions."""
    parts = f"\n{text}".split("\n#")
    kept = ("\n" * (part.count("\n") + 1) if _is_of_a_run(part) else f"\n#{part}" for part in parts[1:])
    return "".join((parts[0], *kept))[1:]


def _is_of_a_run(part: str) -> bool:
    return part.startswith("# ") and part.startswith("\n<!-- run-", part.find("\n"))


def _short(text: str, limit: int) -> str:
    # A heading inside an answer would end the run's entry early, and a comment could hide what stands below it.
    text = re.sub(r"^(#+ )", r"\\\1", text.strip(), flags=re.MULTILINE).replace("<!--", "&lt;!--")
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"
