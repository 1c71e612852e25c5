"""How well the fusion model does beside simpler ones, on data that others have published on.

Every figure is of videos (or people) that the model has not seen: outer folds by group, and in
each of them what `triptych train` does, its own validation folds among it. Mean and standard
deviation are over seeds, which change the folds (where the data do not set them), the first
weights and the order of training. Recipes were chosen without the test videos
(docs/decisions.md).

    python bench/fusion.py --study fight --seeds 5 --json bench/out/fusion_fight.json
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core for each process below

import fusion_data
import numpy as np
import torch
from fusion_balance import balance
from fusion_data import Study
from fusion_mosi import mosi
from measure import machine, summary, versions

from triptych.config import TrainConfig
from triptych.extract.specs import BUILTIN
from triptych.fuse.trained import scored
from triptych.learn.fit import fit_model
from triptych.learn.splits import grouped_folds, with_test
from triptych_models.batches import Example

BASELINES = ("linear", "gated", "attention")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One model trained on one outer fold with one seed, and judged on the rest."""

    row: str  #: of the table
    model_type: str
    seed: int
    study: Study
    test: np.ndarray[Any, np.dtype[np.int64]]
    members: int
    probes: Mapping[str, Sequence[Example]] | None = None  #: name -> other examples to judge


def outer_folds(study: Study, *, folds: int, seed: int) -> list[np.ndarray[Any, Any]]:
    """Test indices of each outer fold: those of the data set, or drawn by group."""
    if study.folds[0]:
        return [np.flatnonzero(study.folds == f) for f in np.unique(study.folds)]
    drawn = grouped_folds(study.truth, study.groups, folds=folds, seed=seed)
    return [test for _, test in drawn]


def trained(task: Task) -> dict[str, Any]:
    """Train and judge; scores of the test videos, and of each probe."""
    torch.set_num_threads(1)
    study = task.study
    splits = ["train"] * len(study.examples)
    for i in task.test:
        splits[i] = "test"
    fitted = fit_model(
        study.examples,
        groups=study.groups,
        splits=splits,
        labels=study.labels,
        task="single",
        modalities=study.modalities,
        options=TrainConfig(model_type=task.model_type, folds=task.members, seed=task.seed),
    )
    judged = {"": study.examples, **(task.probes or {})}
    scores = {
        name: fitted.model.scores([examples[i] for i in task.test])
        for name, examples in judged.items()
    }
    return {"row": task.row, "seed": task.seed, "test": task.test, "scores": scores}


def run_all(tasks: Sequence[Task], *, processes: int) -> Iterator[dict[str, Any]]:
    """Results in the order of the tasks."""
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for number, result in enumerate(pool.imap(_numbered, range(len(tasks))), start=1):
            sys.stderr.write(f"\r{number}/{len(tasks)} ")
            yield result
    sys.stderr.write("\n")


_TASKS: list[Task] = []  # forked with the processes: examples are large


def _numbered(index: int) -> dict[str, Any]:
    return trained(_TASKS[index])


def cross_validated(
    rows: Mapping[str, tuple[str, Study]],
    *,
    seeds: int,
    folds: int,
    members: int,
    processes: int,
    probes: Mapping[str, Sequence[Example]] | None = None,
) -> dict[str, Any]:
    """Accuracy of each row of a table: name -> model type and data."""
    _TASKS[:] = [
        Task(
            row=row,
            model_type=model_type,
            seed=seed,
            study=study,
            test=test,
            members=members,
            probes=probes,
        )
        for row, (model_type, study) in rows.items()
        for seed in range(seeds)
        for test in outer_folds(study, folds=folds, seed=seed)
    ]
    right: dict[str, dict[int, dict[str, list[np.ndarray[Any, Any]]]]] = {}
    places: dict[tuple[str, int], list[np.ndarray[Any, Any]]] = {}
    for result in run_all(_TASKS, processes=processes):
        truth = rows[result["row"]][1].truth[result["test"]]
        places.setdefault((result["row"], result["seed"]), []).append(result["test"])
        for probe, scores in result["scores"].items():
            of_row = right.setdefault(result["row"] + probe, {})
            of_row.setdefault(result["seed"], {}).setdefault("right", []).append(
                scores.argmax(1) == truth
            )
    table = {}
    for row, by_seed in right.items():
        # Mean over outer folds first, as published figures are; then over seeds.
        values = [float(np.mean([r.mean() for r in v["right"]])) for v in by_seed.values()]
        table[row] = summary(values)
    correct = {
        (row, seed): _by_video(places[row, seed], right[row][seed]["right"]) for row, seed in places
    }
    return {"table": table, "correct": correct}


