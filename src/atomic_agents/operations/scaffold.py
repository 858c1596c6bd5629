"""Make a new agent from a template."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

from atomic_agents._version import __version__
from atomic_agents.budget import prices
from atomic_agents.core import frontmatter
from atomic_agents.core.block import FrontMatterError
from atomic_agents.core.change import ABSENT, Change, ChangeSet, Put
from atomic_agents.core.errors import AgentExists, PathRefused, SecretRefused, UsageError
from atomic_agents.core.store import check_new_path, normal_name, same_folder
from atomic_agents.core.values import Usd, agent_name_problem, format_cap, near
from atomic_agents.guard import secrets
from atomic_agents.operations import foreign, templates
from atomic_agents.operations.foreign import Import, Moved
from atomic_agents.operations.templates import TEMPLATES, Origin
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import layout

_MOST_NAMED = 10
AUTONOMY: Mapping[str, tuple[str, str]] = {
    "cautious": ("escalate", "escalate"),
    "balanced": ("judge_required", "escalate"),
    "autonomous": ("judge_required", "judge_required"),
}
"""What is done before an agent acts outside, and before it does what is hard to undo, by the answer at `init`."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What `init` asks; "" and None are for the default."""

    name: str = "my-agent"
    template: str = "advisor"
    model: str = ""
    budget: Usd | None = None
    """The daily cap in USD; the monthly one is twenty times that."""
    autonomy: str = ""
    about: str = ""
    source: str = ""
    """A folder of another program to begin from."""


QUESTIONS = ("name", "template", "model", "budget", "autonomy", "about", "from")
"""What `init` asks, in this order, and the keys of a file of answers."""


@dataclass(frozen=True, slots=True)
class Scaffold:
    """The change set that makes the new agent `name`, and what became of each file that was imported."""

    change: ChangeSet
    name: str
    layout: str = ""
    moved: tuple[Moved, ...] = ()


def scaffold(workspace: Workspace, answers: Answers, *, anyway: bool = False) -> Scaffold:
    """What makes a new agent from a template, and records where it came from; nothing is written here.

    Raises:
        UsageError: a bad name, an unknown template, or a folder that cannot be imported.
        AgentExists: there is an agent of that name, or a document that it would need.
        SecretRefused: what is imported or said holds what looks like a key; `anyway` goes on.
        VaultTooNew: a newer package has written here.
    """
    name, template, today = normal_name(answers.name), answers.template, workspace.clock().date()
    if template not in TEMPLATES:
        raise UsageError(f"there is no template {template}", hint=f"--template {'|'.join(TEMPLATES)}")
    _check_free(workspace, name)
    values = {"name": name.rpartition("/")[2], "model": answers.model, "today": today.isoformat()}
    files = templates.filled(template, values)
    made = {path: text.encode() for path, text in files.items()}
    made["model.md"] = _capped(workspace, files["model.md"], answers).encode()
    if answers.about:
        heading, told = "## Role and context\n", answers.about.strip()
        made["persona/USER.md"] = files["persona/USER.md"].replace(heading, f"{heading}\n{told}\n", 1).encode()
    if answers.autonomy:
        made["judges.md"] = _judges(name, answers.autonomy, answers.model).encode()
    source, known = Path(answers.source).expanduser(), workspace.secrets
    imported = foreign.read(source, files, today, known) if answers.source else None
    if not anyway:
        secrets.refuse("--about", answers.about, known)
        _refuse_secrets(imported)
    if imported:
        _add(made, imported)
    puts = tuple(Put(f"{name}/{path}", data, expect=ABSENT) for path, data in made.items())
    for put in puts:
        if workspace.store.read(put.path) is not None:
            hint = f"choose another name, or move {put.path} away"
            raise AgentExists(f"{put.path} is there already; nothing was changed", hint=hint)
    record = templates.record(workspace, name, Origin(template, __version__, values, files))
    change = ChangeSet(f"make {name} from the template {template}", (*puts, record))
    return Scaffold(change, name, imported.layout, tuple(imported.moved)) if imported else Scaffold(change, name)


def _refuse_secrets(imported: Import | None) -> None:
    if imported and imported.secrets:
        first, *more = imported.secrets
        others = f" (and {len(more):,} more: {', '.join(more[:_MOST_NAMED])})" if more else ""
        message = f"{first} holds what looks like a key or a password{others}, so nothing was imported"
        raise SecretRefused(message, hint=secrets.HINT, context={"places": imported.secrets})


def _add(made: dict[str, bytes], imported: Import) -> None:
    """What was imported takes the place of the template's, but for what the operator has said about themself."""
    told = made["persona/USER.md"] if "persona/USER.md" in imported.files else b""
    made |= imported.files
    about = told.partition(b"## Role and context\n\n")[2].partition(b"\n\n")[0]
    if about and not about.startswith(b"On "):
        made["persona/USER.md"] = imported.files["persona/USER.md"].rstrip(b"\n") + b"\n\n" + about + b"\n"


