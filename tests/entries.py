"""Entries in a store, as they lie there after days and after accidents."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np

import synth
from triptych.features import FeatureStore, entry_key

HOUR_S, DAY_S = 3600.0, 86400.0
TRACK = synth.track(np.zeros((4, 8)), np.arange(4.0), np.arange(4.0) + 1)


def add(root: Path, number: int, *, kind: str = "image", used_s_ago: float = 0.0) -> Path:
    """One entry, last used so long ago; all of one kind are of one size."""
    store, key = FeatureStore(root), entry_key(kind, f"{number:064d}", {})
    store.put(key, TRACK)
    return used(store.path(key), used_s_ago)


def used(path: Path, s_ago: float) -> Path:
    os.utime(path, (time.time() - s_ago,) * 2)
    return path


def scraps(root: Path, *, s_ago: float) -> Path:
    """What a process leaves that is killed while it writes."""
    entry = add(root, 10_000)
    path = entry.rename(entry.with_name(f".part-0123456789ab-{entry.name}"))
    return used(path, s_ago)


def damaged(root: Path, number: int, *, used_s_ago: float = 0.0) -> Path:
    entry = add(root, number, used_s_ago=used_s_ago)
    return entry.rename(entry.with_suffix(".damaged"))


def files(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if path.is_file()}


def clock_set_back(job: Path, by_s: float) -> None:
    """As if the clock had been `by_s` ahead when this run began."""
    told = json.loads(job.read_text())
    told["began_s"] += by_s
    job.write_text(json.dumps(told))
    used(job, -by_s)
