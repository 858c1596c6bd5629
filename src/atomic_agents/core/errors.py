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
├── SecretRefused              a key or password would be kept in clear
├── StorageFailed              the disk said no
├── Conflict                   somebody wrote in between
├── Busy                       somebody else holds the lock
├── MigrationRefused           nothing was changed, and why
├── MigrationFailed            put back, and why
├── VaultTooNew                written by a newer package
├── SnapshotInvalid            missing, damaged or hostile
├── ResumeRefused              a run that cannot be gone on with, and why
├── InputTooLong               more than max_input_tokens, with nothing left to cut
├── BudgetExceeded             a cap would be passed
├── ProviderFailed             the model's side said no
│   ├── CredentialMissing      no key for the model
│   └── ModelUnknown           no provider knows the id
├── AnswerIncomplete           the model gave no whole answer
│   ├── AnswerTruncated        cut at its maximum length
│   ├── AnswerRefused          the model or its provider declined
│   ├── AnswerEmpty            nothing was said
│   └── RoundsExhausted        every round went into tools
├── KeysFailed                 a place where keys are kept cannot be used
├── ServiceFailed              a service did not come up, and was put back
├── ApprovalNeeded             a run waits for the operator
├── RunInterrupted             Ctrl-C or a signal
└── InternalError              a bug of ours
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, Self

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
    """The command was typed wrong.

    `--help` after the command shows how; the message says what was wrong.
    """

    code = "usage"
    exit_status = 2


class VaultMissing(AtomicAgentsError):
    """There is no vault at the root.

    `atomic-agents init my-agent` makes one there; `--root PATH` or `ATOMIC_AGENTS_ROOT` names another.
    """

    code = "vault-missing"


class AgentMissing(AtomicAgentsError):
    """There is no agent of that name.

    `atomic-agents list` shows those there are; the hint names the nearest.
    """

    code = "agent-missing"


class AgentExists(AtomicAgentsError):
    """An agent of that name is there already; nothing of it is overwritten.

    Choose another name, or look at what is there: `atomic-agents info NAME`.
    """

    code = "agent-exists"


class DocumentMissing(AtomicAgentsError):
    """There is no document at that path.

    The command that lists them is in the hint, such as `atomic-agents memory list AGENT`.
    """

    code = "document-missing"


class DocumentUnreadable(AtomicAgentsError):
    """A document's bytes are not what the format says.

    Correct the line that is named in a text editor; `atomic-agents doctor` finds every such document.
    """

    code = "document-unreadable"


class PathRefused(AtomicAgentsError):
    """A path that the vault must not hold, or that leads out of it.

    Name a document inside of the vault, with a name that every system can hold; the hint says which.
    """

    code = "path-refused"


class SecretRefused(AtomicAgentsError):
    """A text that would be kept in clear holds what looks like a key or a password; nothing was written. Exit code 1.

    Take it out and keep it with `atomic-agents secrets set NAME`; where it is none, `--anyway`.
    """

    code = "secret-refused"


class StorageFailed(AtomicAgentsError):
    """The disk, or whatever holds the vault, refused.

    Look at free space and permissions: `df -h`, `ls -ld` on the path that is named, `atomic-agents doctor`.
    """

    code = "storage-failed"


class Conflict(AtomicAgentsError):
    """A document is not as it was when the change was made; nothing was written.

    Run the command again; it starts from what is there now.
    """

    code = "conflict"
    exit_status = 5


class Busy(AtomicAgentsError):
    """Another process holds the lock.

    Wait for it, or look at what it does: `atomic-agents runs list`.
    """

    code = "busy"
    exit_status = 5


class MigrationRefused(AtomicAgentsError):
    """The migration did not start; the vault is as it was.

    Do what the hint says, then the same command again; `atomic-agents upgrade --plan` shows all there is to do.
    """

    code = "migration-refused"


class MigrationFailed(AtomicAgentsError):
    """The migration started and was put back.

    Correct what the message names, then `atomic-agents upgrade --plan`.
    """

    code = "migration-failed"


class VaultTooNew(AtomicAgentsError):
    """A document was written by a newer package; it is read, never written.

    `pip install --upgrade atomic-agents-stack`.
    """

    code = "vault-too-new"
    exit_status = 6


class SnapshotInvalid(AtomicAgentsError):
    """A snapshot is missing, damaged or not ours.

    `atomic-agents snapshots list` shows the others; `atomic-agents snapshots verify` examines one.
    """

    code = "snapshot-invalid"


