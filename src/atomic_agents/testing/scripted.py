"""A model that says what a test tells it to, and keeps what it was asked."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from atomic_agents.core.model import Answer, Offer, Request

Said = str | Answer | Exception
Script = Sequence[Said] | Callable[[Request], str | Answer]

_PIECE = 5  # characters


class ScriptedModel:
    """Gives `script`'s answers in turn, or calls it with each request; an exception in it is raised.

    `requests` has every request in order. Text is streamed in pieces of five characters.
    """

    def __init__(self, script: Script, *, model_id: str = "scripted:model", local: bool = True) -> None:
        self.id = model_id
        self.local = local
        self.requests: list[Request] = []
        self._script = script
        self._answers = iter(()) if callable(script) else iter(script)

    def ask(self, request: Request, on_text: Callable[[str], None]) -> Answer:
        """The next answer.

        Raises:
            AssertionError: there is none.
        """
        self.requests.append(request)
        said = self._script(request) if callable(self._script) else self._next()
        if isinstance(said, Exception):
            raise said
        answer = Answer(said) if isinstance(said, str) else said
        for piece in _pieces(answer.text):
            on_text(piece)
        return answer

    def _next(self) -> Said:
        answers: Iterator[Said] = self._answers
        for said in answers:
            return said
        count = len(self.requests)
        last = self.requests[-1].messages[-1].text if self.requests[-1].messages else ""
        raise AssertionError(f"the script has {count - 1} answers and was asked a question more: {last!r}")


class ScriptedProvider:
    """Opens `model` for every `scripted:…` id."""

    name = "scripted"

    def __init__(self, model: ScriptedModel) -> None:
        self._model = model

    def claims(self, model_id: str) -> bool:
        """Whether the id starts with `scripted:`."""
        return model_id.startswith("scripted:")

    def check(self, model_id: str) -> Offer:
        """Always ready."""
        return Offer(model_id, "ready", "says what it is told")

    def open(self, model_id: str) -> ScriptedModel:
        """The model, under the id it is asked for by."""
        self._model.id = model_id
        return self._model

    def offers(self) -> Sequence[Offer]:
        """The one model."""
        return [self.check(self._model.id)]


def _pieces(text: str) -> Iterable[str]:
    return (text[at : at + _PIECE] for at in range(0, len(text), _PIECE))
