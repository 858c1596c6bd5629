"""Tool calls out of the pieces of a stream, however a server numbers, names and repeats them."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass
class _Call:
    id: str = ""
    name: str = ""
    arguments: str = ""
    index: object = None
    extra: object = None

    @property
    def is_whole(self) -> bool:
        """Whether its arguments are complete JSON."""
        return _is_object(self.arguments)


class ToolCalls:
    """Collects the calls of one answer.

    A new id is a new call, whatever the index. Where ids are missing, so is one that names another tool, or that comes
    with arguments once those before are complete.
    """

    def __init__(self) -> None:
        self._calls: list[_Call] = []

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, pieces: object) -> None:
        """Take the list of pieces that one chunk has."""
        for at, piece in enumerate(pieces if isinstance(pieces, Sequence) and not isinstance(pieces, str) else ()):
            if isinstance(piece, Mapping):
                self._add(piece, position=at)

    def finished(self) -> list[dict[str, object]]:
        """The calls in the order in which they began, each with an id of its own."""
        seen: set[str] = set()
        found: list[dict[str, object]] = []
        for at, call in enumerate(self._calls):
            own = call.id if call.id and call.id not in seen else _unused_id(seen)
            seen.add(own)
            function = {"name": call.name or "unnamed", "arguments": call.arguments}
            extra = {"extra_content": call.extra} if call.extra else {}
            found.append({"index": at, "id": own, "type": "function", "function": function, **extra})
        return found

    def _add(self, piece: Mapping[str, object], *, position: int) -> None:
        function = piece.get("function")
        inner: Mapping[str, object] = function if isinstance(function, Mapping) else piece
        id_, name = _text(piece.get("id")), _text(inner.get("name"))
        arguments = _arguments(inner.get("arguments"))
        index = piece.get("index")
        call = self._current(index, position)
        if call is None or _begins(call, id_, name, arguments):
            call = _Call(id_, name, "", index)
            self._calls.append(call)
        elif name and call.name != name:
            call.name += name
        call.id = call.id or id_
        call.name = call.name or name
        call.extra = call.extra or piece.get("extra_content")
        if call.arguments == "{}" and arguments:
            call.arguments = ""  # some servers begin with an empty object and then send the true one
        if not (call.arguments == arguments and call.is_whole):
            call.arguments += arguments

    def _current(self, index: object, position: int) -> _Call | None:
        """The call that a piece may belong to."""
        if isinstance(index, int):
            return next((call for call in reversed(self._calls) if call.index == index), None)
        if position and self._calls:
            return self._calls[-1] if not self._calls[-1].name else None
        return self._calls[-1] if self._calls else None


def _begins(call: _Call, id_: str, name: str, arguments: str) -> bool:
    """Whether a piece begins another call than the one that its index names."""
    if id_ and call.id and id_ != call.id:
        return True
    if id_ and id_ == call.id and not call.is_whole:
        return False
    if name and call.name and name != call.name:
        return True
    starts = arguments.lstrip().startswith("{") and arguments != call.arguments
    return bool(name) and starts and call.arguments != "{}" and call.is_whole


def _arguments(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _is_object(text: str) -> bool:
    if not text.rstrip().endswith("}"):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, int) and value is not True else ""


def _unused_id(seen: set[str]) -> str:
    while (made := f"call_{secrets.token_hex(8)}") in seen:
        continue
    return made
