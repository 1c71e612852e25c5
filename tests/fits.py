"""Small sets of labelled examples, what is made of them, and what holds of all figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from toys import MODALITIES, TWO, told
from triptych.config import TrainConfig
from triptych.learn.fit import Fitted, fit_model
from triptych.learn.splits import with_test
from triptych_models.batches import Example

QUICK = TrainConfig(model_type="linear", epochs=4, folds=2)
#: As docs/schema.md has it, without what only the trainer knows.
KEYS = {
    "task", "labels", "data", "features", "model", "training", "history", "splits", "ablation",
    "calibration", "modality_weights",
}  # fmt: skip


def fitted(
    examples: Sequence[Example],
    *,
    task: Any = "single",
    labels: Sequence[str] = ("猫", "dog", "cow"),
    splits: Sequence[str] | None = None,
    groups: Sequence[Any] | None = None,
    options: TrainConfig = QUICK,
    **more: Any,
) -> Fitted:
    groups = groups if groups is not None else [e.name for e in examples]
    if splits is None:
        truth = np.array([e.target for e in examples])
        every = ["train"] * len(examples)
        splits = with_test(every, truth, groups, share=options.test_share, seed=options.seed)
    return fit_model(
        examples,
        groups=groups,
        splits=splits,
        labels=() if task == "regression" else labels,
        task=task,
        modalities=MODALITIES,
        options=options,
        **more,
    )


def videos(count: int = 30, *, kinds: int = 3, strength: float = 3.0, **more: Any) -> list[Example]:
    """Near-separable videos of each kind in turn."""
    return told([i % kinds for i in range(count)], strength=strength, **({"tracks": TWO} | more))


def several(count: int = 24) -> list[Example]:
    rng = np.random.default_rng(3)
    some = []
    for video in videos(count):
        labels = rng.integers(0, 2, 3).astype(np.float32)
        video.values["image"][:, :3] += 4 * labels
        some.append(replace(video, target=labels))
    return some


def measured(count: int = 30) -> list[Example]:
    """Numbers far from zero, which the sound follows."""
    rng = np.random.default_rng(4)
    some = []
    for video in videos(count):
        size = float(rng.normal())
        video.values["audio"][:] += np.float32(3 * size)
        some.append(replace(video, target=1000 + 50 * size))
    return some


OF = {"single": videos, "multi": several, "regression": measured}


def check(metrics: dict[str, Any]) -> None:
    """What holds of all figures."""
    assert metrics.keys() >= KEYS
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    labels = metrics["labels"]
    assert set(metrics["data"]["by_label"]) == set(labels)
    for figures in metrics["splits"].values():
        assert figures.keys() >= {"videos", "metrics", "intervals"}
        if metrics["task"] != "regression":
            assert figures.keys() >= {"by_label", "reliability"}
        assert ("confusion" in figures) == (metrics["task"] == "single")
    members = metrics["model"]["members"]
    assert metrics["model"].keys() == {"type", "parameters", "members"}
    assert metrics["training"].keys() == {"epochs", "seconds", "recipe", "seed"}
    assert len(metrics["training"]["epochs"]) == members
    assert all(isinstance(epoch, int) for epoch in metrics["training"]["epochs"])
    assert {row["member"] for row in metrics["history"]} == set(range(members))
    for row in metrics["history"]:
        assert row.keys() >= {"member", "epoch", "train_loss", "valid_loss", "valid_score"}
    if metrics["modality_weights"] is not None:
        of = {track["modality"] for track in metrics["features"].values()}
        assert set(metrics["modality_weights"]) == of
        assert all(0 < weight < 100 for weight in metrics["modality_weights"].values())
    if metrics["calibration"] is not None:
        assert metrics["calibration"].keys() == {"temperature", "ece_before", "ece_after"}
