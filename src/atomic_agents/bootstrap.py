"""Config to Workspace: the only module that picks adapters."""

import datetime
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from atomic_agents.config import Config
from atomic_agents.operations.workspace import Search, Workspace
from atomic_agents.stores.files import FolderStore
from atomic_agents.vault import layout

if TYPE_CHECKING:  # 4 ms that a command without a model need not pay
    from atomic_agents.core.model import Provider
    from atomic_agents.core.service import Services


def open_workspace(config: Config) -> Workspace:
    """The workspace of a vault in a folder; the folder itself is made by the first thing that is written."""
    store = FolderStore(config.root)
    writable = os.access(config.root, os.W_OK)
    return Workspace(
        config=config,
        store=store,
        index_database=str(config.root / layout.INDEX_DATABASE) if writable else ":memory:",
        make_providers=lambda search: make_providers(config, search),
        clock=now,
        exists=config.root.is_dir,
        install_model=lambda progress: install_model(config, progress),
        notices=lambda: tuple(store.notices),
        strange=lambda: tuple(store.strange()),
        find_services=find_services,
    )


def find_services() -> "Services":
    """What starts agents of this user without them."""
    from atomic_agents.deploy.machine import MachineServices  # noqa: PLC0415 - only `upgrade` restarts anything

    return MachineServices(Path.home())


def make_providers(config: Config, search: Search) -> "Sequence[Provider]":
    """The ways to models, in the order in which `init` proposes them."""
    # 10 ms that a command without a model need not pay.
    from atomic_agents.providers.library import LibraryProvider  # noqa: PLC0415
    from atomic_agents.providers.local import LocalProvider  # noqa: PLC0415
    from atomic_agents.providers.loopback import LoopbackProvider  # noqa: PLC0415
    from atomic_agents.providers.quote import QuoteProvider  # noqa: PLC0415

    return (
        LibraryProvider(keys=config.key, base_urls=config.base_urls),
        LoopbackProvider(config.loopback_servers),
        QuoteProvider(search),
        LocalProvider(config.cache_dir),
    )


def install_model(config: Config, progress: Callable[[int, int], None]) -> Path:
    """Fetch the small local model's weights."""
    from atomic_agents.providers.smollm2 import install_smollm2  # noqa: PLC0415 - as above

    return install_smollm2(config.cache_dir, progress=progress)


def now() -> datetime.datetime:
    """The time, in the operator's zone."""
    return datetime.datetime.now().astimezone()
