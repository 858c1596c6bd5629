"""A database of derived data: made anew where it is damaged or of another form, in memory where it cannot be kept."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from atomic_agents.core.errors import AtomicAgentsError

Row = tuple[Any, ...]
_T = TypeVar("_T")

_IN_MEMORY = ":memory:"
_WAIT = 10.0
# What the file system or another process does to us says nothing about the data.
_NOT_DAMAGE = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
    )
)


class Database:
    """One SQLite file. `lock` is held while a damaged file is taken away, so that no process takes a sound one."""

    def __init__(self, file: str, *, schema: str, form: int, lock: Callable[[], AbstractContextManager[None]]) -> None:
        self.made_anew = 0
        """How often what was known has been lost."""
        self._file = file
        self._schema = schema
        self._form = form
        self._lock = lock
        self._connection: sqlite3.Connection | None = None
        self._opened: int | None = None

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def attempt(self, work: Callable[[], _T]) -> _T:
        """Do `work`; where the database is at fault mend it and do it again, in the end in memory."""
        for mend in (self._mend, self._leave_file):
            try:
                return work()
            except sqlite3.Error as error:
                mend(error)
        return work()

    def rows(self, query: str, *values: object) -> list[Row]:
        """What a query finds."""
        return self._open().execute(query, values).fetchall()

    def version(self) -> int:
        """A number that is another one when other processes have written."""
        return int(self.rows("PRAGMA data_version")[0][0])

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Write all or nothing; others wait."""
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.rollback()
            raise
        connection.commit()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            if self._file != _IN_MEMORY:
                try:
                    Path(self._file).parent.mkdir(parents=True, exist_ok=True)
                except OSError:
                    self._file = _IN_MEMORY
            connection = sqlite3.connect(self._file, timeout=_WAIT, check_same_thread=False, isolation_level=None)
            try:
                self._opened = self._inode()
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = OFF")
                self._connection = connection
                self._form_tables()
            except BaseException:
                self._connection = None
                connection.close()
                raise
        return self._connection

    def _form_tables(self) -> None:
        if self.rows("PRAGMA user_version") == [(self._form,)]:
            return
        with self.writing() as connection:
            if self.rows("PRAGMA user_version") == [(self._form,)]:
                return
            for (name,) in self.rows(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%'"
            ):
                connection.execute(f'DROP TABLE "{name}"')
            for (name,) in self.rows(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            ):
                connection.execute(f'DROP TABLE "{name}"')
            for statement in self._schema.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {self._form}")

    def _mend(self, error: sqlite3.Error) -> None:
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in _NOT_DAMAGE:
            self._leave_file(error)
            return
        self.close()
        self.made_anew += 1
        if self._file == _IN_MEMORY:
            return
        try:
            with self._lock():
                if self._inode() == self._opened:
                    for suffix in ("-wal", "-shm", ""):
                        Path(self._file + suffix).unlink(missing_ok=True)
        except (AtomicAgentsError, OSError):
            self._file = _IN_MEMORY

    def _leave_file(self, _error: sqlite3.Error) -> None:
        self.close()
        self.made_anew += 1
        self._file = _IN_MEMORY

    def _inode(self) -> int | None:
        try:
            return Path(self._file).stat().st_ino
        except OSError:
            return None
