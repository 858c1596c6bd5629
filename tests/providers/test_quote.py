import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import pytest

from atomic_agents.core.model import Answer, Message, Request, ToolSpec, Usage
from atomic_agents.providers.quote import QUOTE_ID, Passage, QuoteProvider
from atomic_agents.testing.provider_contract import Case, ProviderContract

REMEMBER = ToolSpec(
    "remember",
    "Keep a note",
    {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "description": {"type": "string"},
            "type": {"enum": ["user", "feedback"]},
            "body": {"type": "string"},
            "confidence": {"enum": ["high", "medium", "low"]},
        },
        "required": ["name", "description", "type", "body"],
    },
)
VAULT = (
    Passage("ada/memory/user_tea.md", 12, "Ada takes her tea without milk.\nNever offer milk.", 2.0),
    Passage("ada/wiki/tea.md", 3, "Tea is a drink.", 1.5),
    Passage("ada/journal/2026-05-01.md", 9, "Bought a kettle.", 0.2),
)


def search(query: str, limit: int) -> Sequence[Passage]:
    return VAULT[:limit] if "tea" in query else ()


def ask(text: str, *more: Message, tools: Sequence[ToolSpec] = ()) -> Answer:
    request = Request(("persona",), [Message("user", text), *more], tools)
    return QuoteProvider(search).open(QUOTE_ID).ask(request, lambda _: None)


class TestQuote(ProviderContract):
    claimed = (QUOTE_ID,)
    building = (
        "from atomic_agents.providers.quote import QuoteProvider\nprovider = QuoteProvider(lambda query, limit: [])"
    )

    @contextmanager
    def case(self, model_id: str, text: str) -> Iterator[Case]:
        yield Case(QuoteProvider(search), model_id, Request((), [Message("user", text)], [REMEMBER]))

    def speaking(self) -> AbstractContextManager[Case]:
        return self.case(QUOTE_ID, "how does Ada take her tea?")

    def calling(self) -> AbstractContextManager[Case]:
        return self.case(QUOTE_ID, "remember: Ada likes tea")

    def failing(self) -> AbstractContextManager[Case]:
        return self.case("embedded:other", "hello")


def test_the_best_passages_are_quoted_with_their_places() -> None:
    assert ask("how does Ada take her tea?").text == (
        "from the vault:\n\n"
        "> Ada takes her tea without milk.\n> Never offer milk.\n— ada/memory/user_tea.md:12\n\n"
        "> Tea is a drink.\n— ada/wiki/tea.md:3\n"
    )


def test_where_nothing_matches_it_says_so_and_what_can_be_done() -> None:
    text = ask("what about coffee?").text

    assert text.splitlines()[0] == "nothing in this agent's notes, wiki or journal matches"
    assert "atomic-agents models list" in text


def test_it_costs_nothing_and_says_the_same_each_time() -> None:
    first, second = ask("tea?"), ask("tea?")

    assert first == second
    assert first.usage == Usage()


def test_the_question_that_is_searched_is_the_last_one() -> None:
    assert "kettle" not in ask("coffee?", Message("assistant", "no"), Message("user", "tea?")).text
    assert ask("tea?", Message("assistant", "yes"), Message("user", "coffee?")).text.startswith("nothing")


@pytest.mark.parametrize("start", ["remember: ", "Remember:", "REMEMBER that "])
def test_what_it_is_told_to_remember_becomes_a_note(start: str) -> None:
    answer = ask(f"{start}Ada takes her tea without any milk at all. Since 2019.", tools=[REMEMBER])

    assert answer.finish == "tool_calls"
    assert json.loads(answer.calls[0].arguments) == {
        "name": "Ada takes her tea without any milk at",
        "description": "Ada takes her tea without any milk at all.",
        "type": "user",
        "body": "Ada takes her tea without any milk at all. Since 2019.",
        "confidence": "high",
    }


def test_a_note_fits_the_format_however_long_it_is() -> None:
    arguments = json.loads(ask("remember: " + "ü" * 900, tools=[REMEMBER]).calls[0].arguments)

    assert (len(arguments["name"]), len(arguments["description"]), len(arguments["body"])) == (80, 200, 900)


def test_without_the_tool_the_note_is_a_fenced_capture() -> None:
    text = ask("remember: tea at four").text
    opening, *body, closing = text.splitlines()

    assert (opening, closing) == ("```atomic_capture", "```")
    assert json.loads("\n".join(body))["sources"] == ["operator"]


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("written: memory/user_tea.md\nmore", "written: memory/user_tea.md\n"),
        ('{"outcome": "merged", "path": "memory/user_tea.md"}', "merged memory/user_tea.md\n"),
        ("", "done\n"),
    ],
)
def test_what_became_of_the_note_is_said_in_one_line(result: str, expected: str) -> None:
    answer = ask("remember: tea", tools=[REMEMBER])
    told = Message("tool", result, call_id=answer.calls[0].id, tool_name="remember")

    assert ask("remember: tea", Message("assistant", "", answer.calls), told, tools=[REMEMBER]).text == expected


@pytest.mark.parametrize("text", ["do you remember the tea?", "remember", "remember the tea", "remembering: tea"])
def test_other_sentences_with_the_word_are_questions(text: str) -> None:
    assert ask(text, tools=[REMEMBER]).calls == ()
