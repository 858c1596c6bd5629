"""An agent's own tool on disk: `tools/<name>.md` says what it is, `tools/<name>.py` is it."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from atomic_agents.core.document import Document, parse
from atomic_agents.core.errors import DocumentUnreadable
from atomic_agents.core.store import Store
from atomic_agents.core.values import Problem
from atomic_agents.vault import hands
from atomic_agents.vault.rules import TEXT, TEXTS, Finding, Rule, check
from atomic_agents.vault.settings import TOOL_CLASSES
from atomic_agents.vault.tool_schema import schema_problems

SECONDS = 30.0
MAX_DESCRIPTOR = 256 * 1024
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_NOT_OURS = ("tags", "aliases", "cssclasses", "version")
_KEYS = {
    "schema_version": Rule("integer", least=1),
    "name": TEXT,
    "description": TEXT,
    "classification": Rule("choice", choices=TOOL_CLASSES),
    "input_schema": Rule("map"),
    "timeout_s": Rule("number", least=0.1, most=3600),
    "env": TEXTS,
    "read_paths": TEXTS,
    "write_paths": TEXTS,
}
_SAME = {"class": "classification", "arguments": "input_schema", "parameters": "input_schema"}


@dataclass(frozen=True, slots=True)
class ToolFile:
    """A tool as its files say.

    `sources` are the handler's file and the helpers beside it (`_*.py`) by name; `kind` is "" where none is stated.
    `env` are the variables it is given, `read_paths` and `write_paths` what it may touch besides what the agent reads.
    """

    name: str
    path: str
    description: str
    schema: Mapping[str, object]
    kind: str
    seconds: float
    env: tuple[str, ...]
    read_paths: tuple[str, ...]
    write_paths: tuple[str, ...]
    sources: Mapping[str, str]
    problems: tuple[Problem, ...]
    descriptor: str = ""

    @property
    def sound(self) -> bool:
        """Whether it can be offered."""
        return not any(problem.severity == "error" for problem in self.problems)

    @property
    def fingerprint(self) -> str:
        """The hash of everything that makes up the tool: its description and all of its code."""
        digest = hashlib.sha256(self.descriptor.encode())
        for name, text in sorted(self.sources.items()):
            digest.update(f"\0{name}\0".encode())
            digest.update(text.encode())
        return f"sha256:{digest.hexdigest()}"


def read_all(store: Store, agent: str) -> list[ToolFile]:
    """Every tool of an agent, in order of name; what is wrong with one is in its `problems`."""
    folder = hands.tools(agent)
    inside = [path.removeprefix(folder) for path in store.paths(folder)]
    files = [name for name in inside if "/" not in name and not name.startswith(".")]
    helpers = [name for name in files if name.startswith("_") and name.endswith(".py")]
    names = [name.removesuffix(".md") for name in files if name.endswith(".md") and not name.startswith("_")]
    found = [_read(store, folder, name, helpers) for name in names]
    orphans = [name for name in files if name.endswith(".py") and name not in helpers and name[:-3] not in names]
    return [*found, *(_orphan(folder, name) for name in orphans)]


def _read(store: Store, folder: str, name: str, helpers: list[str]) -> ToolFile:
    path = f"{folder}{name}.md"
    problems: list[Problem] = []
    document: Document | None = None
    blob = store.read(path)
    try:
        if blob is not None and len(blob.data) <= MAX_DESCRIPTOR:
            document = parse(path, blob.data)
        else:
            problems.append(Problem(path, 0, f"is longer than {MAX_DESCRIPTOR // 1024} KiB", "shorten it"))
    except DocumentUnreadable as error:
        problems.append(Problem(path, 0, error.message.removeprefix(f"{path}: "), error.hint))
    meta = {_SAME.get(key, key): value for key, value in document.meta.items()} if document else {}
    if document is not None:
        meta |= {
            key: text for key in ("name", "description") if (text := document.written(key)) and _is_scalar(meta[key])
        }
        problems += _problems(document, name, meta)
    sources: dict[str, str] = {}
    for file in (f"{name}.py", *helpers):
        code = store.read(folder + file)
        text = "" if code is None else code.data.decode(errors="replace")
        sources[file] = text
    if not sources[f"{name}.py"]:
        problems.append(Problem(path, 0, f"has no {name}.py beside it", f"write {folder}{name}.py with handler(input)"))
    return _tool(name, path, meta, sources, tuple(problems), document.text if document else "")


def _is_scalar(value: object) -> bool:
    return not isinstance(value, list | dict)


def _tool(
    name: str,
    path: str,
    meta: Mapping[str, object],
    sources: Mapping[str, str],
    problems: tuple[Problem, ...],
    text: str,
) -> ToolFile:
    schema, seconds = meta.get("input_schema"), meta.get("timeout_s", SECONDS)

    def texts(key: str) -> tuple[str, ...]:
        value = meta.get(key)
        return tuple(map(str, value)) if isinstance(value, list) else ()

    return ToolFile(
        name, path, " ".join(str(meta.get("description", "")).split()),
        schema if isinstance(schema, dict) else {"type": "object"},
        str(meta.get("classification", "")), float(seconds) if isinstance(seconds, int | float) else SECONDS,
        texts("env"), texts("read_paths"), texts("write_paths"), sources, problems, text,
    )  # fmt: skip


def _problems(document: Document, name: str, meta: Mapping[str, object]) -> list[Problem]:
    path = document.path
    found = []
    for at, message, hint, severity in _findings(meta, name):
        written = next((key for key in document.meta if _SAME.get(key, key) == at[0]), "") if at else ""
        found.append(Problem(path, document.line_of(written) if written else 0, message, hint, severity))
    return found


def _findings(meta: Mapping[str, object], name: str) -> list[Finding]:
    stated = {key: value for key, value in meta.items() if key not in _NOT_OURS}
    found = list(check(stated, Rule("table", keys=_KEYS)))
    if not _NAME.fullmatch(name) or "__" in name:
        message = f"{name} cannot be the name of a tool: letters, digits, - and _, not two _ in a row, 64 at most"
        found.append(Finding((), message, "rename both files"))
    if "name" in meta and meta["name"] != name:
        found.append(Finding(("name",), f"name is {meta['name']!r} and the file is {name}.md", f"write name: {name}"))
    if not str(meta.get("description", "")).strip():
        found.append(Finding((), "has no description, so no model knows when to call it", "add description: …"))
    schema = meta.get("input_schema")
    if isinstance(schema, dict):
        found += [Finding(("input_schema",), message, "correct the schema") for message in schema_problems(schema)]
    return found


def _orphan(folder: str, file: str) -> ToolFile:
    name = file.removesuffix(".py")
    problem = Problem(f"{folder}{file}", 0, f"has no {name}.md beside it, so it is no tool", f"write {folder}{name}.md")
    return ToolFile(
        name, f"{folder}{file}", "", {"type": "object"}, "", SECONDS, (), (), (), {}, (problem,)
    )  # fmt: skip
