"""Which files of a folder are complete: seen by looking twice, at names, sizes and times only.

That works on network drives, too, where nothing tells of changes, and reads no file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from triptych.decode.sidecar import SIDECAR_ENDINGS, find_sidecars
from triptych.inputs import Source, find_sources
from triptych.numbered import is_picture

__all__ = ["Arrival", "Looks", "Stamp"]

#: Name, size, and times of change of a file and of its subtitle files.
Stamp = tuple[tuple[str, int, int, int], ...]
# How browsers and download managers name what is not all there yet, or a file that they keep
# beside it until it is.
_UNFINISHED = (
    ".aria2",
    ".crdownload",
    ".download",
    ".filepart",
    ".opdownload",
    ".part",
    ".partial",
    ".tmp",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A file as a look found it."""

    source: Source
    stamp: Stamp
    since: float  #: time of the first look that found it so
    complete: bool


class Looks:
    """What is in a folder, and since when it has been as it is.

    Args:
        folder: is looked through as a run does, the folders in it included.
        out: is left out if it is within the folder.
        settle_s: seconds for which a complete file has been left alone.
        frames_fps: see `find_sources`.
    """

    def __init__(
        self, folder: Path, out: Path, *, settle_s: float, frames_fps: float | None = None
    ) -> None:
        self._folder, self._out, self._settle_s = folder, out, settle_s
        self._frames_fps = frames_fps
        self._seen: dict[str, Arrival] = {}

    def look(self, now: float) -> dict[str, Arrival] | None:
        """Files by their place in OUT, in the order of a run; None while the folder is gone.

        Args:
            now: the time in seconds, on a clock that only goes forward.
        """
        if not os.path.isdir(self._folder):
            return None
        try:
            sources = find_sources([self._folder], out=self._out, frames_fps=self._frames_fps)
        except OSError:  # a network drive that goes away meanwhile
            return None
        names = _Names()
        self._seen = {
            str(source.relative): self._arrival(source, names, now)
            for source in sources
            if not _is_unfinished(source, names)
        }
        return self._seen

    def _arrival(self, source: Source, names: _Names, now: float) -> Arrival:
        stamp = _stamp(source.path, names)
        before = self._seen.get(str(source.relative))
        same = before is not None and before.stamp == stamp
        since = before.since if before is not None and same else now
        complete = same and now - since >= self._settle_s
        return Arrival(source=source, stamp=stamp, since=since, complete=complete)


class _Names(dict[Path, tuple[frozenset[str], list[str]]]):
    """All names in a folder, and those that may be subtitles; each is listed once a look."""

    def __missing__(self, folder: Path) -> tuple[frozenset[str], list[str]]:
        try:
            names = frozenset(os.listdir(folder))
        except OSError:
            names = frozenset()
        self[folder] = names, [n for n in names if n.lower().endswith(SIDECAR_ENDINGS)]
        return self[folder]


def _is_unfinished(source: Source, names: _Names) -> bool:
    if any(part.lower().endswith(_UNFINISHED) for part in source.relative.parts):
        return True
    beside, _ = names[source.path.parent]
    return any(source.path.name + ending in beside for ending in _UNFINISHED)


def _stamp(path: Path, names: _Names) -> Stamp:
    """What changes when a file or one of its subtitle files does, in content or permissions."""
    _, subtitles = names[path.parent]
    pictures: list[Path] = []
    if path.is_dir():  # a film of pictures grows, and each of them may
        pictures = [path / name for name in sorted(names[path][0]) if is_picture(name)]
    return tuple(_status(p) for p in (path, *pictures, *find_sidecars(path, subtitles)))


def _status(path: Path) -> tuple[str, int, int, int]:
    try:
        status = path.stat()
    except OSError:  # a link that leads nowhere, or gone since it was listed
        return path.name, -1, 0, 0
    return path.name, status.st_size, status.st_mtime_ns, status.st_ctime_ns
