"""Key moments: which pieces of a film to show, and what speaks for each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from triptych.extract.specs import GLANCE_FPS
from triptych.predict.importance import parts_of
from triptych.predict.quiet import Speech
from triptych.predict.segments import Span, pieces, stretches
from triptych.predict.select import select
from triptych.predict.views import View, alike, pooled
from triptych.records import Cue, Floats, Shot, Timeline

__all__ = ["Moment", "choose", "ranked"]

_PIECE_S = 3.0  # long enough to understand
_PIECES = 1200  # of a long film: then they are longer
_MOST = 2500  # that are compared with one another: 25 MB a matrix
_SAME = 0.25  # taken off for likeness to what was chosen before
_DUST_S = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A piece that was chosen; its parts add up to its score, up to rounding."""

    start_s: float
    end_s: float
    score: float  #: 0..1, 1 is the best of this film
    parts: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pieces:
    """The pieces of a film, and what is known of them."""

    spans: Sequence[Span]
    stretch: npt.NDArray[np.intp]  #: (N,), which stretch each is of
    parts: Mapping[str, Floats]  #: name -> (N,)
    like: Floats  #: (N, N)

    @property
    def lengths(self) -> Floats:
        return np.array([b - a for a, b in self.spans])

    @property
    def quality(self) -> Floats:
        """(N,), 1 and what speaks for each by itself; rounded, so that equals stay equal."""
        return (1 + sum(self.parts.values(), np.zeros(len(self.spans), np.float32))).round(4)


def choose(
    timeline: Timeline,
    views: Sequence[View],
    *,
    shots: Sequence[Shot],
    cues: Sequence[Cue],
    importance: Floats | None,
    budget_s: float,
    most: int | None,
    shortest_s: float,
    longest_s: float,
    judged: bool = False,
) -> list[Moment]:
    """Key moments in time order.

    Args:
        timeline: of the film.
        views: of its steps.
        shots: in time order; none for sound alone.
        cues: in time order.
        importance: of each step to a trained model, 0..1.
        budget_s: of all of them together.
        most: how many, each of another shot; None: as many as fit.
        shortest_s: of a moment, where shots are not shorter.
        longest_s: of a moment.
        judged: importance was learned from people's scores.
    """
    if not len(timeline) or budget_s <= 0:
        return []
    longest_s = min(longest_s, budget_s)
    shortest_s = min(shortest_s, longest_s)
    speech = Speech(cues, longest_s=longest_s)
    begin, end = float(timeline.start_s[0]), float(timeline.end_s[-1])
    if most is None:
        usual_s = max(_PIECE_S, (end - begin) / _PIECES)
        target_s = min(longest_s, budget_s / max(1, round(budget_s / usual_s)))
    else:
        target_s = longest_s
    whole = stretches(
        begin,
        end,
        shots=shots,
        speech=speech,
        shortest_s=shortest_s,
        unsure_s=0.0 if budget_s >= end - begin and most is None else 1 / GLANCE_FPS,
    )
    cut = [pieces(span, target_s=target_s, speech=speech) for span in whole]
    owner = np.repeat(np.arange(len(cut)), [len(c) for c in cut])
    every = [p for c in cut for p in c]
    found = _described(timeline, views, every, owner, cues, importance, judged=judged)
    if most is not None:
        shown = alike(pooled(timeline, views, whole), len(whole))
        picked = _each_once(found, shown, most, shortest_s)
    elif budget_s >= end - begin - _DUST_S:
        picked = list(range(len(found.spans)))
    else:
        picked = _fitting(found, budget_s, shortest_s)
    spans = [found.spans[i] for i in picked]
    if most is None:
        _use_up(spans, picked, found, speech, budget_s=budget_s, shortest_s=shortest_s)
    return _scored(found, picked, spans)


def ranked(
    timeline: Timeline,
    views: Sequence[View],
    *,
    shots: Sequence[Shot],
    cues: Sequence[Cue],
    importance: Floats | None,
) -> list[tuple[Span, float]]:
    """Pieces of a film and how much speaks for each, whatever else is chosen; as in `choose`."""
    if not len(timeline):
        return []
    speech = Speech(cues, longest_s=_PIECE_S)
    begin, end = float(timeline.start_s[0]), float(timeline.end_s[-1])
    usual_s = max(_PIECE_S, (end - begin) / _PIECES)
    whole = stretches(begin, end, shots=shots, speech=speech, shortest_s=0.0)
    cut = [pieces(span, target_s=usual_s, speech=speech) for span in whole]
    owner = np.repeat(np.arange(len(cut)), [len(c) for c in cut])
    found = _described(timeline, views, [p for c in cut for p in c], owner, cues, importance)
    weights = found.lengths / max(float(found.lengths.sum()), 1e-9)
    scores = found.like @ weights + found.quality - 1
    return [(span, float(score)) for span, score in zip(found.spans, scores, strict=True)]


