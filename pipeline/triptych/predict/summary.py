"""Key moments, chapters, and a short text that only quotes.

The film is cut into pieces where nothing is said and no shot ends. Those are shown that stand for
most of the film under a budget of time, the better the more speaks for them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from triptych.config import parse_budget
from triptych.predict import moments
from triptych.predict.importance import WEIGHTS
from triptych.predict.narrate import label_between, narrated, titled
from triptych.predict.quiet import Speech
from triptych.predict.segments import chapter_edges
from triptych.predict.views import views_of
from triptych.predict.words import best_sentences, keyphrases, phrases_of, vectors_of
from triptych.records import (
    Cue,
    FeatureTrack,
    Prediction,
    Segment,
    Shot,
    Summary,
    Timeline,
)

__all__ = ["summarize", "summary_language"]

_LEAST_S = 3.0  # a summary by share is at least this long, if the video is
_MOST_SENTENCES = 5
_MOST_PHRASES = 8
_CHINESE = ("zh", "chi", "zho", "cmn", "yue")


def summarize(
    timeline: Timeline,
    *,
    shots: Sequence[Shot],
    cues: Sequence[Cue],
    prediction: Prediction,
    budget: str = "15%",
    language: str = "",
    origin_s: float | None = None,
    names: Mapping[str, str] | None = None,
    text: FeatureTrack | None = None,
    shortest_s: float = 1.0,
    longest_s: float = 10.0,
) -> Summary:
    """Choose key moments under a length budget and say what was said.

    Args:
        timeline: with any of the tracks image, audio, text, motion.
        shots: in time order; none for sound alone.
        cues: in time order.
        prediction: its leading label at each step names the moments.
        budget: "15%" of the duration, "30s" or "8shots".
        language: of the text; empty: that of the cues, else English.
        origin_s: where a player's clock begins, for times in the text; default: the timeline.
        names: what labels are called in that language, where it differs.
        text: sentence embeddings, a row a cue in order of time; counts of words without it.
        shortest_s: of key moments, where shots are not shorter.
        longest_s: of key moments.
    """
    begin, end = (timeline.start_s[0], timeline.end_s[-1]) if len(timeline) else (0.0, 0.0)
    begin, duration = float(begin), float(end - begin)
    kind, value = parse_budget(budget)
    budget_s = min(duration, max(_LEAST_S, value * duration) if kind == "share" else value)
    language = language or summary_language(cues)
    views = views_of(timeline)
    found = moments.choose(
        timeline,
        views,
        shots=shots,
        cues=cues,
        importance=prediction.importance,
        judged=bool(prediction.judged_by),
        budget_s=math.inf if kind == "shots" else budget_s,
        most=int(value) if kind == "shots" else None,
        shortest_s=shortest_s,
        longest_s=longest_s,
    )
    segments = tuple(
        Segment(
            start_s=m.start_s,
            end_s=m.end_s,
            score=round(m.score, 6),
            words=" ".join(c.text for c in cues if c.end_s > m.start_s and c.start_s < m.end_s),
            label=label_between(timeline, prediction, m.start_s, m.end_s),
            parts=m.parts,
        )
        for m in found
    )
    if kind == "shots":
        budget_s = sum(s.end_s - s.start_s for s in segments)
    speech = Speech(cues, longest_s=longest_s)
    phrases = keyphrases(phrases_of([c.text for c in cues]), most=_MOST_PHRASES)
    sentences = best_sentences(
        cues,
        vectors_of(cues, text),
        most=_MOST_SENTENCES,
        favoured=[_within(c, segments) for c in cues],
    )
    return Summary(
        method=_method(prediction, segments),
        budget_s=round(budget_s, 6),
        segments=segments,
        text=narrated(
            duration_s=duration,
            origin_s=begin if origin_s is None else origin_s,
            prediction=prediction,
            segments=segments,
            sentences=sentences,
            keyphrases=phrases,
            names=names or {},
            chinese=language.startswith("zh"),
        ),
        language=language,
        sentences=sentences,
        chapters=titled(
            chapter_edges(timeline, views, shots=shots, speech=speech),
            timeline=timeline,
            cues=cues,
            prediction=prediction,
            names=names or {},
        ),
        keyphrases=phrases,
    )


def _within(cue: Cue, segments: Sequence[Segment]) -> bool:
    return any(cue.end_s > s.start_s and cue.start_s < s.end_s for s in segments)


def _method(prediction: Prediction, segments: Sequence[Segment]) -> str:
    """What key moments were chosen by: only what this film has."""
    told = {name for s in segments for name in s.parts}
    parts = ", ".join(n for n in ("representative", *WEIGHTS) if n in told and n != "important")
    if prediction.importance is None:
        return f"training-free: {parts or 'nothing to choose by'}"
    learned = ", learned from people's scores" if prediction.judged_by else ""
    told_by = f"important to {prediction.judged_by or prediction.method}{learned}"
    return ", ".join(p for p in (parts, told_by) if p)


def summary_language(cues: Sequence[Cue]) -> str:
    """The language of most cues; Chinese characters settle it where none is named."""
    if not cues:
        return "en"
    text = "".join(c.text for c in cues)
    if any(c.language.lower().startswith(_CHINESE) for c in cues) or (
        sum("\u4e00" <= ch <= "\u9fff" for ch in text) > 0.2 * len(text)
        and not any("\u3040" <= ch <= "\u30ff" for ch in text)
    ):
        return "zh"
    named = [c.language for c in cues if c.language not in ("", "und")]
    return max(sorted(set(named)), key=named.count) if named else "en"
