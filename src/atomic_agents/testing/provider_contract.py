"""What every provider of models promises, as tests; a provider's own test file says how to build one."""

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from atomic_agents.core.errors import ProviderFailed
from atomic_agents.core.model import Answer, Message, Provider, Request

HEAVY = ("anthropic", "httpx", "httpx2", "openai", "pydantic", "pydantic_ai", "xllamacpp")
"""Modules that answering `claims` and `check` may not import."""


@dataclass(frozen=True, slots=True)
class Case:
    """A provider, one of its model ids, and a request to put to it."""

    provider: Provider
    model_id: str
    request: Request


class ProviderContract:
    """Subclass it as `Test…`, say how to build the cases, and every promise is tested."""

    claimed: ClassVar[Sequence[str]]
    """Ids that are the provider's."""

    building: ClassVar[str]
    """Python that makes a `provider` without importing anything heavy."""

    calls_tools: ClassVar[bool] = True
    """Whether its models call tools."""

    def speaking(self) -> AbstractContextManager[Case]:
        """A case whose answer is text of more than one piece."""
        raise NotImplementedError

    def calling(self) -> AbstractContextManager[Case]:
        """A case whose answer calls a tool, and is text once the tool has answered."""
        raise NotImplementedError

    def failing(self) -> AbstractContextManager[Case]:
        """A case that cannot be opened, or not be answered."""
        raise NotImplementedError

    def test_it_claims_its_ids_and_no_others(self) -> None:
        with self.speaking() as case:
            assert [name for name in self.claimed if not case.provider.claims(name)] == []
            assert [name for name in ("", "nobody:nothing", "nobody") if case.provider.claims(name)] == []

    def test_claiming_and_checking_import_nothing_heavy(self) -> None:
        code = (
            f"import sys\n{self.building}\n"
            f"for model_id in {list(self.claimed)!r}:\n    provider.claims(model_id)\n    provider.check(model_id)\n"
            f"print(*(name for name in {HEAVY!r} if name in sys.modules))"
        )

        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

        assert done.stdout.split() == []

    def test_an_opened_model_says_its_id_with_its_provider(self) -> None:
        with self.speaking() as case:
            model = case.provider.open(case.model_id)

            assert ":" in model.id
            assert model.id.endswith(case.model_id)

    def test_streamed_pieces_join_to_the_text(self) -> None:
        pieces: list[str] = []
        with self.speaking() as case:
            answer = case.provider.open(case.model_id).ask(case.request, pieces.append)

        assert "".join(pieces) == answer.text
        assert len(pieces) > 1
        assert answer.calls == ()
        assert answer.finish in {"stop", "length"}

    def test_usage_is_never_negative_and_includes_the_cache(self) -> None:
        with self.speaking() as case:
            usage = case.provider.open(case.model_id).ask(case.request, _ignore).usage

        assert min(usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens) >= 0
        assert usage.input_tokens >= usage.cache_read_tokens + usage.cache_write_tokens

    def test_a_tool_is_called_with_json_and_its_result_is_taken(self) -> None:
        if not self.calls_tools:
            pytest.skip("its models call no tools")
        with self.calling() as case:
            model = case.provider.open(case.model_id)
            first = model.ask(case.request, _ignore)
            second = model.ask(_with_results(case.request, first), _ignore)

        assert first.finish == "tool_calls"
        assert {call.name for call in first.calls} <= {tool.name for tool in case.request.tools}
        assert all(isinstance(json.loads(call.arguments), dict) for call in first.calls)
        assert len({call.id for call in first.calls}) == len(first.calls) > 0
        assert second.text
        assert second.calls == ()

    def test_what_goes_wrong_is_a_provider_error_with_a_message(self) -> None:
        with self.failing() as case, pytest.raises(ProviderFailed) as caught:
            case.provider.open(case.model_id).ask(case.request, _ignore)

        assert caught.value.exit_status == 7
        assert caught.value.message

    def test_what_stops_the_reader_passes_through_and_the_model_can_be_asked_again(self) -> None:
        def interrupted(_: str) -> None:
            raise KeyboardInterrupt

        with self.speaking() as case:
            model = case.provider.open(case.model_id)
            with pytest.raises(KeyboardInterrupt):
                model.ask(case.request, interrupted)
            answer = model.ask(case.request, _ignore)

        assert answer.text

    def test_offers_are_of_models_it_claims(self) -> None:
        with self.speaking() as case:
            offers = case.provider.offers()

            assert [offer.id for offer in offers if not case.provider.claims(offer.id)] == []


def _ignore(_: str) -> None:
    """Read nothing."""


def _with_results(request: Request, answer: Answer) -> Request:
    results = [Message("tool", "it is done", call_id=call.id, tool_name=call.name) for call in answer.calls]
    said = Message("assistant", answer.text, answer.calls)
    return replace(request, messages=[*request.messages, said, *results])
