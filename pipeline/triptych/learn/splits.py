"""Labels and groups -> parts to learn from and to test on; a group is never split.

Videos of one group (cut from one film, of one person, by one camera) share more than their label.
A model that saw some of them knows the others, and its score on those says nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from triptych.errors import UsageError

__all__ = ["Indices", "grouped_folds", "hold_out", "labels_of_one_group", "with_test"]

log = logging.getLogger(__name__)

Indices: TypeAlias = npt.NDArray[np.int64]
_Counts: TypeAlias = npt.NDArray[np.float64]

_QUANTILES = 5  # of numbers, which are then spread like labels
_ABSENT = 2.0  # price of a label that cannot be tested; small, so that shares still hold
_STARTS = 6  # the best of several searches is taken
_MANY = 300  # groups; so many can be dealt out well one by one
_MOST_PASSES = 30
_REMEDY = "give at least two groups, such as the film or the person each video is of"


def grouped_folds(
    labels: npt.ArrayLike, groups: npt.ArrayLike, *, folds: int, seed: int = 0
) -> list[tuple[Indices, Indices]]:
    """Folds for cross-validation, with about the same labels in each as the groups allow.

    Every example is tested exactly once, and every training part has every label, as far as groups
    can be dealt out so. A label of one group only (see `labels_of_one_group`) is never learned
    for the fold that tests it. Fewer groups than `folds` give one fold for each group.

    Args:
        labels: (N,) classes (integers or text), (N, L) of 0 and 1, or (N,) floats, which are
            spread by their quantiles.
        groups: (N,), anything that can be sorted.
        folds: 2 or more.
        seed: the same gives the same. The order of the examples changes nothing.

    Returns:
        (training, test) for each fold, indices in rising order.

    Raises:
        UsageError: fewer than two groups or folds, or lengths that differ.
    """
    if folds < 2:
        raise UsageError(f"{folds} folds", remedy="choose 2 or more")
    counts, of = _by_group(labels, groups)
    if len(counts) < folds:
        log.warning("%d groups make %d folds, not %d", len(counts), len(counts), folds)
        folds = len(counts)
    part = _dealt(counts, np.full(folds, 1 / folds), guarded=range(folds), seed=seed)[of]
    return [(np.flatnonzero(part != f), np.flatnonzero(part == f)) for f in range(folds)]


def hold_out(
    labels: npt.ArrayLike, groups: npt.ArrayLike, *, share: float, seed: int = 0
) -> tuple[Indices, Indices]:
    """One part to learn from and one to test on, with about the same labels in both.

    The training part has every label, if need be at the cost of the share: a label of one group
    only is learned and not tested. Only where that would leave nothing to test is a label missing.

    Args:
        labels: as for `grouped_folds`.
        groups: (N,), anything that can be sorted.
        share: of the examples to test on, above 0 and below 1.
        seed: the same gives the same. The order of the examples changes nothing.

    Returns:
        Training and test, indices in rising order; neither is empty.

    Raises:
        UsageError: fewer than two groups, lengths that differ, or no such share.
    """
    if not 0 < share < 1:
        raise UsageError(f"a share of {share} to test on", remedy="choose one between 0 and 1")
    counts, of = _by_group(labels, groups)
    part = _dealt(counts, np.array([1 - share, share]), guarded=[1], seed=seed)[of]
    return np.flatnonzero(part == 0), np.flatnonzero(part == 1)


def with_test(
    splits: Sequence[str],
    labels: npt.ArrayLike,
    groups: Sequence[Any],
    *,
    share: float,
    seed: int = 0,
) -> list[str]:
    """Splits with some of what is "train" held out as "test", where nothing is tested yet.

    Nothing is, either, where it would leave less than two groups to learn from and to check on.

    Args:
        splits: "train", "valid" or "test" of each example.
        labels: as for `grouped_folds`.
        groups: (N,), anything that can be sorted.
        share: of the examples to hold out; 0: none.
        seed: the same gives the same.
    """
    found = list(splits)
    free = [i for i, split in enumerate(found) if split == "train"]
    whose = [groups[i] for i in free]
    if share == 0 or "test" in found or len(set(whose)) <= 2:
        return found
    kept, test = hold_out(np.asarray(labels)[free], whose, share=share, seed=seed)
    # A group that is most of the data would be all that is left, with none to check on.
    if len({whose[i] for i in kept}) < 2 and "valid" not in found:
        return found
    for i in test:
        found[free[i]] = "test"
    return found


def labels_of_one_group(labels: npt.ArrayLike, groups: npt.ArrayLike) -> list[Any]:
    """Labels that occur in a single group, so that none can be both learned and tested.

    Args:
        labels: (N,) classes, or (N, L) of 0 and 1. Floats have no labels.
        groups: (N,), anything that can be sorted.

    Returns:
        The classes themselves, or the columns' indices.

    Raises:
        UsageError: lengths that differ.

    >>> labels_of_one_group(["cat", "cat", "dog", "dog"], ["a", "b", "c", "c"])
    ['dog']
    """
    array = np.asarray(labels)
    if array.dtype.kind == "f" and array.ndim == 1:
        return []
    counts, _ = _by_group(array, groups, least=1)
    names = np.unique(array) if array.ndim == 1 else np.arange(array.shape[1])
    return names[(counts[:, 1:] > 0).sum(axis=0) == 1].tolist()


def _by_group(
    labels: npt.ArrayLike, groups: npt.ArrayLike, *, least: int = 2
) -> tuple[_Counts, Indices]:
    """How many examples of all, and of each label, a group has: (G, 1 + L); and whose group."""
    hot, whose = _one_hot(np.asarray(labels)), np.asarray(groups)
    if whose.shape != hot.shape[:1]:
        raise UsageError(f"{len(hot)} labels, but groups of shape {whose.shape}")
    names, of = np.unique(whose, return_inverse=True)
    if len(names) < least:
        only = "all videos are of one group" if len(names) else "there are no videos"
        raise UsageError(f"{only}: none can be kept apart to test on", remedy=_REMEDY)
    counts = np.zeros((len(names), 1 + hot.shape[1]))
    np.add.at(counts, of, np.column_stack([np.ones(len(hot)), hot]))
    return counts, of.astype(np.int64)


def _one_hot(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if labels.ndim == 2:
        if not np.isin(labels, (0, 1)).all():
            raise UsageError("labels in columns must be 0 or 1")
        return labels
    if labels.ndim != 1:
        raise UsageError(f"labels of shape {labels.shape} cannot be split")
    if labels.dtype.kind == "f":
        if not np.isfinite(labels).all():
            raise UsageError("labels are not all finite numbers")
        edges = np.quantile(labels, np.arange(1, _QUANTILES) / _QUANTILES) if labels.size else []
        labels = np.searchsorted(np.unique(edges), labels, side="right")
    _, place = np.unique(labels, return_inverse=True)
    return place[:, None] == np.arange(place.max(initial=-1) + 1)


def _dealt(
    counts: _Counts, shares: npt.NDArray[np.float64], *, guarded: Sequence[int], seed: int
) -> Indices:
    """The part of each group: (G,). `guarded` parts leave some of each label to the others."""
    rng = np.random.default_rng(seed)
    deal = _Deal(counts[:, counts.any(axis=0)], shares, guarded)
    found = [deal.search(rng) for _ in range(_STARTS if len(counts) <= _MANY else 1)]
    return min(found, key=lambda part: deal.cost(deal.held(part)))


class _Deal:
    """Groups dealt out to parts, and the cost of it.

    The cost is, first, the number of empty parts; then of labels that a guarded part has all of;
    then the squared distance of each label's count from its share, by that share, and a little
    for each label that a guarded part lacks.
    """

    def __init__(self, counts: _Counts, shares: npt.NDArray[np.float64], guarded: Sequence[int]):
        self.counts = counts  # (G, K); the first column counts all examples
        self.parts = len(shares)
        self.guarded = list(guarded)
        self.total = counts.sum(axis=0)
        self.due = shares[:, None] * self.total
        # Above any sum of squared distances, and an empty part above any number of lost labels.
        self.lost = 4 * float((self.total / shares.min()).sum())
        self.empty = self.lost * (1 + self.parts * counts.shape[1])

    def cost(self, held: _Counts) -> npt.NDArray[np.float64]:
        """Of counts (..., F, K): (...)."""
        uneven = ((held - self.due) ** 2 / self.due).sum(axis=(-2, -1))
        guarded = held[..., self.guarded, :]
        lost = (guarded == self.total).sum(axis=(-2, -1))
        absent = (guarded == 0).sum(axis=(-2, -1))
        empty = (held[..., 0] == 0).sum(axis=-1)
        return uneven + _ABSENT * absent + self.lost * lost + self.empty * empty

    def held(self, part: Indices) -> _Counts:
        """What each part has of each label: (F, K)."""
        held = np.zeros_like(self.due)
        np.add.at(held, part, self.counts)
        return held

    def search(self, rng: np.random.Generator) -> Indices:
        """Deal greedily, then move and swap groups until nothing helps."""
        part = self._greedy(rng)
        held = self.held(part)
        for _ in range(_MOST_PASSES):
            before = self.cost(held)
            for group in rng.permutation(len(part)):
                self._move(group, part, held)
                if len(part) <= _MANY:
                    self._swap(group, part, held)
            if self.cost(held) >= before:
                break
        return part

    def _greedy(self, rng: np.random.Generator) -> Indices:
        """Groups that hold much of some label come first: they fit in few places."""
        weight = (self.counts / self.total).max(axis=1) * rng.uniform(0.8, 1.25, len(self.counts))
        part = np.zeros(len(self.counts), np.int64)
        held = np.zeros_like(self.due)
        for group in np.argsort(-weight, kind="stable"):
            # What has been dealt is compared with its share of the whole: only excess counts.
            room = self.due - held
            after = room - self.counts[group]
            worth = ((after**2 - room**2) / self.due).sum(axis=1)
            part[group] = np.argmin(worth)
            held[part[group]] += self.counts[group]
        return part

    def _move(self, group: int, part: Indices, held: _Counts) -> None:
        """Put a group where it costs least."""
        count, here = self.counts[group], part[group]
        tried = np.repeat(held[None], self.parts, axis=0)
        tried[:, here] -= count
        tried[np.arange(self.parts), np.arange(self.parts)] += count
        costs = self.cost(tried)
        best = int(np.argmin(costs))
        if costs[best] < costs[here] - 1e-9:
            part[group] = best
            held[:] = tried[best]

    def _swap(self, group: int, part: Indices, held: _Counts) -> None:
        """Exchange a group with the one of another part that helps most."""
        here = part[group]
        others = np.flatnonzero(part != here)
        if not len(others):
            return
        gain = self.counts[others] - self.counts[group]
        tried = np.repeat(held[None], len(others), axis=0)
        tried[:, here] += gain
        tried[np.arange(len(others)), part[others]] -= gain
        costs = self.cost(tried)
        best = int(np.argmin(costs))
        if costs[best] < self.cost(held) - 1e-9:
            part[group], part[others[best]] = part[others[best]], here
            held[:] = tried[best]
