import email
import email.policy
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from atomic_agents.channels import desktop, opening
from atomic_agents.channels.command import Command
from atomic_agents.channels.desktop import Desktop
from atomic_agents.channels.mail import Mail
from atomic_agents.channels.telegram import Telegram
from atomic_agents.channels.webhook import Webhook
from atomic_agents.core.channel import Channel, Message
from atomic_agents.testing.listeners import Heard, post_office, web
from atomic_agents.vault import channels

MESSAGE = Message(
    "atomic-agents: scout", "scout: 80% — <b>$(x)", {"kind": "cap-reached", "agent": "scout", "text": "scout: 80%"}
)


class Tried:
    """What came of sending a message: what the channel said, what broke, and whether the message had left."""

    def __init__(self, channel: Channel) -> None:
        self.said, self.broke, self.left = "", "", 0
        try:
            self.said = channel.send(MESSAGE, self._leaving)
        except OSError as error:
            self.broke = str(error)

    def _leaving(self) -> None:
        self.left += 1


def mail(heard: Heard, *, user: str = "", to: tuple[str, ...] = ("me@example.org",), security: str = "none") -> Mail:
    return Mail("127.0.0.1", heard.port, security, "agents@example.org", to, user, "secret" if user else "")


def test_a_webhook_gets_the_facts_as_json_with_its_token() -> None:
    with web() as heard:
        tried = Tried(Webhook(f"http://127.0.0.1:{heard.port}/hook?x=1", "t0ken"))

    path, headers, body = heard.requests[0]
    assert (tried.said, tried.left) == ("", 1)
    assert (path, json.loads(body)) == ("/hook?x=1", MESSAGE.facts)
    assert (headers["authorization"], headers["content-type"]) == ("Bearer t0ken", "application/json")


@pytest.mark.parametrize(
    ("status", "said"), [(500, "127.0.0.1 answered 500: no room"), (302, "127.0.0.1 answered 302")]
)
def test_a_server_that_refuses_says_why_and_is_not_followed_elsewhere(status: int, said: str) -> None:
    with web(status, b"no\n room" if status == 500 else b"") as heard:
        tried = Tried(Webhook(f"http://127.0.0.1:{heard.port}"))

    assert (tried.said, len(heard.requests)) == (said, 1)


def test_a_connection_that_breaks_after_the_message_has_left_is_told_apart() -> None:
    with web(silent=True) as heard:
        broken = Tried(Webhook(f"http://127.0.0.1:{heard.port}"))

    gone = Tried(Webhook(f"http://127.0.0.1:{heard.port}"))

    assert (bool(broken.broke), broken.left) == (True, 1)
    assert ("refused" in gone.broke, gone.left) == (True, 0)


@pytest.mark.parametrize(
    "url", ["hooks.example.org/x", "ftp://x/y", "https:///x", "http://x:99999/", "http://a:b@x/", "http://x/ä"]
)
def test_a_url_that_is_none_is_told_and_never_repeated(url: str) -> None:
    channel = Webhook(url)

    assert channel.check()
    assert url not in channel.check()
    assert Tried(channel).said == channel.check()


def test_telegram_gets_the_text_for_a_chat() -> None:
    with web() as heard:
        tried = Tried(Telegram("42", "1:abc", f"http://127.0.0.1:{heard.port}/"))

    path, _, body = heard.requests[0]
    assert (tried.said, path) == ("", "/bot1:abc/sendMessage")
    assert json.loads(body) == {"chat_id": "42", "text": MESSAGE.text}


def test_a_mail_arrives_whole_without_a_name_being_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "getfqdn")  # it can take longer than the mail may

    with post_office() as heard:
        tried = Tried(mail(heard, user="me", to=("me@example.org", "you@example.org")))

    found = email.message_from_bytes(heard.mails[0], policy=email.policy.default)
    assert (tried.said, tried.broke, tried.left, len(heard.logins)) == ("", "", 1, 1)
    assert (found["subject"], found["from"]) == (MESSAGE.title, "agents@example.org")
    assert found["to"] == "me@example.org, you@example.org"
    assert found.get_content().splitlines() == [MESSAGE.text, "", "agent: scout"]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"AUTH": "535 5.7.8 bad\r\n"}, "127.0.0.1 answered 535: 5.7.8 bad"),
        ({"RCPT": "550 nobody"}, "127.0.0.1 refused me@example.org"),
        ({"DATA": "554 spam"}, "127.0.0.1 answered 554: spam"),
    ],
)
def test_a_mail_server_that_refuses_says_why(answers: dict[str, str], said: str) -> None:
    with post_office(**answers) as heard:
        tried = Tried(mail(heard, user="me"))

    assert tried.said == said


def test_a_password_is_not_sent_where_the_way_cannot_be_made_private() -> None:
    with post_office() as heard:
        tried = Tried(mail(heard, user="me", security="starttls"))

    assert tried.said == "127.0.0.1: STARTTLS extension not supported by server."
    assert (heard.logins, heard.mails, tried.left) == ([], [], 0)


