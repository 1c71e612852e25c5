"""METRICS -> FIGURES: what was measured of a model, for its card, its page and its plots alike.

All functions take the content of metrics.json and expect little of it: a part that is absent
says nothing, and a figure that is no number (an F1 of a label without videos) is shown as a dash.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from triptych.report.text import one_line

__all__ = [
    "EVIDENCE",
    "MAIN",
    "Measure",
    "Metrics",
    "Split",
    "ablation",
    "called",
    "common_label",
    "flat",
    "head",
    "is_share",
    "label_rows",
    "labels_of",
    "lower_is_better",
    "number",
    "part",
    "quoted",
    "shown",
    "splits",
    "title_of",
]

Metrics = Mapping[str, Any]

#: Kind of evidence -> what it is called in a sentence.
EVIDENCE = {"image": "pictures", "motion": "motion", "audio": "sound", "text": "words"}

_SHARE = re.compile(r"(^|_)(accuracy|f1|precision|recall|AUROC|mAP|ece|match)$")
_LOWER = frozenset({"mae", "rmse", "log_loss", "brier", "ece"})
_TITLES = {
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "f1": "F1",
    "mAP": "mean average precision",
    "exact_match": "all labels right",
    "ece": "calibration error",
    "brier": "Brier score",
    "mae": "mean absolute error",
    "rmse": "root mean square error",
    "pearson": "correlation",
    "spearman": "rank correlation (Spearman)",
    "kendall": "rank correlation (Kendall)",
    "f_score": "F-score of 2 s pieces, mean over people",
    "f_score_max": "F-score of 2 s pieces, best person",
    "r2": "R²",
}
#: What a task is judged by, in order; the first that was measured counts most.
MAIN = {
    "single": ("accuracy", "balanced_accuracy", "macro_f1"),
    "multi": ("macro_f1", "mAP", "micro_f1", "exact_match"),
    "regression": ("mae", "rmse", "pearson", "r2"),
    "importance": ("spearman", "kendall", "f_score", "f_score_max"),
}
_ORDER = ("test", "validation", "train")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One figure of one split, with its 95 % interval where that is known."""

    key: str
    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def interval(self) -> str:
        """The interval in words, empty where it is unknown."""
        if self.low is None or self.high is None:
            return ""
        return f"{shown(self.key, self.low)} to {shown(self.key, self.high)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """What was measured on one part of the videos."""

    name: str
    videos: int
    measures: Mapping[str, Measure]
    main: Measure | None
    result: Metrics


def part(metrics: Metrics, *names: str) -> Metrics:
    """A mapping inside the metrics, empty where there is none."""
    for name in names:
        inner = metrics.get(name)
        metrics = inner if isinstance(inner, Mapping) else {}
    return metrics


def number(value: Any) -> float | None:
    """A figure, or nothing where it is none; JSON has no word for "not a number".

    >>> number(0.5), number(None), number(float("nan")), number(True)
    (0.5, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def is_share(key: str) -> bool:
    """Whether a metric lies between 0 and 1 and reads well in per cent."""
    return bool(_SHARE.search(key))


def lower_is_better(key: str) -> bool:
    """Whether a small figure is the good one."""
    return key in _LOWER


def title_of(key: str) -> str:
    """A metric's name as people write it.

    >>> title_of("macro_f1"), title_of("top5_accuracy")
    ('macro F1', 'top 5 accuracy')
    """
    if key in _TITLES:
        return _TITLES[key]
    return one_line(re.sub(r"^top(?=\d)", "top ", key).replace("_", " "))


def shown(key: str, value: float | None) -> str:
    """A figure as it is written in tables.

    >>> shown("accuracy", 0.714), shown("mae", 1234.5), shown("r2", -0.12345), shown("f1", None)
    ('71.4%', '1,234', '-0.123', '–')
    """
    if value is None:
        return "–"
    if is_share(key):
        return f"{value * 100:.1f}%"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def called(split: str) -> str:
    """A split as it stands before "videos".

    >>> called("train"), called("test")
    ('training', 'test')
    """
    return {"train": "training"}.get(split, one_line(split))


def quoted(label: str) -> str:
    """A label inside a sentence.

    >>> quoted("a cat"), quoted(" ")
    ('“a cat”', '“(empty)”')
    """
    return f"“{one_line(label) or '(empty)'}”"


def flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as (dotted name, text) pairs.

    >>> list(flat({"lr": 0.001, "mix": {"on": True, "of": [1, 2]}}))
    [('lr', '0.001'), ('mix.on', 'yes'), ('mix.of', '1, 2')]
    """
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{before}{name}.")
        elif isinstance(value, bool):
            yield f"{before}{name}", "yes" if value else "no"
        elif isinstance(value, Sequence) and not isinstance(value, str):
            yield f"{before}{name}", ", ".join(one_line(str(item)) for item in value)
        else:
            yield f"{before}{name}", "–" if value is None else one_line(str(value))


def labels_of(metrics: Metrics) -> list[str]:
    """The labels in the model's own order, as they are given."""
    return [str(label) for label in metrics.get("labels") or ()]


def splits(metrics: Metrics) -> list[Split]:
    """What was measured, the most telling part of the videos first."""
    found = part(metrics, "splits")
    names = [n for n in _ORDER if n in found] + [n for n in found if n not in _ORDER]
    return [_split(name, part(found, name), metrics) for name in names if part(found, name)]


def _split(name: str, result: Metrics, metrics: Metrics) -> Split:
    intervals = part(result, "intervals")
    measures = {}
    for key, value in part(result, "metrics").items():
        low, high = intervals.get(key) or (None, None)
        measures[key] = Measure(key=key, value=number(value), low=number(low), high=number(high))
    order = MAIN.get(str(metrics.get("task")), MAIN["single"])
    main = next((measures[k] for k in order if k in measures), None)
    return Split(
        name=called(name),
        videos=int(number(result.get("videos")) or 0),
        measures=measures,
        main=main if main is not None and main.value is not None else None,
        result=result,
    )


def head(metrics: Metrics) -> Split | None:
    """The split whose figures speak for the model: the test, else the validation."""
    return next(iter(splits(metrics)), None)


def common_label(split: Split) -> tuple[str, float] | None:
    """The commonest label of a split and its share: what a blind guess would reach."""
    support = {
        str(label): number(part(split.result, "by_label", label).get("support")) or 0.0
        for label in part(split.result, "by_label")
    }
    whole = sum(support.values())
    if not whole:
        return None
    best = max(support, key=lambda label: support[label])
    return best, support[best] / whole


def label_rows(metrics: Metrics) -> list[dict[str, Any]]:
    """One row a label: name, videos in each split, figures of the head, threshold."""
    data, best = part(metrics, "data", "by_label"), head(metrics)
    measured = part(best.result, "by_label") if best else {}
    given = metrics.get("thresholds") or {}
    if not isinstance(given, Mapping):
        given = dict(zip(labels_of(metrics), given, strict=False))
    rows = []
    for label in labels_of(metrics):
        figures, counts = part(measured, label), part(data, label)
        rows.append(
            {
                "label": label,
                "name": one_line(label) or "(empty)",
                "counts": {name: int(number(n) or 0) for name, n in counts.items()},
                **{k: number(figures.get(k)) for k in ("precision", "recall", "f1", "support")},
                "threshold": number(given.get(label)),
            }
        )
    return rows


def ablation(metrics: Metrics) -> dict[str, Any] | None:
    """The ablation with figures only: metric, split, all, and rows (name, without, alone)."""
    found = part(metrics, "ablation")
    without, alone = part(found, "without"), part(found, "alone")
    names = [*without, *(name for name in alone if name not in without)]
    if not names:
        return None
    return {
        "metric": str(found.get("metric") or "accuracy"),
        "split": one_line(str(found.get("split") or "")),
        "all": number(found.get("all")),
        "rows": [(str(n), number(without.get(n)), number(alone.get(n))) for n in names],
    }
