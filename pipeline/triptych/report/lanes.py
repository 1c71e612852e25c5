"""What the page's timeline draws: everything pooled to a bounded number of bins."""

from __future__ import annotations

from typing import Any

import numpy as np

from triptych.records import Analysis, FeatureTrack, Floats, Times
from triptych.report.analysis import top_steps
from triptych.report.text import clean, one_line

__all__ = ["lane_data"]

_BINS = 1200  # more than most screens have pixels
_QUIET_DB = 60.0  # below full scale; nothing is drawn there
_KINDS = ("image", "motion", "audio", "text")


def lane_data(analysis: Analysis) -> dict[str, Any]:
    """Plain data with all times on the player's clock, which starts at zero."""
    start_s = analysis.info.start_s
    edges = _edges(len(analysis.timeline))
    begin = analysis.timeline.start_s[edges[:-1]] - start_s
    end = analysis.timeline.end_s[edges[1:] - 1] - start_s if len(edges) > 1 else begin
    return {
        "begin": round(float(begin[0]), 3) if len(begin) else 0.0,
        "duration": round(float(end[-1]), 3) if len(end) else 0.0,
        "bins": {"start": _rounded(begin), "end": _rounded(end)},
        "labels": _labels(analysis, edges),
        "loudness": _loudness(analysis, begin + start_s, end + start_s),
        "present": _presence(analysis, edges),
        "shots": [
            [round(s.start_s - start_s, 3), round(s.end_s - start_s, 3)] for s in analysis.shots
        ],
        "cues": [
            [round(c.start_s - start_s, 3), round(c.end_s - start_s, 3), clean(c.text).strip()]
            for c in analysis.cues
        ],
        "moments": [
            [round(s.start_s - start_s, 3), round(s.end_s - start_s, 3)]
            for s in analysis.summary.segments
        ],
    }


def _rounded(times: Times) -> list[float]:
    return [round(float(t), 3) for t in times]


def _edges(steps: int) -> np.ndarray[Any, np.dtype[np.intp]]:
    """First step of each bin, and the end."""
    return np.unique(np.linspace(0, steps, min(steps, _BINS) + 1).round()).astype(np.intp)


def _pooled(values: Floats, edges: np.ndarray[Any, np.dtype[np.intp]]) -> Floats:
    """Mean of each bin, (bins, ...)."""
    if len(edges) < 2:
        return values[:0]
    sums = np.add.reduceat(np.nan_to_num(values.astype(np.float64)), edges[:-1], axis=0)
    sizes = np.diff(edges).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray(sums / sizes, np.float32)


def _labels(analysis: Analysis, edges: np.ndarray[Any, np.dtype[np.intp]]) -> list[dict[str, Any]]:
    """Heat rows. `values` are stretched so that a flat belief over many labels still shows."""
    names, scores = top_steps(analysis)
    seen = np.asarray(analysis.prediction.step_present, np.float32)[: len(scores)]
    raw = _pooled(scores * seen[:, None], edges)
    low, high = (float(raw.min()), float(raw.max())) if raw.size else (0.0, 0.0)
    low = min(low, 1.0 / max(1, len(analysis.prediction.labels)) / 2)
    shown = np.clip((raw - low) / max(high - low, 1e-6), 0.0, 1.0)
    return [
        {
            "name": one_line(name),
            "raw": [round(float(v), 3) for v in raw[:, i]],
            "values": [round(float(v), 2) for v in shown[:, i]],
        }
        for i, name in enumerate(names)
    ]


def _presence(
    analysis: Analysis, edges: np.ndarray[Any, np.dtype[np.intp]]
) -> dict[str, list[float]]:
    """Modality -> share of each bin in which any of its tracks has evidence."""
    rows: dict[str, list[float]] = {}
    for kind in _KINDS:
        masks = [
            analysis.timeline.present[name]
            for name, track in analysis.tracks.items()
            if track.spec.modality == kind and name in analysis.timeline.present
        ]
        if masks:
            whole = np.logical_or.reduce(masks).astype(np.float32)
            rows[kind] = [round(float(v), 2) for v in _pooled(whole, edges)]
    return rows


def _loudness(analysis: Analysis, begin: Times, end: Times) -> list[float]:
    """Loudness of each bin, 0 for silence and 1 for full scale; empty where it is unknown."""
    track = next(
        (t for _, t in sorted(analysis.tracks.items()) if "loudness_db" in t.spec.columns), None
    )
    if track is None or not len(track):
        return []
    level = np.clip(
        np.nan_to_num(_column(track, "loudness_db"), neginf=-200.0) / _QUIET_DB + 1, 0, 1
    )
    first = np.searchsorted(track.start_s, begin, side="right") - 1
    stop = np.maximum(np.searchsorted(track.start_s, end, side="left"), first + 1)
    bars = [
        float(level[max(0, a) : b].mean()) if b > 0 and track.end_s[b - 1] > t else 0.0
        for a, b, t in zip(first, stop, begin, strict=True)
    ]
    return [round(bar, 3) for bar in bars]


def _column(track: FeatureTrack, name: str) -> Floats:
    return track.values[:, track.spec.columns.index(name)]
