from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from atomic_agents.testing.shell import Shell

ID = "proposal_20260620T101500_1a2b3c4d"
RUN = "run-20260620-101500-abcdef"
TEXT = f"""---
type: escalation
state: pending
proposal_id: {ID}
parent_run_id: {RUN}
agent: scout
action_class: external_side_effect
judge_id: framework
escalated_at: 2026-06-20T10:15:00.965990+00:00
policy_version: judges.md@sha256:absent
schema_version: 1
synthesis_source: class_policy
---

## Proposal

```yaml
{{
  "actor_agent": "scout",
  "actor_run_id": "{RUN}",
  "arguments_hash": "5d7b2112e32fc35443858c7593c495491791eef7cb79ce6fd8c5a1a0939a19fe",
  "classification": "external_side_effect",
  "mcp_server": null,
  "proposal_id": "{ID}",
  "tool_arguments": {{
    "body": "See you at nine",
    "to": "ada@example.org"
  }},
  "tool_call_id": "call_1",
  "tool_definition_hash": "{"d" * 64}",
  "tool_name": "send_email"
}}
```

## Judge's reason for escalating

class policy says escalate

## Resolution

<!--
Operator: append exactly one resolution block below.

  ### Approved by <name>
  ### Denied by <name>
-->
"""


def write(root: Path, agent: str = "scout", request: str = ID, text: str = TEXT) -> Path:
    path = root / agent / "vault" / "escalations" / "external_side_effect" / f"{request}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def request_file(shell: Shell) -> Path:
    assert shell("init", "scout", "--model", "embedded:quote").code == 0
    return write(shell.root)


def test_a_request_of_the_published_program_is_in_the_inbox_with_what_it_asks(request_file: Path, shell: Shell) -> None:
    listed = shell("approvals", "list", "--json").value
    words = shell("approvals", "list")
    shown = shell("approvals", "show")
    doctor = shell("doctor")

    assert [(one["id"], one["agent"], one["tool"], one["state"], one["resumable"]) for one in listed] == [
        (ID, "scout", "send_email", "pending", False)
    ]
    assert (listed[0]["arguments"]["to"], listed[0]["run_id"]) == ("ada@example.org", RUN)
    assert "1 request waiting" in words.err
    assert "another program asked" in words.err
    assert f"hint: atomic-agents approvals deny {ID}" in words.err
    assert "scout wants to call send_email" in shown.out
    assert f"approvals deny {ID}" in shown.err
    assert "approvals approve" not in shown.err
    assert f"approvals: {ID} of scout waits" in doctor.out + doctor.err
    assert request_file.read_text() == TEXT


@pytest.mark.parametrize("verb", [("approve",), ("revise", "--arguments", "{}"), ("answer",)])
def test_it_cannot_be_granted_as_nothing_would_go_on(verb: tuple[str, ...], request_file: Path, shell: Shell) -> None:
    name, *more = verb
    done = shell("approvals", name, ID, *more, *(["yes"] if name == "answer" else []))

    assert (done.code, "can only be denied" in done.err) == (1, True), done.err
    assert f"hint: atomic-agents approvals deny {ID}" in done.err
    assert request_file.read_text() == TEXT


def test_denying_it_writes_the_answer_that_the_published_program_reads(request_file: Path, shell: Shell) -> None:
    done = shell("approvals", "deny", ID, "--note", "not\nnow", "--by", "Ada")
    again = shell("approvals", "deny", ID)
    listed = shell("approvals", "list", "--all", "--json").value
    doctor = shell("doctor", "--json").value

    assert (done.code, again.code) == (0, 5), done.err + again.err
    text = request_file.read_text()
    head, _, rest = text.partition("\n---\n")
    assert head == TEXT.partition("\n---\n")[0].replace("state: pending", "state: resolved")
    assert rest.startswith(TEXT.partition("\n---\n")[2].rstrip())
    assert rest.splitlines()[-4:-1] == ["### Denied by Ada", "", rest.splitlines()[-2]]
    assert rest.splitlines()[-2].startswith("resolved_at: ")
    assert rest.splitlines()[-1] == "note: not now"
    assert [(one["state"], one["waits"], one["by"], one["note"]) for one in listed] == [
        ("denied", False, "Ada", "not now")
    ]
    assert next(one for one in doctor["results"] if one["name"] == "approvals")["status"] == "pass"


def test_it_is_still_there_after_the_upgrade(vault_copy: Callable[[str], Path], shell: Shell) -> None:
    root = vault_copy("v1")
    agent = next(path for path in sorted(root.iterdir()) if (path / "persona").is_dir()).name
    path = write(root, agent)

    assert shell("migrate", "--to", "head").code == 0

    assert path.read_text() == TEXT
    assert [one["id"] for one in shell("approvals", "list", "--json").value] == [ID]
    assert shell("approvals", "deny", ID[:20]).code == 0
    assert shell("approvals", "list", "--json").value == []


@pytest.mark.usefixtures("request_file")
def test_several_are_listed_beside_those_that_are_answered(shell: Shell) -> None:
    write(shell.root, request="p2", text=TEXT.replace("state: pending", 'state: "Pending"').replace(RUN, "../x"))
    write(shell.root, request="p3", text=TEXT.replace("state: pending", "state: resolved"))
    write(shell.root, request="p4", text=TEXT.replace("type: escalation", "type: note"))
    write(shell.root, request="p5", text="no front matter\n")

    assert [one["id"] for one in shell("approvals", "list", "--json").value] == ["p2", ID]


def test_a_server_lists_it_and_takes_the_refusal(request_file: Path, shell: Shell) -> None:
    token = shell("serve", "token", "add", "ada", "--verb", "admin", "--verb", "read", "--json").value["token"]
    headers = {"Authorization": f"Bearer {token}"}
    process = shell.start("dashboard", "serve", "--port", "0")
    server = shell.start("serve", "--port", "0", "--auth")
    try:
        assert process.stderr is not None
        assert server.stderr is not None
        page = process.stderr.readline().split(" at ")[1].strip()
        at = server.stderr.readline().split(" at ")[1].split(";")[0]
        index = httpx2.get(page, timeout=60).text
        one = httpx2.get(f"{page}/approval?id={ID}", timeout=60).text
        listed = httpx2.get(f"{at}/api/approvals", headers=headers, timeout=60).json()["approvals"]
        granted = httpx2.post(f"{at}/api/approvals/{ID}", json={"decision": "approved"}, headers=headers, timeout=60)
        denied = httpx2.post(f"{at}/api/approvals/{ID}", json={"decision": "denied"}, headers=headers, timeout=60)
    finally:
        for each in (process, server):
            each.terminate()
            each.communicate(timeout=60)

    assert ID in index
    assert "another program asked" in one
    assert 'value="approved"' not in one
    assert [each["id"] for each in listed] == [ID]
    assert (granted.status_code, granted.json()["error"]["code"]) == (409, "resume-refused")
    assert (denied.status_code, denied.json()["state"], denied.json()["waits"]) == (200, "denied", False)
    assert "### Denied by " in request_file.read_text()


def test_one_in_the_folder_that_judges_md_states_is_found_too(request_file: Path, shell: Shell) -> None:
    (shell.root / "scout/judges.md").write_text("# Judges\n\n```yaml\nescalation:\n  destination: inbox/asked\n```\n")
    moved = shell.root / "scout/inbox/asked/high_risk/x.md"
    moved.parent.mkdir(parents=True)
    request_file.rename(moved)

    assert [one["path"] for one in shell("approvals", "list", "--json").value] == ["scout/inbox/asked/high_risk/x.md"]