def read_answers(path: Path) -> dict[str, object]:
    """A file of answers: `key: value` lines, the keys those of QUESTIONS.

    Raises:
        UsageError: it cannot be read, or has another key.
    """
    try:
        found = frontmatter.read(path.read_text(encoding="utf-8-sig").rstrip("\n") + "\n").values
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or 'is not UTF-8 text'}") from error
    except FrontMatterError as error:
        raise UsageError(f"{path}:{error.line}: {error}", hint=f"write lines such as name: scout in {path}") from error
    for key in found:
        if key not in QUESTIONS:
            meant = near(key, QUESTIONS)
            raise UsageError(f"{path}: {key} is no question of init",
                             hint=f"write {meant[0]}" if meant else f"it can be {', '.join(QUESTIONS)}")  # fmt: skip
    return found


def fitting_budget(workspace: Workspace, model: str) -> Usd:
    """A daily cap that twenty runs on a model keep, in whole dollars; one dollar where its price is not known."""
    known = prices.load(workspace.vault)
    most = known.most(model, input_tokens=_RUN_INPUT, output_tokens=_RUN_OUTPUT, local=prices.is_free(model))
    return max(Decimal(1), ((most or Decimal(0)) * _RUNS_A_DAY).to_integral_value(ROUND_CEILING))


_RUN_INPUT, _RUN_OUTPUT, _RUNS_A_DAY = 6_000, 1_000, 20


def _capped(workspace: Workspace, text: str, answers: Answers) -> str:
    """model.md with caps that fit the model."""
    daily = answers.budget if answers.budget is not None else fitting_budget(workspace, answers.model)
    for key, amount in (("daily_cap_usd", daily), ("monthly_cap_usd", daily * 20)):
        text = re.sub(rf"(?m)^(  {key}: ).*$", rf"\g<1>{_plain(amount)}", text, count=1)
    return text


def _plain(amount: Usd) -> str:
    """An amount as settings state it: no exponent, all its places and two at least."""
    return format_cap(amount).removeprefix("$").replace(",", "")


def _judges(name: str, autonomy: str, model: str) -> str:
    """The file that makes an answer at `init` hold."""
    outside, risky = AUTONOMY[autonomy]
    judge = f"model: {model}\n" if "judge" in outside and not model.startswith("embedded:") else ""
    return f"""---
schema_version: 2
{judge}class_policy:
  read_only: bypass
  reversible_write: allow_with_audit
  external_side_effect: {outside}
  high_risk: {risky}
---

# Judges of {name}

What is done before {name} acts: nothing, a line in the record, a judgment by a model, or a question to you. What asks
for a judge is refused as long as `model` names none. `atomic-agents policy show {name}` says what holds.
"""


def _check_free(workspace: Workspace, name: str) -> None:
    """Refuse a name that cannot be an agent's, or not in this vault."""
    why = agent_name_problem(name)
    try:
        check_new_path(layout.identity(name))
    except PathRefused:
        why = why or "not every system can hold a folder of that name"
    if why:
        hint = "use letters, digits and hyphens, such as scout"
        raise UsageError(f"{name!r} cannot be the name of an agent: {why}", hint=hint)
    survey = workspace.vault.survey()
    there = next((agent for agent in survey.agents if same_folder(agent, name)), "")
    if there:
        hint = f"atomic-agents info {shlex.quote(there)}"
        raise AgentExists(f"there is an agent {there} already; nothing of it was changed", hint=hint)
    after = layout.agents([*map(layout.identity, survey.agents), layout.identity(name)])
    lost = [agent for agent in (name, *survey.agents) if agent not in after]
    if lost:
        owner = max((agent for agent in after if lost[0].startswith(f"{agent}/")), key=len)
        hint = "choose another name, such as " + name.replace("/", "-")
        raise UsageError(f"{lost[0]} would stand in a folder that belongs to the agent {owner}", hint=hint)
    workspace.refuse_newer()


def usable_models(workspace: Workspace) -> list[str]:
    """The models that can be asked here: by a key found, on a server on loopback, at last the embedded one."""
    ready = [
        offer.id for provider in workspace.providers() for offer in provider.offers() if offer.availability == "ready"
    ]  # fmt: skip
    return ready or ["embedded:quote"]


def best_model(workspace: Workspace) -> str:
    """The first of those, found without asking the others."""
    for provider in workspace.providers():
        for offer in provider.offers():
            if offer.availability == "ready":
                return offer.id
    return "embedded:quote"


def diff(workspace: Workspace, changes: Sequence[Change]) -> Iterator[str]:
    """The lines that differ after changes that have not been made."""

    def read(path: str) -> bytes | None:
        blob = workspace.store.read(path)
        return blob.data if blob else None

    return ChangeSet("", tuple(changes)).diff(read)
