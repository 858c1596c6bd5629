import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from atomic_agents.core.errors import KeysFailed
from atomic_agents.core.key import Key
from atomic_agents.keys.file import FilePlace

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode for others")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "atomic_agents" / "keys.json"


def write(path: Path, value: object, mode: int = 0o600) -> FilePlace:
    path.parent.mkdir(exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    path.chmod(mode)
    return FilePlace(path)


def failure(place: FilePlace, name: str = "openai") -> KeysFailed:
    with pytest.raises(KeysFailed) as caught:
        place.find(name)
    return caught.value


def python(code: str, **more: object) -> dict[str, object]:
    return {"command": [sys.executable, "-c", code], **more}


def test_without_a_file_there_is_no_key(path: Path) -> None:
    assert FilePlace(path).find("openai") is None
    assert FilePlace(path).check() == ""


@pytest.mark.parametrize("name", ["openai", "OPENAI_API_KEY"])
def test_the_published_file_is_read(path: Path, name: str) -> None:
    assert write(path, {name: " k \n", "groq": ""}).find("openai") == Key("k", f"file:{path}")
    assert list(FilePlace(path).names()) == ["openai"]


@posix
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602])
def test_a_file_that_others_can_get_at_is_refused_with_the_chmod_to_type(path: Path, mode: int) -> None:
    error = failure(write(path, {"openai": "k"}, mode))

    assert error.hint == f"chmod 600 {path}"
    assert f"{mode:03o}" in error.message


@pytest.mark.parametrize("text", ['{"openai": "hidden-key"', '["hidden-key"]', "hidden-key", "[" * 100_000])
def test_a_file_that_is_broken_is_named_and_not_quoted(path: Path, text: str) -> None:
    error = failure(write(path, text))

    assert str(path) in error.message
    assert "hidden" not in f"{error.message}{error.hint}{error.__cause__}"


def test_a_command_says_a_key(path: Path) -> None:
    place = write(path, {"openai": python("print('from a command')")})

    assert place.find("openai") == Key("from a command", f"command:{sys.executable}")


def test_looking_where_a_key_is_runs_no_command(path: Path, tmp_path: Path) -> None:
    place = write(path, {"openai": python(f"open({str(tmp_path / 'ran')!r}, 'w')")})

    assert place.where("openai") == f"command:{sys.executable}"
    assert list(place.values()) == []
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (python("import time; time.sleep(60)", timeout_s=0.2), "did not answer in 0.2 s"),
        (python("print('hidden'); import sys; sys.exit('hidden')"), "ended with 1"),
        (python("pass"), "said nothing"),
        ({"command": ["/no/such/program"]}, "cannot be run: No such file or directory"),
        ({"command": "op read x"}, "as a list"),
        ({"command": []}, "as a list"),
        ({"command": ["op", 1]}, "as a list"),
        ({"command": ["op"], "timeout_s": 0}, "as a list"),
        ({"command": ["op"], "timeout": 3}, "as a list"),
    ],
)
def test_a_command_that_fails_says_how_and_nothing_that_it_printed(
    path: Path, entry: dict[str, object], message: str
) -> None:
    error = failure(write(path, {"openai": entry}))

    assert message in error.message
    assert "hidden" not in error.message
    assert error.__suppress_context__ or error.__context__ is None


def test_a_key_is_kept_for_its_owner_alone_and_others_stay(path: Path) -> None:
    place = write(path, {"GROQ_API_KEY": "g", "x": {"command": ["op"]}}) if path.parent.exists() else FilePlace(path)

    place.keep("openai", "k")
    place.keep("anthropic", "a")
    place.keep("openai", "k2")

    assert json.loads(path.read_text()) == {"anthropic": "a", "openai": "k2"}
    if sys.platform != "win32":
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_key_is_taken_away_and_others_stay(path: Path) -> None:
    place = write(path, {"GROQ_API_KEY": "g", "x": {"command": ["op"]}, "openai": "k"})

    assert (place.forget("openai"), place.forget("openai")) == (True, False)
    assert json.loads(path.read_text()) == {"GROQ_API_KEY": "g", "x": {"command": ["op"]}}


@posix
def test_a_file_that_others_can_get_at_is_not_written_either(path: Path) -> None:
    place = write(path, {"openai": "k"}, 0o644)

    with pytest.raises(KeysFailed):
        place.keep("groq", "g")

    assert json.loads(path.read_text()) == {"openai": "k"}


def test_keys_that_are_kept_at_once_are_all_there(path: Path) -> None:
    names = [f"k{number}" for number in range(12)]

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: FilePlace(path).keep(name, name), names))

    assert sorted(FilePlace(path).names()) == sorted(names)
