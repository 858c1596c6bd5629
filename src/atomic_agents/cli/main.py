"""The command `atomic-agents`, and the one place where an error becomes words and an exit code."""

import gc
import os
import shlex
import signal
import sys
from importlib import import_module
from types import FrameType

import click

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents._version import __version__
from atomic_agents.cli import render
from atomic_agents.cli.options import debug_option, root_option, show_help
from atomic_agents.config import without_password
from atomic_agents.core.errors import AtomicAgentsError, InternalError, RunInterrupted, StorageFailed, UsageError
from atomic_agents.core.values import near

# name: (module below atomic_agents.cli, what `--help` says); a module is imported only when its command is used.
COMMANDS = {
    "init": ("init", "make an agent from a template; works without any key"),
    "list": ("agents", "the agents of the vault"),
    "info": ("agents", "what holds for an agent, and where each setting comes from"),
    "prompt": ("run", "the exact prompt a run would send"),
    "run": ("run", "run an agent on a work item"),
    "chat": ("chat", "talk with an agent"),
    "conversations": ("conversations", "what was said, turn by turn"),
    "runs": ("runs", "what runs there were, and what each did"),
    "cost": ("cost", "what agents have cost"),
    "doctor": ("health", "what is wrong, and the command that mends it"),
    "explain": ("explain", "what an error code or a check means, and what to type"),
    "bug-report": ("bug_report", "a file with what a bug report needs: no notes, no prompts, no keys"),
    "completion": ("completion", "complete commands, agents, runs and notes in bash, zsh or fish"),
    "upgrade": ("upgrade", "bring a vault to the installed package, whole or not at all"),
    "migrate": ("upkeep", "bring a vault to a newer schema version, or back"),
    "snapshots": ("snapshots", "what a migration can be undone with"),
    "config": ("config", "every setting in force and its line; the schema of a settings file"),
    "secrets": ("secrets", "the keys of providers: where they are, keep one, take one away"),
    "models": ("models", "the models that can be asked here"),
    "tools": ("tools", "what an agent can call, its own tools, and what they wrote"),
    "skills": ("skills", "instructions for particular work"),
    "mcp": ("mcp", "the MCP servers of an agent"),
    "approvals": ("approvals", "what agents wait for, and your answers"),
    "grants": ("grants", "standing permissions, and what is used of them"),
    "policy": ("policy", "the rules in force, each with its line"),
    "permissions": ("policy", "what an agent may do, who allowed it, what it used"),
    "memory": ("memory", "an agent's notes"),
    "wiki": ("wiki", "pages with their sources: ingest, distill, verify"),
    "journal": ("journal", "what happened, day by day: show, add, search"),
    "schedule": ("schedule", "what agents are woken for, and when; what drives it"),
    "worker": ("worker", "stays, and drives what is due: schedules, answers, alerts"),
    "dream": ("dream", "what is wrong between notes, as a patch that you review"),
    "deploy": ("deploy", "have systemd, launchd or a container keep a worker or the server running"),
    "serve": ("serve", "agents over HTTP, and as models for clients of the OpenAI API"),
    "dashboard": ("dashboard", "what needs you, runs, cost and memory in a browser, live or as files"),
    "mcp-server": ("mcp_server", "agents as tools, and what they know, for programs that speak MCP"),
}
_WIDTH = 100
_COMPLETE = "_ATOMIC_AGENTS_COMPLETE"


class _Commands(click.Group):
    """Commands by name, each imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but with the command that was probably meant."""
        if args and args[0] not in COMMANDS and (meant := near(args[0], COMMANDS)):
            raise UsageError(f"no such command {args[0]!r}", hint=shlex.join(["atomic-agents", *meant, *args[1:]]))
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        found = COMMANDS.get(cmd_name)
        if found is None:
            return None
        command = getattr(import_module(f"atomic_agents.cli.{found[0]}"), f"{cmd_name.replace('-', '_')}_command")
        if isinstance(command, click.Command) and _COMPLETE in os.environ:
            from atomic_agents.cli.completion import teach  # noqa: PLC0415 - only a shell that completes asks so

            teach(command, cmd_name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])


def _say_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        import platform  # noqa: PLC0415 - 3 ms that only this needs

        system = f"Python {platform.python_version()}, {platform.system()} {platform.release()} {platform.machine()}"
        click.echo(f"atomic-agents {__version__}\n{system}, schema v{CURRENT_SCHEMA_VERSION}")
        ctx.exit()


@click.command(cls=_Commands, invoke_without_command=True)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_say_version, help="Say it and go."
)
@root_option
@debug_option
@click.pass_context
def cli(ctx: click.Context, root: str | None) -> None:  # noqa: ARG001 - read by the command's workspace
    """Agents that live in a folder you own, and survive every upgrade."""
    show_help(ctx)


def main(arguments: list[str] | None = None, command: click.Command = cli, name: str = "atomic-agents") -> None:
    """Run a command line and leave with its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # A command's modules and documents stay until it ends; looking through them for garbage again and again costs a
    # seventh of a short command.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    signal.signal(signal.SIGTERM, _stop)
    if _COMPLETE in os.environ:
        from atomic_agents.cli.completion import complete  # noqa: PLC0415 - as above

        sys.exit(complete(command))
    sys.exit(_run(arguments, command, name))


def _stop(_signal: int, _frame: FrameType | None) -> None:
    """A polite kill ends a run as Ctrl-C does: with its log line."""
    raise KeyboardInterrupt


def _run(arguments: list[str], command: click.Command, name: str) -> int:
    try:
        context = command.make_context(
            name, list(arguments), help_option_names=["-h", "--help"], max_content_width=_WIDTH
        )
        with context:
            code = command.invoke(context)
    except click.exceptions.Exit as error:
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:
        if "--debug" in arguments and not isinstance(error, click.ClickException):
            raise
        ours = _as_ours(error, f"{name} {shlex.join(arguments)}")
        ours.message, ours.hint = without_password(ours.message), without_password(ours.hint)
        render.report(ours, as_json="--json" in arguments)
        return ours.exit_status
    return code if isinstance(code, int) else 0


def _as_ours(error: BaseException, line: str) -> AtomicAgentsError:
    """Any error as one that has a code, a hint and an exit status."""
    match error:
        case AtomicAgentsError():
            return error
        case click.ClickException():
            context = error.ctx if isinstance(error, click.UsageError) else None
            hint = f"{context.command_path if context else line.split(maxsplit=1)[0]} --help"
            message = error.format_message().rstrip(".")
            return UsageError(message[:1].lower() + message[1:], hint=hint)
        case click.Abort() | KeyboardInterrupt():
            return RunInterrupted("stopped by you")
        case OSError():
            return StorageFailed(f"{error.filename or 'the system'}: {error.strerror or error}")
    hint = f"{line} --debug, and report what it prints"
    return InternalError(f"a bug: {type(error).__name__}: {error}", hint=hint)


if __name__ == "__main__":
    main()
