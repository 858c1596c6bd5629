"""Models that run in this process, through llama.cpp: `local:PATH.gguf` and `local:smollm2-135m`."""

import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atomic_agents.core.errors import ModelUnknown, ProviderFailed
from atomic_agents.core.model import Answer, Finish, Message, Offer, Request, ToolCall, Usage
from atomic_agents.providers.failures import failed
from atomic_agents.providers.stream import Pieces, relay
from atomic_agents.providers.weights import SMOLLM2, Weights, read_weights, smollm2_path

if TYPE_CHECKING:
    from concurrent.futures import Future

    import xllamacpp

_PREFIX = "local:"
_PIP = "pip install 'atomic-agents-stack[local]'"
_MOST_CONTEXT = 8192  # tokens; a longer context takes memory for every token whether used or not
_STOP_SECONDS = 5.0  # while it still reads the prompt it hears nothing
_SILENT = -1  # llama.cpp's log level below errors: it writes to the terminal past Python
_FINISH: Mapping[str, Finish] = {"length": "length", "tool_calls": "tool_calls"}

Json = dict[str, Any]


class LocalProvider:
    """GGUF files, by path or by the name of installed weights; each is loaded once a process."""

    name = "local"

    def __init__(self, cache_dir: Path) -> None:
        self._cache_dir = cache_dir
        self._loading = threading.Lock()
        self._loaded: dict[Path, xllamacpp.Server] = {}

    def claims(self, model_id: str) -> bool:
        """Whether the id starts with `local:`."""
        return model_id.startswith(_PREFIX) and model_id != _PREFIX

    def check(self, model_id: str) -> Offer:
        """Whether the extra is installed and the file is there."""
        path = self._path(model_id)
        if importlib.util.find_spec("xllamacpp") is None:
            return Offer(model_id, "not-installed", _PIP)
        if not path.is_file():
            return Offer(model_id, "not-installed", f"there is no file {path}")
        return Offer(model_id, "ready", str(path))

    def open(self, model_id: str) -> "LocalModel":
        """The model, loaded.

        Raises:
            ModelUnknown: no extra, no file, or not a GGUF file.
            ProviderFailed: llama.cpp cannot load it.
        """
        if not self.claims(model_id):
            raise ModelUnknown(f"{model_id} is not a local model", hint=f"--model {_PREFIX}{SMOLLM2}")
        if importlib.util.find_spec("xllamacpp") is None:
            raise ModelUnknown(f"{model_id} needs llama.cpp, which is not installed", hint=_PIP)
        weights = read_weights(self._path(model_id))
        with self._loading:
            if weights.path not in self._loaded:
                self._loaded[weights.path] = _load(weights)
            return LocalModel(model_id, self._loaded[weights.path], weights)

    def offers(self) -> Sequence[Offer]:
        """What is installed in the cache folder, and the model that can be."""
        names = {path.stem for path in (self._cache_dir / "models").glob("*.gguf")} | {SMOLLM2}
        return [self.check(f"{_PREFIX}{name}") for name in sorted(names)]

    def _path(self, model_id: str) -> Path:
        name = model_id.removeprefix(_PREFIX)
        if name == SMOLLM2:
            return smollm2_path(self._cache_dir)
        if name.endswith(".gguf"):
            return Path(name).expanduser()
        return self._cache_dir / "models" / f"{name}.gguf"


class LocalModel:
    """A loaded model. Questions from several threads wait for one another."""

    local = True

    def __init__(self, model_id: str, server: "xllamacpp.Server", weights: Weights) -> None:
        self.id = model_id
        self._server = server
        self._weights = weights

    def ask(self, request: Request, on_text: Callable[[str], None]) -> Answer:
        """Ask, streaming; whatever stops `on_text` stops the model at its next token.

        Raises:
            ProviderFailed: the question does not fit the context, or llama.cpp refused it.
        """
        from concurrent.futures import Future  # noqa: PLC0415 - heavy

        work = Future[Answer]()
        talk = _Talk(self.id)
        thread = threading.Thread(target=self._answer, args=(request, talk, work), name="local-model", daemon=True)
        thread.start()
        try:
            return relay(work, talk.pieces, on_text, talk.stop)
        finally:
            thread.join(_STOP_SECONDS)

    def _answer(self, request: Request, talk: "_Talk", work: "Future[Answer]") -> None:
        try:
            self._server.handle_chat_completions(_body(request, tools=self._weights.takes_tools), talk.hear)
            work.set_result(talk.answer())
        except ProviderFailed as error:
            work.set_exception(error)
        except (RuntimeError, ValueError) as error:
            work.set_exception(failed(self.id, f"failed: {error}", retryable=False, billable=False))


