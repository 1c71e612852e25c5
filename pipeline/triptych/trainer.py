"""Videos with labels in, a trained model and what is known of it out.

Features and finished members are kept: an interrupted training goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triptych import __version__, selftaught
from triptych.amounts import counted
from triptych.config import Config, TrainConfig
from triptych.errors import OutputError, UsageError
from triptych.features.jobs import in_use
from triptych.features.keys import digest_of
from triptych.features.layout import default_root
from triptych.features.recipe import features_recipe
from triptych.fuse.provenance import is_model
from triptych.inputs import find_folders, find_sources
from triptych.journal import Row
from triptych.learn.dataset import (
    Dataset,
    check_classes,
    empty_classes,
    group_of,
    listed,
    read_dataset,
    target_of,
)
from triptych.learn.leaks import leaks, split_names
from triptych.learn.people import read_judged
from triptych.prepare import Listener, Silent, what_is_missing
from triptych.report.analysis import plain
from triptych.samples import Gathered, fitting_config, gather_samples, identify_all

if TYPE_CHECKING:
    from triptych.learn.fit import Fitted
    from triptych_models.checkpoint import TrainedModel

__all__ = ["train"]

_WORK, _PREVIOUS = ".work", ".previous"
_PUBLISHED_LAST = "config.json"  # without it a folder is no model


def train(
    inputs: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    config: Config | None = None,
    listener: Listener | None = None,
) -> dict[str, Any]:
    """Train a model on videos whose labels are known, or an extractor (`train.task = "features"`).

    Args:
        inputs: folders named after classes, or manifests; see `triptych.learn.dataset`. For
            importance annotations; see `triptych.learn.people`.
        out: folder for the model; one that holds a model gets the new one when it is finished,
            and keeps the older one in its folder `.previous`.
        config: its section `train`, and how features are made.
        listener: is told of each video and each epoch.

    Returns:
        `model`, `metrics` (as in its metrics.json), `videos`, `used`, `failed`, `failures`,
        `warnings`. All of it is JSON data. Of an extractor see `triptych.selftaught.learn`.

    Raises:
        InputError: an input does not exist.
        OutputError: `out` cannot be written to.
        UsageError: too little to learn from, or settings that do not fit it.
    """
    began = time.monotonic()
    out, config, listener = Path(out), config or Config(), listener or Silent()
    if config.train.task == "features":
        return selftaught.learn(inputs, out, config=config, listener=listener)
    _check_target(out)
    _check_model_type(config.train)
    dataset = _dataset(inputs, out, config)
    check_classes(dataset)
    rows = identify_all(dataset.items)
    config = fitting_config(dataset.items, rows, config=config)
    for note in (*dataset.warnings, *what_is_missing(config)):
        listener.note(note)
    with in_use(default_root()) as job:
        job.will_read(row["sha256"] for row in rows if not row["state"])
        found = gather_samples(dataset.items, rows, config=config, listener=listener)
    dataset, warnings = _left(dataset, found)
    if dataset.task == "importance":
        found, told = _telling(found)
        dataset, warnings = dataclasses.replace(dataset, items=found.items), warnings + told
    elif empty := empty_classes(find_folders(inputs, out=out), dataset):
        warnings.append(f"no video in these folders beside the classes: {listed(empty)}")
    groups = [group_of(i, d) for i, d in zip(found.items, found.digests, strict=True)]
    splits = split_names(dataset, groups, options=config.train)
    warnings += leaks(dataset, found.samples, digests=found.digests, groups=groups, splits=splits)
    for warning in warnings:
        listener.note(warning)
    work = _work_folder(out, dataset, found, splits, config)
    fitted = _learn(dataset, found, groups, splits, config, work, listener.learned)
    source = ", ".join(os.path.basename(os.path.abspath(i)) for i in inputs)
    metrics = _described(fitted, found, [*dataset.warnings, *warnings], source)
    _finish(fitted.model, metrics, work, out)
    return {
        "model": str(out),
        "name": out.resolve().name,
        "task": dataset.task,
        "labels": list(dataset.labels),
        "videos": len(rows),
        "used": len(found.items),
        "failed": found.states["failed"],
        "states": found.states,
        "failures": found.failures,
        "warnings": metrics["warnings"],
        "metrics": metrics,
        "seconds": round(time.monotonic() - began, 3),
    }


def _check_target(out: Path) -> None:
    """Refuse to write into what is no model; nothing is made yet."""
    try:
        held = sorted(path.name for path in out.iterdir()) if os.path.lexists(out) else []
        above = next(p for p in (out, *out.absolute().parents) if p.exists())
        if not (above.is_dir() and os.access(above, os.W_OK)):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as err:
        raise OutputError.of_folder(out, err) from err
    if held and _WORK not in held and not is_model(out):
        raise UsageError(
            f"this folder holds something else than a model: {listed(held)}",
            path=out,
            remedy="choose a new folder, or that of an earlier model",
        )


def _check_model_type(options: TrainConfig) -> None:
    from triptych_models.baselines import IMPORTANCE_TYPES, MODEL_TYPES

    name = options.model_type
    if name not in MODEL_TYPES:
        raise UsageError(
            f"train.model_type: no {name!r}", remedy=f"there are {', '.join(MODEL_TYPES)}"
        )
    if options.task == "importance" and name not in IMPORTANCE_TYPES:
        raise UsageError(
            f"a model of type {name} says nothing of the importance of steps",
            remedy=f"choose one of {', '.join(IMPORTANCE_TYPES)}",
        )


def _dataset(inputs: Sequence[str | os.PathLike[str]], out: Path, config: Config) -> Dataset:
    """The videos, and what is known of each."""
    frames_fps = config.runner.frames_fps or None
    task = config.train.task
    if task == "importance":
        return read_judged(inputs, out=out, frames_fps=frames_fps)
    assert task != "features", "which knows no labels"
    sources = find_sources(inputs, out=out, frames_fps=frames_fps)
    return read_dataset(sources, task=task)


def _telling(found: Gathered) -> tuple[Gathered, list[str]]:
    """The videos of which people find some moments more important than others."""
    from triptych.learn.agreement import misfit
    from triptych.learn.importance import judged

    pairs = list(zip(found.items, found.samples, found.digests, strict=True))
    kept, told = [], []
    for item, sample, digest in pairs:
        if (video := judged(item, sample)) is None:
            continue
        kept.append((item, sample, digest))
        odd = misfit(video.people, end_s=float(video.ends[-1]))
        if odd and item.source.end_s is None:
            told.append(f"{item.source.relative}: {odd}")
    if len(kept) < 2:
        raise UsageError(
            f"{counted(len(kept), 'video')} in which some moments are more important than others",
            remedy="at least two are needed, one to learn from and one to check with",
        )
    items, samples, digests = zip(*kept, strict=True)
    left = dataclasses.replace(found, items=items, samples=samples, digests=digests)
    if len(kept) == len(pairs):
        return left, told
    gone = counted(len(pairs) - len(kept), "video was", "videos were")
    return left, [*told, f"{gone} left out, because all moments are equally important there"]


def _left(dataset: Dataset, found: Gathered) -> tuple[Dataset, list[str]]:
    """What could be read of the data set, and what to know about the rest."""
    left = dataclasses.replace(dataset, items=found.items)
    failed = {f["path"] for f in found.failures}
    if not found.items:
        raise UsageError(
            f"none of {counted(len(dataset.items), 'video')} could be read",
            path=found.failures[0]["path"] if found.failures else None,
            remedy=found.failures[0]["remedy"] if found.failures else "give videos",
        )
    # A label that only files without media have is the name of some other folder.
    lost = {n for i in dataset.items if str(i.source.path) in failed for n in i.labels}
    if dataset.task in ("single", "multi") and (lost := lost - set(left.labels)):
        raise UsageError(
            f"every video of these labels failed: {listed(sorted(lost))}",
            remedy="mend the files, or remove the labels",
        )
    if dataset.task == "single" and len(left.labels) < 2:
        raise UsageError(
            f"there is only one label: {listed(left.labels)}",
            remedy="a model learns to tell classes apart: give at least two",
        )
    warnings = []
    if failed:
        warnings.append(
            f"{counted(len(failed), 'video')} could not be read, and had to be left out"
        )
    if few := sorted(n for n, count in left.counts().items() if count < 2):
        warnings.append(f"labels of which a single video could be read: {listed(few)}")
    return left, warnings


def _work_folder(
    out: Path, dataset: Dataset, found: Gathered, splits: Sequence[str], config: Config
) -> Path:
    """A folder for what is unfinished, another one whenever anything is different."""
    made_of = digest_of(
        {
            "version": __version__,
            "features": features_recipe(config),
            "train": dataclasses.asdict(config.train),
            "videos": [
                [
                    *(digest, i.source.start_s, i.source.end_s, i.labels, i.value, i.group, split),
                    *([] if i.people is None else i.people.recipe()),
                ]
                for digest, i, split in zip(found.digests, found.items, splits, strict=True)
            ],
        }
    )
    work = out / _WORK / made_of[:16]
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise OutputError.of_folder(out, err) from err
    return work


def _learn(
    dataset: Dataset,
    found: Gathered,
    groups: Sequence[str],
    splits: Sequence[str],
    config: Config,
    work: Path,
    on_epoch: Callable[[Row], None],
) -> Fitted:
    """Train and judge the model on what could be read."""
    from triptych.fuse.sample import UNREAD, example_of
    from triptych.fuse.trained import one_thread
    from triptych.learn.fit import fit_model
    from triptych.learn.importance import fit_importance, judged

    recipe = features_recipe(config)
    known = sorted({d[:16] for d, s in zip(found.digests, splits, strict=True) if s != "test"})
    common: dict[str, Any] = {
        "groups": groups,
        "splits": splits,
        "modalities": {
            t: spec["modality"] for t, spec in recipe["tracks"].items() if t not in UNREAD
        },
        "options": config.train,
        "features": recipe | {"trained_on": known},  # so that nobody tests on them unawares
        "work": work,
        "workers": config.runner.workers,
        "on_epoch": on_epoch,
    }
    if dataset.task == "importance":
        pairs = zip(found.items, found.samples, strict=True)
        videos = [video for item, sample in pairs if (video := judged(item, sample)) is not None]
        with one_thread():
            return fit_importance(videos, **common)
    labels = () if dataset.task == "regression" else dataset.labels
    examples = [
        example_of(
            sample,
            name=str(item.source.path),
            target=target_of(item, labels, task=dataset.task),
        )
        for item, sample in zip(found.items, found.samples, strict=True)
    ]
    with one_thread():
        return fit_model(examples, labels=labels, task=dataset.task, **common)


def _described(
    fitted: Fitted, found: Gathered, warnings: Sequence[str], source: str
) -> dict[str, Any]:
    """The content of metrics.json."""
    metrics = dict(fitted.metrics)
    metrics["data"] = metrics["data"] | {
        "source": source,
        "videos": len(found.rows),
        "used": len(found.items),
        "failed": found.states["failed"],
    }
    metrics["warnings"] = [*warnings, *metrics.get("warnings", ())]
    described: dict[str, Any] = plain(metrics)
    return described


def _set_aside(out: Path, names: Sequence[str]) -> None:
    """Keep an older model below the new one; the file without which it is none goes first."""
    before = out / _PREVIOUS
    shutil.rmtree(before, ignore_errors=True)
    before.mkdir()
    for name in sorted(names, key=lambda n: n != _PUBLISHED_LAST):
        if (out / name).exists():
            (out / name).replace(before / name)


def _finish(model: TrainedModel, metrics: dict[str, Any], work: Path, out: Path) -> None:
    """Write all files of the model, then put them where they belong, in place of an older one."""
    from triptych.report.training import write_training_report
    from triptych_models.checkpoint import save_model

    made = work / "model"
    try:
        save_model(model, made)
        text = json.dumps(metrics, ensure_ascii=False, indent=1, allow_nan=False)
        (made / "metrics.json").write_text(text + "\n", encoding="utf-8")
        # safetensors makes files that only their owner may read.
        shutil.copymode(made / "metrics.json", made / "model.safetensors")
        write_training_report(made, metrics | {"name": out.resolve().name})
        if is_model(out):
            _set_aside(out, [path.name for path in made.iterdir()])
        shutil.rmtree(out / "plots", ignore_errors=True)
        for path in sorted(made.iterdir(), key=lambda p: p.name == _PUBLISHED_LAST):
            path.replace(out / path.name)
        shutil.rmtree(out / _WORK)
    except OSError as err:
        raise OutputError(
            f"cannot write: {err.strerror}", path=out, remedy="free some space, then run it again"
        ) from err
