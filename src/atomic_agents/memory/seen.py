"""That notes were used: the day on which they were last seen, moved forward for all of them at once."""

import datetime
from collections.abc import Collection, Iterator, Sequence

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.core.change import Change, Put
from atomic_agents.core.document import parse
from atomic_agents.core.errors import AtomicAgentsError
from atomic_agents.core.values import parse_date
from atomic_agents.guard.paths import PathPolicy
from atomic_agents.vault import layout
from atomic_agents.vault.settings import version_of
from atomic_agents.vault.vault import Vault


def seen_again(
    vault: Vault, agent: str, used: Collection[str], others: Sequence[Change], paths: PathPolicy, today: datetime.date
) -> tuple[Change, ...]:
    """Changes that let each note among `used` be seen today; what `others` change is theirs.

    A note that cannot be read or written, or says no day on which it was seen, stays as it is.
    """
    taken = {change.path for change in others}
    return tuple(_touched(vault, agent, sorted(set(used) - taken), paths, today))


def _touched(
    vault: Vault, agent: str, used: Sequence[str], paths: PathPolicy, today: datetime.date
) -> Iterator[Change]:
    for path in used:
        if not layout.is_note(path.removeprefix(layout.memory(agent))) or not path.startswith(layout.memory(agent)):
            continue
        try:
            blob = vault.store.read(path) if paths.may_write(path) else None
            document = parse(path, blob.data) if blob else None
        except AtomicAgentsError:
            continue  # lint and doctor say what is wrong with it
        if blob is None or document is None or version_of(document) > CURRENT_SCHEMA_VERSION:
            continue
        seen = parse_date(document.meta.get("last_seen"))
        if seen is not None and seen < today:
            yield Put(path, document.edit({"last_seen": today.isoformat()}).data, expect=blob.revision)
