"""Stretches of sound as one track: each fades into the next, so that no join clicks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from triptych.records import Floats
from triptych.report.cut import RATE_HZ

__all__ = ["CROSS_S", "joined"]

CROSS_S = 0.02  #: both are heard for so long, half of it on either side of the join
_CROSS = round(CROSS_S * RATE_HZ)

#: (start relative to the stretch's own, samples wanted) -> blocks (2, N), just as many samples
Hear = Callable[[float, int], Iterator[Floats]]


def joined(stretches: Sequence[tuple[Hear, int]]) -> Iterator[tuple[int, Floats]]:
    """(first sample, block) pairs without a gap: as many samples as the stretches have.

    What is heard over a join was recorded just after the one stretch and just before the other,
    so that nothing is moved in time. The first and the last sample are silent.

    Args:
        stretches: how each is read, and its samples.
    """
    halves = _halves([samples for _, samples in stretches])
    tail = np.zeros((2, 0), np.float32)  # of the stretch before, faded, still to be added
    at = 0
    for i, (hear, samples) in enumerate(stretches):
        before, after = halves[i], halves[i + 1]
        rise, fall = 2 * before or _edge(samples), 2 * after or _edge(samples)
        whole, done = before + samples + after, 0
        left = np.zeros((2, 2 * after), np.float32)
        for block in hear(-before / RATE_HZ, whole):
            faded = block * _gain(np.arange(done, done + block.shape[1]), whole, rise, fall)
            over = tail[:, done : done + faded.shape[1]]
            faded[:, : over.shape[1]] += over
            ready = max(0, min(faded.shape[1], whole - left.shape[1] - done))
            if ready:
                yield at, np.ascontiguousarray(faded[:, :ready])
                at += ready
            if ready < faded.shape[1]:
                begin = done + ready - (whole - left.shape[1])
                left[:, begin : begin + faded.shape[1] - ready] = faded[:, ready:]
            done += block.shape[1]
        tail = left


def _halves(lengths: Sequence[int]) -> list[int]:
    """Samples that are heard on either side of each join; none before the first, after the last."""
    between = [min(_CROSS, one, other) // 2 for one, other in itertools.pairwise(lengths)]
    return [0, *between, 0]


def _edge(samples: int) -> int:
    return min(_CROSS, samples) // 2


def _gain(position: np.ndarray, whole: int, rise: int, fall: int) -> Floats:
    """From 0 to 1 and back along half a cosine: what fades out and what fades in make 1."""
    up = (position + 0.5) / max(1, rise)
    down = (whole - position - 0.5) / max(1, fall)
    shares = np.clip(np.minimum(up, down), 0.0, 1.0)
    return (0.5 - 0.5 * np.cos(np.pi * shares)).astype(np.float32)
