"""A question of an agent to its operator, as the body of a request's document, and the answer read back out of it."""

from collections.abc import Mapping

from atomic_agents.vault.markdown import sections

TOOL = "ask_operator"
KIND = "question"
"""What stands in a request in place of a tool's class: nothing is allowed by it, something is said."""

STATES = {
    "pending": "pending", "answered": "answered", "answer": "answered", "approved": "answered", "resolved": "settled",
    "denied": "denied", "deny": "denied", "no": "denied", "false": "denied",
}  # fmt: skip
"""What `state` may say of a question."""

ANSWERS = "the operator answers: "
"""What the agent hears before the answer."""

MET = "### What became of it"
_TITLE = "answer"


def choices(arguments: Mapping[str, object]) -> list[str]:
    """What the agent offers as answers."""
    found = arguments.get("choices")
    return [str(each) for each in found] if isinstance(found, list) else []


def chosen(arguments: Mapping[str, object], text: str) -> str:
    """An answer in words: the number of a choice stands for that choice, unless it is one itself."""
    offered = choices(arguments)
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
    return offered[number - 1] if text not in offered and 0 < number <= len(offered) else text


def lines(arguments: Mapping[str, object]) -> list[str]:
    """The question and its numbered choices, as lines of text."""
    offered = [f"{number}. {' '.join(each.split())}" for number, each in enumerate(choices(arguments), 1)]
    return [*str(arguments.get("question", "")).strip().splitlines(), *offered]


def body(agent: str, request_id: str, arguments: Mapping[str, object], proposal: str, said: str) -> str:
    """The body of its document; `proposal` is the call as a fenced block, `said` what the model said when it asked."""
    asked = "".join(f"> {line}\n" for line in map(quiet, lines(arguments)))
    with_it = "".join(f"> {line}\n" for line in quiet(said).strip().splitlines())
    return f"""# {agent} asks you

{asked}
Write your answer at the end, below `## Answer`: in words, or as the number of a choice. To leave it unanswered, change
`state: pending` above into `state: denied`. Or type `atomic-agents approvals answer {request_id} 'your answer'`.

{f"What {agent} said with it:{chr(10) * 2}{with_it}{chr(10)}" if with_it else ""}## Proposal

{proposal}

## Answer
"""


def answer_in(text: str) -> str:
    """What the operator has written below `## Answer` in the body of a document, "" where that is nothing."""
    found = next((each for each in sections(text) if each.title.lower() == _TITLE), None)
    below = "".join(text.splitlines(keepends=True)[found.line :]) if found else ""
    return below.partition(f"{MET}\n")[0].strip()


def quiet(text: str) -> str:
    """Somebody else's words, without a way to hide or to begin anything in the document."""
    return text.replace("<", "&lt;")
