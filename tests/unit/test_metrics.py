"""Metrics equal those of scikit-learn and torchmetrics; what is undefined stays undefined."""

from __future__ import annotations

import json
import math
import time
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from torchmetrics.functional import classification as tm

from triptych_models import metrics
from triptych_models.intervals import compare, draws, interval
from triptych_models.metrics import evaluate

NAMES = tuple("abcdefghij")


def single(labels: int, *, videos: int = 300, seed: int = 0, ties: bool = False) -> Any:
    """Truth and probabilities that know something of it."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, labels, videos)
    logits = rng.normal(size=(videos, labels)) + 1.5 * np.eye(labels)[truth]
    if ties:
        logits = np.round(logits)
    scores = np.exp(logits)
    return truth, scores / scores.sum(axis=1, keepdims=True)


def multi(labels: int, *, videos: int = 300, seed: int = 0, ties: bool = False) -> Any:
    rng = np.random.default_rng(seed)
    truth = (rng.random((videos, labels)) < np.linspace(0.1, 0.6, labels)).astype(int)
    logits = rng.normal(size=truth.shape) + 2.0 * truth - 1.0
    return truth, 1 / (1 + np.exp(-(np.round(logits) if ties else logits)))


@pytest.mark.parametrize("labels", [2, 3, 8])
@pytest.mark.parametrize("ties", [False, True])
def test_single_labels_agree_with_scikit_learn(labels: int, ties: bool) -> None:
    truth, scores = single(labels, ties=ties)
    guess = scores.argmax(axis=1)
    found = evaluate("single", truth, scores, labels=NAMES[:labels], resamples=10)
    value = found["metrics"]
    assert value["accuracy"] == pytest.approx(sk.accuracy_score(truth, guess))
    assert value["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(truth, guess))
    for kind in ("macro", "micro"):
        assert value[f"{kind}_f1"] == pytest.approx(sk.f1_score(truth, guess, average=kind))
    rates = sk.precision_recall_fscore_support(truth, guess)
    for i, label in enumerate(NAMES[:labels]):
        expected = [rate[i] for rate in rates]
        assert [*found["by_label"][label].values()] == pytest.approx(expected)
    assert value["macro_precision"] == pytest.approx(rates[0].mean())
    assert value["macro_recall"] == pytest.approx(rates[1].mean())
    assert found["confusion"] == sk.confusion_matrix(truth, guess).tolist()
    hot = np.eye(labels)[truth]
    assert value["mAP"] == pytest.approx(sk.average_precision_score(hot, scores))
    assert value["AUROC"] == pytest.approx(sk.roc_auc_score(hot, scores))


@pytest.mark.parametrize("labels", [1, 2, 7])
@pytest.mark.parametrize("ties", [False, True])
def test_several_labels_agree_with_scikit_learn(labels: int, ties: bool) -> None:
    truth, scores = multi(labels, ties=ties)
    limits = np.linspace(0.3, 0.6, labels)
    guess = (scores >= limits).astype(int)
    found = evaluate(
        "multi", truth, scores, labels=NAMES[:labels], thresholds=limits.tolist(), resamples=10
    )
    value = found["metrics"]
    assert value["exact_match"] == pytest.approx((truth == guess).all(axis=1).mean())
    rates = {n: getattr(sk, f"{n}_score") for n in ("precision", "recall", "f1")}
    for name, rate in rates.items():
        by_label = [found["by_label"][label][name] for label in NAMES[:labels]]
        expected = [rate(truth[:, i], guess[:, i]) for i in range(labels)]
        assert by_label == pytest.approx(expected)
        assert value[f"macro_{name}"] == pytest.approx(np.mean(expected))
        assert value[f"micro_{name}"] == pytest.approx(rate(truth.ravel(), guess.ravel()))
    assert value["mAP"] == pytest.approx(sk.average_precision_score(truth, scores))
    assert value["AUROC"] == pytest.approx(sk.roc_auc_score(truth, scores))
    assert "confusion" not in found


@pytest.mark.parametrize("labels", [2, 6])
@pytest.mark.parametrize("ties", [False, True])
def test_single_labels_agree_with_torchmetrics(labels: int, ties: bool) -> None:
    truth, scores = single(labels, seed=1, ties=ties)
    target, values = torch.tensor(truth), torch.tensor(scores)
    shared: dict[str, Any] = {"num_classes": labels, "average": "macro"}
    pairs = {
        metrics.macro_f1: tm.multiclass_f1_score(values, target, **shared),
        metrics.balanced_accuracy: tm.multiclass_accuracy(values, target, **shared),
        metrics.mean_average_precision: tm.multiclass_average_precision(values, target, **shared),
        metrics.auroc: tm.multiclass_auroc(values, target, **shared),
        metrics.expected_calibration_error: tm.multiclass_calibration_error(
            values, target, num_classes=labels, n_bins=15, norm="l1"
        ),
    }
    for metric, expected in pairs.items():
        assert metric(truth, scores) == pytest.approx(float(expected), abs=1e-6), metric.__name__


def test_several_labels_agree_with_torchmetrics() -> None:
    truth, scores = multi(5, seed=2, ties=True)
    target, values = torch.tensor(truth), torch.tensor(scores)
    macro: dict[str, Any] = {"num_labels": 5, "average": "macro"}
    expected = {
        metrics.mean_average_precision: tm.multilabel_average_precision(values, target, **macro),
        metrics.auroc: tm.multilabel_auroc(values, target, **macro),
        metrics.expected_calibration_error: tm.binary_calibration_error(
            values.flatten(), target.flatten(), n_bins=15, norm="l1"
        ),
    }
    for metric, value in expected.items():
        assert metric(truth, scores) == pytest.approx(float(value), abs=1e-6), metric.__name__
    truth, scores = multi(5, seed=2)  # torchmetrics wants more than the threshold, not as much
    target, values = torch.tensor(truth), torch.tensor(scores)
    averages: tuple[tuple[Any, Any], ...] = (
        (metrics.macro_f1, "macro"),
        (metrics.micro_f1, "micro"),
    )
    for metric, average in averages:
        f1 = tm.multilabel_f1_score(values, target, num_labels=5, average=average)
        assert metric(truth, scores) == pytest.approx(float(f1), abs=1e-6)


def test_a_label_that_never_occurs_is_left_out_of_means() -> None:
    truth, scores = single(3, seed=3)
    kept = truth != 2
    truth, scores = truth[kept], scores[kept]
    guess = scores.argmax(axis=1)
    hot = np.eye(3)[truth]
    areas = [sk.roc_auc_score(hot[:, i], scores[:, i]) for i in (0, 1)]
    precisions = [sk.average_precision_score(hot[:, i], scores[:, i]) for i in (0, 1)]
    assert metrics.auroc(truth, scores) == pytest.approx(np.mean(areas))
    assert metrics.mean_average_precision(truth, scores) == pytest.approx(np.mean(precisions))
    assert (guess == 2).any()  # wrongly predicted: it does count in F1
    expected = sk.f1_score(truth, guess, average="macro", zero_division=np.nan)
    assert metrics.macro_f1(truth, scores) == pytest.approx(expected)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # scikit-learn: "not in y_true"
        expected = sk.balanced_accuracy_score(truth, guess)
    assert metrics.balanced_accuracy(truth, scores) == pytest.approx(expected)
    rates = evaluate("single", truth, scores, labels="abc", resamples=5)["by_label"]["c"]
    assert rates == {"precision": 0.0, "recall": None, "f1": 0.0, "support": 0}


def test_what_is_undefined_is_nan_and_none_in_json() -> None:
    truth, scores = np.zeros(4, int), np.tile([0.9, 0.1], (4, 1))
    assert math.isnan(metrics.auroc(truth, scores))  # no video without the label
    assert math.isnan(metrics.rates_by_label(truth, scores)["precision"][1])
    found = evaluate("single", truth, scores, labels="ab", resamples=20)
    assert found["metrics"]["AUROC"] is None and "AUROC" not in found["intervals"]
    assert found["by_label"]["b"] == {"precision": None, "recall": None, "f1": None, "support": 0}
    assert found["metrics"]["accuracy"] == found["metrics"]["mAP"] == 1.0
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_constant_answer_has_no_precision_for_the_rest() -> None:
    truth, scores = np.array([0, 0, 1]), np.tile([0.5, 0.5], (3, 1))  # the first of equals
    rates = metrics.rates_by_label(truth, scores)
    np.testing.assert_allclose(rates["recall"], [1, 0])
    np.testing.assert_allclose(rates["precision"], [2 / 3, np.nan])
    np.testing.assert_allclose(rates["f1"], [0.8, 0])
    assert metrics.auroc(truth, scores) == 0.5


def test_top_k() -> None:
    truth, scores = single(8, seed=4)
    for k in (1, 3, 5):
        expected = sk.top_k_accuracy_score(truth, scores, k=k)
        assert metrics.top_k_accuracy(truth, scores, k=k) == pytest.approx(expected)
    found = evaluate("single", truth, scores, labels=NAMES[:8], resamples=5)["metrics"]
    assert found["top5_accuracy"] == metrics.top_k_accuracy(truth, scores)
    # Equal scores are no way to be right about everything.
    assert metrics.top_k_accuracy(np.arange(8), np.ones((8, 8)), k=5) == 5 / 8


def test_top_5_of_five_labels_says_nothing() -> None:
    truth, scores = single(5)
    found = evaluate("single", truth, scores, labels=NAMES[:5], resamples=5)
    assert "top5_accuracy" not in found["metrics"]


def test_reliability_bins() -> None:
    scores = np.array([[0.95, 0.05], [0.97, 0.03], [0.4, 0.6], [0.0, 1.0]])
    bins = metrics.reliability([0, 1, 1, 1], scores)
    assert [b["count"] for b in bins] == [1, 3]
    assert bins[0] == pytest.approx({"confidence": 0.6, "accuracy": 1.0, "count": 1})
    assert bins[1]["confidence"] == pytest.approx((0.95 + 0.97 + 1.0) / 3)
    expected = 0.25 * 0.4 + 0.75 * abs((0.95 + 0.97 + 1.0) / 3 - 2 / 3)
    error = metrics.expected_calibration_error([0, 1, 1, 1], scores)
    assert error == pytest.approx(expected)


def test_regression_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    truth = rng.normal(size=200)
    values = (truth + rng.normal(size=200)).astype(np.float32)
    found = evaluate("regression", truth, values[:, None], labels=())
    value = found["metrics"]
    assert value["mae"] == pytest.approx(sk.mean_absolute_error(truth, values))
    assert value["rmse"] == pytest.approx(sk.root_mean_squared_error(truth, values))
    assert value["r2"] == pytest.approx(sk.r2_score(truth, values))
    assert value["pearson"] == pytest.approx(np.corrcoef(truth, values)[0, 1])
    assert value == metrics.regression_errors(truth, values)
    assert set(found) == {"videos", "metrics", "intervals"}
    assert found["intervals"].keys() == value.keys()


def test_a_constant_side_has_no_correlation() -> None:
    assert math.isnan(metrics.regression_errors([0.1] * 7, [*range(7)])["r2"])
    assert math.isnan(metrics.regression_errors([*range(7)], [0.1] * 7)["pearson"])
    assert metrics.regression_errors([*range(7)], [3.0] * 7)["r2"] == pytest.approx(0.0)


def test_answers_that_are_all_right_are_not_sure_to_stay_so() -> None:
    scores = np.eye(2)[[0, 1, 0, 1, 0, 1, 0]]
    found = evaluate("single", scores.argmax(1), scores, labels="ab")
    assert found["metrics"]["accuracy"] == 1.0
    assert found["intervals"]["accuracy"] == pytest.approx([0.5904, 1.0], abs=1e-4)
    assert "AUROC" not in found["intervals"]
    pairs = evaluate("single", scores.argmax(1), scores, labels="ab", groups=list("aabbccc"))
    assert pairs["intervals"]["accuracy"] == pytest.approx([0.2924, 1.0], abs=1e-4)
    wrong = evaluate("single", scores.argmin(1), scores, labels="ab")
    assert wrong["intervals"]["accuracy"] == pytest.approx([0.0, 0.4096], abs=1e-4)


def test_intervals_are_by_group() -> None:
    """Ten copies of each video are no more evidence than one."""
    truth, scores = single(3, videos=60, seed=6)
    alone = evaluate("single", truth, scores, labels="abc")["intervals"]
    copies = [np.repeat(a, 10, axis=0) for a in (truth, scores)]
    sources = np.repeat(np.arange(60), 10).astype(str).tolist()
    grouped = evaluate("single", *copies, labels="abc", groups=sources)["intervals"]
    ungrouped = evaluate("single", *copies, labels="abc")["intervals"]
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        width, same, narrow = (np.ptp(i[name]) for i in (alone, grouped, ungrouped))
        assert same == pytest.approx(width, rel=0.15) and narrow < 0.5 * width


def test_the_interval_of_accuracy_is_about_that_of_the_normal_law() -> None:
    truth, scores = single(2, videos=1000, seed=7)
    found = evaluate("single", truth, scores, labels="ab")
    share = found["metrics"]["accuracy"]
    half = 1.96 * math.sqrt(share * (1 - share) / 1000)
    assert found["intervals"]["accuracy"] == pytest.approx([share - half, share + half], abs=0.006)


def test_one_group_gives_no_interval() -> None:
    truth, scores = single(2, videos=20)
    found = evaluate("single", truth, scores, labels="ab", groups=["a"] * 20)
    assert found["intervals"] == {} and found["metrics"]["accuracy"] > 0


def test_intervals_are_fast_and_repeatable() -> None:
    truth, scores = single(10, videos=1000)
    begin = time.process_time()
    found = evaluate("single", truth, scores, labels=NAMES)
    assert time.process_time() - begin < 5
    assert set(found["intervals"]) >= {"accuracy", "balanced_accuracy", "macro_f1", "mAP", "AUROC"}
    assert evaluate("single", truth, scores, labels=NAMES) == found
    assert evaluate("single", truth, scores, labels=NAMES, seed=1) != found


def test_resamples_draw_whole_groups() -> None:
    groups = ["x", "x", "y", "z", "z", "z"]
    for weights in draws(6, groups=groups, resamples=50):
        assert weights.shape[1] == 6
        for alike in ([0, 1], [3, 4, 5]):
            assert (weights[:, alike] == weights[:, alike[:1]]).all()
        assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()
    assert interval([math.nan]) is None


def test_many_videos_are_drawn_in_parts() -> None:
    parts = list(draws(500_000, resamples=9))
    assert len(parts) > 1 and sum(len(part) for part in parts) == 9


def test_compare_is_paired() -> None:
    truth, scores = single(3, videos=200, seed=8)
    same = compare(truth, scores, scores)
    assert same["difference"] == 0 and same["interval"] == [0, 0]
    worse = scores.copy()
    worse[:30] = np.eye(3)[(truth[:30] + 1) % 3]
    found = compare(truth, scores, worse)
    assert found["accuracy_a"] == pytest.approx(metrics.accuracy(truth, scores))
    assert found["accuracy_b"] == pytest.approx(metrics.accuracy(truth, worse))
    assert found["difference"] == pytest.approx(found["accuracy_a"] - found["accuracy_b"])
    low, high = found["interval"]
    assert 0 < low < found["difference"] < high
    # Paired: far narrower than the interval of either model alone.
    alone = evaluate("single", truth, scores, labels="abc")["intervals"]["accuracy"]
    assert high - low < np.ptp(alone)
    assert compare(truth, scores, worse, groups=["a"] * 200)["interval"] is None


@pytest.mark.parametrize(
    ("task", "truth", "scores", "labels", "reason"),
    [
        ("single", [], np.zeros((0, 2)), "ab", "do not fit"),
        ("single", [0, 1], np.ones((3, 2)), "ab", "do not fit"),
        ("single", [0, 2], np.ones((2, 2)), "ab", "not all among the labels"),
        ("single", [0, -1], np.ones((2, 2)), "ab", "not all among the labels"),
        ("single", [[0, 1]], np.ones((1, 2)), "ab", "single-label task"),
        ("single", [0, 1], np.ones((2, 2)), "abc", "3 labels"),
        ("single", [0, 1], np.full((2, 2), np.nan), "ab", "finite"),
        ("single", [0, 1], np.full((2, 2), 7.0), "ab", "no probabilities"),
        ("multi", [0, 1], np.ones((2, 2)), "ab", "multi-label task"),
        ("multi", [[0, 2]], np.ones((1, 2)), "ab", "not 0 and 1"),
        ("regression", [], [], "", "do not fit"),
        ("regression", [1.0], [[1.0, 2.0]], "", "do not fit"),
        ("regression", [1.0], [math.inf], "", "finite"),
    ],
)
def test_what_does_not_fit_is_refused(
    task: Any, truth: Any, scores: Any, labels: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        evaluate(task, truth, scores, labels=labels)


def test_groups_and_thresholds_must_fit() -> None:
    truth, scores = multi(3)
    with pytest.raises(ValueError, match=r"groups of shape \(2,\) for 300"):
        evaluate("multi", truth, scores, labels="abc", groups=["a", "b"])
    with pytest.raises(ValueError, match="2 thresholds for 3 labels"):
        evaluate("multi", truth, scores, labels="abc", thresholds=[0.5, 0.5])
    with pytest.raises(ValueError, match="single labels"):
        metrics.confusion_matrix(truth, scores)
    with pytest.raises(ValueError, match="do not fit"):
        compare([0, 1], scores, scores)
