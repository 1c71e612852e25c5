"""The summary in words, and names of chapters: facts that were measured, and quotes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from triptych.predict.words import keyphrases, phrases_of
from triptych.records import Chapter, Cue, Prediction, Segment, Timeline

__all__ = ["clock", "label_between", "narrated", "titled"]

_LEAST = 0.05  # of a share; labels below it say nothing of the film
_BESIDE = 0.5  # of the best one's share, to be named beside it
_TENTHS_S = 10.0  # shorter durations are told in tenths


def narrated(
    *,
    duration_s: float,
    origin_s: float,
    prediction: Prediction,
    segments: Sequence[Segment],
    sentences: Sequence[Cue],
    keyphrases: Sequence[str],
    names: Mapping[str, str],
    chinese: bool,
) -> str:
    """Facts that were measured, then quotes with their times. Nothing is made up."""
    labels = _best(prediction, names, chinese=chinese)
    moments = [clock(s.start_s - origin_s) for s in segments]
    length = clock(duration_s, tenths=duration_s < _TENTHS_S)
    if chinese:
        parts = [f"时长 {length}。"]
        parts += [f"{labels}。"] if labels else []
        parts += [f"关键时刻：{'、'.join(moments)}。"] if moments else []
        parts += [f"关键词：{'、'.join(keyphrases)}。"] if keyphrases else []
        quotes = "；".join(f"{clock(c.start_s - origin_s)}“{c.text}”" for c in sentences)
        return "".join([*parts, f"片中说道：{quotes}" if quotes else ""])
    parts = [f"{length} long."]
    parts += [f"{labels}."] if labels else []
    parts += [f"Key moments at {', '.join(moments)}."] if moments else []
    parts += [f"Key phrases: {', '.join(keyphrases)}."] if keyphrases else []
    quotes = "; ".join(f"{clock(c.start_s - origin_s)} “{c.text}”" for c in sentences)
    return " ".join([*parts, *([f"Said there: {quotes}"] if quotes else [])])


def titled(
    edges: Sequence[float],
    *,
    timeline: Timeline,
    cues: Sequence[Cue],
    prediction: Prediction,
    names: Mapping[str, str],
) -> tuple[Chapter, ...]:
    """Chapters between edges, each named by what is said in it more than elsewhere, else seen.

    One in which nothing stands out has no title, and neither has one that would be called as the
    one before it.
    """
    spans = list(itertools.pairwise(edges))
    said = [
        phrases_of([c.text for c in cues if a <= (c.start_s + c.end_s) / 2 < b]) for a, b in spans
    ]
    # One of thirty labels always leads: a title must be twice as likely as any is by chance.
    shares = prediction.kind == "shares" and len(prediction.labels) > 4
    least = max(_LEAST, 2 / len(prediction.labels)) if shares else 0.5
    chapters: list[Chapter] = []
    for i, (start_s, end_s) in enumerate(spans):
        found = keyphrases(said[i], most=1, elsewhere=said)
        label = label_between(timeline, prediction, start_s, end_s, least=least)
        title = found[0] if found else names.get(label, label)
        if chapters and title == chapters[-1].title:
            title = ""
        chapters.append(Chapter(start_s=start_s, end_s=end_s, title=title))
    return tuple(chapters)


def label_between(
    timeline: Timeline,
    prediction: Prediction,
    start_s: float,
    end_s: float,
    *,
    least: float = _LEAST,
) -> str:
    """The label that leads in a stretch of time and says something of it, or nothing."""
    first = int(np.searchsorted(timeline.end_s, start_s + 1e-6, side="right"))
    last = int(np.searchsorted(timeline.start_s, end_s - 1e-6, side="left"))
    rows = slice(min(first, len(timeline) - 1), max(last, first + 1))
    steps = prediction.steps[rows][prediction.step_present[rows]]
    if not len(steps) or not prediction.labels or prediction.kind == "value":
        return ""
    means = steps.mean(axis=0)
    best = int(means.argmax())
    return prediction.labels[best] if means[best] >= least else ""


def _best(prediction: Prediction, names: Mapping[str, str], *, chinese: bool) -> str:
    """The labels that stand out, and how they are to be understood."""
    best = prediction.ranked[:2]
    if prediction.kind == "independent":
        best = tuple(p for p in prediction.ranked if p.holds)
    elif prediction.kind == "shares" and best:
        least = max(_LEAST, _BESIDE * best[0].score)
        best = tuple(p for p in best if p.score >= least)
    if not best:
        return ""
    if prediction.kind == "value":
        return (
            f"预测值：{best[0].score:.4g}" if chinese else f"Predicted value: {best[0].score:.4g}"
        )
    labels = [names.get(p.label, p.label) for p in best]
    trained = prediction.method != "zero-shot"
    if chinese:
        return f"{'最可能的标签' if trained else '内容最接近'}：{'、'.join(labels)}"
    return f"{'Most likely' if trained else 'Closest to'}: {', '.join(labels)}"


def clock(seconds: float, *, tenths: bool = False) -> str:
    if tenths:
        return f"0:{int(seconds * 10 + 1e-6) / 10:04.1f}"
    whole = int(seconds + 1e-6)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
