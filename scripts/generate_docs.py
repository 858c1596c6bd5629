"""Write docs/reference, docs/architecture.md and man/ from the code; with --check, say which are stale."""

import argparse
import ast
import json
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib import resources
from pathlib import Path

import click

from atomic_agents import config
from atomic_agents.cli.main import cli
from atomic_agents.core.errors import AtomicAgentsError
from atomic_agents.operations import explaining, fixing, health
from atomic_agents.vault import schema, settings
from atomic_agents.vault.rules import Rule

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "atomic_agents"

EXIT_CODES: Mapping[int, str] = {
    0: "done; also where the reader of a pipe went away",
    1: "failed or refused; the message says what to type",
    2: "the command was typed wrong; from `doctor`, a bug in doctor itself",
    3: "skipped by a budget",
    4: "waiting for an approval",
    5: "busy, or somebody wrote in between; nothing was written",
    6: "the vault is newer than this package",
    7: "a provider or a credential",
    8: "the model gave no whole answer: truncated, refused, empty or exhausted; what came is printed",
    130: "interrupted",
}

SETTINGS: Mapping[str, str] = {
    "model.md": "Which model answers and what it may spend. Acted on, but for `dedup_body_hash` and "
    "`conversation_backend`, which are checked and have no effect yet.",
    "tools.md": "What an agent may read and write. The paths are enforced. The whole file is told to the model; "
    "`external_apis` and `hard_nos` are nothing more than that. `fetch_hosts` are hosts whose pages may be fetched, "
    "by name or glob. `tool_classes` are the classes of MCP tools and of tools on disk. "
    "With `accept_tool_notes: true`, what a tool said is loaded as a note without `memory accept`. A run may make "
    "`max_calls` tool calls (200 where nothing is said), one answer `max_calls_at_once` (32); more are refused.",
    "tools.override.md": "In a project's agent: added to the `tools.md` of its role.",
    "roster.md": "Whom an agent may hand work to. Checked; nothing is handed on yet.",
    "mcp.md": "MCP servers: a `command` that is started, or a `url`. Their tools are offered once they are accepted: "
    "`atomic-agents mcp check AGENT --accept`. `tools` are those that are wanted; without it all of them.",
    "judges.md": "What is done before an agent acts, and which model judges: [approvals](../guides/approvals.md). "
    "An agent's own can only be stricter than `policy.md` and its project's. A judgment that takes longer than "
    "`timeout_ms` is none. `judge_captures`, `read_audit_mode`, `specialist_composition`, `validation` and `audit` are "
    "checked and have no effect.",
    "mandates.md": "Standing permissions, of an agent, a project or, at the top of the vault, of every agent: "
    "[grants](../guides/approvals.md#grants).",
    "serve.md": "How `atomic-agents serve AGENT` [serves](../guides/serve.md) an agent over HTTP. `allow_no_auth` is "
    "not heeded: beyond this machine a token is needed.",
    "policy.md": "Limits for the whole vault, at its top. Of its `cost_caps` and an agent's own the lower one holds; "
    "its `cost_guardrails` hold for all agents together, unless they are not enabled. `alerts` says where "
    "[alerts](../guides/alerts.md) are sent. Its [rules on tools and MCP servers](../guides/approvals.md#rules) hold, "
    "and what is said for one agent can only be stricter. `model` has no effect, which is said.",
}

Page = Callable[[], Iterator[str]]


def cli_page() -> Iterator[str]:
    """Every command with its options, as click knows them."""
    yield from _head("Commands", "the commands themselves")
    commands = list(_commands(cli, "atomic-agents"))
    shared = _shared(command for _, command in commands)
    yield "`python -m atomic_agents` is the same command. `python -m atomic_agents.migrate` is `atomic-agents migrate`,"
    yield "and `python -m atomic_agents.dashboard` is `atomic-agents dashboard`."
    yield "The answer goes to standard output, everything said about it to standard error."
    yield from ("", "Every command takes these:", "", *_options(shared))
    for name, command in commands:
        usage = " ".join(part for part in command.collect_usage_pieces(click.Context(command)) if part != "[OPTIONS]")
        yield from ("", f"## {name}", "", f"`{f'{name} {usage}'.strip()} [OPTIONS]`", "", *_help(command))
        names = {option.name for option in shared}
        own = [param for param in command.params if isinstance(param, click.Option) and param.name not in names]
        if own:
            yield from ("", *_options(own))


