"""How good and how fast summaries are: people, montages whose truth is known, three hours.

    python bench/summary.py people            # agreement of TVSum's annotators
    python bench/summary.py montage --out montages   # 50 of real clips, 25 minutes
    python bench/summary.py speed             # a film of three hours, made up
    python bench/summary.py cuts              # what looking for cuts costs

Montages are made into OUT and kept, so that a second run only analyses. Seeds 0 to 49 are
reported; whatever was tuned was tuned on seeds 100 to 119.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench")]
DATA = Path(os.environ.get("TRIPTYCH_SHARED_DATA", ROOT.parent / "shared" / "data"))

import itertools

import numpy as np

from triptych_models import summary_metrics as metrics


def people() -> None:
    """Mean over pairs of people, then over videos; and the same of random scores."""
    rng = np.random.default_rng(0)
    found, chance = [], []
    for path in sorted((DATA / "tvsum_annotations").glob("*.jsonl")):
        for line in path.read_text().splitlines():
            scores = np.array(json.loads(line)["label"]).T
            found.append(metrics.human_agreement(scores))
            guess = rng.random(scores.shape[1])
            chance.append(
                [
                    np.mean([rank(person, guess) for person in scores])
                    for rank in (metrics.kendall_tau, metrics.spearman_rho)
                ]
            )
    for name, rows in (("people", found), ("random", chance)):
        tau, rho = np.mean(rows, axis=0)
        print(f"{name:8} {len(rows)} videos  tau {tau:+.3f}  rho {rho:+.3f}")


def montages(out: Path, seeds: Sequence[int]) -> None:
    """Coverage, redundancy and cuts of summaries of as many shots as there are sources."""
    from montage import Studio

    from triptych.config import load_config
    from triptych.features import FeatureStore
    from triptych.video import analyze

    out.mkdir(parents=True, exist_ok=True)
    studio, store = Studio(DATA), FeatureStore(out / "store")
    rows, cuts, films = [], np.zeros(3), 0.0
    for seed in seeds:
        path = out / f"{seed:03}.mp4"
        if not path.with_suffix(".json").exists():
            studio.montage(path, seed=seed)
        parts = json.loads(path.with_suffix(".json").read_text())
        names, end_s = [p["source"] for p in parts], parts[-1]["end_s"]
        count = len(set(names))
        began = time.perf_counter()
        found = analyze(
            path,
            config=load_config(
                assignments=(
                    "extract.preset=light",
                    "extract.asr=never",
                    f"predict.summary={count}shots",
                )
            ),
            store=store,
        )
        films += time.perf_counter() - began
        rng = np.random.default_rng(seed)
        ours = [(s.start_s + s.end_s) / 2 for s in found.summary.segments]
        even = ((np.arange(count) + 0.5) * end_s / count).tolist()
        shown = {
            "triptych": [_shown(parts, t) for t in ours],
            "uniform": [_shown(parts, t) for t in even],
            "random": [_shown(parts, t) for t in rng.uniform(0, end_s, count)],
        }
        rows.append(
            {k: (metrics.coverage(v, names), metrics.redundancy(v)) for k, v in shown.items()}
        )
        hit = metrics.boundary_f1(
            [p["start_s"] for p in parts[1:]], [s.start_s for s in found.shots[1:]]
        )
        cuts += hit
        covered = rows[-1]["triptych"][0]
        print(f"{seed:4} {len(parts):3} parts, {count:3} sources, {end_s:6.1f} s: "
              f"covered {covered:.3f}, cuts {hit}", flush=True)  # fmt: skip
    print(f"\n{len(rows)} montages, analysed in {films:.0f} s")
    for name in ("triptych", "uniform", "random"):
        covered, again = np.mean([row[name] for row in rows], axis=0)
        least = min(row[name][0] for row in rows)
        print(f"{name:9} sources covered {covered:.3f} (least {least:.3f})  redundancy {again:.3f}")
    right, true, said = cuts
    print(f"cuts within 0.5 s: precision {right / said:.3f}, recall {right / true:.3f}, "
          f"F1 {2 * right / (true + said):.3f} ({int(true)} cuts)")  # fmt: skip


def _shown(parts: Sequence[dict], time_s: float) -> str:
    at = next((p for p in parts if p["start_s"] <= time_s < p["end_s"]), parts[-1])
    return str(at["source"])


def speed() -> None:
    """Summaries of a made-up film of three hours: 10,800 steps, 2,100 shots, 3,000 cues."""
    from triptych.extract.specs import AUDIO
    from triptych.predict import moments, select
    from triptych.predict.summary import summarize
    from triptych.records import Cue, Prediction, Shot, Timeline

    rng = np.random.default_rng(0)
    steps = 10_800
    cuts = [0.0, *np.sort(rng.uniform(0, steps, 2_100)).round(2).tolist(), float(steps)]
    scene = np.searchsorted(cuts, np.arange(steps), side="right") % 700
    image = rng.normal(size=(700, 1280)).astype(np.float32)[scene]
    image += rng.normal(0, 0.5, image.shape).astype(np.float32)
    values = {"image": image, "audio": rng.normal(size=(steps, AUDIO.dim)).astype(np.float32)}
    film = Timeline(
        start_s=np.arange(steps, dtype=float),
        end_s=np.arange(steps, dtype=float) + 1,
        values=values,
        present={name: np.ones(steps, bool) for name in values},
    )
    words = ["river", "mountain", "train", "market", "harbour", "music", "garden", "bridge"]
    cues = [
        Cue(start_s=3.6 * i, end_s=3.6 * i + 2.8, source="sidecar",
            text=" ".join(rng.choice(words, 6)))
        for i in range(3_000)
    ]  # fmt: skip
    spent: list[float] = []

    def timed(cover, **budget):
        began = time.process_time()
        chosen = select.select(cover, **budget)
        spent.append(time.process_time() - began)
        return chosen

    moments.select = timed
    began = time.process_time()
    found = summarize(
        film,
        shots=[Shot(start_s=a, end_s=b) for a, b in itertools.pairwise(cuts) if b > a],
        cues=cues,
        prediction=Prediction(
            method="none",
            ranked=(),
            labels=(),
            steps=np.zeros((steps, 0), np.float32),
            step_present=np.zeros(steps, bool),
        ),
    )
    print(f"selection {spent[0]:.2f} s, the whole summary {time.process_time() - began:.2f} s of CPU: "
          f"{len(found.segments)} moments, {len(found.chapters)} chapters")  # fmt: skip


def cuts() -> None:
    """CPU seconds of decoding with and without the pictures that cuts are found in."""
    from triptych.decode import open_media
    from triptych.extract.specs import GLANCE_FPS

    for path in sorted((DATA / "long_video").glob("*.mp4")):
        spent = []
        for options in ({}, {"glance_fps": GLANCE_FPS}, {"dense_fps": 10.0}):
            times = []
            for _ in range(3):
                began = time.process_time()
                with open_media(path) as media:
                    for _ in media.stream(sound=False, text=False, **options):
                        pass
                times.append(time.process_time() - began)
            spent.append(min(times))
        print(f"{path.name:45} plain {spent[0]:.2f} s, with glances {spent[1]:.2f}, "
              f"with grey frames {spent[2]:.2f}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", choices=("people", "montage", "speed", "cuts"))
    parser.add_argument("--out", type=Path, default=Path("montages"))
    parser.add_argument("--first", type=int, default=0, help="seed")
    parser.add_argument("--count", type=int, default=50)
    asked = parser.parse_args()
    if asked.study == "montage":
        montages(asked.out, range(asked.first, asked.first + asked.count))
    else:
        {"people": people, "speed": speed, "cuts": cuts}[asked.study]()


if __name__ == "__main__":
    main()