def _described(
    timeline: Timeline,
    views: Sequence[View],
    spans: list[Span],
    owner: npt.NDArray[np.intp],
    cues: Sequence[Cue],
    importance: Floats | None,
    *,
    judged: bool = False,
) -> _Pieces:
    """What is known of the pieces; of a very long film, of the best of each few neighbours."""
    each = pooled(timeline, views, spans)
    parts = parts_of(timeline, spans, views=each, cues=cues, importance=importance, judged=judged)
    if len(spans) > _MOST:
        worth = sum(parts.values(), np.zeros(len(spans), np.float32)).round(4)
        groups = np.array_split(np.arange(len(spans)), _MOST)
        kept = [int(g[worth[g].argmax()]) for g in groups]
        spans, owner = [spans[i] for i in kept], owner[kept]
        parts = {name: part[kept] for name, part in parts.items()}
        each = pooled(timeline, views, spans)
    return _Pieces(spans=spans, stretch=owner, parts=parts, like=alike(each, len(spans)))


def _cover(found: _Pieces) -> Floats:
    """(N, N): how well each piece stands for each.

    A long shot counts more than a short one, but not in proportion: it is still one thing.
    """
    totals = np.bincount(found.stretch, weights=found.lengths)
    weights = found.lengths / np.sqrt(np.maximum(totals[found.stretch], _DUST_S))
    cover = found.quality[:, None] * found.like * weights[None, :]
    return np.asarray(cover / max(float(weights.sum()), 1e-9), np.float32)


def _candidates(found: _Pieces, shortest_s: float) -> list[int]:
    long_enough = np.flatnonzero(found.lengths >= shortest_s - _DUST_S).tolist()
    return long_enough or list(range(len(found.spans)))


def _fitting(found: _Pieces, budget_s: float, shortest_s: float) -> list[int]:
    """Pieces that fit the budget together, best first."""
    items = _candidates(found, shortest_s)
    chosen = select(_cover(found)[items], costs=found.lengths[items], budget=budget_s)
    return [items[i] for i in chosen]


def _each_once(found: _Pieces, like: Floats, most: int, shortest_s: float) -> list[int]:
    """The best piece of each of so many shots, best first.

    Args:
        found: all pieces.
        like: how alike the shots are, as wholes.
        most: how many.
        shortest_s: of a piece, where there are longer ones.
    """
    worth = found.quality * found.like.mean(axis=1).round(4)
    best: dict[int, int] = {}
    for i in _candidates(found, shortest_s):
        place = int(found.stretch[i])
        if place not in best or worth[i] > worth[best[place]]:
            best[place] = i
    items = sorted(best.values())
    weights = np.sqrt(np.bincount(found.stretch, weights=found.lengths, minlength=len(like)))
    cover = found.quality[items][:, None] * like[found.stretch[items]] * weights[None, :]
    chosen = select(cover.astype(np.float32), costs=np.ones(len(items)), budget=most)
    return [items[i] for i in chosen]


def _use_up(
    spans: list[Span],
    picked: list[int],
    found: _Pieces,
    speech: Speech,
    *,
    budget_s: float,
    shortest_s: float,
) -> None:
    """Add a shorter moment for what is left of the budget, where one can be cut."""
    left = budget_s - sum(b - a for a, b in spans)
    if spans and left < shortest_s:
        return
    covered = found.like[:, picked].max(axis=1) if picked else np.zeros(len(found.spans))
    worth = found.quality * np.maximum(found.like - covered[None, :], 0.0).mean(axis=1)
    for i in np.argsort(-worth.round(4), kind="stable").tolist():
        start_s, end_s = found.spans[i]
        stop_s = round(speech.before(min(end_s, start_s + left)), 6)
        if i not in picked and stop_s - start_s >= shortest_s - _DUST_S:
            picked.append(i)
            spans.append((start_s, stop_s))
            return
    if not spans:  # the budget is shorter than anything that can be understood
        start_s, end_s = found.spans[int(worth.argmax())]
        picked.append(int(worth.argmax()))
        spans.append((start_s, round(min(end_s, start_s + budget_s), 6)))


def _scored(found: _Pieces, picked: Sequence[int], spans: Sequence[Span]) -> list[Moment]:
    weights = found.lengths / max(float(found.lengths.sum()), 1e-9)
    told: list[dict[str, float]] = []
    for rank, i in enumerate(picked):
        parts = {"representative": float(found.like[i] @ weights)}
        parts |= {name: float(part[i]) for name, part in found.parts.items()}
        if rank:
            again = float(found.like[i, list(picked[:rank])].max())
            parts["redundant"] = -min(_SAME * again, sum(parts.values()))
        told.append(parts)
    top = max((sum(parts.values()) for parts in told), default=0.0)
    moments = [
        Moment(
            start_s=start_s,
            end_s=end_s,
            # A silent film that never changes: all is equally good.
            score=min(1.0, max(0.0, math.fsum(parts.values()) / top)) if top > 0 else 1.0,
            parts={name: round(part / top, 6) if top > 0 else 0.0 for name, part in parts.items()},
        )
        for (start_s, end_s), parts in zip(spans, told, strict=True)
    ]
    return sorted(moments, key=lambda m: m.start_s)
