"""In worker processes: the summary of each video, and others of the same length beside it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from triptych.config import Config
from triptych.inputs import Source
from triptych.journal import Row, given_up
from triptych.records import Analysis
from triptych.worker import analyzed

__all__ = ["RANDOM", "UNIFORM", "summary_one"]

RANDOM, UNIFORM = "random", "uniform"
_DRAWS = 10  # of random summaries, so that one lucky draw is no rival


def summary_one(*, source: Source, row: Row, config: Config) -> Row:
    """Analyse one source; the row gets its summary as `summary`.

    That has times in seconds from the start of the film: `begins` and `ends` of the steps, their
    `scores`, `shots`; and `ways`: name -> [{`spans`, `coverage`, `redundancy`, `scores`}], of the
    video's own summary (under ""), of evenly spread clips and of random ones. `scores` are None
    where a way has none.
    """
    began = time.monotonic()
    try:
        analysis = analyzed(source, row, config=config)
        summary = _described(analysis, begins_s=source.start_s or 0.0)
    except Exception as err:  # noqa: BLE001 - it becomes the row of this video
        return given_up(row, err, expected=source.expected, stage="analyze")
    return row | {
        "state": "partial" if analysis.partial else "done",
        "summary": summary,
        "duration_s": round(analysis.duration_s, 3),
        "warnings": list(analysis.warnings),
        "fresh": True,
        "decoded": "decode" in analysis.seconds,
        "seconds": {k: round(v, 4) for k, v in analysis.seconds.items()},
        "elapsed_s": round(time.monotonic() - began, 4),
    }


def _described(analysis: Analysis, *, begins_s: float) -> dict[str, Any]:
    from triptych.predict.worth import coverage_and_redundancy, step_scores

    timeline = analysis.timeline
    begin = float(timeline.start_s[0]) if len(timeline) else 0.0
    shift = begins_s - begin
    scores = step_scores(
        timeline, shots=analysis.shots, cues=analysis.cues, prediction=analysis.prediction
    )
    own = [(s.start_s, s.end_s) for s in analysis.summary.segments]
    lengths = [b - a for a, b in own]
    rng = np.random.default_rng(0)
    ways: dict[str, list[tuple[list[tuple[float, float]], Any]]] = {
        "": [(own, scores)],
        UNIFORM: [(_even(lengths, begin, analysis.duration_s), None)],
        RANDOM: [
            (_anywhere(lengths, begin, analysis.duration_s, rng), rng.random(len(timeline)))
            for _ in range(_DRAWS)
        ],
    }
    told: dict[str, list[dict[str, Any]]] = {}
    for name, draws in ways.items():
        for spans, ranks in draws:
            covered, again = coverage_and_redundancy(timeline, spans)
            told.setdefault(name, []).append(
                {
                    "spans": [(a + shift, b + shift) for a, b in spans],
                    "scores": None if ranks is None else [float(r) for r in ranks],
                    "coverage": covered,
                    "redundancy": again,
                }
            )
    return {
        "begins": (timeline.start_s + shift).tolist(),
        "ends": (timeline.end_s + shift).tolist(),
        "scores": [float(s) for s in scores],
        "shots": [(s.start_s + shift, s.end_s + shift) for s in analysis.shots],
        "ways": told,
    }


def _even(lengths: Sequence[float], begin: float, duration_s: float) -> list[tuple[float, float]]:
    """As many clips, as long together, each in the middle of an equal part of the film."""
    count = len(lengths)
    half = sum(lengths) / max(count, 1) / 2
    middles = [begin + (i + 0.5) * duration_s / count for i in range(count)]
    return [(m - half, m + half) for m in middles]


def _anywhere(
    lengths: Sequence[float], begin: float, duration_s: float, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """The same clips in any order, anywhere, none over another."""
    free = max(0.0, duration_s - sum(lengths))
    gaps = np.sort(rng.uniform(0, free, len(lengths)))
    mixed = rng.permutation(np.asarray(lengths))
    starts = begin + gaps + np.cumsum(mixed) - mixed
    return [(float(a), float(a + length)) for a, length in zip(starts, mixed, strict=True)]
