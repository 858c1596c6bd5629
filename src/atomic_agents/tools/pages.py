"""What a tool brings, fenced as data and cut to what reaches the model, the end of the fence never."""

from collections.abc import Callable

from atomic_agents.memory.fence import fence
from atomic_agents.tools.tool import MAX_RESULT, shortened


def fenced(source: str, most: int, part: Callable[[int], str], **facts: str) -> str:
    """A fence of at most `most` characters around what `part` makes of the room."""
    room = most
    while True:
        found = fence(source, part(room), **facts)
        if len(found) <= most or room == 0:
            return found
        room = max(room - max(len(found) - most, 64), 0)


class Cut(str):
    """A fenced text that is cut to what reaches the model, and the whole of it, in its fence."""

    __slots__ = ("whole",)

    whole: str


def as_data(source: str, text: str, **facts: str) -> str:
    """What a tool brought from `source`; where it is cut, whoever has the run can show the rest."""
    found = fence(source, text, **facts)
    if len(found) <= MAX_RESULT:
        return found
    cut = Cut(fenced(source, MAX_RESULT, lambda room: shortened(text, room), **facts))
    cut.whole = found
    return cut


def page(path: str, text: str, start: int, *, tool: str) -> str:
    """A text from `start` on, and how `tool` is asked for the rest."""
    if start and start >= len(text):
        raise ValueError(f"{path} has {len(text):,} characters, and none from {start:,} on")

    def part(room: int) -> str:
        return shortened(text[start:], room, rest=f"call {tool} with offset {start + room} for them")

    return fenced(path, MAX_RESULT, part, **({"offset": str(start)} if start else {}))
