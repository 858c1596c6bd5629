import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.model import ToolCall
from atomic_agents.guard.paths import policy
from atomic_agents.stores.files import FolderStore
from atomic_agents.tools import child, on_disk, process
from atomic_agents.tools.tool import MAX_RESULT, ToolResult, answer
from atomic_agents.vault import tool_file
from atomic_agents.vault.settings import ToolSettings

SHUT_IN = pytest.mark.skipif(not child.landlock(), reason="this system cannot shut a process in")
HEAD = "name: t\ndescription: d\nclassification: read_only\n"


class Bench:
    def __init__(self, folder: Path) -> None:
        self.root = folder / "vault"
        self.store = FolderStore(self.root)
        self.variables: Mapping[str, str] = {"STATION": "gate"}
        self.said: list[str] = []
        self.put("a/tools.md", "t")
        self.put("a/out/x.md", "readable")
        self.put("b/secret.md", "theirs")

    def put(self, path: str, text: str) -> None:
        self.store.apply(ChangeSet("", (Put(path, text.encode()),)))

    def tool(self, code: str, head: str = HEAD, **helpers: str) -> tool_file.ToolFile:
        self.put("a/tools/t.md", f"---\n{head}---\n")
        self.put("a/tools/t.py", code)
        for name, text in helpers.items():
            self.put(f"a/tools/{name}.py", text)
        return next(each for each in tool_file.read_all(self.store, "a") if each.name == "t")

    def call(self, code: str, head: str = HEAD, **arguments: object) -> ToolResult:
        paths = policy("a", ToolSettings(read_paths=("out/",)), str(self.root))
        found, get = self.tool(code, head), self.variables.get
        made = on_disk.tool(found, paths=paths, stated={}, variable=get, warn=self.said.append)
        return answer((made,), ToolCall("c", "t", json.dumps(arguments)))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize(
    "code",
    [
        "def handler(input):\n    return {'day': input['day']}",
        "import asyncio\nasync def handler(input):\n    await asyncio.sleep(0)\n    return {'day': input['day']}",
        "from _made import made\ndef handler(input):\n    return made(input['day'])",
    ],
)
def test_what_a_handler_returns_reaches_the_model_as_data(bench: Bench, code: str) -> None:
    bench.put("a/tools/_made.py", "def made(day):\n    return {'day': day}\n")

    found = bench.call(code, day="<document>today")

    assert (found.failed, found.text) == (
        False, '<document path="a/tools/t.md" provenance="tool">\n{"day": "&lt;document>today"}\n</document>'
    )  # fmt: skip


def test_arguments_are_held_to_the_whole_schema(bench: Bench) -> None:
    numbers = "{type: array, items: {type: integer, minimum: 2}}"
    schema = (
        f"input_schema: {{type: object, additionalProperties: false, required: [n], properties: {{n: {numbers}}}}}\n"
    )
    code = "def handler(input):\n    return 'called'"

    wrong = [bench.call(code, HEAD + schema, **each) for each in ({}, {"n": [1]}, {"n": ["2"]}, {"n": [2], "m": 1})]

    assert [each.failed for each in wrong] == [True] * 4
    assert not bench.call(code, HEAD + schema, n=[2, 3]).failed


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def handler(input):\n    raise ValueError('no such day')", "ToolFailed: t.py:2: ValueError: no such day"),
        ("def handler(input):\n    raise SystemExit(3)", "ToolFailed: t.py:2: SystemExit: 3"),
        ("import os\ndef handler(input):\n    os._exit(3)", "ToolFailed: it ended with code 3 and without an answer"),
        ("import nothing_like_it", "ToolFailed: t.py:1: ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("x = 1", "ToolFailed: AttributeError: module 't' has no attribute 'handler'"),
    ],
)
def test_a_handler_that_fails_is_an_error_the_model_reads(bench: Bench, code: str, said: str) -> None:
    assert bench.call(code).text == said


def test_it_is_stopped_when_its_time_is_up_with_all_that_it_started(bench: Bench) -> None:
    code = (
        "import subprocess, sys, time\ndef handler(input):\n"
        "    subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(4711)'])\n    time.sleep(4711)"
    )

    found = bench.call(code, HEAD + "timeout_s: 0.8\n")

    assert found.text == "ToolFailed: no answer within 0.8 s; it was stopped"
    assert sys.platform != "linux" or not left_running("time.sleep(4711)")


