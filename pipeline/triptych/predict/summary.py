"""Key moments without training, and a short text that only quotes.

Each shot is cut into pieces of a few seconds. A piece is worth showing when it looks like much
of the video (representative), is audible and spoken over, and differs from what was already
chosen. Pieces are taken greedily until the length budget is used up.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from triptych.config import parse_budget
from triptych.records import Cue, Floats, Prediction, Segment, Shot, Summary, Timeline

__all__ = ["summarize", "summary_language"]

_PIECE_S = 3.0  # a moment long enough to understand
_LEAST_PIECE_S = 1.0  # shorter is a flicker
_LEAST_S = 3.0  # a summary by share is at least this long, if the video is
_SAME = 0.25  # weight of likeness to what was chosen already
_AUDIBLE, _SPOKEN = 0.15, 0.25
_IMPORTANT = 0.25  # no more than words: a label is one thing that a video is about
_QUIET_DB, _LOUD_DB = -60.0, -15.0
_MOST_SENTENCES = 5
_CHINESE = ("zh", "chi", "zho", "cmn", "yue")


@dataclass(frozen=True, slots=True)
class _Piece:
    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s


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
) -> Summary:
    """Choose key moments under a length budget and say what was said around them.

    Args:
        timeline: with any of the tracks image, audio.
        shots: in time order; none for sound alone.
        cues: in time order.
        prediction: its leading label at each step names the moments.
        budget: "15%" of the duration or "30s".
        language: of the text; empty: that of the cues, else English.
        origin_s: where a player's clock begins, for times in the text; default: the timeline.
        names: what labels are called in that language, where it differs.
    """
    begin, end = (timeline.start_s[0], timeline.end_s[-1]) if len(timeline) else (0.0, 0.0)
    begin, duration = float(begin), float(end - begin)
    kind, value = parse_budget(budget)
    budget_s = min(duration, max(_LEAST_S, value * duration) if kind == "share" else value)
    language = language or summary_language(cues)
    pieces = _pieces(timeline, shots, budget_s)
    worth = _worth(timeline, pieces, cues, prediction.importance)
    chosen = _choose(pieces, worth, _looks(timeline, pieces), budget_s)
    segments = tuple(
        Segment(
            start_s=p.start_s,
            end_s=p.end_s,
            score=round(score, 6),
            words=_words_between(cues, p),
            label=_label_between(timeline, prediction, p),
        )
        for p, score in sorted(chosen, key=lambda pair: pair[0].start_s)
    )
    sentences = _sentences(cues, segments)
    return Summary(
        method="training-free: representative, diverse, audible, spoken"
        if prediction.importance is None
        else f"representative, diverse, audible, spoken, important to {prediction.method}",
        budget_s=round(budget_s, 6),
        segments=segments,
        text=_text(
            sentences,
            prediction,
            segments,
            duration_s=duration,
            origin_s=begin if origin_s is None else origin_s,
            language=language,
            names=names or {},
        ),
        language=language,
        sentences=sentences,
    )


def _pieces(timeline: Timeline, shots: Sequence[Shot], budget_s: float) -> list[_Piece]:
    """Shots cut into equal pieces, so long that a whole number of them fills the budget."""
    if not len(timeline):
        return []
    begin, end = float(timeline.start_s[0]), float(timeline.end_s[-1])
    spans = [(max(begin, s.start_s), min(end, s.end_s)) for s in shots] or [(begin, end)]
    spans[-1] = (spans[-1][0], max(spans[-1][1], end))
    longest = max(budget_s, 0.1) / max(1, round(budget_s / _PIECE_S))
    pieces = []
    for start_s, end_s in spans:
        count = max(1, int(np.ceil(round((end_s - start_s) / longest, 6))))
        edges = np.linspace(start_s, end_s, count + 1).round(6)
        pieces += [_Piece(float(a), float(b)) for a, b in itertools.pairwise(edges) if b > a]
    return pieces


def _rows(timeline: Timeline, piece: _Piece) -> slice:
    """The steps that a piece overlaps; at least one."""
    first = int(np.searchsorted(timeline.end_s, piece.start_s + 1e-6, side="right"))
    last = int(np.searchsorted(timeline.start_s, piece.end_s - 1e-6, side="left"))
    return slice(min(first, len(timeline) - 1), max(last, first + 1))


def _looks(timeline: Timeline, pieces: Sequence[_Piece]) -> Floats | None:
    """Unit vector of each piece's picture, or of its sound where there are no pictures."""
    name = next(
        (n for n in ("image", "speech", "audio") if timeline.present.get(n, np.zeros(1)).any()),
        None,
    )
    if name is None or not pieces:
        return None
    values, present = timeline.values[name], timeline.present[name]
    values = np.where(present[:, None], values - values[present].mean(axis=0), 0.0)
    means = np.stack([values[_rows(timeline, p)].mean(axis=0) for p in pieces])
    norms = np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)
    return (means / norms).astype(np.float32)


def _worth(
    timeline: Timeline,
    pieces: Sequence[_Piece],
    cues: Sequence[Cue],
    importance: Floats | None,
) -> Floats:
    """What speaks for each piece by itself: shares of 0..1, each with its weight."""
    worth = np.zeros(len(pieces), np.float32)
    loud = _loudness(timeline)
    starts = np.array([c.start_s for c in cues])
    ends = np.array([c.end_s for c in cues])
    for i, piece in enumerate(pieces):
        if loud is not None:
            worth[i] += _AUDIBLE * float(loud[_rows(timeline, piece)].mean())
        if importance is not None:
            worth[i] += _IMPORTANT * float(importance[_rows(timeline, piece)].mean())
        if len(cues):
            overlap = np.minimum(ends, piece.end_s) - np.maximum(starts, piece.start_s)
            spoken = float(np.maximum(overlap, 0.0).sum()) / piece.length_s
            worth[i] += _SPOKEN * min(1.0, spoken)
    return worth


