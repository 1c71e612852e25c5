"""Choosing and shrinking pictures for storyboard, poster and page."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageStat, UnidentifiedImageError

from triptych.records import Analysis, Segment, Thumbnails

__all__ = ["KeyFrame", "best_frame", "key_frames", "open_picture", "poster_jpeg", "small_jpegs"]

log = logging.getLogger(__name__)

_POSTER_PX = 320
_DULL = 6.0  # contrast of a picture that is as good as black
_CANDIDATES = 9  # pictures looked at within one key moment
_BLANK = Image.new("RGB", (16, 9), (32, 34, 38))


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """One picture of a storyboard."""

    index: int  #: into the thumbnails
    time_s: float
    segment: Segment | None  #: the key moment it stands for


def open_picture(jpeg: bytes) -> Image.Image:
    """A thumbnail as RGB; a grey one in place of a damaged one."""
    try:
        with Image.open(io.BytesIO(jpeg)) as image:
            return image.convert("RGB")
    except (UnidentifiedImageError, OSError) as err:
        log.warning("a thumbnail is damaged and left grey: %s", err)
        return _BLANK.copy()


@lru_cache(maxsize=512)
def _contrast(jpeg: bytes) -> float:
    """How much there is to see: black and blurred pictures have little."""
    grey = open_picture(jpeg).convert("L").resize((32, 32))
    return float(ImageStat.Stat(grey).stddev[0])


def best_frame(thumbnails: Thumbnails, start_s: float, end_s: float) -> int:
    """Index of the picture that shows most within [start_s, end_s); the middle one of equals."""
    first = max(0, int(np.searchsorted(thumbnails.pts_s, start_s, side="left")))
    stop = int(np.searchsorted(thumbnails.pts_s, end_s, side="left"))
    if stop <= first:  # shorter than the sampling: what is on screen in its middle
        middle = (start_s + end_s) / 2
        return max(0, int(np.searchsorted(thumbnails.pts_s, middle, side="right")) - 1)
    spread = np.unique(np.linspace(first, stop - 1, min(_CANDIDATES, stop - first)).round())
    middle = (first + stop - 1) / 2
    return max(
        (int(i) for i in spread),
        key=lambda i: (round(_contrast(thumbnails.jpeg[i])), -abs(i - middle), -i),
    )


def key_frames(analysis: Analysis, count: int) -> list[KeyFrame]:
    """Up to `count` pictures in time order: key moments first, then even steps between."""
    thumbnails = analysis.thumbnails
    if not len(thumbnails.jpeg):
        return []
    best = _spread(
        sorted(analysis.summary.segments, key=lambda s: (-s.score, s.start_s)),
        count,
        (float(thumbnails.pts_s[0]), float(thumbnails.pts_s[-1])),
    )
    chosen: dict[int, Segment | None] = {}
    for segment in best:
        chosen.setdefault(best_frame(thumbnails, segment.start_s, segment.end_s), segment)
    _fill(chosen, thumbnails, count)
    return [KeyFrame(i, float(thumbnails.pts_s[i]), chosen[i]) for i in sorted(chosen)]


def _spread(best: Sequence[Segment], count: int, span_s: tuple[float, float]) -> Sequence[Segment]:
    """Key moments, the best first, at most `count`; of too many the best of each part of the film.

    The best of a long film may all lie within a few minutes of it.
    """
    if len(best) <= count:
        return best
    begin_s, end_s = span_s
    parts: dict[int, Segment] = {}
    for segment in best:
        share = (segment.start_s - begin_s) / max(end_s - begin_s, 1e-9)
        parts.setdefault(min(count - 1, max(0, int(share * count))), segment)
    return list(parts.values())


def _fill(chosen: dict[int, Segment | None], thumbnails: Thumbnails, count: int) -> None:
    """Add pictures from the widest gaps until there are enough.

    Each may give way to a neighbour that shows more; black ones come only for want of others.
    """
    available = len(thumbnails.jpeg)
    reach = available // (count * 3)
    distance = np.full(available, available, np.int64)
    for mark in chosen:
        distance = np.minimum(distance, np.abs(np.arange(available) - mark))
    for attempt in range(4 * count):
        if len(chosen) >= min(count, available):
            return
        place = int(distance.argmax())
        near = range(max(0, place - reach), min(available, place + reach + 1))
        free = [i for i in near if i not in chosen] or [place]
        spread = sorted(free[:: max(1, len(free) // _CANDIDATES)], key=lambda i: abs(i - place))
        best = max(spread, key=lambda i: round(_contrast(thumbnails.jpeg[i]) / 4))
        if _contrast(thumbnails.jpeg[best]) >= _DULL or attempt >= 3 * count:
            chosen.setdefault(best)
        for mark in (place, best):
            distance = np.minimum(distance, np.abs(np.arange(available) - mark))
    for i in range(available):  # all that is left looks the same
        if len(chosen) < min(count, available):
            chosen.setdefault(i)


def poster_jpeg(analysis: Analysis) -> bytes | None:
    """A picture for galleries from the best key moment, or None without pictures."""
    frames = key_frames(analysis, 1)
    if not frames:
        return None
    picture = open_picture(analysis.thumbnails.jpeg[frames[0].index])
    height = max(1, min(_POSTER_PX * 2, round(picture.height * _POSTER_PX / picture.width)))
    return _encode(picture.resize((_POSTER_PX, height), Image.Resampling.LANCZOS), 84)


def small_jpegs(
    thumbnails: Thumbnails, *, count: int, short_side: int
) -> list[tuple[float, bytes]]:
    """At most `count` evenly spaced pictures as (time, JPEG), small enough to embed."""
    total = len(thumbnails.jpeg)
    spread: Sequence[int] = (
        np.unique(np.linspace(0, total - 1, min(count, total)).round()).astype(int).tolist()
    )
    return [(float(thumbnails.pts_s[i]), _shrunk(thumbnails.jpeg[i], short_side)) for i in spread]


def _shrunk(jpeg: bytes, short_side: int) -> bytes:
    picture = open_picture(jpeg)
    scale = min(1.0, short_side / min(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return _encode(picture.resize(size, Image.Resampling.BOX, reducing_gap=2.0), 68)


def _encode(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()
