"""An agent's own tools: each call runs the tool's code in a process that has only what the operator gave it."""

import os
from collections.abc import Callable, Iterator, Mapping

from atomic_agents.core.errors import KeysFailed, PathRefused
from atomic_agents.core.model import ToolSpec
from atomic_agents.guard.paths import PathPolicy
from atomic_agents.tools import process
from atomic_agents.tools.pages import as_data
from atomic_agents.tools.process import Job, ToolFailed
from atomic_agents.tools.tool import Tool
from atomic_agents.vault.settings import TOOL_CLASSES
from atomic_agents.vault.tool_file import ToolFile

DEFAULT_CLASS = "external_side_effect"
"""The class of a tool that nobody has said anything about."""

_KEPT_FOLDERS = ("persona", "memory", "wiki", "journal")

Variable = Callable[[str], str | None]
"""The value of a variable, None where it is not set."""


def tool(
    found: ToolFile, *, paths: PathPolicy, stated: Mapping[str, str], variable: Variable, warn: Callable[[str], None]
) -> Tool:
    """A sound tool, ready to be called; `warn` hears at a call what it is to be given and cannot have."""

    def handle(arguments: Mapping[str, object]) -> str:
        try:
            given = granted(found, variable)
        except ToolFailed as error:
            warn(str(error))
            raise
        return as_data(found.path, call(found, arguments, paths=paths, given=given), provenance="tool")

    return Tool(
        ToolSpec(found.name, found.description, found.schema),
        handle,
        kind=kind(found, stated),
        origin=found.path,
        fingerprint=found.fingerprint,
    )


def kind(found: ToolFile, stated: Mapping[str, str]) -> str:
    """Its class: what its own file says or `tools.md` does, the stricter where both do."""
    said = [each for each in (found.kind, stated.get(found.name, "")) if each]
    return max(said, key=TOOL_CLASSES.index, default=DEFAULT_CLASS)


def granted(found: ToolFile, variable: Variable) -> Mapping[str, str]:
    """The variables that its file names, and no other.

    Raises:
        ToolFailed: one is not set, or cannot be had.
    """
    try:
        environ = {name: variable(name) for name in found.env}
    except KeysFailed as error:
        raise ToolFailed(f"{found.path} asks for a secret that cannot be had: {error.message}") from error
    missing = [name for name, value in environ.items() if value is None]
    if missing:
        raise ToolFailed(f"{', '.join(missing)} is not set, and {found.path} asks for it")
    return {name: value for name, value in environ.items() if value is not None}


def call(found: ToolFile, arguments: Mapping[str, object], *, paths: PathPolicy, given: Mapping[str, str]) -> str:
    """What the tool says, as it says it; `given` is what its environment gets.

    Raises:
        ToolFailed: it fails, or is to be given what may not be given.
    """
    read = [*_on_disk(paths, (*paths.read, *paths.write, *paths.read_only)), *paths.outside]
    read += [_absolute(paths, path) for path in found.read_paths]
    write = [_writable(found, paths, path) for path in found.write_paths]
    return process.run(Job(f"{found.name}.py", found.sources, dict(arguments), found.seconds, given, read, write))


def _on_disk(paths: PathPolicy, granted: tuple[str, ...]) -> Iterator[str]:
    if paths.root and os.path.isdir(paths.root):
        yield from (os.path.join(paths.root, path) for path in granted)


def _absolute(paths: PathPolicy, path: str) -> str:
    try:
        found = paths.locate(path)
    except PathRefused as error:
        raise ToolFailed(error.message) from error
    return found if os.path.isabs(found) else os.path.join(paths.root, found)


def _writable(found: ToolFile, paths: PathPolicy, path: str) -> str:
    """A folder that the tool may write to: none with files of the operator's, from which no process can be kept."""
    absolute = _absolute(paths, path)
    root = os.path.realpath(paths.root)
    real = os.path.realpath(absolute)
    if f"{root}/".startswith(f"{real}/"):
        raise ToolFailed(f"{found.path} may not write to {path}: that is the whole vault")
    if real.startswith(f"{root}/"):
        inside = real[len(root) + 1 :]
        own = PathPolicy(read=(), write=(inside,), read_only=paths.read_only, agent=paths.agent, root=paths.root)
        if f"{paths.agent}/".startswith(f"{inside}/") or not own.may_write_directly(f"{inside}/x"):
            raise ToolFailed(
                f"{found.path} may not write to {path}: the operator's files or the agent's memory are there"
            )
        if any(os.path.lexists(os.path.join(real, folder)) for folder in _KEPT_FOLDERS):
            raise ToolFailed(f"{found.path} may not write to {path}: an agent's files are there")
    return real
