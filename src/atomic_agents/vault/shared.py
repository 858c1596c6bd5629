"""Personas that several agents share: `persona.link.md` names one in `.personas/`."""

import re
from collections.abc import Iterator

from atomic_agents.core.store import Store
from atomic_agents.core.values import Problem, near
from atomic_agents.vault import layout

_ID = re.compile(r"^[ \t>-]*persona_id:[ \t]*['\"]?(?P<id>[^'\"#\s]*)", re.MULTILINE)
_ALLOWED = re.compile(r"[A-Za-z0-9_+@-][A-Za-z0-9_.+@-]*")


def home(link: bytes) -> str:
    """The folder of the persona that a `persona.link.md` names; "" where it names none."""
    found = _ID.search(link.decode(errors="replace"))
    return layout.shared_persona(found["id"]) if found and _ALLOWED.fullmatch(found["id"]) else ""


def problems(store: Store, agent: str) -> Iterator[Problem]:
    """Why it is not clear who the agent is: two personas, or a link that leads nowhere."""
    path = layout.persona_link(agent)
    link = store.read(path)
    if link is None:
        return
    found = _ID.search(link.data.decode(errors="replace"))
    line = link.data.count(b"\n", 0, found.start("id")) + 1 if found else 0
    folder = home(link.data)
    if store.read(layout.identity(agent)) is not None:
        message = f"links to a shared persona, and {layout.identity(agent)} is a persona of its own"
        yield Problem(path, line, message, "delete one of the two")
    elif not folder:
        message = f"{found['id']!r} cannot be the name of a persona" if found else "names no persona"
        yield Problem(path, line, message, "write a line persona_id: and the name of a folder in .personas/")
    elif store.read(f"{folder}/IDENTITY.md") is None:
        names = {entry.path.split("/")[1] for entry in store.list(".personas/")}
        meant = near(folder.rpartition("/")[2], sorted(names))
        hint = f"write persona_id: {meant[0]}" if meant else f"write {folder}/IDENTITY.md"
        yield Problem(path, line, f"there is no {folder}/IDENTITY.md", hint)
