import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from atomic_agents.testing.shell import Shell, tree

LEFT: Mapping[str, tuple[str, ...]] = {
    "2 further goals (": (
        "orchard/goals/g-1/goal.md", "orchard/goals/g-1/goal_history.jsonl", "orchard/goals/g-2/goal.md",
    ),
    "1 goal history": ("orchard/goal_history.jsonl",),
    "1 archived goal": ("orchard/goal_archive/spring.md",),
    "2 outcomes": (
        "orchard/outcomes/runs/outcome-1/result.json", "orchard/outcomes/runs/outcome-1/out.md",
        "orchard/outcomes/runs/outcome-2/result.json",
    ),
    "3 evals": (
        "orchard/evals/golden/happy/001_a.md", "orchard/evals/golden/edge/002_b.md", "orchard/evals/regressions/1_x.md",
    ),
    "2 eval rubrics and judges": ("orchard/evals/rubric.md", "orchard/evals/judge.md"),
    "1 eval run": ("orchard/evals/runs/2026-05-01.jsonl",),
    "1 tuning report": ("orchard/evals/tuning_reports/2026-05-01_proposal.md",),
    "1 tuning history": ("orchard/evals/tuning_history.jsonl",),
    "3 queue items (": (
        "almanac/projects/winter/queue/queued/scribe/a.md", "almanac/projects/winter/queue/claimed/t/b.md",
        "almanac/projects/winter/queue/claimed/t/b.md.lease.json", "almanac/projects/winter/queue/dead-letter/t/c.md",
        "almanac/projects/winter/queue/dead-letter/t/c.md.reason.txt",
    ),
    "1 playbook": ("orchard/skills/launch/PLAYBOOK.md",),
    "2 governance files (": ("orchard/governance.md", "almanac/projects/winter/agents/scribe/governance.md"),
    "1 principal": ("principals/ada.json",),
    "2 idempotency records (": ("orchard/idempotency/ab.terminal.json", "orchard/idempotency/cd.lease.json"),
    "1 bundle": ("orchard/bundle.md",),
    "1 persona snapshot": (".personas/warm/.snapshots/s1/IDENTITY.md", ".personas/warm/.snapshots/s1/SOUL.md"),
    "2 databases of backends (": ("orchard/.corpus.db", "memory.db"),
}  # fmt: skip
USED = (
    "orchard/goal.md", "orchard/raw/data.sqlite", "orchard/raw/goals/x.md", "orchard/memory/evals/x.md",
    "notes/queue/x.md",
    "orchard/skills/launch/SKILL.md", "orchard/conversations/bob/c/1_user.json",
)  # fmt: skip


@pytest.fixture
def vault(vault_copy: Callable[[str], Path]) -> Path:
    root = vault_copy("v1")
    for path in (*(path for paths in LEFT.values() for path in paths), *USED):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("{}\n")
    return root


def test_doctor_counts_what_is_not_used_by_kind_and_says_what_becomes_of_it(vault: Path, shell: Shell) -> None:
    done = shell("doctor")
    (found,) = [one for one in shell("doctor", "--json").value["results"] if one["name"] == "features"]

    line = next(line for line in done.out.splitlines() if line.startswith("warning: features"))
    for words in LEFT:
        assert words in line
    assert line.endswith("kept byte for byte, and not used by this version")
    kinds = {one["kind"]: one for one in found["detail"]["kinds"]}
    assert len(kinds) == len(LEFT)
    assert kinds["outcomes"]["paths"] == ["orchard/outcomes/runs/outcome-1", "orchard/outcomes/runs/outcome-2"]
    assert kinds["databases of backends"]["paths"] == ["memory.db", "orchard/.corpus.db"]
    assert vault.is_dir()


def test_the_plan_of_an_upgrade_says_the_same_and_the_upgrade_keeps_them(vault: Path, shell: Shell) -> None:
    paths = [path for paths in LEFT.values() for path in paths]
    before = {path: (vault / path).read_bytes() for path in paths}

    words = shell("upgrade", "--plan")
    events = [json.loads(line) for line in shell("upgrade", "--plan", "--json").out.splitlines()]
    done = shell("upgrade", "--yes")
    after = shell("upgrade", "--plan")

    for said in (words, after):
        for each in LEFT:
            assert f"kept       {each}" in said.out
        assert "kept byte for byte, and not used by this version" in said.out
    (event,) = [one for one in events if one["event"] == "unused"]
    assert {one["kind"]: one["count"] for one in event["kinds"]}["queue items"] == 3
    assert done.code == 0, done.err
    assert {path: (vault / path).read_bytes() for path in paths} == before


def test_a_vault_of_this_version_has_none(shell: Shell) -> None:
    assert shell("init", "scout", "--model", "embedded:quote").code == 0
    assert shell("run", "scout", "--work-item", "hello", "--idempotency-key", "k").code == 0
    before = tree(shell.root, without=(".atomic",))

    (found,) = [one for one in shell("doctor", "--json").value["results"] if one["name"] == "features"]

    assert found["status"] == "pass"
    assert tree(shell.root, without=(".atomic",)) == before
