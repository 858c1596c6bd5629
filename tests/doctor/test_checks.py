import datetime
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from atomic_agents import config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.doctor.check import Result
from atomic_agents.operations import health

MakeVault = Callable[[Mapping[str, str | bytes]], Path]
NOTE = """---
schema_version: 2
name: {0}
description: d
type: user
confidence: high
provenance: tool
sources: [s]
---

{0}
"""
MODEL = "---\nschema_version: 2\nmodel: embedded:quote\n---\n\n# Model\n"
TOOLS = "---\nschema_version: 2\nwrite_paths: [memory/]\n---\n\n# Tools\n"
CLEAN = {
    "scout/persona/IDENTITY.md": "# Scout\n",
    "scout/model.md": MODEL,
    "scout/tools.md": TOOLS,
    "scout/memory/user_a.md": NOTE.format("a"),
    "scout/memory/INDEX.md": "# Memory Index\n\n- [a](user_a.md) — d\n",
}
GONE = b"\0gone"
FAULTS: dict[str, tuple[dict[str, str | bytes], str, str, str]] = {
    "an old note": (
        {"scout/memory/user_a.md": NOTE.format("a").replace("schema_version: 2\n", "")},
        "schema", "fail", "the vault is at v0: 1 document must be migrated to v2",
    ),
    "old settings": (
        {"scout/roster.md": "## Delegate to\n- scout\n"},
        "schema", "fail", "the vault is at v1: 1 document must be migrated to v2",
    ),
    "a newer note": (
        {"scout/memory/user_a.md": NOTE.format("a").replace(": 2", ": 9")},
        "schema", "fail", "documents are at v9, and this package writes v2",
    ),
    "a policy with a typo": (
        {"policy.md": "---\nschema_version: 2\ncost_cap: {}\n---\n"},
        "agents", "fail", "policy.md:3: cost_cap is not a setting",
    ),
    "a project's policy that is broken": (
        {"projects/x/policy/no_war.md": "---\nname: [\n---\n"},
        "agents", "fail", "projects/x/policy/no_war.md:3: front matter is not YAML",
    ),
    "a role that is broken": (
        {"roles/x/model.md": b"\0"},
        "agents", "fail", "roles/x/model.md: is binary: it holds NUL bytes",
    ),
    "a run that was never closed": (
        {"_runs/run-20260501-120000-000000-abcdef12.jsonl": '{"event": "started", "agent": "scout"}\n'},
        "locks", "warn", "run-20260501-120000-000000-abcdef12 of scout is under way, or its process died",
    ),
    "no model.md": ({"scout/model.md": GONE}, "vault", "fail", "scout/model.md is missing"),
    "no tools.md": ({"scout/tools.md": GONE}, "vault", "warn", "scout/tools.md is missing"),
    "a roster that is wrong": (
        {"scout/roster.md": "---\nschema_version: 2\ndelegate_to: scribe\n---\n"},
        "vault", "fail", 'scout/roster.md:3: delegate_to is "scribe"; a list is needed',
    ),
    "a model without a key": (
        {"scout/model.md": MODEL.replace("embedded:quote", "openai:gpt-5-mini")},
        "provider-keys", "fail", "openai:gpt-5-mini: needs ATOMIC_AGENTS_OPENAI_KEY or OPENAI_API_KEY",
    ),
    "a model that nobody has": (
        {"scout/model.md": MODEL.replace("embedded:quote", "nobody-knows")},
        "provider-keys", "fail", "nobody-knows: ",
    ),
    "no model stated": (
        {"scout/model.md": "---\nschema_version: 2\n---\n"}, "model", "fail", "scout/model.md states no model",
    ),
    "a cap with a comma": (
        {"scout/model.md": MODEL.replace("\n---\n\n#", '\ncost_guardrails:\n  daily_cap_usd: "0,50"\n---\n\n#')},
        "model", "fail", 'scout/model.md:5: cost_guardrails.daily_cap_usd is "0,50"; a number in USD is needed',
    ),
    "guardrails without a cap": (
        {"scout/model.md": MODEL.replace("\n---\n\n#", "\ncost_guardrails:\n  enabled: true\n---\n\n#")},
        "model", "warn", "scout/model.md: cost_guardrails are enabled and state no cap",
    ),
    "text that says otherwise": (
        {"scout/model.md": MODEL + "\n## Default model\ngpt-5-mini\n"},
        "model", "fail", "scout/model.md:9: the text states another model than scout/model.md:3",
    ),
    "an MCP server that is not there": (
        {"scout/mcp.md": "---\nschema_version: 2\nservers:\n  frost:\n    command: no-such-command\n---\n"},
        "mcp", "fail", "no-such-command of frost is not on the PATH",
    ),
    "an MCP file with a typo": (
        {"scout/mcp.md": "---\nschema_version: 2\nserver: {}\n---\n"}, "mcp", "fail", "scout/mcp.md:3: server is not a",
    ),
    "a broken note": (
        {"scout/memory/user_x.md": "---\nname: [\n---\nx\n"}, "memory", "fail", "scout/memory/user_x.md:3: front",
    ),
    "a binary note": (
        {"scout/memory/user_y.md": b"\0\1\2"}, "memory", "fail", "scout/memory/user_y.md: is binary",
    ),
    "a broken page": (
        {"scout/wiki/z.md": "---\nname: z\n"}, "memory", "fail", "scout/wiki/z.md:1: front matter does not end",
    ),
    "a copy of a conflict": (
        {"scout/memory/user_a (conflicted copy 2026-05-01).md": NOTE.format("a")},
        "memory", "warn", "scout/memory/user_a (conflicted copy 2026-05-01).md is the copy that a sync tool made",
    ),
    "a copy of another tool's conflict": (
        {"scout/memory/user_a.sync-conflict-20260501-120000-ABCDEFG.md": NOTE.format("a")},
        "memory", "warn", "scout/memory/user_a.sync-conflict-20260501-120000-ABCDEFG.md is the copy",
    ),
    "a note that lacks a field": (
        {"scout/memory/user_a.md": NOTE.format("a").replace("type: user\n", "")},
        "memory", "warn", "scout/memory/user_a.md:1: type is missing",
    ),
    "a note whose day is none": (
        {"scout/memory/user_a.md": NOTE.format("a").replace("type: user\n", "type: user\nexpires_at: soon\n")},
        "memory", "warn", "scout/memory/user_a.md:6: expires_at is 'soon'; a day is needed",
    ),
    "a line for a note that is gone": (
        {"scout/memory/INDEX.md": "# Memory Index\n\n- [a](user_a.md) — d\n- [b](user_b.md) — d\n"},
        "memory", "warn", "scout/memory/INDEX.md:4: user_b.md is listed and not there",
    ),
    "a memory it may not write": (
        {"scout/tools.md": TOOLS.replace("memory/", "journal/")},
        "write-paths", "warn", "scout/tools.md: memory/ is not among the write paths",
    ),
}  # fmt: skip


