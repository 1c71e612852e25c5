"""The data sets of `fusion.py` as examples of the models: features given, or made from raw clips."""

from __future__ import annotations

import csv
import functools
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from triptych.config import Config, DecodeConfig, ExtractConfig
from triptych.extract.specs import BUILTIN
from triptych.fuse.sample import UNREAD, example_of
from triptych.inputs import Source, find_sources
from triptych.learn.dataset import read_dataset
from triptych.prepare import Silent
from triptych.samples import gather_samples, identify_all
from triptych_models.batches import Example

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = Path(os.environ.get("TRIPTYCH_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))


@dataclass(frozen=True, kw_only=True)
class Study:
    """Labelled examples, how they are split, and what their tracks are."""

    examples: tuple[Example, ...]
    truth: npt.NDArray[np.int64]
    labels: tuple[str, ...]
    groups: npt.NDArray[np.str_]
    folds: npt.NDArray[np.str_]  #: outer fold of each; "" where folds are drawn by group
    modalities: dict[str, str]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _still(name: str, target: int, **tracks: npt.NDArray[np.float32]) -> Example:
    """One step with one row for each track."""
    return Example(
        name=name,
        time_s=np.zeros(1, np.float32),
        values={t: v[None].astype(np.float32) for t, v in tracks.items()},
        present={t: np.ones(1, bool) for t in tracks},
        target=target,
    )


def ravdess(*, relative: bool = False) -> Study:
    """RAVDESS: 35 facial action units, and 259 values of the first MFCC over time.

    The course of the first MFCC is loudness: its shape from the onset on is described, too.

    Args:
        relative: take each actor's mean from his or her clips (no labels are used, but several
            clips of the same person are).
    """
    data = np.load(SHARED_DATA / "ravdess" / "features.npz")
    parts = [str(name).split("-") for name in data["names"]]
    truth = np.array([int(p[2]) - 1 for p in parts])
    actors = np.array([p[6] for p in parts])
    course = np.where(data["mfcc"] == 0, -66.0, data["mfcc"])
    tracks = {"face": data["face_au"], "course": course, "shape": np.stack([*map(_shape, course)])}
    if relative:
        tracks = {t: _relative(v, actors) for t, v in tracks.items()}
    rows = zip(data["names"], truth, *tracks.values(), strict=True)
    examples = [_still(str(n), int(y), **dict(zip(tracks, v, strict=True))) for n, y, *v in rows]
    return Study(
        examples=tuple(examples),
        truth=truth,
        labels=("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
        groups=actors,
        folds=np.full(len(truth), ""),
        modalities={"face": "image", "course": "audio", "shape": "audio"},
    )


def _relative(
    rows: npt.NDArray[np.float64], groups: npt.NDArray[np.str_]
) -> npt.NDArray[np.float64]:
    moved = rows.astype(np.float64)
    for group in np.unique(groups):
        own = rows[groups == group]
        moved[groups == group] = (own - own.mean(0)) / (own.std(0) + 1e-3)
    return moved


def _shape(course: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Length, level and movement of the loud part of a course."""
    loud = course[course > -66.0]
    above = np.flatnonzero(loud > loud.max() - 30)
    part = loud[above[0] : above[-1] + 1]
    steps = np.diff(part)
    drawn = np.interp(np.linspace(0, len(part) - 1, 40), np.arange(len(part)), part)
    return np.array(
        [
            *(len(loud), len(part), above[0], loud.max(), part.mean(), part.std()),
            *np.percentile(part, [5, 10, 25, 50, 75, 90, 95]),
            *(np.abs(steps).mean(), steps.std(), steps.max(), steps.min()),
            *((part > part.mean()).mean(), len(above)),
            *np.percentile(loud, [5, 10, 20, 30]),
            *drawn,
        ]
    )


def mosi() -> tuple[list[Example], list[Example]]:
    """CMU-MOSI: a video's utterances as steps, training and test videos of the official split."""
    data = np.load(SHARED_DATA / "mosi" / "features.npz")
    rows = _rows(SHARED_DATA / "mosi" / "utterances.csv")
    parts: dict[str, list[Example]] = {"train": [], "test": []}
    for video in dict.fromkeys(r["video"] for r in rows):
        index = [i for i, r in enumerate(rows) if r["video"] == video]
        index.sort(key=lambda i: int(rows[i]["segment"]))
        there = np.ones(len(index), bool)
        example = Example(
            name=video,
            time_s=np.arange(len(index), dtype=np.float32) * 4,  # an utterance lasts about 4 s
            values={t: data[t][index] for t in ("text", "audio", "video")},
            present=dict.fromkeys(("text", "audio", "video"), there),
            step_target=np.array([int(rows[i]["label"]) for i in index], np.int64),
            words=tuple(w for i in index for w in rows[i]["transcript"].lower().split()),
        )
        parts[rows[index[0]]["split"]].append(example)
    return parts["train"], parts["test"]


def _from_clips(sources: Sequence[Source], *, step_s: float) -> tuple[list[str], list[Example]]:
    """Features of clips as `triptych train` makes them, without speech recognition."""
    config = Config(
        decode=DecodeConfig(fps=1 / step_s),
        extract=ExtractConfig(preset="full", asr="never", step_s=step_s),
    )
    dataset = read_dataset(sources, task="single")
    found = gather_samples(
        dataset.items, identify_all(dataset.items), config=config, listener=Silent()
    )
    names = [str(i.source.path) for i in found.items]
    pairs = zip(found.samples, names, strict=True)
    return names, [example_of(sample, name=name) for sample, name in pairs]


def _modalities(examples: Sequence[Example]) -> dict[str, str]:
    seen = {t for e in examples for t, m in e.present.items() if m.any()}
    kind = {s.name: s.modality for e in BUILTIN.values() for s in e.specs}
    return {t: kind[t] for t in kind if t in seen and t not in UNREAD}


def fight() -> tuple[Study, npt.NDArray[np.float64]]:
    """Surveillance clips with and without a fight; and what a shortcut would go by.

    Returns:
        The study, and width, height, frames a second and length of each clip (N, 4).
    """
    folder = SHARED_DATA / "fight_surv"
    rows = {str(folder / r["path"]): r for r in _rows(folder / "labels.csv")}
    names, examples = _from_clips(find_sources([folder / "labels.csv"], out=Path("/")), step_s=0.25)
    truth = np.array([int(rows[n]["label"] == "fight") for n in names])
    study = Study(
        examples=tuple(replace(e, target=int(y)) for e, y in zip(examples, truth, strict=True)),
        truth=truth,
        labels=("no_fight", "fight"),
        groups=np.array([rows[n]["group"] for n in names]),
        folds=np.array([rows[n]["fold"] for n in names]),
        modalities=_modalities(examples),
    )
    return study, np.array([_dimensions(Path(n)) for n in names])


def _dimensions(path: Path) -> tuple[float, float, float, float]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        length_s = (container.duration or 0) / 1e6
        return stream.width, stream.height, float(stream.average_rate or 0), length_s


def grid(label: str) -> tuple[Study, Study]:
    """GRID sentences: the label's word from sound and lips; clean, and with noise at 0 dB.

    Words are not an input: the sentence would hold the label.

    Args:
        label: "color" or "digit".
    """
    rows = {Path(r["path"]).stem: r for r in _rows(SHARED_DATA / "grid_s1" / "labels.csv")}
    labels = tuple(sorted({r[label] for r in rows.values()}))
    studies = []
    for noisy in (False, True):
        stems, examples = _grid_clips(noisy)
        truth = np.array([labels.index(rows[s][label]) for s in stems])
        pairs = zip(examples, truth, strict=True)
        studies.append(
            Study(
                examples=tuple(replace(e, target=int(y), words=()) for e, y in pairs),
                truth=truth,
                labels=labels,
                groups=np.array(stems),
                folds=np.full(len(stems), ""),
                modalities=_modalities(examples),
            )
        )
    return studies[0], studies[1]


@functools.cache
def _grid_clips(noisy: bool) -> tuple[list[str], list[Example]]:
    """Names and features of the clips, which are the same for every label."""
    clips = sorted((SHARED_DATA / "grid_s1" / "video").glob("*.mpg"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "clips"
        folder.mkdir()
        for number, clip in enumerate(clips):
            target = folder / f"{clip.stem}.mkv"
            _remuxed(clip, target, noise_seed=number if noisy else None)
        found = find_sources([folder], out=Path(scratch) / "out")
        sources = [replace(s, extra=(("label", str(i % 2)),)) for i, s in enumerate(found)]
        names, examples = _from_clips(sources, step_s=0.25)
    return [Path(n).stem for n in names], examples


def _remuxed(clip: Path, target: Path, *, noise_seed: int | None) -> None:
    """Copy the pictures; sound as PCM, with white noise as loud as the speech if asked for."""
    with av.open(str(clip)) as source, av.open(str(target), "w") as out:
        video, audio = source.streams.video[0], source.streams.audio[0]
        seen = out.add_stream_from_template(video)
        heard = out.add_stream("pcm_s16le", rate=16_000, layout="mono")
        resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
        sound: list[npt.NDArray[np.float64]] = []
        for packet in source.demux(video, audio):
            if packet.stream is video and packet.dts is not None:
                packet.stream = seen
                out.mux(packet)
            elif packet.stream is audio:
                for frame in packet.decode():
                    sound += [f.to_ndarray()[0] / 32768 for f in resampler.resample(frame)]
        samples = np.concatenate(sound)
        if noise_seed is not None:
            noise = np.random.default_rng(noise_seed).normal(size=len(samples))
            samples = samples + noise * np.sqrt(np.mean(samples**2) / np.mean(noise**2))
        whole = (np.clip(samples, -1, 1) * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(whole, format="s16", layout="mono")
        frame.sample_rate, frame.pts = 16_000, 0
        for packet in (*heard.encode(frame), *heard.encode(None)):
            out.mux(packet)
