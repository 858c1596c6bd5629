"""The resources: notes and wiki pages that are in use, each as `vault:///` and its path, and nothing else."""

from urllib.parse import quote, unquote

from mcp.types import Resource, ResourceTemplate

from atomic_agents.core.errors import DocumentMissing
from atomic_agents.mcp_server.saying import clean
from atomic_agents.operations import agents, memory
from atomic_agents.operations.workspace import Workspace
from atomic_agents.web.auth import Caller

MARKDOWN = "text/markdown"
_SCHEME = "vault:///"
TEMPLATES = [
    ResourceTemplate(
        name=name, uri_template=f"{_SCHEME}{{agent}}/{folder}/{{file}}", mime_type=MARKDOWN, description=words
    )
    for name, folder, words in (
        ("note", "memory", "A note of an agent."), ("page", "wiki", "A page of an agent's wiki."),
    )
]  # fmt: skip
_PAGE = 200


def uri(path: str) -> str:
    """The address of a note or page."""
    return _SCHEME + quote(path)


def page(workspace: Workspace, caller: Caller, start: int) -> tuple[list[Resource], str | None]:
    """Some of the notes and pages within reach, and where the next begin."""
    listed, more = memory.documents(workspace, _within(workspace, caller), start, _PAGE)
    found = [
        Resource(
            uri=uri(note.path), name=f"{agent}/{note.file}", title=clean(workspace, note.name),
            description=clean(workspace, note.description), mime_type=MARKDOWN,
        )
        for agent, note in listed
    ]  # fmt: skip
    return found, str(start + _PAGE) if more else None


def text(workspace: Workspace, caller: Caller, address: str) -> str:
    """The text of a note or page.

    Raises:
        DocumentMissing: there is none at that address, within reach and in use.
    """
    if not address.startswith(_SCHEME):
        raise DocumentMissing(f"there is no resource {address}", hint=f"{_SCHEME}AGENT/memory/FILE.md")
    path = unquote(address.removeprefix(_SCHEME))
    return memory.document(workspace, _within(workspace, caller), path).text


def _within(workspace: Workspace, caller: Caller) -> list[str]:
    caller.require("read")
    return [name for name in agents.names(workspace) if caller.reaches(name)]