class ResumeRefused(AtomicAgentsError):
    """A run cannot be gone on with; nothing was asked or written.

    Look at how far it came with `atomic-agents runs show RUN`, and run the work item anew.
    """

    code = "resume-refused"


class InputTooLong(AtomicAgentsError):
    """The prompt and the work item take more than `max_input_tokens`; nothing was sent.

    Raise `max_input_tokens` in `model.md`, or shorten what the message names; `atomic-agents prompt AGENT` shows the
    prompt.
    """

    code = "input-too-long"


class BudgetExceeded(AtomicAgentsError):
    """A cap would be passed; nothing was sent.

    `atomic-agents cost` shows what was spent; the caps stand in `model.md` and `policy.md`, and `atomic-agents
    config show AGENT` says on which line. `--critical` passes the daily cap once.
    """

    code = "budget-exceeded"
    exit_status = 3


class ProviderFailed(AtomicAgentsError):
    """The model, or the way to it, failed.

    The message has the provider's own words. `atomic-agents models list` shows what else can be asked.
    """

    code = "provider-failed"
    exit_status = 7


class CredentialMissing(ProviderFailed):
    """The configured model needs a key that is nowhere to be found.

    `atomic-agents secrets set PROVIDER` keeps one, `atomic-agents secrets check PROVIDER` looks for it;
    `--model embedded:quote` needs none.
    """

    code = "credential-missing"


class ModelUnknown(ProviderFailed):
    """No provider here knows that model id.

    `atomic-agents models list` shows ids that are known; ids of other providers begin with the provider, as
    `groq:…`.
    """

    code = "model-unknown"


class AnswerIncomplete(AtomicAgentsError):
    """The model gave no whole answer; the text that came is shown, and its idempotency key stays free.

    `atomic-agents runs show RUN` shows each request and reply.
    """

    code = "answer-incomplete"
    exit_status = 8


class AnswerTruncated(AnswerIncomplete):
    """The answer was cut at its maximum length.

    Raise `max_output_tokens` in the agent's `model.md`, or ask for less at once.
    """

    code = "answer-truncated"


class AnswerRefused(AnswerIncomplete):
    """The model or its provider declined to answer; it is not asked again.

    The message has the provider's own words where it gave any. Rephrase the work item, or use another model:
    `atomic-agents models list`.
    """

    code = "answer-refused"


class AnswerEmpty(AnswerIncomplete):
    """The model said nothing, also when it was asked once more.

    Run it again, or use another model: `atomic-agents models list`.
    """

    code = "answer-empty"


class RoundsExhausted(AnswerIncomplete):
    """The model used every round for tools and never answered.

    `atomic-agents runs show RUN` shows what it called; ask for less at once, or use another model.
    """

    code = "rounds-exhausted"


class KeysFailed(AtomicAgentsError):
    """A place where keys are kept cannot be used: a file that others can read, a locked keyring, a command that fails.

    `atomic-agents secrets check` shows which places can be used; a file of keys is made private with `chmod
    600`.
    """

    code = "keys-failed"
    exit_status = 7


class ServiceFailed(AtomicAgentsError):
    """A service that was deployed did not come up; its files are as they were before.

    Correct what its last lines say, which stand above the error, then `atomic-agents deploy up` again; `atomic-agents
    deploy status` shows what runs.
    """

    code = "service-failed"


class ApprovalNeeded(AtomicAgentsError):
    """A run has asked you something, and goes on once you have answered.

    `atomic-agents approvals list` shows what it asks; `atomic-agents approvals approve ID` or `deny ID`
    answers.
    """

    code = "approval-needed"
    exit_status = 4


class RunInterrupted(AtomicAgentsError):
    """The operator stopped it; what was paid for is recorded.

    `atomic-agents runs list` shows it; the same command again begins anew.
    """

    code = "interrupted"
    exit_status = 130


class InternalError(AtomicAgentsError):
    """A bug of ours.

    The same command with `--debug` shows where it happened; `atomic-agents bug-report` makes a file to send
    along.
    """

    code = "internal"


class SettingsInvalid(AtomicAgentsError):
    """One or more settings files have errors; every problem is in `problems`.

    Correct each line that is named; `atomic-agents config schema FILE` says what it can be.
    """

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

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[Problem, ...]]]:
        """Another process makes it of its problems, as it was made here."""
        return type(self), (self.problems,)
