"""grants, policy show, permissions, and an answer in chat, as they are typed."""

import json
from pathlib import Path

import pytest

from atomic_agents.core.model import ToolCall
from atomic_agents.testing.servers import Json, OpenAIServer, Reply
from atomic_agents.testing.shell import Shell, tree

MODEL = "openai:gpt-5-mini"
LETTER = ToolCall("c1", "send_letter", json.dumps({"to": "ada@example.org"}))
LETTERS = ("grants", "add", "scout", "letters", "--scope", "letters to Ada", "--tool", "send_letter",
           "--target", "ada@example.org", "--limit", "1/day", "--until", "2099-12-31")  # fmt: skip


@pytest.fixture
def scout(shell: Shell) -> Path:
    assert shell("init", "scout", "--model", MODEL, "--autonomy", "cautious").code == 0
    home = shell.root / "scout"
    (home / "tools").mkdir()
    (home / "tools/send_letter.md").write_text(
        "---\nname: send_letter\ndescription: Send a letter.\nclassification: external_side_effect\n"
        "input_schema: {type: object, properties: {to: {type: string}}, required: [to]}\n---\n"
    )
    (home / "tools/send_letter.py").write_text("def handler(input):\n    return 'sent to ' + input['to']\n")
    return home


def writing(body: Json) -> Reply:
    last = body["messages"][-1]
    if last["role"] != "tool":
        return Reply("I write to her.", calls=(LETTER,), finish="tool_calls")
    return Reply("It is on its way." if "sent to" in last["content"] else f"I leave it: {last['content']}")


