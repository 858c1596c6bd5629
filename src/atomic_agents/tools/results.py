"""The results of a run's calls that were too long for the model, kept so that it can read on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from atomic_agents.core.model import ToolSpec
from atomic_agents.tools.pages import Cut, fenced
from atomic_agents.tools.tool import MAX_RESULT, Tool, shortened

_NAME = "read_result"


@dataclass
class Results:
    """What was cut, by number; `before` are numbers that the runs which this one goes on with may have used."""

    before: int = 0
    _kept: dict[int, Cut] = field(default_factory=dict)

    def told(self, text: str) -> str:
        """A result as the model meets it: where it was cut, with how the rest is asked for."""
        if not isinstance(text, Cut):
            return text
        number = self.before + len(self._kept) + 1
        self._kept[number] = text
        return self._part(number, 0)

    @property
    def tool(self) -> Tool:
        """The tool that shows the rest of a result."""
        least = {"result": 1, "offset": 0}
        spec = ToolSpec(
            _NAME,
            "Read on in a long result of an earlier call. The result says its number and where it goes on.",
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
        if number not in self._kept:
            raise ValueError(f"result {number} was not cut, or is not kept any more; call its tool again")
        size = len(self._kept[number].whole)
        if offset >= size:
            raise ValueError(f"result {number} has {size:,} characters, and none from {offset:,} on")
        return self._part(number, offset)

    def _part(self, number: int, offset: int) -> str:
        cut = self._kept[number]

        def part(room: int) -> str:
            rest = f"call {_NAME} with result {number} and offset {offset + room} for them"
            return shortened(cut.whole[offset:], room, rest=rest)

        return fenced(cut.source, MAX_RESULT, part, **cut.facts, **({"offset": str(offset)} if offset else {}))
