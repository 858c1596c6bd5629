"""Every error an operator can meet, with its code, its hint and its exit status.

AtomicAgentsError
├── UsageError                 the command was typed wrong
├── VaultMissing               no vault at the root
├── AgentMissing               no agent of that name
├── AgentExists                `init` would overwrite
├── DocumentMissing            no document at that path
├── DocumentUnreadable         bytes that are not what the format says
├── SettingsInvalid            a settings file that does not parse, every problem at once
├── PathRefused                a path the vault must not hold or reach
├── StorageFailed              the disk said no
├── Conflict                   somebody wrote in between
├── Busy                       somebody else holds the lock
├── MigrationRefused           nothing was changed, and why
├── MigrationFailed            put back, and why
├── VaultTooNew                written by a newer package
├── SnapshotInvalid            missing, damaged or hostile
├── BudgetExceeded             a cap would be passed
├── ProviderFailed             the model's side said no
│   ├── CredentialMissing      no key for the model
│   └── ModelUnknown           no provider knows the id
├── RunInterrupted             Ctrl-C or a signal
└── InternalError              a bug of ours
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from atomic_agents.core.values import Problem


class AtomicAgentsError(Exception):
    """What every error here is: a code, a message, a context and a hint.

    `hint` is one or more literal commands or edits, one a line; `context` is what a program would want to know.
    """

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", context: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.context = dict(context or {})

    def as_json(self) -> dict[str, object]:
        """The error as the value of `error` in a command's JSON."""
        return {"code": self.code, "message": self.message, "hint": self.hint, "context": self.context}


class UsageError(AtomicAgentsError):
    """The command was typed wrong."""

    code = "usage"
    exit_status = 2


class VaultMissing(AtomicAgentsError):
    """There is no vault at the root."""

    code = "vault-missing"


class AgentMissing(AtomicAgentsError):
    """There is no agent of that name."""

    code = "agent-missing"


class AgentExists(AtomicAgentsError):
    """An agent of that name is there already; nothing of it is overwritten."""

    code = "agent-exists"


class DocumentMissing(AtomicAgentsError):
    """There is no document at that path."""

    code = "document-missing"


class DocumentUnreadable(AtomicAgentsError):
    """A document's bytes are not what the format says."""

    code = "document-unreadable"


class PathRefused(AtomicAgentsError):
    """A path that the vault must not hold, or that leads out of it."""

    code = "path-refused"


class StorageFailed(AtomicAgentsError):
    """The disk, or whatever holds the vault, refused."""

    code = "storage-failed"


class Conflict(AtomicAgentsError):
    """A document is not as it was when the change was made; nothing was written."""

    code = "conflict"
    exit_status = 5


class Busy(AtomicAgentsError):
    """Another process holds the lock."""

    code = "busy"
    exit_status = 5


class MigrationRefused(AtomicAgentsError):
    """The migration did not start; the vault is as it was."""

    code = "migration-refused"


class MigrationFailed(AtomicAgentsError):
    """The migration started and was put back."""

    code = "migration-failed"


class VaultTooNew(AtomicAgentsError):
    """A document was written by a newer package; it is read, never written."""

    code = "vault-too-new"
    exit_status = 6


class SnapshotInvalid(AtomicAgentsError):
    """A snapshot is missing, damaged or not ours."""

    code = "snapshot-invalid"


class BudgetExceeded(AtomicAgentsError):
    """A cap would be passed; nothing was sent."""

    code = "budget-exceeded"
    exit_status = 3


class ProviderFailed(AtomicAgentsError):
    """The model, or the way to it, failed."""

    code = "provider-failed"
    exit_status = 7


class CredentialMissing(ProviderFailed):
    """The configured model needs a key that is nowhere to be found."""

    code = "credential-missing"


class ModelUnknown(ProviderFailed):
    """No provider here knows that model id."""

    code = "model-unknown"


class RunInterrupted(AtomicAgentsError):
    """The operator stopped it; what was paid for is recorded."""

    code = "interrupted"
    exit_status = 130


class InternalError(AtomicAgentsError):
    """A bug of ours."""

    code = "internal"


class SettingsInvalid(AtomicAgentsError):
    """One or more settings files have errors; every problem is in `problems`."""

    code = "settings-invalid"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(
            f"{first.where}: {first.message}{more}",
            hint="\n".join(problem.hint for problem in self.problems if problem.hint),
            context={"problems": [problem.as_json() for problem in self.problems]},
        )
