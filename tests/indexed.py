"""Files for the index of digests, and what it knows and does about them."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from triptych.features.index import DigestIndex

FUTURE_S = time.time() + 10 * 365 * 86400
#: What happens when a file is opened in this process; Python offers no way to remove such a hook.
_WATCHED: dict[str, Callable[[], None]] = {}


def _on_event(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and (action := _WATCHED.get(str(arguments[0]))):
        action()


sys.addaudithook(_on_event)


@contextlib.contextmanager
def watched(path: Path, action: Callable[[], None] = lambda: None) -> Iterator[list[str]]:
    """A list that grows by one each time the file is opened; then `action` is done, too."""
    opened: list[str] = []
    _WATCHED[str(path)] = lambda: (opened.append(str(path)), action())[0]
    try:
        yield opened
    finally:
        del _WATCHED[str(path)]


def make_aged_files(folder: Path) -> None:
    """Files that nobody has touched for longer than the grain of any clock."""
    spare, odd = folder / "spare", folder / "odd"
    spare.mkdir()
    odd.mkdir()
    for number in range(12):
        for place in (folder, spare):
            (place / f"{number:02d}.bin").write_bytes(b"first" * 100 + bytes([number]))
    (odd / "future.bin").write_bytes(b"x")
    os.utime(odd / "future.bin", (FUTURE_S, FUTURE_S))
    for name in ("猫 🐈.mp4".encode(), b"caf\xe9.mp4", b"it's \"; DROP TABLE digests.mp4"):
        Path(os.fsdecode(os.fsencode(odd) + b"/" + name)).write_bytes(name)
    time.sleep(2.2)


def ask(place: Path, path: Path, *, verify: bool = False) -> str:
    """As a run of its own asks."""
    with DigestIndex(place) as digests:
        return digests.digest(path, status=path.stat(), verify=verify)


def rows(place: Path) -> dict[str, tuple[str, int]]:
    with contextlib.closing(sqlite3.connect(place)) as database:
        found = database.execute("SELECT path, sha256, seen_s FROM digests").fetchall()
    return {os.fsdecode(path): (sha256, seen_s) for path, sha256, seen_s in found}


def change_rows(place: Path, statement: str, *values: object) -> None:
    with contextlib.closing(sqlite3.connect(place)) as database, database:
        database.execute(statement, values)
