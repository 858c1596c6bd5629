import datetime
import json
import sys
from pathlib import Path

import pytest

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.errors import Busy, ProviderFailed, SettingsInvalid
from atomic_agents.fleet import standing
from atomic_agents.fleet.standing import Claim
from atomic_agents.operations import firing, schedules
from atomic_agents.operations.firing import MOST_TRIES, Fired
from atomic_agents.operations.workspace import Workspace
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.deeds import put
from atomic_agents.testing.workspaces import NOON, add_agent, scripted_workspace

DAILY = {"cron": "0 7 * * *", "time_zone": "UTC", "work_item": "Say what is due.", "catch_up": "latest"}


class House:
    """A vault with an agent, a clock that can be put forward, and a model that answers anything."""

    def __init__(self, root: Path, *, failing: bool = False) -> None:
        self.now, self.failing, self.said = NOON, failing, list[str]()
        self.store = FolderStore(root)
        add_agent(self.store)
        self.workspace: Workspace = scripted_workspace(self.store, self._answer, root=root, clock=lambda: self.now)

    def _answer(self, _request: object) -> str:
        if self.failing:
            raise ProviderFailed("no")
        return "Nothing is due."

    def add(self, name: str = "morning", **stated: object) -> None:
        _, change = schedules.added(self.workspace, "caldwell", name, {**DAILY, **stated})
        self.store.apply(change)

    def fire(self, **later: float) -> list[Fired]:
        self.now += datetime.timedelta(**later)
        return list(firing.fire(self.workspace, "caldwell", self.said.append))

    def log(self) -> list[dict[str, object]]:
        folder = self.workspace.config.root / "caldwell/log"
        return [json.loads(line) for path in sorted(folder.rglob("*.jsonl")) for line in path.read_text().splitlines()]

    def alerts(self) -> list[str]:
        path = self.workspace.config.root / "_alerts/2026-11.jsonl"
        return [str(json.loads(line)["key"]) for line in path.read_text().splitlines()] if path.exists() else []

    def claim(self, name: str = "morning", *, host: str = "", **earlier: float) -> Claim:
        """Claim its next time as a driver does that dies before the run begins."""
        schedule = schedules.find(self.workspace, "caldwell", name).stated.schedule
        known, expect = standing.read(self.store, "caldwell", name)
        assert schedule is not None
        assert known is not None
        at = known.since.replace(hour=7, minute=0) + datetime.timedelta(days=1)
        taken = Claim(at, at + datetime.timedelta(**earlier), "run-20261123-070000-000000-0123abcd", 0, host or "gone")
        self.store.apply(ChangeSet("claim", (standing.put(schedule, known.claimed(taken, at), expect),)))
        return taken


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "vault")


def test_a_time_is_fired_when_it_has_come_and_once(house: House) -> None:
    house.add()

    before, at, after = house.fire(), house.fire(hours=19), house.fire(minutes=1)

    assert (before, after) == ([], [])
    assert [(found.schedule, found.outcome, found.missed) for found in at] == [("morning", "ok", 0)]


def test_a_run_records_its_time_and_what_it_missed_in_log_and_transcript(house: House) -> None:
    house.add()

    (found,) = house.fire(days=3)

    (line,) = house.log()
    path = house.workspace.config.root / f"caldwell/runs/2026-11/{found.run_id}.jsonl"
    started = json.loads(path.read_text().splitlines()[0])
    expected = {
        "trigger": "cron", "schedule": "morning", "scheduled_for": "2026-11-25T07:00:00+00:00",
        "fired_at": "2026-11-25T12:00:00+00:00", "missed": 2,
    }  # fmt: skip
    assert {key: line[key] for key in expected} == expected
    assert {key: started[key] for key in expected} == expected


def test_several_schedules_of_an_agent_are_fired_in_the_order_of_their_times(house: House) -> None:
    house.add("noon", cron="0 12 * * *", catch_up="all")
    house.add("morning", catch_up="all")

    found = house.fire(days=2)

    assert [(each.schedule, each.scheduled_for.day) for each in found] == [
        ("morning", 23), ("noon", 23), ("morning", 24), ("noon", 24),
    ]  # fmt: skip


