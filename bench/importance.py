"""Whether importance is learned from people's scores, on films whose truth is known.

Films of real clips are made whose moments five made-up people scored by how much moves in them
(mean difference of neighbouring pictures, ranked over all films, each person with a noise of
their own), in TVSum's format. All films of one pool of clips are one group, and no clip is in two
pools. In each of the outer folds a model is trained by `triptych train --task importance`'s own
code on the other pools and ranks the moments of films that it has not seen; so do the
training-free importance and chance. Mean and standard deviation are over seeds.

    python bench/importance.py --out importance_films --seeds 5
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench")]
DATA = Path(os.environ.get("TRIPTYCH_SHARED_DATA", ROOT.parent / "shared" / "data"))

import numpy as np

POOLS, FILMS, CLIPS = 8, 4, 12  # pools of clips, films of each, clips of a film
OF_ONE = 6  # clips of one recording, at most
SHOT_S, PEOPLE, NOISE = 2.0, 5, 0.6  # of the annotations; noise in points of a scale of 1 to 5
FOLDS = 4


def make(out: Path) -> None:
    """Films, and what people say of them: `films/*.mp4` and `films/people.jsonl`."""
    from montage import FPS, LONG, Source, Studio, write

    rng = np.random.default_rng(0)
    groups: dict[str, list[str]] = {}
    with (DATA / "fight_surv" / "labels.csv").open() as file:
        for row in csv.DictReader(file):
            groups.setdefault(row["group"], []).append(row["path"])
    every = [
        Source(f"fight-{name}", f"fight_surv/{path}", 0.0, 60.0)
        for name, paths in sorted(groups.items())
        for path in rng.permutation(paths)[:OF_ONE]
    ]
    for path in dict.fromkeys(path for path, _, _ in LONG):  # one film is in one pool
        spans = [(a, b) for p, a, b in LONG if p == path]
        every += [Source(f"long-{path}", f"long_video/{path}", a, min(b, a + 8)) for a, b in spans]
    names = sorted({source.name for source in every})
    pool_of = dict(zip(names, rng.permutation(len(names)) % POOLS, strict=True))
    studio, folder = Studio(DATA), out / "films"
    folder.mkdir(parents=True, exist_ok=True)
    moved: dict[str, list[float]] = {}
    for number in range(POOLS * FILMS):
        name = f"pool{number % POOLS}-{number // POOLS}"
        own = [s for s in every if pool_of[s.name] == number % POOLS]
        chosen = [own[i] for i in rng.permutation(len(own))[:CLIPS]]
        clips = [(s, *studio._clip(s), False) for s in chosen]
        clips = [c for c in clips if len(c[1]) > FPS]
        pictures = [picture for clip in clips for picture in clip[1]]
        if not (folder / f"{name}.mp4").exists():
            write(folder / f"{name}.mp4", clips)
        moved[name] = motion(pictures, [len(c[1]) for c in clips], rate=FPS)
        print(f"{name}: {len(pictures) / FPS:.0f} s of {len(clips)} clips", flush=True)
    known = np.sort(np.concatenate(list(moved.values())))
    lines = []
    for name, values in moved.items():
        rank = np.searchsorted(known, values) / len(known)
        said = 1 + 4 * rank[:, None] + rng.normal(0, NOISE, (len(values), PEOPLE))
        lines.append(json.dumps({"vid": name, "label": said.round().clip(1, 5).tolist()}))
    (folder / "people.jsonl").write_text("\n".join(lines) + "\n")


def motion(pictures: Sequence[np.ndarray], lengths: Sequence[int], *, rate: int) -> list[float]:
    """Mean difference of neighbouring pictures in each shot; cuts are no motion."""
    grey = np.stack([p[: p.shape[0] * 2 // 3 : 4, ::4] for p in pictures]).astype(np.float32)
    change = np.append(0.0, np.abs(np.diff(grey, axis=0)).mean(axis=(1, 2)))
    change[np.cumsum([0, *lengths[:-1]])] = np.nan
    size = int(SHOT_S * rate)
    return [float(np.nanmean(change[a : a + size])) for a in range(0, len(change) - rate, size)]


def study(out: Path, seeds: Sequence[int]) -> dict[str, Any]:
    """Tau, rho and F-scores of what a model, nobody's training and chance say of unseen films."""
    from triptych.config import TrainConfig, load_config
    from triptych.features.recipe import features_recipe
    from triptych.fuse.sample import UNREAD
    from triptych.fuse.trained import one_thread
    from triptych.learn.importance import fit_importance, judged, means_of
    from triptych.learn.people import read_judged
    from triptych.learn.splits import grouped_folds
    from triptych.people import _config_of, _measured
    from triptych.prepare import Silent
    from triptych.samples import fitting_config, gather_samples, identify_all
    from triptych.summaries import RANDOM, UNIFORM, summary_one
    from triptych_models.checkpoint import save_model

    os.environ.setdefault("TRIPTYCH_CACHE", str(out / "cache"))
    items = read_judged([out / "films"], out=out / "model").items
    rows = identify_all(items)
    config = fitting_config(items, rows, config=load_config())
    found = gather_samples(items, rows, config=config, listener=Silent())
    videos = [judged(i, s) for i, s in zip(found.items, found.samples, strict=True)]
    groups = [str(i.source.path.stem).split("-")[0] for i in found.items]
    recipe = features_recipe(config)
    kinds = {t: s["modality"] for t, s in recipe["tracks"].items() if t not in UNREAD}
    free = [summary_one(source=i.source, row=dict(r), config=config)
            for i, r in zip(items, rows, strict=True)]  # fmt: skip
    tables: dict[str, list[Mapping[str, float]]] = {}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        mine: dict[str, list[dict[str, float]]] = {}
        folds = grouped_folds(np.zeros(len(videos)), groups, folds=FOLDS, seed=seed)
        for learn, test in folds:
            splits = ["test" if i in test else "train" for i in range(len(videos))]
            with one_thread():
                fitted = fit_importance(
                    videos, groups=groups, splits=splits, modalities=kinds,
                    options=TrainConfig(seed=seed, task="importance"),
                    features=recipe | {"trained_on": []},
                )  # fmt: skip
            save_model(fitted.model, out / "model")
            by_model = _config_of(str(out / "model"), load_config())
            for i in test:
                video, told = videos[i], free[i]["summary"]
                with_it = summary_one(source=items[i].source, row=dict(rows[i]), config=by_model)
                ways = {
                    "trained": video.measured(fitted.model.explain(video.example).importance),
                    "training-free": video.measured(scores_of(told, video)),
                    "random": video.measured(rng.random(len(video.begins)).astype(np.float32)),
                    "summary, trained": _measured(items[i], with_it["summary"])[""],
                    "summary, training-free": _measured(items[i], told)[""],
                    "summary, uniform": _measured(items[i], told)[UNIFORM],
                    "summary, random": _measured(items[i], told)[RANDOM],
                }
                for name, figures in ways.items():
                    mine.setdefault(name, []).append(figures)
            print(f"seed {seed}, {len(learn)} films to learn from, {len(test)} to rank", flush=True)
        for name, measured in mine.items():
            tables.setdefault(name, []).append(means_of(measured, resamples=0)["metrics"])
    result = {
        name: {m: [float(np.mean([r[m] for r in table])), float(np.std([r[m] for r in table]))]
               for m in table[0]}
        for name, table in tables.items()
    }  # fmt: skip
    for name, figures in result.items():
        said = [
            f"{m} {mean:+.3f} ± {std:.3f}"
            for m, (mean, std) in figures.items()
            if not np.isnan(mean)
        ]
        print(f"{name:22} {'  '.join(said)}")
    return result


def scores_of(told: Mapping[str, Any], video: Any) -> np.ndarray:
    """What speaks for each of the model's steps without training."""
    middles = (np.array(told["begins"]) + np.array(told["ends"])) / 2
    return np.interp((video.begins + video.ends) / 2, middles, told["scores"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("importance_films"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="seed")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    if not (asked.out / "films" / "people.jsonl").exists():
        make(asked.out)
    result = study(asked.out, range(asked.first, asked.first + asked.seeds))
    if asked.json:
        asked.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
