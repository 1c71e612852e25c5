"""Made-up metrics of trained models, for the tests of cards, pages and plots.

The answers are drawn at random; the figures about them are computed as for real models.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis_factory import NASTY
from triptych_models.metrics import Task, evaluate

LABELS = ("animals", "sport", "music", "cooking", "traffic", "新闻播报", "dance", "speech")
HOSTILE = (NASTY, "<img src=x onerror=alert(1)>", "a|b", "$\\frac{1", "**x** `y`", "\u202eabc", "")


def make_metrics(
    *,
    task: Task = "single",
    labels: Sequence[str] = LABELS,
    test: bool = True,
    videos: int = 420,
    skill: float = 2.2,
    members: int = 5,
    seed: int = 0,
) -> dict[str, Any]:
    """The content of metrics.json for a model that is right as often as `skill` makes it."""
    rng = np.random.default_rng(seed)
    names = list(labels) if task != "regression" else []
    sizes = {"train": videos * 2 // 3, "validation": videos // 6, "test": videos // 6}
    if not test:
        del sizes["test"]
    frequent = np.linspace(1.6, 0.5, max(1, len(names)))
    truth = {
        split: rng.choice(max(1, len(names)), size=n, p=frequent / frequent.sum())
        for split, n in sizes.items()
    }
    results = {
        split: _result(rng, task, names, truth[split], skill) for split in sizes if split != "train"
    }
    metric = {"single": "accuracy", "multi": "macro_f1", "regression": "mae"}[task]
    whole = results["validation"]["metrics"][metric]
    sign = 1 if task == "regression" else -1
    data: dict[str, Any] = {
        "source": "clips",
        "videos": videos + 6,
        "used": sum(sizes.values()),
        "failed": 6,
        "groups": 24,
        "splits": sizes,
        "by_label": {
            name: {s: int((truth[s] == i).sum()) for s in sizes} for i, name in enumerate(names)
        },
    }
    metrics: dict[str, Any] = {
        "task": task,
        "labels": names,
        "data": data,
        "features": {
            "image": {"modality": "image", "dim": 1280},
            "motion": {"modality": "image", "dim": 18},
            "audio": {"modality": "audio", "dim": 52},
            "speech": {"modality": "audio", "dim": 512},
            "text": {"modality": "text", "dim": 512},
        },
        "model": {"type": "fusion", "parameters": 1_234_567, "members": members},
        "training": {
            "epochs": [12 + 2 * m for m in range(members)],
            "seconds": 31.2,
            "recipe": {"optimizer": "adamw", "lr": 0.001, "dropout": {"image": 0.2, "text": 0.4}},
            "seed": 0,
        },
        "history": _history(rng, members),
        "splits": results,
        "ablation": {
            "metric": metric,
            "split": "validation",
            "all": whole,
            "without": {
                "image": whole * (1 + 0.3 * sign),
                "audio": whole * (1 + 0.08 * sign),
                "text": whole * (1 + -0.01 * sign),
            },
            "alone": {
                "image": whole * (1 + 0.1 * sign),
                "audio": whole * (1 + 0.35 * sign),
                "text": whole * (1 + 0.7 * sign),
            },
        },
        "warnings": ["6 videos had no sound"],
    }
    if task != "regression":
        metrics["calibration"] = {"temperature": 1.4, "ece_before": 0.12, "ece_after": 0.05}
    if task == "multi":
        metrics["thresholds"] = [round(0.3 + 0.04 * i, 2) for i in range(len(names))]
    return metrics


def _history(rng: np.random.Generator, members: int) -> list[dict[str, Any]]:
    rows = []
    for member in range(members):
        for epoch in range(1, 13 + 2 * member):
            fall, noise = np.exp(-epoch / 4), rng.normal(scale=0.02, size=3)
            rows.append(
                {
                    "member": member,
                    "epoch": epoch,
                    "train_loss": float(0.2 + 2 * fall + noise[0]),
                    "valid_loss": float(0.8 + 1.3 * fall + 0.012 * epoch + 2 * noise[1]),
                    "valid_score": float(0.72 - 0.6 * fall + noise[2]),
                }
            )
    return rows


def _result(
    rng: np.random.Generator, task: Task, names: list[str], truth: np.ndarray, skill: float
) -> dict[str, Any]:
    sources = truth * 3 + rng.integers(0, 3, len(truth))
    if task == "regression":
        real = rng.normal(size=len(truth))
        scores = real + rng.normal(scale=1 / skill, size=len(real))
        return evaluate(task, real, scores, labels=(), groups=sources, resamples=100)
    logits = rng.normal(size=(len(truth), len(names))) + skill * np.eye(len(names))[truth]
    if len(names) > 3:  # the last label is often taken for the first
        logits[truth == len(names) - 1, 0] += skill
    if task == "multi":
        targets = np.eye(len(names), dtype=int)[truth]
        scores = 1 / (1 + np.exp(1.5 - 1.5 * logits))
        return evaluate(task, targets, scores, labels=names, groups=sources, resamples=100)
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return evaluate(task, truth, scores, labels=names, groups=sources, resamples=100)


def good_metrics(**changes: Any) -> dict[str, Any]:
    """A model against which nothing speaks but what `changes` say.

    A change is named by its path: `data__groups=3` sets `metrics["data"]["groups"]`.
    """
    rows = {"a": {"precision": 1.0, "recall": 0.9, "f1": 0.9, "support": 500}}
    rows["b"] = {**rows["a"]}
    result = {
        "videos": 1000,
        "metrics": {"accuracy": 0.9},
        "intervals": {"accuracy": [0.88, 0.92]},
        "by_label": rows,
        "confusion": [[450, 50], [50, 450]],
    }
    metrics = {
        "task": "single",
        "labels": ["a", "b"],
        "data": {
            "used": 2000,
            "groups": 400,
            "failed": 0,
            "splits": {"train": 1000, "test": 1000},
            "by_label": {n: {"train": 500, "test": 500} for n in "ab"},
        },
        "splits": {"test": result},
        "calibration": {"ece_after": 0.02},
        "ablation": {"metric": "accuracy", "all": 0.9, "without": {"image": 0.88, "audio": 0.88}},
    }
    for path, value in changes.items():
        at: Any = metrics
        *way, last = path.split("__")
        for key in way:
            at = at[key]
        at[last] = value
    return metrics