def test_a_document_written_by_hand_begins_when_a_driver_first_sees_it(house: House) -> None:
    text = '---\nschema_version: 2\ncron: "0 7 * * *"\nwork_item: go\n---\n'
    put(house.store, **{"caldwell/schedules/mine.md": text})

    first, second = house.fire(), house.fire(days=1)

    assert (first, [each.outcome for each in second]) == ([], ["ok"])


def test_a_schedule_that_is_edited_forgets_what_was_due_before(house: House) -> None:
    house.add()
    path = house.workspace.config.root / "caldwell/schedules/morning.md"
    house.now += datetime.timedelta(hours=20)
    path.write_text(path.read_text().replace("0 7 * * *", "0 6 * * *"))

    assert house.fire() == []
    assert [each.scheduled_for.hour for each in house.fire(days=1)] == [6]


def test_what_comes_due_while_it_is_paused_is_forgotten(house: House) -> None:
    house.add(catch_up="all")
    house.store.apply(schedules.paused(house.workspace, "caldwell", "morning"))

    while_paused = house.fire(days=5)
    house.store.apply(schedules.resumed(house.workspace, "caldwell", "morning"))

    assert (while_paused, house.fire()) == ([], [])
    assert len(house.fire(days=1)) == 1


def test_the_cost_of_a_run_is_bounded(house: House) -> None:
    house.add(max_cost_usd=0.25)

    (found,) = house.fire(days=1)

    path = house.workspace.config.root / f"caldwell/runs/2026-11/{found.run_id}.jsonl"
    assert json.loads(path.read_text().splitlines()[0])["max_cost"] == "0.25"


def test_nothing_is_asked_where_no_document_has_changed(house: House) -> None:
    house.add(only_if={"changed": ["raw/**"]})
    put(house.store, **{"caldwell/raw/a.txt": "one"})

    outcomes = [house.fire(days=1)[0].outcome, house.fire(days=1)[0].outcome]
    put(house.store, **{"caldwell/raw/b.txt": "two"})
    outcomes.append(house.fire(days=1)[0].outcome)

    assert outcomes == ["ok", "nothing-to-do", "ok"]
    assert len(house.log()) == 2


@pytest.mark.parametrize(
    ("code", "outcome", "alerts"),
    [(0, "ok", []), (1, "nothing-to-do", []), (2, "error", ["run-failed:caldwell:2026-11-23:condition-failed"])],
)
def test_a_command_decides_whether_there_is_anything_to_do(
    code: int, outcome: str, alerts: list[str], house: House
) -> None:  # fmt: skip
    house.add(only_if={"command": [sys.executable, "-c", f"import sys; sys.exit({code})"]})

    (found,) = house.fire(days=1)

    assert (found.outcome, house.alerts()) == (outcome, alerts)


def test_a_command_that_is_not_there_is_told_and_not_taken_for_nothing_to_do(house: House) -> None:
    house.add(only_if={"command": ["no-such-program"]})

    (found,) = house.fire(days=1)

    assert (found.outcome, found.why) == ("error", "no-such-program: No such file or directory")
    assert house.fire() == []


def test_a_run_that_fails_is_settled_and_told(tmp_path: Path) -> None:
    house = House(tmp_path / "vault", failing=True)
    house.add()

    (found,) = house.fire(days=1)

    assert (found.outcome, found.why, found.failed) == ("error", "no", True)
    assert house.alerts() == ["run-failed:caldwell:2026-11-23:provider-failed"]
    assert house.fire(minutes=1) == []


def test_a_run_that_cannot_begin_is_settled_and_told(house: House) -> None:
    house.add()
    put(house.store, **{"caldwell/model.md": "---\nschema_version: 2\nmodel: 7\n---\n"})

    (found,) = house.fire(days=1)

    assert (found.outcome, house.alerts()) == ("error", ["run-failed:caldwell:2026-11-23:settings-invalid"])


def test_a_document_with_errors_is_told_once_a_day_and_keeps_no_other_waiting(house: House) -> None:
    house.add()
    put(house.store, **{"caldwell/schedules/bad.md": "---\nschema_version: 2\ncron: x\nwork_item: y\n---\n"})

    told = [len(firing.broken(house.workspace, "caldwell")) for _ in range(3)]

    assert told == [1, 1, 1]
    assert house.alerts() == ["run-failed:caldwell:2026-11-22:schedule-invalid"]
    assert [each.outcome for each in house.fire(days=1)] == ["ok"]


