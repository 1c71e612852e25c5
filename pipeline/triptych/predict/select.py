"""Which items to show under a budget: those that together stand for most of the film.

How well a choice stands for the film is its facility location: each part of the film counts as
much as the chosen item that stands for it best. A second item that shows the same adds nothing,
so what is redundant is not chosen while anything else is left. The function is monotone and
submodular. Lazy greedy (Minoux 1978) by gain and by gain for its cost, whichever is better, is
worth at least (1 - 1/e) / 2 of the best choice there is (Leskovec et al., KDD 2007), and
1 - 1/e where all costs are equal (Nemhauser et al. 1978).

An exact knapsack then improves it: the gains of all items, each after those before it in an
order that begins with the choice, add up to no more than the truth, and to the truth for the
choice itself (Iyer et al., ICML 2013). So the best choice by them is at least as good.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from triptych.records import Floats

__all__ = ["coverage", "knapsack", "select"]

_FINEST = 0.01  # seconds, or share of a shot
_CELLS = 20_000  # of the budget: 3 h at 15 % come to tenths of a second
_ROUNDS = 4  # of improvement; most choices are at rest after one
_EPS = 1e-9
_DUST = 1e-6  # costs are sums of rounded times


def coverage(cover: Floats, chosen: Sequence[int]) -> float:
    """How well a choice stands for the film.

    Args:
        cover: (items, parts), how well each item stands for each part; not below zero.
        chosen: items.
    """
    return float(cover[list(chosen)].max(axis=0).sum(dtype=np.float64)) if len(chosen) else 0.0


def select(cover: Floats, *, costs: npt.ArrayLike, budget: float) -> list[int]:
    """Items whose costs add up to no more than the budget, the most telling first.

    The same arguments give the same choice: of equals the first is taken.

    Args:
        cover: (items, parts), how well each item stands for each part; not below zero.
        costs: (items,), above zero.
        budget: in the unit of the costs.
    """
    price = np.asarray(costs, np.float64)
    alone = cover.sum(axis=1, dtype=np.float64)
    options = [
        _greedy(cover, alone, np.ones(len(price)), costs=price, budget=budget),
        _greedy(cover, alone, price, costs=price, budget=budget),
        knapsack(alone, costs=price, budget=budget),
    ]
    best = max(options, key=lambda chosen: coverage(cover, chosen))  # the first of equals
    for _ in range(_ROUNDS):
        found = knapsack(_gains(cover, best, alone), costs=price, budget=budget)
        if coverage(cover, found) <= coverage(cover, best) + _EPS:
            break
        best = found
    return _ordered(cover, best)


def knapsack(values: npt.ArrayLike, *, costs: npt.ArrayLike, budget: float) -> list[int]:
    """The items of the highest total value under a budget, by dynamic programming.

    Exact for costs in hundredths up to a budget of 200, and in so many parts of it above: costs
    are rounded up to the next one, so the budget is never exceeded.

    >>> knapsack([60, 100, 120], costs=[1, 2, 3], budget=5)
    [1, 2]
    """
    unit = max(_FINEST, budget / _CELLS)
    capacity = int(np.floor(budget / unit + _DUST))
    prices = np.ceil(np.asarray(costs, np.float64) / unit - _DUST).astype(np.int64)
    worth = np.asarray(values, np.float64)
    best = np.zeros(capacity + 1)
    taken: dict[int, npt.NDArray[np.uint8]] = {}
    for item in np.flatnonzero((prices <= capacity) & (worth > 0)).tolist():
        price = int(prices[item])
        with_it = best[: capacity + 1 - price] + worth[item]
        better = with_it > best[price:] + _EPS
        np.copyto(best[price:], with_it, where=better)
        taken[item] = np.packbits(better)  # a bit a cell: 2,500 items take 6 MB
    chosen, left = [], capacity
    for item in reversed(taken):
        at = left - int(prices[item])
        if at >= 0 and taken[item][at >> 3] >> (7 - (at & 7)) & 1:
            chosen.append(item)
            left = at
    return chosen[::-1]


def _greedy(
    cover: Floats,
    alone: npt.NDArray[np.float64],
    by: npt.NDArray[np.float64],
    *,
    costs: npt.NDArray[np.float64],
    budget: float,
) -> list[int]:
    """Items by their gain over `by`, while they fit."""
    covered = np.zeros(cover.shape[1], np.float32)
    heap = [(-alone[i] / by[i], i, 0) for i in range(len(by)) if costs[i] <= budget + _DUST]
    heapq.heapify(heap)
    chosen: list[int] = []
    left = budget
    while heap:
        gain, item, known = heapq.heappop(heap)
        if costs[item] > left + _DUST:
            continue
        if known == len(chosen):
            chosen.append(item)
            left -= costs[item]
            covered = np.maximum(covered, cover[item])
        else:  # gains only fall, so what stays on top after a new look is the best there is
            gain = -_gain(cover[item], covered) / by[item]
            heapq.heappush(heap, (gain, item, len(chosen)))
    return chosen


def _gain(row: Floats, covered: Floats) -> float:
    return float((np.maximum(row, covered) - covered).sum())


def _gains(
    cover: Floats, chosen: Sequence[int], alone: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Gain of each item after those before it: the chosen in their order, then the rest."""
    inside = set(chosen)
    covered = (
        cover[list(chosen)].max(axis=0) if len(chosen) else np.zeros(cover.shape[1], np.float32)
    )
    rest = [i for i in range(len(cover)) if i not in inside]
    after = np.array([_gain(cover[i], covered) for i in rest])
    order = [*_ordered(cover, chosen), *(rest[i] for i in np.argsort(-after, kind="stable"))]
    gains = np.zeros(len(alone))
    so_far = np.zeros(cover.shape[1], np.float32)
    for item in order:
        gains[item] = _gain(cover[item], so_far)
        so_far = np.maximum(so_far, cover[item])
    return gains


def _ordered(cover: Floats, chosen: Sequence[int]) -> list[int]:
    """The chosen, each the one that adds most to those before it."""
    covered = np.zeros(cover.shape[1], np.float32)
    order: list[int] = []
    heap = [(-_gain(cover[i], covered), i, 0) for i in sorted(chosen)]
    heapq.heapify(heap)
    while heap:
        _, item, known = heapq.heappop(heap)
        if known == len(order):
            order.append(item)
            covered = np.maximum(covered, cover[item])
        else:
            heapq.heappush(heap, (-_gain(cover[item], covered), item, len(order)))
    return order
