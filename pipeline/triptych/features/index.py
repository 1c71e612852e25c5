"""Digests of files that have not changed since they were read, so that they need not be read again.

A file counts as unchanged while its place on the disk, its size and the times that the system
keeps of it are the same. What is remembered only saves work: whatever is wrong with the index,
the files themselves are read.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from triptych.cache import cache_dir
from triptych.errors import DecodeError
from triptych.features.keys import (
    changed_ns,
    file_digest,
    folder_status,
    media_digest,
    state_of,
    status_of,
)
from triptych.inputs import Source

__all__ = ["DigestIndex"]

log = logging.getLogger(__name__)

T = TypeVar("T")

_TABLE = """
CREATE TABLE IF NOT EXISTS digests (
    path BLOB PRIMARY KEY, state TEXT, sha256 TEXT, seal TEXT, seen_s INTEGER
) WITHOUT ROWID
"""
_GRAIN_NS = 2 * 10**9  # of the coarsest clock of a file system: a change within it leaves no trace
_PATIENCE_S = 5.0  # for another process that is writing
_FLUSH_S = 1.0  # between two writings; a run that is killed forgets no more than this
_WEEK_S, _YEAR_S = 7 * 86400, 365 * 86400
#: What sqlite says of a file that is none of its own, or not any more. Whatever else it says, of
#: locks, rights and full disks, may be over the next time.
_DAMAGED = (
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_NOTADB,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    state: str
    sha256: str
    seen_s: int


class DigestIndex:
    """sha256 of files by path, in one small database that any number of processes may share.

    A row that nobody asked for in a year is dropped, so that those of files that are gone do
    not add up. Threads may share one index, too.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path if path is not None else cache_dir() / "digests.sqlite"
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._opened: os.stat_result | None = None
        self._new: dict[bytes, _Row | None] = {}  # not yet written; None: to be removed
        self._written_s = time.monotonic()
        self._may_read = self._may_write = True
        self._is_tidy = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what is new, and let go of the database; it opens again by itself."""
        with self._lock:
            self._flush()
            self._disconnect()

    def digest(
        self, path: str | os.PathLike[str], *, status: os.stat_result, verify: bool = False
    ) -> str:
        """sha256 of a file's content.

        Args:
            path: the file.
            status: of the file, just taken.
            verify: read the file in any case, and mend the index where it was wrong.

        Raises:
            InputError: the file is missing or may not be read.
        """
        return self._digest(
            path,
            state=state_of(status),
            changed=changed_ns(status),
            read=lambda: file_digest(path),
            look=lambda: state_of(os.stat(path)),
            verify=verify,
        )

    def identity(self, source: Source, *, verify: bool = False) -> tuple[int, str]:
        """Bytes and digest of what a source holds: a file, or a folder of numbered pictures.

        Args:
            source: what is to be decoded.
            verify: see `digest`.

        Raises:
            InputError: something is missing or may not be read, or it is no file.
            DecodeError: it is a folder, and not clear which of its pictures are the film.
        """
        path, fps = source.path, source.frames_fps
        if fps is None:
            status = status_of(path)
            return status.st_size, self.digest(path, status=status, verify=verify)
        folder = folder_status(path)
        found = self._digest(
            path,
            state=f"{fps!r} {folder.state}",
            changed=folder.changed_ns,
            read=lambda: media_digest(path, frames_fps=fps),
            look=lambda: f"{fps!r} {folder_status(path).state}",
            verify=verify,
        )
        return folder.size, found

    def _digest(
        self,
        path: str | os.PathLike[str],
        *,
        state: str,
        changed: int,
        read: Callable[[], str],
        look: Callable[[], str],
        verify: bool,
    ) -> str:
        """A digest by the state that was just seen, or else by reading."""
        name = os.fsencode(os.path.abspath(path))
        began_ns = time.time_ns()
        known = self._known(name, state)
        if known and not verify and changed <= began_ns:
            return known
        found = read()
        if known == found:
            return found
        if known:
            log.warning("%s: its content changed, but neither its size nor its times", path)
        # What is not old enough may yet change without a trace; what changed meanwhile was
        # perhaps read half before and half after.
        lasts = began_ns - changed >= _GRAIN_NS and _is_still(look, state)
        if lasts or known:
            row = _Row(state=state, sha256=found, seen_s=int(time.time()))
            with self._lock:
                self._keep(name, row if lasts else None)
        return found

    def _known(self, name: bytes, state: str) -> str | None:
        """What the index says of a file that is in this state."""
        with self._lock:
            row = self._new[name] if name in self._new else self._select(name)
            if row is None or row.state != state:
                return None
            now = int(time.time())
            if now - row.seen_s > _WEEK_S:
                self._keep(name, _Row(state=state, sha256=row.sha256, seen_s=now))
            return row.sha256

    def _select(self, name: bytes) -> _Row | None:
        query = "SELECT state, sha256, seal, seen_s FROM digests WHERE path = ?"
        if not self._may_read:
            return None
        try:
            values = self._ask(lambda database: database.execute(query, [name]).fetchone())
        except (sqlite3.Error, OSError) as err:
            self._give_up(err)
            self._may_read = False
            return None
        return values and _sound_row(name, *values)

    def _keep(self, name: bytes, row: _Row | None) -> None:
        self._new[name] = row
        if time.monotonic() - self._written_s >= _FLUSH_S:
            self._flush()

    def _flush(self) -> None:
        if not (self._new and self._may_write):
            return
        try:
            self._ask(self._write)
            self._new.clear()
        except (sqlite3.Error, OSError) as err:
            self._give_up(err)
        self._written_s = time.monotonic()

    def _write(self, database: sqlite3.Connection) -> None:
        kept = [
            (name, row.state, row.sha256, _seal(name, row.state, row.sha256), row.seen_s)
            for name, row in self._new.items()
            if row is not None
        ]
        gone = [(name,) for name, row in self._new.items() if row is None]
        with database:  # one transaction
            database.execute("BEGIN IMMEDIATE")
            database.executemany("REPLACE INTO digests VALUES (?, ?, ?, ?, ?)", kept)
            database.executemany("DELETE FROM digests WHERE path = ?", gone)
            if not self._is_tidy:
                long_ago = int(time.time()) - _YEAR_S
                database.execute("DELETE FROM digests WHERE seen_s < ?", [long_ago])
        self._is_tidy = True

    def _ask(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Do something with the database; with a new one if this one is damaged."""
        try:
            return action(self._connected())
        except sqlite3.Error as err:
            if getattr(err, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
                raise
            log.warning("%s is damaged and will be made anew: %s", self.path, err)
            self._set_aside()
            return action(self._connected())

    def _connected(self) -> sqlite3.Connection:
        # As sqlite sets itself up: its faster journal needs memory that processes share, which
        # network file systems do not have.
        if self._database is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                self.path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False
            )
            self._database.text_factory = bytes  # damaged text may be no UTF-8
            self._opened = self.path.stat()
            self._database.execute(_TABLE)
        return self._database

    def _disconnect(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _set_aside(self) -> None:
        self._disconnect()
        with contextlib.suppress(FileNotFoundError):
            if self._opened is None or not os.path.samestat(self._opened, self.path.stat()):
                return  # another process did so already
            # A journal is of this one database; applied to the next it would destroy that.
            self.path.with_name(f"{self.path.name}-journal").unlink(missing_ok=True)
            self.path.replace(self.path.with_suffix(".damaged"))

    def _give_up(self, err: Exception) -> None:
        """Say once what is wrong; nothing more is written, so that nobody waits again."""
        if self._may_write:
            log.warning("%s: digests are not kept, files are read again: %s", self.path, err)
        self._may_write = False
        with contextlib.suppress(sqlite3.Error):
            self._disconnect()


def _is_still(look: Callable[[], str], state: str) -> bool:
    try:
        return look() == state
    except (OSError, DecodeError):
        return False


def _seal(name: bytes, state: str, sha256: str) -> str:
    """Shows whether a row is as it was written: sqlite does not check what it reads."""
    return hashlib.sha256(name + f"\0{state}\0{sha256}".encode()).hexdigest()[:16]


def _sound_row(name: bytes, state: bytes, sha256: bytes, seal: bytes, seen_s: int) -> _Row | None:
    try:
        row = _Row(state=state.decode(), sha256=sha256.decode(), seen_s=int(seen_s))
        return row if seal.decode() == _seal(name, row.state, row.sha256) else None
    except (AttributeError, TypeError, ValueError):  # damage may have changed even the types
        return None
