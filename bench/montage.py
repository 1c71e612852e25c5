"""Montages of real clips whose truth is known: what is shown when, and what is shown twice."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SIZE, FPS, RATE = (480, 270), 25, 44_100
DISTINCT, REPEATS = (8, 14), (2, 4)  # of a montage
RATIO = 10  # of the longest clip to the shortest
SHORTEST_S = 1.2

# Stretches of films and talks within which nothing is cut, looked at by eye; start and end.
LONG = (
    ("datajuicer_video3_50s_portrait.mp4", 2.0, 24.0),
    ("video2dataset_test_video_123s_1080p.mp4", 10.0, 30.0),
    ("video2dataset_test_video_123s_1080p.mp4", 72.0, 84.0),
    ("bbb_trailer_720p_audio.mp4", 1.5, 8.5),
    ("bbb_trailer_720p_audio.mp4", 14.75, 24.5),
    ("bbb_trailer_720p_audio.mp4", 25.0, 31.0),
    ("bbb_trailer_720p_audio.mp4", 37.75, 41.0),
    ("sintel_trailer_480p_audio.mp4", 36.75, 39.75),
    ("world_30s.mp4", 2.0, 22.0),
)
CUT_INSIDE = {"fight/fi042.mp4"}  # two cameras
COPIES = (("mpeg4", (240, 134), {"qmin": "8", "qmax": "8"}), ("libx264", (320, 180), {"crf": "35"}))


@dataclass(frozen=True, slots=True)
class Source:
    """A clip, or a stretch of one; no two show the same scene."""

    name: str
    path: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a montage."""

    source: str
    start_s: float
    end_s: float
    copy: bool  #: at another encoding and size, of what is shown elsewhere


def sources(data: Path, rng: np.random.Generator) -> list[Source]:
    """One surveillance clip of each recording, one of the speaker, all stretches of films."""
    groups: dict[str, list[str]] = {}
    with (data / "fight_surv" / "labels.csv").open() as file:
        for row in csv.DictReader(file):
            if row["path"] not in CUT_INSIDE:
                groups.setdefault(row["group"], []).append(row["path"])
    found = [
        Source(f"fight-{group}", f"fight_surv/{rng.choice(paths)}", 0.0, 60.0)
        for group, paths in sorted(groups.items())
    ]
    with (data / "grid_s1" / "labels.csv").open() as file:
        clips = [row["path"] for row in csv.DictReader(file)]
    found.append(Source("grid", f"grid_s1/{rng.choice(clips)}", 0.0, 60.0))
    return found + [Source(f"{p}@{a:g}", f"long_video/{p}", a, b) for p, a, b in LONG]