def _by_video(
    places: Sequence[np.ndarray[Any, Any]], right: Sequence[np.ndarray[Any, Any]]
) -> dict[int, bool]:
    """Video -> whether it was right."""
    pairs = zip(np.concatenate(list(places)), np.concatenate(list(right)), strict=True)
    return {int(i): bool(r) for i, r in pairs}


def fight(options: argparse.Namespace) -> dict[str, Any]:
    """Fight or not, from raw surveillance clips, three folds by source."""
    study, shortcut = fusion_data.fight()
    sizes = replace(
        study,
        examples=tuple(
            Example(
                name=e.name,
                time_s=np.zeros(1, np.float32),
                values={"size": row[None].astype(np.float32)},
                present={"size": np.ones(1, bool)},
                target=e.target,
            )
            for e, row in zip(study.examples, shortcut, strict=True)
        ),
        modalities={"size": "image"},
    )
    only = {t: _only_tracks(study, [t]) for t in ("motion", "motion_image")}
    rows = {
        "fusion": ("fusion", study),
        **{name: (name, study) for name in ("only-image", "only-motion", "only-audio", *BASELINES)},
        **{f"fusion, {t} alone": ("fusion", part) for t, part in only.items()},
        "size, rate and length (shortcut)": ("linear", sizes),
    }
    found = cross_validated(_chosen(rows, options), **_common(options, folds=3))
    if "fusion" in found["table"] and "size, rate and length (shortcut)" in found["table"]:
        found["by_shortcut"] = _by_shortcut(found["correct"], options.seeds)
    return found


def _by_shortcut(correct: Mapping[Any, Mapping[int, bool]], seeds: int) -> dict[str, Any]:
    """Accuracy where size, rate and length point to the right label, and where they mislead."""
    agree, disagree = [], []
    for seed in range(seeds):
        fusion = correct["fusion", seed]
        shortcut = correct["size, rate and length (shortcut)", seed]
        agree.append(float(np.mean([fusion[i] for i in fusion if shortcut[i]])))
        disagree.append(float(np.mean([fusion[i] for i in fusion if not shortcut[i]])))
    return {"shortcut right": summary(agree), "shortcut wrong": summary(disagree)}


def _only_tracks(study: Study, tracks: Sequence[str]) -> Study:
    rest = [t for t in study.modalities if t not in tracks]
    return replace(
        study,
        examples=tuple(e.without(rest) for e in study.examples),
        modalities={t: m for t, m in study.modalities.items() if t in tracks},
    )


def ravdess(options: argparse.Namespace) -> dict[str, Any]:
    """Eight emotions from face and loudness, six folds by actor."""
    plain, relative = fusion_data.ravdess(), fusion_data.ravdess(relative=True)
    rows = {n: (n, plain) for n in ("fusion", "only-image", "only-audio", *BASELINES)}
    rows |= {f"{n}, relative to the actor's mean": (n, relative) for n in ("fusion", "linear")}
    return cross_validated(_chosen(rows, options), **_common(options, folds=6))


def grid(options: argparse.Namespace) -> dict[str, Any]:
    """A word of a sentence from sound and lips: clean, with noise at 0 dB, and without sound."""
    found: dict[str, Any] = {"table": {}}
    for label in ("color", "digit"):
        clean, noisy = fusion_data.grid(label)
        both = replace(
            clean,
            examples=clean.examples + noisy.examples,
            truth=np.concatenate([clean.truth, noisy.truth]),
            groups=np.concatenate([clean.groups, noisy.groups]),
            folds=np.concatenate([clean.folds, noisy.folds]),
        )
        heard = [t for t, m in both.modalities.items() if m == "audio"]
        single = ("only-audio", "only-image", "only-motion")
        rows = {name: (name, both) for name in ("fusion", *single, "linear")}
        rows = _chosen(rows, options)
        count = len(clean.examples)
        silent = [e.without(heard) for e in both.examples]
        result = cross_validated(rows, **_common(options, folds=5), probes={", silent": silent})
        for row in rows:
            for part, keep in (("clean", range(count)), ("0 dB", range(count, 2 * count))):
                values = [
                    float(np.mean([result["correct"][row, seed][i] for i in keep]))
                    for seed in range(options.seeds)
                ]
                found["table"][f"{label}, {part}: {row}"] = summary(values)
            found["table"][f"{label}, no sound: {row}"] = result["table"][f"{row}, silent"]
    return found


