"""chat: a conversation in the terminal, a turn a run."""

import contextlib
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import FrameType

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, workspace
from atomic_agents.cli.run import usd
from atomic_agents.core.ending import Ending
from atomic_agents.core.errors import ApprovalNeeded, AtomicAgentsError, DocumentMissing, RunInterrupted
from atomic_agents.core.values import Usd
from atomic_agents.guard import questions
from atomic_agents.guard.approvals import Decision
from atomic_agents.operations import conversations, runs
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.conversation import Talk
from atomic_agents.runtime.order import Order, Result
from atomic_agents.vault import conversation, layout
from atomic_agents.vault.conversation import Conversation

_PROMPT, _MORE = "> ", "… "
_MAY_I = "may it? yes, no, or no and why> "
_WHAT = "your answer, or an empty line for later> "
_REPLIES: Mapping[str, Decision] = {"yes": "approved", "y": "approved", "no": "denied", "n": "denied"}
_FENCE = '"""'
_HELP = """\
/cost     what this chat and the conversation have cost
/memory   the notes that came of the conversation
/undo     take the last turn back, with the notes that came of it and the files it wrote
/help     this
/quit     end; so does Ctrl-D

A line that ends in a backslash goes on in the next; so does a block between two lines of three double quotes.
Ctrl-C stops an answer; what was said so far is kept."""


@click.command("chat")
@click.argument("agent")
@click.option(
    "--conversation", "conversation_id", default=conversation.NEW, metavar="ID",
    help="Go on with a conversation, or begin it under that id; without it a new one begins.",
)  # fmt: skip
@click.option("--model", metavar="ID", help="Another model than model.md states.")
@click.option("--max-cost", metavar="USD", help="The most one turn may cost.")
@click.option("--no-capture", is_flag=True, help="Remember nothing; the conversation itself is kept.")
@common
def chat_command(
    agent: str, conversation_id: str, model: str | None, max_cost: str | None, no_capture: bool, root: str | None
) -> int:
    """Talk with AGENT.

    Without a terminal it reads turns from standard input, one a line; its exit code is that of the first turn that
    failed.
    """
    most = usd(max_cost)
    with workspace(root) as opened:
        name, model_id = runs.ready(opened, agent, model)
        talk = conversations.talk(opened, conversation_id)
        chat = _Chat(opened, name, talk.id, model, most, capture=not no_capture)
        chat.greet(model_id)
        with _ended_by_sigterm(chat):
            chat.go_on()
        chat.leave()
    return chat.status


