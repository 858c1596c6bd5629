import datetime
import json
from collections.abc import Callable

import pytest

from atomic_agents.core.channel import Message
from atomic_agents.core.errors import AgentMissing, ProviderFailed, SettingsInvalid
from atomic_agents.core.model import Answer, Usage
from atomic_agents.guard.keys import Keys
from atomic_agents.keys.environment import EnvironmentPlace
from atomic_agents.operations import alerting
from atomic_agents.runtime.order import Order, Result
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.deeds import documents, put
from atomic_agents.testing.postbox import Postbox
from atomic_agents.testing.scripted import Said, ScriptedModel
from atomic_agents.testing.workspaces import NOON, add_agent, run, scripted_workspace
from atomic_agents.vault.channels import ChannelSettings

PRICES = '["scripted:model"]\ninput = 0\noutput = 25\n'
DONE = Answer("done", (), Usage(700, 4000))
"""Costs ten cents, as much as is reserved for it."""
CHANNELS = "alerts:\n  webhook: {url: 'https://x/y'}\n  desktop: true\n"
CAPS = "daily_cap_usd: 0.60"
RECORD = "_alerts/2026-11.jsonl"


class House:
    """An agent whose every run costs ten cents, of a cap of sixty, in a vault with two channels."""

    def __init__(self, *, policy: str = CHANNELS, caps: str = CAPS, answers: list[Said] | None = None) -> None:
        self.store = MemoryStore()
        self.now = NOON
        add_agent(self.store, caps=caps)
        put(self.store, **{"prices.toml": PRICES, "policy.md": f"---\nschema_version: 2\n{policy}---\n"})
        model = ScriptedModel(answers if answers is not None else lambda _: DONE, local=False)
        self.workspace = scripted_workspace(self.store, model, clock=lambda: self.now)
        self.boxes: dict[str, Postbox] = {}
        self.workspace.make_channel = self.open

    def open(self, stated: ChannelSettings) -> Postbox:
        return self.boxes.setdefault(stated.kind, Postbox(stated))

    def run(self, *, trigger: str = "manual", name: str = "caldwell") -> Result:
        return run(self.workspace, "go", name, order=Order("go", trigger))

    def later(self, **time: float) -> None:
        self.now += datetime.timedelta(**time)

    def texts(self, kind: str = "webhook") -> list[str]:
        return [message.text for message in self.boxes[kind].messages] if kind in self.boxes else []

    def record(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in documents(self.store).get(RECORD, b"").splitlines()]


class Dead(Postbox):
    """A channel that nobody answers."""

    def send(self, message: Message, leaving: Callable[[], None]) -> str:
        del leaving  # it never does
        super().send(message, lambda: None)
        raise ConnectionRefusedError(111, "nobody is there, s3cret-token")


def test_a_threshold_is_sent_once_on_every_channel_and_said_to_whoever_runs() -> None:
    house = House()

    said = [house.run().warnings for _ in range(5)]

    half = "50% of the daily cap of $0.60 is spent: $0.3000"
    most = "80% of the daily cap of $0.60 is spent: $0.5000"
    assert said == [(), (), (half,), (), (most,)]
    assert house.texts() == house.texts("desktop") == [f"caldwell: {half}", f"caldwell: {most}"]


def test_a_message_carries_what_a_program_would_want() -> None:
    house = House()
    for _ in range(3):
        house.run()

    (message,) = house.boxes["webhook"].messages

    assert message.title == "atomic-agents: caldwell"
    assert message.facts == {
        "version": 1, "kind": "cap-reached", "key": "cap:agent-day:caldwell:2026-11-22:0.6:50", "agent": "caldwell",
        "vault": "vault", "at": "2026-11-22T12:00:00+00:00", "title": message.title, "text": message.text,
        "facts": {"whose": "agent", "period": "day", "since": "2026-11-22", "step": "50", "limit_usd": 0.6,
                  "spent_usd": 0.3, "action": "skip"},
    }  # fmt: skip


def test_a_cap_that_stops_runs_is_told_once_a_day() -> None:
    house = House(caps="daily_cap_usd: 0.05")

    endings = [house.run(trigger="cron").ending for _ in range(3)]
    house.later(days=1)
    house.run()

    assert endings == ["skipped"] * 3
    assert [text.partition(":")[2][:19] for text in house.texts()] == [" a run is stopped: "] * 2


def test_a_scheduled_run_that_fails_is_told_once_a_day_and_one_that_a_person_started_is_not() -> None:
    house = House(caps="", answers=[ProviderFailed("the key is sk-abcdefghijklmnop123 and wrong\n")] * 4)

    for trigger in ("manual", "cron", "cron"):
        assert house.run(trigger=trigger).ending == "error"

    assert house.texts() == ["caldwell: a run that cron started ended as error: the key is [redacted] and wrong"]
    house.later(days=1)
    house.run(trigger="cron")
    assert len(house.texts()) == 2