def removed(options: argparse.Namespace) -> dict[str, Any]:
    """A modality that is gone when the model is used, or was never there for it to learn from."""
    found: dict[str, Any] = {"table": {}, "drop_beyond_that": {}}
    data = {"fight": (lambda: fusion_data.fight()[0], 3), "ravdess": (fusion_data.ravdess, 6)}
    for name, (made, folds) in _chosen(data, options).items():
        study = made()
        tracks = {
            modality: [t for t, m in study.modalities.items() if m == modality]
            for modality in sorted(set(study.modalities.values()))
        }
        probes = {
            f", {modality} removed": [e.without(own) for e in study.examples]
            for modality, own in tracks.items()
        }
        common = _common(options, folds=folds)
        table = cross_validated({"fusion": ("fusion", study)}, **common, probes=probes)["table"]
        rows = {
            f"fusion, {modality} never there": (
                "fusion",
                _only_tracks(study, [t for t in study.modalities if t not in own]),
            )
            for modality, own in tracks.items()
        }
        table |= cross_validated(rows, **common)["table"]
        found["table"] |= {f"{name}: {row}": figures for row, figures in table.items()}
        found["drop_beyond_that"] |= {
            f"{name}: {modality}": round(
                table[f"fusion, {modality} never there"]["mean"]
                - table[f"fusion, {modality} removed"]["mean"],
                4,
            )
            for modality in tracks
        }
    return found


def speed(options: argparse.Namespace) -> dict[str, Any]:
    """Training on, and scoring of, 1,000 clips whose features are there."""
    rng = np.random.default_rng(0)
    widths = {"image": 1280, "motion": 44, "motion_image": 1280, "audio": 206, "speech": 512}
    widths |= {"sound_tags": 3, "text": 512}
    kinds = {s.name: s.modality for e in BUILTIN.values() for s in e.specs}
    modalities = {t: kinds[t] for t in widths}
    examples = []
    for i in range(1000):
        values = {t: rng.normal(size=(12, d)).astype(np.float32) for t, d in widths.items()}
        values["image"][:, i % 5] += 1
        there = {t: np.ones(12, bool) for t in widths}
        examples.append(
            Example(
                name=str(i),
                time_s=np.arange(12, dtype=np.float32),
                values=values,
                present=there,
                target=i % 5,
            )
        )
    torch.set_num_threads(1)
    options, groups = TrainConfig(), [e.name for e in examples]
    splits = with_test(
        ["train"] * 1000, [e.target for e in examples], groups, share=options.test_share
    )
    began = time.perf_counter()
    fitted = fit_model(
        examples,
        groups=groups,
        splits=splits,
        labels=list("abcde"),
        task="single",
        modalities=modalities,
        options=options,
        workers=0,
    )
    training_s = time.perf_counter() - began
    scored(fitted.model, examples[:64])
    began = time.perf_counter()
    scored(fitted.model, examples)
    return {
        "training_s": round(training_s, 2),
        "videos_per_s": round(1000 / (time.perf_counter() - began), 1),
        "parameters": fitted.model.parameters,
        "members": len(fitted.model.members),
    }


def _chosen(rows: Mapping[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    return {k: v for k, v in rows.items() if not options.only or k in options.only}


def _common(options: argparse.Namespace, *, folds: int) -> dict[str, Any]:
    return {
        "seeds": options.seeds,
        "folds": folds,
        "members": options.members,
        "processes": options.processes,
    }


STUDIES: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "mosi": mosi,
    "fight": fight,
    "ravdess": ravdess,
    "grid": grid,
    "removed": removed,
    "balance": balance,
    "speed": speed,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--study", choices=STUDIES, action="append")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--members", type=int, default=0, help="validation folds of each training")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", action="append", help="a row, or a data set; may be repeated")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {
        "machine": machine(),
        "versions": dict(versions()),
        "date": time.strftime("%Y-%m-%d"),
        "seeds": options.seeds,
        "members": options.members,
    }
    for name in options.study or STUDIES:
        began = time.monotonic()
        found = STUDIES[name](options)
        found.pop("correct", None)
        results[name] = found | {"seconds": round(time.monotonic() - began, 1)}
        for row, figures in found.get("table", {}).items():
            print(f"{name:8} {row:44} {figures['mean']:.3f} ± {figures['std']:.3f}")
        rest = {k: v for k, v in found.items() if k != "table"}
        print(f"{name:8} {json.dumps(rest)}", flush=True)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