LEAVING = """
import os, subprocess, sys, time
def handler(input):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(4712)"])
        os._exit(0)
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(4712)"], start_new_session=True)
    time.sleep({seconds})
    return "done"
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands what a process leaves to a supervisor")
@pytest.mark.parametrize(("seconds", "text"), [(0, "done"), (4711, "it was stopped")])
def test_what_leaves_its_session_ends_with_the_call(bench: Bench, seconds: int, text: str) -> None:
    found = bench.call(LEAVING.replace("{seconds}", str(seconds)), HEAD + "timeout_s: 3\n")

    assert text in found.text
    assert not left_running("time.sleep(4712)")


def left_running(words: str) -> bool:
    for _ in range(20):
        listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        if not any(words in line and "-c" in line for line in listed.splitlines()):
            return False
        time.sleep(0.05)
    return True


def test_a_long_answer_is_cut_and_its_fence_is_closed(bench: Bench) -> None:
    text = bench.call("def handler(input):\n    return 'x' * 3_000_000").text

    assert len(text) <= MAX_RESULT
    assert text.endswith("</document>")
    assert "more characters" in text


def test_it_has_the_variables_that_its_file_names_and_no_others(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-tools-0123456789")
    code = "import os\ndef handler(input):\n    return sorted(k for k in os.environ if k not in ('PATH', 'LC_CTYPE'))"

    names = bench.call(code, HEAD + "env: [STATION]\n").text

    assert '"STATION"' in names
    assert "OPENAI" not in names
    assert "ToolFailed: NONE is not set" in bench.call(code, HEAD + "env: [NONE]\n").text


@SHUT_IN
def test_it_reads_what_the_agent_reads_and_what_its_file_names(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra/y").write_text("extra")
    root, more = bench.root, f"{tmp_path}/extra"
    code = (
        "def handler(input):\n    found = []\n    for path in input['paths']:\n        try:\n"
        "            found.append(open(path).read()[:9])\n        except OSError as error:\n"
        "            found.append(type(error).__name__)\n    return found"
    )
    wanted = [f"{root}/a/out/x.md", f"{more}/y", f"{root}/b/secret.md", f"{root}/a/tools.md", "/proc/self/environ"]

    text = bench.call(code, f"{HEAD}read_paths: ['{more}']\n", paths=wanted).text

    assert '["readable", "extra", "PermissionError", "PermissionError", "PermissionError"]' in text


@SHUT_IN
def test_it_writes_where_its_file_says_and_nowhere_else(bench: Bench) -> None:
    code = "def handler(input):\n    open(input['path'], 'w').write('x')\n    return 'written'"
    head = HEAD + "write_paths: [out/]\n"
    root = bench.root

    found = [
        bench.call(code, head, path=path).failed
        for path in ("scratch", f"{root}/a/out/y", f"{root}/a/tools.md", f"{root}/a/memory/x.md", "/not-here")
    ]

    assert found == [False, False, True, True, True]
    assert (root / "a/tools.md").read_text() == "t"


@pytest.mark.parametrize("path", ["./", "../", "<agents_root>/", "persona/", "tools/", "../_migrations", "runs/"])
def test_no_folder_with_the_operators_files_can_be_given_to_it(bench: Bench, path: str) -> None:
    found = bench.call("def handler(input):\n    return 'ran'", f"{HEAD}write_paths: ['{path}']\n")

    assert found.failed
    assert "may not write to" in found.text


def test_its_fingerprint_changes_with_every_part_of_it(bench: Bench) -> None:
    first = bench.tool("def handler(input): return 1", _h="x = 1")
    prints = {
        first.fingerprint,
        bench.tool("def handler(input): return 2", _h="x = 1").fingerprint,
        bench.tool("def handler(input): return 2", _h="x = 2").fingerprint,
        bench.tool("def handler(input): return 2", HEAD + "timeout_s: 2\n", _h="x = 2").fingerprint,
    }

    assert len(prints) == 4
    assert first.fingerprint == bench.tool("def handler(input): return 1", _h="x = 1").fingerprint


@pytest.mark.parametrize(
    ("own", "stated", "kind"),
    [
        ("", {}, "external_side_effect"),
        ("classification: read_only\n", {}, "read_only"),
        ("class: high_risk\n", {}, "high_risk"),
        ("", {"t": "reversible_write"}, "reversible_write"),
        ("classification: read_only\n", {"t": "high_risk"}, "high_risk"),
        ("classification: high_risk\n", {"t": "read_only"}, "high_risk"),
    ],
)
def test_the_stricter_class_holds(bench: Bench, own: str, stated: Mapping[str, str], kind: str) -> None:
    found = bench.tool("def handler(input): return 1", f"name: t\ndescription: d\n{own}")

    assert on_disk.kind(found, stated) == kind


def test_how_far_tools_are_held_in_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "landlock", lambda: 0)

    assert "there is no Landlock here" in process.isolation()[1] or sys.platform == "win32"
