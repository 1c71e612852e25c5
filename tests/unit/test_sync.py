"""What is seen and heard at one moment has one time: within one frame of sound, in any container.

Each film shows one white picture and plays one short burst at the same moment.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import synth
from triptych.decode import open_media
from triptych.records import Frames, Sound

RATE, FPS, AT_S, LENGTH_S = 48_000, 25, 1.4, 2.4
STATED_S = 0.004  # where the container tells the coder's delay; a lossy codec smears this much
FRAME = {"aac": 1024, "libmp3lame": 1152, "mp2": 1152, "ac3": 1536, "libopus": 960,
         "vorbis": 1024, "pcm_s16le": 1024, "flac": 4608}  # fmt: skip


def film(path: Path, video: str, audio: str, *, start_s: float = 0.0, late_s: float = 0.0) -> Path:
    """Flash and burst at AT_S after the start; the sound track begins `late_s` after the film."""
    wave = np.zeros(round((LENGTH_S - late_s) * RATE), np.float32)
    at = round((AT_S - late_s) * RATE)
    wave[at : at + RATE // 50] = synth.tone(2000, 0.02, RATE, 0.8)
    flash = round(AT_S * FPS)
    with av.open(str(path), "w") as out:
        quick = {"libx264": {"tune": "zerolatency"}, "libvpx": {"deadline": "realtime"}}
        pictures = out.add_stream(video, rate=FPS, options={"g": "12"} | quick.get(video, {}))
        pictures.width, pictures.height, pictures.pix_fmt = 96, 64, "yuv420p"
        pictures.codec_context.time_base = Fraction(1, FPS)
        strict = {"strict": "experimental"}  # for vorbis
        sound = out.add_stream(audio, rate=RATE, layout="stereo", options=strict)
        for at in range(0, len(wave), 960):
            block = synth.audio_frame(
                wave[at : at + 960], rate=RATE, layout="stereo",
                at=round((start_s + late_s) * RATE) + at,
            )  # fmt: skip
            out.mux(sound.encode(block))
        for index in range(round(LENGTH_S * FPS)):
            colour = synth.WHITE if index == flash else synth.BLACK
            frame = av.VideoFrame.from_ndarray(synth.plain(colour), "rgb24")
            frame.pts, frame.time_base = round(start_s * FPS) + index, Fraction(1, FPS)
            out.mux(pictures.encode(frame))
        out.mux(pictures.encode(None))
        out.mux(sound.encode(None))
    return path


def moments(path: Path, **window: float) -> tuple[float, float]:
    """When the white picture appears, and when the burst begins."""
    bright: list[float] = []
    waves: list[Sound] = []
    with open_media(path) as media:
        for chunk in media.stream(fps=FPS, **window):
            if isinstance(chunk, Frames):
                bright += [t for t, p in zip(chunk.pts_s, chunk.rgb, strict=True) if p.mean() > 128]
            elif isinstance(chunk, Sound):
                waves.append(chunk)
    wave = np.abs(np.concatenate([s.samples for s in waves]))
    return bright[0], waves[0].start_s + float(np.argmax(wave > wave.max() / 2)) / synth.RATE_HZ


# Containers that say how much of the first sound is the coder's own, and those that do not.
STATED = [
    *(("mp4", "libx264", "aac"), ("mp4", "libx264", "libmp3lame"), ("mp4", "mpeg4", "libopus")),
    *(("mp4", "libx264", "ac3"), ("mov", "libx264", "pcm_s16le"), ("mkv", "libx264", "aac")),
    *(("mkv", "libx264", "libopus"), ("mkv", "mpeg4", "vorbis"), ("mkv", "ffv1", "flac")),
    *(("mkv", "libx264", "ac3"), ("webm", "libvpx", "libopus"), ("webm", "libvpx", "vorbis")),
    *(("ts", "libx264", "aac"), ("ts", "mpeg2video", "ac3"), ("avi", "mpeg4", "pcm_s16le")),
]
UNSTATED = [
    *(("ts", "mpeg2video", "mp2"), ("mpg", "mpeg2video", "mp2"), ("avi", "mpeg4", "libmp3lame")),
    *(("avi", "mpeg4", "ac3"), ("flv", "flv", "libmp3lame"), ("flv", "libx264", "aac")),
]


@pytest.mark.parametrize(
    ("ending", "video", "audio", "start_s"),
    [
        (*kind, start_s)
        for start_s in (0.0, 8.32)
        for kind in (*STATED, *UNSTATED)
        if kind[0] != "avi" or not start_s  # AVI films begin at zero
    ],
)
def test_flash_and_burst_meet(
    tmp_path: Path, ending: str, video: str, audio: str, start_s: float
) -> None:
    path = film(tmp_path / f"f.{ending}", video, audio, start_s=start_s)
    flash_s, burst_s = moments(path)
    late_s = STATED_S + (FRAME[audio] / RATE if (ending, video, audio) in UNSTATED else 0)
    assert burst_s == pytest.approx(flash_s, abs=late_s)
    if ending in ("mp4", "mov", "mkv", "webm"):
        assert flash_s == pytest.approx(start_s + AT_S, abs=0.002)


@pytest.mark.parametrize(
    ("ending", "audio"),
    [("mp4", "aac"), ("mov", "pcm_s16le"), ("mkv", "aac"), ("mkv", "libopus"), ("ts", "aac")],
)
def test_sound_that_begins_later_than_the_film(tmp_path: Path, ending: str, audio: str) -> None:
    flash_s, burst_s = moments(film(tmp_path / f"f.{ending}", "libx264", audio, late_s=0.7))
    assert burst_s == pytest.approx(flash_s, abs=STATED_S)


@pytest.mark.parametrize(
    ("ending", "audio"), [("mp4", "aac"), ("mkv", "libopus"), ("ts", "ac3"), ("avi", "pcm_s16le")]
)
def test_a_part_of_a_film_is_in_time(tmp_path: Path, ending: str, audio: str) -> None:
    video = "mpeg4" if ending == "avi" else "libx264"
    path = film(tmp_path / f"f.{ending}", video, audio)
    begin = av_start(path)
    flash_s, burst_s = moments(path, start_s=begin + 1.0, end_s=begin + 2.0)
    assert burst_s == pytest.approx(flash_s, abs=STATED_S)


def av_start(path: Path) -> float:
    with open_media(path) as media:
        return media.info.start_s


def boxes(data: bytes, begin: int, end: int, *path: bytes) -> Iterator[tuple[int, int]]:
    """Where the contents of boxes of MP4 are, by their names from the outside in."""
    while begin + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, begin)
        if name == path[0] and len(path) == 1:
            yield begin + 8, begin + size
        elif name == path[0]:
            yield from boxes(data, begin + 8, begin + size, *path[1:])
        begin += max(size, 8)


def edited(path: Path, cut_s: float) -> None:
    """Let both tracks begin later, by their edit lists; nothing else is changed."""
    data = bytearray(path.read_bytes())
    ((movie, _),) = boxes(data, 0, len(data), b"moov", b"mvhd")
    scale = struct.unpack_from(">I", data, movie + 12)[0]
    tracks = list(boxes(data, 0, len(data), b"moov", b"trak"))
    assert len(tracks) == 2
    for begin, end in tracks:
        ((header, _),) = boxes(data, begin, end, b"mdia", b"mdhd")
        own_scale = struct.unpack_from(">I", data, header + 12)[0]
        ((at, _),) = boxes(data, begin, end, b"edts", b"elst")
        version, count, lasts, first = struct.unpack_from(">IIIi", data, at)
        assert (version, count) == (0, 1)
        struct.pack_into(">Ii", data, at + 8, lasts - round(cut_s * scale),
                         first + round(cut_s * own_scale))  # fmt: skip
    path.write_bytes(data)


@pytest.mark.parametrize("audio", ["aac", "libopus", "libmp3lame"])
@pytest.mark.parametrize("cut_s", [0.0, 0.52, 1.24])
def test_edit_lists_that_cut_the_beginning(tmp_path: Path, audio: str, cut_s: float) -> None:
    path = film(tmp_path / "f.mp4", "libx264", audio)
    edited(path, cut_s)
    flash_s, burst_s = moments(path)
    assert flash_s == pytest.approx(AT_S - cut_s, abs=0.002)
    assert burst_s == pytest.approx(flash_s, abs=STATED_S)


def without(source: Path, path: Path, is_lost: Callable[[float], bool]) -> Path:
    """The same film less some packets of its sound; times of the others stay."""
    with av.open(str(source)) as film_in, av.open(str(path), "w") as out:
        streams = {s.index: out.add_stream_from_template(s) for s in film_in.streams}
        for packet in film_in.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "audio" and is_lost(float(packet.pts * packet.time_base)):
                continue
            packet.stream = streams[packet.stream.index]
            out.mux(packet)
    return path


@pytest.mark.parametrize("ending", ["mkv", "ts"])
@pytest.mark.parametrize("audio", ["aac", "ac3"])
@pytest.mark.parametrize("lost_s", [0.03, 0.06, 0.09, 0.4])
def test_lost_sound_leaves_a_hole_and_no_delay(
    tmp_path: Path, ending: str, audio: str, lost_s: float
) -> None:
    whole = film(tmp_path / f"whole.{ending}", "libx264", audio)
    begin = av_start(whole) + 0.5
    path = without(whole, tmp_path / f"f.{ending}", lambda t: begin <= t < begin + lost_s)
    flash_s, burst_s = moments(path)
    assert burst_s == pytest.approx(flash_s, abs=STATED_S + FRAME[audio] / RATE)


def test_packets_lost_now_and_then_do_not_add_up(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mkv", "libx264", "aac")
    path = without(whole, tmp_path / "f.mkv", lambda t: t < 1.3 and int(t * 46.875) % 5 == 0)
    flash_s, burst_s = moments(path)
    assert burst_s == pytest.approx(flash_s, abs=STATED_S + FRAME["aac"] / RATE)
