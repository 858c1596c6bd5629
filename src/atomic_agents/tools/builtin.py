"""The tools every agent has: recall, read_note, remember."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from atomic_agents.core.model import ToolSpec
from atomic_agents.guard.paths import PathPolicy
from atomic_agents.memory.fence import fence
from atomic_agents.memory.lifecycle import CAPTURE_SCHEMA, Captures
from atomic_agents.memory.search import Passage
from atomic_agents.tools.tool import MAX_RESULT, Tool, shortened
from atomic_agents.vault import layout
from atomic_agents.vault.vault import Vault

Search = Callable[[str, int], Sequence[Passage]]

_HITS = 5
_NO_HIT = "nothing in the notes, the wiki or the journal matches"


def builtin(
    vault: Vault, agent: str, *, search: Search, captures: Captures | None, paths: PathPolicy
) -> tuple[Tool, ...]:
    """The built-in tools of one run; without `captures` there is no `remember`."""
    tools = [_recall(search, paths), _read_note(vault, agent, paths)]
    if captures is not None:
        tools.append(_remember(captures))
    return tuple(tools)


def _recall(search: Search, paths: PathPolicy) -> Tool:
    def handle(arguments: Mapping[str, object]) -> str:
        hits = [hit for hit in search(str(arguments["query"]), _HITS) if paths.may_read(hit.path)]
        most = MAX_RESULT // _HITS - 2
        rest = "read_note shows the whole"
        found = [_fenced(hit.path, most, partial(shortened, hit.text, rest=rest), line=str(hit.line)) for hit in hits]
        return "\n\n".join(found) or _NO_HIT

    spec = ToolSpec(
        "recall",
        "Search your notes, wiki and journal. Returns the passages that match best, each with its file and line.",
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["query"],
            "properties": {"query": {"type": "string", "minLength": 1, "description": "a few words"}},
        },
    )
    return Tool(spec, handle, parallel=True)


def _read_note(vault: Vault, agent: str, paths: PathPolicy) -> Tool:
    def handle(arguments: Mapping[str, object]) -> str:
        name = str(arguments["file"]).removeprefix(f"{agent}/").removeprefix("memory/")
        candidates = (
            (layout.note(agent, name), f"{agent}/{name}")
            if name.startswith(("wiki/", "journal/"))
            else (layout.note(agent, name),)
        )
        for path in candidates:
            if ".." in path or not paths.may_read(path):
                raise PermissionError(f"tools.md does not let you read {path}")
            document = vault.document(path)
            if document is not None:
                return _page(path, document.text, arguments.get("offset"))
        raise FileNotFoundError(f"there is no note {name}; its file name stands in memory/INDEX.md")

    spec = ToolSpec(
        "read_note",
        "Read one note in full, by the file name that INDEX.md or recall gives; also wiki/… and journal/… files. "
        "Of a long one you get a part, and the offset at which the rest begins.",
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["file"],
            "properties": {
                "file": {"type": "string", "minLength": 1},
                "offset": {"type": "integer", "minimum": 0, "description": "characters to leave out before"},
            },
        },
    )
    return Tool(spec, handle, parallel=True)


def _remember(captures: Captures) -> Tool:
    def handle(arguments: Mapping[str, object]) -> str:
        outcome = captures.add(dict(arguments))
        if outcome.became == "rejected":
            raise ValueError(outcome.message)
        return outcome.message

    description = (
        "Keep a fact for later runs: what the operator decided, corrected or told you, or what was hard to find out. "
        "Not what the persona or a file says already. Set provenance to operator only for the operator's own words."
    )
    return Tool(ToolSpec("remember", description, CAPTURE_SCHEMA), handle)


def _page(path: str, text: str, offset: object) -> str:
    """A document from `offset` on, and where to go on."""
    start = offset if isinstance(offset, int) else 0
    if start and start >= len(text):
        raise ValueError(f"{path} has {len(text):,} characters, and none from {start:,} on")

    def part(room: int) -> str:
        return shortened(text[start:], room, rest=f"call read_note with offset {start + room} for them")

    return _fenced(path, MAX_RESULT, part, **({"offset": str(start)} if start else {}))


def _fenced(path: str, most: int, part: Callable[[int], str], **facts: str) -> str:
    """A fence of at most `most` characters around what `part` makes of the room; what closes it is never cut."""
    room = most
    while True:
        found = fence(path, part(room), **facts)
        if len(found) <= most or room == 0:
            return found
        room = max(room - max(len(found) - most, 64), 0)
