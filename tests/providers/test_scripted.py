from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from atomic_agents.core.errors import ProviderFailed
from atomic_agents.core.model import Answer, Message, Request, ToolCall, ToolSpec
from atomic_agents.testing.provider_contract import Case, ProviderContract
from atomic_agents.testing.scripted import Said, ScriptedModel, ScriptedProvider

LOOK = ToolSpec("look", "Look", {"type": "object"})
ASKED = Request((), [Message("user", "hello")], [LOOK])


class TestScripted(ProviderContract):
    claimed = ("scripted:model", "scripted:x")
    building = (
        "from atomic_agents.testing.scripted import ScriptedModel, ScriptedProvider\n"
        "provider = ScriptedProvider(ScriptedModel([]))"
    )

    @contextmanager
    def scripted(self, *script: Said) -> Iterator[Case]:
        yield Case(ScriptedProvider(ScriptedModel(script)), "scripted:model", ASKED)

    def speaking(self) -> AbstractContextManager[Case]:
        return self.scripted("an answer in pieces", "and another")

    def calling(self) -> AbstractContextManager[Case]:
        return self.scripted(Answer("", (ToolCall("c", "look", "{}"),), finish="tool_calls"), "seen")

    def failing(self) -> AbstractContextManager[Case]:
        return self.scripted(ProviderFailed("scripted:model answered 500: no"))


def test_answers_come_in_turn_and_requests_are_kept() -> None:
    model = ScriptedModel(["one", Answer("two")])

    answers = [model.ask(ASKED, lambda _: None).text for _ in range(2)]

    assert answers == ["one", "two"]
    assert model.requests == [ASKED, ASKED]


def test_a_function_answers_what_it_is_asked() -> None:
    model = ScriptedModel(lambda request: request.messages[-1].text.upper())

    assert model.ask(ASKED, lambda _: None).text == "HELLO"


def test_a_question_too_many_fails_the_test_in_words() -> None:
    with pytest.raises(AssertionError, match="has 0 answers and was asked a question more: 'hello'"):
        ScriptedModel([]).ask(ASKED, lambda _: None)
