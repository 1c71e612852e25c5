"""What speaks for showing each piece of a film, part by part; no part without its evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from triptych.predict.views import Spans, View
from triptych.records import Cue, Floats, Timeline, Times

__all__ = ["JUDGED", "WEIGHTS", "parts_of"]

#: Part -> what it is worth at most, beside 1 for standing for all of the film.
WEIGHTS: Mapping[str, float] = {
    "novel": 0.15,
    "audible": 0.15,
    "spoken": 0.25,
    "moving": 0.15,
    "important": 0.25,  # no more than words: a label is one thing that a video is about
}
#: What importance is worth that was learned from people's scores: it is what summaries are for.
JUDGED = 4.0
_QUIET_DB, _LOUD_DB = -60.0, -15.0
_FASTEST = 2.0  # of the motion track's speed_p90: log(1 + 10 v) of 0.64 short sides a second
_AROUND_S = 20.0  # before and after a piece: what it is compared with to be news


def parts_of(
    timeline: Timeline,
    spans: Spans,
    *,
    views: Sequence[View],
    cues: Sequence[Cue],
    importance: Floats | None,
    judged: bool = False,
) -> dict[str, Floats]:
    """Part -> (N,), how much of it each span has, times its weight.

    Args:
        timeline: with any of the tracks audio, motion.
        spans: N pieces in time order.
        views: of the spans.
        cues: in time order.
        importance: of each step to a trained model, 0..1.
        judged: it was learned from people's scores.
    """
    shares: dict[str, Floats | None] = {
        "novel": _novelty(spans, views),
        "audible": _audible(timeline, spans),
        "spoken": _spoken(spans, cues),
        "moving": _moving(timeline, spans),
        "important": None if importance is None else _means(timeline, spans, importance),
    }
    weights = {**WEIGHTS, "important": JUDGED} if judged else WEIGHTS
    return {
        name: np.asarray(weights[name] * np.clip(share, 0.0, 1.0), np.float32)
        for name, share in shares.items()
        if share is not None
    }


def _novelty(spans: Spans, views: Sequence[View]) -> Floats | None:
    """How little a span is like those shortly before and after it."""
    if not views or len(spans) < 2:
        return None
    starts, ends = np.array(spans).T
    total, weight = np.zeros(len(spans), np.float32), np.zeros(len(spans), np.float32)
    for view in views:
        sums = np.concatenate([np.zeros((1, view.rows.shape[1])), np.cumsum(view.rows, axis=0)])
        first = np.searchsorted(ends, starts - _AROUND_S)
        last = np.searchsorted(starts, ends + _AROUND_S)
        around = (sums[last] - sums[first] - view.rows).astype(np.float32)
        lengths = np.linalg.norm(around, axis=1)
        known = view.present & (lengths > 1e-6)
        cosine = (view.rows * around).sum(axis=1) / np.maximum(lengths, 1e-6)
        far = np.clip((1 - cosine) / (1 - view.chance), 0.0, 1.0)
        total += np.where(known, view.weight * far, 0.0)
        weight += np.where(known, view.weight, 0.0)
    return np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)


def _audible(timeline: Timeline, spans: Spans) -> Floats | None:
    if not timeline.present.get("audio", np.zeros(1, bool)).any():
        return None
    from triptych.extract.specs import AUDIO

    level = timeline.values["audio"][:, AUDIO.columns.index("loudness_db")]
    level = np.where(timeline.present["audio"], level, _QUIET_DB)
    return _means(timeline, spans, (level - _QUIET_DB) / (_LOUD_DB - _QUIET_DB))


def _moving(timeline: Timeline, spans: Spans) -> Floats | None:
    if not timeline.present.get("motion", np.zeros(1, bool)).any():
        return None
    from triptych.extract.specs import MOTION

    speed = timeline.values["motion"][:, MOTION.columns.index("speed_p90")]
    return _means(timeline, spans, np.where(timeline.present["motion"], speed, 0.0) / _FASTEST)


def _spoken(spans: Spans, cues: Sequence[Cue]) -> Floats | None:
    """Share of each span during which something is said."""
    if not cues:
        return None
    edges = np.array(sorted((c.start_s, c.end_s) for c in cues))
    ends = np.maximum.accumulate(edges[:, 1])
    # Time is counted once where cues overlap.
    starts = np.minimum(np.maximum(edges[:, 0], np.concatenate([[-np.inf], ends[:-1]])), ends)
    spoken = np.concatenate([[0.0], np.cumsum(ends - starts)])

    def until(times: Times) -> Times:
        at = np.searchsorted(starts, times, side="right") - 1
        inside = np.minimum(times, ends[at]) - starts[at]
        return np.where(at >= 0, spoken[np.maximum(at, 0)] + inside, 0.0)

    begins, stops = np.array(spans).reshape(-1, 2).T
    share = (until(stops) - until(begins)) / np.maximum(stops - begins, 1e-9)
    return np.asarray(share, np.float32)


def _means(timeline: Timeline, spans: Spans, values: npt.NDArray[np.floating[Any]]) -> Floats:
    """Mean of a value of the steps over each span, by how much they overlap."""
    values = np.clip(values, 0.0, 1.0)
    edges = np.append(timeline.start_s, timeline.end_s[-1])
    sums = np.concatenate([[0.0], np.cumsum(values * np.diff(edges))])
    begins, stops = np.array(spans).reshape(-1, 2).T
    held = np.interp(stops, edges, sums) - np.interp(begins, edges, sums)
    return np.asarray(held / np.maximum(stops - begins, 1e-9), np.float32)
