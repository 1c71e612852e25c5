"""Laws of the metrics: bounds, order of videos, perfect and reversed answers."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from triptych_models import metrics
from triptych_models.metrics import evaluate

NAMES = "abcd"
PROBABILITY = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])  # few values, many ties


@st.composite
def cases(draw: st.DrawFn) -> tuple[Any, np.ndarray, np.ndarray, str]:
    """Task, truth, scores, names."""
    task = draw(st.sampled_from(["single", "multi"]))
    videos, labels = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    shape = (videos,) if task == "single" else (videos, labels)
    highest = labels - 1 if task == "single" else 1
    truth = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, highest)))
    scores = draw(hnp.arrays(np.float64, (videos, labels), elements=PROBABILITY))
    return task, truth, scores, NAMES[:labels]


def one_hot(truth: np.ndarray, labels: int) -> np.ndarray:
    return truth if truth.ndim == 2 else np.eye(labels)[truth]


@given(cases())
def test_values_are_shares(case: tuple[Any, np.ndarray, np.ndarray, str]) -> None:
    task, truth, scores, labels = case
    found = evaluate(task, truth, scores, labels=labels, resamples=20)
    for value in found["metrics"].values():
        assert value is None or -1e-12 <= value <= 1 + 1e-12
    for low, high in found["intervals"].values():
        assert -1e-12 <= low <= high <= 1 + 1e-12
    assert sum(b["count"] for b in found["reliability"]) == (
        len(truth) if task == "single" else truth.size
    )
    if task == "single":
        assert np.sum(found["confusion"]) == len(truth)
        supports = [found["by_label"][label]["support"] for label in labels]
        assert np.sum(found["confusion"], axis=1).tolist() == supports


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_videos_does_not_matter(
    case: tuple[Any, np.ndarray, np.ndarray, str], random: Any
) -> None:
    task, truth, scores, labels = case
    order = random.sample(range(len(truth)), len(truth))
    values = [
        evaluate(task, t, s, labels=labels, resamples=1)["metrics"]
        for t, s in ((truth, scores), (truth[order], scores[order]))
    ]
    for name, value in values[0].items():
        other = values[1][name]
        assert value is other is None or abs(value - other) < 1e-12


@given(cases())
def test_a_perfect_answer_is_1(case: tuple[Any, np.ndarray, np.ndarray, str]) -> None:
    task, truth, _, labels = case
    scores = one_hot(truth, len(labels)).astype(float)
    found = evaluate(task, truth, scores, labels=labels, resamples=10)
    for name, value in found["metrics"].items():
        if value is not None:
            assert value == (0.0 if name == "ece" else 1.0), name
    defined = [r for r in found["by_label"].values() if r["support"]]
    assert all(r["precision"] == r["recall"] == r["f1"] == 1.0 for r in defined)


@given(cases())
def test_ranks_alone_decide_auroc_and_average_precision(
    case: tuple[Any, np.ndarray, np.ndarray, str],
) -> None:
    _, truth, scores, _ = case
    for metric in (metrics.auroc, metrics.mean_average_precision):
        np.testing.assert_allclose(metric(truth, scores), metric(truth, scores**3 * 0.5 + 0.1))
    # Where high and low change places, so do wins and losses.
    np.testing.assert_allclose(
        metrics.auroc(truth, scores) + metrics.auroc(truth, 1 - scores),
        np.nan if np.isnan(metrics.auroc(truth, scores)) else 1.0,
    )


@given(cases())
def test_auroc_counts_pairs(case: tuple[Any, np.ndarray, np.ndarray, str]) -> None:
    _, truth, scores, labels = case
    hot = one_hot(truth, len(labels))
    areas = []
    for label in range(len(labels)):
        mine = scores[hot[:, label] == 1, label][:, None]
        rest = scores[hot[:, label] == 0, label][None, :]
        if mine.size and rest.size:
            areas.append(((mine > rest) + 0.5 * (mine == rest)).mean())
    expected = np.mean(areas) if areas else np.nan
    np.testing.assert_allclose(metrics.auroc(truth, scores), expected)


@given(
    hnp.arrays(np.float64, st.integers(1, 20), elements=st.floats(-1e3, 1e3)),
    st.integers(0, 2**32 - 1),
)
def test_regression_bounds(truth: np.ndarray, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=len(truth)) * 100
    found = evaluate("regression", truth, values, labels=(), resamples=10)["metrics"]
    assert 0 <= found["mae"] <= found["rmse"] * (1 + 1e-9)
    assert found["pearson"] is None or -1 <= found["pearson"] <= 1
    assert found["r2"] is None or found["r2"] <= 1
    perfect = metrics.regression_errors(truth, truth)
    assert perfect["mae"] == perfect["rmse"] == 0
    assert np.isnan(perfect["r2"]) or perfect["r2"] == 1
    assert np.isnan(perfect["pearson"]) or perfect["pearson"] > 1 - 1e-9
