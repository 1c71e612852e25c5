"""Chapters by kernel temporal segmentation (Potapov et al., ECCV 2014), and pieces of shots.

Chapters are the stretches within which the film is most alike: dynamic programming over the
scatter of all stretches, with the paper's penalty m (log(n / m) + 1) for m chapters of n steps.
The kernel is linear, so the scatter of a stretch follows from sums. It is kept for pairs of
places where a chapter may begin, at most 800 of them (2.6 MB a view), and never for pairs of
steps: what memory is needed does not grow with the square of the film's length.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from triptych.predict.quiet import Speech
from triptych.predict.views import View
from triptych.records import Shot, Timeline

__all__ = ["chapter_edges", "pieces", "stretches"]

Span = tuple[float, float]

_LEAST_CHAPTER_S = 10.0  # players show no shorter ones
_MOST_CHAPTERS = 40
_MOST_PLACES = 800
_PENALTY = 1.0  # times the mean scatter of a step
_PAUSE_S = 0.5
_APART_S = 5.0  # places without a cut or a pause, where there are no others
_DUST_S = 1e-6


def chapter_edges(
    timeline: Timeline, views: Sequence[View], *, shots: Sequence[Shot], speech: Speech
) -> list[float]:
    """Times at which chapters begin, and the end of the last one; empty without steps.

    A chapter begins where a shot does or in a pause of speech, and never within a cue.
    """
    if not len(timeline):
        return []
    begin, end = float(timeline.start_s[0]), float(timeline.end_s[-1])
    least_s = max(_LEAST_CHAPTER_S, (end - begin) / _MOST_CHAPTERS)
    places = _places(begin, end, shots=shots, speech=speech, least_s=least_s)
    if end - begin < 2 * least_s or len(places) < 3 or not views:
        return [begin, end]
    rows = np.searchsorted(timeline.start_s, np.array(places) - _DUST_S)
    rows[-1] = len(timeline)
    scatter = _scatter(views, rows)
    lengths = np.array(places)[None, :] - np.array(places)[:, None]
    cost = np.where(lengths >= least_s - _DUST_S, scatter, np.inf)
    edges = _segmented(cost, steps=len(timeline), most=int((end - begin) / least_s))
    return [places[i] for i in edges]


def _places(
    begin: float, end: float, *, shots: Sequence[Shot], speech: Speech, least_s: float
) -> list[float]:
    """Where chapters may begin, the start and the end of the film among them."""
    found = {t for t in (*(s.start_s for s in shots), *speech.pauses(_PAUSE_S))}
    found = {t for t in found if begin < t < end and not speech.cuts(t)}
    marks = [begin, *sorted(found), end]
    for a, b in itertools.pairwise(marks):
        if b - a > 2 * least_s:  # one shot, or sound alone
            between = np.arange(a + _APART_S, b - _APART_S / 2, _APART_S).tolist()
            found |= {t for each in between if a < (t := speech.before(each)) < b}
    places = sorted(found)
    if len(places) > _MOST_PLACES:  # spread over the film
        kept = np.linspace(0, len(places) - 1, _MOST_PLACES).round().astype(int)
        places = [places[i] for i in kept]
    return [begin, *places, end]


def _scatter(views: Sequence[View], rows: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Squared distances to the mean within each stretch between two places, (P, P)."""
    total = np.zeros((len(rows), len(rows)))
    for view in views:
        parts = [view.rows[a:b].sum(axis=0, dtype=np.float64) for a, b in itertools.pairwise(rows)]
        sums = np.concatenate([np.zeros((1, view.rows.shape[1])), np.cumsum(parts, axis=0)])
        counts = np.concatenate([[0], np.cumsum(view.present)])[rows].astype(np.float64)
        gram = sums @ sums.T
        squares = np.diag(gram)[:, None] + np.diag(gram)[None, :] - 2 * gram
        held = np.maximum(counts[None, :] - counts[:, None], 1.0)
        # Rows have length 1, so the sum of their squares is how many there are.
        total += view.weight * np.maximum(held - squares / held, 0.0)
    return total / sum(view.weight for view in views)


def _segmented(cost: npt.NDArray[np.float64], *, steps: int, most: int) -> list[int]:
    """Places (first and last included) of the segmentation with the least penalised cost."""
    places = len(cost)
    whole = float(cost[0, -1])
    best, ways = cost[0].copy(), []
    chosen, lowest = 1, whole / steps + _penalty(1, steps, whole)
    for count in range(2, min(most, places - 1) + 1):
        through = best[:, None] + cost
        way = through.argmin(axis=0)
        best = through[way, np.arange(places)]
        ways.append(way)
        if (found := best[-1] / steps + _penalty(count, steps, whole)) < lowest - 1e-9:
            chosen, lowest = count, found
    edges = [places - 1]
    for way in reversed(ways[: chosen - 1]):
        edges.append(int(way[edges[-1]]))
    return [0, *reversed(edges)]


def _penalty(count: int, steps: int, whole: float) -> float:
    scale = _PENALTY * whole / steps
    return scale * count / (2 * steps) * (np.log(steps / count) + 1)


def stretches(
    begin: float,
    end: float,
    *,
    shots: Sequence[Shot],
    speech: Speech,
    shortest_s: float,
    unsure_s: float = 0.0,
) -> list[Span]:
    """Shots without the cues that run over their edges, and the speech that is left between.

    In order, none overlapping another; no edge falls into a cue.

    Args:
        begin: of the film.
        end: of the film.
        shots: in time order; none for sound alone.
        speech: that is not to be cut into.
        shortest_s: of what speech leaves of a shot.
        unsure_s: at the end of a shot the next one may be on screen for so long.
    """
    spans = [(max(begin, float(s.start_s)), min(end, float(s.end_s))) for s in shots]
    spans = [(a, b) for a, b in spans if b > a] or [(begin, end)]
    spans[0] = (begin, spans[0][1])
    spans[-1] = (spans[-1][0], end)
    found: list[Span] = []
    at = begin
    for a, b in spans:
        # A shot that is hardly longer than that is shown as it is.
        stop = b - unsure_s if b < end and b - a >= 2 * unsure_s + shortest_s else b
        inner = (speech.after(a), speech.before(stop))
        whole = inner == (a, stop)
        if inner[1] - inner[0] < (_DUST_S if whole else shortest_s):
            continue
        if inner[0] - at >= max(shortest_s, 2 * unsure_s):
            found.append((at, inner[0]))
        found.append(inner)
        at = inner[1]
    if end - at >= max(shortest_s, 2 * unsure_s):
        found.append((at, end))
    return found or [(begin, end)]


def pieces(span: Span, *, target_s: float, speech: Speech) -> list[Span]:
    """A stretch cut into parts of about equal length, at most `target_s` but where speech is.

    Parts touch; where speech leaves no other choice, a part is as long as what is said.
    """
    found: list[Span] = []
    at, end = span
    while end - at > _DUST_S:
        count = int(np.ceil(round((end - at) / target_s, 6)))
        wanted = at + (end - at) / max(count, 1)
        edge = speech.before(wanted)
        if edge - at <= _DUST_S:
            edge = speech.after(wanted)
        edge = end if end - edge < _DUST_S else min(edge, end)
        found.append((round(at, 6), round(edge, 6)))
        at = edge
    return found
