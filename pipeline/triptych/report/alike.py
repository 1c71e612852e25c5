"""Which videos of a run look alike: groups, and near-duplicates, for the gallery.

The vectors are means of image embeddings that the run has kept anyway. They are remembered beside
the gallery, so that each is read from the store once, however often the gallery is drawn.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from triptych.features.store import FeatureStore
from triptych.learn.clusters import groups_of
from triptych.learn.duplicates import near_duplicates
from triptych.records import FeatureTrack, Floats
from triptych.report.files import write_bytes

__all__ = ["Alike", "look_alikes"]

log = logging.getLogger(__name__)

_REMEMBERED = ".looks.npy"
_MOST = 5000  # videos: 100 MB for all pairs of them
_TRACK = "image"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Alike:
    """Videos by their place among the rows."""

    groups: tuple[tuple[int, ...], ...] = ()  #: the largest first
    duplicates: tuple[tuple[int, ...], ...] = ()  #: sets that look nearly the same


def look_alikes(rows: Sequence[Row], folder: Path) -> Alike:
    """What of a run looks alike; nothing where its features are gone.

    Args:
        rows: as for `write_run`; their `entries` name the features.
        folder: the run's, where means are remembered.
    """
    keys = {i: str(row.get("entries", {}).get(_TRACK, "")) for i, row in enumerate(rows)}
    places = [i for i, key in keys.items() if key and Path(key).name == key][:_MOST]
    means = _means([keys[i] for i in places], folder)
    places = [i for i in places if keys[i] in means]
    if len(places) < 2:
        return Alike()
    vectors = np.stack([means[keys[i]] for i in places])
    pairs = near_duplicates(vectors, apart=np.arange(len(places)))
    return Alike(
        groups=tuple(tuple(places[i] for i in group) for group in groups_of(vectors)),
        duplicates=_sets([(places[pair.first], places[pair.second]) for pair in pairs]),
    )


def _sets(pairs: Sequence[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    """Pairs that share a video as one set, in the order of the rows."""
    of: dict[int, set[int]] = {}
    for one, other in pairs:
        joint = of.get(one, {one}) | of.get(other, {other})
        for member in joint:
            of[member] = joint
    return tuple(sorted({tuple(sorted(members)) for members in of.values()}))


def _means(keys: Sequence[str], folder: Path) -> dict[str, Floats]:
    """Key -> mean of a track's rows, for those that there are."""
    known = _remembered(folder / _REMEMBERED)
    found = {key: known[key] for key in keys if key in known}
    store = FeatureStore()
    for key in keys:
        if key not in found and (mean := _mean(store, key)) is not None:
            found[key] = mean
    widths = {len(mean) for mean in found.values()}
    if len(widths) > 1:  # of extractors that changed between two versions
        width = len(found[keys[-1]]) if keys[-1] in found else max(widths)
        found = {key: mean for key, mean in found.items() if len(mean) == width}
    if found.keys() != known.keys():
        _remember(folder / _REMEMBERED, found)
    return found


def _mean(store: FeatureStore, key: str) -> Floats | None:
    track = store.get(key)
    if not isinstance(track, FeatureTrack) or not len(track):
        return None
    mean = track.values.mean(axis=0, dtype=np.float64).astype(np.float16).astype(np.float32)
    return mean if np.isfinite(mean).all() else None


def _remembered(path: Path) -> dict[str, Floats]:
    try:
        table = np.load(path, allow_pickle=False)
        return dict(zip(table["key"].tolist(), table["mean"].astype(np.float32), strict=True))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, IndexError, EOFError) as err:
        log.info("%s is made again: %s", path, err)
        return {}


def _remember(path: Path, means: Mapping[str, Floats]) -> None:
    if not means:
        return
    width, longest = len(next(iter(means.values()))), max(map(len, means))
    table = np.zeros(len(means), [("key", f"U{longest}"), ("mean", np.float16, (width,))])
    table["key"], table["mean"] = list(means), np.stack(list(means.values()))
    buffer = io.BytesIO()
    np.save(buffer, table)
    write_bytes(path, buffer.getvalue())
