"""What a front matter block says, and what it may not be; read by `frontmatter.py`."""

from dataclasses import dataclass

MAX_DEPTH = 64
MAX_VALUES = 100_000
MAX_DIGITS = 100
"""What a block may hold, aliases written out; more is a mistake or an attack, and is refused before it costs much."""


class FrontMatterError(Exception):
    """The text is not a YAML mapping; `line` counts from 1 within the front matter."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


Span = tuple[int, int]
"""The lines a key and its value occupy: a half-open range counted from 0 within the front matter."""


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The values of a block and where each stands.

    A key that is not text, such as `on` or `1`, has the text that it is written with. `spans` lacks a key that shares
    its line with another and one that comes from a merge (`<<`); of equal keys it has the last.
    """

    values: dict[str, object]
    spans: dict[str, Span]