def _commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for child in group.list_commands(context):
        command = group.get_command(context, child)
        if isinstance(command, click.Group):
            yield from _commands(command, f"{name} {child}")
        elif command is not None:
            yield f"{name} {child}", command


def _shared(commands: Iterable[click.Command]) -> list[click.Option]:
    every = [{str(p.name): p for p in command.params if isinstance(p, click.Option)} for command in commands]
    return [option for name, option in every[0].items() if all(name in options for options in every)]


def _help(command: click.Command) -> list[str]:
    return [" ".join(line.split()) for line in (command.help or "").strip().splitlines()]


def _options(options: Sequence[click.Option]) -> Iterator[str]:
    rows = []
    for option in options:
        value = "" if option.is_flag else f" {option.metavar or _value(option)}"
        default = f" Default: `{option.default}`." if option.show_default and option.default else ""
        needed = " Needed." if option.required else ""
        rows.append((f"`{', '.join(option.opts)}{value}`", f"{option.help or ''}{needed}{default}".strip()))
    yield from _table(("option", ""), rows)


def _value(option: click.Option) -> str:
    return "|".join(option.type.choices) if isinstance(option.type, click.Choice) else option.type.name.upper()


def manual_page() -> Iterator[str]:
    """Commands, exit codes and environment as a page for `man`, in the macros of groff_man(7)."""
    yield '.\\" written by scripts/generate_docs.py from the commands themselves'
    yield from (".TH ATOMIC-AGENTS 1", ".SH NAME", _roff(f"atomic-agents - {_help(cli)[0]}"))
    yield from (".SH SYNOPSIS", ".B " + _roff("atomic-agents COMMAND [OPTIONS]"), ".SH COMMANDS")
    for name, command in _commands(cli, "atomic-agents"):
        usage = " ".join(part for part in command.collect_usage_pieces(click.Context(command)) if part != "[OPTIONS]")
        yield from (".SS " + _roff(f"{name} {usage}".strip()), *(_roff(line) or ".PP" for line in _help(command)))
        for option in (param for param in command.params if isinstance(param, click.Option)):
            value = "" if option.is_flag else f" {option.metavar or _value(option)}"
            yield from (".TP", ".B " + _roff(f"{', '.join(option.opts)}{value}"), _roff(option.help or ""))
    yield ".SH EXIT STATUS"
    for code, meaning in EXIT_CODES.items():
        yield from (".TP", f".B {code}", _roff(meaning))
    yield ".SH ENVIRONMENT"
    for variable in config.VARIABLES:
        yield from (".TP", ".B " + _roff(variable.name), _roff(variable.meaning))


