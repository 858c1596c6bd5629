"""The only file that spells a path of the vault."""

import datetime
import re
from collections.abc import Iterable

from atomic_agents.core.values import is_agent_name

SETTINGS_FILES = (
    "model.md",
    "tools.md",
    "tools.override.md",
    "mcp.md",
    "roster.md",
    "judges.md",
    "mandates.md",
    "serve.md",
    "policy.md",
)
PERSONA_FILES = ("IDENTITY.md", "SOUL.md", "USER.md")
MIGRATIONS = "_migrations"
SNAPSHOTS = f"{MIGRATIONS}/snapshots"
HISTORY = f"{MIGRATIONS}/history.jsonl"
REPORTS = f"{MIGRATIONS}/reports"
PINS = f"{MIGRATIONS}/pins.json"
TEMPLATE_RECORDS = f"{MIGRATIONS}/templates"
OPEN_RUNS = "_runs/"
WORKERS = "_workers/"
ALERTS = "_alerts/"
SCHEDULE_STATES = "_schedules/"
DERIVED = ".atomic"
INDEX_DATABASE = f"{DERIVED}/index.sqlite"
ROLLUPS = f"{DERIVED}/rollups.sqlite"
DASHBOARD = "_dashboard"
KEPT = f"{DERIVED}/kept"
SERVE_TOKENS = "_serve/tokens.json"

OWN_FOLDERS = frozenset((
    "persona", "memory", "wiki", "raw", "journal", "log", "runs", "dreams", "evals", "outcomes", "skills", "tools",
    "goal_archive", "conversations", "schedules",
))  # fmt: skip


_CONFLICT_COPY = re.compile(r"conflicted copy|\.sync-conflict-|_conflict-\d{8}-\d{6}|_conf\(", re.IGNORECASE)
_NUMBER = "[1-9][0-9]?"
_COPY = re.compile(
    rf"(.+?)(?: {_NUMBER}| ?\({_NUMBER}\)| copy(?: {_NUMBER})?"
    r"| ?[(\[][^()\[\]]*(?:conflic|conflit|konflikt)[^()\[\]]*[)\]]"
    rf"|-(?:DESKTOP-[0-9A-Z]{{7}}|LAPTOP-[0-9A-Z]{{8}})(?:-{_NUMBER})?)(\.[^./]+)",
    re.IGNORECASE,
)


def identity(agent: str) -> str:
    """The file that makes a folder an agent."""
    return f"{agent}/persona/IDENTITY.md"


def persona(agent: str, name: str) -> str:
    """One of PERSONA_FILES."""
    return f"{agent}/persona/{name}"


def persona_link(agent: str) -> str:
    """The file that makes a folder an agent whose persona is shared."""
    return f"{agent}/persona.link.md"


def shared_persona(persona_id: str, name: str = "") -> str:
    """One of PERSONA_FILES of a persona that several agents share; without `name` the folder, without its slash."""
    return f".personas/{persona_id}/{name}".rstrip("/")


def settings(agent: str, name: str) -> str:
    """One of SETTINGS_FILES; those of the vault itself have agent ""."""
    return f"{agent}/{name}" if agent else name


def memory(agent: str) -> str:
    """The folder of an agent's notes, with its slash."""
    return f"{agent}/memory/"


def wiki(agent: str) -> str:
    """The folder of an agent's wiki pages, with its slash."""
    return f"{agent}/wiki/"


def note(agent: str, name: str) -> str:
    """A note by its file name."""
    return f"{agent}/memory/{name}"


def memory_index(agent: str) -> str:
    """The index of an agent's notes."""
    return f"{agent}/memory/INDEX.md"


def wiki_index(agent: str) -> str:
    """The index of an agent's wiki."""
    return f"{agent}/wiki/INDEX.md"


def journal(agent: str) -> str:
    """The folder of an agent's journal, with its slash."""
    return f"{agent}/journal/"


def journal_day(agent: str, day: datetime.date) -> str:
    """The journal of one day."""
    return f"{agent}/journal/{day:%Y-%m}/{day:%Y-%m-%d}.md"


def conversations(agent: str) -> str:
    """The folder of an agent's conversations, with its slash."""
    return f"{agent}/conversations/"


