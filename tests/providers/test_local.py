import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from atomic_agents import config
from atomic_agents.core.errors import ModelUnknown, ProviderFailed
from atomic_agents.core.model import Message, Request, ToolSpec
from atomic_agents.providers.local import LocalModel, LocalProvider
from atomic_agents.providers.smollm2 import install_smollm2
from atomic_agents.providers.weights import smollm2_path
from atomic_agents.testing.provider_contract import Case, ProviderContract

CACHE = config.load().cache_dir
ID = "local:smollm2-135m"
WEATHER = ToolSpec("weather", "The weather", {"type": "object", "properties": {"city": {"type": "string"}}})
INSTALLED = importlib.util.find_spec("xllamacpp") is not None

pytestmark = pytest.mark.skipif(
    not (INSTALLED and smollm2_path(CACHE).is_file()),
    reason="needs the extra [local] and `atomic-agents models install smollm2`",
)


def request(text: str, *, tokens: int = 12, tools: tuple[ToolSpec, ...] = ()) -> Request:
    return Request(("be brief",), [Message("user", text)], tools, max_output_tokens=tokens, temperature=0.0)


@pytest.fixture(scope="module")
def model() -> LocalModel:
    return LocalProvider(CACHE).open(ID)


class TestLocal(ProviderContract):
    claimed = (ID, "local:/models/some.gguf")
    calls_tools = False
    building = (
        "import pathlib\nfrom atomic_agents.providers.local import LocalProvider\n"
        "provider = LocalProvider(pathlib.Path('.'))"
    )
    shared = LocalProvider(CACHE)

    @contextmanager
    def case(self, words: int) -> Iterator[Case]:
        yield Case(self.shared, ID, request("tell me a story " * words))

    def speaking(self) -> AbstractContextManager[Case]:
        return self.case(1)

    def failing(self) -> AbstractContextManager[Case]:
        return self.case(4000)


def test_the_model_answers_and_counts_its_tokens(model: LocalModel) -> None:
    answer = model.ask(request("Why is the sky blue?"), lambda _: None)

    assert answer.text
    assert (answer.usage.output_tokens, answer.finish) == (12, "length")
    assert answer.usage.input_tokens > 10


def test_a_prompt_that_does_not_fit_is_refused_in_words(model: LocalModel) -> None:
    with pytest.raises(ProviderFailed, match=r"takes 8,192 tokens and the prompt has \d\d,\d\d\d"):
        model.ask(request("tell me a story " * 4000), lambda _: None)


def test_tools_do_not_disturb_a_model_whose_template_knows_none(model: LocalModel) -> None:
    answer = model.ask(request("How is Rome?", tools=(WEATHER,)), lambda _: None)

    assert answer.text
    assert answer.calls == ()


def test_a_file_is_loaded_by_its_path_too() -> None:
    opened = LocalProvider(CACHE).open(f"local:{smollm2_path(CACHE)}")

    assert opened.local
    assert opened.ask(request("hi", tokens=2), lambda _: None).text


def test_a_file_that_is_cut_short_is_an_error_with_its_path(tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    with smollm2_path(CACHE).open("rb") as whole:
        cut.write_bytes(whole.read(100_000))

    with pytest.raises(ProviderFailed, match=r"cannot load .*cut\.gguf"):
        LocalProvider(tmp_path).open(f"local:{cut}")


def test_a_file_that_is_not_there_is_an_error_with_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(ModelUnknown) as caught:
        LocalProvider(tmp_path).open(ID)

    assert caught.value.hint == "atomic-agents models install smollm2"


def test_installing_again_changes_nothing_and_needs_no_network() -> None:
    told: list[int] = []
    before = smollm2_path(CACHE).stat().st_mtime_ns

    path = install_smollm2(CACHE, progress=lambda done, _total: told.append(done))

    assert (path.stat().st_mtime_ns, told) == (before, [])


def test_llama_cpp_writes_nothing_to_the_terminal_and_listens_on_no_port() -> None:
    code = """if True:
        import os, pathlib, sys
        from atomic_agents.core.model import Message, Request
        from atomic_agents.providers.local import LocalProvider
        model = LocalProvider(pathlib.Path(sys.argv[1])).open(sys.argv[2])
        model.ask(Request((), [Message("user", "hi")], max_output_tokens=2), lambda _: None)
        mine = {os.readlink(fd) for fd in pathlib.Path("/proc/self/fd").glob("*") if os.path.islink(fd)}
        tables = [pathlib.Path("/proc/self/net/tcp"), pathlib.Path("/proc/self/net/tcp6")]
        rows = [row.split() for table in tables if table.exists() for row in table.read_text().splitlines()[1:]]
        print([row[1] for row in rows if f"socket:[{row[9]}]" in mine])
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(CACHE), ID], check=False, capture_output=True, text=True
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
