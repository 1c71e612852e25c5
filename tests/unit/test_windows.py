"""A window of a film is, bit for bit, what the whole film gives there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import synth
from conftest import SHARED_DATA
from triptych.decode import open_media
from triptych.decode.landing import SoundStart, find_landing
from triptych.records import Frames, Sound

CODED: dict[str, Any] = {
    "codec": "libx264",
    "pixels": "yuv420p",
    "options": {"g": "50", "bf": "2", "preset": "ultrafast"},
}
SOUNDS = {
    "mp4": ("aac", 44_100),
    "mkv": ("libopus", 48_000),
    "ts": ("aac", 48_000),
    "mov": ("pcm_s16le", 44_100),
    "avi": ("libmp3lame", 44_100),
}
WINDOWS = ((0.0, 1.0), (0.3, 0.9), (1.9, 2.4), (2.0, 3.1), (4.013, 4.027), (5.5, 99.0))


def sweep(seconds: float, rate: int) -> np.ndarray:
    """A tone that rises."""
    at = np.arange(round(seconds * rate)) / rate
    return (0.4 * np.sin(2 * np.pi * (200 + 150 * at) * at)).astype(np.float32)


@dataclass(frozen=True)
class Heard:
    """What came out of a file, or of a window of it."""

    times: list[float]
    pictures: list[np.ndarray]
    start_s: float
    wave: np.ndarray
    origin_s: float


def read(path: Path, start_s: float | None = None, end_s: float | None = None) -> Heard:
    times: list[float] = []
    pictures: list[np.ndarray] = []
    sounds: list[Sound] = []
    with open_media(path) as media:
        zero_s = media.info.start_s
        for chunk in media.stream(
            fps=5000.0,
            short_side=48,
            start_s=None if start_s is None else zero_s + start_s,
            end_s=None if end_s is None else zero_s + end_s,
        ):
            if isinstance(chunk, Frames):
                times += chunk.pts_s.tolist()
                pictures += list(chunk.rgb)
            elif isinstance(chunk, Sound):
                sounds.append(chunk)
        assert media.report.errors == 0
    wave = np.concatenate([s.samples for s in sounds]) if sounds else np.zeros(0, np.float32)
    return Heard(times, pictures, sounds[0].start_s if sounds else 0.0, wave, zero_s)


def check(whole: Heard, window: Heard, start_s: float, end_s: float) -> None:
    """All frames on screen in the window, and all samples heard in it, and no others."""
    begin, end = whole.origin_s + start_s, whole.origin_s + end_s
    ends = [*whole.times[1:], float("inf")]
    wanted = [i for i, t in enumerate(whole.times) if t < end - 1e-9 and ends[i] > begin + 1e-6]
    assert window.times == [whole.times[i] for i in wanted]
    for i, picture in zip(wanted, window.pictures, strict=True):
        np.testing.assert_array_equal(picture, whole.pictures[i])
    at = whole.start_s + np.arange(len(whole.wave)) / synth.RATE_HZ
    inside = (at >= begin - 1.25e-6) & (at < end - 1.25e-6)
    assert inside.any() == bool(len(window.wave))
    if inside.any():
        assert window.start_s == pytest.approx(at[inside][0], abs=1e-9)
        np.testing.assert_array_equal(window.wave, whole.wave[inside])


@pytest.mark.parametrize("ending", SOUNDS)
def test_of_every_container(tmp_path: Path, ending: str) -> None:
    codec, rate = SOUNDS[ending]
    path = synth.write(
        tmp_path / f"film.{ending}",
        times=synth.steady(6.0),
        picture=synth.textured,
        wave=sweep(6.0, rate),
        rate=rate,
        sound_codec=codec,
        **CODED,
    )
    whole = read(path)
    for start_s, end_s in WINDOWS:
        check(whole, read(path, start_s, end_s), start_s, end_s)


@pytest.mark.needs("shared")
@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_of_a_real_film(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"film.{ending}"
    real = SHARED_DATA / "hard_inputs" / "torchcodec" / "nasa_13013.mp4"
    with av.open(str(real)) as source, av.open(str(path), "w") as out:
        kept = {s.index: out.add_stream_from_template(s)
                for s in (source.streams.video[1], source.streams.audio[0])}  # fmt: skip
        for packet in source.demux([source.streams[i] for i in kept]):
            if packet.dts is not None:
                packet.stream = kept[packet.stream.index]
                out.mux(packet)
    whole = read(path)
    for start_s, end_s in ((2.73, 4.1), (6.5, 7.0), (10.01, 11.3)):
        check(whole, read(path, start_s, end_s), start_s, end_s)


def test_sound_alone(tmp_path: Path) -> None:
    path = synth.write(
        tmp_path / "sound.mp3", wave=sweep(5.0, 44_100), rate=44_100, sound_codec="libmp3lame"
    )
    whole = read(path)
    for start_s, end_s in ((0.0, 2.0), (1.3, 1.31), (3.0, 9.0)):
        check(whole, read(path, start_s, end_s), start_s, end_s)


def test_a_seek_that_lands_too_late_is_seen(tmp_path: Path) -> None:
    # MPEG-TS has no index: ffmpeg guesses by bytes, and comes out after the key frame.
    path = synth.write(
        tmp_path / "film.ts",
        times=synth.steady(8.0),
        picture=synth.textured,
        **(CODED | {"options": {"g": "150", "preset": "ultrafast"}}),
    )
    with open_media(path) as media, av.open(str(path)) as plain:
        stream = plain.streams.video[0]
        plain.seek(int(5.0 / stream.time_base), stream=stream)
        key_s = next(float(p.pts * p.time_base) for p in plain.demux(stream) if p.is_keyframe)
        assert key_s > 5.0  # or this test is about nothing
        landing = find_landing(lambda: av.open(str(path)), media.streams.all, start_s=5.0)
    whole = read(path)
    check(whole, read(path, 5.0, 5.5), 5.0, 5.5)
    assert landing.stream == -1 or landing.ticks * float(stream.time_base) < 5.0


@pytest.mark.parametrize("rounding_s", [0.0, 0.0005, -0.0005])
def test_rounded_times_find_their_frame(rounding_s: float) -> None:
    begin = SoundStart(start_s=0.007, rate_hz=44_100, first=700, size=1024, rounding_s=0.002)
    for frames in range(1, 2000, 37):
        index = 700 + 1024 * frames
        assert begin.index_of(0.007 + index / 44_100 + rounding_s) == index