def _roff(text: str) -> str:
    """A line of text as it is meant: signs that roff reads as its own are escaped."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = "".join(sign if sign.isascii() else f"\\[u{ord(sign):04X}]" for sign in text)
    return f"\\&{text}" if text.startswith((".", "'")) else text


def config_page() -> Iterator[str]:
    """Every variable that is read."""
    yield from _head("Environment", "`config.VARIABLES`")
    yield "These variables are read once, when a command starts. `--root` goes before `ATOMIC_AGENTS_ROOT`."
    rows = [
        (f"`{variable.name}`", variable.meaning.replace("<", "\\<"), _code(variable.default))
        for variable in config.VARIABLES
    ]
    yield from ("", *_table(("variable", "meaning", "without it"), rows), "")
    yield "A key that is in no variable is looked for in the system's keyring, then in"
    yield "`~/.config/atomic_agents/keys.json`,"
    yield 'a JSON object such as `{"anthropic": "…"}`: [keys](../guides/secrets.md).'
    yield "Prices that the price library does not know stand in `prices.toml`, at the top of the vault."


def _code(default: str) -> str:
    return f"`{default}`" if "/" in default else default


def errors_page() -> Iterator[str]:
    """Every error with its code and exit code."""
    yield from _head("Errors", "`core/errors.py`")
    yield 'With `--json` an error is `{"error": {"code", "message", "hint", "context"}}` on standard output. The hint'
    yield "is what to type or to edit, one command or edit a line."
    yield "`atomic-agents explain CODE` prints the same."
    for error in errors():
        above = error.__mro__[1]
        kind = f", a kind of `{above.__dict__['code']}`" if above is not AtomicAgentsError else ""
        found = explaining.of_error(error)
        yield from (
            "",
            f"## {error.code}",
            "",
            f"{found.meaning} Exit code {error.exit_status}{kind}.",
            "",
            found.remedy,
        )


def errors() -> list[type[AtomicAgentsError]]:
    """Every error an operator can meet."""
    return list(explaining.errors())


def exit_codes_page() -> Iterator[str]:
    """The exit codes and the errors behind each."""
    yield from _head("Exit codes", "`core/errors.py`")
    by_status: dict[int, list[str]] = {}
    for error in errors():
        by_status.setdefault(error.exit_status, []).append(f"[{error.code}](errors.md#{error.code})")
    rows = [(str(code), meaning, ", ".join(by_status.get(code, ()))) for code, meaning in EXIT_CODES.items()]
    yield from (*_table(("code", "meaning", "errors"), rows), "", "A code that is not here is a failure.")


def settings_page() -> Iterator[str]:
    """Every setting of every file."""
    yield from _head("Settings", "`vault/settings.py`")
    yield "A settings file begins with front matter: `schema_version: 2`, then its settings. Below it stands text for"
    yield "people. A key that is not listed here, and a value of another kind, is an error with its line. The text may"
    yield "say a setting too, as version 1 did; if it says something else than the front matter, that is an error."
    yield "Sums are USD. `atomic-agents config show AGENT` prints what holds and the line that it comes from; the"
    yield "schemas, for editors, are also printed by `atomic-agents config schema FILE`."
    for name, rules in settings.RULES.items():
        link = f"[JSON Schema](schemas/{name.removesuffix('.md')}.json)"
        yield from ("", f"## {name}", "", f"{SETTINGS[name]} {link}.", "")
        yield from _table(("key", "value"), list(_keys(rules, "")))
        if name in ("model.md", "tools.md"):
            yield from ("", "What `init` writes:", "", f"```yaml {name}", *_template(name), "```")
    yield from ("", "## Without a setting", "", *_table(("model.md", ""), list(_defaults())))


def schema_page(name: str) -> Iterator[str]:
    """The JSON Schema of a settings file."""
    yield json.dumps(schema.of_file(name), indent=2)


def _keys(rules: Mapping[str, Rule], prefix: str) -> Iterator[tuple[str, str]]:
    for key, rule in rules.items():
        if rule.kind == "table" and rule.keys is not None:
            yield from _keys(rule.keys, f"{prefix}{key}.")
        elif rule.kind == "map" and rule.items is not None and rule.items.kind == "table":
            yield from _keys(rule.items.keys or {}, f"{prefix}{key}.NAME.")
        else:
            yield f"`{prefix}{key}`", _kind(rule)


def _kind(rule: Rule) -> str:
    words = {"integer": "whole number", "money": "USD", "boolean": "true or false", "any": "anything"}
    if rule.kind == "choice":
        return ", ".join(f"`{choice}`" for choice in rule.choices)
    if rule.kind == "list":
        return f"list of: {_kind(rule.items)}" if rule.items else "list"
    if rule.kind == "map":
        return f"by name: {_kind(rule.items)}" if rule.items else "by name"
    limits = [f"{rule.least:g} or more"] if rule.least is not None else []
    limits += [f"{rule.most:g} or less"] if rule.most is not None else []
    return ", ".join([words.get(rule.kind, rule.kind), *limits])


def _template(name: str) -> list[str]:
    text = (resources.files("atomic_agents") / "templates" / "advisor" / name).read_text(encoding="utf-8")
    front_matter = text.split("---\n")[1].replace("{{model}}", "embedded:quote").replace("{{name}}", "scout")
    return front_matter.rstrip().splitlines()


def _defaults() -> Iterator[tuple[str, str]]:
    model = settings.model_settings(None)
    caps = model.guardrails
    yield "`max_input_tokens`", f"{model.max_input_tokens:,}"
    yield "`max_output_tokens`", f"{model.max_output_tokens:,}"
    yield "`temperature`", "the model's own"
    yield "`cost_guardrails.enabled`", f"`{str(caps.enabled).lower()}`: nothing limits what is spent"
    yield "`cost_guardrails.daily_cap_usd`, `monthly_cap_usd`", "no cap of that kind; 0 lets nothing through"
    yield "`cost_guardrails.daily_cap_action`", f"`{caps.daily_action}`"
    yield "`cost_guardrails.monthly_cap_action`", f"`{caps.monthly_action}`"
    yield "`cost_guardrails.warning_thresholds`", f"{', '.join(map(str, caps.warning_thresholds))}, and always 1"
    yield "`cost_guardrails.alert_channel`", "every channel in the `alerts` of `policy.md`"
    yield "`cost_guardrails.unknown_price`", f"`{caps.unknown_price}`"


def checks_page() -> Iterator[str]:
    """What doctor looks at."""
    yield from _head("Checks", "`operations/health.py`")
    yield "`atomic-agents doctor` runs all of these and writes nothing; only a change that a crash interrupted is"
    yield "finished first, as by every command. A check that finds nothing has passed, and what that means is below. A"
    yield "failure makes the exit code 1; a warning does not. `atomic-agents explain CHECK` prints the same."
    yield ""
    fixes = ", ".join(f"`{name}`" for name in fixing.FIXES)
    yield f"`doctor --fix CHECK` shows what would mend a check, asks, and does only that: {fixes}. `doctor --live` also"
    yield "asks each provider for one word, under the caps. Other packages add checks with the entry point group"
    yield f"`{health.PLUGINS}`: functions that take an `Examination`, or one and an `Agent`, and yield `Finding`s."
    for title, checks in (("Of the vault", health.OF_VAULT), ("Of each agent", health.OF_AGENTS)):
        yield from ("", f"## {title}")
        for name, check in checks.items():
            found = explaining.of_check(name, check)
            yield from ("", f"### {name}", "", f"{found.meaning} {found.remedy}")


def architecture_page() -> Iterator[str]:
    """The rooms, their layers and their modules."""
    yield from _head("Architecture", "the first line of every module and the contracts in `pyproject.toml`")
    yield "The inside decides and returns changes; a store applies a change set whole or not at all and hands back its"
    yield "undo. Doors such as the command line call operations, and one module, `bootstrap`, picks the adapters."
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    yield from (
        "",
        "## Layers",
        "",
        "A room imports from rooms on the lines below its own. Rooms that share a line do not know each other.",
        "",
    )
    yield from ("```text", *layers, "```", "", "`make check` holds these rules:", "")
    yield from (f"- {contract['name'][0].lower()}{contract['name'][1:]}" for contract in contracts)
    rooms = [room.strip() for layer in layers for room in layer.split("|")]
    present = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    for room in [*rooms, *sorted(present - set(rooms) - {"__init__"})]:
        folder = PACKAGE / room
        opening = folder / "__init__.py" if folder.is_dir() else PACKAGE / f"{room}.py"
        if not opening.exists():
            continue
        yield from ("", f"## {room}", "", _module_line(opening))
        modules = sorted(path for path in folder.rglob("*.py") if path != opening) if folder.is_dir() else []
        if modules:
            rows = [(f"`{path.relative_to(folder)}`", _module_line(path)) for path in modules]
            yield from ("", *_table(("module", ""), rows))


def _module_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").partition("\n")[0]


def _head(title: str, source: str) -> tuple[str, ...]:
    return (f"# {title}", "", f"<!-- written by scripts/generate_docs.py from {source.replace('`', '')} -->", "")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (header, ["---"] * len(header), *rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |".replace("|  |", "| |")


PAGES: Mapping[str, Page] = {
    "docs/reference/cli.md": cli_page,
    "man/atomic-agents.1": manual_page,
    "docs/reference/config.md": config_page,
    "docs/reference/errors.md": errors_page,
    "docs/reference/exit-codes.md": exit_codes_page,
    "docs/reference/settings.md": settings_page,
    "docs/reference/checks.md": checks_page,
    "docs/architecture.md": architecture_page,
    **{
        f"docs/reference/schemas/{name.removesuffix('.md')}.json": partial(schema_page, name) for name in settings.RULES
    },
}


def stale() -> list[str]:
    """The pages that are not what the code says, by path."""
    return [path for path, page in PAGES.items() if not _is_current(ROOT / path, _text(page))]


def _text(page: Page) -> str:
    return "\n".join(page()) + "\n"


def _is_current(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def main() -> int:
    """Write every page, or with --check compare."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a page is stale")
    if parser.parse_args().check:
        found = stale()
        print("\n".join(f"{path} is not what the code says\n  hint: make docs" for path in found) or "docs are current")
        return 1 if found else 0
    for path, page in PAGES.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(_text(page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
