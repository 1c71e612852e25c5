"""A trained model measured on videos whose labels are known."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from triptych.amounts import counted
from triptych.config import Config, PredictConfig
from triptych.errors import UsageError
from triptych.features.jobs import in_use
from triptych.features.layout import default_root
from triptych.fuse.provenance import adopted
from triptych.inputs import Source, find_sources
from triptych.learn.dataset import Dataset, Item, group_of, listed, read_dataset, target_of
from triptych.prepare import Listener, Silent, what_is_missing
from triptych.samples import Gathered, gather_samples, identify_all

if TYPE_CHECKING:
    from triptych_models.batches import Example
    from triptych_models.checkpoint import TrainedModel

__all__ = ["evaluate"]

_ALL, _TEST = "all", "test"


def evaluate(
    model: str | os.PathLike[str],
    inputs: Sequence[str | os.PathLike[str]],
    *,
    config: Config | None = None,
    listener: Listener | None = None,
    compare: Sequence[str | os.PathLike[str]] = (),
) -> dict[str, Any]:
    """Measure a model, and others beside it, on the same videos.

    Args:
        model: folder of a trained model.
        inputs: videos with labels: folders named after classes, or manifests; of videos with
            splits, those of the test split are used.
        config: what is set in it may not contradict the model.
        listener: is told of each video as its features are ready.
        compare: folders of other models of the same labels.

    Returns:
        `metrics`, `intervals` (95 %), and for labels `by_label`, `reliability` and `confusion`,
        as in `triptych_models.metrics.evaluate`; `unseen` and `seen`, the same of the videos that
        no model here was trained on, and of the others, each None without such videos;
        `compare`, all of these for each other model; `videos`, `used`, `failed`, `failures`,
        `warnings`. All of it is JSON data.

    Raises:
        InputError: an input does not exist.
        UsageError: no labels, no model, or one that does not fit the rest.
    """
    began = time.monotonic()
    listener = listener or Silent()
    folders = [os.fspath(folder) for folder in (model, *compare)]
    configs = [_config_of(folder, config or Config()) for folder in folders]
    models = _models(folders)
    if models[0].task == "importance":
        raise UsageError(
            "it gives no labels: it says how important moments are",
            path=folders[0],
            remedy="measure it with --task summary, on annotations",
        )
    sources = find_sources(
        inputs, out=Path(folders[0]), frames_fps=configs[0].runner.frames_fps or None
    )
    dataset, split, warnings = _dataset(sources, models[0])
    for missing in what_is_missing(configs[0]):
        listener.note(missing)
    rows = identify_all(dataset.items)
    gathered: dict[str, Gathered] = {}
    with in_use(default_root()) as job:
        job.will_read(row["sha256"] for row in rows if not row["state"])
        for one in configs:  # models that read the same features share them
            if (key := _recipe(one)) not in gathered:
                gathered[key] = gather_samples(dataset.items, rows, config=one, listener=listener)
    first = gathered[_recipe(configs[0])]
    used = _used_by_all(list(gathered.values()))
    kept = [i for i, item in enumerate(first.items) if item in used]
    seen = _seen(models, [first.digests[i] for i in kept])
    results, scores = [], []
    for folder, one, each in zip(folders, configs, models, strict=True):
        result, values = _judged(each, gathered[_recipe(one)], used, seen=seen)
        results.append({"model": folder, "name": each.name, **result})
        scores.append(values)
    telling = ~seen if not seen.all() else seen
    for i in range(1, len(models)) if used else ():
        difference = _difference(models, scores, first, kept, other=i, where=telling)
        results[i] |= {"difference": difference} if difference else {}
    warnings += [*_seen_before(seen), *_without_evidence(models[0], first, kept)]
    return {
        **results[0],
        "task": models[0].task,
        "labels": list(models[0].labels),
        "split": split,
        "videos": len(dataset.items),
        "used": len(kept),
        "failed": first.states["failed"],
        "states": first.states,
        "failures": first.failures,
        "warnings": warnings,
        "compare": results[1:],
        "seconds": round(time.monotonic() - began, 3),
    }


def _config_of(folder: str, config: Config) -> Config:
    """The configuration that a model's features need, checked against what is installed."""
    predict = replace(config.predict, model=folder, labels=PredictConfig.labels)
    return adopted(replace(config, predict=predict))


def _recipe(config: Config) -> str:
    return repr((config.decode, config.extract))


def _models(folders: Sequence[str]) -> list[TrainedModel]:
    from triptych.fuse.trained import trained_model

    models = [trained_model(folder) for folder in folders]
    for folder, other in zip(folders[1:], models[1:], strict=True):
        if (other.task, set(other.labels)) != (models[0].task, set(models[0].labels)):
            raise UsageError(
                f"it has other labels than {models[0].name}, and cannot be compared with it",
                path=folder,
                remedy="compare models that were trained on the same labels",
            )
    return models