def talking(shell: Shell, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
    with OpenAIServer(writing) as server:
        there = Shell(shell.root, shell.home, {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k"})
        done = there(*arguments, stdin=stdin)
    return done.code, done.out, done.err


# grants


@pytest.mark.usefixtures("scout")
def test_a_grant_is_added_shown_used_and_revoked(shell: Shell) -> None:
    added = shell(*LETTERS)
    first = talking(shell, "run", "scout", "--work-item", "write")
    second = talking(shell, "run", "scout", "--work-item", "write")
    listed = shell("grants", "list", "scout")
    revoked = shell("grants", "revoke", "letters", "--reason", "enough")
    third = talking(shell, "run", "scout", "--work-item", "write")

    assert (added.code, added.out) == (0, "letters is granted to scout\n")
    assert (first[0], first[1].endswith("It is on its way.\n")) == (0, True)
    assert "allows 1 a day, and 1 is used" in second[1]
    assert [line.split() for line in listed.out.splitlines()] == [
        ["grant", "of", "state", "tools", "used"],
        ["letters", "scout", "active", "send_letter", "1", "of", "1", "a", "day"],
    ]
    assert (revoked.out, third[0]) == ("letters is revoked\n", 4)
    (shown,) = shell("grants", "list", "--json").value
    assert (shown["state"], shown["times"], shown["where"]) == ("revoked", 1, "scout/mandates.md:4")


@pytest.mark.usefixtures("scout")
def test_a_grant_is_shown_with_all_that_bounds_it(shell: Shell) -> None:
    shell(*LETTERS, "--block", "domain:evil.com", "--hours", "09:00-17:00", "--days", "mon,tue",
          "--time-zone", "Europe/Berlin")  # fmt: skip

    shown = shell("grants", "show", "letters")

    assert shown.out.splitlines()[0] == "letters: letters to Ada"
    assert {
        "  of: scout", "  until: 2099-12-31", "  tools: send_letter", "  targets: exact ada@example.org",
        "  blocked: domain evil.com", "  hours: 09:00 to 17:00 Europe/Berlin", "  used: 0 of 1 a day", "  last: never",
    } <= set(shown.out.splitlines())  # fmt: skip
    assert shell("grants", "show", "letters", "--json").value["targets"] == [
        {"kind": "exact", "value": "ada@example.org"}
    ]


@pytest.mark.usefixtures("scout")
def test_a_dry_run_shows_the_change_and_makes_none(shell: Shell) -> None:
    before = tree(shell.root)
    added = shell(*LETTERS, "--dry-run")
    after = tree(shell.root)
    shell(*LETTERS)
    granted = tree(shell.root)
    revoked = shell("grants", "revoke", "letters", "--dry-run")

    assert "+++ scout/mandates.md" in added.out
    assert "+    revocation_state: revoked" in revoked.out
    assert (before, granted) == (after, tree(shell.root))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--limit", "often"), "'often' is no limit"),
        (("--until", "soon"), "--until is 'soon'; a day is needed"),
        (("--target", "web_site:evil.com"), ""),
        (("--hours", "late"), "late"),
        (("--days", "someday"), "someday"),
        (("--time-zone", "Mars/Base"), "Mars/Base"),
    ],
)
@pytest.mark.usefixtures("scout")
def test_what_is_no_bound_is_said_and_nothing_is_granted(shell: Shell, more: tuple[str, str], said: str) -> None:
    done = shell(*LETTERS, *(("--hours", "09:00-17:00") if more[0] in ("--days", "--time-zone") else ()), *more)

    if said:
        assert (done.code in (1, 2), said in done.err, "hint: " in done.err) == (True, True, True)
        assert shell("grants", "list", "--json").value == []
    else:
        (target,) = [each for each in shell("grants", "list", "--json").value[0]["targets"] if "web" in each["value"]]
        assert target == {"kind": "exact", "value": "web_site:evil.com"}


@pytest.mark.usefixtures("scout")
def test_names_that_are_not_there_are_met_with_those_that_are(shell: Shell) -> None:
    empty = shell("grants", "list")
    shell(*LETTERS)

    wrong = [shell("grants", "show", "leters"), shell("grants", "revoke", "leters"), shell("grants", "list", "scuot"),
             shell("policy", "show", "scuot"), shell("permissions", "scuot")]  # fmt: skip

    assert (empty.code, empty.out, empty.err.splitlines()[0]) == (0, "", "there are no grants")
    assert [done.code for done in wrong] == [1] * 5
    assert all("letters" in done.err for done in wrong[:2])
    assert all("did you mean scout" in done.err for done in wrong[2:])
    assert shell(*LETTERS).code != 0


# policy show, permissions


@pytest.mark.usefixtures("scout")
def test_each_rule_is_shown_with_the_line_it_comes_from(shell: Shell) -> None:
    (shell.root / "policy.md").write_text(
        "---\nschema_version: 2\nclass_policy:\n  reversible_write: ask\ntools:\n  deny: [order_*]\n"
        "agents:\n  scout:\n    tool_policy:\n      send_letter: deny\n---\n"
    )

    rules = {each["about"]: (each["rule"], each["where"]) for each in shell("policy", "show", "scout", "--json").value}

    assert rules["reversible_write"] == ("ask", "policy.md:4")
    assert rules["external_side_effect"] == ("ask", "scout/judges.md:6")
    assert {where for rule, where in rules.values() if rule == "deny"} == {"policy.md:6", "policy.md:10"}
    assert shell("policy", "show", "scout").out.splitlines()[0].split() == ["what", "rule", "from"]


@pytest.mark.usefixtures("scout")
def test_a_mistake_in_a_rule_is_an_error_with_its_line(shell: Shell) -> None:
    (shell.root / "policy.md").write_text("---\nschema_version: 2\nclass_policy:\n  external_side_effect: aks\n---\n")

    done = shell("policy", "show", "scout")

    assert (done.code, "policy.md:4" in done.err, "ask" in done.err) == (1, True, True)


@pytest.mark.usefixtures("scout")
def test_permissions_are_one_page(shell: Shell) -> None:
    shell(*LETTERS)
    talking(shell, "run", "scout", "--work-item", "write")

    page, value = shell("permissions", "scout").out, shell("permissions", "scout", "--json").value

    line = next(line.split() for line in page.splitlines() if line.startswith("send_letter"))
    assert line == ["send_letter", "external_side_effect", "ask", "letters", "1", "scout/judges.md:6"]
    assert value["agent"] == "scout"
    assert {"tools", "paths", "grants", "answers", "stale", "withheld"} <= value.keys()
    assert [each["used"] for each in value["tools"] if each["name"] == "send_letter"] == [1]


# chat, init


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("yes", "It is on its way."), ("y", "It is on its way."), ("YES", "It is on its way."),
        ("no she has moved", "I leave it: error: the operator refused: she has moved"), ("n", "I leave it"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("scout")
def test_a_request_is_answered_in_chat(shell: Shell, typed: str, said: str) -> None:
    code, out, err = talking(shell, "chat", "scout", stdin=f"write to Ada\n{typed}\n")

    assert (code, said in out) == (0, True), err
    assert shell("approvals", "list", "--json").value == []


@pytest.mark.parametrize("typed", ["", "yesterday was fine\n"])
@pytest.mark.usefixtures("scout")
def test_without_an_answer_the_request_waits_where_it_was(shell: Shell, typed: str) -> None:
    code, out, err = talking(shell, "chat", "scout", stdin=f"write to Ada\n{typed}")

    assert (code, "on its way" in out, "scout wants send_letter" in err) == (4, False, True), err
    assert {each["state"] for each in shell("approvals", "list", "--json").value} == {"pending"}


@pytest.mark.parametrize(
    ("autonomy", "external"), [("cautious", "ask"), ("balanced", "judge"), ("autonomous", "judge")]
)
def test_the_autonomy_that_is_chosen_is_what_holds(shell: Shell, autonomy: str, external: str) -> None:
    shell("init", "scout", "--model", "embedded:quote", "--autonomy", autonomy)

    rules = {each["about"]: each for each in shell("policy", "show", "scout", "--json").value}

    assert rules["external_side_effect"]["rule"] == external
    assert rules["external_side_effect"]["where"].startswith("scout/judges.md:")
    assert rules["high_risk"]["rule"] in ("ask", "judge")


def test_an_autonomy_that_nobody_knows_is_refused(shell: Shell) -> None:
    done = shell("init", "scout", "--autonomy", "reckless")

    assert (done.code, "cautious" in done.err, shell.root.exists()) == (2, True, False)
