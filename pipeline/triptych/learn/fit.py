"""Labelled examples -> a trained model and all figures about it.

Nested validation: test videos are put aside first; the rest is cut into folds, and one member is
trained for each, stopped early by the fold that it does not see. What each member says of its
own fold gives the validation figures, the temperature and the thresholds; the test videos are
looked at once, at the end, by all members together. A group is never on two sides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from triptych.config import TrainConfig
from triptych.errors import UsageError
from triptych.learn.calibrate import best_thresholds, modality_weights, temperature_of
from triptych.learn.judge import Data, Judge
from triptych.learn.members import Plan, train_members
from triptych.learn.splits import Indices, grouped_folds
from triptych_models.batches import Example, LabelTask
from triptych_models.checkpoint import TrainedModel
from triptych_models.inference import parts_all
from triptych_models.losses import FITTING
from triptych_models.metrics import expected_calibration_error
from triptych_models.train import Recipe

__all__ = [
    "Fitted",
    "best_epoch",
    "exchange_of",
    "fit_model",
    "recipe_for",
    "split_of",
    "tracks_of",
]

_MANY = 500  # videos: from here on modalities exchange what they know (docs/decisions.md)
_LEAST_UPDATES = 128  # of the weights: a dozen videos need many epochs


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A model and what is known of it."""

    model: TrainedModel
    metrics: dict[str, Any]  #: see docs/schema.md, metrics.json


def exchange_of(options: TrainConfig, *, videos: int) -> dict[str, Any]:
    """Options of the model's class for so many videos to learn from.

    With few of them attention learns by heart: there the fusion model only adds evidence up.
    """
    if options.model_type != "fusion" and not options.model_type.startswith("only-"):
        return {}
    return {"depth": 1 if videos >= _MANY else 0}


