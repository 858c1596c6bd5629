import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the calls are Linux's")

DRIVER = Path(__file__).with_name("fault_driver.py")
KINDS = ("kill before", "kill middle", "eio once", "eio always", "full once", "full always")


@pytest.mark.parametrize("verb", ["migrate", "rollback"])
@pytest.mark.parametrize("what", ["short", *(pytest.param(kind, marks=pytest.mark.soak) for kind in KINDS)])
def test_a_fault_at_any_call_leaves_the_vault_all_old_or_all_new(tmp_path: Path, verb: str, what: str) -> None:
    """300 documents. The next command, whatever it is, finds one or the other; history, reports and snapshots agree."""
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(tmp_path), verb, what],
        env={**os.environ, "HOME": str(tmp_path), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    sys.stdout.write(f"{verb} {what}: {found}\n")
    assert found["wrong"] == []
    assert found["calls"] > 900
    assert {said.split()[1] for said in found["found"]} == {"old", "new"}
