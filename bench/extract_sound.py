"""What is heard: ESC-10 by a linear probe and without training, and the speed of sound features.

ESC-10's folds 1 and 2 are here: one is learned from, the other asked. The strength of the probe
is chosen on the fold that is learned from alone, by parts that no recording crosses; the seeds
draw those parts. Nothing else is random.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from measure import spread, summary

from triptych.decode import open_media
from triptych.extract.drive import pump
from triptych.extract.registry import Extractor, load
from triptych.records import FeatureTrack, Sound, Spectrogram

DATA = Path(os.environ.get("TRIPTYCH_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
EMBEDDED = ("audio", "music", "speech", "sound_tags")  # of the preset, what comes of sound
STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
CHINESE = {
    "baby_cry": "婴儿哭声",
    "chainsaw": "电锯",
    "clock_tick": "时钟滴答声",
    "dog_bark": "狗叫",
    "fire_crackling": "火焰噼啪声",
    "helicopter": "直升机",
    "person_sneeze": "打喷嚏",
    "rain": "雨",
    "rooster": "公鸡打鸣",
    "sea_waves": "海浪",
}

Matrix = npt.NDArray[np.float32]
Clip = dict[str, FeatureTrack]


def add_parser(commands: Any) -> None:
    """The sub-commands `esc10` and `hearing`."""
    for name, run in (("esc10", esc10), ("hearing", hearing)):
        parser = commands.add_parser(name, help=(run.__doc__ or "").splitlines()[0])
        parser.add_argument("--shared", type=Path, default=DATA, help="folder of the data sets")
        parser.add_argument("--weights", type=Path, help="of an EfficientAT network")
        parser.add_argument("--seeds", type=int, default=5)
        parser.set_defaults(run=run)


def esc10(asked: argparse.Namespace) -> dict[str, Any]:
    """Accuracy on ESC-10: each fold learned from and the other asked, then label words alone."""
    paths = sorted((asked.shared / "esc10").glob("*/*.ogg"))
    names = [*EMBEDDED, *([f"audioset={asked.weights}"] if asked.weights else [])]
    extractors = {name: load(name) for name in names}
    clips: list[Clip] = []
    for path in paths:
        with open_media(path) as media:
            clips.append(pump(media, extractors))
    truth = np.array([path.parent.name for path in paths])
    folds = np.array([path.name[0] for path in paths])
    recordings = np.array([path.name.split("-")[1] for path in paths])
    sets: dict[str, tuple[str, ...]] = {
        "embedded": EMBEDDED,
        **{name: (name,) for name in EMBEDDED},
        "embedded without music": tuple(n for n in EMBEDDED if n != "music"),
    }
    if asked.weights:
        sets |= {"audioset": ("audioset",), "embedded and audioset": (*EMBEDDED, "audioset")}
    found: dict[str, Any] = {"clips": len(clips), "classes": len(set(truth))}
    for name, tracks in sets.items():
        inputs = np.stack([statistics_of(clip, tracks) for clip in clips])
        runs = [probe(inputs, truth, folds, recordings, seed=s) for s in range(asked.seeds)]
        found[name] = summary([float(np.mean(list(run.values()))) for run in runs]) | {
            "folds": {fold: summary([run[fold] for run in runs])["mean"] for fold in runs[0]}
        }
    if asked.weights:
        english = [name.replace("_", " ") for name in sorted(set(truth))]
        chinese = [CHINESE[name] for name in sorted(set(truth))]
        found["label words alone"] = {
            "en": without_training(clips, truth, english),
            "zh": without_training(clips, truth, chinese),
        }
    return found


def statistics_of(clip: Clip, tracks: Sequence[str]) -> Matrix:
    """Mean and standard deviation over the time of a clip."""
    rows = [clip[name].values for name in tracks]
    return np.concatenate([part for row in rows for part in (row.mean(0), row.std(0))])


def probe(
    inputs: Matrix,
    truth: npt.NDArray[np.str_],
    folds: npt.NDArray[np.str_],
    recordings: npt.NDArray[np.str_],
    *,
    seed: int,
) -> dict[str, float]:
    """Accuracy of a linear support vector machine on each fold, learned from the other."""
    from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    found = {}
    for fold in sorted(set(folds)):
        known, asked = folds != fold, folds == fold
        parts = StratifiedGroupKFold(4, shuffle=True, random_state=seed).split(
            inputs[known], truth[known], recordings[known]
        )
        search = GridSearchCV(
            make_pipeline(StandardScaler(), LinearSVC(random_state=0)),
            {"linearsvc__C": STRENGTHS},
            cv=list(parts),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of strengths at which it converges slowly
            search.fit(inputs[known], truth[known])
        found[f"asked {fold}"] = float(search.score(inputs[asked], truth[asked]))
    return found


def without_training(
    clips: Sequence[Clip], truth: npt.NDArray[np.str_], words: Sequence[str]
) -> float:
    """Share of clips whose label comes first among these words, by what is heard alone."""
    from triptych.predict.classify import zero_shot
    from triptych.predict.vocabulary import load_vocabulary
    from triptych.records import Timeline

    vocabulary, right = load_vocabulary(",".join(words)), 0
    named = dict(zip(words, sorted(set(truth)), strict=True))
    for clip, wanted in zip(clips, truth, strict=True):
        track = clip["audioset_labels"]
        found = zero_shot(
            Timeline(
                start_s=track.start_s,
                end_s=track.end_s,
                values={"audioset_labels": track.values},
                present={"audioset_labels": np.ones(len(track), bool)},
            ),
            vocabulary,
        )
        right += bool(found.ranked) and named[found.ranked[0].label] == wanted
    return round(right / len(clips), 4)


def hearing(asked: argparse.Namespace) -> dict[str, Any]:
    """Seconds of sound a second of one core, decoding left out, of each extractor of sound."""
    (path,) = (asked.shared / "long_video").glob("video2dataset*")
    names = ["audio", "music", "sound_tags", "speech"]
    names += [f"audioset={asked.weights}"] if asked.weights else []
    extractors = {name: load(name) for name in names}
    found: dict[str, Any] = {"floor": 200}
    with open_media(path) as media:
        began = time.process_time()
        chunks = list(media.stream(pictures=False, text=False, rates_hz=(16_000, 32_000)))
        found["decoding, log-mel and both rates"] = time.process_time() - began
    seconds = sum(len(c.samples) for c in chunks if isinstance(c, Sound) and c.rate_hz == 16_000)
    seconds /= 16_000
    found["sound_s"] = round(seconds, 1)
    for name, extractor in extractors.items():
        rate_hz = getattr(extractor, "rate_hz", 16_000)
        taken = [
            chunk
            for chunk in chunks
            if isinstance(chunk, extractor.takes)
            and (isinstance(chunk, Spectrogram) or chunk.rate_hz == rate_hz)
        ]
        speeds = [round(seconds / _cpu_s(extractor, taken)) for _ in range(1 + asked.seeds)]
        found[name.split("=")[0]] = spread(speeds[1:])  # the first one warms up
    found["decoding, log-mel and both rates"] = round(
        seconds / found["decoding, log-mel and both rates"]
    )
    return found


def _cpu_s(extractor: Extractor, chunks: Sequence[Any]) -> float:
    began = time.process_time()
    coroutine = extractor(step_s=1.0)
    next(coroutine)
    for chunk in chunks:
        coroutine.send(chunk)
    with contextlib.suppress(StopIteration):
        coroutine.send(None)
    return time.process_time() - began
