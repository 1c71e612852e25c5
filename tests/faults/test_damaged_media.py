"""Damage: times that lie, bytes that changed, and noise."""

from __future__ import annotations

import contextlib
import functools
import os
import warnings
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import synth
from reading import read_all
from triptych.decode import open_media
from triptych.decode.container import open_container
from triptych.errors import TriptychError
from triptych.records import Sound

MUTATIONS = 40  # of each of the small films below

# Times that lie


def lying(path: Path, *, pictures: bool, jump_s: float) -> Path:
    """A second of sound, and of pictures, and the same again much later."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        sound = out.add_stream("aac", rate=16_000, layout="mono")
        for begin_s in (0.0, jump_s):
            at = round(begin_s * 16_000)
            block = synth.audio_frame(synth.tone(440, 1.0), rate=16_000, format="s16", at=at)
            out.mux(sound.encode(block))
            for index in range(10):
                frame = av.VideoFrame.from_ndarray(synth.textured(index), "rgb24")
                shown_s = (begin_s if pictures else bool(begin_s)) + index / 10
                frame.pts, frame.time_base = round(shown_s * 1000), Fraction(1, 1000)
                out.mux(video.encode(frame))
        for stream in (video, sound):
            out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("ending", ["mkv", "mp4", "ts"])
@pytest.mark.parametrize("pictures", [False, True])
@pytest.mark.parametrize("jump_s", [36_000.0, 500.0])
def test_a_small_file_does_not_last_for_hours(
    tmp_path: Path, ending: str, pictures: bool, jump_s: float
) -> None:
    path = lying(tmp_path / f"film.{ending}", pictures=pictures, jump_s=jump_s)
    with open_media(path) as media:
        heard = sum(len(c.samples) for c in media.stream() if isinstance(c, Sound))
        report = media.report
    assert heard / synth.RATE_HZ < 4.0
    # MP4 says how long each picture stays, and that is believed for as long as times are.
    assert report.end_s < (4.0 if not pictures or (jump_s > 1000 and ending != "mp4") else 3600)
    assert report.partial == (jump_s > 1000 or not pictures)
    assert any("too little in this file for its times to be true" in w for w in report.warnings)


# Random damage


@functools.cache
def small_films(folder: Path) -> tuple[Path, ...]:
    """One small film of each container and a few codecs, with sound and words where it can."""
    times = synth.steady(0.8, 10)
    tone = synth.tone(440, 0.8)
    made = [
        ("a.mp4", {"codec": "libx264", "pixels": "yuv420p", "sound_codec": "aac", "wave": tone}),
        ("b.mkv", {"wave": tone}),
        ("c.avi", {"codec": "mpeg4", "pixels": "yuv420p", "wave": tone}),
        ("d.ts", {"codec": "libx264", "pixels": "yuv420p", "wave": tone, "sound_codec": "aac"}),
        ("e.webm", {"codec": "libvpx", "pixels": "yuv420p"}),
        ("f.gif", {"codec": "gif", "pixels": "rgb8"}),
    ]
    films = [
        synth.write(folder / name, times=times, picture=synth.textured, **options)
        for name, options in made
    ]
    films.append(synth.write(folder / "g.wav", wave=tone))
    films.append(synth.write(folder / "h.mp3", wave=tone, sound_codec="libmp3lame"))
    return tuple(films)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return small_films(tmp_path_factory.mktemp("films"))


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes changed, a part cut out, or a part said twice."""
    out = bytearray(data)
    for at in rng.integers(0, len(out), rng.integers(1, 30)):
        out[at] = rng.integers(0, 256)
    begin, length = int(rng.integers(0, len(out))), int(rng.integers(0, 400))
    match int(rng.integers(0, 4)):
        case 0:
            del out[begin : begin + length]
        case 1:
            out[begin:begin] = out[begin : begin + length]
    # Headers are where the lies are: half of all damage goes there.
    for at in rng.integers(0, min(len(out), 700), rng.integers(0, 6)):
        out[at] = rng.integers(0, 256)
    return bytes(out)


def test_damaged_films_raise_nothing_unexpected(films: tuple[Path, ...], tmp_path: Path) -> None:
    rng = np.random.default_rng(20240229)
    good = bad = 0
    unexpected: list[str] = []
    for film in films:
        data = film.read_bytes()
        path = tmp_path / film.name
        for turn in range(MUTATIONS):
            path.write_bytes(damaged(data, rng))
            try:
                read_all(path)
                good += 1
            except TriptychError as err:
                bad += 1
                assert err.path == str(path) and err.remedy, repr(err)
            except Exception as err:  # noqa: BLE001 - whatever it is, it is the finding
                unexpected.append(f"{film.name}, damage {turn}: {err!r}")
    assert not unexpected, "\n".join(unexpected)
    assert good > 50 and bad > 10  # else the damage is too much, or too little


@pytest.mark.parametrize("seed", range(5))
def test_noise_raises_nothing_unexpected(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    heads = [b"", b"\0\0\0\x20ftypisom", b"\x1aE\xdf\xa3", b"RIFF\xff\xff\0\0AVI ", b"OggS", b"ID3"]
    for head in heads:
        path = tmp_path / "film.mp4"
        path.write_bytes(head + rng.bytes(20_000))
        try:
            read_all(path)
        except TriptychError as err:
            assert err.path == str(path) and err.remedy


def test_no_warnings_and_no_open_files_are_left(films: tuple[Path, ...], tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for film in films:
            read_all(film)
            for share in (0.004, 0.5):
                with contextlib.suppress(TriptychError):
                    read_all(synth.truncated(film, tmp_path / film.name, share))
        with open_container(films[0]):
            pass
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before
