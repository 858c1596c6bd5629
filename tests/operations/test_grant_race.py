import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from inbox_house import House  # type: ignore[import-not-found]  # beside this file

from atomic_agents.core.change import ChangeSet, Put

DRIVER = Path(__file__).with_name("grant_race_driver.py")
GRANT = {"granted_by": "nell", "granted_at": "2026-01-01", "scope": "letters", "revocation_state": "active"}
OTHERS = ("bob", "ben", "bea", "bill")


@pytest.mark.parametrize(
    ("limit", "most"),
    [({"daily_count": 5}, 5), ({"cumulative_external_usd": 1, "amount_argument": "usd"}, 3)],
    ids=["five a day", "a dollar in all"],
)
def test_eight_processes_at_once_never_use_more_than_was_granted(
    tmp_path: Path, limit: dict[str, Any], most: int
) -> None:
    house = House(tmp_path)
    for name in OTHERS:
        for path in [path for path in house.store.paths("caldwell/") if "/log/" not in path]:
            blob = house.store.read(path)
            assert blob is not None
            house.store.apply(ChangeSet("", (Put(path.replace("caldwell", name, 1), blob.data),)))
    house.settings(
        "mandates.md",
        mandates={"letters": {**GRANT, "constraints": {"allowed_tools": ["send_letter"],
                                                       "allowed_targets": [{"domain": "example.org"}], **limit}}},
    )  # fmt: skip

    begun = [
        subprocess.Popen(
            [sys.executable, str(DRIVER), str(tmp_path), name, "2"], env=dict(os.environ), stderr=subprocess.PIPE
        )
        for name in ("caldwell", "caldwell", *OTHERS, *OTHERS[:2])
    ]
    said = [each.communicate(timeout=120)[1].decode() for each in begun]

    assert [(each.returncode, text) for each, text in zip(begun, said, strict=True) if each.returncode] == []
    assert len(house.sent) == most
