import datetime

import pytest

from atomic_agents.budget import deliveries
from atomic_agents.budget.alerts import Alert
from atomic_agents.budget.deliveries import Delivery, History, State
from atomic_agents.core.change import ChangeSet
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.deeds import put

NOW = datetime.datetime(2026, 5, 1, 9, 0, tzinfo=datetime.UTC)
ALERT = Alert("k", "run-failed", "scout", "it failed", facts={"code": "x"})
DELIVERY = Delivery("k", "webhook")


def after(minutes: float) -> datetime.datetime:
    return NOW + datetime.timedelta(minutes=minutes)


def history(*steps: tuple[State, float]) -> History:
    """An alert on one channel, and what became of it, each step at a minute."""
    found = History()
    found.add(deliveries.line_of(ALERT, NOW, ["webhook"]))
    for state, minutes in steps:
        found.add(deliveries.step(DELIVERY, state, after(minutes)))
    return found


def test_an_alert_is_sent_when_it_is_raised() -> None:
    assert history().pending(NOW) == [DELIVERY]


@pytest.mark.parametrize("state", ["sending", "sent", "unsure"])
def test_what_has_or_may_have_arrived_is_not_sent_again(state: State) -> None:
    assert history((state, 0)).pending(after(700)) == []


def test_what_failed_is_tried_again_after_pauses_that_double_until_it_is_no_news() -> None:
    failed: tuple[State, float] = ("failed", 0)

    assert (history(failed).pending(after(9.9)), history(failed).pending(after(10))) == ([], [DELIVERY])
    twice = history(failed, ("sending", 10), ("failed", 10))
    assert (twice.pending(after(29.9)), twice.pending(after(30))) == ([], [DELIVERY])
    assert history(failed).pending(after(24 * 60)) == []


def test_an_alert_is_told_once() -> None:
    other = Alert("other", "run-failed", "scout", "it failed")

    assert history().new([ALERT, other, other], NOW) == [other]


def test_an_alert_without_channels_waits_for_somebody_to_send_it_and_keeps_its_time() -> None:
    found = History()
    found.add(deliveries.line_of(ALERT, NOW))

    assert (found.new([], after(1)), found.pending(after(1))) == ([ALERT], [])
    found.add(deliveries.line_of(ALERT, after(2), ["email"]))
    assert (found.new([], after(3)), found.pending(after(3))) == ([], [Delivery("k", "email")])
    assert found.raised["k"].at == NOW


def test_the_record_is_read_back_over_the_turn_of_a_month_and_strange_lines_are_passed_over() -> None:
    store = MemoryStore()
    march = datetime.datetime(2026, 3, 31, 23, 0, tzinfo=datetime.UTC)
    for line in (
        deliveries.line_of(ALERT, march, ["email"]),
        deliveries.step(DELIVERY, "failed", march, "half \ud800"),
    ):
        store.apply(ChangeSet("test", (deliveries.append(line, march),)))
    strange = ["{", "[]", '{"key": "x"}', '{"key": "x", "state": "raised", "ts": "soon"}', '{"state": "sent"}']
    put(store, **{"_alerts__2026-04.jsonl": "\n".join(strange) + "\n"})

    found = deliveries.history(store, march + datetime.timedelta(hours=2))

    assert found.raised["k"].alert == ALERT
    assert list(found.raised) == ["k"]
    assert (found.sent[DELIVERY].state, found.sent[DELIVERY].tries) == ("failed", 1)
    assert deliveries.history(store, march + datetime.timedelta(days=2)).raised == {}
