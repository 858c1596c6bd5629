"""A workspace whose model says what it is told to, and the smallest agent there is."""

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path

from atomic_agents.config import Config
from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.errors import StorageFailed
from atomic_agents.core.service import Entry, Fitting, Service, Sight
from atomic_agents.core.store import Store
from atomic_agents.guard.keys import Keys
from atomic_agents.keys.file import FilePlace
from atomic_agents.operations import runs
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.conversation import Talk
from atomic_agents.runtime.order import Order, Result
from atomic_agents.testing.postbox import Postbox
from atomic_agents.testing.scripted import Script, ScriptedModel, ScriptedProvider
from atomic_agents.vault import layout

NOON = datetime.datetime(2026, 11, 22, 12, 0, tzinfo=datetime.UTC)
MODEL = "scripted:model"


def scripted_workspace(
    store: Store, model: ScriptedModel | Script, *, root: Path | None = None,
    clock: Callable[[], datetime.datetime] = lambda: NOON,
) -> Workspace:  # fmt: skip
    """A workspace over `store` whose every `scripted:` model is `model`; its index is below `root`, or in memory."""
    scripted = model if isinstance(model, ScriptedModel) else ScriptedModel(model)
    home = root or Path("vault")
    return Workspace(
        config=Config(root=home, keys_file=home / "keys.json"),
        keys=Keys(lambda: (FilePlace(home / "keys.json"),)),
        store=store,
        index_database=str(root / layout.INDEX_DATABASE) if root else ":memory:",
        make_providers=lambda _search: (ScriptedProvider(scripted),),
        clock=clock,
        exists=lambda: True,
        notices=tuple,
        install_model=lambda _progress: home,
        strange=tuple,
        find_services=NoServices,
        make_channel=Postbox,
    )


class NoServices:
    """A machine that starts no agent by itself."""

    def found(self) -> tuple[Service, ...]:
        return ()

    def restart(self, service: Service) -> str:
        return f"there is no {service.label}"

    def usual(self) -> str:
        return ""

    def plan(self, kind: str, entry: Entry, *, remove: bool = False) -> Fitting:
        raise StorageFailed(f"there is no {kind} for {entry.key}" + (" to remove" if remove else ""))

    def look(self, kind: str, key: str) -> Sight:
        return Sight("inactive", (f"there is no {kind} for {key}",))

    def carry_out(self, fitting: Fitting) -> str:
        return f"there is no {fitting.kind}"


def add_agent(
    store: Store, name: str = "caldwell", *, caps: str = "", **files: str
) -> None:  # fmt: skip
    """Write an agent that may remember things.

    `caps` are lines of its `cost_guardrails`; further files are named by keyword, `__` being `/` and `.md` added.
    """
    guardrails = "".join(f"  {line}\n" for line in caps.splitlines())
    texts: Mapping[str, str] = {
        "persona/IDENTITY.md": f"# {name}\n\nYou are {name}.\n",
        "model.md": f"---\nschema_version: 2\nmodel: {MODEL}\n"
        + (f"cost_guardrails:\n  enabled: true\n{guardrails}" if caps else "")
        + "---\n",
        "tools.md": "---\nschema_version: 2\nwrite_paths:\n- memory/\n---\n",
        **{f"{file.replace('__', '/')}.md": text for file, text in files.items()},
    }
    changes = (Put(f"{name}/{path}", text.encode()) for path, text in texts.items())
    store.apply(ChangeSet(f"add {name}", tuple(changes)))


def run(
    workspace: Workspace, work_item: str, name: str = "caldwell", *, on_text: Callable[[str], None] = lambda _: None,
    order: Order | None = None, talk: Talk | None = None,
) -> Result:  # fmt: skip
    """Run an agent in a workspace, `talk` being the conversation that it goes on with."""
    return runs.run(
        workspace, name, order or Order(work_item), model_id=None, on_text=on_text, on_notice=lambda _: None, talk=talk
    )
