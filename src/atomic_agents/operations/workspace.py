"""What an operation works on: a vault, its derived index, the models that can be asked, and a clock."""

import datetime
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.config import Config
from atomic_agents.core.change import ChangeSet
from atomic_agents.core.errors import AtomicAgentsError, ModelUnknown, VaultMissing
from atomic_agents.core.store import Store
from atomic_agents.guard.keys import Keys, Known
from atomic_agents.operations.checked_store import CheckedStore
from atomic_agents.vault import layout
from atomic_agents.vault.vault import Vault

if TYPE_CHECKING:  # together a tenth of the time that a short command takes
    from atomic_agents.core.channel import Channel
    from atomic_agents.core.model import Model, Offer, Provider
    from atomic_agents.core.service import Services
    from atomic_agents.memory.search import MemoryIndex, Passage
    from atomic_agents.vault.channels import ChannelSettings

Search = Callable[[str, int], "Sequence[Passage]"]
Export = Callable[[str, str, Sequence[Mapping[str, object]]], None]
"""Takes a run that has ended: its id, that of the run at the top of those that led to it, and its transcript."""


_ALWAYS = (layout.ALERTS, layout.WORKERS)
_SMALL = 2_000
"""So many documents are looked at in no time, whoever they belong to."""


@dataclass
class Workspace:
    """One vault, open. `make_providers` takes the search of the agent that a model is opened for."""

    config: Config
    store: Store
    index_database: str
    make_providers: "Callable[[Search], Sequence[Provider]]"
    clock: Callable[[], datetime.datetime]
    exists: Callable[[], bool]
    install_model: Callable[[Callable[[int, int], None]], Path]
    notices: Callable[[], Sequence[str]]
    """What the person at the door is told in the end: what the store has repaired, which trace could not be sent."""
    strange: Callable[[], Sequence[tuple[str, str]]]
    find_services: "Callable[[], Services]"
    make_channel: "Callable[[ChannelSettings], Channel]"
    keys: Keys = field(default_factory=Keys)
    sleep: Callable[[float], None] = time.sleep
    holder: Callable[[str], str] = lambda _name: ""
    """Who holds a lock of the store, "" where nobody does; nothing is locked to find out."""
    export: Export | None = None
    """Where runs that have ended are sent to, if anywhere."""
    _writable: set[str] = field(default_factory=set, init=False, repr=False)
    """The agents, "" being the vault itself, beside whose documents no newer one was found."""
    _any_write: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        self.store = CheckedStore(self.store, self._check_writable)

    @cached_property
    def vault(self) -> Vault:
        """The documents, as what they mean."""
        return Vault(self.store)

    @cached_property
    def memory(self) -> "MemoryIndex":
        """The derived index."""
        from atomic_agents.memory.search import MemoryIndex  # noqa: PLC0415 - as above

        return MemoryIndex(self.vault, self.index_database)

    @property
    def secrets(self) -> Known:
        """What must not be written down, keys that are found later too."""
        return self.keys.known

    def variable(self, name: str) -> str | None:
        """What the operator means by `${NAME}` in a file of theirs: the environment's, else the secret of that name.

        Raises:
            KeysFailed: a place where it might be kept cannot be used.
        """
        return self.config.variable(name) or self.keys.get(name)

    def place_of(self, name: str) -> str | None:
        """Where `variable` would find it, None where nowhere; no command is run to find out."""
        return f"env:{name}" if self.config.variable(name) else self.keys.look(name).where or None

    def close(self) -> None:
        """Let go of the index."""
        if "memory" in self.__dict__:
            self.memory.close()

    def require(self) -> None:
        """Refuse to work on a vault that is not there.

        Raises:
            VaultMissing: with the ways to one.
        """
        if not self.exists():
            root = self.config.root
            why = "; that is a file, and a vault is a folder" if root.is_file() else ""
            if "\\" in str(root) and os.sep == "/":
                why = "; folders are written with / on this system"
            raise VaultMissing(
                f"there is no vault at {root}{why}",
                hint="atomic-agents init my-agent\nor name another: --root PATH, ATOMIC_AGENTS_ROOT",
                context={"root": str(self.config.root)},
            )

    def refuse_newer(self, agent: str = "") -> None:
        """Refuse to go on beside documents of a newer package: what `agent` has and inherits, or of the whole vault.

        A small vault is looked through whole in any case.

        Raises:
            VaultTooNew: names the documents, and the package to install.
        """
        if self._any_write:
            return
        from atomic_agents.migration import newer  # noqa: PLC0415 - as above

        vault = self.vault
        if agent and sum(1 for _ in islice(self.store.paths(), _SMALL + 1)) > _SMALL:
            self.memory.refresh(agent)
            indexed = newer.still(vault, self.memory.newer(CURRENT_SCHEMA_VERSION))
            found = (*newer.of_agent(vault, vault.agent(agent)), *indexed)
        else:
            known = self.memory.versions() if os.path.isfile(self.index_database) else {}
            found = newer.in_vault(vault, vault.survey(), known)
        newer.refuse(self.store, dict.fromkeys(found))
        self._writable |= {agent, ""}

    def allow_writes(self) -> None:
        """Let what follows be written without a look for newer documents: it was taken, or this is the way back."""
        self._any_write = True

    def look_again(self) -> None:
        """Look for newer documents before the next change too: it is another request, maybe hours later."""
        self._writable.clear()

    def newer_notice(self) -> str:
        """What the operator is told who only reads in a vault with newer documents; "" where none was met."""
        if not self.vault.newer:
            return ""
        from atomic_agents.migration import newer  # noqa: PLC0415 - as above

        found = newer.still(self.vault, self.vault.newer)
        return f"{newer.words(found)}; the vault is only read" if found else ""

    def newer_remedy(self) -> str:
        """The command that installs a package for a vault with newer documents."""
        from atomic_agents.migration import newer  # noqa: PLC0415 - as above

        return newer.remedy(self.store)

    def _check_writable(self, changes: ChangeSet) -> None:
        """Refuse to write what belongs to an agent, or to the vault, beside newer documents; each is looked at once.

        How this program fares can always be told: its alerts and workers are no documents of the format.
        """
        if self._any_write:
            return
        for path in changes.paths:
            if path.startswith(_ALWAYS) or any(path.startswith(f"{name}/") for name in self._writable if name):
                continue
            owner = self.vault.owner(path)
            if owner:
                self.refuse_newer(owner)
            elif "" not in self._writable:
                from atomic_agents.migration import newer  # noqa: PLC0415 - as above

                newer.refuse(self.store, newer.of_root(self.vault))
                self._writable.add("")

    def providers(self, agent: str = "") -> "Sequence[Provider]":
        """The ways to models, for one agent or for none."""

        def search(query: str, limit: int) -> "Sequence[Passage]":
            return self.memory.search(agent, query, limit, self.clock().date()) if agent else ()

        return self.make_providers(search)

    def provider_for(self, model_id: str, agent: str = "") -> "Provider":
        """The provider that knows `model_id`.

        Raises:
            ModelUnknown: nobody does.
        """
        for provider in self.providers(agent):
            if provider.claims(model_id):
                return provider
        raise ModelUnknown(f"no provider here knows the model {model_id}", hint="atomic-agents models list")

    def open_model(self, model_id: str, agent: str = "") -> "Model":
        """A model, ready to be asked."""
        return self.provider_for(model_id, agent).open(model_id)

    def check_model(self, model_id: str) -> "Offer":
        """Whether a model could be asked right now, without asking it."""
        from atomic_agents.core.model import Offer  # noqa: PLC0415 - as above

        try:
            return self.provider_for(model_id).check(model_id)
        except ModelUnknown as error:
            return Offer(model_id, "not-installed", error.message)

    def close_crashed_runs(self) -> list[str]:
        """Give every run whose process died its one log line; runs that are alive hold their agent's lock and stay."""
        return [run_id for agent, run_id in self._crashed() if self._close_crashed(agent, run_id)]

    def close_crashed_runs_of(self, agent: str) -> list[str]:
        """The same for one agent, whose lock the caller holds: none of its runs is alive."""
        crashed = [run_id for name, run_id in self._crashed() if name == agent]
        return [run_id for run_id in crashed if self._close(agent, run_id)]

    def _crashed(self) -> list[tuple[str, str]]:
        """Agent and id of every run that has begun and not ended; nearly always there are none."""
        if next(iter(self.store.list(layout.OPEN_RUNS)), None) is None:
            return []
        from atomic_agents.runtime import transcript  # noqa: PLC0415 - as above

        return list(transcript.crashed(self.store))

    def _close_crashed(self, agent: str, run_id: str) -> bool:
        try:
            with self.store.lock(f"agent/{agent}", wait=0):
                return self._close(agent, run_id)
        except AtomicAgentsError:
            # Busy: it is alive. Else: a vault that cannot be written to can still be read; doctor says what is wrong.
            return False

    def _close(self, agent: str, run_id: str) -> bool:
        from atomic_agents.runtime import transcript  # noqa: PLC0415 - as above

        change = transcript.close_crashed(self.store, agent, run_id, self.clock())
        if change is not None:
            self.store.apply(change)
            self.export_run(agent, run_id)
        return change is not None

    def export_run(self, agent: str, run_id: str) -> None:
        """Hand a run that has ended to whoever exports runs, if anybody does."""
        if self.export is None:
            return
        events = self._events(layout.run_transcript(agent, run_id))
        root, above, seen = run_id, events, {run_id}
        while above and (parent := str(above[0].get("parent_run_id") or "")) and parent not in seen:
            root = parent
            seen.add(parent)
            home = layout.run_transcript(str(above[0].get("parent_agent") or agent), parent)
            above = self._events(layout.open_run(parent)) or self._events(home)
        self.export(run_id, root, events)

    def _events(self, path: str) -> list[Mapping[str, object]]:
        from atomic_agents.vault import log  # noqa: PLC0415 - as above

        try:
            blob = self.store.read(path)
        except AtomicAgentsError:  # a run that has ended does not fail by what comes after it
            return []
        return [line.record for line in log.read(path, blob.data) if line.record] if blob else []