class Studio:
    """Reads clips once and joins them; pictures are kept in memory."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._read: dict[Source, tuple[list[np.ndarray], np.ndarray]] = {}

    def montage(self, path: Path, *, seed: int) -> list[Part]:
        """Write one montage, and the truth beside it as JSON."""
        rng = np.random.default_rng(seed)
        every = sources(self.data, rng)
        long = [s for s in every if "@" in s.name]
        short = [s for s in every if "@" not in s.name]
        count = int(rng.integers(DISTINCT[0], DISTINCT[1] + 1))
        films = int(rng.integers(2, 5))
        order = rng.permutation(len(long)).tolist()
        order.sort(key=lambda i: long[i].end_s - long[i].start_s < RATIO * SHORTEST_S)
        chosen = [long[order[0]], *(long[i] for i in rng.permutation(order[1:])[: films - 1])]
        chosen += [short[i] for i in rng.choice(len(short), count - films, replace=False)]
        clips = [(s, *self._clip(s), False) for s in chosen]
        clips = [c for c in clips if len(c[1]) >= SHORTEST_S * FPS]
        longest = max(len(c[1]) for c in clips)
        least = int(min(min(len(c[1]) for c in clips), max(longest / RATIO, SHORTEST_S * FPS)))
        at = min(range(len(clips)), key=lambda i: len(clips[i][1]))
        clips[at] = (clips[at][0], clips[at][1][:least], clips[at][2], False)
        again = rng.choice(len(clips), int(rng.integers(*REPEATS, endpoint=True)), replace=False)
        clips += [self._copied(clips[i], COPIES[k % len(COPIES)]) for k, i in enumerate(again)]
        order = self._shuffled([c[0].name for c in clips], rng)
        parts = write(path, [clips[i] for i in order])
        path.with_suffix(".json").write_text(json.dumps([asdict(p) for p in parts]))
        return parts

    def _shuffled(self, names: Sequence[str], rng: np.random.Generator) -> list[int]:
        """An order in which nothing follows its own copy: there would be no cut between."""
        while True:
            order = rng.permutation(len(names)).tolist()
            if all(names[a] != names[b] for a, b in itertools.pairwise(order)):
                return order

    def _clip(self, source: Source) -> tuple[list[np.ndarray], np.ndarray]:
        if source not in self._read:
            with av.open(str(self.data / source.path)) as media:
                self._read[source] = read(media, source.start_s, source.end_s)
        return self._read[source]

    def _copied(
        self, clip: tuple[Source, list[np.ndarray], np.ndarray, bool], how: tuple
    ) -> tuple[Source, list[np.ndarray], np.ndarray, bool]:
        source, pictures, sound, _ = clip
        codec, size, options = how
        buffer = io.BytesIO()
        with av.open(buffer, "w", format="matroska") as out:
            stream = out.add_stream(codec, rate=FPS, options=options)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            for picture in pictures:
                frame = av.VideoFrame.from_ndarray(picture, "yuv420p")
                out.mux(stream.encode(frame.reformat(*size)))
            out.mux(stream.encode(None))
        buffer.seek(0)
        with av.open(buffer) as media:
            worse, _ = read(media, 0.0, 3600.0)
        return source, worse[: len(pictures)], sound, True


def read(media: av.container.InputContainer, start_s: float, end_s: float):
    """Pictures at 25 a second, fitted into the montage's size, and mono sound."""
    pictures: list[np.ndarray] = []
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    heard: list[np.ndarray] = []
    streams = [*media.streams.video[:1], *media.streams.audio[:1]]
    first: float | None = None
    for frame in media.decode(*streams):
        time_s = frame.time or 0.0
        if time_s >= end_s + 1.0:  # sound and pictures are stored a little apart
            break
        if isinstance(frame, av.VideoFrame):
            if time_s < start_s or time_s >= end_s:
                continue
            first = time_s if first is None else first
            held = fitted(frame)
            while len(pictures) <= (time_s - first) * FPS + 1e-6:
                pictures.append(held)
        elif start_s <= time_s < end_s:
            heard += [f.to_ndarray()[0] for f in resampler.resample(frame)]
    sound = np.concatenate([np.zeros(0, np.float32), *heard]).astype(np.float32)
    return pictures, sound


def fitted(frame: av.VideoFrame) -> np.ndarray:
    """The whole picture on black, (H * 3 / 2, W) in YUV 4:2:0."""
    width, height = SIZE
    scale = min(width / frame.width, height / frame.height)
    w, h = (max(2, int(side * scale) // 2 * 2) for side in (frame.width, frame.height))
    rgb = frame.reformat(w, h, "rgb24").to_ndarray()
    whole = np.zeros((height, width, 3), np.uint8)
    top, left = (height - h) // 2, (width - w) // 2
    whole[top : top + h, left : left + w] = rgb
    return av.VideoFrame.from_ndarray(whole, "rgb24").reformat(format="yuv420p").to_ndarray()


def write(path: Path, clips: Sequence[tuple]) -> list[Part]:
    """Join clips; the sound of each is cut or filled to the length of its pictures."""
    parts, at = [], 0
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23"})
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        audio = out.add_stream("aac", rate=RATE, layout="mono")
        for source, pictures, sound, copy in clips:
            parts.append(Part(source.name, at / FPS, (at + len(pictures)) / FPS, copy))
            for picture in pictures:
                frame = av.VideoFrame.from_ndarray(picture, "yuv420p")
                frame.pts, frame.time_base = at, Fraction(1, FPS)
                out.mux(video.encode(frame))
                at += 1
            count = round(len(pictures) * RATE / FPS)
            wave = np.zeros(count, np.float32)
            wave[: min(count, len(sound))] = sound[:count]
            block = av.AudioFrame.from_ndarray(wave[None], "flt", "mono")
            block.sample_rate, block.time_base = RATE, Fraction(1, RATE)
            block.pts = round(parts[-1].start_s * RATE)
            out.mux(audio.encode(block))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return parts
