"""Bytes that are too many for memory, one after the other in a file."""

from collections.abc import Callable, Iterator, Sequence
from typing import IO, TypeVar, overload

Span = tuple[int, int]
"""Where something is in a spool: its offset and its length, in bytes."""

_Row = TypeVar("_Row")
_Item = TypeVar("_Item")


class Spool:
    """Adds bytes at the end of a file and reads them again; the file lives as long as the spool."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._end = 0
        self._at_end = True

    def __del__(self) -> None:
        self._file.close()

    def add(self, data: bytes) -> Span:
        """Keep `data`; raises OSError where the disk is full."""
        if not self._at_end:
            self._file.seek(self._end)
            self._at_end = True
        self._file.write(data)
        span = (self._end, len(data))
        self._end += len(data)
        return span

    def get(self, span: Span) -> bytes:
        """What was kept there."""
        self._file.seek(span[0])
        self._at_end = False
        return self._file.read(span[1])


class Rows(Sequence[_Item]):
    """Items that are made from rows, such as spans of a spool, each time they are asked for."""

    def __init__(self, rows: Sequence[_Row], make: Callable[[_Row], _Item]) -> None:
        self._rows = rows
        self._make = make

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[_Item]:
        return map(self._make, self._rows)

    @overload
    def __getitem__(self, index: int) -> _Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[_Item]: ...
    def __getitem__(self, index: int | slice) -> _Item | Sequence[_Item]:
        return Rows(self._rows[index], self._make) if isinstance(index, slice) else self._make(self._rows[index])