def recipe_for(options: TrainConfig, *, videos: int) -> Recipe:
    """How to train on so many videos.

    Small sets take small batches, so that an epoch has updates enough.
    """
    recipe = Recipe(
        seed=options.seed,
        optimizer=options.optimizer,
        loss=options.loss,
        batch=int(np.clip(videos // 16, 8, 64)),
    )
    if options.optimizer == "sgd":
        recipe = replace(recipe, learning_rate=0.05)
    updates = -(-videos // recipe.batch)
    epochs = options.epochs or max(recipe.epochs, -(-_LEAST_UPDATES // updates))
    return replace(recipe, epochs=epochs)


def fit_model(
    examples: Sequence[Example],
    *,
    groups: Sequence[Any],
    splits: Sequence[str],
    labels: Sequence[str],
    task: LabelTask,
    modalities: Mapping[str, str],
    options: TrainConfig,
    name: str = "model",
    features: Mapping[str, Any] | None = None,
    work: Path | None = None,
    workers: int = 1,
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
) -> Fitted:
    """Train a model and judge it.

    Args:
        examples: with targets.
        groups: of each; equal ones stay on one side of every split.
        splits: "train", "valid" or "test" of each.
        labels: what class indices and columns stand for; empty for regression.
        task: what the targets are.
        modalities: track -> modality; tracks that no example has are left out.
        options: see `TrainConfig`.
        name: of the model.
        features: how the features were made; kept with the model.
        work: folder where an interrupted training finds its state again.
        workers: processes that train; 0: one for each core.
        on_epoch: is told of each epoch: member, epoch, losses, score.

    Raises:
        UsageError: too few videos or groups to train and to validate on, no such model type, a
            loss for other tasks.
    """
    began = time.monotonic()
    if options.loss not in ("auto", *FITTING[task]):
        other = " or ".join(FITTING[task])
        raise UsageError(f"the loss {options.loss} is not for a {task} task", remedy=f"try {other}")
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
    data = _data(examples, groups, labels, task, modalities)
    train, test, folds = split_of(data.truth, data.groups, splits, options)
    offset, scale = _units(data, train)
    learned = len(folds[0][0])
    plan = Plan(
        model_type=options.model_type,
        task=task,
        tracks=data.tracks,
        outputs=max(1, len(data.labels)),
        options=exchange_of(options, videos=learned),
        recipe=recipe_for(options, videos=learned),
        folds=folds,
    )
    if task == "regression":
        examples = [replace(e, target=(e.target - offset) / scale) for e in examples]
    trained = train_members(plan, examples, work=work, workers=workers, on_epoch=on_epoch)
    members, histories = [m for m, _ in trained], [rows for _, rows in trained]
    data = replace(data, tracks=_read(data.tracks, members[0]))
    model = TrainedModel(
        name=name,
        model_type=options.model_type,
        task=task,
        labels=data.labels,
        tracks=data.tracks,
        members=members,
        features=features or {},
        offset=offset,
        scale=scale,
        options=plan.options,
    )
    weights, held = _weighed(model, data, folds)
    calibration = _calibrate(model, held, data)
    metrics = {
        "task": task,
        "labels": [*data.labels],
        "data": _described(data, train, test),
        "features": data.tracks,
        "model": {"type": model.model_type, "parameters": model.parameters, "members": len(folds)},
        "training": {
            "epochs": [best_epoch(rows) for rows in histories],
            "seconds": round(time.monotonic() - began, 3),
            "recipe": asdict(plan.recipe),
            "seed": options.seed,
        },
        "history": [row for rows in histories for row in rows],
        "splits": {},
        "calibration": calibration,
        "modality_weights": weights,
        "thresholds": None if model.thresholds is None else [*model.thresholds],
    }
    judged = Judge(model, data, folds, held, test)
    metrics["splits"] = judged.results(seed=options.seed)
    metrics["ablation"] = judged.ablation()
    return Fitted(model=model, metrics=metrics)


def _data(
    examples: Sequence[Example],
    groups: Sequence[Any],
    labels: Sequence[str],
    task: LabelTask,
    modalities: Mapping[str, str],
) -> Data:
    kind = np.int64 if task == "single" else np.float32
    return Data(
        examples=tuple(examples),
        truth=np.array([e.target for e in examples], kind),
        groups=np.asarray(groups),
        labels=tuple(labels),
        task=task,
        tracks=tracks_of(examples, modalities),
    )


def tracks_of(
    examples: Sequence[Example], modalities: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Tracks that any example has: name -> `modality`, `dim`."""
    tracks: dict[str, dict[str, Any]] = {}
    for track, modality in modalities.items():
        widths = {
            e.values[track].shape[1] for e in examples if e.present.get(track, np.zeros(0)).any()
        }
        if len(widths) > 1:
            raise UsageError(f"{track} has rows of {sorted(widths)} numbers")
        if widths:
            tracks[track] = {"modality": modality, "dim": widths.pop()}
    return tracks


def split_of(
    truth: npt.NDArray[Any],
    groups: npt.NDArray[Any],
    splits: Sequence[str],
    options: TrainConfig,
) -> tuple[Indices, Indices, list[tuple[Indices, Indices]]]:
    """Videos to learn from, videos to test on, and (learn, check) of each member."""
    names = np.asarray(splits)
    test, valid = np.flatnonzero(names == "test"), np.flatnonzero(names == "valid")
    rest = np.flatnonzero((names != "test") & (names != "valid"))
    if len(valid):
        if not len(rest):
            raise UsageError("no videos to learn from", remedy="put some in the split train")
        return np.concatenate([rest, valid]), test, [(rest, valid)]
    wanted = options.folds or (4 if len(rest) >= _MANY else 5)
    found = grouped_folds(truth[rest], groups[rest], folds=max(2, wanted), seed=options.seed)
    folds = [(rest[learn], rest[check]) for learn, check in found]
    return rest, test, folds[:wanted]


def _read(tracks: dict[str, dict[str, Any]], member: torch.nn.Module) -> dict[str, dict[str, Any]]:
    """Tracks that a model reads; all for models of words and pixels, which read none."""
    read: dict[str, int] = member.tracks  # type: ignore[assignment]
    return {t: v for t, v in tracks.items() if t in read} or tracks


def _units(data: Data, train: Indices) -> tuple[float, float]:
    """Mean and deviation of a regression's targets: models learn them as about -1 to 1."""
    if data.task != "regression":
        return 0.0, 1.0
    values = data.truth[train].astype(np.float64)
    return float(values.mean()), float(values.std()) or 1.0


def best_epoch(rows: Sequence[Mapping[str, Any]]) -> int:
    """The one whose weights a member has: the last where nothing was checked."""
    return int(min(rows, key=lambda r: r.get("valid_loss", -r["epoch"]))["epoch"])


def _weighed(
    model: TrainedModel, data: Data, folds: Sequence[tuple[Indices, Indices]]
) -> tuple[dict[str, float] | None, dict[int, npt.NDArray[np.float32]]]:
    """Weigh the modalities, and give the logits of videos by members that did not see them."""
    index = np.concatenate([check for _, check in folds])
    if not len(index):
        return None, {}
    found = [
        parts_all(member, [data.examples[i] for i in check])
        for member, (_, check) in zip(model.members, folds, strict=True)
        if len(check)
    ]
    logits = np.concatenate([each.numpy() for each, _ in found])
    parts = {m: np.concatenate([each[m].numpy() for _, each in found]) for m in found[0][1]}
    if len(parts) < 2:
        return None, {int(i): row for i, row in zip(index, logits, strict=True)}
    bias = logits - sum(parts.values())
    truth = data.truth[index]
    if data.task == "regression":
        truth = (truth - model.offset) / model.scale
    weights = modality_weights(parts, bias, truth, data.groups[index], task=data.task)
    for member in model.members:
        member.weigh_modalities(weights)  # type: ignore[operator]
    logits = bias + sum(weights[m] * parts[m] for m in parts)
    return weights, {int(i): row for i, row in zip(index, logits, strict=True)}


def _calibrate(
    model: TrainedModel, held: Mapping[int, npt.NDArray[np.float32]], data: Data
) -> dict[str, float] | None:
    """Set temperature and thresholds from what members say of videos they did not see."""
    if data.task == "regression" or not held:
        return None
    logits, truth = np.stack([*held.values()]), data.truth[[*held]]
    before = _probabilities(logits, data.task)
    model.temperature = temperature_of(logits, truth)
    after = _probabilities(logits / model.temperature, data.task)
    if data.task == "multi":
        model.thresholds = best_thresholds(after, truth)
    return {
        "temperature": model.temperature,
        "ece_before": expected_calibration_error(truth, before),
        "ece_after": expected_calibration_error(truth, after),
    }


def _probabilities(logits: npt.NDArray[np.float32], task: LabelTask) -> npt.NDArray[np.float32]:
    values = torch.from_numpy(logits)
    return (values.softmax(1) if task == "single" else values.sigmoid()).numpy()


def _described(data: Data, train: Indices, test: Indices) -> dict[str, Any]:
    parts = {"train": train, "test": test}
    by_label: dict[str, dict[str, int]] = {label: {} for label in data.labels}
    for name, part in parts.items():
        hot = data.truth[part]
        if data.task == "single":
            hot = hot[:, None] == np.arange(len(data.labels))
        for i, label in enumerate(data.labels):
            by_label[label][name] = int(hot[:, i].sum())
    return {
        "videos": len(data.examples),
        "groups": len(set(data.groups.tolist())),
        "splits": {name: len(part) for name, part in parts.items()},
        "by_label": by_label,
    }