def test_nothing_is_claimed_while_the_agent_runs(house: House) -> None:
    house.add()

    with house.store.lock("agent/caldwell", wait=0), pytest.raises(Busy):
        house.fire(days=1)

    assert [each.outcome for each in house.fire()] == ["ok"]


@pytest.mark.parametrize(
    ("catch_up", "outcomes"), [("skip", ["missed"]), ("latest", ["ok"]), ("all", ["ok"])]
)  # fmt: skip
def test_a_time_whose_driver_died_before_the_run_is_caught_up_as_the_policy_says(
    catch_up: str, outcomes: list[str], house: House
) -> None:
    house.add(catch_up=catch_up)
    taken = house.claim()

    found = house.fire(hours=20)

    assert [(each.outcome, each.scheduled_for) for each in found] == [(each, taken.scheduled_for) for each in outcomes]
    assert [line["run_id"] for line in house.log()] == [taken.run_id] * outcomes.count("ok")
    assert house.fire(minutes=1) == []


def test_where_a_newer_time_has_come_the_one_that_never_began_is_missed(house: House) -> None:
    house.add()
    house.claim()

    found = house.fire(days=2)

    assert [(each.outcome, each.scheduled_for.day) for each in found] == [("missed", 23), ("ok", 24)]


def test_a_time_whose_run_had_begun_is_never_fired_again(house: House) -> None:
    house.add(catch_up="all")
    taken = house.claim()
    line = json.dumps({"event": "started", "agent": "caldwell", "trigger": "cron", "ts": house.now.isoformat()})
    put(house.store, **{f"_runs/{taken.run_id}.jsonl": line + "\n"})

    (found,) = house.fire(hours=20)

    assert (found.outcome, found.run_id) == ("crashed", taken.run_id)
    assert [line["ending"] for line in house.log()] == ["crashed"]


def test_a_time_that_kills_every_driver_is_given_up(house: House) -> None:
    house.add(catch_up="all")
    taken = house.claim()
    path = house.workspace.config.root / "_schedules/caldwell/morning.json"
    path.write_text(path.read_text().replace('"tries": 1', f'"tries": {MOST_TRIES}'))

    (found,) = house.fire(hours=20)

    assert (found.outcome, found.scheduled_for) == ("missed", taken.scheduled_for)


def test_what_another_machine_has_claimed_just_now_is_left_to_it(house: House) -> None:
    house.add()
    house.claim(host="another-machine", minutes=1)

    soon, later = house.fire(hours=19, minutes=5), house.fire(minutes=20)

    assert (soon, [each.outcome for each in later]) == ([], ["ok"])


def test_a_memory_that_was_damaged_fires_nothing_until_somebody_says_so(house: House) -> None:
    house.add()
    path = house.workspace.config.root / "_schedules/caldwell/morning.json"
    path.write_text("{")

    while_damaged = house.fire(days=1)
    (problem,) = firing.broken(house.workspace, "caldwell")
    house.store.apply(schedules.resumed(house.workspace, "caldwell", "morning"))

    assert while_damaged == []
    assert (problem.path, problem.hint) == (
        "_schedules/caldwell/morning.json", "atomic-agents schedule resume caldwell morning begins anew",
    )  # fmt: skip
    assert len(house.fire(days=1)) == 1


def test_a_schedule_that_would_be_wrong_is_not_added(house: House) -> None:
    with pytest.raises(SettingsInvalid, match='cron is "never"'):
        house.add(cron="never")

    assert schedules.shown(house.workspace) == []


def test_what_is_wrong_is_seen(house: House) -> None:
    house.add("overdue")
    house.add("claimed")
    house.now += datetime.timedelta(hours=18)
    house.claim("claimed")
    text = '---\nschema_version: 2\ncron: "0 7 * * *"\nwork_item: go\n---\n'
    house.store.apply(ChangeSet("unseen", (Put("caldwell/schedules/unseen.md", text.encode()),)))
    house.now += datetime.timedelta(hours=2)

    shown = schedules.shown(house.workspace)
    found = {each.stated.name: [problem.message for problem in each.problems] for each in shown}

    assert found == {
        "overdue": ["is overdue since 2026-11-23 07:00, and has never been fired"],
        "claimed": ["was claimed for 2026-11-23 07:00 by gone, and its run has not begun; catch_up is latest"],
        "unseen": ["no driver has seen it as it stands"],
    }
