"""What happened, day by day: look at it, and add to it."""

import datetime

from atomic_agents.core.change import ABSENT, ChangeSet, Put
from atomic_agents.core.errors import DocumentMissing
from atomic_agents.guard import secrets
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import journal, layout


def show(workspace: Workspace, name: str, day: datetime.date | None = None) -> tuple[str, str]:
    """Path and text of a day of an agent's journal, of the newest where none is named.

    Raises:
        DocumentMissing: nothing was written on it.
    """
    workspace.require()
    agent = workspace.vault.agent(name).name
    days = workspace.vault.journal_days(agent)
    for each, path in days:
        if day in (None, each):
            return path, workspace.vault.text(path)
    newest = f"atomic-agents journal show {agent} {days[0][0]}" if days else f"atomic-agents journal add {agent} TEXT"
    raise DocumentMissing(f"{agent} has no journal{f' of {day}' if day else ' yet'}", hint=newest)


def adding(workspace: Workspace, name: str, text: str, *, anyway: bool = False) -> tuple[str, ChangeSet]:
    """What adds a text to the journal of today, for which the operator vouches: the day's path, and the change.

    Raises:
        SecretRefused: it holds what looks like a key; `anyway` goes on.
    """
    workspace.require()
    agent, now = workspace.vault.agent(name).name, workspace.clock()
    path = layout.journal_day(agent, now.date())
    blob = workspace.store.read(path)
    before = blob.data.decode(errors="surrogateescape") if blob else ""
    after = journal.append(before, f"## {now:%H:%M}\n\n{text.strip()}", day=now.date(), agent=agent)
    if not anyway:
        secrets.refuse(path, after, workspace.secrets, before=before)
    put = Put(path, after.encode(errors="surrogateescape"), expect=blob.revision if blob else ABSENT)
    return path, ChangeSet(f"journal of {agent}", (put,))
