"""The command `triptych cache`: each action as data, as lines to print, and as an exit code."""

from __future__ import annotations

import dataclasses
import os
import time
from typing import Any

from triptych.amounts import bytes_of, counted, sized
from triptych.features import upkeep
from triptych.features.store import FeatureStore

__all__ = ["Outcome", "export", "prune", "stats", "verify"]

Outcome = tuple[dict[str, Any], list[str], int]


def stats() -> Outcome:
    """What the store holds."""
    found = upkeep.stats(FeatureStore().root)
    lines = [found.root, f"{_said(found.entries)} of features"]
    lines += [f"  {kind:16} {_said(total)}" for kind, total in found.kinds.items()]
    if found.damaged.files:
        lines.append(f"{_said(found.damaged)} damaged and moved aside")
    if found.scratch.files:
        lines.append(f"{_said(found.scratch)} half written")
    if found.oldest_use_s is not None and found.newest_use_s is not None:
        lines.append(f"used between {_day(found.oldest_use_s)} and {_day(found.newest_use_s)}")
    if found.running:
        lines.append(f"{counted(found.running, 'run is', 'runs are')} at work on it")
    return dataclasses.asdict(found), lines, 0


def verify() -> Outcome:
    """Whether all entries are as they were written; exit code 1 where some were not."""
    found = upkeep.verify(FeatureStore().root, workers=os.cpu_count() or 1)
    lines = [f"damaged, and moved aside: {path}" for path in found.damaged]
    lines += [f"cannot be read: {path}" for path in found.unreadable]
    lines.append(f"{_said(found.entries)} are as they were written")
    if found.scratch_removed.files:
        lines.append(f"{_said(found.scratch_removed)} left half written were removed")
    return dataclasses.asdict(found), lines, 1 if found.damaged or found.unreadable else 0


def prune(max_size: str) -> Outcome:
    """Give up what was used longest ago; exit code 1 where runs need more than was asked for."""
    found = upkeep.prune(FeatureStore().root, max_bytes=bytes_of(max_size))
    lines = [f"{_said(found.removed)} removed, {_said(found.left)} left"]
    if found.over_bytes:
        more = f"{sized(found.over_bytes)} more than asked for"
        lines.append(f"{more}: {_said(found.needed)} may be needed by runs that are at work")
    return dataclasses.asdict(found), lines, 1 if found.over_bytes else 0


def export(out: str, target: str, *, layout: str, tracks: str | None) -> Outcome:
    """The features of a finished run in another tool's layout."""
    from triptych.share import export as write

    names = None if tracks is None else [t for part in tracks.split(",") if (t := part.strip())]
    found = write(out, target, layout=layout, tracks=names)
    alike: dict[tuple[str, str], list[str]] = {}
    for gone in found["skipped"]:
        alike.setdefault((gone["reason"], gone["remedy"]), []).append(gone["video"])
    lines = []
    for (reason, remedy), names in alike.items():
        who = names[0] if len(names) == 1 else f"{len(names)} videos, {names[0]} the first"
        lines.append(f"skipped: {who}: {reason}{f' ({remedy})' if remedy else ''}")
    videos, files = counted(len(found["videos"]), "video"), counted(len(found["files"]), "file")
    lines.append(f"{videos} in {files}: {found['target']}")
    return found, lines, 3 if not found["videos"] else 1 if found["skipped"] else 0


def _said(total: upkeep.Total) -> str:
    return f"{counted(total.files, 'file')}, {sized(total.bytes)}"


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds))
