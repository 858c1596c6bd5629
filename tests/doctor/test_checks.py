import datetime
import os
import shutil
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from atomic_agents import config
from atomic_agents._version import __version__
from atomic_agents.bootstrap import open_workspace
from atomic_agents.doctor.check import Result
from atomic_agents.fleet import beats
from atomic_agents.migration import snapshot
from atomic_agents.operations import health
from atomic_agents.testing.shell import Shell

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
ALERTS = "---\nschema_version: 2\nalerts:\n  {}\n---\n"
PAGE = "---\nschema_version: 2\nname: fig\ndescription: d\ntype: wiki_page\nprovenance: document\n---\n\nFigs.\n"
RETIRED = "moonshotai:kimi-k2.5"
CAPPED = MODEL.replace("\n---\n\n#", "\ncost_guardrails:\n  enabled: true\n  daily_cap_usd: 1\n---\n\n#")
TODAY = datetime.datetime.now().astimezone()
SPENT = (
    f"scout/log/{TODAY:%Y-%m}/{TODAY:%Y-%m-%d}.jsonl",
    f'{{"ts": "{TODAY.isoformat()}", "run_id": "r", "status": "ok", "cost_usd": 0.9}}\n',
)
CLEAN = {
    "scout/persona/IDENTITY.md": "# Scout\n",
    "scout/model.md": MODEL,
    "scout/tools.md": TOOLS,
    "scout/memory/user_a.md": NOTE.format("a"),
    "scout/memory/INDEX.md": "# Memory Index\n\n- [a](user_a.md) — d\n",
}
GONE = b"\0gone"
LETTER = {
    "scout/tools/send_letter.md": "---\nname: send_letter\ndescription: d\nclassification: external_side_effect\n---\n",
    "scout/tools/send_letter.py": "def handler(input): return 'sent'\n",
}
DAY = datetime.timedelta(days=1)


def granting(
    tool: str = "send_letter", limit: str = "daily_count: 5", ends: int = 9, since: int = 2, target: str = "domain"
) -> str:
    begins, end = f"{TODAY - since * DAY:%Y-%m-%d}", f"{TODAY + ends * DAY:%Y-%m-%d}"
    return (
        "---\nschema_version: 2\nmandates:\n  letters:\n    granted_by: nell\n    scope: letters\n"
        f"    granted_at: {begins}\n    expires_at: {end}\n    revocation_state: active\n    constraints:\n"
        f"      allowed_tools: [{tool}]\n      {limit}\n      allowed_targets: [{{{target}: example.org}}]\n---\n"
    )


USE = f'{{"ts": "{TODAY.isoformat()}", "run_id": "r", "trigger": "tool_call", "mandate_id": "letters"}}\n'


