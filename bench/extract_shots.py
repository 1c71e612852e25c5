"""Cuts of montages of real clips: how many are found, and what it costs.

    python bench/extract.py shots --montages 6

With `--dissolve 1.0` each cut is made a dissolve of so many seconds, whose middle is the truth.
The truth is how the montages were made (bench/montage.py). A found cut counts once, if one of the
truth lies within 0.5 s of it. Milliseconds are CPU time of the detector for a frame of the film,
decoding left out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from montage import FPS, Studio

from triptych.decode import open_media
from triptych.events import Stopwatch
from triptych.extract.drive import pump
from triptych.extract.registry import load
from triptych.extract.shots import shots_of

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
DETECTORS = ("shots", "transnet")
TOLERANCE_S = 0.5
FRAME_S = 1.5 / FPS  # a frame away, whatever the rounding


class _Timed:
    """An extractor, and the CPU time of its own."""

    def __init__(self, name: str) -> None:
        self._inner = load(name)
        self.takes = self._inner.takes
        self.seconds = 0.0

    def __call__(self, *, step_s: float = 1.0) -> Iterator[Any]:
        inner = self._inner(step_s=step_s)
        next(inner)
        record = yield
        while True:
            began = time.process_time()
            try:
                inner.send(record)
            except StopIteration as end:
                return end.value
            finally:
                self.seconds += time.process_time() - began
            record = yield


def found_within(truth: Sequence[float], found: Sequence[float], tolerance_s: float) -> int:
    """Pairs of a true and a found cut, each used once, in the order of time."""
    pairs, left = 0, sorted(found)
    for cut in sorted(truth):
        near = [f for f in left if abs(f - cut) <= tolerance_s]
        if near:
            pairs += 1
            left.remove(min(near, key=lambda f: abs(f - cut)))
    return pairs


def dissolved(path: Path, cuts_s: Sequence[float], length_s: float) -> None:
    """Make each cut of a film a dissolve, around it.

    Each side goes on as its own mirror in time: what is shown beyond a cut is not in the film.
    """
    with av.open(str(path)) as media:
        frames = [frame.to_ndarray(format="rgb24") for frame in media.decode(video=0)]
    shown, half = list(frames), round(length_s * FPS / 2)
    for cut in (round(c * FPS) for c in cuts_s):
        for at in range(max(0, cut - half), min(len(frames), cut + half)):
            beyond = min(max(2 * cut - 1 - at, 0), len(frames) - 1)
            old, new = (frames[at], frames[beyond])[:: 1 if at < cut else -1]
            share = (at - cut + half + 0.5) / (2 * half)
            shown[at] = (old * (1 - share) + new * share).astype(np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options={"crf": "20", "preset": "veryfast"})
        stream.height, stream.width, _ = shown[0].shape
        stream.pix_fmt = "yuv420p"
        for picture in shown:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))


def measure(
    data: Path, montages: int, *, first_seed: int = 0, dissolve_s: float = 0.0
) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 of each detector over montages, and its CPU time a frame."""
    studio, timed = Studio(data), {name: _Timed(name) for name in DETECTORS}
    counts = {name: np.zeros(4) for name in DETECTORS}  # true, found, right, right to a frame
    frames, cuts = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first_seed, first_seed + montages):
            path = Path(folder) / f"{seed}.mp4"
            parts = studio.montage(path, seed=seed)
            truth = [part.start_s for part in parts[1:]]
            if dissolve_s:
                dissolved(path, truth, dissolve_s)
            cuts += len(truth)
            frames += round(parts[-1].end_s * FPS)
            for name, extractor in timed.items():
                with open_media(path) as media:
                    track = pump(media, {name: extractor}, watch=Stopwatch())[name]
                    origin = media.info.start_s
                found = [shot.start_s - origin for shot in shots_of(track)[1:]]
                right = [found_within(truth, found, t) for t in (TOLERANCE_S, FRAME_S)]
                counts[name] += (len(truth), len(found), *right)
                told = f"{right[0]} of {len(truth)} cuts, {len(found) - right[0]} false"
                print(f"montage {seed}, {name}: {told}", file=sys.stderr, flush=True)
            path.unlink()
    return {
        name: {
            "cuts": cuts,
            "precision": right / max(found, 1),
            "recall": right / max(true, 1),
            "f1": 2 * right / max(true + found, 1),
            "f1_to_a_frame": 2 * exact / max(true + found, 1),
            "ms_a_frame": 1000 * timed[name].seconds / frames,
        }
        for name, (true, found, right, exact) in counts.items()
    }


def add_parser(commands: Any) -> None:
    """The sub-command `shots`."""
    parser = commands.add_parser("shots", help="cuts of montages of real clips")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--montages", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0, help="of the first montage")
    parser.add_argument("--dissolve", type=float, default=0.0, metavar="S", help="in place of cuts")
    parser.set_defaults(run=shots)


def shots(asked: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Both detectors over montages."""
    return measure(asked.data, asked.montages, first_seed=asked.seed, dissolve_s=asked.dissolve)
