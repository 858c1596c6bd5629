"""Short ways to do things to a store in tests."""

from atomic_agents.core.change import Change, ChangeSet, Put
from atomic_agents.core.store import Store


def put(store: Store, **documents: str) -> ChangeSet:
    """Write documents named by keyword, `__` being `/`; return the undo."""
    changes = (Put(name.replace("__", "/"), text.encode()) for name, text in documents.items())
    return store.apply(ChangeSet("test", tuple(changes)))


def apply(store: Store, *changes: Change) -> ChangeSet:
    """Apply changes as one set; return the undo."""
    return store.apply(ChangeSet("test", changes))


def documents(store: Store) -> dict[str, bytes]:
    """Every listed document and its bytes."""
    found = {entry.path: store.read(entry.path) for entry in store.list()}
    return {path: blob.data for path, blob in found.items() if blob is not None}
