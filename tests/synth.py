"""Media made with PyAV, each with its truth: what is shown and heard, and exactly when.

Pictures are lossless (FFV1 in Matroska) unless a container or codec is what a test is about, so
that a pixel can be compared bit by bit. Matroska counts milliseconds: give times that are whole
ones.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from triptych.records import Cue, FeatureTrack, Frames, Luma, Modality, Sound, Spec, Timeline

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 200, 40), (30, 60, 220), (230, 210, 40)
GREY, BLACK, WHITE = (128, 128, 128), (0, 0, 0), (255, 255, 255)
COLOURS = (RED, GREEN, BLUE, YELLOW)
RATE_HZ = 16_000

Picture = np.ndarray
_TICK = Fraction(1, 1000)


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A file and the truth about it."""

    path: Path
    times: tuple[float, ...] = ()  #: of its frames
    end_s: float = 0.0
    start_s: float = 0.0
    cuts: tuple[float, ...] = ()  #: times of the first frames of new scenes
    tones: tuple[tuple[float, float], ...] = ()  #: (time it begins, Hz)
    facts: dict[str, Any] = field(default_factory=dict)


# Pictures


def plain(colour: Sequence[int], size: tuple[int, int] = (96, 64)) -> Picture:
    """One colour."""
    return np.full((size[1], size[0], 3), colour, np.uint8)


