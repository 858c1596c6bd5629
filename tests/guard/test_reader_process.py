import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from atomic_agents.guard.reader_process import Limits, ReaderFailed, ReaderLate, ReaderProcess

LIMITS = Limits(seconds=60.0, cpu_seconds=30, memory=1 << 30, answer=1 << 20)
POSIX = pytest.mark.skipif(os.name != "posix", reason="the system has no such limits")

MODULE = """
import os, sys, time

def read(request, data):
    match request["what"]:
        case "echo": return {"data": data.decode(), "request": sorted(request)}
        case "print": print("noise"); sys.stdout.flush(); return {"text": "quiet"}
        case "raise": raise ValueError("the bytes are wrong")
        case "recurse": return read(request, data)
        case "die": os._exit(3)
        case "sleep": time.sleep(300)
        case "spin":
            while True: pass
        case "memory": return {"size": len(bytearray(8 << 30))}
        case "answer": return {"text": "x" * (2 << 20)}
        case "deaf": os.close(0); return {"text": "deaf"}
        case "environ": return {"names": sorted(os.environ), "path": sys.path, "here": os.getcwd()}
        case "file":
            with open(request["path"], "w") as file: file.write("x")
            return {"text": "written"}
        case "fork": return {"pid": os.fork()}
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "made_reader.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "made_reader"


def test_requests_are_answered_in_turn_by_one_process(module: str) -> None:
    with ReaderProcess(module, LIMITS) as reader:
        answers = [reader.ask({"what": "echo"}, data) for data in (b"", b"one", b"two\n" * 50_000)]

    assert [answer["data"] for answer in answers] == ["", "one", "two\n" * 50_000]


def test_what_a_library_prints_is_no_answer(module: str) -> None:
    with ReaderProcess(module, LIMITS) as reader:
        assert reader.ask({"what": "print"}) == {"text": "quiet"}


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("raise", "ValueError: the bytes are wrong"),
        ("recurse", "nested too deeply"),
        ("die", "ended with code 3"),
        ("answer", "longer than 1,048,576 bytes"),
        pytest.param("memory", "1,024 MiB of memory", marks=POSIX),
        pytest.param("spin", "more than 1 s of processor time", marks=POSIX),
        pytest.param(
            "fork",
            "could not be read",
            marks=pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may"),
        ),
    ],
)
def test_a_reader_that_fails_says_why(module: str, what: str, words: str) -> None:
    with ReaderProcess(module, replace(LIMITS, cpu_seconds=1)) as reader, pytest.raises(ReaderFailed, match=words):
        reader.ask({"what": what})


def test_a_reader_that_is_late_is_ended_at_the_deadline(module: str) -> None:
    begun = time.monotonic()
    with ReaderProcess(module, replace(LIMITS, seconds=0.5)) as reader, pytest.raises(ReaderLate, match=r"than 0\.5 s"):
        reader.ask({"what": "sleep"})

    assert time.monotonic() - begun < 30
    assert reader.seconds_left == 0


def test_the_deadline_is_for_all_requests_together(module: str) -> None:
    with ReaderProcess(module, replace(LIMITS, seconds=2.0)) as reader, pytest.raises(ReaderLate):
        for _ in range(10_000_000):
            reader.ask({"what": "echo"})


def test_data_that_is_not_read_keeps_nobody_waiting(module: str) -> None:
    with ReaderProcess(module, LIMITS) as reader:
        for what in ("die", "deaf"):
            with pytest.raises(ReaderFailed):
                reader.ask({"what": what}, b"x" * (8 << 20))
                reader.ask({"what": what}, b"x" * (8 << 20))


def test_a_reader_has_no_keys_and_imports_nothing_from_where_it_was_started(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-made-up-key-0123456789")
    monkeypatch.setenv("PYTHONPATH", ".")
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    (tmp_path / "here").mkdir()
    (tmp_path / "here/http.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "path", ["", ".", *sys.path[1:], str(tmp_path)])

    with ReaderProcess(module, LIMITS) as reader:
        answer = reader.ask({"what": "environ"})

    assert "OPENAI_API_KEY" not in str(answer["names"])
    assert all(os.path.isabs(path) for path in answer["path"])  # type: ignore[attr-defined]


@POSIX
def test_a_reader_writes_no_file(module: str, tmp_path: Path) -> None:
    with ReaderProcess(module, LIMITS) as reader, pytest.raises(ReaderFailed, match="could not be read"):
        reader.ask({"what": "file", "path": str(tmp_path / "x")})

    assert not (tmp_path / "x").read_bytes()


def test_readers_side_by_side_keep_apart(module: str) -> None:
    answers: dict[int, object] = {}

    def ask(number: int) -> None:
        with ReaderProcess(module, LIMITS) as reader:
            answers[number] = reader.ask({"what": "echo"}, f"{number}\n".encode() * 20_000)["data"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == {number: f"{number}\n" * 20_000 for number in range(6)}
