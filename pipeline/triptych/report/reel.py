"""highlights.mp4: the key moments, cut by presentation time and joined with their sound."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import av

from triptych.errors import DecodeError
from triptych.records import Analysis, Segment
from triptych.report.cut import RATE_HZ, StretchReader, pictures, sound
from triptych.report.mixer import FPS, Mixer

__all__ = ["reel_key", "stretches", "write_reel"]

_VERSION = 1  # raised when the reel's bytes change

Stretch: TypeAlias = tuple[float, float]


def stretches(segments: Sequence[Segment]) -> list[Stretch]:
    """Segments as (start, end) in time order, those that touch joined to one.

    >>> s = [Segment(start_s=a, end_s=b, score=1.0) for a, b in ((4, 5), (1, 2), (2, 3))]
    >>> stretches(s)
    [(1, 3), (4, 5)]
    """
    joined: list[Stretch] = []
    for start_s, end_s in sorted((s.start_s, s.end_s) for s in segments if s.end_s > s.start_s):
        if joined and start_s <= joined[-1][1] + 1e-3:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end_s))
        else:
            joined.append((start_s, end_s))
    return joined


def reel_key(analysis: Analysis) -> str:
    """Digest of everything that could change the reel's bytes."""
    recipe = {
        "media": analysis.digest,
        "stretches": [[round(t, 6) for t in s] for s in stretches(analysis.summary.segments)],
        "layout": _VERSION,
        "encoder": av.__version__,
    }
    text = json.dumps(recipe, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def write_reel(path: Path, media: Path, analysis: Analysis) -> None:
    """Cut and join the key moments; memory does not grow with their length.

    Args:
        path: the MP4 file to write.
        media: the video.
        analysis: what was found in it.

    Raises:
        DecodeError: none of the key moments could be read.
        OSError: the disk is full.
    """
    cuts = stretches(analysis.summary.segments)
    with ExitStack() as stack:
        shown = heard = None
        if analysis.info.video:
            shown = stack.enter_context(StretchReader(media, lambda streams: streams.video))
        if analysis.info.audio:
            heard = stack.enter_context(StretchReader(media, lambda streams: streams.audio))
        output = stack.enter_context(
            av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        )
        mixer = Mixer(output, analysis.info, pictured=shown is not None, sounding=heard is not None)
        offset = 0  # samples before this stretch: both tracks keep to this one count
        for start_s, end_s in cuts:
            samples = round((end_s - start_s) * RATE_HZ)
            # Whichever track is behind goes next, or the muxer would hold the other one.
            for _, _, feed, item in heapq.merge(
                _timed_pictures(shown, start_s, end_s, mixer),
                _timed_sound(heard, start_s, samples, mixer),
                key=lambda step: step[:2],
            ):
                feed(item, offset)
            mixer.end_stretch(offset + samples)
            offset += samples
        mixer.finish()
    if not mixer.packets:
        raise DecodeError("no picture or sound of the key moments could be read", path=media)


_Step: TypeAlias = tuple[float, int, Any, Any]


def _timed_pictures(
    reader: StretchReader | None, start_s: float, end_s: float, mixer: Mixer
) -> Iterator[_Step]:
    if reader is not None:
        for at_s, frame in pictures(reader, start_s, end_s, FPS):
            yield at_s, 0, mixer.picture, (at_s, frame)


def _timed_sound(
    reader: StretchReader | None, start_s: float, samples: int, mixer: Mixer
) -> Iterator[_Step]:
    done = 0
    if reader is not None:
        for block in sound(reader, start_s, samples):
            yield done / RATE_HZ, 1, mixer.sound, (done, block)
            done += block.shape[1]