def quarters(size: tuple[int, int] = (96, 64)) -> Picture:
    """Red top left, green top right, blue bottom left, yellow bottom right."""
    width, height = size
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = RED
    picture[: height // 2, width // 2 :] = GREEN
    picture[height // 2 :, : width // 2] = BLUE
    picture[height // 2 :, width // 2 :] = YELLOW
    return picture


def numbered(index: int, size: tuple[int, int] = (96, 64)) -> Picture:
    """A picture that belongs to one frame only: its number in 12 black and white bars."""
    picture = plain(GREY, size)
    for bit in range(12):
        left = bit * size[0] // 12
        picture[:, left : (bit + 1) * size[0] // 12] = 255 * (index >> bit & 1)
    return picture


def number_of(picture: Picture) -> int:
    """The number that `numbered` drew, whatever the scale."""
    row = picture[picture.shape[0] // 2].mean(axis=1)
    centres = ((np.arange(12) + 0.5) * len(row) / 12).astype(int)
    return int(((row[centres] > 128) << np.arange(12)).sum())


def textured(seed: int, size: tuple[int, int] = (96, 64)) -> Picture:
    """Smooth random colours."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), np.uint8)
    frame = av.VideoFrame.from_ndarray(coarse, "rgb24")
    return frame.reformat(width=size[0], height=size[1], interpolation="BICUBIC").to_ndarray()


def speckled(size: tuple[int, int] = (171, 128), *, seed: int = 0, grain: float = 0.05) -> Picture:
    """Smooth grey noise (H, W) without a direction: what optical flow can follow.

    Args:
        size: width and height.
        seed: of the noise.
        grain: size of its speckles, in short sides: the same picture at every size.
    """
    short = min(size)
    cells = tuple(max(2, round(side / short / grain)) for side in size)
    coarse = np.random.default_rng(seed).integers(0, 256, (*cells[::-1], 3), np.uint8)
    frame = av.VideoFrame.from_ndarray(coarse, "rgb24")
    scaled = frame.reformat(width=size[0], height=size[1], format="gray", interpolation="BICUBIC")
    return scaled.to_ndarray()


# Sounds


def tone(hz: float, seconds: float, rate: int = RATE_HZ, level: float = 0.5) -> np.ndarray:
    """A sine, float32."""
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(
        np.float32
    )


def noise(seconds: float, rate: int = RATE_HZ, seed: int = 0, level: float = 0.1) -> np.ndarray:
    """White noise, float32."""
    wave = np.random.default_rng(seed).normal(0, level, round(seconds * rate))
    return np.clip(wave, -1, 1).astype(np.float32)


def audio_frame(
    wave: np.ndarray, *, rate: int, layout: str = "mono", format: str = "flt", at: int | None = 0
) -> av.AudioFrame:
    """One packed decoded frame; `wave` is mono, in [-1, 1], heard alike in all channels."""
    channels = av.AudioLayout(layout).nb_channels
    scaled: np.ndarray
    if format == "u8":
        scaled = np.round(wave * 127 + 128).astype(np.uint8)
    elif format == "s16":
        scaled = np.round(wave * 32767).astype(np.int16)
    else:
        scaled = wave.astype(np.float32)
    frame = av.AudioFrame.from_ndarray(np.repeat(scaled, channels)[None], format, layout)
    frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), at
    return frame


# Files


def write(
    path: Path,
    *,
    times: Sequence[float] = (),
    picture: Callable[[int], Picture] = numbered,
    codec: str = "ffv1",
    pixels: str = "bgr0",
    rotation: int = 0,
    aspect: Fraction | None = None,
    fps: int = 25,
    wave: np.ndarray | None = None,
    rate: int = RATE_HZ,
    layout: str = "mono",
    sound_codec: str = "pcm_s16le",
    sound_start_s: float = 0.0,
    options: dict[str, str] | None = None,
) -> Path:
    """Write frames at given times, and sound; the base of everything below."""
    with av.open(str(path), "w") as out:
        video = sound = None
        if len(times):
            first = picture(0)
            video = out.add_stream(codec, rate=fps, options=options or {})
            video.width, video.height, video.pix_fmt = first.shape[1], first.shape[0], pixels
            video.codec_context.time_base = _TICK
            if aspect is not None:
                video.codec_context.sample_aspect_ratio = aspect
            if rotation:
                video.set_display_rotation(rotation)
        if wave is not None:
            plain = {"aac_pns": "0"} if sound_codec == "aac" else {}  # noise that decoders make up
            sound = out.add_stream(sound_codec, rate=rate, layout=layout, options=plain)
        if sound is not None and wave is not None:
            kind = "u8" if sound_codec == "pcm_u8" else "s16"
            size = rate // 10
            for at in range(0, len(wave), size):
                begin = round(sound_start_s * rate) + at
                block = audio_frame(
                    wave[at : at + size], rate=rate, layout=layout, format=kind, at=begin
                )
                out.mux(sound.encode(block))
        if video is not None:
            for index, time in enumerate(times):
                frame = av.VideoFrame.from_ndarray(picture(index), "rgb24")
                frame.pts, frame.time_base = round(time / _TICK), _TICK
                out.mux(video.encode(frame))
            out.mux(video.encode(None))
        if sound is not None:
            out.mux(sound.encode(None))
    return path


def steady(seconds: float, fps: float = 25, start_s: float = 0.0) -> tuple[float, ...]:
    """Times of a constant rate, as whole milliseconds."""
    return tuple(round(start_s + i / fps, 3) for i in range(round(seconds * fps)))


def swinging(start_s: float = 0.0) -> tuple[float, ...]:
    """Times of a rate that changes: ten a second, a second of nothing, one a second, 25."""
    gaps = [0.1] * 10 + [1.0] * 4 + [0.04] * 25 + [2.3] + [0.1] * 5
    return tuple(np.round(start_s + np.concatenate([[0.0], np.cumsum(gaps)]), 3).tolist())


def numbered_film(path: Path, times: Sequence[float], **options: Any) -> Clip:
    """Frame i shows the number i."""
    write(path, times=times, **options)
    return Clip(path=path, times=tuple(times), start_s=times[0], end_s=times[-1] + 0.04)


def scenes(
    path: Path,
    *,
    scene_s: float = 2.0,
    fps: int = 10,
    start_s: float = 0.0,
    size: tuple[int, int] = (96, 64),
    sound: bool = True,
    tones_hz: Sequence[float] = (400.0, 800.0, 1600.0, 3200.0),
) -> Clip:
    """Four scenes: another colour, texture and tone in each."""
    count = len(COLOURS)
    times = steady(scene_s * count, fps, start_s)
    per_scene = round(scene_s * fps)
    pictures = [plain(c, size) // 2 + textured(i, size) // 2 for i, c in enumerate(COLOURS)]
    wave = np.concatenate([tone(hz, scene_s) for hz in tones_hz]) if sound else None
    write(
        path,
        times=times,
        picture=lambda i: pictures[i // per_scene],
        fps=fps,
        wave=wave,
        sound_start_s=start_s,
    )
    starts = [start_s + i * scene_s for i in range(count)]
    return Clip(
        path=path,
        times=times,
        start_s=start_s,
        end_s=start_s + scene_s * count,
        cuts=tuple(starts[1:]),
        tones=tuple(zip(starts, tones_hz, strict=True)) if sound else (),
    )


def turned_mp4(path: Path, matrix: Sequence[int], size: tuple[int, int] = (96, 64)) -> Path:
    """`quarters` as coded, with the four numbers (a, b, c, d) of the track header's matrix.

    Patched in after the fact, so that the truth is the QuickTime specification
    (x' = a x + c y, y' = b x + d y, y downwards) and no library's idea of an angle.
    """
    write(
        path,
        times=steady(0.4),
        picture=lambda _: quarters(size),
        codec="libx264",
        pixels="yuv444p",
        options={"qp": "0"},
    )
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    a, b, c, d = (value * 0x10000 for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(data)
    return path


def growing_film(path: Path) -> Clip:
    """The picture changes size midway: a second of 64x48, then a second of 128x96."""
    times = steady(2.0, 10)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        stream.codec_context.time_base = _TICK
        small = stream.codec_context
        large = av.CodecContext.create("mjpeg", "w")
        large.width, large.height, large.pix_fmt = 128, 96, "yuvj420p"
        large.time_base, large.framerate = _TICK, 10
        for index, time in enumerate(times):
            encoder, size = (small, (64, 48)) if index < 10 else (large, (128, 96))
            frame = av.VideoFrame.from_ndarray(plain(COLOURS[index // 10], size), "rgb24")
            frame = frame.reformat(format="yuvj420p")
            frame.pts, frame.time_base = round(time / _TICK), _TICK
            for packet in encoder.encode(frame):
                packet.stream, packet.time_base = stream, _TICK
                packet.pts = packet.dts = round(time / _TICK)
                out.mux(packet)
    return Clip(path=path, times=times, end_s=2.0)


def truncated(source: Path, path: Path, share: float) -> Path:
    """The first part of another file."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def huge_avi(path: Path, width: int, height: int) -> Path:
    """A small raw film whose header claims an enormous picture."""
    write(path, times=steady(0.2), picture=lambda _: plain(RED, (16, 16)), codec="rawvideo",
          pixels="bgr24")  # fmt: skip
    data = bytearray(path.read_bytes())
    at = data.index(b"strf") + 8
    data[at + 4 : at + 12] = struct.pack("<ii", width, height)
    path.write_bytes(data)
    return path


def png(picture: Picture) -> bytes:
    """A still picture."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def jpeg(picture: Picture) -> bytes:
    """A still picture, with loss."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG")
    return buffer.getvalue()


# Records


def frames(pictures: Sequence[Picture], *, start_s: float = 0.0, step_s: float = 1.0) -> Frames:
    """Sampled frames at a steady rate."""
    return Frames(
        rgb=np.stack(pictures), pts_s=start_s + step_s * np.arange(len(pictures), dtype=np.float64)
    )


def lumas(grays: Sequence[Picture], *, start_s: float = 0.0, step_s: float = 0.1) -> Luma:
    """Small grey frames at a steady rate."""
    return Luma(
        gray=np.stack(grays), pts_s=start_s + step_s * np.arange(len(grays), dtype=np.float64)
    )


def sounds(wave: np.ndarray, size: int, start_s: float = 0.0) -> list[Sound]:
    """A wave cut into chunks of `size` samples."""
    return [
        Sound(samples=wave[at : at + size], rate_hz=RATE_HZ, start_s=start_s + at / RATE_HZ)
        for at in range(0, len(wave), size)
    ]


def track(
    values: np.ndarray | Sequence[Sequence[float]],
    start_s: Sequence[float],
    end_s: Sequence[float],
    *,
    name: str = "made",
    modality: Modality = "image",
    spec: Spec | None = None,
) -> FeatureTrack:
    """A track from plain lists."""
    array = np.asarray(values, np.float32)
    if array.ndim == 1:
        array = array[:, None]
    return FeatureTrack(
        values=array,
        start_s=np.asarray(start_s, np.float64),
        end_s=np.asarray(end_s, np.float64),
        spec=spec or Spec(name=name, version=1, modality=modality, dim=array.shape[1]),
    )


def timeline(
    tracks: dict[str, tuple[np.ndarray, Sequence[bool]]], *, start_s: float = 0.0
) -> Timeline:
    """One-second steps; each track as (values, present)."""
    steps = len(next(iter(tracks.values()))[0]) if tracks else 0
    starts = start_s + np.arange(steps, dtype=np.float64)
    masks = {name: np.asarray(mask, bool) for name, (_, mask) in tracks.items()}
    return Timeline(
        start_s=starts,
        end_s=starts + 1.0,
        values={
            name: np.where(masks[name][:, None], values, 0).astype(np.float32)
            for name, (values, _) in tracks.items()
        },
        present=masks,
    )


def cue(start_s: float, end_s: float, text: str, language: str = "und") -> Cue:
    """A sentence of an embedded text track."""
    return Cue(start_s=start_s, end_s=end_s, text=text, source="embedded", language=language)