def _loudness(timeline: Timeline) -> Floats | None:
    """Loudness of each step as 0..1, or None without sound."""
    if not timeline.present.get("audio", np.zeros(1, bool)).any():
        return None
    from triptych.extract.specs import AUDIO

    level = timeline.values["audio"][:, AUDIO.columns.index("loudness_db")]
    level = np.where(timeline.present["audio"], level, _QUIET_DB)
    return np.clip((level - _QUIET_DB) / (_LOUD_DB - _QUIET_DB), 0.0, 1.0)


def _choose(
    pieces: Sequence[_Piece], worth: Floats, looks: Floats | None, budget_s: float
) -> list[tuple[_Piece, float]]:
    """Greedy facility location: each choice adds the most coverage a second of budget."""
    if not pieces:
        return []
    like = np.clip(looks @ looks.T, 0.0, 1.0) if looks is not None else np.eye(len(pieces))
    lengths = np.array([p.length_s for p in pieces])
    covered = np.zeros(len(pieces))
    chosen: dict[int, float] = {}
    left = budget_s
    while True:
        gain = (np.maximum(like - covered[None, :], 0.0) * lengths).sum(axis=1) / lengths.sum()
        nearest = like[:, list(chosen)].max(axis=1) if chosen else np.zeros(len(pieces))
        value = gain + worth - _SAME * nearest
        open_ = np.array(
            [i not in chosen and lengths[i] <= left + 1e-6 for i in range(len(pieces))]
        )
        if not open_.any():
            break
        best = int(np.argmax(np.where(open_, value, -np.inf)))
        chosen[best] = float(gain[best] + worth[best])
        covered = np.maximum(covered, like[best])
        left -= lengths[best]
    if chosen and left >= _LEAST_PIECE_S:  # a shorter moment for what is left
        value = np.where([i in chosen for i in range(len(pieces))], -np.inf, worth)
        best = int(np.argmax(value + (np.maximum(like - covered[None, :], 0.0)).mean(axis=1)))
        if best not in chosen:
            whole = pieces[best]
            pieces = [*pieces]
            pieces[best] = _Piece(whole.start_s, round(whole.start_s + float(left), 6))
            chosen[best] = float(worth[best])
    if not chosen:  # the budget is shorter than any piece: the start of the best one
        best = int(np.argmax(worth + like.mean(axis=1)))
        cut = _Piece(pieces[best].start_s, round(pieces[best].start_s + budget_s, 6))
        return [(cut, 1.0)]
    top = max(chosen.values())  # 0 for a silent film that never changes: all is equally good
    return [(pieces[i], score / top if top > 0 else 1.0) for i, score in chosen.items()]


def _words_between(cues: Sequence[Cue], piece: _Piece) -> str:
    heard = [c.text for c in cues if c.end_s > piece.start_s and c.start_s < piece.end_s]
    return " ".join(heard)


def _label_between(timeline: Timeline, prediction: Prediction, piece: _Piece) -> str:
    rows = _rows(timeline, piece)
    steps = prediction.steps[rows][prediction.step_present[rows]]
    if not len(steps) or not prediction.labels or prediction.kind == "value":
        return ""
    return prediction.labels[int(steps.mean(axis=0).argmax())]


def _sentences(cues: Sequence[Cue], segments: Sequence[Segment]) -> tuple[Cue, ...]:
    """What was said in the key moments, best moments first, in time order, each text once."""
    found: dict[str, Cue] = {}
    for segment in sorted(segments, key=lambda s: -s.score):
        for cue in cues:
            if cue.end_s > segment.start_s and cue.start_s < segment.end_s:
                if len(found) == _MOST_SENTENCES:
                    break
                found.setdefault(cue.text, cue)
    return tuple(sorted(found.values(), key=lambda c: c.start_s))


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


def _text(
    sentences: Sequence[Cue],
    prediction: Prediction,
    segments: Sequence[Segment],
    *,
    duration_s: float,
    origin_s: float,
    language: str,
    names: Mapping[str, str],
) -> str:
    """Facts that were measured, then quotes. Nothing is made up."""
    chinese = language.startswith("zh")
    labels = _best(prediction, names, chinese=chinese)
    moments = [_clock(s.start_s - origin_s) for s in segments]
    if chinese:
        facts = f"时长 {_clock(duration_s)}。"
        if labels:
            facts += f"{labels}。"
        if moments:
            facts += f"关键时刻：{'、'.join(moments)}。"
        quotes = "".join(f"“{c.text}”" for c in sentences)
        return facts + (f"片中说道：{quotes}" if quotes else "")
    facts = f"{_clock(duration_s)} long."
    if labels:
        facts += f" {labels}."
    if moments:
        facts += f" Key moments at {', '.join(moments)}."
    quotes = " ".join(f"“{c.text}”" for c in sentences)
    return facts + (f" Said there: {quotes}" if quotes else "")


def _best(prediction: Prediction, names: Mapping[str, str], *, chinese: bool) -> str:
    """The leading labels, and how they are to be understood."""
    best = prediction.ranked[:2]
    if prediction.kind == "independent":
        best = tuple(p for p in prediction.ranked if p.holds)
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


def _clock(seconds: float) -> str:
    whole = int(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
