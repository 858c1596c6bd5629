import json
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx2
import pytest

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.testing.servers import OpenAIServer
from atomic_agents.testing.shell import Shell, tree

NEWER = CURRENT_SCHEMA_VERSION + 1
NOTE = f"---\nschema_version: {NEWER}\nname: n\ndescription: d\ntype: user\n---\n\nlighthouse\n"
DOCUMENTS: Mapping[str, str] = {
    "scout/memory/user_n.md": NOTE,
    "scout/wiki/page.md": f"---\nname: page\nschema_version: {NEWER}\n---\n\ntext\n",
    "scout/tools.md": f"---\nschema_version: {NEWER}\nwrite_paths: [memory/]\n---\n",
    "scout/roster.md": f"---\nschema_version: {NEWER}\n---\n",
    "policy.md": f"---\nschema_version: {NEWER}\n---\n",
    "judges.md": f"---\nschema_version: {NEWER}\n---\n",
    "scout/goal.md": f"---\nschema_version: {NEWER}\nstatus: active\n---\n\n# Goal\n",
    "scout/schedules/daily.md": f"---\nschema_version: {NEWER}\nat: '08:00'\n---\n\nwork\n",
    "scout/persona/USER.md": f"---\nschema_version: {NEWER}\n---\n\n# User\n",
    "scout/journal/2026-05/2026-05-01.md": f"---\nschema_version: {NEWER}\n---\n\nday\n",
    "scout/conversations/kitchen.md": f"---\nschema_version: {NEWER}\nagent: scout\n---\n",
    "scout/evals/golden/happy/001_x.md": "---\nschema_version: 99\n---\n\nx\n",
    "ada/memory/user_n.md": NOTE,
    "scout/vault/escalations/high_risk/p.md": f"---\ntype: escalation\nschema_version: {NEWER}\n---\n",
}
COMMANDS = (
    ("run", "scout", "--work-item", "x"),
    ("run", "scout", "--work-item", "x", "--idempotency-key", "k"),
    ("chat", "scout"),
    ("memory", "add", "scout", "the ferry leaves at nine", "--type", "user"),
    ("journal", "add", "scout", "the day was long"),
    ("schedule", "add", "scout", "--cron", "0 7 * * *", "--work-item", "x"),
    ("dream", "scout"),
    ("worker", "--once"),
    ("worker",),
    ("serve", "--port", "0"),
    ("mcp-server",),
    ("migrate", "--to", "head"),
    ("migrate", "--to", f"v{NEWER}", "--each"),
    ("upgrade", "--yes"),
    ("init", "other"),
)
READING = (
    ("list",),
    ("info", "scout"),
    ("memory", "list", "scout"),
    ("memory", "show", "scout", "user_n.md"),
    ("memory", "search", "scout", "lighthouse"),
    ("migrate", "--status"),
    ("runs", "list"),
    ("cost",),
    ("approvals", "list"),
)


@pytest.fixture
def scout(shell: Shell) -> Path:
    for name in ("scout", "ada"):
        assert shell("init", name, "--model", "openai:gpt-5-mini").code == 0
    return shell.root


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_run_is_refused_before_a_key_is_asked_for_whatever_document_is_newer(
    path: str, scout: Path, shell: Shell
) -> None:
    write(scout, path, DOCUMENTS[path])
    before = tree(scout, without=(".atomic",))

    done = shell("run", "scout", "--work-item", "x")

    assert done.code == 6, done.err
    assert f"error: {path}:" in done.err
    assert f"v{CURRENT_SCHEMA_VERSION}" in done.err
    assert "hint: pip install --upgrade atomic-agents-stack" in done.err
    assert tree(scout, without=(".atomic",)) == before


def test_a_note_that_becomes_newer_after_a_run_is_seen_and_an_older_one_again_runs(scout: Path, shell: Shell) -> None:
    note = scout / "scout/memory/user_n.md"
    note.write_text(NOTE.replace(f"version: {NEWER}", "version: 2"))
    first = shell("run", "scout", "--work-item", "x", "--model", "embedded:quote")
    note.write_text(NOTE)
    newer = shell("run", "scout", "--work-item", "x", "--model", "embedded:quote")
    note.write_text(NOTE.replace(f"version: {NEWER}", "version: 2"))
    last = shell("run", "scout", "--work-item", "x", "--model", "embedded:quote")

    assert (first.code, newer.code, last.code) == (0, 6, 0)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_whatever_writes_is_refused_and_nothing_is_written(command: tuple[str, ...], scout: Path, shell: Shell) -> None:
    write(scout, "scout/memory/user_n.md", NOTE)
    before = tree(scout, without=(".atomic",))

    done = shell(*command, stdin="hello\n")

    assert (done.code, "scout/memory/user_n.md:2" in done.err + done.out) == (6, True), done.err + done.out
    assert tree(scout, without=(".atomic",)) == before


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_whatever_reads_goes_on(command: tuple[str, ...], scout: Path, shell: Shell) -> None:
    write(scout, "scout/memory/user_n.md", NOTE)

    done = shell(*command)

    assert done.code == 0, done.err


def test_who_reads_a_newer_document_is_warned_and_told_what_to_install(scout: Path, shell: Shell) -> None:
    write(scout, "scout/memory/user_n.md", NOTE)
    line = {"ts": "2026-01-01T00:00:00+00:00", "who": "x", "package": "4.1.2", "outcome": "migrated",
            "from_version": CURRENT_SCHEMA_VERSION, "to_version": NEWER}  # fmt: skip
    write(scout, "_migrations/history.jsonl", json.dumps(line) + "\n")

    shown = shell("memory", "show", "scout", "user_n.md")
    listed = shell("list")
    run = shell("run", "scout", "--work-item", "x")

    for done in (shown, listed):
        assert f"warning: scout/memory/user_n.md:2: is at v{NEWER}" in done.err
        assert "hint: pip install atomic-agents-stack==4.1.2" in done.err
    assert (run.code, "hint: pip install atomic-agents-stack==4.1.2" in run.err) == (6, True)


def test_a_rollback_is_the_way_back_from_a_newer_vault(vault_copy: Callable[[str], Path], shell: Shell) -> None:
    root = vault_copy("v1")
    assert shell("migrate", "--to", "head").code == 0
    snapshot = next((root / "_migrations/snapshots").iterdir()).name
    note = next(path for path in sorted(root.glob("*/memory/*.md")) if "INDEX" not in path.name)
    note.write_text(note.read_text().replace("schema_version: 2", f"schema_version: {NEWER}"))

    refused = shell("migrate", "--to", "head")
    done = shell("migrate", "--rollback", snapshot)

    assert (refused.code, done.code) == (6, 0), done.err


def test_the_server_refuses_what_a_newer_document_came_in_under(scout: Path, shell: Shell) -> None:
    with OpenAIServer("fine") as model:
        environ = {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "k"}
        process = Shell(shell.root, shell.home, environ).start("serve", "--port", "0")
        try:
            assert process.stderr is not None
            at = process.stderr.readline().split(" at ")[1].split(";")[0]
            write(scout, "scout/memory/user_n.md", NOTE)
            answer = httpx2.post(f"{at}/api/runs", json={"agent": "scout", "work_item": "x"}, timeout=60)
        finally:
            process.terminate()
            process.communicate(timeout=60)
        asked = len(model.requests)

    assert (answer.status_code, answer.json()["error"]["code"], asked) == (503, "vault-too-new", 0)
