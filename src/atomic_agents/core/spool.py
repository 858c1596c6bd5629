"""Bytes that are too many for memory, one after the other in a file."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar, overload

Span = int
"""Where something is in a spool, its offset and its length as one number: there may be a million of them."""

NOTHING: Final[Span] = 0
"""The span of no bytes."""

_LENGTH_BITS: Final = 40

IN_MEMORY: Final = 16 * 1024 * 1024
"""A spool without a file of its own gets an unnamed one when it holds more than this."""

_Row = TypeVar("_Row")
_Item = TypeVar("_Item")


class Spool:
    """Bytes that are added at the end and read again; `descriptor` is a file open for both, which the spool closes."""

    def __init__(self, descriptor: int = -1) -> None:
        self._descriptor = descriptor
        self._memory = bytearray()
        self._end = 0

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def add(self, data: bytes) -> Span:
        """Keep `data`; raises OSError where the disk is full."""
        span = self._end << _LENGTH_BITS | len(data)
        if self._descriptor < 0 and self._end + len(data) > IN_MEMORY:
            import tempfile  # noqa: PLC0415 - 2 ms that only large spools need

            with tempfile.TemporaryFile() as file:
                self._descriptor = os.dup(file.fileno())
            self._write(0, self._memory)
            self._memory = bytearray()
        if self._descriptor < 0:
            self._memory += data
        else:
            self._write(self._end, data)
        self._end += len(data)
        return span

    def get(self, span: Span) -> bytes:
        """What was kept there."""
        start, length = span >> _LENGTH_BITS, size(span)
        if self._descriptor < 0:
            return bytes(self._memory[start : start + length])
        os.lseek(self._descriptor, start, os.SEEK_SET)
        data = os.read(self._descriptor, length)
        while len(data) < length and (more := os.read(self._descriptor, length - len(data))):
            data += more
        return data

    def _write(self, start: int, data: bytes | bytearray) -> None:
        os.lseek(self._descriptor, start, os.SEEK_SET)
        written = os.write(self._descriptor, data)
        while written < len(data):
            written += os.write(self._descriptor, memoryview(data)[written:])


def size(span: Span) -> int:
    """How many bytes a span has."""
    return span & ((1 << _LENGTH_BITS) - 1)


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
