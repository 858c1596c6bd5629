"""Where steps come from: the package, and scripts in the vault."""

import hashlib
import importlib
import inspect
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

from atomic_agents.core.errors import MigrationRefused
from atomic_agents.core.store import Store
from atomic_agents.migration.unit import MigratableUnit
from atomic_agents.vault import layout

PACKAGED = ("v0_to_v1", "v1_to_v2")


@dataclass(frozen=True, slots=True)
class Step:
    """One step: from a version to the next, for the documents it applies to. `sha256` is "" for a packaged one."""

    name: str
    from_version: int
    to_version: int
    applies_to: Callable[[MigratableUnit], bool]
    migrate: Callable[[MigratableUnit], object]
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Script:
    """A step's file in the vault, not yet imported."""

    path: str
    from_version: int
    to_version: int
    sha256: str


def packaged() -> tuple[Step, ...]:
    """The steps of this package, in order."""
    modules = (importlib.import_module(f"atomic_agents.migration.steps.{name}") for name in PACKAGED)
    return tuple(
        Step(
            module.__name__.rpartition(".")[2],
            module.FROM_VERSION,
            module.TO_VERSION,
            module.applies_to,
            module.migrate,
        )
        for module in modules
    )


def scripts(store: Store) -> tuple[Script, ...]:
    """The scripts in the vault, by name and hash alone: nothing of theirs runs here.

    Raises:
        MigrationRefused: a script that leaves out a version.
    """
    found: list[Script] = []
    for entry in store.list(f"{layout.MIGRATIONS}/"):
        versions = layout.migration_script(entry.path)
        blob = store.read(entry.path) if versions else None
        if versions is None or blob is None:
            continue
        if versions[1] != versions[0] + 1:
            hint = f"write one script for each version, such as v{versions[0]}_to_v{versions[0] + 1}.py"
            raise MigrationRefused(f"{entry.path} leaves out a version", hint=hint)
        found.append(Script(entry.path, *versions, hashlib.sha256(blob.data).hexdigest()))
    return tuple(sorted(found, key=lambda script: script.from_version))


def load(store: Store, script: Script) -> Step:
    """Run a script of the vault and take its step.

    Raises:
        MigrationRefused: it does not follow the contract, or fails to import.
    """
    blob = store.read(script.path)
    if blob is None or hashlib.sha256(blob.data).hexdigest() != script.sha256:
        raise MigrationRefused(f"{script.path} changed while the migration was planned", hint="run the command again")
    module = types.ModuleType(script.path.rpartition("/")[2].removesuffix(".py"))
    try:
        exec(compile(blob.data, script.path, "exec"), module.__dict__)  # noqa: S102 - a script of the operator's own vault
    except Exception as error:
        raise MigrationRefused(f"{script.path} cannot be imported: {type(error).__name__}: {error}") from error
    _check_contract(script, module)
    applies_to = cast("Callable[[MigratableUnit], bool]", module.applies_to)
    migrate = cast("Callable[[MigratableUnit], object]", module.migrate)
    return Step(module.__name__, script.from_version, script.to_version, applies_to, migrate, script.sha256)


_MAPPING = """write it for a unit instead of a path:
  applies_to(path)             applies_to(unit), and ask unit.unit_type, unit.unit_id, unit.read_frontmatter()
  migrate(path, dry_run)       migrate(unit); every write is in memory until the whole migration is applied
  frontmatter.load(path)       unit.read_frontmatter(), unit.read_body()
  path.write_text(...)         unit.write_frontmatter(meta), unit.write_body(text)"""


def _check_contract(script: Script, module: types.ModuleType) -> None:
    missing = [name for name in ("FROM_VERSION", "TO_VERSION", "applies_to", "migrate") if not hasattr(module, name)]
    if missing:
        raise MigrationRefused(f"{script.path} lacks {', '.join(missing)}", hint=_MAPPING)
    if (script.from_version, script.to_version) != (module.FROM_VERSION, module.TO_VERSION):
        message = f"{script.path} says v{module.FROM_VERSION} to v{module.TO_VERSION}, which is not what its name says"
        raise MigrationRefused(message, hint="make its name and its constants agree")
    for name in ("applies_to", "migrate"):
        parameters = list(inspect.signature(getattr(module, name)).parameters.values())
        required = [parameter for parameter in parameters if parameter.default is parameter.empty]
        if len(parameters) < 1 or parameters[0].name in ("path", "file", "filepath") or len(required) > 1:
            raise MigrationRefused(f"{script.path}: {name} takes a path, as scripts did before units", hint=_MAPPING)


def chain(from_version: int, target: int, steps: Iterable[Step]) -> tuple[Step, ...]:
    """The steps from one version to another in order; for one version, a script of the vault goes before the package's.

    Raises:
        MigrationRefused: a version on the way has no step.
    """
    available = list(steps)
    ordered: list[Step] = []
    for version in range(from_version, target):
        here = [step for step in available if step.from_version == version]
        if not here:
            message = f"No migration script for v{version} to v{version + 1}"
            hint = (
                f"put v{version}_to_v{version + 1}.py into {layout.MIGRATIONS}/, or install the package that brings it"
            )
            raise MigrationRefused(message, hint=hint)
        ordered += sorted(here, key=lambda step: not step.sha256)
    return tuple(ordered)