@dataclass
class _Chat:
    """A chat under way. `said` are its turns that can be taken back, the last one last."""

    workspace: Workspace
    agent: str
    id: str
    model: str | None
    most: Usd | None
    capture: bool
    status: int = 0
    ended: bool = False
    said: list[Talk] = field(default_factory=list)
    cost: Usd = Decimal(0)
    turns: int = 0
    _noticed: set[str] = field(default_factory=set)
    _next: list[str] = field(default_factory=list)
    """A line that was read as an answer and is none."""
    _terminal: bool = field(init=False)
    _streams: bool = field(init=False)

    def __post_init__(self) -> None:
        self._terminal = sys.stdin.isatty()
        self._streams = self._terminal and sys.stdout.isatty()

    def greet(self, model_id: str) -> None:
        """Say who answers, on a terminal."""
        if self._terminal:
            found = self._found()
            before = f", {render.count(len(found.turns), 'turn')} so far" if found else ""
            render.talk(f"{self.agent}, {model_id}; conversation {self.id}{before}; /help, Ctrl-D ends")

    def leave(self) -> None:
        """Say how to come back, where there is something to come back to."""
        if self.turns and self._found():
            render.talk(f"conversation {self.id}, {render.count(self.turns, 'turn')}, {render.money(self.cost)}")
            render.hint(f"atomic-agents chat {self.agent} --conversation {self.id}")

    def go_on(self) -> None:
        """Take turns until there are no more."""
        if self._terminal:
            with contextlib.suppress(ImportError):
                import readline  # noqa: F401, PLC0415 - editing of lines, where the system has it
        while not self.ended:
            try:
                text = self._turn()
            except KeyboardInterrupt:
                self._stopped()
                continue
            except EOFError:
                if self._terminal:
                    render.talk("")
                return
            if text.strip():
                self._answer(text.strip())

    def _answer(self, text: str) -> None:
        try:
            if re.fullmatch(r"/[a-z]+", text):
                self._command(text[1:])
            else:
                self._say(text)
        except KeyboardInterrupt:
            self._stopped()
        except AtomicAgentsError as error:
            self._failed(error)

    def _say(self, text: str) -> None:
        talk = Talk(self.id)
        order = Order(text, capture=self.capture, max_cost=self.most)
        result = runs.run(
            self.workspace, self.agent, order, model_id=self.model, on_text=self._show, on_notice=self._notice,
            talk=talk,
        )  # fmt: skip
        self.turns += 1
        self.cost += result.cost + talk.cost
        if talk.undo is not None:
            self.said.append(talk)
        before = self.status
        self._finish(result)
        if isinstance(result.failure, ApprovalNeeded):
            self._reply(result.failure, before)

    def _reply(self, asked: ApprovalNeeded, before: int) -> None:
        """Take the answer to what the agent asks; any other line leaves it waiting and is the next turn.

        `before` is the exit status without what waits; that is what it is again once there is an answer.
        """
        from atomic_agents.operations import approvals  # noqa: PLC0415 - few chats need it

        ids = asked.context.get("approvals")
        item = approvals.find(self.workspace, str(ids[0]) if isinstance(ids, list) and ids else "")
        stated = [f"{key}: {value}" for key, value in item.arguments.items()]
        for told in questions.lines(item.arguments) if item.is_question else stated:
            render.talk(f"  {told}")
        try:
            line = self._line(_WHAT if item.is_question else _MAY_I)
        except EOFError:
            self.ended = True
            return
        decision, note = _as_answer(line.strip()) if item.is_question else _as_leave(line.strip())
        if decision is None:
            self._next = [line]
            return
        self.workspace.store.apply(approvals.answer(self.workspace, item, decision, note=note))
        self.status = before
        self.said.clear()  # a turn that was said later cannot be passed over
        result = approvals.go_on(self.workspace, item, on_text=self._show, on_notice=self._notice)
        self.cost += result.cost
        self._finish(result)
        if isinstance(result.failure, ApprovalNeeded):
            self._reply(result.failure, before)

    def _show(self, text: str) -> None:
        if self._streams:
            click.echo(text, nl=False)

    def _finish(self, result: Result) -> None:
        if self._streams:
            render.say()
        elif result.text:
            render.say(result.text)
        for warning in result.warnings:
            self._notice(warning)
        for outcome in result.captures:
            render.talk(outcome.message)
        if result.ending is Ending.INTERRUPTED:
            self._stopped(answering=True)
        elif result.failure is not None:
            self._failed(result.failure)

    def _stopped(self, *, answering: bool = False) -> None:
        """Ctrl-C: back to the prompt, where there is somebody to prompt."""
        self.ended = self.ended or not self._terminal
        if self.ended:
            self.status = self.status or RunInterrupted.exit_status
        render.talk("\nstopped; what was said so far is kept" if answering else "\n/quit or Ctrl-D ends")

    def _failed(self, error: AtomicAgentsError) -> None:
        render.error(error)
        if not self._terminal:
            self.status = self.status or error.exit_status

    def _notice(self, text: str) -> None:
        """A warning once, however many turns it holds for."""
        if text not in self._noticed:
            self._noticed.add(text)
            render.notice(text)

    def _command(self, name: str) -> None:
        match name:
            case "quit" | "exit":
                self.ended = True
            case "help":
                render.talk(_HELP)
            case "cost":
                self._say_cost()
            case "memory":
                self._say_memory()
            case "undo":
                self._undo()
            case _:
                render.talk(f"there is no /{name}; /help says what there is")

    def _say_cost(self) -> None:
        render.talk(f"this chat {render.money(self.cost)} in {render.count(self.turns, 'turn')}")
        if found := self._found():
            turns = render.count(len(found.turns), "turn")
            render.talk(f"the conversation {render.money(found.cost)} in {turns}, summaries left out")

    def _say_memory(self) -> None:
        found = self._found()
        files = dict.fromkeys(file for turn in found.turns for file in turn.captured) if found else {}
        for file in files:
            path = layout.note(self.agent, file)
            render.talk(path if self.workspace.store.read(path) else f"{path} (gone)")
        if not files:
            render.talk("nothing of this conversation was remembered as a note")

    def _undo(self) -> None:
        said = self.said[-1] if self.said else Talk(self.id)
        paths = conversations.take_back(self.workspace, self.agent, said)
        self.said.pop()
        render.talk(f"taken back: {', '.join(paths)}; what it cost stays in the log")
        if said.stays:
            render.notice(f"what {', '.join(said.stays)} did cannot be taken back here")

    def _found(self) -> Conversation | None:
        try:
            return conversations.show(self.workspace, self.agent, self.id)
        except DocumentMissing:
            return None

    def _turn(self) -> str:
        """What is said next, be it of several lines.

        Raises:
            EOFError: nothing is.
        """
        line = self._next.pop() if self._next else self._line(_PROMPT)
        if line.strip() == _FENCE:
            return "\n".join(self._block())
        lines = [line]
        while lines[-1].endswith("\\"):
            lines[-1] = lines[-1][:-1]
            try:
                lines.append(self._line(_MORE))
            except EOFError:
                break
        return "\n".join(lines)

    def _block(self) -> Iterator[str]:
        with contextlib.suppress(EOFError):
            while (line := self._line(_MORE)).strip() != _FENCE:
                yield line

    def _line(self, prompt: str) -> str:
        if self._streams:
            return input(prompt)
        if self._terminal:
            click.echo(prompt, nl=False, err=True)
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.rstrip("\r\n")


def _as_leave(line: str) -> tuple[Decision | None, str]:
    """Yes or no, and the note with it; None where it is neither."""
    word, _, note = line.partition(" ")
    return _REPLIES.get(word.lower().rstrip(",.:")), note.strip()


def _as_answer(line: str) -> tuple[Decision | None, str]:
    """Whatever is said answers a question, but for a command and nothing."""
    return (None if not line or re.fullmatch(r"/[a-z]+", line) else "answered"), line


@contextlib.contextmanager
def _ended_by_sigterm(chat: _Chat) -> Iterator[None]:
    """A polite kill stops the answer as Ctrl-C does, and then ends the chat."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        chat.ended = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
