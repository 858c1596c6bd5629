import json

import pytest

from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.deeds import put
from atomic_agents.testing.listeners import post_office, web
from atomic_agents.testing.shell import Shell, tree
from atomic_agents.testing.workspaces import add_agent


@pytest.fixture
def vault(shell: Shell) -> FolderStore:
    store = FolderStore(shell.root)
    add_agent(store, "scout")
    return store


def policy(*lines: str) -> str:
    return "---\nschema_version: 2\nalerts:\n" + "".join(f"  {line}\n" for line in lines) + "---\n"


def test_each_channel_gets_a_message_and_what_came_of_it_is_said(vault: FolderStore, shell: Shell) -> None:
    with web() as hook, post_office() as office:
        put(vault, **{"policy.md": policy(
            "webhook:", "  url_variable: HOOK",
            "email:", "  host: 127.0.0.1", f"  port: {office.port}", "  security: none", "  to: [me@example.org]",
            "command: ['false']",
        )})  # fmt: skip
        before = tree(shell.root, without=[".atomic"])
        there = Shell(shell.root, shell.home, {"HOOK": f"http://127.0.0.1:{hook.port}/x"})
        done, as_json = there("doctor", "--send-test"), there("doctor", "--send-test", "--json")

    assert (done.code, done.err) == (1, "")
    assert done.out.splitlines() == [
        "webhook: sent",
        "email: sent",
        "error: command: not sent: false ended with 1",
        "  hint: correct alerts.command in policy.md, or what it names",
    ]
    assert json.loads(hook.requests[0][2])["text"] == "this is a test: alerts of this vault arrive here"
    assert len(office.mails) == 2
    assert [result["status"] for result in as_json.value["results"]] == ["pass", "pass", "fail"]
    assert as_json.value["summary"]["all_ok"] is False
    assert tree(shell.root, without=[".atomic"]) == before


def test_a_vault_without_channels_is_told_how_to_get_one(vault: FolderStore, shell: Shell) -> None:
    del vault
    done = shell("doctor", "--send-test")

    assert (done.code, done.out.splitlines()) == (1, [
        "error: policy.md states no channel that alerts could take",
        "  hint: add alerts: to its front matter; docs/guides/alerts.md shows how",
    ])  # fmt: skip


def test_a_policy_with_a_mistake_is_told_instead(vault: FolderStore, shell: Shell) -> None:
    put(vault, **{"policy.md": policy("webhok: {}")})

    done = shell("doctor", "--send-test")

    assert (done.code, done.err.splitlines()[0]) == (1, "error: policy.md:4: alerts.webhok is not a setting")
