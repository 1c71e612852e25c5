"""The store's upkeep: what lies in it, whether it is whole, and a limit to its size.

Any of these may run while others read and write the store: every entry can be made again, so
that the worst that can happen is that one is.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from triptych.atomic import SCRATCH
from triptych.errors import ResourceError
from triptych.features.jobs import Need, in_use, needed, running
from triptych.features.layout import DAMAGED, ENTRY, entry_path, kind_of

__all__ = ["Pruned", "Stats", "Total", "Verified", "in_use", "prune", "stats", "verify"]

log = logging.getLogger(__name__)

_DAY_S = 24 * 3600.0  # nobody writes on one file for longer
State = Literal["scratch", "damaged", "entry"]
_ORDER: tuple[State, ...] = ("scratch", "damaged", "entry")  # in which files are given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """A number of files, and what they hold."""

    files: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What lies in a store. Times are seconds since 1970; None where there are no entries."""

    root: str
    entries: Total
    kinds: dict[str, Total]  #: the entries by kind of track, largest first
    damaged: Total  #: moved aside
    scratch: Total  #: being written, or left by processes that were killed
    oldest_use_s: float | None
    newest_use_s: float | None
    running: int  #: runs that are at work on it


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What reading all entries of a store found."""

    root: str
    entries: Total  #: that are as they were written
    damaged: tuple[str, ...]  #: paths of those that were not, and are moved aside
    unreadable: tuple[str, ...]  #: paths of those that the system would not read
    scratch_removed: Total


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was given up, and what is left."""

    root: str
    removed: Total
    kinds: dict[str, Total]  #: the removed entries by kind of track
    left: Total
    needed: Total  #: of what is left: entries that a run may need
    over_bytes: int  #: by which the limit is exceeded all the same


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    path: Path
    state: State
    bytes: int
    used_s: float

    @property
    def kind(self) -> str:
        return kind_of(self.path.stem)

    def is_left_over(self, now: float) -> bool:
        """Whether nobody can be writing on it. A time yet to come says nothing."""
        return self.state == "scratch" and now - self.used_s > _DAY_S


def stats(root: Path) -> Stats:
    """Count what lies in a store, without reading any of it.

    Raises:
        ResourceError: its folders cannot be listed.
    """
    files = [file for folder in _folders(root) for file in _files(folder)]
    entries = [file for file in files if file.state == "entry"]
    used = [file.used_s for file in entries]
    return Stats(
        root=str(root),
        entries=_total(entries),
        kinds=_by_kind(entries),
        damaged=_total([file for file in files if file.state == "damaged"]),
        scratch=_total([file for file in files if file.state == "scratch"]),
        oldest_use_s=min(used, default=None),
        newest_use_s=max(used, default=None),
        running=running(root),
    )


def verify(root: Path, *, workers: int) -> Verified:
    """Read all entries; those that are damaged are moved aside, and will be made again.

    None of them counts as used because of this. Files that were being written more than a day
    ago are removed.

    Args:
        root: folder of the store.
        workers: threads that read; each holds one entry in memory.

    Raises:
        ResourceError: its folders cannot be listed.
    """
    now = time.time()
    found: dict[str, list[_File]] = {"whole": [], "damaged": [], "unreadable": [], "removed": []}
    with ThreadPoolExecutor(max(1, workers)) as threads:
        for told in threads.map(lambda folder: _verify(folder, now), _folders(root)):
            for outcome, file in told:
                found.setdefault(outcome, []).append(file)
    return Verified(
        root=str(root),
        entries=_total(found["whole"]),
        damaged=tuple(sorted(str(file.path) for file in found["damaged"])),
        unreadable=tuple(sorted(str(file.path) for file in found["unreadable"])),
        scratch_removed=_total(found["removed"]),
    )


def _verify(folder: Path, now: float) -> list[tuple[str, _File]]:
    """What became of each file of one folder; who asked is told, so that no log need say it."""
    from triptych.features.store import DamagedEntry, check_entry

    told = []
    for file in _files(folder):
        outcome = "whole"
        if file.state == "entry":
            try:
                check_entry(file.path)
            except FileNotFoundError:  # pruned, or moved aside, by another process
                outcome = "gone"
            except DamagedEntry as err:
                log.info("%s is damaged and will be made again: %s", file.path, err)
                outcome = "damaged"
            except OSError as err:
                log.info("cannot read %s: %s", file.path, err)
                outcome = "unreadable"
        else:
            outcome = _remove(file) if file.is_left_over(now) else "kept"
        told.append((outcome, file))
    return told


