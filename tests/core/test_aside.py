import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from atomic_agents.testing.shell import Shell

MakeVault = Callable[[dict[str, str | bytes]], Path]

WORDS = """
import os, signal
from atomic_agents.core import aside
here = os.getpid()
def work():
    {0}
    return os.getpid() == here
print(aside.begin(work)())
"""


def run(line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", WORDS.format(line)], capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux copies a process safely")
def test_work_is_done_in_a_copy_of_the_process() -> None:
    assert run("pass").stdout == "False\n"


@pytest.mark.parametrize("line", [
    "os.getpid() == here or os._exit(3)", "os.getpid() == here or os.kill(os.getpid(), signal.SIGKILL)",
    "assert os.getpid() == here",
])  # fmt: skip
def test_work_whose_copy_dies_is_done_here(line: str) -> None:
    done = run(line)

    assert (done.stdout, done.stderr) == ("True\n", "")


def test_what_goes_wrong_in_the_work_is_raised_here() -> None:
    assert "ZeroDivisionError" in run("1 / 0").stderr


NOTE = """---
schema_version: 2
name: n
description: d
type: user
confidence: low
sources: [x]
provenance: {}
---

b
"""


def test_a_large_vault_is_examined_as_its_agents_are_one_by_one(make_vault: MakeVault, tmp_path: Path) -> None:
    documents: dict[str, str | bytes] = {}
    for agent in ("ann", "bob", "cid"):
        documents[f"{agent}/persona/IDENTITY.md"] = "# I\n\nBe brief.\n"
        documents |= {f"{agent}/memory/user_{at}.md": NOTE.format("operator") for at in range(1_700)}
        documents[f"{agent}/memory/user_odd.md"] = NOTE.format("rumour")
    shell = Shell(make_vault(documents), tmp_path)

    whole = shell("doctor", "--json").value["results"]
    each = [
        one for agent in ("ann", "bob", "cid") for one in shell("doctor", "--agent", agent, "--json").value["results"]
    ]

    found = [one for one in whole if "agent" in one["detail"]]
    assert found == [one for one in each if "agent" in one["detail"]]
    assert sum("rumour" in one["message"] for one in found) == 3


def test_the_versions_of_a_large_vault_are_counted_to_the_last_document(make_vault: MakeVault, tmp_path: Path) -> None:
    documents: dict[str, str | bytes] = {"ann/persona/IDENTITY.md": "# I\n", "bob/persona/IDENTITY.md": "# I\n"}
    documents |= {f"ann/memory/user_{at}.md": NOTE.format("operator") for at in range(3_000)}
    documents |= {f"bob/memory/user_{at}.md": NOTE.replace(": 2", ": 1", 1) for at in range(3_000)}
    documents |= {f"{agent}/memory/user_odd.md": b"---\nname: \xff\n---\n" for agent in ("ann", "bob")}
    shell = Shell(make_vault(documents), tmp_path)

    value = shell("migrate", "--status", "--json").value

    assert value["by_version"] == {"v1": 3000, "v2": 3000}
    assert [one["path"] for one in value["unreadable"]] == ["ann/memory/user_odd.md", "bob/memory/user_odd.md"]
