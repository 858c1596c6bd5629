"""The settings files of the published v1 format, read into the keys that v2 gives them.

v1 states settings in sections of prose. What its readers pass over in silence is a problem here: a block that does not
parse, a model id that cannot be told, a class that is misspelt.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from atomic_agents.core import frontmatter
from atomic_agents.core.block import FrontMatterError
from atomic_agents.vault.markdown import Fence, Section, fences, open_end, sections


@dataclass(slots=True)
class Stated:
    """What a body states: v2 values by key, the file line of each, and problems as (line, message, hint)."""

    values: dict[str, object] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[tuple[int, str, str]] = field(default_factory=list)

    def set(self, key: str, value: object, line: int) -> None:
        """State `key`; a later statement wins, as in the published readers."""
        self.values[key] = value
        self.lines[key] = line

    def line_of(self, *at: str) -> int:
        """The file line of the value at a path of keys, or of the innermost key above it that has one."""
        return next((line for end in range(len(at), 0, -1) if (line := self.lines.get(".".join(at[:end])))), 0)


def read(name: str, body: str, first_line: int = 1) -> Stated:
    """Read the body of settings file `name`; `first_line` is the file line it starts on."""
    stated = Stated()
    _READERS[name](stated, sections(body, first_line), fences(body, first_line))
    unfinished = open_end(body, first_line)
    if unfinished:
        line, what = unfinished
        closing = "-->" if what == "HTML comment" else "```"
        message = f"the {what} that opens here does not end, so nothing below it is read"
        stated.problems.append((line, message, f"write {closing} where it ends"))
    return stated


_MODEL_ID = re.compile(r"(?:[-*][ \t]+)?[*`_]{0,4}([A-Za-z0-9][\w.:/@+-]*)[*`_]{0,4}[ \t]*(?:[(,;—–].*|--.*)?$")
_FALLBACK = re.compile(r"fallback(?:[ \t]+model)?[ \t]*(?:[(—–:-].*)?$", re.IGNORECASE)
_ODD_NUMBER = re.compile(r"0[0-9]\w*|[0-9]+(?:[xXoObBeE][+-]?[0-9a-fA-F]|:[0-9])\w*|[0-9]*[^\W_a-zA-Z0-9]\w*")
"""What other languages read as a number, and nobody means who counts tokens: 010, 0x10, 1e3, 1:30, other digits."""
_NUMBER = re.compile(r"\d[\d,_]*(?:\.\d+)?(?:[kKmM]\b|(?:[ \u00a0\u202f]\d{3}\b)+)?")


def _read_model(stated: Stated, found: list[Section], blocks: list[Fence]) -> None:
    for section in found:
        title = section.title.lower()
        if title.startswith("default model"):
            _model_id(stated, "model", section)
        elif _FALLBACK.fullmatch(title):
            _model_id(stated, "fallback_model", section)
        elif title == "dedup body hash":
            stated.set("dedup_body_hash", True, section.line)
        elif title == "conversation backend":
            _model_id(stated, "conversation_backend", section)
        for line in section.prose():
            _model_line(stated, line.number, line.text)
    for block in blocks:
        _guardrails(stated, block)


def _model_id(stated: Stated, key: str, section: Section) -> None:
    for line in section.prose():
        text = line.text.strip()
        found = _MODEL_ID.match(text)
        if found and (key == "conversation_backend" or (re.search(r"[\d/:-]", found[1]) or text == f"`{found[1]}`")):
            stated.set(key, found[1], line.number)
            return
        if not text.startswith("("):
            break
    if key == "model":
        message = "no model id stands below the heading for the default model"
        stated.problems.append((section.line, message, "write the id alone on the line below it, such as gpt-5-mini"))


def _model_line(stated: Stated, number: int, text: str) -> None:
    if re.match(r"[ \t]*cost_guardrails[ \t]*:", text):
        message = "cost_guardrails stands outside a ```yaml block, so it would be ignored"
        stated.problems.append((number, message, "write ```yaml above it and ``` below it"))
    provider = re.match(r"[ \t]*provider:[ \t]*([\w-]+)[ \t]*$", text)
    if provider:
        stated.set("provider", provider[1], number)
    for key, pattern in (("max_input_tokens", r"max (?:system prompt|input)"), ("max_output_tokens", r"max output")):
        found = re.search(pattern, text, re.IGNORECASE)
        if not found or key in stated.values:
            continue
        amount = _NUMBER.search(text, found.end())
        if amount is None:
            continue
        digits = amount[0].replace(",", "").replace("_", "")
        odd = _ODD_NUMBER.match(text, amount.start())
        if odd:
            message = f"{key} is {odd[0]!r}; a whole number of tokens is needed"
            stated.problems.append((number, message, _WHOLE))
        elif digits.isdigit():
            stated.set(key, int(digits), number)
        else:
            stated.problems.append(
                (number, f"{key} is {amount[0]!r}; a whole number of tokens is needed", _meant(digits))
            )


def _meant(digits: str) -> str:
    scale = {"k": 1000, "m": 1_000_000}.get(digits[-1].lower(), 0)
    grouped = re.sub(r"\s", "", digits)
    return f"write {float(digits[:-1]) * scale:.0f}" if scale else f"write {grouped}" if grouped.isdigit() else _WHOLE


_WHOLE = "write a whole number"


def _guardrails(stated: Stated, block: Fence) -> None:
    if "cost_guardrails" not in block.text or not block.closed:
        return
    if block.tag not in ("yaml", "yml"):
        marked = block.tag or "none"
        message = f"the block that holds cost_guardrails is marked {marked}, not yaml, so it would be ignored"
        stated.problems.append((block.line - 1, message, "write ```yaml above it"))
        return
    values = _yaml(stated, block, "the cost_guardrails block does not parse, so there would be no caps")
    if "cost_guardrails" not in values:
        return
    caps, line = values["cost_guardrails"]
    if isinstance(caps, dict):
        # 0 is how v1 writes "no cap"; in v2 it would freeze the agent.
        caps = {key: value for key, value in caps.items() if not (str(key).endswith("_cap_usd") and _is_zero(value))}
        for key in caps:
            stated.lines[f"cost_guardrails.{key}"] = _line_in(block, "cost_guardrails", str(key))
    stated.set("cost_guardrails", caps, line)


def _is_zero(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == 0


def _yaml(stated: Stated, block: Fence, complaint: str) -> dict[str, tuple[object, int]]:
    """The values of a block and the file line of each; nothing, and a problem, where it does not parse."""
    try:
        found = frontmatter.read(block.text)
    except FrontMatterError as error:
        message = f"{complaint}: {str(error).removeprefix('front matter is not YAML: ')}"
        line = block.line + min(error.line, block.text.count("\n") or 1) - 1  # what the end lacks, the last line lacks
        stated.problems.append((line, message, "correct the indentation of this line"))
        return {}
    return {key: (value, _line_in(block, key)) for key, value in found.values.items()}


def _line_in(block: Fence, *keys: str) -> int:
    return block.line + max(frontmatter.line_of(block.text, *keys) - 1, 0)


_PATH_END = re.compile(r"[ \t](?:—|–|--|\(|,|#)|,[ \t]")


def _read_tools(stated: Stated, found: list[Section], _blocks: list[Fence]) -> None:
    for section in found:
        title = section.title.lower()
        if title.startswith(("read path", "write path", "read-only path", "read only path")):
            key = "write_paths" if title.startswith("write") else "read_paths"
            key = "read_only_paths" if title.startswith(("read-only", "read only")) else key
            paths = [_PATH_END.split(text.replace("`", ""), maxsplit=1)[0].strip() for _, text in section.bullets()]
            _extend(stated, key, paths, section.line)
        elif title.startswith(("external api", "hard no")):
            key = "hard_nos" if title.startswith("hard") else "external_apis"
            _extend(stated, key, [text for _, text in section.bullets()], section.line)
        elif title.startswith("tool classification"):
            former = stated.values.get("tool_classes")
            classes: dict[str, object] = dict(former) if isinstance(former, dict) else {}
            for line, text in section.bullets():
                tool, colon, rest = text.replace("`", "").partition(":")
                if not colon:
                    stated.problems.append((line, f"{text!r} names no class", "write `- tool_name: read_only`"))
                    continue
                classes[tool.strip()] = _PATH_END.split(rest.strip(), maxsplit=1)[0].strip().lower()
                stated.lines[f"tool_classes.{tool.strip()}"] = line
            stated.set("tool_classes", classes, section.line)


def _extend(stated: Stated, key: str, items: list[str], line: int) -> None:
    former = stated.values.get(key)
    stated.set(key, [*(former if isinstance(former, list) else []), *items], stated.lines.get(key, line))


def _read_roster(stated: Stated, found: list[Section], _blocks: list[Fence]) -> None:
    for section in found:
        if section.title.lower().startswith("delegate to"):
            names = [
                re.split(r"[ \t(,—–]", text.replace("`", ""), maxsplit=1)[0].strip("*") for _, text in section.bullets()
            ]
            _extend(stated, "delegate_to", list(dict.fromkeys(names)), section.line)


def _read_mcp(stated: Stated, found: list[Section], _blocks: list[Fence]) -> None:
    servers: dict[str, object] = {}
    for section in found:
        if section.level == 2 and section.title.lower() == "allowed commands":
            names = [line.text.strip().lstrip("-* ").strip("`") for line in section.prose()]
            stated.set("allowed_commands", names, section.line)
        elif section.level == 2:
            server = _mcp_server(section)
            if "command" in server:
                servers[section.title] = server
                stated.lines[f"servers.{section.title}"] = section.line
            elif server.keys() & _MCP_KEYS:
                stated.problems.append((section.line, f"MCP server {section.title} has no command", "add `command: …`"))
    if servers:
        stated.set("servers", servers, found[0].line)


_MCP_KEYS = {"args", "env", "transport"}


def _mcp_server(section: Section) -> dict[str, object]:
    server: dict[str, object] = {}
    environment: dict[str, str] = {}
    for line in section.prose():
        key, colon, value = line.text.strip().lstrip("-* ").partition(":")
        key, value = key.strip().lower(), value.strip().strip("`")
        if not colon or " " in key:
            continue
        if key == "args":
            server["args"] = [part.strip() for part in value.split(",") if part.strip()]
        elif key == "env":
            pairs = (part.partition("=") for part in value.split(",") if part.strip())
            environment |= {name.strip(): setting.strip() for name, _, setting in pairs}
        else:
            server[key] = value
    return server | ({"env": environment} if environment else {})


_JUDGE_HEADINGS: Mapping[str, str] = {
    "default judge": "",
    "class policy": "class_policy",
    "escalation queue": "escalation",
    "failure policy": "failure_policy",
    "audit": "audit",
    "mandates": "mandates",
}


def _read_judges(stated: Stated, found: list[Section], blocks: list[Fence]) -> None:
    for section in found:
        below = _JUDGE_HEADINGS.get(section.title.lower())
        bare = _bare(section)
        if below is None or not re.search(r"^[\w-]+:", bare.text, re.MULTILINE):
            continue
        values = _yaml(stated, bare, f"the section {section.title} does not parse")
        if below:
            stated.set(below, {key: value for key, (value, _) in values.items()}, section.line)
            stated.lines |= {f"{below}.{key}": line for key, (_, line) in values.items()}
        else:
            _set_judge_keys(stated, values)
    for block in blocks:
        if block.tag in ("yaml", "yml"):
            values = _yaml(stated, block, "the block does not parse")
            _set_judge_keys(stated, values)
            for key, (value, _) in values.items():
                _below(stated, block, (key,), value)


def _set_judge_keys(stated: Stated, values: Mapping[str, tuple[object, int]]) -> None:
    for key, (value, line) in values.items():
        stated.set(_JUDGE_KEYS.get(key, key), value, line)


def _bare(section: Section) -> Fence:
    """The lines below a heading as a block, those in fences blanked."""
    text = "".join(f"{line.text}\n" if line.fence is None else "\n" for line in section.lines)
    return Fence("", section.line + 1, text)


_JUDGE_KEYS: Mapping[str, str] = {"default_backend": "backend", "default_model": "model"}


def _read_mandates(stated: Stated, found: list[Section], _blocks: list[Fence]) -> None:
    mandates: dict[str, object] = {}
    for section in found:
        if section.level != 2:
            continue
        text = "".join("\n" if _FENCE_LINE.match(line.text) else f"{line.text}\n" for line in section.lines)
        block = Fence("", section.line + 1, text)
        values = _yaml(stated, block, f"the grant {section.title} does not parse")
        grant = {key: value for key, (value, _) in values.items()}
        if section.title == "_meta" and grant:
            stated.set("meta", grant, section.line)
        elif grant:
            mandates[section.title] = grant
            stated.set("mandates", mandates, stated.lines.get("mandates", section.line))
            stated.lines |= {f"mandates.{section.title}.{key}": line for key, (_, line) in values.items()}
            stated.lines[f"mandates.{section.title}"] = section.line


_FENCE_LINE = re.compile(r"[ \t]*(?:```|~~~)")
_SERVE_FLAGS = ("allow_no_auth", "identity_is_perimeter_verified")
_SERVE_NUMBERS = ("bind_port", "max_body_bytes")
_SERVE_TEXTS = ("identity_header", "bind_host", "idempotency_header")


def _read_serve(stated: Stated, found: list[Section], _blocks: list[Fence]) -> None:
    for section in found:
        key = re.sub(r"[ \t-]+", "_", section.title.strip().lower())
        if key in _SERVE_FLAGS:
            stated.set(key, True, section.line)
        elif key in _SERVE_NUMBERS or key in _SERVE_TEXTS:
            value = next((line for line in section.prose()), None)
            if value is None:
                stated.problems.append((section.line, f"{section.title} is empty", "write its value below the heading"))
                continue
            text = value.text.strip().strip("`*").strip()
            number = key in _SERVE_NUMBERS and re.fullmatch(r"0|[1-9][0-9]*", text)
            stated.set(key, int(text) if number else text, value.number)


def _read_policy(stated: Stated, found: list[Section], blocks: list[Fence]) -> None:
    block = next((block for block in blocks if block.tag in ("yaml", "yml")), None)
    if block is None:
        texts = {line.number: line.text for section in found for line in section.lines}
        first = found[0].line
        text = "".join(texts.get(number, "") + "\n" for number in range(first, max(texts, default=first) + 1))
        if not re.search(r"^\w+:", text, re.MULTILINE):
            return
        block = Fence("yaml", first, text)
    for key, (value, line) in _yaml(stated, block, "the policy does not parse, so it would not hold").items():
        stated.set(key, value, line)
        _below(stated, block, (key,), value)


def _below(stated: Stated, block: Fence, at: tuple[str, ...], value: object) -> None:
    """The lines of the keys below one."""
    for key, inner in value.items() if isinstance(value, dict) else ():
        stated.lines[".".join((*at, str(key)))] = _line_in(block, *at, str(key))
        _below(stated, block, (*at, str(key)), inner)


_READERS: Mapping[str, Callable[[Stated, list[Section], list[Fence]], None]] = {
    "model.md": _read_model,
    "tools.md": _read_tools,
    "tools.override.md": _read_tools,
    "roster.md": _read_roster,
    "mcp.md": _read_mcp,
    "judges.md": _read_judges,
    "mandates.md": _read_mandates,
    "serve.md": _read_serve,
    "policy.md": _read_policy,
}
