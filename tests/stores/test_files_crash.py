import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from atomic_agents.core.change import Append
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.deeds import apply, documents

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL and no fork")

DRIVER = Path(__file__).with_name("crash_driver.py")


def drive(folder: Path, scenario: str, fate: str, stride: int = 1) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(folder), scenario, fate, str(stride)],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    result = json.loads(done.stdout)
    assert result["wrong"] == []
    assert result["differs"]
    found: dict[str, int] = result["found"]
    sys.stdout.write(f"{scenario} {fate}: {found}\n")
    return found


LONG = ("batch", "many", "in-place", "across")


@pytest.mark.parametrize(
    ("scenario", "fate"),
    [
        *(
            pytest.param(each, fate, marks=pytest.mark.soak, id=f"{each}-{fate}-soak")
            for each in LONG
            for fate in ("kill", "fail")
        ),
        ("batch", "kill"),
        ("put", "kill"),
        ("put-new", "kill"),
        ("delete", "kill"),
        ("first-append", "kill"),
        ("many", "kill"),
        ("in-place", "kill"),
        ("in-place", "fail"),
        ("across", "kill"),
        ("across", "fail"),
        ("batch", "fail"),
        ("put", "fail"),
        ("delete", "fail"),
        ("append", "fail"),
        ("appends", "kill"),
        ("appends", "fail"),
        ("appends", "kill-twice"),
        ("appends", "fail-and-die"),
        pytest.param("batch", "kill-twice", marks=pytest.mark.soak),
        pytest.param("batch", "fail-and-die", marks=pytest.mark.soak),
        pytest.param("in-place", "kill-twice", marks=pytest.mark.soak),
        pytest.param("in-place", "fail-and-die", marks=pytest.mark.soak),
        ("put-new", "kill-twice"),
        ("put-new", "fail-and-die"),
    ],
)
def test_stopped_at_any_step_a_change_is_whole_or_not_there(
    tmp_path: Path, scenario: str, fate: str, request: pytest.FixtureRequest
) -> None:
    """Changes of many steps are stopped at each fourth of them here, and at each by `make soak`."""
    found = drive(
        tmp_path,
        scenario,
        fate,
        stride=4 if request.node.get_closest_marker("soak") is None and scenario in LONG else 1,
    )

    assert found["old"] > 0
    assert found["new"] > 0
    assert found["torn"] == 0
    assert found["old"] + found["new"] == found["tried"]


def test_an_append_killed_at_any_step_leaves_whole_lines_or_a_tail_that_is_healed(tmp_path: Path) -> None:
    found = drive(tmp_path, "append", "kill")
    log = tmp_path / "vault" / "log.jsonl"
    log.write_bytes(b'{"n": 1}\n{"n"')
    store = FolderStore(tmp_path / "vault")

    apply(store, Append("log.jsonl", '{"n": 3}'))

    assert found["old"] > 0
    assert found["new"] > 0
    assert log.read_bytes() == b'{"n": 1}\n{"n"\n{"n": 3}\n'
    assert store.notices == ["log.jsonl: its last line did not end; it was kept, and ended before the next"]


GENERATIONS = """
import sys
from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.stores.files import FolderStore
store = FolderStore(sys.argv[1])
print("ready", flush=True)
for n in range(int(sys.argv[2]), 10**6):
    body = b"generation %d " % n + b"x" * 500
    store.apply(ChangeSet("next", tuple(Put(f"agent{i % 9}/n{i}.md", body) for i in range(400))))
"""


@pytest.mark.soak
def test_killed_at_any_time_all_documents_are_of_one_generation(tmp_path: Path) -> None:
    generations: set[bytes] = set()
    for attempt in range(40):
        script = [sys.executable, "-c", GENERATIONS, str(tmp_path), str(attempt * 1000)]
        with subprocess.Popen(script, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(random.uniform(0.02, 0.3))  # noqa: S311 -- any moment will do
            os.kill(writer.pid, signal.SIGKILL)
        found = documents(FolderStore(tmp_path))

        assert len(set(found.values())) <= 1
        assert len(found) in {0, 400}
        generations.update(found.values())

    assert len(generations) > 1


HOLDER = """
import sys, time
from atomic_agents.stores.files import FolderStore
with FolderStore(sys.argv[1]).lock("caldwell/writer", wait=0):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_dies_with_its_holder(tmp_path: Path) -> None:
    from atomic_agents.core.errors import Busy

    store = FolderStore(tmp_path)
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(Busy) as caught, store.lock("caldwell/writer", wait=0):
            pass
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()

    with store.lock("caldwell/writer", wait=5):
        pass
    assert caught.value.context["pid"] == holder.pid
    assert str(holder.pid) in caught.value.message


WRITER = """
import sys
from atomic_agents.core.change import Append, ChangeSet, Put
from atomic_agents.stores.files import FolderStore
store = FolderStore(sys.argv[1])
for n in range(50):
    line = Append("log.jsonl", f"{sys.argv[2]} {n} " + sys.argv[2] * 300)
    other = (Put(f"of-{sys.argv[2]}.md", b"%d" % n),) if n % 10 == 0 else ()
    store.apply(ChangeSet("append", (line, *other)))
"""


def test_lines_of_many_processes_stay_whole(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(number)]) for number in range(8)]
    codes = [writer.wait() for writer in writers]

    lines = (tmp_path / "log.jsonl").read_text().splitlines()

    assert codes == [0] * 8
    assert sorted(lines) == sorted(f"{number} {n} " + str(number) * 300 for number in range(8) for n in range(50))
    for number in range(8):
        assert [line for line in lines if line.startswith(f"{number} ")] == [
            f"{number} {n} " + str(number) * 300 for n in range(50)
        ]


def test_an_opener_waits_for_a_change_that_is_being_made(tmp_path: Path) -> None:
    script = GENERATIONS.replace("10**6", "20")
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path), "1"], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        while writer.poll() is None:
            store = FolderStore(tmp_path)
            assert store.notices == []
            assert len(list(store.list())) in {0, 400}

    assert len(set(documents(FolderStore(tmp_path)).values())) == 1
