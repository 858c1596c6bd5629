"""Have caldwell dream with a scripted model in place of one that costs money: `dreamer.py VAULT`."""

import json
import sys
from pathlib import Path

from atomic_agents.operations import dreaming
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.workspaces import scripted_workspace

BODY = """\
We ask for a deposit of 50 percent on every commission, paid before any timber is ordered, because timber and hardware \
come to 42 percent of the price and are paid for before the first cut. The other 50 percent is due before delivery.

**Why:** the old deposit of 30 percent left the workshop paying for the client's wood. In January a walnut desk was \
cancelled after the boards had been cut, and £610 of walnut stayed in the rack.

**What lost:** 30 percent with a signed order, which protects on paper only, and three instalments, \
which means three reminders.

**How to apply:** the quote states the deposit as a sum, not only as a percentage. The lead time starts on the day the \
deposit arrives. Decided by Nell on 9 February 2026.
"""
NEW, OLD = "user_the_deposit_is_50_percent.md", "decision_2026_deposit_policy.md"
DECISIONS = [
    {"kind": "merge", "files": [NEW, OLD], "into": OLD, "name": "Deposit policy",
     "description": "50 percent deposit on every commission, before any timber is ordered", "body": BODY,
     "reason": "The short note repeats the decision."},
    {"kind": "stale", "file": "project_2026-q2_spring_catalogue.md", "reason": "The spring of 2026 is over."},
]  # fmt: skip


def main(root: Path) -> None:
    workspace = scripted_workspace(FolderStore(root), [json.dumps({"decisions": DECISIONS})], root=root)
    dreaming.have(
        workspace, "caldwell", dreaming.Wish(journal_days=0), model_id="scripted:model", on_notice=lambda _: None,
        progress=lambda *_: None,
    )  # fmt: skip
    workspace.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
