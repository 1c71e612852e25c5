"""Counts, rankings and moments of many weightings of the same videos at once.

A weighting says how often each video counts: all ones is the data itself, a bootstrap resample is
another. Every function takes `weights` (R, N) and gives one row for each weighting, so that a
metric and its interval come from the same lines. What is not defined is NaN.

    single-label and multi-label data are both given as `actual` (N, L), 0 or 1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "Counts",
    "Doubles",
    "Rates",
    "count",
    "decisions",
    "mean",
    "moments",
    "multi_label_rates",
    "numbers",
    "rank",
    "ratio",
    "single_label_rates",
]

Doubles: TypeAlias = npt.NDArray[np.float64]
Rates: TypeAlias = dict[str, Doubles]

_THRESHOLD = 0.5
_DUST = 1e-12  # of the largest value: less is rounding
_TINY = 1e-200  # dividing by less may overflow


def decisions(
    truth: npt.ArrayLike, scores: npt.ArrayLike, *, thresholds: Sequence[float] | None = None
) -> tuple[Doubles, Doubles]:
    """Truth and decisions as (N, L), 0 or 1, of single labels as of several.

    Args:
        truth: (N,) index of the label, or (N, L) 0 or 1.
        scores: (N, L). Of single labels the highest is chosen, the first of equals; of several,
            all that reach their threshold.
        thresholds: (L,); default: 0.5 each.

    Raises:
        ValueError: there are none, they do not fit each other, or are not finite.
    """
    actual, values = np.asarray(truth), np.asarray(scores, np.float64)
    if values.ndim != 2 or not values.size or len(actual) != len(values):
        raise ValueError(f"scores {values.shape} do not fit a truth of {actual.shape}")
    if not np.isfinite(values).all():
        raise ValueError("scores are not all finite numbers")
    if actual.ndim == 1:
        every = np.arange(values.shape[1])
        if not np.isin(actual, every).all():
            raise ValueError(f"the truth is not all among the labels 0 to {len(every) - 1}")
        chosen = values.argmax(axis=1)
        return (actual[:, None] == every).astype(float), (chosen[:, None] == every).astype(float)
    if actual.shape != values.shape or not np.isin(actual, (0, 1)).all():
        raise ValueError(f"a truth of {actual.shape} is not 0 and 1 for scores {values.shape}")
    least = np.full(values.shape[1], _THRESHOLD) if thresholds is None else np.asarray(thresholds)
    if least.shape != values.shape[1:]:
        raise ValueError(f"{least.size} thresholds for {values.shape[1]} labels")
    return actual.astype(float), (values >= least).astype(float)


def numbers(truth: npt.ArrayLike, values: npt.ArrayLike) -> tuple[Doubles, Doubles]:
    """Truth and predicted numbers as (N,); ValueError when they do not fit or are not finite."""
    real, guesses = np.asarray(truth, np.float64), np.asarray(values, np.float64)
    if guesses.ndim == 2 and guesses.shape[1] == 1:
        guesses = guesses[:, 0]
    if real.ndim != 1 or not real.size or real.shape != guesses.shape:
        raise ValueError(f"values {guesses.shape} do not fit a truth of {real.shape}")
    if not (np.isfinite(real).all() and np.isfinite(guesses).all()):
        raise ValueError("truth and values are not all finite numbers")
    return real, guesses


def ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> Doubles:
    """Part by whole; NaN where the whole is nothing."""
    shape = np.broadcast_shapes(np.shape(part), np.shape(whole))
    return np.divide(part, whole, out=np.full(shape, np.nan), where=np.asarray(whole) > 0)


def mean(values: Doubles) -> Doubles:
    """Mean of the last axis over what is defined; NaN where nothing is."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counts:
    """How often each label was right, true and predicted, (R, L) each."""

    hits: Doubles
    true: Doubles
    predicted: Doubles

    @property
    def precision(self) -> Doubles:
        """Share of the predicted that are true; NaN for a label that was never predicted."""
        return ratio(self.hits, self.predicted)

    @property
    def recall(self) -> Doubles:
        """Share of the true that were found; NaN for a label that never occurs."""
        return ratio(self.hits, self.true)

    @property
    def f1(self) -> Doubles:
        """Harmonic mean of both; NaN for a label that neither occurs nor was predicted."""
        return ratio(2 * self.hits, self.true + self.predicted)

    def micro(self) -> Counts:
        """All decisions counted together, as if there were one label."""
        return Counts(
            hits=self.hits.sum(axis=1, keepdims=True),
            true=self.true.sum(axis=1, keepdims=True),
            predicted=self.predicted.sum(axis=1, keepdims=True),
        )


