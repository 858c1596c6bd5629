"""Weights on disk: where the small model is, and what a GGUF file says of itself."""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

from atomic_agents.core.errors import ModelUnknown

SMOLLM2 = "smollm2-135m"
INSTALL_HINT = "atomic-agents models install smollm2"

_MAGIC = b"GGUF"
_UINT32 = 4  # the type tag of a 32-bit number in GGUF metadata
_STRING = 8  # and that of a string


@dataclass(frozen=True, slots=True)
class Weights:
    """A GGUF file: the tokens its model was trained to take, and whether its chat template knows of tools."""

    path: Path
    context_tokens: int
    takes_tools: bool


def smollm2_path(cache_dir: Path) -> Path:
    """Where `install_smollm2` puts the weights."""
    return cache_dir / "models" / f"{SMOLLM2}.gguf"


def is_gguf(path: Path) -> bool:
    """Whether the file starts as GGUF files do.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def read_weights(path: Path) -> Weights:
    """What the file says of itself.

    Raises:
        ModelUnknown: there is no such file, it cannot be read, or it is not GGUF.
    """
    try:
        if not is_gguf(path):
            raise ModelUnknown(f"{path} is not a GGUF file", hint=INSTALL_HINT)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return Weights(path, _number(data, b".context_length"), b"tools" in _text(data, b"tokenizer.chat_template"))
    except FileNotFoundError as error:
        raise ModelUnknown(f"there is no file {path}", hint=INSTALL_HINT) from error
    except OSError as error:
        raise ModelUnknown(f"{path} cannot be read: {error.strerror}", hint=INSTALL_HINT) from error


def _number(data: mmap.mmap, key: bytes) -> int:
    """The number that follows `key` in the metadata, 0 where there is none."""
    at = data.find(key)
    if at < 0:
        return 0
    kind, value = struct.unpack_from("<II", data, at + len(key))
    return value if kind == _UINT32 else 0


def _text(data: mmap.mmap, key: bytes) -> bytes:
    """The text that follows `key` in the metadata, empty where there is none."""
    at = data.find(key)
    if at < 0:
        return b""
    start = at + len(key)
    kind, length = struct.unpack_from("<IQ", data, start)
    return data[start + 12 : start + 12 + length] if kind == _STRING else b""
