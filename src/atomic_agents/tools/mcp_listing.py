"""The tools that an MCP server lists, those included whose definition the client's library refuses.

The library refuses a whole listing for one tool that is not what the protocol says, a schema that is no table for
example. Then the listing is asked for again, and such a tool is let through under a schema that holds what it really
said, so that the operator is told of that one tool and has the others.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:  # 0.8 s that only agents with servers pay
    from contextlib import AbstractAsyncContextManager

    from mcp import Client
    from mcp.client._transport import ReadStream, TransportStreams
    from mcp.shared.message import SessionMessage
    from mcp.types import ListToolsResult, Tool

_STATED = "x-atomic-agents-stated"


@dataclass
class Refused:
    """The places, in the next listing, of the tools that the library would refuse."""

    places: frozenset[int] = field(default=frozenset())


@asynccontextmanager
async def let_through(
    transport: "AbstractAsyncContextManager[TransportStreams]", refused: Refused
) -> "AsyncIterator[TransportStreams]":
    """A transport that lets refused tools through."""
    async with transport as (read, write):
        yield _Read(read, refused), write


async def listing(client: "Client", cursor: str | None, refused: Refused) -> "ListToolsResult":
    """One page of a server's tools."""
    from pydantic import ValidationError  # noqa: PLC0415 - comes with the client

    try:
        return await client.list_tools(cursor=cursor, cache_mode="refresh")
    except ValidationError as error:
        places = {each["loc"][1] for each in error.errors() if len(each["loc"]) > 1 and each["loc"][0] == "tools"}
        refused.places = frozenset(place for place in places if isinstance(place, int))
        if not refused.places:
            raise
    try:
        return await client.list_tools(cursor=cursor, cache_mode="refresh")
    finally:
        refused.places = frozenset()


def stated_schema(tool: "Tool") -> object:
    """The schema that a tool has, whatever it is; None where it states none."""
    schema = tool.input_schema
    return schema[_STATED] if _STATED in schema else dict(schema)


class _Read:
    """A stream of messages in which refused tools of a listing get a definition that the library takes."""

    def __init__(self, inner: "ReadStream[SessionMessage | Exception]", refused: Refused) -> None:
        self._inner, self._refused = inner, refused

    async def receive(self) -> "SessionMessage | Exception":
        return self._sifted(await self._inner.receive())

    async def aclose(self) -> None:
        await self._inner.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> "SessionMessage | Exception":
        return self._sifted(await self._inner.__anext__())

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._inner.__aexit__(kind, error, trace)

    @property
    def last_context(self) -> object:
        return getattr(self._inner, "last_context", None)

    def _sifted(self, item: "SessionMessage | Exception") -> "SessionMessage | Exception":
        result = getattr(getattr(item, "message", None), "result", None)
        tools = result.get("tools") if self._refused.places and isinstance(result, dict) else None
        if isinstance(tools, list):
            for place in self._refused.places & frozenset(range(len(tools))):
                tools[place] = _acceptable(tools[place], place)
        return item


def _acceptable(tool: object, place: int) -> dict[str, Any]:
    stated: Mapping[str, object] = tool if isinstance(tool, Mapping) else {}
    name, description = stated.get("name"), stated.get("description")
    is_named = isinstance(name, str) and name != ""
    schema = stated.get("inputSchema") if is_named else None  # what has no name cannot be called
    found: dict[str, Any] = {
        "name": name if is_named else f"tool {place + 1}",
        "inputSchema": {"type": "object", _STATED: schema},
    }
    return found | ({"description": description} if isinstance(description, str) else {})
