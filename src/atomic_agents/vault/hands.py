"""Where tools, skills, MCP servers and approvals stand: with `layout`, the only file that spells a path."""

from atomic_agents.vault import layout

AGENTS_FILE = "AGENTS.md"
PINS_FILE = "mcp.pins.json"
SKILL_FILE = "SKILL.md"
APPROVALS_FOLDER = "escalations"
WAITING = "_waiting/"


def tools(agent: str) -> str:
    """The folder of an agent's own tools, with its slash."""
    return f"{agent}/tools/"


def skills(home: str) -> str:
    """The folder of skills of an agent, a role or, for "", of the vault; with its slash."""
    return f"{home}/skills/".lstrip("/")


def agents_file(home: str) -> str:
    """What the operator tells every agent there: an agent, those of a role or, for "", of the vault."""
    return f"{home}/{AGENTS_FILE}".lstrip("/")


def mcp_pins(agent: str) -> str:
    """What the operator has accepted of an agent's MCP servers."""
    return f"{agent}/{PINS_FILE}"


def mcp_log(agent: str, server: str) -> str:
    """What an MCP server printed in its last session besides messages; `server` is a name that a file can have."""
    return f"{layout.DERIVED}/mcp/{agent}/{server}.log"


def run_changes(agent: str, run_id: str) -> str:
    """What the paths of a run's changes begin with."""
    return f"{agent}/runs/changes/{run_id}-"


def run_change(agent: str, run_id: str, number: int) -> str:
    """What takes back a change that a tool made in a run, by its number from 1."""
    return f"{run_changes(agent, run_id)}{number:03}.json"


def approvals(agent: str) -> str:
    """The folder of an agent's requests to the operator, with its slash."""
    return f"{agent}/vault/{APPROVALS_FOLDER}/"


def requests(agent: str, destination: str) -> str:
    """The folder that a `judges.md` states as `destination`, with its slash; the usual one for "" and for `vault`."""
    inner = destination.strip().strip("/")
    return approvals(agent) if inner in ("", "vault") else f"{agent}/{inner}/"


def approval(agent: str, kind: str, request_id: str) -> str:
    """One request to the operator, by the class of the tool and the request's id."""
    return f"{approvals(agent)}{kind}/{request_id}.md"


def waiting(request_id: str) -> str:
    """What says where a request is that nobody has answered; all agents' stand together."""
    return f"{WAITING}{request_id}.json"