class _Talk:
    """One answer as it comes, chunk by chunk."""

    def __init__(self, model_id: str) -> None:
        self.pieces = Pieces()
        self._model_id = model_id
        self._stopped = False
        self._text: list[str] = []
        self._calls: dict[int, list[str]] = {}
        self._usage = Usage()
        self._finish: Finish = "stop"
        self._error: Json | None = None

    def stop(self) -> None:
        """Want no more."""
        self._stopped = True

    def hear(self, chunk: Json) -> bool:
        """Take one chunk; true ends the generation."""
        self._error = chunk.get("error") or self._error
        if usage := chunk.get("usage"):
            details = usage.get("prompt_tokens_details") or {}
            cached = int(details.get("cached_tokens", 0))
            self._usage = Usage(int(usage["prompt_tokens"]), int(usage["completion_tokens"]), cached)
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            if text := delta.get("content"):
                self._text.append(text)
                self.pieces.put(text)
            for call in delta.get("tool_calls") or ():
                self._hear_call(call)
            self._finish = _FINISH.get(choice.get("finish_reason") or "", self._finish)
        return self._stopped

    def answer(self) -> Answer:
        """All of it.

        Raises:
            ProviderFailed: what came was an error.
        """
        if self._error is not None:
            raise _refused(self._model_id, self._error)
        calls = tuple(ToolCall(identity, name, arguments or "{}") for identity, name, arguments in self._calls.values())
        return Answer("".join(self._text), calls, self._usage, "tool_calls" if calls else self._finish)

    def _hear_call(self, call: Json) -> None:
        at = int(call.get("index", len(self._calls)))
        function = call.get("function") or {}
        known = self._calls.setdefault(at, [f"call-{at + 1}", "", ""])
        known[0] = call.get("id") or known[0]
        known[1] += function.get("name") or ""
        known[2] += function.get("arguments") or ""


def _refused(model_id: str, error: Json) -> ProviderFailed:
    status = int(error.get("code", 500))
    if error.get("type") == "exceed_context_size_error":
        asked, room = error.get("n_prompt_tokens", 0), error.get("n_ctx", 0)
        what = f"takes {room:,} tokens and the prompt has {asked:,}"
        hint = "shorten the work item, or use a model that takes more: atomic-agents models list"
    else:
        what, hint = f"failed: {error.get('message', 'no reason given')}", ""
    return failed(model_id, what, hint=hint, status=status, retryable=False, billable=False)


def _load(weights: Weights) -> "xllamacpp.Server":
    import tempfile  # noqa: PLC0415 - 5 ms that only loading needs

    import xllamacpp  # noqa: PLC0415 - an extra, and 100 MB of it

    params = xllamacpp.CommonParams()
    params.model.path = str(weights.path)
    params.n_ctx = min(weights.context_tokens or _MOST_CONTEXT, _MOST_CONTEXT)
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = max(1, _physical_cores() - 1)
    params.verbosity = _SILENT
    params.warmup = False
    # llama.cpp opens a listener that nobody here needs: no pages, a key that nobody knows, and, where sockets can be
    # files, a socket in a private folder that is gone before anyone could use it.
    params.ui = params.endpoint_slots = False
    params.api_keys = [os.urandom(32).hex()]
    params.n_threads_http = 1
    with tempfile.TemporaryDirectory(prefix="atomic-agents-") as folder:
        if sys.platform != "win32":
            params.hostnames = [str(Path(folder) / "s.sock")]
        try:
            return xllamacpp.Server(params)
        except RuntimeError as error:
            raise ProviderFailed(
                f"llama.cpp cannot load {weights.path}; the file may be cut short or of a kind it does not know",
                hint=f"--model {_PREFIX}{SMOLLM2}",
            ) from error


def _body(request: Request, *, tools: bool) -> Json:
    system = "\n\n".join(part for part in request.system if part)
    body: Json = {
        "messages": [{"role": "system", "content": system}] if system else [],
        "max_tokens": request.max_output_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    body["messages"] += [_message(message, tools=tools) for message in request.messages]
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if tools and request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)},
            }
            for tool in request.tools
        ]
    return body


def _message(message: Message, *, tools: bool) -> Json:
    if message.role == "tool":
        if tools:
            return {"role": "tool", "tool_call_id": message.call_id, "content": message.text}
        return {"role": "user", "content": f"{message.tool_name} says:\n{message.text}"}
    out: Json = {"role": message.role, "content": message.text}
    if message.calls and tools:
        out["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.calls
        ]
    return out


def _physical_cores() -> int:
    """Cores that this process may use, threads of one core counted once."""
    logical = os.cpu_count() or 1
    if sys.platform == "darwin":
        return logical
    if sys.platform != "linux":
        return max(1, logical // 2)
    usable = os.sched_getaffinity(0)
    siblings = set()
    for number in usable:
        try:
            siblings.add(Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list").read_text("ascii"))
        except OSError:
            return len(usable)
    return len(siblings)