def conversation(agent: str, conversation_id: str) -> str:
    """One conversation; the id of one of another principal than the operator has the principal and a slash before."""
    return f"{agent}/conversations/{conversation_id}.md"


def log(agent: str) -> str:
    """The folder of an agent's log, with its slash."""
    return f"{agent}/log/"


def log_month(agent: str, day: datetime.date) -> str:
    """The folder of one month of an agent's log, with its slash."""
    return f"{agent}/log/{day:%Y-%m}/"


def log_day(agent: str, day: datetime.date) -> str:
    """The log of one day."""
    return f"{agent}/log/{day:%Y-%m}/{day:%Y-%m-%d}.jsonl"


def alerts(day: datetime.date) -> str:
    """The record of what the operator was told unasked in one month."""
    return f"{ALERTS}{day:%Y-%m}.jsonl"


def runs(agent: str) -> str:
    """The folder of an agent's transcripts, with its slash."""
    return f"{agent}/runs/"


def schedules(agent: str) -> str:
    """The folder of an agent's schedules, with its slash."""
    return f"{agent}/schedules/"


def schedule(agent: str, name: str) -> str:
    """One schedule."""
    return f"{agent}/schedules/{name}.md"


def schedule_state(agent: str, name: str) -> str:
    """What is remembered of one schedule."""
    return f"{SCHEDULE_STATES}{agent}/{name}.json"


def evals(agent: str) -> str:
    """The folder of an agent's evals, with its slash."""
    return f"{agent}/evals/"


def policies(home: str) -> str:
    """The folder of the policies of a project, with its slash."""
    return f"{home}/policy/"


def is_request_folder(folder: str) -> bool:
    """Whether a folder of an agent, from the agent's own on, holds its requests to the operator."""
    return f"{folder}/".startswith("vault/escalations/")


def worker(name: str) -> str:
    """What a worker says of itself from time to time."""
    return f"{WORKERS}{name}.json"


def open_run(run_id: str) -> str:
    """The transcript of a run that has not ended; all agents' stand together, so that one look finds the crashed."""
    return f"{OPEN_RUNS}{run_id}.jsonl"


def open_run_id(path: str) -> str:
    """The run whose `open_run` is at `path`."""
    return path.removeprefix(OPEN_RUNS).removesuffix(".jsonl")


def run_id_of(path: str) -> str:
    """The run whose `run_transcript` is at `path`; "" where it is that of none."""
    name = path.rpartition("/")[2]
    return name.removesuffix(".jsonl") if name.startswith("run-") and name.endswith(".jsonl") else ""


def run_transcript(agent: str, run_id: str) -> str:
    """The transcript of one run; the month is in the id (`run-YYYYMMDD-…`)."""
    return f"{agent}/runs/{run_id[4:8]}-{run_id[8:10]}/{run_id}.jsonl"


def run_key(agent: str, name: str) -> str:
    """The answer that an idempotency key has got, by the key's hash."""
    return f"{agent}/runs/keys/{name}.json"


def note_versions(agent: str, name: str) -> str:
    """The folder of a note's former texts, with its slash."""
    return f"{agent}/memory/.versions/{name.removesuffix('.md')}/"


def is_version(path: str) -> bool:
    """Whether a document is a former text of a note, or the record of a change."""
    return "/memory/.versions/" in path


def memory_changes(agent: str) -> str:
    """The folder with a record of each change to an agent's notes, with its slash."""
    return f"{agent}/memory/.versions/changes/"


def dreams(agent: str) -> str:
    """The folder of an agent's dreams, with its slash."""
    return f"{agent}/dreams/"


def dream(agent: str, dream_id: str, name: str = "") -> str:
    """A document of one dream; without `name` its folder, with its slash."""
    return f"{agent}/dreams/{dream_id}/{name}"


def raw(agent: str) -> str:
    """The folder of the sources of an agent's wiki, with its slash."""
    return f"{agent}/raw/"


def raw_sidecar(source: str) -> str:
    """What is known of the source at a path below `raw/`: its hash, and its text where it is none itself."""
    return f"{source}.source.md"


def versions(folder: str, file: str) -> str:
    """The folder of the former texts of a file below `folder`, which has its slash, as this has."""
    folder_of, _, name = file.rpartition("/")
    stem = name.rpartition(".")[0] or name
    return f"{folder}.versions/{folder_of}/{stem}/".replace("//", "/")


