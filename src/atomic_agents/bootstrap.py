"""Config to Workspace: the only module that picks adapters."""

import datetime
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from atomic_agents._version import __version__
from atomic_agents.config import Config
from atomic_agents.guard.keys import Keys
from atomic_agents.operations.workspace import Search, Workspace
from atomic_agents.stores.files import FolderStore
from atomic_agents.vault import layout

if TYPE_CHECKING:  # 4 ms that a command without a model need not pay
    from atomic_agents.core.channel import Channel
    from atomic_agents.core.key import Place
    from atomic_agents.core.model import Provider
    from atomic_agents.core.service import Services
    from atomic_agents.telemetry.exporter import Exporter
    from atomic_agents.vault.channels import ChannelSettings


def open_workspace(config: Config) -> Workspace:
    """The workspace of a vault in a folder; the folder itself is made by the first thing that is written."""
    store = FolderStore(config.root)
    keys = Keys(lambda: make_places(config))
    exporter = make_exporter(config) if config.collector else None
    writable = os.access(config.root, os.W_OK)
    return Workspace(
        config=config,
        store=store,
        index_database=str(config.root / layout.INDEX_DATABASE) if writable else ":memory:",
        make_providers=lambda search: make_providers(config, keys, search),
        keys=keys,
        clock=now,
        exists=config.root.is_dir,
        install_model=lambda progress: install_model(config, progress),
        notices=lambda: (*store.notices, *(exporter.flush() if exporter else ())),
        strange=lambda: tuple(store.strange()),
        holder=store.holder,
        find_services=find_services,
        make_channel=lambda stated: make_channel(config, stated),
        export=exporter.export if exporter else None,
    )


def make_places(config: Config) -> "Sequence[Place]":
    """Where keys are looked for, in this order."""
    # 10 ms that a command without a key need not pay.
    from atomic_agents.keys.environment import EnvironmentPlace  # noqa: PLC0415
    from atomic_agents.keys.file import FilePlace  # noqa: PLC0415
    from atomic_agents.keys.system import KeyringPlace  # noqa: PLC0415

    return (EnvironmentPlace(config.environ), KeyringPlace(), FilePlace(config.keys_file))


def make_exporter(config: Config) -> "Exporter | None":
    """What sends runs as traces; None where the extra is not installed, of which doctor tells."""
    from atomic_agents.telemetry.exporter import Exporter, is_installed  # noqa: PLC0415 - few want traces

    if not is_installed():
        return None
    return Exporter(config.collector, version=__version__, content=config.traces_content)


def find_services() -> "Services":
    """What starts agents of this user without them."""
    from atomic_agents.deploy.machine import MachineServices  # noqa: PLC0415 - only `upgrade` restarts anything

    return MachineServices(Path.home())


def make_providers(config: Config, keys: Keys, search: Search) -> "Sequence[Provider]":
    """The ways to models, in the order in which `init` proposes them."""
    # 10 ms that a command without a model need not pay.
    from atomic_agents.providers.library import LibraryProvider  # noqa: PLC0415
    from atomic_agents.providers.local import LocalProvider  # noqa: PLC0415
    from atomic_agents.providers.loopback import LoopbackProvider  # noqa: PLC0415
    from atomic_agents.providers.quote import QuoteProvider  # noqa: PLC0415

    return (
        LibraryProvider(keys=keys.get, base_urls=config.base_urls),
        LoopbackProvider(config.loopback_servers),
        QuoteProvider(search),
        LocalProvider(config.cache_dir),
    )


def preload(models: Iterable[str]) -> None:
    """Load what those models are asked with: a process that begins as a copy of this one then has it."""
    from atomic_agents.providers import library  # noqa: PLC0415 - a second that only a worker pays

    library.preload(models)


def make_channel(config: Config, stated: "ChannelSettings") -> "Channel":
    """A way to the operator."""
    from atomic_agents.channels import opening  # noqa: PLC0415 - few runs have something to tell

    return opening.opened(stated.kind, stated.values, lambda name: (config.variable(name) or "").strip())


def install_model(config: Config, progress: Callable[[int, int], None]) -> Path:
    """Fetch the small local model's weights."""
    from atomic_agents.providers.smollm2 import install_smollm2  # noqa: PLC0415 - as above

    return install_smollm2(config.cache_dir, progress=progress)


def now() -> datetime.datetime:
    """The time, in the operator's zone."""
    return datetime.datetime.now().astimezone()
