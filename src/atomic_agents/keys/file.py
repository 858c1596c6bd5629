"""Keys in `keys.json`, which only its owner may read: values, or the commands that say them."""

import json
import os
import shlex
import stat
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from atomic_agents.core.errors import KeysFailed
from atomic_agents.core.key import Key, normal

COMMAND_SECONDS = 30.0
_LOCK_SECONDS = 10.0
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class FilePlace:
    """A JSON object by name: a text is a key, `{"command": ["op", "read", "…"], "timeout_s": 30}` says one."""

    name = "file"

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self) -> str:
        """Why the file cannot be read; "" where there is none."""
        try:
            self._read()
        except KeysFailed as error:
            return error.message
        return ""

    def find(self, name: str) -> Key | None:
        """The value, or what its command says."""
        entry = self._read().get(name)
        if entry is None:
            return None
        where = self.where(name)
        return Key(entry if isinstance(entry, str) else self._ask(name, entry), where)

    def where(self, name: str) -> str:
        """The file, or the command in it."""
        entry = self._read().get(name)
        if entry is None or isinstance(entry, str):
            return f"{self.name}:{self._path}" if entry else ""
        return f"command:{self._command(name, entry)[0]}"

    def names(self) -> Iterator[str]:
        """Every name in the file, those of commands too."""
        yield from self._read()

    def values(self) -> Iterator[str]:
        """The keys in the file; what commands would say is not known before they are asked."""
        return (entry for entry in self._read().values() if isinstance(entry, str))

    def keep(self, name: str, value: str) -> str:
        """Write a key, over a command too."""
        self._write(name, value)
        return f"{self.name}:{self._path}"

    def forget(self, name: str) -> bool:
        """Take an entry away."""
        found = name in self._read()
        if found:
            self._write(name, None)
        return found

    def _read(self) -> dict[str, str | Mapping[str, object]]:
        """The entries by normal name, those that say nothing left out."""
        entries: dict[str, str | Mapping[str, object]] = {}
        for name, entry in self._load().items():
            if isinstance(entry, dict):
                entries[normal(name)] = entry
            elif entry is not None and str(entry).strip():
                entries[normal(name)] = str(entry).strip()
        return entries

    def _load(self) -> dict[str, object]:
        """The file as it stands, refused where others can read it."""
        try:
            with self._path.open(encoding="utf-8") as file:
                mode = os.fstat(file.fileno()).st_mode
                if os.name == "posix" and mode & _OTHERS:
                    raise KeysFailed(
                        f"{self._path} has mode {stat.S_IMODE(mode):03o}, so others can get at the keys in it",
                        hint=f"chmod 600 {shlex.quote(str(self._path))}",
                    )
                found = json.load(file)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise KeysFailed(f"{self._path}: {error.strerror or error}", hint=f"ls -l {self._path}") from error
        except (ValueError, RecursionError) as error:
            # The error's own words may quote the line that is wrong.
            line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
            raise KeysFailed(f"{self._path}{line}: is not JSON", hint=f"correct or remove {self._path}") from None
        if not isinstance(found, dict):
            raise KeysFailed(
                f"{self._path}: a JSON object of keys by provider is needed", hint=f"correct or remove {self._path}"
            )
        return found

    def _write(self, name: str, entry: object) -> None:
        """Replace one entry, whole or not at all; None takes it away. What else the file says stays."""
        from filelock import FileLock, Timeout  # noqa: PLC0415 - only who writes a key needs it

        made = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with FileLock(f"{self._path}.lock", timeout=_LOCK_SECONDS, mode=0o600):
                entries = {key: value for key, value in self._load().items() if normal(key) != name}
                if entry is not None:
                    entries[name] = entry
                descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(json.dumps(entries, ensure_ascii=False, indent=2) + "\n")
                    file.flush()
                    os.fsync(descriptor)
                made.replace(self._path)
        except (OSError, Timeout) as error:
            with suppress(OSError):
                made.unlink(missing_ok=True)
            raise KeysFailed(f"{self._path}: could not be written: {error}", hint=f"ls -ld {self._path}*") from error

    def _command(self, name: str, entry: Mapping[str, object]) -> list[str]:
        stated, seconds = entry.get("command"), entry.get("timeout_s", COMMAND_SECONDS)
        command = [part for part in stated if isinstance(part, str) and part] if isinstance(stated, list) else []
        timed = isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0
        if not command or command != stated or not timed or entry.keys() - {"command", "timeout_s"}:
            raise KeysFailed(
                f"{self._path}: {name} needs a command with its arguments as a list",
                hint=f'write "{name}": {{"command": ["op", "read", "op://vault/item/field"], "timeout_s": 30}}',
            )
        return command

    def _ask(self, name: str, entry: Mapping[str, object]) -> str:
        """Run a command for what it prints; nothing of that, nor of its complaints, is ever shown."""
        command, seconds = self._command(name, entry), float(str(entry.get("timeout_s", COMMAND_SECONDS)))
        try:
            done = subprocess.run(
                command, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, text=True,
                encoding="utf-8", errors="replace",
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            trouble = f"did not answer in {seconds:g} s"
        except OSError as error:
            trouble = f"cannot be run: {error.strerror or error}"
        else:
            if done.returncode == 0 and done.stdout.strip():
                return done.stdout.strip()
            trouble = f"ended with {done.returncode}" if done.returncode else "said nothing"
        message = f"the command that says the key {name}, {command[0]}, {trouble}"
        # The error that is at hand may hold what the command printed.
        raise KeysFailed(message, hint=f"try it: {shlex.join(command)}") from None