def prune(root: Path, *, max_bytes: int) -> Pruned:
    """Remove files until the store holds at most `max_bytes`.

    First go those that killed processes left half written, then damaged ones, then the entries
    that were used longest ago. What a run that is still at work has used, or will read, stays
    (see `in_use`), even if the limit is then exceeded.

    Raises:
        ResourceError: its folders cannot be listed.
    """
    now = time.time()
    files = [file for folder in _folders(root) for file in _files(folder)]
    left = {file.path: file for file in files}
    held = sum(file.bytes for file in files)
    removed: list[_File] = []
    for file in _in_order(files, now):
        if held <= max_bytes:
            break
        if _is_needed(file, needed(root)):
            continue
        if (outcome := _remove(file)) != "kept":  # if it is gone, another process was faster
            held -= file.bytes
            del left[file.path]
        if outcome == "removed":
            removed.append(file)
    need = needed(root)
    return Pruned(
        root=str(root),
        removed=_total(removed),
        kinds=_by_kind([file for file in removed if file.state == "entry"]),
        left=_total(list(left.values())),
        needed=_total([file for file in left.values() if _is_needed(file, need)]),
        over_bytes=max(0, held - max_bytes),
    )


def _is_needed(file: _File, need: Need) -> bool:
    from triptych.features.store import media_of

    if file.state != "entry":
        return False
    if file.used_s >= need.since_s:
        return True
    return bool(need.media) and media_of(file.path) in need.media


def _in_order(files: list[_File], now: float) -> list[_File]:
    """The files that may be removed, first those that are missed least."""
    known = [file for file in files if file.state != "scratch" or file.is_left_over(now)]
    return sorted(known, key=lambda file: (_ORDER.index(file.state), file.used_s, file.path))


def _remove(file: _File) -> str:
    try:
        if file.path.stat().st_mtime != file.used_s:
            return "kept"  # used, or made again, after it was listed
        file.path.unlink()
    except FileNotFoundError:
        return "gone"
    except OSError as err:
        log.warning("cannot remove %s: %s", file.path, err)
        return "kept"
    return "removed"


def _folders(root: Path) -> list[Path]:
    return [
        Path(item.path)
        for item in _listed(root)
        if len(item.name) == 2 and item.is_dir(follow_symlinks=False)
    ]


def _files(folder: Path) -> Iterator[_File]:
    """The store's own files in one of its folders; whatever else lies there is not touched."""
    for item in _listed(folder):
        path = Path(item.path)
        with contextlib.suppress(FileNotFoundError):  # gone since it was listed
            state = _state(path)
            if state is not None and item.is_file(follow_symlinks=False):
                status = path.stat()
                yield _File(path=path, state=state, bytes=status.st_size, used_s=status.st_mtime)


def _state(path: Path) -> State | None:
    if path.suffix not in (ENTRY, DAMAGED):
        return None
    if path.name.startswith(SCRATCH):
        return "scratch"
    if entry_path(path.parent.parent, path.stem) != path.with_suffix(ENTRY):
        return None
    return "entry" if path.suffix == ENTRY else "damaged"


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as items:
            return list(items)
    except FileNotFoundError:
        return []
    except OSError as err:
        raise ResourceError(
            f"cannot list: {err.strerror or err}",
            path=folder,
            remedy="check its permissions, or point TRIPTYCH_CACHE at a folder that you may read",
        ) from err


def _total(files: list[_File]) -> Total:
    return Total(files=len(files), bytes=sum(file.bytes for file in files))


def _by_kind(files: list[_File]) -> dict[str, Total]:
    by_name = sorted(files, key=lambda file: file.kind)
    totals = {
        kind: _total(list(same))
        for kind, same in itertools.groupby(by_name, key=lambda file: file.kind)
    }
    return dict(sorted(totals.items(), key=lambda pair: (-pair[1].bytes, pair[0])))
