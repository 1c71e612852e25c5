"""How good a summary is: by people's choices, by their scores, and by itself.

    f_score(people, summary, protocol="tvsum")     # keyframes or steps, 0 or 1
    kendall_tau(human, scores), spearman_rho(human, scores)

Protocols of SumMe (Gygli et al., ECCV 2014: the person agreed with most) and TVSum (Song et al.,
CVPR 2015: the mean over people), with summaries of whole shots under 15 % of the length as in
Zhang et al. (ECCV 2016), and rank correlation as in Otani et al. (CVPR 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = [
    "SHARE",
    "boundary_f1",
    "coverage",
    "f_score",
    "human_agreement",
    "kendall_tau",
    "redundancy",
    "shot_summary",
    "spearman_rho",
]

Doubles = npt.NDArray[np.float64]

SHARE = 0.15
_BLOCK = 64  # steps compared with all before them at a time


def kendall_tau(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Kendall's tau-b, which allows for equal scores; NaN where either is all equal."""
    return float(_taus(np.stack(_pair(one, other)))[0, 1])


def _taus(rows: Doubles) -> Doubles:
    """Tau-b of every pair of rows (P, T), (P, P): of the orders of all pairs of steps."""
    total = np.zeros((len(rows), len(rows)))
    for begin in range(1, rows.shape[1], _BLOCK):  # never all pairs of a long film's steps at once
        end = min(begin + _BLOCK, rows.shape[1])
        order = np.sign(rows[:, begin:end, None] - rows[:, None, :end])
        order *= np.arange(end)[None, :] < np.arange(begin, end)[:, None]
        flat = order.reshape(len(rows), -1)
        total += flat @ flat.T
    untied = np.sqrt(np.outer(np.diag(total), np.diag(total)))
    return np.divide(total, untied, out=np.full_like(total, np.nan), where=untied > 0)


def spearman_rho(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Spearman's rho: the correlation of ranks, equals sharing theirs; NaN where all are equal."""
    a, b = (_ranks(values) for values in _pair(one, other))
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / spread if spread else float("nan")


def human_agreement(scores: npt.ArrayLike) -> tuple[float, float]:
    """Mean Kendall tau and Spearman rho over all pairs of people, of one video.

    People who gave all steps the same score rank nothing, and are left out.

    Args:
        scores: (people, steps).
    """
    people = np.asarray(scores, np.float64)
    pairs = np.triu_indices(len(people), 1)
    rhos = [spearman_rho(people[i], people[j]) for i, j in zip(*pairs, strict=True)]
    return float(np.nanmean(_taus(people)[pairs])), float(np.nanmean(rhos))


def f_score(
    people: npt.ArrayLike, summary: npt.ArrayLike, *, protocol: Literal["summe", "tvsum"]
) -> float:
    """F1 of a summary against those of people: the best agreement (SumMe) or the mean (TVSum).

    Args:
        people: (people, steps), 0 or 1: their summaries.
        summary: (steps,), 0 or 1.
        protocol: which of the two.

    Raises:
        ValueError: arrays of other lengths.
    """
    theirs, ours = np.asarray(people) > 0, np.asarray(summary) > 0
    if theirs.ndim != 2 or ours.shape != theirs.shape[1:]:
        raise ValueError(f"{ours.shape} steps do not fit those of people, {theirs.shape}")
    both = (theirs & ours).sum(axis=1)
    size = theirs.sum(axis=1) + ours.sum()
    found = np.divide(2.0 * both, size, out=np.zeros(len(theirs)), where=size > 0)
    return float(found.max() if protocol == "summe" else found.mean())


def shot_summary(
    scores: npt.ArrayLike, shots: Sequence[tuple[int, int]], *, share: float = SHARE
) -> npt.NDArray[np.bool_]:
    """The summary that scores ask for: whole shots of the highest total mean score, (steps,).

    An exact 0/1 knapsack: a shot is worth its mean score times its length, as in the protocol
    of TVSum, and all together last no longer than the share of the steps.

    Args:
        scores: (steps,).
        shots: first step and end of each, in order.
        share: of the steps that the summary may have.
    """
    values = np.asarray(scores, np.float64)
    capacity = int(share * len(values))
    best, ways = np.zeros(capacity + 1), []
    for first, end in shots:
        length = end - first
        taken = np.zeros(capacity + 1, bool)
        if 0 < length <= capacity:
            with_it = best[: capacity + 1 - length] + float(values[first:end].sum())
            taken[length:] = with_it > best[length:]
            best[length:] = np.maximum(best[length:], with_it)
        ways.append(taken)
    chosen = np.zeros(len(values), bool)
    left = capacity
    for (first, end), taken in zip(reversed(shots), reversed(ways), strict=True):
        if taken[left]:
            chosen[first:end] = True
            left -= end - first
    return chosen


def coverage(shown: Sequence[object], wanted: Sequence[object]) -> float:
    """Share of the distinct things that are shown at all.

    >>> coverage(["a", "a", "c"], ["a", "b", "c", "d"])
    0.5
    """
    things = set(wanted)
    return len(things & set(shown)) / len(things) if things else float("nan")


def redundancy(shown: Sequence[object]) -> float:
    """Share of what is shown that was shown before.

    >>> redundancy(["a", "a", "c", "a"])
    0.5
    """
    return 1 - len(set(shown)) / len(shown) if len(shown) else float("nan")


def boundary_f1(
    truth: Sequence[float], found: Sequence[float], *, within_s: float = 0.5
) -> tuple[int, int, int]:
    """Cuts that were found, that there are, and that were said: sums of these give F1.

    Each said cut counts for the nearest one that is still free, nearest pairs first.

    >>> boundary_f1([1.0, 5.0], [1.2, 1.3, 9.0])
    (1, 2, 3)
    """
    pairs = sorted(
        (abs(t - f), i, j)
        for i, t in enumerate(truth)
        for j, f in enumerate(found)
        if abs(t - f) <= within_s
    )
    used: tuple[set[int], set[int]] = (set(), set())
    for _, i, j in pairs:
        if i not in used[0] and j not in used[1]:
            used[0].add(i)
            used[1].add(j)
    return len(used[0]), len(truth), len(found)


def _pair(one: npt.ArrayLike, other: npt.ArrayLike) -> tuple[Doubles, Doubles]:
    a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"scores of {a.shape} and {b.shape} steps")
    return a, b


def _ranks(values: Doubles) -> Doubles:
    """Ranks from 0; equals share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts + 1) / 2)[place], np.float64)
