"""preview.webp: a few seconds of the best moments that move, small and silent."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image

from triptych.decode.hdr import is_hdr, tone_mapped
from triptych.decode.upright import stand_of, upright
from triptych.records import Analysis, MediaInfo, Pixels
from triptych.report.cut import StretchReader, pictures
from triptych.report.mixer import fitted

__all__ = ["preview_webp"]

_LENGTH_S = 5.0
_FPS = 8.0
_MOMENTS = 4
_ROOM = (320, 320)  # pixels, at most
_QUALITY, _EFFORT = 50, 2  # of libwebp; more effort takes twice as long for a tenth less

_Stretch: TypeAlias = tuple[float, float]


def preview_webp(analysis: Analysis) -> bytes | None:
    """An animation of at most five seconds, or None for a video without key moments to see.

    Raises:
        InputError: the video is gone.
    """
    info = analysis.info
    chosen = _chosen(analysis)
    if not info.video or not chosen:
        return None
    frames: list[Image.Image] = []
    lengths_ms: list[int] = []
    with StretchReader(
        Path(info.path), lambda streams: streams.video, frames_fps=info.frames_fps
    ) as reader:
        for start_s, end_s in chosen:
            times: list[float] = []
            for at_s, picture in _shown(reader, start_s, end_s, info):
                times.append(at_s)
                frames.append(picture)
            ends = [*times[1:], end_s - start_s]
            lengths_ms += [
                max(10, round(1000 * (b - a))) for a, b in zip(times, ends, strict=False)
            ]
    if not frames:
        return None
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=lengths_ms,
        loop=0,
        quality=_QUALITY,
        method=_EFFORT,
    )
    return buffer.getvalue()


def _chosen(analysis: Analysis) -> list[_Stretch]:
    """The middles of the best moments, in time order, together no longer than the preview."""
    held = [s for s in analysis.summary.segments if s.end_s > s.start_s]
    best = sorted(held, key=lambda s: (-s.score, s.start_s))[:_MOMENTS]
    left = _LENGTH_S
    found: list[_Stretch] = []
    # The shortest first: what it leaves is for the others.
    for i, segment in enumerate(sorted(best, key=lambda s: s.end_s - s.start_s)):
        length = min(segment.end_s - segment.start_s, left / (len(best) - i))
        middle = (segment.start_s + segment.end_s) / 2
        found.append((middle - length / 2, middle + length / 2))
        left -= length
    return sorted(found)


def _shown(
    reader: StretchReader, start_s: float, end_s: float, info: MediaInfo
) -> Iterator[tuple[float, Image.Image]]:
    size = _size(info)
    coded = size[::-1] if info.rotation % 180 else size
    reformatter = VideoReformatter()
    for at_s, frame in pictures(reader, start_s, end_s, _FPS):
        yield at_s, Image.fromarray(upright(_rgb(frame, coded, reformatter), stand_of(frame)))


def _size(info: MediaInfo) -> tuple[int, int]:
    if max(info.width, info.height) <= _ROOM[0]:
        return max(1, info.width), max(1, info.height)
    return fitted(info.width, info.height, _ROOM)


def _rgb(frame: av.VideoFrame, size: tuple[int, int], reformatter: VideoReformatter) -> Pixels:
    deep = is_hdr(frame)
    scaled = reformatter.reformat(
        frame, width=size[0], height=size[1], format="rgb48le" if deep else "rgb24"
    )
    pixels = scaled.to_ndarray()
    return tone_mapped(pixels, frame) if deep else pixels.astype(np.uint8, copy=False)
