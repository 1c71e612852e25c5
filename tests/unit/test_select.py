"""What is selected covers most: never below what theory promises, and exactly where it can be."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from triptych.predict.select import coverage, knapsack, select

COSTS = st.lists(st.integers(1, 40), min_size=1, max_size=9)


def subsets(costs: np.ndarray, budget: float) -> list[list[int]]:
    items = range(len(costs))
    some = (list(c) for n in range(len(costs) + 1) for c in itertools.combinations(items, n))
    return [c for c in some if costs[c].sum() <= budget + 1e-9]


def covers(seed: int, items: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 9, (items, 7)).astype(np.float32)


@given(COSTS, st.integers(0, 2**31), st.integers(1, 100))
def test_the_knapsack_is_exact(tenths: list[int], seed: int, budget: int) -> None:
    costs = np.array(tenths) / 10
    values = np.random.default_rng(seed).integers(0, 30, len(costs)).astype(float)
    chosen = knapsack(values, costs=costs, budget=budget / 10)
    assert costs[chosen].sum() <= budget / 10 + 1e-9
    best = max(values[c].sum() for c in subsets(costs, budget / 10))
    assert values[chosen].sum() == best


@given(COSTS, st.integers(0, 2**31), st.integers(1, 100))
def test_a_choice_is_within_its_bound_of_the_best(
    tenths: list[int], seed: int, budget: int
) -> None:
    costs, cover = np.array(tenths) / 10, covers(seed, len(tenths))
    chosen = select(cover, costs=costs, budget=budget / 10)
    assert costs[chosen].sum() <= budget / 10 + 1e-6
    best = max(coverage(cover, c) for c in subsets(costs, budget / 10))
    assert coverage(cover, chosen) >= (1 - 1 / math.e) / 2 * best - 1e-6
    ones = np.ones(len(costs))
    count = select(cover, costs=ones, budget=3)
    best = max(coverage(cover, c) for c in subsets(ones, 3))
    assert len(count) <= 3 and coverage(cover, count) >= (1 - 1 / math.e) * best - 1e-6


def test_what_is_shown_already_is_not_chosen_again() -> None:
    cover = np.array([[5, 5, 0], [5, 5, 0], [0, 0, 1]], np.float32)
    assert sorted(select(cover, costs=[1, 1, 1], budget=2)) == [0, 2]


def test_the_order_tells_what_adds_most() -> None:
    cover = np.array([[1, 0, 0], [0, 9, 0], [0, 0, 4]], np.float32)
    assert select(cover, costs=[1, 1, 1], budget=3) == [1, 2, 0]


def test_nothing_fits() -> None:
    assert select(np.ones((2, 2), np.float32), costs=[5, 6], budget=1) == []
    assert select(np.zeros((0, 0), np.float32), costs=[], budget=1) == []


def test_one_dear_item_is_not_lost_to_cheap_ones() -> None:
    # By gain for its cost the cheap one comes first, and then the dear one no longer fits.
    cover = np.array([[2.0, 0.0], [0.0, 10.0]], np.float32)
    assert select(cover, costs=[1, 10], budget=10) == [1]


def test_three_hours_are_chosen_from_in_time() -> None:
    rng = np.random.default_rng(0)
    looks = rng.normal(size=(2400, 64)).astype(np.float32)
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    cover = np.clip(looks @ looks.T, 0, 1)
    began = time.process_time()
    costs = rng.uniform(2, 8, 2400).round(2)
    chosen = select(cover, costs=costs, budget=1620)
    assert time.process_time() - began < 4  # bench/summary.py says how long: below 1 s
    assert 1600 < costs[chosen].sum() <= 1620
