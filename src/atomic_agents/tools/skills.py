"""Skills as a tool: the prompt lists them, `read_skill` gives the text of one and its files when they are needed."""

from collections.abc import Mapping, Sequence

from atomic_agents.core.model import ToolSpec
from atomic_agents.core.store import Store
from atomic_agents.tools.tool import MAX_RESULT, Tool, shortened
from atomic_agents.vault.skill import Skill


def tool(store: Store, skills: Sequence[Skill]) -> Tool:
    """The tool `read_skill`; what it returns is the operator's, and is not fenced."""
    by_name = {skill.name: skill for skill in skills}

    def handle(arguments: Mapping[str, object]) -> str:
        skill = by_name.get(str(arguments["name"]))
        if skill is None:
            raise LookupError(f"there is no skill {arguments['name']}; there are {', '.join(by_name)}")
        offset = arguments.get("offset")
        start = offset if isinstance(offset, int) else 0
        asked = arguments.get("file")
        text = skill.body + _listed(store, skill) if asked is None else _file(store, skill, str(asked))
        room = MAX_RESULT - 100
        return shortened(text[start:], room, rest=f"call read_skill with offset {start + room} for them")

    spec = ToolSpec(
        "read_skill",
        "Read a skill before you do what it is for: your operator's instructions, and by `file` the files beside them.",
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "enum": list(by_name)},
                "file": {"type": "string", "minLength": 1, "description": "as the skill names it"},
                "offset": {"type": "integer", "minimum": 0, "description": "characters to leave out before"},
            },
        },
    )
    return Tool(spec, handle, parallel=True)


def _files(store: Store, skill: Skill) -> list[str]:
    inside = (path.removeprefix(skill.folder) for path in store.paths(skill.folder) if path != skill.path)
    return [path for path in inside if not any(part.startswith(".") for part in path.split("/"))]


def _listed(store: Store, skill: Skill) -> str:
    files = _files(store, skill)
    return "\n\nFiles of this skill: " + ", ".join(files) if files else ""


def _file(store: Store, skill: Skill, name: str) -> str:
    """A file of the skill, by one of the names that the store itself lists: nothing else can be meant."""
    files = _files(store, skill)
    wanted = name.removeprefix("./")
    if wanted not in files:
        raise FileNotFoundError(f"{skill.name} has no file {name}; it has {', '.join(files) or 'none'}")
    blob = store.read(f"{skill.folder}{wanted}")
    data = blob.data if blob else b""
    if b"\0" in data:
        raise ValueError(f"{wanted} is no text")
    return data.decode(errors="replace")
