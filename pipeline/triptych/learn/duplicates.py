"""Videos on both sides of a split that look nearly the same.

A video that was uploaded twice, or cut in two, makes a test easy: the model has seen the answer.
Each video is one vector, the mean of its image embeddings. All videos of a collection have much
in common (one camera, one studio), so that the collection's mean is taken off beforehand.

The threshold was chosen on 176 surveillance clips of 24 sources. Of 59 clips each was found again
at other frames, mirrored, and brighter; 73 % when cropped to five sixths, 56 % at half the size and
badly compressed, and of 63 % one half by the other. Of 14,575 pairs of clips of different sources
none comes near it (at most 0.5). So what is named here is alike; what is not named may be, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from triptych.errors import UsageError
from triptych.records import Floats

__all__ = ["Pair", "centred", "duplicates_warning", "near_duplicates"]

_ALIKE = 0.8  # cosine
_MOST = 1000  # pairs: nobody reads more
_BLOCK = 512  # rows compared with all others at once: 40 MB for 20,000 videos
_ROUNDING = 1e-6
_SHOWN = 3


class Pair(NamedTuple):
    """Two videos that look alike."""

    first: int  #: index of a video
    second: int  #: index of a later one
    likeness: float  #: cosine of their vectors, mean taken off


def near_duplicates(
    vectors: npt.ArrayLike, *, apart: npt.ArrayLike, threshold: float = _ALIKE
) -> list[Pair]:
    """Pairs of videos that should be apart and look nearly the same.

    Args:
        vectors: (N, D), the mean image embedding of each video. Rows of zeros, or that are not
            finite, stand for videos without pictures and are like none.
        apart: (N,), what keeps videos apart, the split or the group of each: only pairs of
            different values are sought.
        threshold: least cosine, above -1 and up to 1.

    Returns:
        The most alike first, and at most 1000.

    Raises:
        UsageError: lengths differ, or no such threshold.
    """
    values, whose = np.asarray(vectors, np.float32), np.asarray(apart)
    if values.ndim != 2 or whose.shape != values.shape[:1]:
        raise UsageError(f"vectors {values.shape} do not fit what is apart {whose.shape}")
    if not -1 < threshold <= 1:
        raise UsageError(f"a likeness of {threshold}", remedy="choose one up to 1, such as 0.8")
    seen = np.flatnonzero(np.isfinite(values).all(axis=1) & values.any(axis=1))
    units = centred(values[seen])
    _, side = np.unique(whose[seen], return_inverse=True)
    best: list[Pair] = []
    for begin in range(0, len(seen), _BLOCK):
        likeness = units[begin : begin + _BLOCK] @ units[begin:].T
        likeness[side[begin : begin + _BLOCK, None] == side[None, begin:]] = -np.inf
        row, column = np.nonzero(np.triu(likeness >= threshold - _ROUNDING, 1))
        found = likeness[row, column]
        top = np.argsort(-found, kind="stable")[:_MOST]
        best += [
            Pair(int(a), int(b), min(1.0, float(c)))
            for a, b, c in zip(
                seen[begin + row[top]], seen[begin + column[top]], found[top], strict=True
            )
        ]
        best = sorted(best, key=lambda pair: (-pair.likeness, pair))[:_MOST]
    return best


def centred(values: Floats) -> Floats:
    """Rows less their mean, of length 1.

    The mean is drawn a little towards zero, as if there were one more row of zeros: of two equal
    videos nothing would be left without it.
    """
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    values = values / np.maximum(lengths, np.finfo(np.float32).tiny)
    values = values - values.sum(axis=0, dtype=np.float64) / (len(values) + 1)
    lengths = np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    return (values / lengths).astype(np.float32)


def duplicates_warning(
    pairs: Sequence[Pair], *, names: Sequence[str], apart: Sequence[Any], shown: int = _SHOWN
) -> str:
    """What to tell the user about pairs: how many, the first few, and what to do.

    Args:
        pairs: as found; the most alike first.
        names: (N,), of the videos.
        apart: (N,), the split or group of each, as given to `near_duplicates`.
        shown: how many pairs to name.

    Returns:
        Two sentences; "" when there are no pairs.

    >>> duplicates_warning([Pair(0, 1, 0.97)], names=["a.mp4", "b.mp4"], apart=["train", "test"])
    ... # doctest: +NORMALIZE_WHITESPACE
    '1 pair of videos looks nearly the same but is kept apart: a.mp4 (train) and b.mp4 (test).
    Results may look better than they are: give such videos one group.'
    """
    if not pairs:
        return ""
    named = "; ".join(
        f"{names[p.first]} ({apart[p.first]}) and {names[p.second]} ({apart[p.second]})"
        for p in pairs[:shown]
    )
    if len(pairs) == 1:
        begin = "1 pair of videos looks nearly the same but is kept apart"
    else:
        number = f"{len(pairs)} pairs" if len(pairs) < _MOST else f"{_MOST} pairs or more"
        begin = f"{number} of videos look nearly the same but are kept apart"
    rest = "" if len(pairs) <= shown else "; and others"
    advice = "Results may look better than they are: give such videos one group."
    return f"{begin}: {named}{rest}. {advice}"
