import asyncio
import datetime
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from atomic_agents.core.errors import ProviderFailed
from atomic_agents.operations import tokens
from atomic_agents.operations.tokens import TokenTable
from atomic_agents.operations.workspace import Workspace
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.workspaces import add_agent, scripted_workspace
from atomic_agents.vault.tokens import Token
from atomic_agents.web.auth import TokenCheck
from atomic_agents.web.limits import RateLimit, Slots, share
from atomic_agents.web.refusals import Refused, as_refused


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    store = FolderStore(tmp_path)
    add_agent(store)
    now = datetime.datetime.now().astimezone
    return scripted_workspace(store, ["hi"], root=tmp_path, clock=now)


def token_check(workspace: Workspace) -> tuple[TokenCheck, Callable[[], int]]:
    """A check over the vault's tokens, and how often it has looked into the vault."""
    table, looks = TokenTable(), []

    async def find(secret: str) -> Token | None:
        looks.append(secret)
        await asyncio.sleep(0)
        return table.find(workspace, secret)

    return TokenCheck(table, find), lambda: len(looks)


def outcome_of(check: TokenCheck, secret: str, address: str = "1.2.3.4") -> str:
    return asyncio.run(outcome(check, secret, address))


async def outcome(check: TokenCheck, secret: str, address: str) -> str:
    try:
        token = await check.holder(secret, address)
    except Refused as refused:
        return f"{refused.status} {refused.headers['retry-after']}"
    return token.name if token else "unknown"


def test_one_caller_leaves_room_for_others_and_a_small_number_is_not_divided() -> None:
    assert [share(most) for most in (1, 2, 7, 8, 64, 256)] == [1, 2, 7, 7, 56, 224]


def test_a_caller_holds_its_share_and_no_more_until_it_gives_back() -> None:
    slots = Slots(3, 2, "streams")
    slots.take("a")
    slots.take("a")
    with pytest.raises(Refused) as own:
        slots.take("a")
    slots.take("b")
    with pytest.raises(Refused) as full:
        slots.take("c")
    slots.give_back("a")
    slots.take("c")

    assert (own.value.status, full.value.status) == (429, 503)
    assert all(refused.value.headers["retry-after"] == "5" for refused in (own, full))


def test_a_rate_remembers_a_bounded_number_of_callers() -> None:
    rate = RateLimit(1.0, 1.0)

    assert [rate.take("a"), rate.take("a") > 0] == [0.0, True]
    assert [rate.take(f"caller {at}") for at in range(5000)] == [0.0] * 5000
    assert len(rate._left) <= 1024


def test_unknown_tokens_are_slowed_before_anything_is_looked_up(workspace: Workspace) -> None:
    _, secret = tokens.add(workspace, "laptop")
    check, looks = token_check(workspace)

    first = [outcome_of(check, f"aat_wrong{at}") for at in range(20)]
    looks_before = looks()
    begun = time.monotonic()

    async def guess_at_once() -> list[str]:
        return await asyncio.gather(*(outcome(check, f"aat_wrong{at}", "1.2.3.4") for at in range(300)))

    after = asyncio.run(guess_at_once())
    answered, seconds = after.count("unknown"), time.monotonic() - begun

    assert first == ["unknown"] * 20
    assert after.count("429 1") + answered == 300
    assert answered <= 20 + seconds  # what the bucket gets back meanwhile
    assert looks() - looks_before <= answered + seconds + 2
    assert [outcome_of(check, secret), outcome_of(check, "aat_wrong", "5.6.7.8")] == ["laptop", "unknown"]


def test_a_right_token_is_let_in_beside_a_neighbour_who_guesses_also_where_it_was_made_since(
    workspace: Workspace,
) -> None:
    _, old = tokens.add(workspace, "old")
    check, _ = token_check(workspace)
    for at in range(30):
        outcome_of(check, f"aat_wrong{at}")
    _, new = tokens.add(workspace, "new")

    assert outcome_of(check, old) == "old"
    deadline = time.monotonic() + 20
    while outcome_of(check, new) != "new" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert outcome_of(check, new) == "new"


def test_many_right_tokens_at_once_are_let_in_by_a_server_that_has_just_started(workspace: Workspace) -> None:
    _, secret = tokens.add(workspace, "laptop")
    check, _ = token_check(workspace)

    async def all_at_once() -> list[str]:
        return await asyncio.gather(*(outcome(check, secret, "1.2.3.4") for _ in range(100)))

    assert asyncio.run(all_at_once()) == ["laptop"] * 100


def test_a_token_ends_at_once_where_it_is_revoked_or_expires(workspace: Workspace) -> None:
    _, gone = tokens.add(workspace, "gone")
    _, short = tokens.add(workspace, "short", days=1)
    check, looks = token_check(workspace)
    before = [outcome_of(check, gone), outcome_of(check, short)]
    tokens.revoke(workspace, "gone")
    later = datetime.datetime.now().astimezone() + datetime.timedelta(days=2)
    workspace.clock = lambda: later

    assert before == ["gone", "short"]
    assert [outcome_of(check, gone), outcome_of(check, short)] == ["unknown", "unknown"]
    assert {outcome_of(check, short) for _ in range(40)} <= {"unknown", "429 1"}
    assert looks() < 40


def test_tokens_are_read_only_where_their_document_has_changed(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = tokens.add(workspace, "laptop")
    reads: list[str] = []
    table, read = TokenTable(), workspace.store.read

    def count(_store: object, path: str) -> object:
        reads.append(path)
        return read(path)

    monkeypatch.setattr(type(workspace.store), "read", count)

    found = [table.find(workspace, secret) for _ in range(50)]

    assert {token.name for token in found if token} == {"laptop"}
    assert reads == ["_serve/tokens.json"]


@pytest.mark.parametrize(
    ("context", "status", "headers"),
    [
        ({"status": 429, "retryable": True, "retry_after": 7}, 429, {"retry-after": "7"}),
        ({"status": 429, "retryable": True}, 429, {"retry-after": "10"}),
        ({"status": 429, "retryable": False}, 429, {"x-should-retry": "false"}),
        ({"status": 529, "retryable": True}, 503, {"retry-after": "10"}),
        ({"status": 503, "retryable": True, "retry_after": 0}, 503, {"retry-after": "1"}),
        ({"status": 503, "retry_after": 61}, 503, {"retry-after": "61", "x-should-retry": "false"}),
        ({"status": 429, "retry_after": float("nan")}, 429, {"x-should-retry": "false"}),
        ({"status": 401}, 502, {"x-should-retry": "false"}),
        ({"status": 403, "retryable": False}, 502, {"x-should-retry": "false"}),
        ({"status": None, "retryable": True}, 502, {"x-should-retry": "false"}),
        ({}, 502, {"x-should-retry": "false"}),
    ],
)
def test_a_providers_status_is_passed_on_only_where_it_asks_for_patience(
    context: dict[str, object], status: int, headers: dict[str, str]
) -> None:
    refused = as_refused(ProviderFailed("no", context=context))

    assert (refused.status, refused.headers) == (status, headers)
