"""Groups of videos: the joins of average linkage, whatever the order."""

from __future__ import annotations

import numpy as np
import pytest

from triptych.learn.clusters import groups_of
from triptych.learn.duplicates import centred


def bunches(sizes: list[int], *, spread: float = 0.25, seed: int = 0) -> np.ndarray:
    """Vectors around as many directions, all on top of something that they have in common."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(len(sizes), 64))
    rows = [c + spread * rng.normal(size=(n, 64)) for c, n in zip(centres, sizes, strict=True)]
    return (np.concatenate(rows) + 2.0).astype(np.float32)


def slow_groups(vectors: np.ndarray, threshold: float) -> list[list[int]]:
    """Average linkage as its definition says: join the most alike pair, again and again."""
    likeness = centred(vectors) @ centred(vectors).T
    groups = [[i] for i in range(len(vectors))]
    while len(groups) > 1:
        pairs = [(i, j) for i in range(len(groups)) for j in range(i)]
        means = [float(likeness[np.ix_(groups[i], groups[j])].mean()) for i, j in pairs]
        best = int(np.argmax(means))
        if means[best] < threshold:
            break
        i, j = pairs[best]
        groups[j] += groups.pop(i)
    return sorted((sorted(g) for g in groups if len(g) > 1), key=lambda g: (-len(g), g))


def test_bunches_are_found() -> None:
    sizes = [5, 3, 4, 1, 1]
    groups = groups_of(bunches(sizes))
    assert groups == [[0, 1, 2, 3, 4], [8, 9, 10, 11], [5, 6, 7]]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("threshold", [0.05, 0.4, 0.8])
def test_they_are_those_of_the_definition(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    vectors = bunches([4, 3, 6, 2, 1], spread=1.2, seed=seed)[rng.permutation(16)]
    assert groups_of(vectors, threshold=threshold) == slow_groups(vectors, threshold)


def test_little_and_nothing() -> None:
    assert groups_of(np.zeros((0, 8))) == groups_of(np.ones((1, 8))) == []
    one = np.random.default_rng(0).normal(size=(1, 8))
    assert groups_of(np.concatenate([one, one])) == [[0, 1]]


def test_thousands_take_no_time() -> None:
    groups = groups_of(bunches([100] * 20))
    assert [len(group) for group in groups] == [100] * 20
