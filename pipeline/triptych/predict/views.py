"""The timeline as unit vectors in which likeness can be measured: what is seen, heard, said.

What is not there is masked, never zero: it is like nothing and unlike nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from triptych.records import Floats, Mask, Timeline

__all__ = ["View", "alike", "pooled", "views_of"]

Spans = Sequence[tuple[float, float]]

# Track -> how much it counts, the cosine of two things taken at random, and that from which on
# they are the same. Pictures of different clips lie below .63 in 99 of 100 pairs, of a clip and
# its copy at another encoding and size above .76 in 9 of 10 (bench/summary.py, seeds 100 to 119).
_TRACKS = {"image": (1.0, 0.55, 0.8), "audio": (0.3, 0.0, 0.9), "text": (0.5, 0.3, 0.8)}
_ROUGH = 4  # digits of likeness; the last bits depend on the processor
_DUST_S = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One track, of the steps or of spans of time."""

    name: str  #: of the track
    rows: Floats  #: (N, D), of length 1 where present, else 0
    present: Mask  #: (N,)
    weight: float
    chance: float  #: cosine of two things taken at random
    same: float  #: cosine from which on they are the same


def views_of(timeline: Timeline) -> list[View]:
    """Each track that likeness is measured by and that has evidence somewhere."""
    found = []
    for name, (weight, chance, same) in _TRACKS.items():
        present = timeline.present.get(name)
        if present is None or not present.any():
            continue
        values = timeline.values[name]
        if name == "audio":  # columns in units of their own
            here = values[present]
            values = (values - here.mean(axis=0)) / np.maximum(here.std(axis=0), 1e-3)
        found.append(View(name, _unit(values, present), present, weight, chance, same))
    return found


def pooled(timeline: Timeline, views: Sequence[View], spans: Spans) -> list[View]:
    """The views of spans of time instead of steps.

    A span is made of the steps that begin within it, as a step's picture is that of its
    beginning; one that is too short for that, of those that it overlaps.
    """
    slices = [_steps(timeline, *span) for span in spans]
    found = []
    for view in views:
        counts = np.array([view.present[s].sum() for s in slices])
        sums = [view.rows[s].sum(axis=0) for s in slices]
        rows = np.stack(sums) if sums else view.rows[:0]
        here = counts > 0
        found.append(dataclasses.replace(view, rows=_unit(rows, here), present=here))
    return found


def alike(views: Sequence[View], size: int) -> Floats:
    """How alike things are, (N, N) from 0 to 1: over the views that both have.

    Sound counts only where there are no pictures: all silence sounds the same.

    Args:
        views: of N things.
        size: N.
    """
    total, weight = np.zeros((size, size), np.float32), np.zeros((size, size), np.float32)
    pictured = any(view.name == "image" for view in views)
    for view in views:
        if view.name == "audio" and pictured:
            continue
        both = view.weight * np.outer(view.present, view.present).astype(np.float32)
        above = (view.rows @ view.rows.T - view.chance) / (view.same - view.chance)
        total += both * np.clip(above, 0.0, 1.0)
        weight += both
    found = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    np.fill_diagonal(found, 1.0)
    return found.round(_ROUGH)


def _steps(timeline: Timeline, start_s: float, end_s: float) -> slice:
    begins = timeline.start_s
    first = int(np.searchsorted(begins, start_s - _DUST_S, side="left"))
    last = int(np.searchsorted(begins, end_s - _DUST_S, side="left"))
    if last > first:
        return slice(first, last)
    first = int(np.searchsorted(timeline.end_s, start_s + _DUST_S, side="right"))
    first = min(first, len(timeline) - 1)
    return slice(first, first + 1)


def _unit(rows: Floats, present: Mask) -> Floats:
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return np.where(present[:, None], rows / lengths, 0.0).astype(np.float32)