def examined(root: Path, *, agent: str = "", with_mcp: bool = True, **environ: str) -> list[Result]:
    opened = open_workspace(config.load(str(root), {"HOME": str(root.parent), **environ}))
    try:
        return health.examine(opened, agent=agent, with_mcp=with_mcp)
    finally:
        opened.close()


def complaints(results: list[Result]) -> list[tuple[str, str, str]]:
    return [(r.check, r.finding.state, r.finding.message) for r in results if r.finding.state in ("fail", "warn")]


def with_fault(make_vault: MakeVault, changes: Mapping[str, str | bytes]) -> Path:
    root = make_vault(CLEAN | dict(changes))
    for path, data in changes.items():
        if data == GONE:
            (root / path).unlink()
    return root


def test_a_clean_agent_has_nothing_to_complain_about(make_vault: MakeVault) -> None:
    assert complaints(examined(make_vault(CLEAN))) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_by_its_check_and_by_no_other(fault: str, make_vault: MakeVault) -> None:
    changes, check, state, words = FAULTS[fault]
    root = with_fault(make_vault, changes)

    found = complaints(examined(root))

    assert [(one, how) for one, how, _ in found] == [(check, state)]
    assert words in found[0][2]


@pytest.mark.parametrize("fault", FAULTS)
def test_every_complaint_says_what_to_do(fault: str, make_vault: MakeVault) -> None:
    results = examined(with_fault(make_vault, FAULTS[fault][0]))

    assert [r.finding.message for r in results if r.finding.state in ("fail", "warn") and not r.finding.hint] == []


