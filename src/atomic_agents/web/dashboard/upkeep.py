"""Page: the versions of the vault and of the package, what an upgrade would do, the ways back, the reports."""

from collections.abc import Mapping

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents._version import __version__
from atomic_agents.core.errors import DocumentMissing
from atomic_agents.operations import snapshots
from atomic_agents.operations import upgrade as upgrading
from atomic_agents.vault import layout
from atomic_agents.web.dashboard.look import Look

_MOST = 100
_LONGEST = 200_000


def upgrade(look: Look, query: Mapping[str, str]) -> Mapping[str, object]:
    """Where the vault stands; with `plan` what an upgrade would do, with `report` what one did."""
    found = upgrading.standing(look.workspace)
    listed, problems = snapshots.list_snapshots(look.workspace)
    folder = f"{layout.REPORTS}/"
    reports = [entry.path.removeprefix(folder) for entry in look.survey.entries if entry.path.startswith(folder)]
    report = query.get("report", "")
    if report and report not in reports:
        raise DocumentMissing(f"there is no report {report}")
    prospect = None
    if query.get("plan"):
        prospect = upgrading.prospect(look.workspace, found, skip_unreadable=True, may_lock=False)
    return {
        "package": __version__,
        "schema": CURRENT_SCHEMA_VERSION,
        "standing": found,
        "news": upgrading.news(found).sections,
        "prospect": prospect,
        "snapshots": listed[:_MOST],
        "problems": (*problems, *found.census.unreadable)[:_MOST],
        "reports": sorted(reports, reverse=True)[:_MOST],
        "report": report,
        "text": look.workspace.vault.text(f"{folder}{report}")[:_LONGEST] if report else "",
        "history": found.history.records[::-1][:_MOST],
    }
