"""Truth and scores -> the figures by which a model is judged.

    accuracy(truth, scores)
    evaluate("single", truth, scores, labels=("walk", "run"), groups=sources)   # all of them

| task | truth | scores |
| --- | --- | --- |
| single | (N,) index of the label | (N, L) probabilities; the highest counts, the first of equals |
| multi | (N, L), 0 or 1 | (N, L) probabilities; at least the label's threshold counts |
| regression | (N,) numbers | (N,) or (N, 1) numbers |

A value that the data cannot define is NaN here and None in what `evaluate` returns: recall of a
label that no video has, precision of one that was never predicted. Macro means are over the labels
for which the value is defined. So labels that never occur in the truth are left out of mean
average precision and AUROC, but a label that was wrongly predicted counts as 0 in macro F1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from triptych_models import weighted
from triptych_models.intervals import draws, exact_interval, interval
from triptych_models.weighted import Doubles, Rates

__all__ = [
    "Task",
    "accuracy",
    "auroc",
    "balanced_accuracy",
    "confusion_matrix",
    "evaluate",
    "expected_calibration_error",
    "macro_f1",
    "mean_average_precision",
    "micro_f1",
    "rates_by_label",
    "regression_errors",
    "reliability",
    "top_k_accuracy",
]

Task: TypeAlias = Literal["single", "multi", "regression"]
_Statistic: TypeAlias = Callable[..., Rates]

_BINS = 15
_TOP = 5


def accuracy(
    truth: npt.ArrayLike, scores: npt.ArrayLike, *, thresholds: Sequence[float] | None = None
) -> float:
    """Share of the videos that are right; of several labels, with all of them right."""
    actual, decided = weighted.decisions(truth, scores, thresholds=thresholds)
    return float((actual == decided).all(axis=1).mean())


def balanced_accuracy(truth: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Mean recall of the labels that occur: what accuracy would be if all were as frequent."""
    return _of_all(weighted.mean(_count(truth, scores, None).recall))


def macro_f1(
    truth: npt.ArrayLike, scores: npt.ArrayLike, *, thresholds: Sequence[float] | None = None
) -> float:
    """Mean F1 of the labels: rare ones count as much as frequent ones."""
    return _of_all(weighted.mean(_count(truth, scores, thresholds).f1))


def micro_f1(
    truth: npt.ArrayLike, scores: npt.ArrayLike, *, thresholds: Sequence[float] | None = None
) -> float:
    """F1 of all decisions together; for single labels the same as accuracy."""
    return _of_all(_count(truth, scores, thresholds).micro().f1[:, 0])


def rates_by_label(
    truth: npt.ArrayLike, scores: npt.ArrayLike, *, thresholds: Sequence[float] | None = None
) -> dict[str, Doubles]:
    """`precision`, `recall`, `f1` and `support` (how many videos have it) of each label, (L,)."""
    counts = _count(truth, scores, thresholds)
    rates = {"precision": counts.precision, "recall": counts.recall, "f1": counts.f1}
    return {name: rate[0] for name, rate in rates.items()} | {"support": counts.true[0]}


def top_k_accuracy(truth: npt.ArrayLike, scores: npt.ArrayLike, *, k: int = _TOP) -> float:
    """Share of the videos whose label is among the `k` highest; the first of equals is higher."""
    index, values = np.asarray(truth), np.asarray(scores, np.float64)
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    return float((order == index[:, None]).any(axis=1).mean())