def request(
    fingerprint: str = "sha256:0", *, expires: str = "", run: str = "run-20260501-120000-000000-abcdef12"
) -> dict[str, str | bytes]:
    path = "scout/vault/escalations/external_side_effect/proposal_1.md"
    proposal = f'{{"tool_name": "send_letter", "tool_definition_hash": "{fingerprint}", "tool_arguments": {{}}}}'
    return {
        **LETTER,
        "_waiting/proposal_1.json": f'{{"agent": "scout", "path": "{path}", "run_id": "{run}"}}',
        path: f"---\ntype: escalation\nstate: pending\nescalated_at: '2026-05-01T12:00:00Z'\ntool: send_letter\n"
        f"parent_run_id: {run}\n{expires}---\n\n## Proposal\n\n```yaml\n{proposal}\n```\n",
        "scout/runs/2026-05/run-20260501-120000-000000-abcdef12.jsonl": '{"event": "started", "agent": "scout"}\n',
    }


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
        "schema", "fail", "scout/memory/user_a.md:2: is at v9, and this package, 3.0.0, reads and writes up to v2",
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
        "locks", "warn", "run-20260501-120000-000000-abcdef12 of scout is not finished, and its process is gone",
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
        "memory", "warn", "scout/memory/INDEX.md:4: lists user_b.md, which is not there",
    ),
    "a webhook whose variable is not set": (
        {"policy.md": ALERTS.format("webhook: {url_variable: HOOK}")},
        "alerts", "fail", "alerts.webhook of policy.md: the variable HOOK is not set here",
    ),
    "a command for alerts that is not there": (
        {"policy.md": ALERTS.format("command: [no-such-command]")},
        "alerts", "fail", "alerts.command of policy.md: no-such-command is not on the PATH",
    ),
    "alerts that need a channel that is not stated": (
        {"scout/model.md": MODEL.replace("\n---\n\n#", "\ncost_guardrails:\n  alert_channel: email\n---\n\n#")},
        "model", "fail", "scout/model.md:4: alert_channel is email, and policy.md states no alerts.email",
    ),
    "alerts that take none of the channels": (
        {
            "policy.md": ALERTS.format("command: [python3]").removesuffix("---\n")
            + "cost_guardrails:\n  daily_cap_usd: 1\n  alert_channel: log_only\n---\n",
        },
        "alerts", "warn", "policy.md:5: alert_channel is log_only, so alerts take none of the channels in policy.md",
    ),
    "a persona with both sides of a merge": (
        {"scout/persona/SOUL.md": "# Soul\n\n<<<<<<< mine\nshort\n=======\nlong\n>>>>>>> theirs\n"},
        "documents", "fail", "scout/persona/SOUL.md:3: a merge left both sides of a conflict in it",
    ),
    "a note with both sides of a merge": (
        {"scout/memory/user_a.md": NOTE.format("a") + "\n<<<<<<< mine\nb\n=======\nc\n>>>>>>> theirs\n"},
        "memory", "fail", "scout/memory/user_a.md:13: a merge left both sides of a conflict in it",
    ),
    "a persona that is binary": (
        {"scout/persona/USER.md": b"\0"}, "documents", "fail", "scout/persona/USER.md: is binary",
    ),
    "a copy of settings that were in conflict": (
        {"scout/model (conflicted copy 2026-05-01).md": MODEL},
        "documents", "warn", "scout/model (conflicted copy 2026-05-01).md is the copy that a sync tool made",
    ),
    "names that differ in case": (
        {"scout/wiki/Fig.md": PAGE, "scout/wiki/fig.md": PAGE},
        "names", "warn", "'scout/wiki/fig.md' and 'scout/wiki/Fig.md' are one name on macOS",
    ),
    "names that differ in Unicode form": (
        {"scout/raw/caf\u00e9.txt": "a", "scout/raw/cafe\u0301.txt": "a"}, "names", "warn", "are one name on macOS",
    ),
    "folders that differ in case": (
        {"scout/raw/a.txt": "a", "scout/Raw/b.txt": "a"}, "names", "warn", "'scout/raw' and 'scout/Raw' are one name",
    ),
    "a snapshot that is none": (
        {"_migrations/snapshots/2026-05-01T120000_pre_v2_migration.tar.gz": b"no"},
        "backups", "warn", "the snapshot 2026-05-01T120000_pre_v2_migration.tar.gz cannot be opened",
    ),
    "an agent that waits": (
        {
            "_waiting/esc-1.json": '{"agent": "scout", "path": "scout/vault/escalations/esc-1.md"}',
            "scout/vault/escalations/esc-1.md": "---\ntype: escalation\nescalated_at: '2026-05-01T12:00:00Z'\n---\n",
        },
        "approvals", "warn", "an answer is waited for, since 2026-05-01T12:00",
    ),
    "a request that nobody answered in time": (
        request(expires="expires_at: '2026-05-02T12:00:00Z'\n"),
        "approvals", "warn", "proposal_1 of scout expired at 2026-05-02 12:00 and was never answered",
    ),
    "a request whose tool was changed": (
        request(), "approvals", "warn", "proposal_1: send_letter was changed since scout asked for it",
    ),
    "a request whose run is gone": (
        request(run="run-20260502-120000-000000-abcdef12"), "approvals", "warn", "-abcdef12, is gone",
    ),
    "a grant that has ended": (
        {**LETTER, "scout/mandates.md": granting(ends=-1)}, "grants", "warn", "letters ended on",
    ),
    "a grant that is used up": (
        {**LETTER, "scout/mandates.md": granting(limit="cumulative_count: 1"), SPENT[0]: USE},
        "grants", "warn", "letters is used up: 1 in all",
    ),
    "a grant for a tool that is not there": (
        {**LETTER, "scout/mandates.md": granting("send_leter")},
        "grants", "warn", "letters is for send_leter, and there is no such tool",
    ),
    "a grant that nobody uses": (
        {**LETTER, "scout/mandates.md": granting(since=40)}, "grants", "warn", "letters was not used since",
    ),
    "a grant with a target of no kind": (
        {**LETTER, "scout/mandates.md": granting(target="domian")}, "vault", "fail", "'domian' is not a kind of target",
    ),
    "a tool whose variable is not set": (
        {**LETTER, "scout/tools/send_letter.md": f"---\nenv: [POST_KEY]\n{LETTER['scout/tools/send_letter.md'][4:]}"},
        "tools", "warn", "scout/tools/send_letter.md: it needs POST_KEY, which is not set",
    ),
    "a server whose variable is not set": (
        {
            "scout/mcp.md": "---\nschema_version: 2\nservers:\n  s:\n    url: http://127.0.0.1:9/\n"
            "    headers: {a: $POST_KEY}\n---\n"
        },
        "mcp", "warn", "s needs POST_KEY, which is not set",
    ),
    "a cap that is nearly spent": (
        {"scout/model.md": CAPPED, SPENT[0]: SPENT[1]},
        "spend", "warn", "80% of the daily cap of $1.00 is spent: $0.9000",
    ),
    "a log line that is none": (
        {"scout/model.md": CAPPED, SPENT[0]: "{\n"}, "spend", "fail", f"{SPENT[0]}:1 is not a record with a cost",
    ),
    "a cap of all that is nearly spent": (
        {"policy.md": "---\nschema_version: 2\ncost_guardrails:\n  daily_cap_usd: 1\n---\n", SPENT[0]: SPENT[1]},
        "shared-spend", "warn", "80% of the vault's daily cap of $1.00 is spent: $0.9000",
    ),
    "a persona that is longer than a prompt": (
        {"scout/model.md": MODEL.replace("quote\n", "quote\nmax_input_tokens: 100\n")},
        "context", "fail", "tokens at least, and max_input_tokens is 100",
    ),
    "an index that is cut": (
        {
            "scout/model.md": MODEL.replace("quote\n", "quote\nmax_input_tokens: 900\n"),
            "scout/memory/INDEX.md": "# Memory Index\n\n- [a](user_a.md) — d\n" + "\n\nMore of it." * 500,
        },
        "context", "warn", "and max_input_tokens is 900; cut: ",
    ),
    "autonomy that only the persona states": (
        {"scout/persona/IDENTITY.md": "# Scout\n\n| class | level |\n| --- | --- |\n| reversible_write | escalate |\n"},
        "settings", "warn", "IDENTITY.md:5 says reversible_write: escalate, and audit holds (default)",
    ),
    "a daily cap above the monthly one": (
        {"scout/model.md": CAPPED.replace("daily_cap_usd: 1", "daily_cap_usd: 5\n  monthly_cap_usd: 2")},
        "settings", "warn", "scout/model.md:4: daily_cap_usd is 5 and never reached: monthly_cap_usd is 2",
    ),
    "a fallback that is none": (
        {"scout/model.md": MODEL.replace("quote\n", "quote\nfallback_model: embedded:quote\n")},
        "settings", "warn", "scout/model.md:4: fallback_model is the model itself",
    ),
    "a provider that the model contradicts": (
        {"scout/model.md": MODEL.replace("quote\n", "quote\nprovider: openai\n")},
        "settings", "warn", "scout/model.md:4: provider is openai, and the model is embedded:quote",
    ),
    "an agent to delegate to that is spelt wrongly": (
        {"scout/roster.md": "---\nschema_version: 2\ndelegate_to: [scuot]\n---\n"},
        "settings", "warn", "scout/roster.md:3: there is no agent scuot to delegate to",
    ),
    "a rule for an agent that is not there": (
        {"policy.md": "---\nschema_version: 2\nagents:\n  scuot:\n    cost_caps: {daily_usd: 1}\n---\n"},
        "agents", "warn", "policy.md:4: there is no agent scuot, so what is said of it has no effect",
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

    together = "---\nschema_version: 2\ncost_guardrails:\n  daily_cap_usd: 1\n---\n"

    free = complaints(examined(make_vault(CLEAN | {"scout/model.md": model}), OPENAI_API_KEY="k"))
    shared = complaints(examined(make_vault({"policy.md": together}), OPENAI_API_KEY="k"))
    (make_vault({}) / "policy.md").unlink()
    found = complaints(examined(make_vault(CLEAN | {"scout/model.md": capped}), OPENAI_API_KEY="k"))
    priced = complaints(
        examined(make_vault({"prices.toml": '["openai:house-blend"]\ninput = 1.0\noutput = 2.0\n'}), OPENAI_API_KEY="k")
    )

    assert (free, priced) == ([], [])
    assert [(check, state) for check, state, _ in found] == [("model", "fail")]
    assert shared[0][2].endswith("so a run is skipped while policy.md sets a cap for all agents")


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


def test_a_collector_without_what_sends_to_it_is_told(make_vault: MakeVault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)  # as if it were not installed

    found = complaints(examined(make_vault(CLEAN), OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1"))

    message = "runs are to be sent to http://127.0.0.1:1 as traces, and OpenTelemetry is not installed"
    assert found == [("telemetry", "warn", message)]


def test_a_clock_that_was_never_set_is_told(make_vault: MakeVault) -> None:
    opened = open_workspace(config.load(str(make_vault(CLEAN)), {}))
    opened.clock = lambda: datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)

    assert [(check, how) for check, how, _ in complaints(health.examine(opened))] == [("clock", "warn")]


@pytest.mark.parametrize(("package", "told"), [(__version__, []), ("2.9.0", ["still runs 2.9.0"])])
def test_a_worker_that_runs_another_version_is_told(make_vault: MakeVault, package: str, told: list[str]) -> None:
    now = datetime.datetime.now(datetime.UTC)
    root = make_vault(CLEAN)
    opened = open_workspace(config.load(str(root), {"HOME": str(root.parent)}))
    opened.store.apply(beats.put(beats.Beat("w", socket.gethostname(), os.getpid(), now, now, package)))

    found = [words for check, _, words in complaints(health.examine(opened)) if check == "workers"]
    opened.close()

    assert [words[words.index("still") :].partition(";")[0] for words in found] == told


def test_a_document_of_the_future_tells_of_a_wrong_clock(make_vault: MakeVault) -> None:
    root = make_vault(CLEAN)
    os.utime(root / "scout/model.md", (4e9, 4e9))

    ((check, how, words),) = complaints(examined(root))

    assert (check, how) == ("clock", "warn")
    assert words.startswith("scout/model.md was written on 2096-10-02")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such bits")
@pytest.mark.parametrize(
    ("path", "mode", "state", "words"),
    [
        ("scout/memory/user_a.md", 0o444, "fail", "cannot be read or written by its owner"),
        ("scout/memory", 0o555, "fail", "cannot be read or written by its owner"),
        ("scout/persona/IDENTITY.md", 0o646, "warn", "can be changed by every user of this machine"),
    ],
)
def test_permissions_that_are_wrong_are_told(
    path: str, mode: int, state: str, words: str, make_vault: MakeVault
) -> None:  # fmt: skip
    root = make_vault(CLEAN)
    (root / path).chmod(mode)

    found = complaints(examined(root))
    (root / path).chmod(0o755)

    assert found == [("permissions", state, f"{path} {words}")]


def test_a_full_disk_is_told(make_vault: MakeVault, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_vault(CLEAN)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(1, 1, 3 << 20))

    assert complaints(examined(root)) == [("disk", "fail", f"3 MiB are free on the disk of {root}")]


def test_an_old_backup_is_told_unless_the_vault_is_in_git(make_vault: MakeVault) -> None:
    root = make_vault(CLEAN | {"_migrations/snapshots/2025-05-01T120000_pre_v2_migration.tar.gz": snapshot_bytes()})
    os.utime(root / "_migrations/snapshots/2025-05-01T120000_pre_v2_migration.tar.gz", (1746100000, 1746100000))

    ((check, how, words),) = complaints(examined(root))
    (root / ".git").mkdir()

    assert (check, how) == ("backups", "warn")
    assert words.startswith("the last backup is a snapshot, ")
    assert complaints(examined(root)) == []


def snapshot_bytes() -> bytes:
    name = "2025-05-01T120000_pre_v2_migration.tar.gz"
    return snapshot.pack(
        snapshot.describe(name, datetime.datetime(2025, 5, 1, tzinfo=datetime.UTC), "", (1, 2), [], {}), ()
    )


def test_a_model_that_is_retired_is_told(make_vault: MakeVault) -> None:
    root = make_vault(CLEAN | {"scout/model.md": MODEL.replace("embedded:quote", RETIRED)})

    ((check, how, words),) = complaints(examined(root, MOONSHOTAI_API_KEY="k"))

    assert (check, how) == ("model", "warn")
    assert words == f"scout/model.md: {RETIRED} is retired by its provider, or will be soon"


@pytest.mark.skipif(sys.platform == "win32", reason="it has no services of this kind")
@pytest.mark.parametrize(
    ("program", "state", "words"),
    [
        ("/gone/venv/bin/atomic-agents", "fail", "starts /gone/venv/bin/atomic-agents, which is not there"),
        ("/bin/sh", "warn", "starts /bin/sh, which is another installation than this one"),
        (sys.executable, "", ""),
    ],
)
def test_a_service_of_another_installation_is_told(
    program: str, state: str, words: str, make_vault: MakeVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_vault(CLEAN)
    units = root.parent / ".config/systemd/user"
    units.mkdir(parents=True)
    (units / "atomic-agents-scout.service").write_text(f"[Service]\nExecStart={program} run scout\n")
    monkeypatch.setenv("HOME", str(root.parent))

    found = complaints(examined(root))

    assert [(check, how) for check, how, _ in found] == ([("services", state)] if state else [])
    assert all(words in said for _, _, said in found)


def distribution(folder: Path, name: str, metadata: str, points: str = "") -> None:
    home = folder / f"{name}-9.9.dist-info"
    home.mkdir()
    (home / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n{metadata}")
    (home / "entry_points.txt").write_text(points)


def test_a_package_outside_the_tested_range_is_told(
    make_vault: MakeVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = (
        "click<8,>=7", "no-such-package>=1", "pyyaml<99,>=1; extra == 'x'", "filelock>=3", "pytest<2; extra == 'dev'",
    )  # fmt: skip
    distribution(tmp_path, "atomic_agents_stack", "".join(f"Requires-Dist: {each}\n" for each in wanted))
    monkeypatch.syspath_prepend(str(tmp_path))

    found = complaints(examined(make_vault(CLEAN)))

    assert [(check, how) for check, how, _ in found] == [("packages", "warn"), ("packages", "fail")]
    assert found[0][2].endswith("and this package was tested with <8,>=7")
    assert found[1][2] == "no-such-package is not installed"


def test_another_package_can_add_checks(make_vault: MakeVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "frost_checks.py").write_text(
        "from atomic_agents.doctor.check import Finding\n"
        "def weather(examination):\n    yield Finding('warn', 'frost tonight', 'cover the figs')\n"
        "def ladder(examination, agent):\n    yield Finding('warn', f'{agent.name} has no ladder', 'buy one')\n"
        "def broken(examination):\n    raise ZeroDivisionError('frost')\n    yield\n"
    )
    points = "".join(f"{name} = frost_checks:{name}\n" for name in ("weather", "ladder", "broken", "absent"))
    distribution(tmp_path, "frost", "", f"[atomic_agents.checks]\n{points}locks = frost_checks:weather\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    found = complaints(examined(make_vault(CLEAN)))

    assert [(check, words) for check, _, words in found if check != "plugins"] == [
        ("weather", "frost tonight"),
        ("broken", "frost_checks failed: ZeroDivisionError: frost"),
        ("ladder", "scout has no ladder"),
    ]
    assert sum(check == "plugins" for check, _, _ in found) == 2


def test_a_run_that_is_under_way_is_no_fault(make_vault: MakeVault) -> None:
    root = make_vault(CLEAN | FAULTS["a run that was never closed"][0])
    opened = open_workspace(config.load(str(root), {"HOME": str(root.parent)}))

    with opened.store.lock("agent/scout", wait=0):
        assert complaints(health.examine(opened)) == []
    assert len(complaints(health.examine(opened))) == 1


@pytest.mark.parametrize("name", ["samples", "v1"])
def test_a_healthy_vault_has_nothing_to_complain_about_once_it_is_migrated(
    name: str, vault_copy: Callable[[str], Path], shell: Shell
) -> None:
    root = vault_copy(name)
    keys = {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}

    before = complaints(examined(root, with_mcp=False, **keys))
    migrated = shell("migrate", "--to", "v2", module="atomic_agents")
    after = complaints(examined(root, with_mcp=False, **keys))

    # The orchard's one grant is for a tool that it does not have.
    true = [("grants", "warn")] if name == "v1" else []
    assert [(check, how) for check, how, _ in before] == [("schema", "fail"), *true]
    assert (migrated.code, [(check, how) for check, how, _ in after]) == (0, true)


def test_every_finding_names_its_page_and_what_a_prompt_takes(make_vault: MakeVault) -> None:
    results = [result.as_json() for result in examined(make_vault(CLEAN))]
    details = {str(result["name"]): result["detail"] for result in results}

    assert details["locks"] == {"doc": "docs/reference/checks.md#locks"}
    assert isinstance(details["context"], dict)
    assert set(details["context"]["tokens"]) >= {"IDENTITY.md", "tools.md", "memory/INDEX.md"}
