"""Vaults of any size in the published format, for benchmarks and soak tests."""

import datetime
import json
from pathlib import Path

KINDS = ("user", "feedback", "project", "decision", "reference")
MODEL = "gpt-5-mini"
_DAY = datetime.date(2026, 5, 1)
_DAYS = 30
_WORDS = ("harbour", "ledger", "orchard", "invoice", "ferry", "quarter", "lantern", "copper", "meadow", "signal")


def generate(
    root: Path, notes: int, *, version: int = 1, agents: int = 1, log_lines: int = 0, day: datetime.date = _DAY
) -> Path:
    """Make a vault below `root` and return it.

    `notes` and `log_lines` are shared out among `agents`, which are called agent0, agent1, …; `version` (0, 1 or 2) is
    the schema version of the notes, and of the settings files where it is 2. The log lines are those of the runs of the
    30 days up to `day`.
    """
    for number in range(agents):
        home = root / f"agent{number}"
        for folder in ("persona", "memory", "wiki", "journal", "log"):
            (home / folder).mkdir(parents=True)
        for name in ("IDENTITY", "SOUL", "USER"):
            mode = "\n## Operating mode\n\nThis agent is **reactive**.\n" if name == "IDENTITY" else ""
            _write(home / "persona" / f"{name}.md", f"# {name}\n\nThe keeper of the harbour's papers.\n{mode}")
        for name, text in (_SETTINGS_V2 if version == 2 else _SETTINGS).items():
            _write(home / name, text)
        _notes(home / "memory", range(number, notes, agents), version)
        if log_lines:
            log(home / "log", len(range(number, log_lines, agents)), day)
    return root


def _notes(folder: Path, numbers: range, version: int) -> None:
    lines = ["# Memory Index", ""]
    for number in numbers:
        kind = KINDS[number % len(KINDS)]
        name = f"{kind}_note_{number:06}.md"
        _write(folder / name, note(number, version))
        lines.append(f"- [note {number}]({name}) — what note {number} is about")
    _write(folder / "INDEX.md", "\n".join(lines) + "\n")


def note(number: int, version: int = 1) -> str:
    """The text of one note, about 500 bytes; a comment and a foreign key stand in its front matter."""
    words = " ".join(_WORDS[(number // 10**place) % 10] for place in range(6))
    seen = _DAY - datetime.timedelta(days=number % 90)
    vouched = "provenance: inference\nsupersedes: []\n" if version == 2 else ""
    return (
        f"---\n# kept by hand\nschema_version: {version}\nname: note {number}\n"
        f"description: what note {number} is about\ntype: {KINDS[number % len(KINDS)]}\n"
        f"captured: '{seen}'\nlast_seen: '{seen}'\nsources:\n- conversation_{number}\nconfidence: high\n{vouched}"
        f"shelf: {number % 7}\n---\n\n# note {number}\n\n{words}. "
        + "It was agreed at the quay and written down. " * 5
        + "\n"
    )


def log(folder: Path, lines: int, day: datetime.date) -> None:
    """Write the log lines of so many runs into an agent's `log/`, as many on each of the 30 days up to `day`."""
    for ago in range(_DAYS):
        at = datetime.datetime.combine(day - datetime.timedelta(days=ago), datetime.time(), datetime.UTC)
        month = folder / f"{at:%Y-%m}"
        month.mkdir(exist_ok=True)
        with (month / f"{at:%Y-%m-%d}.jsonl").open("w", encoding="utf-8", newline="\n") as out:
            for number in range(ago, lines, _DAYS):
                record = {
                    "ts": at.isoformat(timespec="microseconds"), "run_id": f"run-{at:%Y%m%d-%H%M%S}-{number:06}",
                    "primitive": "agent_call", "status": "ok", "summary": "asked for the ledger", "model": MODEL,
                    "input_tokens": 1200, "output_tokens": 80, "cost_usd": 0.000001, "latency_ms": 900.0,
                    "trigger": "cron",
                }  # fmt: skip
                out.write(json.dumps(record) + "\n")
                at += datetime.timedelta(seconds=5)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


_SETTINGS = {
    "model.md": f"""# MODEL

## Default model
{MODEL}

## Cost guardrail

```yaml
cost_guardrails:
  enabled: true
  daily_cap_usd: 100.00
  monthly_cap_usd: 1000.00
  daily_cap_action: skip
  monthly_cap_action: skip
```
""",
    "tools.md": """# TOOLS

## Read paths
- ./

## Write paths (own folder ONLY)
- memory/
- wiki/
- journal/
- log/
""",
}

_SETTINGS_V2 = {
    "model.md": f"""---
schema_version: 2
model: {MODEL}
cost_guardrails:
  enabled: true
  daily_cap_usd: 100.00
  monthly_cap_usd: 1000.00
  daily_cap_action: skip
  monthly_cap_action: skip
---
# MODEL
""",
    "tools.md": """---
schema_version: 2
read_paths:
- ./
write_paths:
- memory/
- wiki/
- journal/
- log/
---
# TOOLS
""",
}
