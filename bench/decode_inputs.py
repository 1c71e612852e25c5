"""Films for `bench/decode.py`, encoded from real ones: one codec and length of groups each."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import av

_TRAILER, _TALK = "bbb_trailer_720p_audio.mp4", "video2dataset_test_video_123s_1080p.mp4"
_SPEED = {"preset": "faster"}  # three B frames, of which others are predicted from one


@dataclass(frozen=True, kw_only=True)
class Input:
    """A film, and what it is made of."""

    source: str  #: below the folder of real films
    codec: str
    options: Mapping[str, str] = field(default_factory=dict)
    size: tuple[int, int]
    seconds: float
    suffix: str = ".mp4"
    h264: bool = False  #: counts for the targets of H.264


def _x264(source: str, size: tuple[int, int], group: int, seconds: float = 20) -> Input:
    options = {**_SPEED, "crf": "23", "x264-params": f"keyint={group}:threads=2"}
    return Input(
        source=source, codec="libx264", options=options, size=size, seconds=seconds, h264=True
    )


INPUTS: dict[str, Input] = {
    "h264-720p-long": _x264(_TRAILER, (1280, 720), 250),
    "h264-720p-short": _x264(_TRAILER, (1280, 720), 25),
    "h264-1080p-long": _x264(_TALK, (1920, 1080), 250),
    "h264-1080p-short": _x264(_TALK, (1920, 1080), 25),
    "hevc-720p": Input(
        source=_TRAILER, codec="libx265", size=(1280, 720), seconds=20,
        options={"preset": "superfast", "x265-params": "log-level=error:pools=2"},
    ),
    "vp9-720p": Input(
        source=_TRAILER, codec="libvpx-vp9", size=(1280, 720), seconds=20, suffix=".webm",
        options={"deadline": "realtime", "cpu-used": "8", "b": "1500k", "g": "250"},
    ),
    "av1-720p": Input(
        source=_TRAILER, codec="libsvtav1", size=(1280, 720), seconds=20,
        options={"preset": "12", "crf": "35", "svtav1-params": "lp=2", "g": "250"},
    ),
    "mpeg4-720p": Input(
        source=_TRAILER, codec="mpeg4", size=(1280, 720), seconds=20,
        options={"b": "4M", "bf": "2", "g": "250"},
    ),
}  # fmt: skip
#: Films as they are: name -> file below the folder of real films.
REAL = {
    "h264-1080p-2min": f"long_video/{_TALK}",
    "h264-vfr": "hard_inputs/torchcodec/nasa_13013_vfr.mp4",
}


def made(
    folder: Path, shared: Path, *, only: Collection[str] | None = None
) -> Iterator[tuple[str, Path, bool]]:
    """Name, file, and whether it is one of the H.264 films; encodes what is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, wanted in INPUTS.items():
        if only and name not in only:
            continue
        path = folder / f"{name}{wanted.suffix}"
        if not path.exists():
            scratch = folder / f".part-{name}{wanted.suffix}"
            _encode(shared / "long_video" / wanted.source, scratch, wanted)
            os.replace(scratch, path)
        yield name, path, wanted.h264
    for name, file in REAL.items():
        if not only or name in only:
            yield name, shared / file, True


def _encode(source: Path, path: Path, wanted: Input) -> None:
    width, height = wanted.size
    with av.open(str(source)) as film, av.open(str(path), "w") as out:
        read = film.streams.video[0]
        read.thread_type = "AUTO"
        write = out.add_stream(wanted.codec, rate=read.average_rate, options=dict(wanted.options))
        write.width, write.height, write.pix_fmt = width, height, "yuv420p"
        write.codec_context.time_base = read.time_base
        for frame in film.decode(read):
            if frame.time > wanted.seconds:
                break
            small = frame.reformat(width=width, height=height, format="yuv420p")
            small.pict_type = 0
            out.mux(write.encode(small))
        out.mux(write.encode(None))
