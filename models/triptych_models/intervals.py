"""How far a measured value can be trusted: bootstrap intervals by group.

Videos of one source are alike, so that a test of 200 clips from ten cameras says as much as ten
videos rather than 200. Where groups are given, whole groups are drawn. With fewer than about ten
groups an interval is rough and rather too narrow. Videos drawn twice are found twice, so that
intervals of average precision lie rather high for labels that only a few videos have.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from triptych_models.weighted import Doubles, ratio

__all__ = ["compare", "draws", "exact_interval", "interval"]

_LEVEL = 95.0  # percent
_AT_ONCE = 2_000_000  # numbers; a long list of videos must not fill the memory


def draws(
    videos: int, *, groups: npt.ArrayLike | None = None, resamples: int = 1000, seed: int = 0
) -> Iterator[Doubles]:
    """Resamples with replacement, as weights: how often each video was drawn.

    Args:
        videos: N.
        groups: of each video; whole groups are drawn. Default: every video is its own.
        resamples: R in all; none are made when there are fewer than two groups.
        seed: the same gives the same.

    Yields:
        (some of R, N), all of R in the end.
    """
    whose = np.arange(videos) if groups is None else np.asarray(groups)
    if whose.shape != (videos,):
        raise ValueError(f"groups of shape {whose.shape} for {videos} videos")
    _, of = np.unique(whose, return_inverse=True)
    units = int(of.max(initial=-1)) + 1
    if units < 2:
        return
    rng = np.random.default_rng(seed)
    left = resamples
    while left > 0:
        some = min(left, max(1, _AT_ONCE // videos))
        left -= some
        yield rng.multinomial(units, np.full(units, 1 / units), size=some)[:, of].astype(float)


def interval(values: npt.ArrayLike) -> tuple[float, float] | None:
    """The middle 95 % of a metric's resampled values; None when none of them is defined."""
    array = np.asarray(values, np.float64)
    known = array[~np.isnan(array)]
    if not len(known):
        return None
    low, high = np.percentile(known, [50 - _LEVEL / 2, 50 + _LEVEL / 2])
    return float(low), float(high)


def exact_interval(share: float, units: int) -> tuple[float, float] | None:
    """The 95 % interval (Clopper and Pearson) of a share that is 0 or 1; None of another.

    >>> exact_interval(1.0, 7)
    (0.5903836027749967, 1.0)
    """
    tail = (0.5 - _LEVEL / 200) ** (1 / units)
    return {0.0: (0.0, 1.0 - tail), 1.0: (tail, 1.0)}.get(share)


def compare(
    truth: npt.ArrayLike,
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """How much more accurate one model is than another on the same single-label videos.

    Both are measured on the same resamples, which tells more than two intervals side by side.

    Args:
        truth: (N,), index of each video's label.
        scores_a: (N, L), the highest counts.
        scores_b: (N, L), of the other model.
        groups: of each video; whole groups are drawn.
        resamples: how many.
        seed: the same gives the same.

    Returns:
        `accuracy_a`, `accuracy_b`, `difference` (a less b), and `interval` [low, high] of the
        difference, None for fewer than two groups. The models differ clearly when 0 is outside.

    Raises:
        ValueError: no videos, or shapes that do not fit.
    """
    index = np.asarray(truth)
    right = []
    for scores in (np.asarray(scores_a), np.asarray(scores_b)):
        if index.ndim != 1 or scores.ndim != 2 or not 0 < len(scores) == len(index):
            raise ValueError(f"scores {scores.shape} do not fit a truth of {index.shape}")
        right.append((scores.argmax(axis=1) == index).astype(float))
    ahead = right[0] - right[1]
    found = draws(len(index), groups=groups, resamples=resamples, seed=seed)
    samples = [ratio(weights @ ahead, weights.sum(axis=1)) for weights in found]
    between = interval(np.concatenate(samples)) if samples else None
    return {
        "accuracy_a": float(right[0].mean()),
        "accuracy_b": float(right[1].mean()),
        "difference": float(ahead.mean()),
        "interval": None if between is None else [*between],
    }
