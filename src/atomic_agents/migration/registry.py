"""Where steps come from: the package, and scripts in the vault."""

import contextlib
import hashlib
import importlib
import inspect
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import cast

from atomic_agents.core.errors import MigrationRefused
from atomic_agents.core.store import Store
from atomic_agents.migration.unit import UNIT_TYPES, UNVERSIONED, MigratableUnit
from atomic_agents.vault import layout

PACKAGED = ("v0_to_v1", "v1_to_v2")
PUBLISHED_TYPES = ("memory", "wiki")
"""What a script is offered that does not say more with `UNIT_TYPES`: what the published contract knows."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: from a version to the next, for the documents it applies to. `sha256` is "" for a packaged one."""

    name: str
    from_version: int
    to_version: int
    applies_to: Callable[[MigratableUnit], bool]
    migrate: Callable[[MigratableUnit], object]
    unit_types: tuple[str, ...] = UNIT_TYPES
    sha256: str = ""

    @property
    def of_the_vault(self) -> bool:
        """Whether it is a script of the vault rather than of this package."""
        return bool(self.sha256)


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
    """The scripts in the vault, by name and hash alone: nothing of theirs runs here."""
    found: list[Script] = []
    for entry in store.list(f"{layout.MIGRATIONS}/"):
        versions = layout.migration_script(entry.path)
        blob = store.read(entry.path) if versions else None
        if versions is not None and blob is not None:
            found.append(Script(entry.path, *versions, hashlib.sha256(blob.data).hexdigest()))
    return tuple(sorted(found, key=lambda script: (script.from_version, script.path)))


def needed(store: Store, from_version: int, target: int) -> tuple[Script, ...]:
    """The scripts in the vault that a migration would run, not yet imported.

    Raises:
        MigrationRefused: one of them leaves out a version.
    """
    found = tuple(script for script in scripts(store) if from_version <= script.from_version < target)
    for script in found:
        if script.to_version != script.from_version + 1:
            hint = f"write one script for each version, such as v{script.from_version}_to_v{script.from_version + 1}.py"
            raise MigrationRefused(f"{script.path} leaves out a version", hint=hint)
    return found


def load(store: Store, script: Script) -> Step:
    """Run a script of the vault and take its step.

    Raises:
        MigrationRefused: it does not follow the contract, or fails to import.
    """
    blob = store.read(script.path)
    if blob is None or hashlib.sha256(blob.data).hexdigest() != script.sha256:
        raise MigrationRefused(f"{script.path} changed while the migration was planned", hint="run the command again")
    name = script.path.rpartition("/")[2].removesuffix(".py")
    module = types.ModuleType(f"_migrations_{name}_{script.sha256[:12]}")
    module.__file__ = script.path
    with _imported(module):
        try:
            code = compile(blob.data, script.path, "exec", dont_inherit=True)
            exec(code, module.__dict__)  # noqa: S102 - a script of the operator's own vault
        except (Exception, SystemExit) as error:
            message = f"{script.path} cannot be imported: {type(error).__name__}: {error}"
            raise MigrationRefused(message, hint=f"correct {script.path}, or take it away") from error
    _check_contract(script, module)
    applies_to = cast("Callable[[MigratableUnit], bool]", module.applies_to)
    migrate = cast("Callable[[MigratableUnit], object]", module.migrate)
    unit_types = tuple(getattr(module, "UNIT_TYPES", PUBLISHED_TYPES))
    return Step(name, script.from_version, script.to_version, applies_to, migrate, unit_types, script.sha256)


@contextlib.contextmanager
def _imported(module: types.ModuleType) -> Iterator[None]:
    """Have the module where `dataclasses` and `typing` look for it; it stays there where it was imported whole."""
    sys.modules[module.__name__] = module
    try:
        yield
    except BaseException:
        del sys.modules[module.__name__]
        raise


MAPPING = """write it for a unit instead of a path:
  applies_to(path)             applies_to(unit), and ask unit.unit_type, unit.unit_id, unit.read_frontmatter()
  migrate(path, dry_run)       migrate(unit); every write is in memory until the whole migration is applied
  frontmatter.load(path)       unit.read_frontmatter(), unit.read_body()
  path.write_text(...)         unit.write_frontmatter(meta), unit.write_body(text)"""
"""How a script for paths is rewritten for units."""


def _check_contract(script: Script, module: types.ModuleType) -> None:
    missing = [name for name in ("FROM_VERSION", "TO_VERSION", "applies_to", "migrate") if not hasattr(module, name)]
    missing += [name for name in ("applies_to", "migrate") if not callable(getattr(module, name, print))]
    if missing:
        raise MigrationRefused(f"{script.path} lacks {', '.join(missing)}", hint=MAPPING)
    if (script.from_version, script.to_version) != (module.FROM_VERSION, module.TO_VERSION):
        message = f"{script.path} says v{module.FROM_VERSION} to v{module.TO_VERSION}, which is not what its name says"
        raise MigrationRefused(message, hint="make its name and its constants agree")
    known = (*UNIT_TYPES, *(kind.value for kind in UNVERSIONED))
    unknown = [str(kind) for kind in getattr(module, "UNIT_TYPES", ()) if kind not in known]
    if unknown:
        hint = f"UNIT_TYPES can hold {', '.join(known)}"
        raise MigrationRefused(f"{script.path}: there is no unit type {', '.join(unknown)}", hint=hint)
    for name in ("applies_to", "migrate"):
        if _takes_a_path(getattr(module, name)):
            raise MigrationRefused(f"{script.path}: {name} takes a path, as scripts did before units", hint=MAPPING)


def _takes_a_path(function: Callable[..., object]) -> bool:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return False
    required = [parameter for parameter in parameters if parameter.default is parameter.empty]
    first = parameters[0] if parameters else None
    if first is None or len(required) > 1 or first.name in ("path", "file", "filepath", "file_path"):
        return True
    return "Path" in str(getattr(first.annotation, "__name__", first.annotation))


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
            name = f"v{version}_to_v{version + 1}.py"
            hint = f"put {name} into {layout.MIGRATIONS}/, or install the package that brings it"
            raise MigrationRefused(f"No migration script for v{version} to v{version + 1}", hint=hint)
        ordered += sorted(here, key=lambda step: not step.of_the_vault)
    return tuple(ordered)