def test_an_unknown_price_fails_only_while_a_cap_counts_on_it(make_vault: MakeVault) -> None:
    model = MODEL.replace("embedded:quote", "openai:house-blend")
    capped = model.replace("\n---\n\n#", "\ncost_guardrails:\n  enabled: true\n  daily_cap_usd: 1\n---\n\n#")

    free = complaints(examined(make_vault(CLEAN | {"scout/model.md": model}), OPENAI_API_KEY="k"))
    found = complaints(examined(make_vault(CLEAN | {"scout/model.md": capped}), OPENAI_API_KEY="k"))
    priced = complaints(
        examined(make_vault({"prices.toml": '["openai:house-blend"]\ninput = 1.0\noutput = 2.0\n'}), OPENAI_API_KEY="k")
    )

    assert (free, priced) == ([], [])
    assert [(check, state) for check, state, _ in found] == [("model", "fail")]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_what_a_listing_leaves_out_is_told(make_vault: MakeVault) -> None:
    root = make_vault(CLEAN)
    (root / "scout/memory/user_away.md").symlink_to(root.parent / "away.md")

    assert complaints(examined(root)) == [
        ("env", "warn", "scout/memory/user_away.md: a link that leads nowhere; it is left out")
    ]


def test_a_vault_without_agents_is_told(make_vault: MakeVault) -> None:
    assert complaints(examined(make_vault({}))) == [("agents", "warn", "the vault holds no agent")]


def test_a_missing_vault_fails(tmp_path: Path) -> None:
    root = tmp_path / "none"

    assert complaints(examined(root)) == [("env", "fail", f"there is no vault at {root}")]
    assert not root.exists()


def test_one_agent_is_examined_by_itself(make_vault: MakeVault) -> None:
    other = {path.replace("scout", "writer"): text for path, text in CLEAN.items()}
    root = make_vault(CLEAN | other | {"writer/memory/user_x.md": b"\0"})

    alone, both = examined(root, agent="scout"), examined(root)

    assert {result.agent for result in alone} == {"", "scout"}
    assert (complaints(alone), len(complaints(both))) == ([], 1)


def test_an_agent_that_is_not_there_fails(make_vault: MakeVault) -> None:
    results = examined(make_vault(CLEAN), agent="scot")

    assert complaints(results) == [("vault", "fail", "there is no agent scot")]
    assert results[-1].finding.hint == "did you mean scout"


def test_servers_are_left_out_where_the_operator_says_so(make_vault: MakeVault) -> None:
    root = make_vault(CLEAN | FAULTS["an MCP server that is not there"][0])

    assert complaints(examined(root, with_mcp=False)) == []


def test_a_crashed_run_is_told_of_its_own_agent_alone(make_vault: MakeVault) -> None:
    other = {path.replace("scout", "writer"): text for path, text in CLEAN.items()}
    root = make_vault(CLEAN | other | FAULTS["a run that was never closed"][0])

    assert complaints(examined(root, agent="writer")) == []


def test_the_clock_is_not_read_by_any_check(make_vault: MakeVault) -> None:
    opened = open_workspace(config.load(str(make_vault(CLEAN)), {}))
    opened.clock = lambda: datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)

    assert complaints(health.examine(opened)) == []
