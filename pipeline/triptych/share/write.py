"""Exports what a finished run has, in the layout that another tool reads."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from triptych.atomic import SCRATCH
from triptych.errors import UsageError
from triptych.share.collect import Video, Videos
from triptych.share.layout import Layout, known_tracks, published

__all__ = ["INDEX", "LAYOUTS", "export"]

#: Layout -> "module:Class", imported when used.
LAYOUTS = {
    "parquet": "triptych.share.tables:Parquet",
    "npz": "triptych.share.arrays:Npz",
    "vsumm": "triptych.share.vsumm:Vsumm",
    "mmsa": "triptych.share.mmsa:Mmsa",
    "webdataset": "triptych.share.arrays:WebDataset",
}
INDEX = "_export.json"  #: written last; readers of whole folders pass over names with _


def export(
    out: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    layout: str,
    tracks: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Write the features of the finished videos in `out`; no video is opened.

    Args:
        out: folder of results of `triptych run`.
        target: an empty folder, or one that is to be made.
        layout: one of `LAYOUTS`.
        tracks: names of those to export; None for all, or for what the layout is made for.

    Returns:
        `layout`; `target`; `files`: names of what was written; `videos[]`: `video`, `key`,
        `sha256`, `tracks` (name -> rows); `skipped[]`: `video`, `reason`, `remedy`. The same
        stands in `_export.json`. Nothing is written where no video is left.

    Raises:
        UsageError: no such layout or track, nothing was run in `out`, `target` is not empty, or a
            package is not installed.
        OutputError: the disk is full or read-only.
        ResourceError: the layout has to be made in memory, and there is too little.
    """
    target = Path(target)
    made = _layout(layout)
    _check_tracks(tracks)
    wanted = made.tracks(tracks)
    _check_target(target)
    videos = Videos(Path(out), tracks=wanted, unfit=made.unfit)
    result: dict[str, Any] = {
        "layout": layout,
        "target": str(target),
        "files": [],
        "videos": [],
        "skipped": videos.skipped,
    }
    found = iter(videos)
    if (first := next(found, None)) is not None:
        noted = _noted(itertools.chain([first], found), result["videos"])
        with _all_or_none(target, result["files"]) as files:
            for path in made.write(noted, target):
                files.append(path.name)
            with published(target / INDEX) as scratch:
                scratch.write_text(json.dumps(result, indent=1) + "\n", encoding="ascii")
    return result


def _layout(name: str) -> Layout:
    if name not in LAYOUTS:
        raise UsageError(f"no layout {name!r}", remedy=f"there are {', '.join(LAYOUTS)}")
    module, _, attribute = LAYOUTS[name].partition(":")
    made: Layout = getattr(import_module(module), attribute)()
    if made.package and importlib.util.find_spec(made.package) is None:
        raise UsageError(
            f"the layout {name} needs {made.package}", remedy='pip install "triptych[export]"'
        )
    return made


def _check_tracks(tracks: Sequence[str] | None) -> None:
    known = known_tracks()
    if tracks is not None and (unknown := [name for name in tracks if name not in known]):
        raise UsageError(
            f"no track {', '.join(map(repr, unknown))}", remedy=f"there are {', '.join(known)}"
        )


def _check_target(target: Path) -> None:
    """What is there already might be taken for a part of this export."""
    try:
        empty = all(name.startswith(SCRATCH) for name in os.listdir(target))
    except FileNotFoundError:
        return
    except OSError as err:
        raise UsageError(
            f"cannot export to it: {err.strerror}", path=target, remedy="choose another folder"
        ) from err
    if not empty:
        raise UsageError("the folder is not empty", path=target, remedy="choose another folder")


def _noted(videos: Iterator[Video], notes: list[dict[str, Any]]) -> Iterator[Video]:
    """The videos, each noted down as it goes by."""
    for video in videos:
        rows = {name: len(track) for name, track in video.tracks.items()}
        notes.append(
            {"video": video.name, "key": video.key, "sha256": video.sha256, "tracks": rows}
        )
        yield video


@contextlib.contextmanager
def _all_or_none(target: Path, files: list[str]) -> Iterator[list[str]]:
    """An export that fails takes back the files that it has written."""
    try:
        yield files
    except BaseException:
        for name in files:
            with contextlib.suppress(OSError):
                (target / name).unlink()
        raise
