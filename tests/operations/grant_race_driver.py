"""Send letters under a grant, together with other processes: `grant_race_driver.py FOLDER AGENT RUNS`."""

import sys
from pathlib import Path

from inbox_house import House, calling, letter  # type: ignore[import-not-found]  # beside this script

from atomic_agents.runtime.order import Order
from atomic_agents.testing.workspaces import run

if __name__ == "__main__":
    house = House(Path(sys.argv[1]))
    for _ in range(int(sys.argv[3])):
        workspace = house.workspace([calling(letter(usd=0.3)), "done"])
        run(workspace, "write to Ada", sys.argv[2], order=Order("write to Ada"))
        workspace.close()
