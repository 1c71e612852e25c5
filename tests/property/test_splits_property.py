"""Laws of the splits: whole groups, nothing lost, nothing empty, no label lost without need."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from triptych.learn.splits import grouped_folds, hold_out

KINDS = st.sampled_from(["single", "multi", "number"])


@st.composite
def cases(draw: st.DrawFn, *, most_groups: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Labels and groups of a few videos; at least two groups."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    groups = draw(st.integers(2, most_groups))
    sizes = draw(st.lists(st.integers(1, 9), min_size=groups, max_size=groups))
    of = rng.permutation(np.repeat(np.arange(groups), sizes))
    labels = draw(st.integers(1, 5))
    kind = draw(KINDS)
    if kind == "single":
        return rng.integers(0, labels, len(of)), of
    if kind == "multi":
        return (rng.random((len(of), labels)) < rng.random()).astype(int), of
    return rng.normal(size=len(of)).round(draw(st.integers(0, 3))), of


def check(train: np.ndarray, test: np.ndarray, groups: np.ndarray) -> None:
    assert len(train) and len(test)
    assert sorted([*train, *test]) == [*range(len(groups))]
    assert not set(groups[train]) & set(groups[test])


@given(cases(), st.integers(2, 6), st.integers(0, 9))
def test_folds(case: tuple[np.ndarray, np.ndarray], folds: int, seed: int) -> None:
    labels, groups = case
    found = grouped_folds(labels, groups, folds=folds, seed=seed)
    assert len(found) == min(folds, len(set(groups)))
    for train, test in found:
        check(train, test, groups)
    assert sorted(np.concatenate([test for _, test in found])) == [*range(len(groups))]


@given(cases(), st.floats(0.01, 0.99), st.integers(0, 9))
def test_two_parts(case: tuple[np.ndarray, np.ndarray], share: float, seed: int) -> None:
    labels, groups = case
    train, test = hold_out(labels, groups, share=share, seed=seed)
    check(train, test, groups)


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_videos_does_not_matter(
    case: tuple[np.ndarray, np.ndarray], random: Any
) -> None:
    labels, groups = case
    order = np.array(random.sample(range(len(groups)), len(groups)))
    _, test = hold_out(labels, groups, share=0.3)
    _, other = hold_out(labels[order], groups[order], share=0.3)
    assert set(order[other]) == set(test)


def lost(labels: np.ndarray, train: np.ndarray) -> int:
    """Labels that occur, but not in the training part."""
    if labels.ndim == 2:
        return int((labels.any(axis=0) & ~labels[train].any(axis=0)).sum())
    return len({*labels.tolist()} - {*labels[train].tolist()})


@given(cases(most_groups=6).filter(lambda case: case[0].dtype.kind == "i"), st.integers(2, 3))
def test_no_label_is_lost_without_need(case: tuple[np.ndarray, np.ndarray], folds: int) -> None:
    """All ways of dealing out a few groups are tried: none trains on more labels."""
    labels, groups = case
    folds = min(folds, len(set(groups)))
    deals = [
        np.array(deal)[groups]
        for deal in itertools.product(range(folds), repeat=len(set(groups)))
        if len(set(deal)) == folds
    ]
    found = grouped_folds(labels, groups, folds=folds)
    least = min(sum(lost(labels, np.flatnonzero(d != f)) for f in range(folds)) for d in deals)
    assert sum(lost(labels, train) for train, _ in found) == least
    train, _ = hold_out(labels, groups, share=0.3)
    masks = [np.array(m)[groups] for m in itertools.product([0, 1], repeat=len(set(groups)))]
    least = min(lost(labels, np.flatnonzero(m == 0)) for m in masks if 0 < m.sum() < len(m))
    assert lost(labels, train) == least
