"""Summaries measured against what people said of the same videos."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from triptych.amounts import counted
from triptych.config import Config, PredictConfig
from triptych.features.jobs import in_use
from triptych.features.layout import default_root
from triptych.fuse.provenance import adopted
from triptych.journal import Row
from triptych.learn.dataset import Item, group_of
from triptych.learn.people import read_judged
from triptych.prepare import Listener, Silent, make_ready, what_is_missing
from triptych.report.analysis import plain
from triptych.samples import identify_all
from triptych.summaries import RANDOM, UNIFORM, summary_one

__all__ = ["TRAINING_FREE", "evaluate_summaries"]

TRAINING_FREE = "training-free"
_ALL, _TEST = "all", "test"


def evaluate_summaries(
    model: str | os.PathLike[str] | None,
    inputs: Sequence[str | os.PathLike[str]],
    *,
    config: Config | None = None,
    listener: Listener | None = None,
    compare: Sequence[str | os.PathLike[str]] = (),
) -> dict[str, Any]:
    """Measure summaries against people's, beside evenly spread and random ones.

    Args:
        model: folder of a trained model that weighs the steps; None: summaries without training.
        inputs: annotations and videos; see `triptych.learn.people`. Of videos with splits those
            of the test split are used.
        config: how videos are read and how long summaries are (`predict.summary`).
        listener: is told of each video.
        compare: folders of other models.

    Returns:
        `metrics` and `intervals` (95 %) of videos that no model here was trained on, of all where
        there are none such: `kendall` and `spearman` over steps, means over people; `f_score`
        (mean over people, TVSum) and `f_score_max` (the person agreed with most, SumMe);
        `coverage`, `redundancy`. `baselines`: the same of `uniform` and `random` summaries of the
        same length; `difference`: of this from each of them, video by video; `people`: how far
        people agree among themselves; `compare`: all of these of each other model; `videos`,
        `used`, `failed`, `failures`, `warnings`. All of it is JSON data.

    Raises:
        InputError: an input does not exist.
        UsageError: no annotations, no model, or one that does not fit the rest.
    """
    began = time.monotonic()
    listener, config = listener or Silent(), config or Config()
    folders = [None if model is None else os.fspath(model)]
    folders += [os.fspath(other) for other in compare]
    configs = [_config_of(folder, config) for folder in folders]
    out = Path(next((f for f in folders if f), "model"))
    data = read_judged(inputs, out=out, frames_fps=config.runner.frames_fps or None)
    items, split = data.items, _ALL
    if any(item.split == "test" for item in items):
        items, split = tuple(i for i in items if i.split == "test"), _TEST
    for missing in what_is_missing(configs[0]):
        listener.note(missing)
    rows = identify_all(items)
    with in_use(default_root()):
        ended = [_summaries(items, rows, config=one, listener=listener) for one in configs]
    used = [i for i in range(len(items)) if all("summary" in each[i] for each in ended)]
    known = _trained_on(folders)
    unseen = [i for i in used if ended[0][i]["sha256"][:16] not in known]
    results = [
        _judged(folder, [items[i] for i in unseen or used], [each[i] for i in unseen or used])
        for folder, each in zip(folders, ended, strict=True)
    ]
    states = ("done", "cached", "partial", "failed", "skipped")
    shown = ("path", "stage", "error", "remedy")
    first: dict[str, Any] = results[0] | {
        "task": "summary",
        "split": split,
        "videos": len(items),
        "used": len(used),
        "measured": len(unseen or used),
        "failed": sum(row["state"] == "failed" for row in ended[0]),
        "states": {s: sum(row["state"] == s for row in ended[0]) for s in states},
        "failures": [{k: r[k] for k in shown} for r in ended[0] if r["state"] == "failed"],
        "warnings": [
            *data.warnings,
            *_seen(len(used), len(unseen)),
            *_misfits([items[i] for i in used], [ended[0][i] for i in used]),
        ],
        "people": _people([items[i] for i in unseen or used], ended[0], unseen or used),
        "compare": results[1:],
        "seconds": round(time.monotonic() - began, 3),
    }
    found: dict[str, Any] = plain(first)
    return found


def _config_of(folder: str | None, config: Config) -> Config:
    if folder is None:
        return replace(config, predict=replace(config.predict, model=""))
    predict = replace(config.predict, model=folder, labels=PredictConfig.labels)
    return adopted(replace(config, predict=predict))


def _summaries(
    items: Sequence[Item], rows: Sequence[Row], *, config: Config, listener: Listener
) -> list[Row]:
    """How each video ended, in their order; those that went well have their `summary`."""
    from triptych.pool import work_through

    listener.start(len(items))
    ended = {row["relative"]: dict(row) for row in rows}
    for row in rows:
        if row["state"]:
            listener.finished(row)
    pending = [(i.source, dict(r)) for i, r in zip(items, rows, strict=True) if not r["state"]]
    if pending:
        make_ready(config, listener)
    for row in work_through(summary_one, pending, config=config):
        ended[row["relative"]] = row
        listener.finished({k: v for k, v in row.items() if k != "summary"})
    return [ended[str(item.source.relative)] for item in items]


def _trained_on(folders: Sequence[str | None]) -> set[str]:
    from triptych.fuse.trained import trained_model

    models = [trained_model(folder) for folder in folders if folder]
    return {digest for model in models for digest in model.features.get("trained_on", ())}


def _seen(used: int, unseen: int) -> list[str]:
    if used == unseen:
        return []
    told = f"a model here was trained on {used - unseen} of {counted(used, 'video')}"
    if not unseen:
        return [f"{told}: on other videos it does less well than these figures say"]
    return [f"{told}: they are left out of all figures"]


def _misfits(items: Sequence[Item], rows: Sequence[Row]) -> list[str]:
    """Of which videos people judged more or less than there is."""
    from triptych.learn.agreement import misfit

    found = []
    for item, row in zip(items, rows, strict=True):
        end_s = float(row["summary"]["ends"][-1])
        assert item.people is not None
        if item.source.end_s is None and (odd := misfit(item.people.timed(end_s), end_s=end_s)):
            found.append(f"{item.source.relative}: {odd}")
    return found


def _judged(folder: str | None, items: Sequence[Item], rows: Sequence[Row]) -> dict[str, Any]:
    """Figures of one way to make summaries, and of the baselines on the same videos."""
    from triptych.learn.importance import means_of

    groups = [group_of(item, row["sha256"]) for item, row in zip(items, rows, strict=True)]
    measured = [_measured(item, row["summary"]) for item, row in zip(items, rows, strict=True)]
    own = [each[""] for each in measured]
    name = TRAINING_FREE if folder is None else Path(folder).resolve().name
    found: dict[str, Any] = {"model": folder or "", "name": name, "baselines": {}, "difference": {}}
    found |= {k: v for k, v in means_of(own, groups=groups).items() if k != "videos"}
    for rival in (UNIFORM, RANDOM):
        theirs = [each[rival] for each in measured]
        apart = [{k: a[k] - b[k] for k in a} for a, b in zip(own, theirs, strict=True)]
        difference = means_of(apart, groups=groups)
        found["baselines"][rival] = means_of(theirs, groups=groups)
        found["difference"][rival] = {
            k: {"difference": v, "interval": difference["intervals"].get(k)}
            for k, v in difference["metrics"].items()
        }
    return found


def _measured(item: Item, told: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Each way's figures on one video; those of random summaries are means."""
    import numpy as np

    from triptych.learn.agreement import agreement

    assert item.people is not None
    begins, ends = np.array(told["begins"]), np.array(told["ends"])
    people = item.people.timed(float(ends[-1]))
    found = {}
    for name, draws in told["ways"].items():
        rows = [
            agreement(
                people,
                begins=begins,
                ends=ends,
                scores=None if draw["scores"] is None else np.array(draw["scores"]),
                spans=draw["spans"],
                shots=told["shots"],
            )
            | {k: draw[k] for k in ("coverage", "redundancy")}
            for draw in draws
        ]
        found[name] = {k: float(np.mean([row[k] for row in rows])) for k in rows[0]}
    return found


def _people(items: Sequence[Item], rows: Sequence[Row], places: Sequence[int]) -> dict[str, float]:
    from triptych.learn.agreement import people_among_themselves
    from triptych.learn.importance import means_of

    found = []
    for item, place in zip(items, places, strict=True):
        told = rows[place]["summary"]
        assert item.people is not None
        end_s = float(told["ends"][-1])
        found.append(
            people_among_themselves(
                item.people.timed(end_s), duration_s=end_s - told["begins"][0], shots=told["shots"]
            )
        )
    some = [row for row in found if row]
    whole: dict[str, float] = means_of(some, resamples=0)["metrics"]
    return whole
