import os
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import hypothesis
import pytest

from atomic_agents.testing.shell import Shell

# The suite tries the same examples each time; `make soak` looks for others.
hypothesis.settings.register_profile("suite", derandomize=True)
hypothesis.settings.register_profile("soak", print_blob=True)
hypothesis.settings.load_profile("suite")

TESTS = Path(__file__).parent
VAULTS = {
    "v0": TESTS / "vaults" / "v0",
    "v1": TESTS / "vaults" / "v1",
    "samples": TESTS.parent / "src" / "atomic_agents" / "samples",
}
WRITTEN = 1762084800.0  # noon, UTC, on 2 November 2025


@pytest.fixture
def vault_copy(tmp_path: Path) -> Callable[[str], Path]:
    """Copy a frozen vault, last written on a known day."""

    def copy(name: str) -> Path:
        root = tmp_path / "vault"
        shutil.copytree(VAULTS[name], root)
        for folder, _, names in os.walk(root):
            for file in names:
                os.utime(Path(folder, file), (WRITTEN, WRITTEN))
        return root

    return copy


@pytest.fixture
def make_vault(tmp_path: Path) -> Callable[[Mapping[str, str | bytes]], Path]:
    """Write documents into the vault, each at its path; bytes are written as they are."""

    def make(documents: Mapping[str, str | bytes]) -> Path:
        root = tmp_path / "vault"
        root.mkdir(exist_ok=True)
        for path, content in documents.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content.encode() if isinstance(content, str) else content)
        return root

    return make


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A terminal with the vault `tmp_path/vault` and an empty home."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background, which commands would inherit
        signal.signal(signal.SIGINT, signal.default_int_handler)
    home = tmp_path / "home"
    home.mkdir()
    return Shell(tmp_path / "vault", home)