def test_a_mail_of_which_nobody_knows_whether_it_was_taken_is_told_apart() -> None:
    with post_office(DATA="") as heard:
        hung_up = Tried(mail(heard))
    with post_office(**{"you@example.org": "550 nobody"}) as heard:
        for_some = Tried(mail(heard, to=("me@example.org", "you@example.org")))
    nobody = Tried(mail(heard))

    assert (bool(hung_up.broke), hung_up.left) == (True, 1)
    assert (for_some.broke, for_some.left) == ("127.0.0.1 refused you@example.org and took it for the others", 1)
    assert (bool(nobody.broke), nobody.left) == (True, 0)


def test_a_command_gets_the_words_in_its_arguments_and_the_facts_on_its_input(tmp_path: Path) -> None:
    script = "import json, sys; open(sys.argv[1], 'w').write(json.dumps([sys.argv[2:], json.load(sys.stdin)]))"
    out = tmp_path / "out"

    tried = Tried(Command((sys.executable, "-c", script, str(out), "{title}", "say: {text}")))

    assert (tried.said, tried.left) == ("", 1)
    assert json.loads(out.read_text()) == [[MESSAGE.title, f"say: {MESSAGE.text}"], MESSAGE.facts]


def test_a_command_that_fails_says_its_last_words() -> None:
    said = Tried(Command(("sh", "-c", "echo one >&2; echo two >&2; echo; exit 3"))).said

    assert said == "sh ended with 3: two"
    assert Tried(Command(("no-such-command",))).said == "no-such-command is not on the PATH"


def test_a_command_that_does_not_end_is_ended_with_all_that_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atomic_agents.channels.process._SECONDS", 0.3)
    pid = tmp_path / "pid"

    tried = Tried(Command(("sh", "-c", f"sleep 60 & echo $! > {pid}; wait")))

    assert (tried.broke, tried.left) == ("sh did not end within 0.3 s", 1)
    gone = Path(f"/proc/{pid.read_text().strip()}/stat")
    for _ in range(100):
        if not gone.exists() or gone.read_text().split()[2] == "Z":
            return
        time.sleep(0.01)
    pytest.fail("what it started goes on")


def test_what_a_command_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    begun = time.monotonic()

    tried = Tried(Command(("sh", "-c", f"sleep 5 & echo $! > {pid}")))

    os.kill(int(pid.read_text()), 9)
    assert (tried.said, time.monotonic() - begun < 4) == ("", True)


@pytest.mark.parametrize(("platform", "program"), [("linux", "notify-send"), ("darwin", "osascript")])
def test_the_desktop_is_told_by_the_systems_own_program(
    platform: str, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    absent = Desktop(platform).check()
    fake = tmp_path / program
    fake.write_text(f'#!/bin/sh\n/bin/echo "$@" > {tmp_path}/out\n')
    fake.chmod(0o755)

    said = Tried(Desktop(platform)).said

    assert (absent, said) == (f"{program} is not on the PATH", "")
    text = MESSAGE.text.replace("<", "&lt;").replace(">", "&gt;") if platform == "linux" else MESSAGE.text
    assert (tmp_path / "out").read_text().endswith(f" {MESSAGE.title} {text}\n")


def test_other_systems_have_no_desktop_to_tell() -> None:
    assert Tried(Desktop("win32")).said == "desktop notifications are for Linux and macOS, and this is win32"


def test_the_session_bus_is_found_where_cron_does_not_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.setattr("os.path.exists", lambda path: path == f"/run/user/{os.getuid()}/bus")

    assert desktop._with_bus()["DBUS_SESSION_BUS_ADDRESS"] == f"unix:path=/run/user/{os.getuid()}/bus"


def test_every_kind_that_settings_know_can_be_opened() -> None:
    assert list(opening.KINDS) == list(channels.RULES)


def test_a_secret_comes_from_the_variable_that_is_named() -> None:
    values = {"url_variable": "HOOK", "token_variable": "TOKEN"}

    opened = opening.opened("webhook", values, {"HOOK": "https://x/y", "TOKEN": "t"}.__getitem__)
    lacking = opening.opened("webhook", values, lambda name: "https://x/y" if name == "HOOK" else "")

    assert opened == Webhook("https://x/y", "t")
    assert lacking.check() == Tried(lacking).said == "the variable TOKEN is not set here"


def test_mail_is_private_and_to_oneself_where_nothing_else_is_said() -> None:
    opened = opening.opened("email", {"host": "h", "to": ["me@example.org"]}, str)

    assert opened == Mail("h", 587, "starttls", "me@example.org", ("me@example.org",))


def test_a_run_imports_no_channel() -> None:
    script = "import sys, atomic_agents.bootstrap, atomic_agents.operations.runs; print(*sys.modules, sep='\\n')"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert {"smtplib", "atomic_agents.channels"} & set(done.stdout.split()) == set()