def mean_average_precision(truth: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Mean over labels of the area under precision by recall, in steps, one against the rest."""
    return _of_all(weighted.mean(_rank(truth, scores)[0]))


def auroc(truth: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Mean over labels of how often a video with the label scores above one without it.

    Equal scores count half. A label that all videos have is left out as well.
    """
    return _of_all(weighted.mean(_rank(truth, scores)[1]))


def confusion_matrix(truth: npt.ArrayLike, scores: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """How often each label (rows) was taken for each (columns), (L, L).

    Raises:
        ValueError: the truth is not one label a video.
    """
    if np.ndim(truth) != 1:
        raise ValueError("a confusion matrix is of single labels")
    actual, decided = weighted.decisions(truth, scores)
    return (actual.T @ decided).round().astype(np.int64)


def reliability(
    truth: npt.ArrayLike, scores: npt.ArrayLike, *, bins: int = _BINS
) -> list[dict[str, float]]:
    """How often the model is right when it is about so sure.

    Single labels: of each video, the highest probability, and whether that label is the right one.
    Several labels: of each video and label, the probability, and whether the video has the label.

    Returns:
        `confidence`, `accuracy` (means of the bin) and `count`, for each bin that is not empty,
        from low to high; the bins are equally wide.

    Raises:
        ValueError: scores that are no probabilities.
    """
    actual, decided = weighted.decisions(truth, scores)
    values = np.asarray(scores, np.float64)
    if values.min() < -1e-5 or values.max() > 1 + 1e-5:
        raise ValueError("scores are no probabilities: they are not between 0 and 1")
    if np.ndim(truth) == 1:
        sure, right = values.max(axis=1), (actual * decided).sum(axis=1)
    else:
        sure, right = values.ravel(), actual.ravel()
    edges = np.linspace(0.0, 1.0, bins + 1)[1:-1]
    place = np.digitize(sure, edges)
    counts = np.bincount(place, minlength=bins)
    confidence = weighted.ratio(np.bincount(place, sure, bins), counts)
    correct = weighted.ratio(np.bincount(place, right, bins), counts)
    return [
        {"confidence": float(confidence[b]), "accuracy": float(correct[b]), "count": int(counts[b])}
        for b in np.flatnonzero(counts)
    ]


def expected_calibration_error(
    truth: npt.ArrayLike, scores: npt.ArrayLike, *, bins: int = _BINS
) -> float:
    """Mean distance of confidence and accuracy over the bins of `reliability`, by their counts."""
    return _calibration_error(reliability(truth, scores, bins=bins))


def _calibration_error(found: Sequence[dict[str, float]]) -> float:
    gaps = [b["count"] * abs(b["confidence"] - b["accuracy"]) for b in found]
    return float(sum(gaps) / sum(b["count"] for b in found))


def regression_errors(truth: npt.ArrayLike, values: npt.ArrayLike) -> dict[str, float]:
    """`mae`, `rmse`, `pearson` and `r2` (1 less the squared error by that of the truth's mean)."""
    real, guesses = weighted.numbers(truth, values)
    found = weighted.moments(real, guesses, weights=_once(len(real)))
    return {name: _of_all(value) for name, value in found.items()}


def evaluate(
    task: Task,
    truth: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    labels: Sequence[str],
    thresholds: Sequence[float] | None = None,
    groups: npt.ArrayLike | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """All figures of one model on one set of videos, as plain data for JSON.

    Args:
        task: what the model does.
        truth: see the module.
        scores: see the module.
        labels: L names; not read for regression.
        thresholds: (L,), of several labels; default: 0.5 each.
        groups: (N,), the source of each video: intervals are by group.
        resamples: for the intervals.
        seed: of the resamples.

    Returns:
        `videos`, `metrics`, `intervals` ([low, high], 95 %; empty for fewer than two groups), and
        for labels `by_label`, `reliability` and, when single, `confusion`. `metrics` has
        single: accuracy, balanced_accuracy, macro_f1, macro_precision, macro_recall, micro_f1,
        mAP, AUROC, ece, and top5_accuracy of more than five labels;
        multi: exact_match in place of accuracy, micro_precision, micro_recall;
        regression: mae, rmse, pearson, r2.

    Raises:
        ValueError: no videos, or arrays that do not fit each other or the labels.
    """
    statistic: _Statistic
    if task == "regression":
        real, guesses = weighted.numbers(truth, scores)
        statistic = partial(weighted.moments, real, guesses)
    else:
        if np.ndim(truth) != (1 if task == "single" else 2):
            raise ValueError(f"truth of shape {np.shape(truth)} for a {task}-label task")
        actual, decided = weighted.decisions(truth, scores, thresholds=thresholds)
        if len(labels) != actual.shape[1]:
            raise ValueError(f"{len(labels)} labels, but scores for {actual.shape[1]}")
        rates = weighted.single_label_rates if task == "single" else weighted.multi_label_rates
        statistic = partial(rates, actual, decided, np.asarray(scores, np.float64))
    found = _judged(np.shape(scores)[0], statistic, groups, resamples=resamples, seed=seed)
    if task != "regression":
        found["by_label"] = _by_label(labels, rates_by_label(truth, scores, thresholds=thresholds))
        found["reliability"] = reliability(truth, scores)
        found["metrics"]["ece"] = _calibration_error(found["reliability"])
    if task == "single":
        found["confusion"] = confusion_matrix(truth, scores).tolist()
        if len(labels) > _TOP:
            found["metrics"][f"top{_TOP}_accuracy"] = top_k_accuracy(truth, scores)
    return _plain(found)


def _judged(
    videos: int,
    statistic: _Statistic,
    groups: npt.ArrayLike | None,
    *,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Metrics of the data itself, and their intervals over resamples of it."""
    metrics = {name: _of_all(rate) for name, rate in statistic(weights=_once(videos)).items()}
    drawn = [
        statistic(weights=weights)
        for weights in draws(videos, groups=groups, resamples=resamples, seed=seed)
    ]
    intervals = {}
    for name in metrics if drawn else ():
        between = interval(np.concatenate([rates[name] for rates in drawn]))
        if between is not None and between[0] == between[1]:
            # Resamples of answers that are all right, or all wrong, say nothing of the next one.
            units = videos if groups is None else len(np.unique(np.asarray(groups)))
            between = exact_interval(between[0], units) if name == "accuracy" else None
        if between is not None:
            intervals[name] = [*between]
    return {"videos": videos, "metrics": metrics, "intervals": intervals}


def _by_label(labels: Sequence[str], rates: dict[str, Doubles]) -> dict[str, dict[str, Any]]:
    return {
        label: {
            name: int(rate[i]) if name == "support" else rate[i] for name, rate in rates.items()
        }
        for i, label in enumerate(labels)
    }


def _once(videos: int) -> Doubles:
    """The weighting that is the data itself."""
    return np.ones((1, videos))


def _count(
    truth: npt.ArrayLike, scores: npt.ArrayLike, thresholds: Sequence[float] | None
) -> weighted.Counts:
    actual, decided = weighted.decisions(truth, scores, thresholds=thresholds)
    return weighted.count(actual, decided, weights=_once(len(actual)))


def _rank(truth: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[Doubles, Doubles]:
    actual, _ = weighted.decisions(truth, scores)
    return weighted.rank(actual, np.asarray(scores, np.float64), weights=_once(len(actual)))


def _of_all(values: Doubles) -> float:
    return float(values[0])


def _plain(value: Any) -> Any:
    """For JSON: Python's own numbers, None for NaN."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return None if np.isnan(value) else float(value)
    return value
