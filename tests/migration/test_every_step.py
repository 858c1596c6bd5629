import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL and no fork")

DRIVER = Path(__file__).with_name("fault_driver.py")
KINDS = ("before", "middle", "after", "once", "always")


@pytest.mark.parametrize("verb", ["migrate", "rollback"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("every", [90, pytest.param(1, marks=pytest.mark.soak)])
def test_a_fault_at_any_step_leaves_the_vault_whole(tmp_path: Path, verb: str, kind: str, every: int) -> None:
    """300 documents; afterwards all are old or all are new, and history, report and snapshots agree with that."""
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(tmp_path), verb, kind, str(every)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    sys.stdout.write(f"{verb} {kind}: {found}\n")
    assert found["wrong"] == []
    assert found["steps"] > 290
    assert found["found"]["old"] > 0
    assert found["found"]["new"] > 0