@pytest.mark.parametrize(
    ("documents", "name", "error", "text"),
    [
        ({}, "colwell", AgentMissing, "colwell: a run that cron started ended as error: there is no agent colwell"),
        (
            {"caldwell__model.md": "---\nschema_version: 2\nmodle: x\n---\n"}, "caldwell", SettingsInvalid,
            "caldwell: a run that cron started ended as error: caldwell/model.md:3: modle is not a setting",
        ),
    ],
)  # fmt: skip
def test_a_scheduled_run_that_cannot_begin_is_told(
    documents: dict[str, str], name: str, error: type[Exception], text: str
) -> None:
    house = House()
    put(house.store, **documents)

    with pytest.raises(error):
        house.run(trigger="cron", name=name)

    assert house.texts() == [text]


def test_a_scheduled_run_whose_process_died_is_told_by_the_next_run_whoever_closed_it() -> None:
    house = House()
    run_id = "run-20261122-100000-000000-0badcafe"
    started = {"event": "started", "ts": NOON.isoformat(), "agent": "caldwell", "model": "m", "trigger": "cron"}
    put(house.store, **{f"_runs__{run_id}.jsonl": json.dumps(started) + "\n"})

    assert house.workspace.close_crashed_runs() == [run_id]
    assert house.texts() == []
    house.run()
    house.run()

    assert house.texts() == [
        "caldwell: a run that cron started ended as crashed: the process died before the run ended"
    ]


@pytest.mark.parametrize(
    ("choice", "webhook", "desktop"), [("webhook", 1, 0), ("desktop", 0, 1), ("log_only", 0, 0), ("journal", 0, 0)]
)
def test_an_agent_says_where_its_alerts_go(choice: str, webhook: int, desktop: int) -> None:
    house = House(caps=f"{CAPS}\nalert_channel: {choice}")
    for _ in range(3):
        house.run()

    journal = documents(house.store)["caldwell/journal/2026-11/2026-11-22.md"].decode()
    assert (len(house.texts()), len(house.texts("desktop"))) == (webhook, desktop)
    assert journal.count("- 12:00 50% of the daily cap of $0.60 is spent") == (choice == "journal")
    assert house.record()[0]["state"] == "raised"


def test_the_caps_of_all_agents_go_where_the_vault_says() -> None:
    policy = f"{CHANNELS}cost_guardrails:\n  daily_cap_usd: 0.10\n  alert_channel: desktop\n"
    house = House(policy=policy, caps="alert_channel: webhook")

    house.run()

    assert house.texts() == []
    assert house.texts("desktop") == ["caldwell: 100% of the vault's daily cap of $0.10 is spent: $0.1000"]


def test_a_channel_that_is_named_and_not_there_is_said() -> None:
    house = House(caps=f"{CAPS}\nalert_channel: email")

    said = [house.run().warnings for _ in range(3)]

    assert said[2][1] == "an alert is sent nowhere: alert_channel is email, and policy.md states no alerts.email"


def test_without_channels_what_is_reached_is_said_once_and_recorded() -> None:
    house = House(policy="")

    said = [house.run().warnings for _ in range(4)]

    assert [len(warnings) for warnings in said] == [0, 0, 1, 0]
    assert [(line["state"], line["channels"]) for line in house.record()] == [("raised", [])]


def test_a_dead_channel_costs_nothing_but_a_warning_and_is_tried_again_later() -> None:
    house = House(policy="alerts:\n  webhook: {url: 'https://x/y'}\n")
    dead = house.boxes["webhook"] = Dead(ChannelSettings("webhook", {}))
    house.workspace.keys = Keys(lambda: (EnvironmentPlace({"HOOK_TOKEN": "s3cret-token"}),))
    results = [house.run() for _ in range(3)]

    house.later(minutes=9)
    too_early = house.run()
    house.later(minutes=1)
    del house.boxes["webhook"]
    in_time = house.run()
    house.later(hours=1)
    house.run()

    assert {result.ending for result in results} == {"ok"}
    assert results[2].warnings[1] == (
        "an alert could not be sent on webhook: nobody is there, [redacted]; "
        "it is tried again with the next run after 12:10"
    )
    assert (too_early.warnings, len(dead.messages)) == ((), 1)
    assert len(in_time.warnings) == 1
    assert [text[10:13] for text in house.texts()] == ["50%", "80%", "100"]
    states = [line["state"] for line in house.record() if line["key"] == house.record()[0]["key"]]
    assert states == ["raised", "sending", "failed", "sending", "sent"]


def test_what_a_policy_with_a_mistake_keeps_from_being_sent_is_sent_when_it_is_mended() -> None:
    house = House(policy="alerts:\n  webhok: {}\n")
    for _ in range(2):
        with pytest.raises(SettingsInvalid):
            house.run(trigger="cron")
    assert len(house.record()) == 1

    put(house.store, **{"policy.md": f"---\nschema_version: 2\n{CHANNELS}---\n"})
    house.run()

    assert house.texts() == [
        "caldwell: a run that cron started ended as error: policy.md:4: alerts.webhok is not a setting",
    ]


def test_a_record_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    monkeypatch.setattr(alerting, "_LOCK_WAIT", 0)

    with house.workspace.store.lock("alerts", wait=0):
        warnings = [house.run().warnings for _ in range(3)]

    assert warnings[2][0].startswith("the alerts of this run could not be told: ")
    assert [text[10:13] for text in (house.run(), house.texts())[1]] == ["50%"]
