import json
from pathlib import Path

import httpx2
import pytest

from atomic_agents.testing.shell import Shell, tree

SUBJECT = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def write(root: Path, principal: str, name: str, *said: str) -> None:
    """As the published 2.0.0 writes it: a JSON file a message."""
    for number, text in enumerate(said):
        role = ("user", "assistant")[number % 2]
        value = {"role": role, "content": text, "ts": f"2026-06-20T10:{number:02}:00+00:00", "run_id": "run-1",
                 "seq": number % 2, "schema_version": 1}  # fmt: skip
        path = (
            root / "scout/conversations" / principal / name / f"2026-06-20T10-{number:02}-00_run-1_{number}_{role}.json"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))


@pytest.fixture
def vault(shell: Shell) -> Path:
    assert shell("init", "scout", "--model", "embedded:quote").code == 0
    write(shell.root, "local", "kitchen", "what colour?", "green")
    write(shell.root, SUBJECT, "kitchen", "what about tiles?", "white ones")
    write(shell.root, SUBJECT, "Trip To Rome", "when?", "in May", "and back?", "in June")
    write(shell.root, "bob@example.org", "only-his", "hello", "good day")
    (shell.root / "scout/conversations" / SUBJECT / ".conv.lock").write_text("")
    return shell.root


def test_conversations_are_listed_by_principal(vault: Path, shell: Shell) -> None:
    found = shell("conversations", "list", "scout", "--json").value
    words = shell("conversations", "list")

    assert {(one["principal"], one["id"], one["turns"]) for one in found["conversations"]} == {
        ("local", "kitchen", 1), (SUBJECT, f"{SUBJECT}/kitchen", 1), (SUBJECT, f"{SUBJECT}/trip-to-rome", 2),
        ("bob-example.org", "bob-example.org/only-his", 1),
    }  # fmt: skip
    assert found["problems"] == []
    assert f"{SUBJECT}/kitchen" in words.out
    assert vault.is_dir()


def test_they_are_searched(vault: Path, shell: Shell) -> None:
    found = shell("conversations", "list", "--containing", "WHITE one", "--json").value["conversations"]

    assert [one["id"] for one in found] == [f"{SUBJECT}/kitchen"]
    assert vault.is_dir()


def test_they_are_read_by_id_and_by_a_name_that_no_other_has(vault: Path, shell: Shell) -> None:
    by_id = shell("conversations", "show", "scout", f"{SUBJECT}/kitchen")
    by_name = shell("conversations", "show", "scout", "only-his", "--json").value
    own = shell("conversations", "show", "scout", "kitchen")
    exported = shell("conversations", "export", "scout", f"{SUBJECT}/Trip-to-Rome")
    missing = shell("conversations", "show", "scout", f"{SUBJECT}/kitchens")

    assert "white ones" in by_id.out
    assert (by_name["principal"], by_name["turns"][0]["answer"]) == ("bob-example.org", "good day")
    assert "green" in own.out
    assert exported.out.count("**You**") == 2
    assert (missing.code, f"did you mean {SUBJECT}/kitchen" in missing.err) == (1, True)
    assert vault.is_dir()


def test_one_is_gone_on_with_in_the_folder_of_its_principal(vault: Path, shell: Shell) -> None:
    before = tree(vault, without=(".atomic",))

    done = shell("run", "scout", "--work-item", "and the floor?", "--conversation", f"{SUBJECT}/kitchen")
    shown = shell("conversations", "show", "scout", f"{SUBJECT}/kitchen", "--json").value
    found = shell("conversations", "list", "scout", "--json").value["conversations"]

    assert done.code == 0, done.err
    assert [turn["asked"] for turn in shown["turns"]] == ["what about tiles?", "and the floor?"]
    assert shown["path"] == f"scout/conversations/{SUBJECT}/kitchen.md"
    assert len(found) == 4
    after = tree(vault, without=(".atomic",))
    assert {path: after[path] for path in before} == before


def test_none_is_begun_for_a_principal_that_is_not_there(vault: Path, shell: Shell) -> None:
    done = shell("run", "scout", "--work-item", "hello", "--conversation", "eve/new-one")

    assert (done.code, "scout has no conversation eve/new-one" in done.err) == (2, True), done.err
    assert not (vault / "scout/conversations/eve").exists()


def test_one_is_deleted_with_its_messages_and_no_other(vault: Path, shell: Shell) -> None:
    done = shell("conversations", "delete", "scout", f"{SUBJECT}/kitchen", "--yes")

    assert done.code == 0, done.err
    left = {one["id"] for one in shell("conversations", "list", "--json").value["conversations"]}
    assert left == {"kitchen", f"{SUBJECT}/trip-to-rome", "bob-example.org/only-his"}
    assert list((vault / "scout/conversations/local/kitchen").iterdir())


def test_a_message_that_cannot_be_read_is_named(vault: Path, shell: Shell) -> None:
    torn = vault / "scout/conversations" / SUBJECT / "kitchen" / "torn.json"
    torn.write_text("{")

    done = shell("conversations", "list")

    assert f"warning: {torn.relative_to(vault)}: is no message of a conversation" in done.err


@pytest.mark.usefixtures("vault")
def test_a_server_lists_and_shows_them(shell: Shell) -> None:
    server = shell.start("serve", "--port", "0")
    try:
        assert server.stderr is not None
        at = server.stderr.readline().split(" at ")[1].split(";")[0]
        listed = httpx2.get(f"{at}/api/conversations?agent=scout", timeout=60).json()["conversations"]
        shown = httpx2.get(f"{at}/api/conversations/{SUBJECT}/kitchen?agent=scout", timeout=60).json()
    finally:
        server.terminate()
        server.communicate(timeout=60)

    assert len(listed) == 4
    assert shown["turns"][0]["answer"] == "white ones"
