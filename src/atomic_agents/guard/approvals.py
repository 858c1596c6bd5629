"""A request to the operator as a document in the published shape, and the answer read back out of it. Pure.

The document asks; what would be done stands in the transcript of the run that waits. So of a document only the answer
counts, and one whose proposal is not what the run asked for is refused.
"""

import datetime
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from atomic_agents.core import frontmatter
from atomic_agents.core.block import FrontMatterError
from atomic_agents.core.document import Document, render
from atomic_agents.core.values import near
from atomic_agents.guard import questions
from atomic_agents.guard.questions import quiet
from atomic_agents.guard.wanted import binding as binding_of
from atomic_agents.vault.markdown import Fence, fences, heading_of, sections

Decision = Literal["pending", "approved", "denied", "revised", "answered", "settled", "unclear"]

_VERSION = 1
_LONGEST = 300
_WORDS: Mapping[str, Decision] = {
    "pending": "pending", "approved": "approved", "approve": "approved", "yes": "approved",
    "denied": "denied", "deny": "denied", "no": "denied", "redacted": "denied", "revised": "revised",
    "revise": "revised", "true": "approved", "false": "denied",
}  # fmt: skip
"""What `state` or a heading may say; YAML reads yes and no as true and false."""

_HEADING = re.compile(
    r"(approved?|den(?:y|ied)|redacted|revised?|auto-decided)\b(?:[ \t]+by[ \t]+(?P<who>.+))?", re.IGNORECASE
)
_PENDING = re.compile(rb"^state:[ \t]*['\"]?pending\b", re.MULTILINE | re.IGNORECASE)
_NOTE = re.compile(r"^[ \t]*(?:[-*][ \t]+)?note:[ \t]*(?P<note>.+)$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Approval:
    """One call that waits for the operator. `binding` is the hash of the tool and the exact arguments.

    `at` is the place of the call among those of its answer, `said` what the model said when it asked, `why` and `where`
    the rule that asks. `expires` None is never.
    """

    id: str
    agent: str
    run_id: str
    at: int
    call_id: str
    tool: str
    kind: str
    arguments: Mapping[str, object]
    fingerprint: str
    binding: str
    why: str
    where: str
    said: str
    asked: datetime.datetime
    expires: datetime.datetime | None = None

    def expired(self, now: datetime.datetime) -> bool:
        """Whether an answer comes too late."""
        return self.expires is not None and now >= self.expires


@dataclass(frozen=True, slots=True)
class Reply:
    """What the operator has answered. `binding` is that of the proposal as the document has it.

    `note` is what the agent is told, of a question its answer. `arguments` are those of a revision; `problem` says what
    of an answer cannot be understood, `line` where.
    """

    decision: Decision
    by: str = ""
    note: str = ""
    binding: str = ""
    arguments: Mapping[str, object] | None = None
    problem: str = ""
    line: int = 0


def document(request: Approval) -> bytes:
    """A request as its document."""
    meta = {
        "type": "escalation",
        "state": "pending",
        "proposal_id": request.id,
        "parent_run_id": request.run_id,
        "agent": request.agent,
        "action_class": request.kind,
        "tool": request.tool,
        "judge_id": "framework",
        "escalated_at": request.asked.isoformat(timespec="seconds"),
        "expires_at": request.expires.isoformat(timespec="seconds") if request.expires else None,
        "policy_version": request.where,
        "schema_version": _VERSION,
    }
    proposal = {
        "proposal_id": request.id, "tool_name": request.tool, "tool_arguments": request.arguments,
        "tool_call_id": request.call_id, "tool_definition_hash": request.fingerprint, "binding": request.binding,
        "classification": request.kind, "actor_agent": request.agent, "actor_run_id": request.run_id,
    }  # fmt: skip
    text = json.dumps(proposal, ensure_ascii=False, indent=2)
    meta = {key: value for key, value in meta.items() if value is not None}
    if request.kind == questions.KIND:
        fenced = _fenced("yaml", text)
        return render(meta, questions.body(request.agent, request.id, request.arguments, fenced, request.said))
    said = "".join(f"> {line}\n" for line in quiet(request.said).strip().splitlines())
    body = f"""# {request.agent} asks: {request.tool}

To answer, change `state: pending` above into `state: approved` or `state: denied`. To have it done otherwise, write
`state: revised` and, at the end, the arguments that you want. Or type
`atomic-agents approvals approve {request.id}`.

## Proposal

{_fenced("yaml", text)}

## Judge's reason for escalating

{" ".join(quiet(request.why).split())} ({request.where})

{f"What {request.agent} said with it, which nobody has checked:{chr(10) * 2}{said}" if said else ""}
## Resolution

<!-- For `state: revised`, below this line:

```yaml
amendment:
  tool_arguments: {{}}
```
-->
"""
    return render(meta, body)


def reply(found: Document) -> Reply:
    """What the operator has answered, by `state`, by a heading `### Approved by …` below Resolution, or by both."""
    blocks = [block for block in fences(found.body, found.body_line) if block.closed]
    binding = _binding(blocks)
    state = str(found.meta.get("state")).strip().lower()
    line = found.line_of("state")
    if is_question(found):
        return _answer(found, state, binding, line)
    headed, who, words = _headed(found)
    stated = (headed or "settled") if state == "resolved" else _WORDS.get(state)
    if stated is None:
        meant = near(state, _WORDS)
        problem = (
            f"state is {state!r}{f'; did you mean {meant[0]}' if meant else '; write approved, denied or revised'}"
        )
        return Reply("unclear", binding=binding, problem=problem, line=line)
    if headed and stated not in ("pending", headed):
        return Reply("unclear", binding=binding, problem=f"state is {state} and a heading says {headed}", line=line)
    decision = headed if headed and stated == "pending" else stated
    who = who or str(found.meta.get("resolved_by") or "")
    words = words or str(found.meta.get("note") or "")
    if decision != "revised":
        return Reply(decision, who, words, binding)
    arguments = _amended(blocks)
    if arguments is None:
        return Reply("unclear", who, words, binding, problem="state is revised and no arguments are stated", line=line)
    return Reply("revised", who, words, binding, arguments)


def is_question(found: Document) -> bool:
    """Whether a document asks for words rather than for leave."""
    return found.meta.get("action_class") == questions.KIND


def proposed(found: Document) -> Mapping[str, object]:
    """The arguments that the document says the tool would be called with."""
    proposal = _proposal([block for block in fences(found.body, found.body_line) if block.closed])
    arguments = proposal.get("tool_arguments")
    return arguments if isinstance(arguments, dict) else {}


def tool(found: Document) -> str:
    """The tool that would be called; the published format names it in the proposal alone."""
    stated = found.meta.get("tool")
    proposal = {} if stated else _proposal([block for block in fences(found.body, found.body_line) if block.closed])
    return str(stated or proposal.get("tool_name") or "")


def fingerprint(found: Document) -> str:
    """The hash of the tool that was asked for, as the document has it."""
    proposal = _proposal([block for block in fences(found.body, found.body_line) if block.closed])
    return str(proposal.get("tool_definition_hash", ""))


def reason(found: Document) -> str:
    """Why the operator is asked, as the document says it."""
    title = "judge's reason for escalating"
    section = next((each for each in sections(found.body) if each.title.lower() == title), None)
    return next((line.text.strip() for line in section.lines if line.text.strip()), "") if section else ""


def answered(
    found: Document, decision: Decision, *, by: str, note: str, at: datetime.datetime,
    arguments: Mapping[str, object] | None = None,
) -> bytes:  # fmt: skip
    """The document with an answer in it; of a question `note` is the answer."""
    if is_question(found):
        meta = {"state": decision, "resolved_by": by, "resolved_at": at.isoformat(timespec="seconds")}
        return found.with_body(f"{found.body.rstrip()}\n\n{note.strip()}\n").edit(meta).data
    done = _with_resolution(found, decision, by=by, note=note, at=at, arguments=arguments)
    return done.edit({"state": decision}).data


def denied_as_published(found: Document, *, by: str, note: str, at: datetime.datetime) -> bytes:
    """The request of another program with a refusal that the published format's reader takes: block and `resolved`."""
    return _with_resolution(found, "denied", by=by, note=note, at=at).edit({"state": "resolved"}).data


def is_pending(data: bytes) -> bool:
    """Whether the bytes of a document may be those of a request that waits; its front matter is not parsed for that."""
    return _PENDING.search(data) is not None


def _with_resolution(
    found: Document, decision: Decision, *, by: str, note: str, at: datetime.datetime,
    arguments: Mapping[str, object] | None = None,
) -> Document:  # fmt: skip
    """The document with an answer below its last line."""
    amendment = ""
    if arguments is not None:
        text = json.dumps(
            {"amendment": {"judge_note": note, "tool_arguments": arguments}}, ensure_ascii=False, indent=2
        )
        amendment = f"\n{_fenced('yaml', text)}\n"
    line = f"note: {' '.join(note.split())}\n" if note else ""
    who = " ".join(by.split())
    told = (
        f"\n### {decision.capitalize()} by {who}\n\nresolved_at: {at.isoformat(timespec='seconds')}\n{line}{amendment}"
    )
    return found.with_body(f"{found.body.rstrip()}\n{told}")


def settled(found: Document, outcome: str, at: datetime.datetime) -> bytes:
    """The document once the run has met the answer: `resolved`, and what became of it."""
    words = " ".join(quiet(outcome).split())
    words = words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"
    text = f"{found.body.rstrip()}\n\n{questions.MET}\n\n{at.isoformat(timespec='seconds')}: {words}\n"
    return found.with_body(text).edit({"state": "resolved"}).data


def _answer(found: Document, state: str, binding: str, line: int) -> Reply:
    """What the operator has answered to a question: what stands below `## Answer`, unless `state` says no."""
    who, text = str(found.meta.get("resolved_by") or ""), questions.answer_in(found.body)
    decision = questions.STATES.get(state)
    if decision is None or (decision == "answered" and not text):
        problem = "state is answered and nothing stands below ## Answer" if decision else f"state is {state!r}"
        return Reply("unclear", who, text, binding, problem=f"{problem}; write the answer there", line=line)
    if decision == "denied":
        return Reply("denied", who, text, binding)
    return Reply("answered" if text else "settled" if decision == "settled" else "pending", who, text, binding)


def _headed(found: Document) -> tuple[Decision | None, str, str]:
    """What a heading below Resolution decides, by whom and with which note; nothing above it can be one."""
    resolution = next((each for each in sections(found.body) if each.title.lower() == "resolution"), None)
    for at, line in enumerate(resolution.lines if resolution else ()):
        heading = heading_of(line)
        matched = _HEADING.match(heading[1]) if heading else None
        if resolution and matched:
            note = _NOTE.search("\n".join(each.text for each in resolution.lines[at:]))
            who = (matched["who"] or "").strip()
            return _WORDS.get(matched[1].lower(), "settled"), who, note["note"].strip() if note else ""
    return None, "", ""


def _proposal(blocks: Sequence[Fence]) -> Mapping[str, object]:
    """What the document says would be done, empty where it does not say."""
    for block in blocks:
        try:
            value = json.loads(block.text)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and isinstance(value.get("tool_name"), str):
            return value
    return {}


def _binding(blocks: Sequence[Fence]) -> str:
    """The hash of what the document says would be done; "" where it does not say."""
    found = _proposal(blocks)
    arguments = found.get("tool_arguments")
    if not found or not isinstance(arguments, dict):
        return ""
    return binding_of(str(found["tool_name"]), str(found.get("tool_definition_hash", "")), arguments)


def _amended(blocks: Sequence[Fence]) -> Mapping[str, object] | None:
    for block in reversed(blocks):
        try:
            values = frontmatter.read(block.text).values
        except FrontMatterError:
            continue
        amendment = values.get("amendment", values)
        arguments = (
            amendment.get("tool_arguments") if isinstance(amendment, dict) and "tool_name" not in values else None
        )
        if isinstance(arguments, dict):
            return arguments
    return None


def _fenced(tag: str, text: str) -> str:
    """A block whose fence is longer than any in the text, so that no argument ends it."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    ticks = "`" * (longest + 1)
    return f"{ticks}{tag}\n{text}\n{ticks}"
