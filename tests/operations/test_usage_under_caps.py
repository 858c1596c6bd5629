"""Whatever a server reports of what was used, a cap bites: money is never spent that is not counted."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from atomic_agents.core.ending import Ending
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.order import Result
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.deeds import put
from atomic_agents.testing.provider_corpus.check import ByteServer
from atomic_agents.testing.provider_corpus.row import Sent, chunk, pieces, stream
from atomic_agents.testing.workspaces import add_agent, run, scripted_workspace

ANSWER = "It is sunny in Rome, and it will be so tomorrow. " * 12  # 588 bytes: 196 tokens where they are estimated
MODEL = "openai:gpt-5-mini"
RUNNING = [{"prompt_tokens": 900, "completion_tokens": said, "total_tokens": 900 + said} for said in range(10, 200, 10)]
FORMS: Mapping[str, object] = {
    "fair": {"prompt_tokens": 900, "completion_tokens": 180},
    "none": None,
    "zero": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    "null": {"prompt_tokens": None, "completion_tokens": None},
    "negative": {"prompt_tokens": -900, "completion_tokens": -180},
    "text": "unknown",
    "words": {"prompt_tokens": "many", "completion_tokens": "few"},
    "NaN": {"prompt_tokens": float("nan"), "completion_tokens": float("nan")},
    "far below": {"prompt_tokens": 900, "completion_tokens": 2},
    "far above": {"prompt_tokens": 10**12, "completion_tokens": 10**12},
}


def running() -> Sent:
    """An answer with running totals beside each of its pieces."""
    size = -(-len(ANSWER) // len(RUNNING))
    texts = [ANSWER[at : at + size] for at in range(0, len(ANSWER), size)]
    chunks = [chunk({"content": text}, usage=usage) for text, usage in zip(texts, RUNNING, strict=False)]
    return Sent(stream(*chunks, chunk({}, "stop", usage={"prompt_tokens": 900, "completion_tokens": 180})))


class Agent:
    """An agent under a cap; it pays for output alone, 1,000 USD a million tokens, and 300 of them at most."""

    def __init__(self, root: Path, server: ByteServer, cap: str) -> None:
        self.store, self._server, self._root = FolderStore(root), server, root
        caps = f"cost_guardrails:\n  enabled: true\n  daily_cap_usd: {cap}\n"
        add_agent(self.store, model=f"---\nschema_version: 2\nmodel: {MODEL}\nmax_output_tokens: 300\n{caps}---\n")
        put(self.store, **{"prices.toml": f'["{MODEL}"]\ninput = 0.001\noutput = 1000\n'})

    def workspace(self) -> Workspace:
        workspace = scripted_workspace(self.store, [], root=self._root)
        workspace.make_providers = lambda _search: (self._server.provider("openai"),)
        return workspace

    def run(self) -> Result:
        workspace = self.workspace()
        result = run(workspace, "how is the weather?")
        workspace.close()
        return result

    def lines(self) -> list[dict[str, object]]:
        (path,) = self._root.glob("caldwell/log/*/*.jsonl")
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("form", [*FORMS, "running totals"])
def test_of_four_runs_under_a_cap_that_two_reach_the_third_is_not_begun(form: str, tmp_path: Path) -> None:
    with ByteServer() as server:
        server.send(running() if form == "running totals" else pieces(ANSWER, usage=FORMS[form]))
        # A run reserves $0.30. One costs $0.18 to $0.30, so that two of them leave less than that of the cap.
        agent = Agent(tmp_path / "vault", server, "0.6005")
        results = [agent.run() for _ in range(4)]
        asked = len(server.bodies)

    assert [result.ending for result in results] == [Ending.OK, Ending.OK, Ending.SKIPPED, Ending.SKIPPED]
    assert asked == 2
    assert all(Decimal("0.179") < result.cost < Decimal("0.301") for result in results[:2])


@pytest.mark.parametrize("form", [form for form in FORMS if form != "fair"])
def test_a_report_that_cannot_be_true_is_said_once_and_marked_in_the_log(form: str, tmp_path: Path) -> None:
    with ByteServer() as server:
        server.send(pieces(ANSWER, usage=FORMS[form]))
        agent = Agent(tmp_path / "vault", server, "10")
        result = agent.run()

    assert sum("that cannot be" in warning for warning in result.warnings) == 1
    assert agent.lines()[0]["cost_estimated_via_fallback"] is True


def test_a_fair_report_is_believed_to_the_token_without_a_word(tmp_path: Path) -> None:
    with ByteServer() as server:
        server.send(running())
        agent = Agent(tmp_path / "vault", server, "10")
        result = agent.run()

    assert (result.input_tokens, result.output_tokens) == (900, 180)
    assert result.cost == Decimal("0.1800009")
    assert result.warnings == ()
    assert "cost_estimated_via_fallback" not in agent.lines()[0]


def test_reasoning_is_kept_in_the_transcript_and_not_in_the_answer(tmp_path: Path) -> None:
    with ByteServer() as server:
        server.send(pieces("<think>the secret plan", "</think>It is sunny."))
        agent = Agent(tmp_path / "vault", server, "10")
        result = agent.run()

    transcript = (tmp_path / "vault" / result.transcript).read_text(encoding="utf-8")
    (event,) = [each for each in map(json.loads, transcript.splitlines()) if each["event"] == "answered"]
    assert (result.text, event["text"], event["reasoning"]) == ("It is sunny.", "It is sunny.", "the secret plan")
    assert "secret plan" not in "".join(
        path.read_text(encoding="utf-8") for path in (tmp_path / "vault" / "caldwell").rglob("*.md")
    )