def goal(home: str) -> str:
    """The goal of an agent or of a project."""
    return f"{home}/goal.md"


def snapshot(name: str) -> str:
    """A snapshot by its file name."""
    return f"{SNAPSHOTS}/{name}"


def is_migrations_snapshot(name: str) -> bool:
    """Whether a snapshot of that name is one that a migration took, rather than a rollback."""
    return re.search(r"_pre_v\d+_migration\b", name) is not None


def script(name: str) -> str:
    """A script of the vault by the name of its step."""
    return f"{MIGRATIONS}/{name}.py"


def report(name: str) -> str:
    """What a migration did, by its time."""
    return f"{REPORTS}/{name}.md"


def template_record(agent: str) -> str:
    """Where an agent came from."""
    return f"{TEMPLATE_RECORDS}/{agent}.json"


def is_record(path: str) -> bool:
    """Whether a document is the record of where an agent came from."""
    return path.startswith(f"{TEMPLATE_RECORDS}/")


def agent_of_record(path: str) -> str:
    """The agent whose `template_record` is at `path`; "" where it is none."""
    inner = path.removeprefix(f"{TEMPLATE_RECORDS}/")
    return inner.removesuffix(".json") if inner != path and inner.endswith(".json") else ""


def migration_script(path: str) -> tuple[int, int] | None:
    """The versions that a script in the vault goes from and to, by its name; None where it is not one."""
    found = re.fullmatch(rf"{MIGRATIONS}/v(\d+)_to_v(\d+)\.py", path)
    return (int(found[1]), int(found[2])) if found else None


def is_index(name: str) -> bool:
    """Whether a file of that name in `memory/` or `wiki/` routes to others, instead of being a note or page."""
    return name == "INDEX.md" or name.startswith("INDEX_")


def is_note(file: str) -> bool:
    """Whether a file below `memory/` or `wiki/` is a note or page: not an index, hidden or in a private folder.

    The copy that a sync tool makes of a conflict is none, so that nothing is loaded twice.
    """
    folder, _, name = file.rpartition("/")
    if not name.endswith(".md") or name.startswith(".") or is_index(name) or (folder and is_private(folder)):
        return False
    return not is_conflict_copy(name)


def is_conflict_copy(name: str) -> bool:
    """Whether a sync tool made a file of that name because two machines had written it."""
    return "conf" in name.lower() and _CONFLICT_COPY.search(name) is not None  # the whole look costs ten times as much


def copied_from(path: str) -> str:
    """The path of which `path` would be the copy that a sync tool makes, by its name; "" where it cannot be one.

    iCloud and Finder number copies (`tea 2.md`, `tea copy.md`), Google Drive puts the number in brackets, Dropbox says
    in brackets what the conflict was, in the language of the system (`tea (Case Conflict).md`), OneDrive names the
    machine. Without the other file beside it, such a name is a name like any other.
    """
    folder, slash, name = path.rpartition("/")
    if " " not in name and "(" not in name and "-" not in name:  # most names need no closer look
        return ""
    found = _COPY.fullmatch(name)
    return f"{folder}{slash}{found[1]}{found[2]}" if found else ""


def is_private(folder: str) -> bool:
    """Whether nothing below a folder is the operator's to name: hidden, or begun with `_`."""
    return any(part.startswith((".", "_")) or part == "node_modules" for part in folder.split("/"))


def agents(paths: Iterable[str]) -> tuple[str, ...]:
    """The agents among the documents of a vault, in order of name: folders with `persona/IDENTITY.md`, at any depth.

    A folder that starts with `_` or `.` holds none, and neither do an agent's own folders (its evals, its dreams).
    """
    found = {
        path.removesuffix("/persona/IDENTITY.md").removesuffix("/persona.link.md")
        for path in paths
        if path.endswith(("/persona/IDENTITY.md", "/persona.link.md"))
    }
    return tuple(sorted(name for name in found if is_agent_name(name) and found.isdisjoint(hosts(name))))


def hosts(name: str) -> tuple[str, ...]:
    """The folders of which `name` would be an own folder or stand in one, were they agents."""
    parts = name.split("/")
    return tuple("/".join(parts[:i]) for i in range(1, len(parts)) if parts[i] in OWN_FOLDERS)
