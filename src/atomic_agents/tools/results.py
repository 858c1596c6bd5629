"""The results of a run's calls, kept whole by number, so that the model can read what it was not sent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from atomic_agents.core.model import ToolSpec
from atomic_agents.tools.pages import Cut
from atomic_agents.tools.tool import MAX_RESULT, Tool

NAME = "read_result"

_TAG = re.compile(r"<document\b[^>]*>|</document>")
_REST = re.compile(
    rf"\n… (?P<missing>[\d,]+) more characters; call {NAME} with result (?P<number>\d+) and offset (?P<offset>\d+) for "
    r"them(?:\n</document>)?$"
)
_STEP = 64  # characters


def part(whole: str, number: int, start: int, end: int, *, size: int = 0) -> str:
    """The characters of result `number` from `start` to `end`, each fence in them closed, and how to read on.

    An end inside of a fence's tag is moved before the tag, so that no tag is torn. `size` is that of the result where
    `whole` is only its beginning.
    """
    start, end = _outside_tags(whole, start), _outside_tags(whole, end)
    tag = _open_tag(whole, start)
    head = "" if not tag else f"{tag}\n" if ' offset="' in tag else f'{tag[:-1]} offset="{start}">\n'
    missing = max(size, len(whole)) - end
    rest = f"\n… {missing:,} more characters; call {NAME} with result {number} and offset {end} for them"
    close = "\n</document>" if _open_tag(whole, end) else ""
    return f"{head}{whole[start:end]}{rest if missing else ''}{close}"


def beginning(told: str, number: int) -> tuple[str, int]:
    """What of result `number` was shown, without the words about its rest, and how many characters it has."""
    found = _REST.search(told)
    if found is None or int(found["number"]) != number:
        return told, len(told)
    return told[: found.start()], int(found["offset"]) + int(found["missing"].replace(",", ""))


def pointer(number: int) -> str:
    """The line that stands for a result that is not sent."""
    return f"(left out to keep within max_input_tokens: call {NAME} with result {number} and offset 0 for it)"


@dataclass
class Results:
    """The results of a run, the first being 1, in the order of the calls; those of the runs before it count too."""

    _whole: list[str] = field(default_factory=list)
    _lost: set[int] = field(default_factory=set)
    """The results whose rest an earlier process had and nobody has now."""

    def __len__(self) -> int:
        """How many there are."""
        return len(self._whole)

    def keep(self, text: str) -> str:
        """Keep the next result; it as the model is shown it, at most MAX_RESULT characters of it."""
        self._whole.append(text.whole if isinstance(text, Cut) else text)
        return self._from(len(self._whole), 0)

    def keep_again(self, told: str) -> str:
        """Keep the next result, which a run before was shown as `told`, and may have been cut."""
        number = len(self._whole) + 1
        whole, size = beginning(told, number)
        self._whole.append(whole)
        if size > len(whole):
            self._lost.add(number)
        return told

    @property
    def tool(self) -> Tool:
        """The tool that shows a result, or the rest of it."""
        least = {"result": 1, "offset": 0}
        spec = ToolSpec(
            NAME,
            "Read a result of an earlier call that was left out, or read on in a long one. The line that stands for it "
            "says its number and where it goes on.",
            {
                "type": "object",
                "additionalProperties": False,
                "required": list(least),
                "properties": {name: {"type": "integer", "minimum": number} for name, number in least.items()},
            },
        )
        return Tool(spec, self._show, parallel=True)

    def _show(self, arguments: Mapping[str, object]) -> str:
        number, offset = (value if isinstance(value := arguments[key], int) else 0 for key in ("result", "offset"))
        if not 1 <= number <= len(self._whole):
            raise ValueError(f"there is no result {number}; this run has {len(self._whole):,}")
        size = len(self._whole[number - 1])
        if offset >= size and number in self._lost:
            raise ValueError(f"the rest of result {number} is not kept any more; call its tool again")
        if offset >= size and offset:
            raise ValueError(f"result {number} has {size:,} characters, and none from {offset:,} on")
        return self._from(number, offset)

    def _from(self, number: int, start: int) -> str:
        """A result from a place on, at most MAX_RESULT characters with what is said about the rest."""
        whole = self._whole[number - 1]
        end = min(len(whole), start + MAX_RESULT)
        while len(shown := part(whole, number, start, end)) > MAX_RESULT:
            end -= max(len(shown) - MAX_RESULT, _STEP)
        return shown


def _outside_tags(text: str, at: int) -> int:
    """`at`, or the start of the tag that it is in."""
    begins = text.rfind("<", 0, at)
    found = _TAG.match(text, begins) if begins >= 0 else None
    return begins if found and found.end() > at else at


def _open_tag(text: str, at: int) -> str:
    """The fence's tag that is open at a place, "" where none is."""
    begins, ends = text.rfind("<document", 0, at), text.rfind("</document>", 0, at)
    found = _TAG.match(text, begins) if begins > ends else None
    return found[0] if found else ""
