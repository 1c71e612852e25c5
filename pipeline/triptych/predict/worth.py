"""How good a summary is by itself, and how the moments of a film are ranked without people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from triptych.predict import moments
from triptych.predict.segments import Span
from triptych.predict.views import View, alike, pooled, views_of
from triptych.records import Cue, Floats, Prediction, Shot, Timeline

__all__ = ["coverage_and_redundancy", "step_scores"]

_UNITS = 600  # of a film, that a summary should stand for


def step_scores(
    timeline: Timeline, *, shots: Sequence[Shot], cues: Sequence[Cue], prediction: Prediction
) -> Floats:
    """How much speaks for each step, (T,): what key moments are chosen by.

    Of a model of importance what it says itself: summaries also show what is typical, but that
    is no claim about what people find important.

    Args:
        timeline: of the film.
        shots: in time order.
        cues: in time order.
        prediction: with what a model says of the steps, if there is one.
    """
    if prediction.judged_by and prediction.importance is not None:
        return prediction.importance
    ranked = moments.ranked(
        timeline, views_of(timeline), shots=shots, cues=cues, importance=prediction.importance
    )
    scores = np.zeros(len(timeline), np.float32)
    middles = (timeline.start_s + timeline.end_s) / 2
    for (start_s, end_s), score in ranked:
        scores[(middles >= start_s) & (middles < end_s)] = score
    return scores


def coverage_and_redundancy(timeline: Timeline, spans: Sequence[Span]) -> tuple[float, float]:
    """How much of a film a summary stands for, and how much of it shows the same again, 0..1.

    Coverage: how like each moment of the film is to the one of the summary that is most like it,
    in the mean. Redundancy: how like each moment of the summary is to the one before it that is
    most like it, in the mean. Likeness is that of `triptych.predict.views`.

    Args:
        timeline: of the film.
        spans: of the summary, in time order.
    """
    views: list[View] = views_of(timeline)
    if not spans or not len(timeline) or not views:
        return float("nan"), float("nan")
    every = range(0, len(timeline), -(-len(timeline) // _UNITS))
    starts = timeline.start_s[list(every)]
    units = list(
        zip(starts.tolist(), [*starts[1:].tolist(), float(timeline.end_s[-1])], strict=True)
    )
    like = alike(pooled(timeline, views, [*spans, *units]), len(spans) + len(units))
    count = len(spans)
    again = np.tril(like[:count, :count], -1).max(axis=1)[1:]
    covered = float(like[count:, :count].max(axis=1).mean())
    return covered, float(again.mean()) if len(again) else 0.0
