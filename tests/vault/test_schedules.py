import datetime

import pytest

from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.deeds import put
from atomic_agents.vault import schedules
from atomic_agents.vault.schedules import Stated
from atomic_agents.vault.vault import Vault

WHOLE = """cron: "0 7 * * 1-5"
time_zone: Europe/Vienna
work_item: |
  Read what came in.
  Say what is due.
catch_up: all
jitter_s: 90
max_cost_usd: 0.25
only_if:
  changed: ["raw/**"]
  command: [test, -s, inbox]
"""


def stated(front: str) -> Stated:
    store = MemoryStore()
    put(store, **{"caldwell/schedules/morning.md": f"---\nschema_version: 2\n{front}---\n\nMy words.\n"})
    (found,) = schedules.of(Vault(store), "caldwell")
    return found


def test_a_document_says_when_and_what() -> None:
    schedule = stated(WHOLE).schedule

    assert schedule is not None
    assert (schedule.name, schedule.cron, schedule.zone.key) == ("morning", "0 7 * * 1-5", "Europe/Vienna")
    assert schedule.work_item == "Read what came in.\nSay what is due."
    assert (schedule.catch_up, schedule.jitter, str(schedule.max_cost)) == (
        "all", datetime.timedelta(seconds=90), "0.25",
    )  # fmt: skip
    assert (schedule.changed, schedule.command) == (("raw/**",), ("test", "-s", "inbox"))


@pytest.mark.parametrize(
    ("front", "line", "message"),
    [
        ('cron: "0 7 * *"\nwork_item: x\n', 3, 'cron is "0 7 * *": five fields are needed: minute, hour, day of'),
        ('cron: "0 0 30 2 *"\nwork_item: x\n', 3, 'cron is "0 0 30 2 *": '),
        ('cron: "0 7 * * *"\nwork_item: x\ntime_zone: Europe/Viena\n', 5, "there is no time zone Europe/Viena"),
        ('cron: "0 7 * * *"\nwork_item: x\ntime_zone: ../../etc/passwd\n', 5, "there is no time zone ../../etc/passwd"),
        ('cron: "0 7 * * *"\nwork_item: x\ncatch_up: some\n', 5, 'catch_up is "some"; it can be skip, latest, all'),
        ('cron: "0 7 * * *"\nwork_item: x\njitter_s: 7200\n', 5, "jitter_s is 7200; 3600 is the most"),
        ('cron: "0 7 * * *"\nwork_item: x\nmax_cost_usd: "0,50"\n', 5, 'max_cost_usd is "0,50"; a number in USD is n'),
        ('cron: "0 7 * * *"\nwork_itm: x\n', 4, "work_itm is not a setting"),
        ('cron: "0 7 * * *"\n', 1, "states no work_item"),
        ("cron: 7\nwork_item: x\n", 3, "cron is 7; a text is needed"),
    ],
)
def test_what_is_wrong_has_its_line_and_nothing_is_guessed(front: str, line: int, message: str) -> None:
    found = stated(front)

    assert found.schedule is None
    assert [problem.line for problem in found.problems if problem.message.startswith(message)] == [line]


def test_a_document_of_a_newer_package_is_not_fired() -> None:
    store = MemoryStore()
    put(store, **{"caldwell/schedules/m.md": '---\nschema_version: 9\ncron: "0 7 * * *"\nwork_item: x\n---\n'})

    (found,) = schedules.of(Vault(store), "caldwell")

    assert found.schedule is None
    assert found.problems[0].message == "is at v9, and this package reads up to v2"


def test_copies_that_sync_tools_make_and_hidden_files_are_no_schedules() -> None:
    store = MemoryStore()
    text = '---\nschema_version: 2\ncron: "0 7 * * *"\nwork_item: x\n---\n'
    names = ("a.md", "a.sync-conflict-20261122-120000-ABC.md", "a (conflicted copy).md", ".b.md", "old/c.md", "d.txt")
    put(store, **{f"caldwell/schedules/{name}": text for name in names})

    assert [each.name for each in schedules.of(Vault(store), "caldwell")] == ["a"]
