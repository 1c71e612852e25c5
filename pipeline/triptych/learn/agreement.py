"""What people said of the moments of a video, and how far scores and summaries agree with it.

Protocols and measures are those of `triptych_models.summary_metrics`. Times are brought together
here: people's stretches, a model's steps and frames of user summaries are of different lengths.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from triptych.records import Floats, Mask, Times
from triptych_models import summary_metrics as metrics

__all__ = [
    "MEASURES",
    "Annotation",
    "agreement",
    "misfit",
    "onto",
    "people_among_themselves",
    "wanted",
]

Doubles = npt.NDArray[np.float64]

#: What `agreement` measures, the most telling first.
MEASURES = ("kendall", "spearman", "f_score", "f_score_max")
_GRID_S = 0.1  # summaries are compared so finely
_ODD_S, _ODD_SHARE = 3.0, 0.05  # shots of annotations end a little before or after the film
_UNIT_S = 2.0  # pieces of summaries where nobody says what they are made of, as in TVSum


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Annotation:
    """What people said of one video. Seconds from its start; of `unit_s` 0, shares of it."""

    names: tuple[str, ...]  #: of the video, as the file has them
    start_s: Times  #: (N,)
    end_s: Times  #: (N,)
    scores: Doubles  #: (P, N), of each person
    pieces: tuple[tuple[float, float], ...] = ()  #: that summaries are made of
    chosen: Mask | None = None  #: (P', F), summaries of people, frame by frame
    frames_s: float = 0.0  #: how long the F frames are together
    in_shares: bool = False  #: times are shares of the video, whose length the file does not say

    def timed(self, duration_s: float) -> Annotation:
        """The same in seconds."""
        if not self.in_shares:
            return self
        return replace(
            self,
            start_s=self.start_s * duration_s,
            end_s=self.end_s * duration_s,
            pieces=tuple((a * duration_s, b * duration_s) for a, b in self.pieces),
            frames_s=self.frames_s * duration_s,
            in_shares=False,
        )

    def recipe(self) -> list[Any]:
        """All of it as JSON data."""
        chosen = None if self.chosen is None else np.packbits(self.chosen, axis=1).tolist()
        times = [self.start_s.tolist(), self.end_s.tolist(), list(self.pieces), self.frames_s]
        return [times, self.scores.tolist(), chosen, self.in_shares]


def onto(
    values: npt.ArrayLike, *, start_s: Times, end_s: Times, begins: Times, ends: Times
) -> Doubles:
    """Means of values over other stretches of time, NaN where nothing is known of one.

    Args:
        values: (..., N), of stretches in order that do not overlap.
        start_s: (N,) of the values.
        end_s: (N,) of the values.
        begins: (M,) of what is wanted.
        ends: (M,).

    Returns:
        (..., M).
    """
    rows = np.asarray(values, np.float64)
    lengths = np.maximum(end_s - start_s, 0.0)
    marks = np.ravel(np.column_stack([start_s, np.maximum(start_s, end_s)]))

    def held(weights: Doubles) -> Doubles:
        steps = np.stack([np.zeros_like(weights), weights], axis=-1).reshape(-1)
        sums = np.cumsum(steps)
        return np.asarray(np.interp(ends, marks, sums) - np.interp(begins, marks, sums))

    known = ~np.isnan(rows)
    flat = rows.reshape(-1, rows.shape[-1])
    there = known.reshape(flat.shape)
    total = np.stack(
        [held(np.where(k, r, 0.0) * lengths) for r, k in zip(flat, there, strict=True)]
    )
    weight = np.stack([held(k * lengths) for k in there])
    means = np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 1e-6)
    return means.reshape(*rows.shape[:-1], len(begins))


def misfit(people: Annotation, *, end_s: float) -> str | None:
    """What is odd about the length of an annotation: it may be of another cut of the film.

    Args:
        people: in seconds.
        end_s: when the film ends.
    """
    told_s = max(float(people.end_s[-1]), people.frames_s)
    if abs(told_s - end_s) <= max(_ODD_S, _ODD_SHARE * end_s):
        return None
    return f"it lasts {end_s:.0f} s, and what people said goes on to {told_s:.0f} s"


def wanted(people: Annotation, *, begins: Times, ends: Times) -> Floats | None:
    """What a model is to learn, (T,): the mean of all people, from 0 to 1 within the video.

    People use scales differently, and videos differ in how exciting they are; which moments of
    one video matter more than others is what summaries need. None where all are equal.

    Args:
        people: in seconds.
        begins: (T,) of the model's steps, in seconds from the start of the film.
        ends: (T,).
    """
    mean = people.scores.mean(axis=0)
    found = onto(mean, start_s=people.start_s, end_s=people.end_s, begins=begins, ends=ends)
    known = found[~np.isnan(found)]
    if not len(known) or known.max() - known.min() < 1e-9:
        return None
    return ((found - known.min()) / (known.max() - known.min())).astype(np.float32)


def agreement(
    people: Annotation,
    *,
    begins: Times,
    ends: Times,
    scores: npt.ArrayLike | None,
    spans: Sequence[tuple[float, float]] | None = None,
    shots: Sequence[tuple[float, float]] = (),
) -> dict[str, float]:
    """How far scores, and the summary that was made of them, agree with people.

    Kendall's tau and Spearman's rho are means over people. The F-scores are the mean over people
    (TVSum's protocol) and that of the person agreed with most (SumMe's). Whose summary is not
    known gets the one that the scores ask for: whole pieces, 15 % of the film.

    Args:
        people: in seconds.
        begins: (T,) of the steps that are scored, in seconds from the start of the film.
        ends: (T,).
        scores: (T,); None: the summary alone is measured.
        spans: of the summary; None: the one that the scores ask for.
        shots: of the film, which summaries are made of where the annotation says nothing else.

    Returns:
        The `MEASURES`; NaN for those that cannot be told.
    """
    found = dict.fromkeys(MEASURES, float("nan"))
    if scores is not None:
        theirs, ours = _on_common(people, begins=begins, ends=ends, scores=scores)
        for name, rank in (("kendall", metrics.kendall_tau), ("spearman", metrics.spearman_rho)):
            found[name] = _mean([rank(person, ours) for person in theirs if len(ours) > 1])
    grid, pieces = _grid(people, float(ends[-1] - begins[0]), shots)
    if not len(grid):
        return found
    chosen = _summaries(people, grid, pieces)
    if spans is None:
        ours = _sampled(np.asarray(scores, np.float64), begins, ends, grid)
        shown = metrics.shot_summary(np.nan_to_num(ours), pieces)
    else:
        shown = np.zeros(len(grid), bool)
        for start_s, end_s in spans:
            shown |= (grid >= start_s) & (grid < end_s)
    found["f_score"] = metrics.f_score(chosen, shown, protocol="tvsum")
    found["f_score_max"] = metrics.f_score(chosen, shown, protocol="summe")
    return found


def people_among_themselves(
    people: Annotation, *, duration_s: float, shots: Sequence[tuple[float, float]] = ()
) -> dict[str, float]:
    """The same measures of each person against the others; empty for a single one."""
    found: dict[str, float] = {}
    if len(people.scores) > 1:
        found["kendall"], found["spearman"] = metrics.human_agreement(people.scores)
    grid, pieces = _grid(people, duration_s, shots)
    chosen = _summaries(people, grid, pieces)
    if len(chosen) > 1 and len(grid):
        others = [np.delete(chosen, i, axis=0) for i in range(len(chosen))]
        for name, protocol in (("f_score", "tvsum"), ("f_score_max", "summe")):
            scores = [
                metrics.f_score(rest, own, protocol=protocol)  # type: ignore[arg-type]
                for rest, own in zip(others, chosen, strict=True)
            ]
            found[name] = float(np.mean(scores))
    return found


def _on_common(
    people: Annotation, *, begins: Times, ends: Times, scores: npt.ArrayLike
) -> tuple[Doubles, Doubles]:
    """Scores of people (P, M) and ours (M,) on the longer stretches of the two, where both are."""
    ours = np.asarray(scores, np.float64)
    theirs = people.scores
    if np.median(people.end_s - people.start_s) >= np.median(ends - begins) - 1e-6:
        ours = onto(ours, start_s=begins, end_s=ends, begins=people.start_s, ends=people.end_s)
    else:
        theirs = onto(theirs, start_s=people.start_s, end_s=people.end_s, begins=begins, ends=ends)
    known = ~np.isnan(ours) & ~np.isnan(theirs).any(axis=0)
    return theirs[:, known], ours[known]


def _grid(
    people: Annotation, duration_s: float, shots: Sequence[tuple[float, float]]
) -> tuple[Doubles, list[tuple[int, int]]]:
    """Times at which summaries are compared, and the pieces they are made of, as places there."""
    end_s = min(duration_s, max(float(people.end_s[-1]), people.frames_s))
    grid = np.asarray(np.arange(int(round(end_s / _GRID_S, 6))) + 0.5, np.float64) * _GRID_S
    spans = people.pieces or shots
    edges = {0.0, end_s, *(a for a, _ in spans)}
    if not people.pieces:
        edges |= _within(sorted(edges), longest_s=metrics.SHARE * end_s)
    places = np.searchsorted(grid, sorted(e for e in edges if 0 <= e <= end_s)).tolist()
    return grid, [(a, b) for a, b in itertools.pairwise(places) if b > a]


def _within(edges: Sequence[float], *, longest_s: float) -> set[float]:
    """Edges inside pieces that are too long for any summary: a film of one shot has others."""
    return {
        float(edge)
        for begin, end in itertools.pairwise(edges)
        if end - begin > longest_s
        for edge in np.arange(begin, end, _UNIT_S)
    }


def _summaries(people: Annotation, grid: Doubles, pieces: Sequence[tuple[int, int]]) -> Mask:
    """Whether each person chose each moment of the grid, (P, G)."""
    if people.chosen is not None:
        frames = people.chosen.shape[1]
        places = (grid / people.frames_s * frames).astype(np.int64)
        return np.asarray(people.chosen[:, np.minimum(places, frames - 1)], bool)
    rows = [_sampled(row, people.start_s, people.end_s, grid) for row in people.scores]
    return np.stack([metrics.shot_summary(np.nan_to_num(row), pieces) for row in rows])


def _sampled(values: Doubles, begins: Times, ends: Times, grid: Doubles) -> Doubles:
    """The value at each time of the grid, NaN where there is none."""
    place = np.searchsorted(begins, grid, side="right") - 1
    inside = (place >= 0) & (grid < ends[np.maximum(place, 0)])
    return np.where(inside, values[np.maximum(place, 0)], np.nan)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
