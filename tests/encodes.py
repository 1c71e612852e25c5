"""Short films as real encoders make them, each with groups of pictures of its own kind."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np

import synth

#: A name of CLIPS and times -> the film; a fixture.
Encoded: TypeAlias = Callable[[str, Sequence[float]], Path]

# codec, pixels, ending, options; and whether anything is left out
CLIPS: dict[str, tuple[str, str, str, dict[str, str], bool]] = {
    "h264": ("libx264", "yuv420p", "mp4", {"g": "12"}, True),
    "h264-pyramid": ("libx264", "yuv420p", "mkv", {"g": "30", "x264-params": "bframes=8"}, True),
    "h264-open": ("libx264", "yuv420p", "mp4", {"x264-params": "open-gop=1:keyint=12"}, True),
    "h264-refresh": (
        "libx264",
        "yuv420p",
        "mkv",
        {"x264-params": "intra-refresh=1:keyint=12:bframes=0"},
        True,  # the end of the film alone
    ),
    "h264-no-b": ("libx264", "yuv420p", "mp4", {"g": "12", "bf": "0"}, True),
    "h264-telecined": ("libx264", "yuv420p", "ts", {"x264-params": "pulldown=32:keyint=12"}, True),
    "h264-interlaced": ("libx264", "yuv420p", "mp4", {"flags": "+ildct+ilme", "g": "12"}, False),
    "h264-ts": ("libx264", "yuv420p", "ts", {"g": "12"}, True),
    "h264-long": ("libx264", "yuv420p", "mp4", {"g": "1000"}, True),
    "hevc-open": ("libx265", "yuv420p", "mp4", {"x265-params": "keyint=12:min-keyint=12:log-level=none"}, True),
    "hevc-closed": ("libx265", "yuv420p10le", "mkv", {"x265-params": "open-gop=0:keyint=12:log-level=none"}, True),
    "hevc-layers": ("libx265", "yuv420p", "mp4", {"x265-params": "temporal-layers=3:keyint=24:log-level=none"}, True),
    "hevc-ts": ("libx265", "yuv420p", "ts", {"x265-params": "keyint=12:log-level=none"}, True),
    "mpeg4": ("mpeg4", "yuv420p", "mp4", {"g": "12"}, True),
    "mpeg4-b": ("mpeg4", "yuv420p", "mp4", {"g": "12", "bf": "2"}, True),
    "mpeg4-avi": ("mpeg4", "yuv420p", "avi", {"g": "12", "bf": "2"}, False),
    "mpeg2-open": ("mpeg2video", "yuv420p", "ts", {"g": "12", "bf": "2"}, True),
    "mpeg2-closed": ("mpeg2video", "yuv420p", "mpg", {"g": "12", "bf": "2", "flags": "+cgop", "sc_threshold": "1000000000"}, True),
    "mpeg1": ("mpeg1video", "yuv420p", "mkv", {"g": "12", "bf": "2"}, True),
    "vp8": ("libvpx", "yuv420p", "webm", {"g": "12", "auto-alt-ref": "1", "deadline": "realtime", "cpu-used": "8"}, True),
    "vp9": ("libvpx-vp9", "yuv420p", "webm", {"g": "12", "deadline": "realtime", "cpu-used": "8"}, True),
    "vp9-444": ("libvpx-vp9", "yuv444p", "mp4", {"g": "12", "deadline": "realtime", "cpu-used": "8"}, True),
    "av1": ("libsvtav1", "yuv420p", "mkv", {"g": "12", "preset": "12"}, True),
    "mjpeg": ("mjpeg", "yuvj420p", "mkv", {}, True),
    "prores": ("prores_ks", "yuv422p10le", "mov", {}, True),
    "ffv1": ("ffv1", "bgr0", "mkv", {}, False),
}  # fmt: skip


def moving(index: int) -> np.ndarray:
    """A picture that no other looks like, and that can be predicted from its neighbours."""
    return np.roll(synth.textured(index // 17, (128, 96)), 3 * index, axis=1)


def film(folder: Path, name: str, times: tuple[float, ...]) -> Path:
    codec, pixels, ending, options, _ = CLIPS[name]
    path = folder / f"film.{ending}"
    if codec.startswith("mpeg") and codec.endswith("video"):
        return mpeg_film(path, times, codec=codec, options=options)
    try:
        return synth.write(
            path, times=times, picture=moving, codec=codec, pixels=pixels, options=options
        )
    finally:
        if codec == "libsvtav1" and hasattr(os, "sched_setscheduler"):
            # It gives root's threads, this one among them, the highest priority that there is.
            # Whatever this process starts later would inherit it, and starve the machine.
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def mpeg_film(path: Path, times: tuple[float, ...], *, codec: str, options: Any) -> Path:
    """MPEG-1 and MPEG-2 know few rates: one frame at each of its ticks that has a time."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for index, tick in enumerate(sorted({round(25 * time) for time in times})):
            frame = av.VideoFrame.from_ndarray(moving(index), "rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path
