"""Groups stay whole, labels are spread, and impossible splits are refused in words."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from triptych.errors import UsageError
from triptych.learn import grouped_folds, hold_out, labels_of_one_group


def shares(labels: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
    """How many of each class each part has."""
    return np.array(
        [[(labels[part] == name).sum() for name in np.unique(labels)] for part in parts]
    )


def clips(seed: int = 0, *, videos: int = 400, groups: int = 25, labels: int = 4) -> Any:
    rng = np.random.default_rng(seed)
    sizes = rng.zipf(1.6, groups).clip(1, 40)
    of = rng.choice(groups, videos, p=sizes / sizes.sum())
    prefers = rng.dirichlet(np.ones(labels), groups)
    return np.array([rng.choice(labels, p=prefers[g]) for g in of]), of


def test_groups_stay_whole_and_everything_is_tested_once() -> None:
    labels, groups = clips()
    found = grouped_folds(labels, groups, folds=5, seed=1)
    assert len(found) == 5
    assert sorted(np.concatenate([test for _, test in found])) == [*range(len(labels))]
    for train, test in found:
        assert not set(groups[train]) & set(groups[test])
        assert sorted([*train, *test]) == [*range(len(labels))]
        assert train.dtype == np.int64 and (np.diff(train) > 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_labels_are_spread_no_worse_than_by_scikit_learn(seed: int) -> None:
    labels, groups = clips(seed)
    mine = [test for _, test in grouped_folds(labels, groups, folds=5, seed=seed)]
    rival = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    theirs = [test for _, test in rival.split(labels, labels, groups)]

    def uneven(parts: list[np.ndarray]) -> float:
        """Of each label, and of the sizes."""
        counts = shares(labels, parts)
        counts = np.column_stack([counts, counts.sum(axis=1)])
        return float(((counts - counts.mean(axis=0)) ** 2 / counts.mean(axis=0)).sum())

    assert uneven(mine) <= uneven(theirs)


def test_videos_without_groups_are_spread_exactly() -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    found = grouped_folds(labels, np.arange(100), folds=5)
    assert (shares(labels, [test for _, test in found]) == [10, 6, 4]).all()
    train, test = hold_out(labels, np.arange(100), share=0.2)
    assert shares(labels, [train, test]).tolist() == [[40, 24, 16], [10, 6, 4]]


def test_a_seed_gives_the_same_split_and_another_seed_another() -> None:
    labels, groups = clips()
    first, again, other = (
        [test.tolist() for _, test in grouped_folds(labels, groups, folds=5, seed=seed)]
        for seed in (3, 3, 4)
    )
    assert first == again != other


def test_the_training_part_keeps_labels_that_few_groups_have() -> None:
    labels = np.array(["a"] * 20 + ["b"] * 20 + ["rare"] * 2)
    groups = np.array([*range(40), 40, 41])
    for train, _ in grouped_folds(labels, groups, folds=5):
        assert set(labels[train]) == {"a", "b", "rare"}
    train, test = hold_out(labels, groups, share=0.2)
    assert set(labels[train]) == set(labels[test]) == {"a", "b", "rare"}


def test_a_label_with_one_example_is_learned_and_not_tested() -> None:
    labels = np.array([*[0, 1] * 10, 2])
    groups = np.arange(21)
    for seed in range(5):
        train, test = hold_out(labels, groups, share=0.25, seed=seed)
        assert 20 in train and set(labels[test]) == {0, 1}
    folds = grouped_folds(labels, groups, folds=4)
    assert sum(20 in test for _, test in folds) == 1
    assert labels_of_one_group(labels, groups) == [2]


def test_labels_that_each_have_their_own_group_still_leave_something_to_test() -> None:
    labels, groups = ["a", "a", "b", "b"], ["x", "x", "y", "y"]
    train, test = hold_out(labels, groups, share=0.3)
    assert len(train) == len(test) == 2
    assert labels_of_one_group(labels, groups) == ["a", "b"]


def test_several_labels() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((300, 6)) < [0.5, 0.3, 0.2, 0.1, 0.05, 0.02]).astype(int)
    groups = rng.integers(0, 60, 300)
    total = labels.sum(axis=0)
    for train, test in grouped_folds(labels, groups, folds=3):
        assert labels[train].any(axis=0).all()
        assert (np.abs(labels[test].sum(axis=0) - total / 3) <= 2.5).all()
    labels[:, 5] = 0
    labels[7, 5] = 1
    assert labels_of_one_group(labels, groups) == [5]


def test_a_label_that_nobody_has_changes_nothing() -> None:
    labels = np.eye(3, dtype=int)[[0, 1, 0, 1, 0, 1]]
    train, test = hold_out(labels, range(6), share=0.4)
    assert len(train) == 4 and len(test) == 2
    assert labels_of_one_group(labels, range(6)) == []


def test_numbers_are_spread_by_size() -> None:
    rng = np.random.default_rng(0)
    values = rng.gamma(1.0, size=300)
    groups = rng.integers(0, 40, 300)
    for train, test in grouped_folds(values, groups, folds=4):
        for share in (0.25, 0.5, 0.75):
            at = np.quantile(values, share)
            assert (values[test] < at).mean() == pytest.approx(share, abs=0.05)
            assert (values[train] < at).mean() == pytest.approx(share, abs=0.05)
    assert labels_of_one_group(values, groups) == []


def test_numbers_that_are_all_equal() -> None:
    train, test = hold_out(np.full(10, 0.5), range(10), share=0.3)
    assert len(train) == 7 and len(test) == 3


def test_fewer_groups_than_folds_make_fewer_folds(caplog: pytest.LogCaptureFixture) -> None:
    found = grouped_folds([0, 1, 0, 1, 0, 1], ["a", "a", "b", "b", "c", "c"], folds=5)
    assert [test.tolist() for _, test in found] != [] and len(found) == 3
    assert all(len(test) == 2 for _, test in found)
    assert "3 groups make 3 folds, not 5" in caplog.text


def test_a_giant_group_leaves_no_fold_empty() -> None:
    groups = np.array([0] * 500 + [1, 2, 3, 4])
    found = grouped_folds(np.arange(504) % 2, groups, folds=5)
    assert sorted(len(test) for _, test in found) == [1, 1, 1, 1, 500]


@pytest.mark.parametrize(
    ("labels", "groups", "reason"),
    [
        ([0, 1, 0], ["a"] * 3, "all videos are of one group"),
        ([], [], "no videos"),
        ([0, 1], ["a"], r"2 labels, but groups of shape \(1,\)"),
        ([[0, 2], [1, 0]], ["a", "b"], "0 or 1"),
        ([0.5, float("nan")], ["a", "b"], "finite"),
        (np.zeros((2, 2, 2)), ["a", "b"], "shape"),
    ],
)
def test_what_cannot_be_split_is_refused(labels: Any, groups: Any, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        grouped_folds(labels, groups, folds=2)
    with pytest.raises(UsageError, match=reason):
        hold_out(labels, groups, share=0.5)


def test_senseless_sizes_are_refused() -> None:
    for share in (0.0, 1.0, -0.1, 2):
        with pytest.raises(UsageError, match="share"):
            hold_out([0, 1], ["a", "b"], share=share)
    for folds in (1, 0, -3):
        with pytest.raises(UsageError, match="folds"):
            grouped_folds([0, 1], ["a", "b"], folds=folds)


def test_twenty_thousand_videos_take_seconds() -> None:
    labels = np.random.default_rng(0).integers(0, 10, 20_000)
    begin = time.process_time()
    train, test = hold_out(labels, np.arange(20_000), share=0.2)
    assert time.process_time() - begin < 20
    counts = shares(labels, [train, test])
    np.testing.assert_allclose(counts[1] / counts.sum(axis=0), 0.2, atol=0.002)


@pytest.mark.needs("shared")
def test_real_clips_of_few_large_sources(shared_data: Path) -> None:
    with (shared_data / "fight_surv" / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    labels = np.array([row["label"] for row in rows])
    groups = np.array([row["group"] for row in rows])
    found = grouped_folds(labels, groups, folds=5)
    counts = shares(labels, [test for _, test in found])
    assert (np.abs(counts - counts.mean(axis=0)) <= 2).all()
    train, test = hold_out(labels, groups, share=0.2)
    assert len(test) / len(labels) == pytest.approx(0.2, abs=0.01)
    assert (labels[test] == "fight").mean() == pytest.approx((labels == "fight").mean(), abs=0.03)
    assert not set(groups[train]) & set(groups[test])