def _dataset(sources: Sequence[Source], model: TrainedModel) -> tuple[Dataset, str, list[str]]:
    """The videos to measure on, which split they are, and what to know about them."""
    dataset = read_dataset(sources, task="regression" if model.task == "regression" else "auto")
    if model.task == "single" and dataset.task == "multi":
        several = next(i for i in dataset.items if len(i.labels) > 1)
        raise UsageError(
            f"it has several labels ({listed(several.labels)}), but the model gives one",
            path=several.source.path,
            remedy="evaluate it on videos with one label each",
        )
    warnings = [w for w in dataset.warnings if "--task multi" not in w]
    items, split = dataset.items, _ALL
    if any(item.split == "test" for item in items):
        items, split = tuple(i for i in items if i.split == "test"), _TEST
    if model.task != "regression":
        strange = [i for i in items if not set(i.labels) <= set(model.labels)]
        items = tuple(i for i in items if set(i.labels) <= set(model.labels))
        if names := sorted({n for i in strange for n in i.labels} - set(model.labels)):
            warnings.append(
                f"{counted(len(strange), 'video was', 'videos were')} left out, because the model does "
                f"not know these labels: {listed(names)}"
            )
        if not items:
            raise UsageError(
                f"no video has a label that the model knows: {listed(model.labels)}",
                path=strange[0].source.path if strange else None,
                remedy="check the names of the labels",
            )
    return replace(dataset, items=items, task=model.task), split, warnings


def _used_by_all(gathered: Sequence[Gathered]) -> set[Item]:
    return set.intersection(*(set(found.items) for found in gathered))


def _judged(
    model: TrainedModel, found: Gathered, used: set[Item], *, seen: npt.NDArray[np.bool_]
) -> tuple[dict[str, Any], Any]:
    """Figures of one model on all videos and on each kind of them, and its scores (N, L)."""
    from triptych.fuse.trained import scored
    from triptych_models.metrics import evaluate as measure

    kept = [i for i, item in enumerate(found.items) if item in used]
    if not kept:
        return {"metrics": {}, "intervals": {}, "unseen": None, "seen": None}, None
    began = time.monotonic()
    scores = scored(model, [_example(found, i) for i in kept])
    seconds = time.monotonic() - began

    assert model.task != "importance"
    task = model.task

    def figures(where: npt.NDArray[np.bool_]) -> dict[str, Any]:
        some = [i for i, is_one in zip(kept, where, strict=True) if is_one]
        return measure(
            task,
            _truth(found, some, model),
            scores[where],
            labels=model.labels,
            thresholds=model.thresholds,
            groups=_groups(found, some),
        )

    whole = figures(np.ones(len(kept), bool))
    parts = {
        name: whole if where.all() else figures(where) if where.any() else None
        for name, where in {"unseen": ~seen, "seen": seen}.items()
    }
    result = {k: v for k, v in whole.items() if k != "videos"}  # `used` says so
    return result | parts | {"scoring_seconds": round(seconds, 3)}, scores


def _example(found: Gathered, i: int) -> Example:
    from triptych.fuse.sample import example_of

    return example_of(found.samples[i], name=str(found.items[i].source.path))


def _truth(found: Gathered, kept: Sequence[int], model: TrainedModel) -> list[Any]:
    return [target_of(found.items[i], model.labels, task=model.task) for i in kept]


def _groups(found: Gathered, kept: Sequence[int]) -> list[str]:
    return [group_of(found.items[i], found.digests[i]) for i in kept]


def _difference(
    models: Sequence[TrainedModel],
    scores: Sequence[Any],
    found: Gathered,
    kept: Sequence[int],
    *,
    other: int,
    where: npt.NDArray[np.bool_],
) -> dict[str, Any]:
    """How much more accurate the first model is, on the same resamples; single labels only."""
    from triptych_models.intervals import compare

    if models[0].task != "single":
        return {}
    some = [i for i, is_one in zip(kept, where, strict=True) if is_one]
    order = [models[other].labels.index(label) for label in models[0].labels]
    return compare(
        _truth(found, some, models[0]),
        scores[0][where],
        scores[other][where][:, order],
        groups=_groups(found, some),
    )


def _seen(models: Sequence[TrainedModel], digests: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which videos any of the models was trained on, (N,)."""
    known = {digest for model in models for digest in model.features.get("trained_on", ())}
    return np.array([digest[:16] in known for digest in digests], bool)


def _seen_before(seen: npt.NDArray[np.bool_]) -> list[str]:
    """A warning when videos are measured on that a model was trained on."""
    if not seen.any():
        return []
    told = f"the model was trained on {seen.sum()} of {counted(len(seen), 'video')}"
    if seen.all():
        return [f"{told}: on other videos it does less well than these figures say"]
    return [f"{told}: only the figures of the other {(~seen).sum()} say how good it is"]


def _without_evidence(model: TrainedModel, found: Gathered, kept: Sequence[int]) -> list[str]:
    """A warning when the model answers without having anything to go by."""
    from triptych.fuse.trained import is_evident, reads

    if not (mute := sum(not is_evident(model, _example(found, i)) for i in kept)):
        return []
    told = counted(mute, "video holds", "videos hold")
    same = "its answer is the same for all such"
    return [f"{told} nothing that the model reads ({reads(model)}): {same}"]