def count(actual: Doubles, decided: Doubles, *, weights: Doubles) -> Counts:
    """Count decisions (N, L), 0 or 1, against the truth."""
    return Counts(
        hits=weights @ (actual * decided), true=weights @ actual, predicted=weights @ decided
    )


def rank(actual: Doubles, scores: Doubles, *, weights: Doubles) -> tuple[Doubles, Doubles]:
    """Average precision and area under the ROC curve of each label, one against the rest.

    Videos of equal score enter together: their order cannot help or harm.

    Returns:
        (R, L) each; NaN for a label that no video has, the area also for one that all have.
    """
    shape = (len(weights), scores.shape[1])
    precision, area = np.empty(shape), np.empty(shape)
    for label in range(scores.shape[1]):
        precision[:, label], area[:, label] = _rank_one(actual[:, label], scores[:, label], weights)
    return precision, area


def _rank_one(actual: Doubles, scores: Doubles, weights: Doubles) -> tuple[Doubles, Doubles]:
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last = np.append(falling[1:] != falling[:-1], True)  # of each run of equal scores
    weight = weights[:, order]
    seen = np.cumsum(weight, axis=1)[:, last]
    found = np.cumsum(weight * actual[order], axis=1)[:, last]
    before = np.zeros((len(weights), 1))
    gained = np.diff(found, axis=1, prepend=before)
    false = np.diff(seen - found, axis=1, prepend=before)
    true, other = found[:, -1], seen[:, -1] - found[:, -1]
    share = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
    return (
        ratio((gained * share).sum(axis=1), true),
        ratio((false * (found - gained / 2)).sum(axis=1), true * other),
    )


def moments(truth: Doubles, values: Doubles, *, weights: Doubles) -> Rates:
    """Errors and agreement of numbers (N,): mae, rmse, pearson, r2, (R,) each.

    `pearson` is NaN when either side is constant, `r2` when the truth is.
    """
    error = values - truth
    total = weights.sum(axis=1)
    square = ratio(weights @ error**2, total)
    x, y = truth - truth.mean(), values - values.mean()  # small numbers cancel less
    mean_x, mean_y = ratio(weights @ x, total), ratio(weights @ y, total)
    spread_x = _spread(truth, x, mean_x, weights)
    spread_y = _spread(values, y, mean_y, weights)
    shared = ratio(weights @ (x * y), total) - mean_x * mean_y
    return {
        "mae": ratio(weights @ np.abs(error), total),
        "rmse": np.sqrt(square),
        "pearson": np.clip(ratio(shared, np.sqrt(spread_x) * np.sqrt(spread_y)), -1.0, 1.0),
        "r2": 1.0 - ratio(square, spread_x),
    }


def _spread(values: Doubles, centred: Doubles, mean: Doubles, weights: Doubles) -> Doubles:
    """Variance of each weighting; 0 where it is no more than rounding."""
    variance = ratio(weights @ centred**2, weights.sum(axis=1)) - mean**2
    least = max(_DUST * (centred**2).max(), (_DUST * np.abs(values).max()) ** 2, _TINY)
    return np.where(variance > least, variance, 0.0)


def single_label_rates(
    actual: Doubles, decided: Doubles, scores: Doubles, *, weights: Doubles
) -> Rates:
    """What `evaluate` reports of single labels, (R,) each; (N, L) arrays."""
    counts = count(actual, decided, weights=weights)
    recall = mean(counts.recall)
    share = ratio(counts.hits.sum(axis=1), weights.sum(axis=1))
    return {
        "accuracy": share,
        "balanced_accuracy": recall,
        "macro_f1": mean(counts.f1),
        "macro_precision": mean(counts.precision),
        "macro_recall": recall,
        "micro_f1": counts.micro().f1[:, 0],
        **_ranks(actual, scores, weights),
    }


def multi_label_rates(
    actual: Doubles, decided: Doubles, scores: Doubles, *, weights: Doubles
) -> Rates:
    """What `evaluate` reports of several labels, (R,) each; (N, L) arrays."""
    counts = count(actual, decided, weights=weights)
    together = counts.micro()
    exact = (actual == decided).all(axis=1).astype(float)
    return {
        "exact_match": ratio(weights @ exact, weights.sum(axis=1)),
        "macro_f1": mean(counts.f1),
        "macro_precision": mean(counts.precision),
        "macro_recall": mean(counts.recall),
        "micro_f1": together.f1[:, 0],
        "micro_precision": together.precision[:, 0],
        "micro_recall": together.recall[:, 0],
        **_ranks(actual, scores, weights),
    }


def _ranks(actual: Doubles, scores: Doubles, weights: Doubles) -> Rates:
    precision, area = rank(actual, scores, weights=weights)
    return {"mAP": mean(precision), "AUROC": mean(area)}
