"""highlights.mp4: the key moments, cut by presentation time and joined with their sound."""

from __future__ import annotations

import functools
import hashlib
import heapq
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

import av

from triptych.errors import DecodeError
from triptych.records import Analysis, MediaInfo, Segment
from triptych.report.chapters import reel_marks
from triptych.report.cut import RATE_HZ, StretchReader, pictures, sound
from triptych.report.joins import joined
from triptych.report.mixer import FPS, Mark, Mixer, reel_size

__all__ = ["Piece", "reel_key", "stretches", "write_pieces", "write_reel"]

_VERSION = 2  # raised when the reel's bytes change

Stretch: TypeAlias = tuple[float, float]


def stretches(segments: Sequence[Segment]) -> list[Stretch]:
    """Segments as (start, end) in time order, those that touch joined to one.

    >>> s = [Segment(start_s=a, end_s=b, score=1.0) for a, b in ((4, 5), (1, 2), (2, 3))]
    >>> stretches(s)
    [(1, 3), (4, 5)]
    """
    joint: list[Stretch] = []
    for start_s, end_s in sorted((s.start_s, s.end_s) for s in segments if s.end_s > s.start_s):
        if joint and start_s <= joint[-1][1] + 1e-3:
            joint[-1] = (joint[-1][0], max(joint[-1][1], end_s))
        else:
            joint.append((start_s, end_s))
    return joint


def reel_key(analysis: Analysis) -> str:
    """Digest of everything that could change the reel's bytes."""
    cuts = stretches(analysis.summary.segments)
    recipe = {
        "media": analysis.digest,
        "stretches": [[round(t, 6) for t in cut] for cut in cuts],
        "marks": reel_marks(analysis, cuts),
        "layout": _VERSION,
        "encoder": av.__version__,
    }
    text = json.dumps(recipe, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def write_reel(path: Path, media: Path, analysis: Analysis) -> None:
    """Cut and join the key moments; memory does not grow with their length.

    Args:
        path: the MP4 file to write.
        media: the video, or the folder of its pictures.
        analysis: what was found in it.

    Raises:
        DecodeError: none of the key moments could be read.
        OSError: the disk is full.
    """
    info, cuts = analysis.info, stretches(analysis.summary.segments)
    write_pieces(
        path,
        [Piece(media=media, info=info, start_s=a, end_s=b) for a, b in cuts],
        size=reel_size(info.width, info.height) if info.video else (0, 0),
        fps=info.fps,
        marks=[Mark(*mark) for mark in reel_marks(analysis, cuts)],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of a film, on the clock of its container."""

    media: Path
    info: MediaInfo
    start_s: float
    end_s: float

    @property
    def samples(self) -> int:
        """Its length; pictures and sound of a reel keep to this one count."""
        return round((self.end_s - self.start_s) * RATE_HZ)


def write_pieces(
    path: Path,
    pieces: Sequence[Piece],
    *,
    size: tuple[int, int],
    fps: float | None,
    marks: Sequence[Mark],
) -> None:
    """Cut and join stretches of one film or of several.

    Args:
        path: the MP4 file to write.
        pieces: in the order to show.
        size: width and height of its pictures, other shapes get black bars; zeros: none.
        fps: roughly, as a hint to the encoder: frames keep their own times.
        marks: its chapters, on its own clock, the first at 0.

    Raises:
        DecodeError: nothing of them could be read.
        OSError: the disk is full.
    """
    starts = [n / RATE_HZ for n in itertools.accumulate((p.samples for p in pieces), initial=0)]
    sounding = any(piece.info.audio for piece in pieces)
    with ExitStack() as stack:
        eye, ear = (stack.enter_context(_Reading(kind)) for kind in ("video", "audio"))
        output = stack.enter_context(
            av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        )
        mixer = Mixer(
            output, size=size, fps=fps, marks=marks, length_s=starts[-1], sounding=sounding
        )
        # Whichever track is behind goes next, or the muxer would hold the other one.
        for _, _, feed in heapq.merge(
            _shown(pieces, starts, eye, mixer) if all(size) else (),
            _heard(pieces, ear, mixer) if sounding else (),
            key=lambda step: step[:2],
        ):
            feed()
        mixer.finish()
    if not mixer.packets:
        raise DecodeError(
            "no picture or sound of the key moments could be read", path=pieces[0].media
        )


class _Reading:
    """Streams of one kind of one file after the other; the latest stays open."""

    def __init__(self, kind: Literal["video", "audio"]) -> None:
        self._kind = kind
        self._path: Path | None = None
        self._stack = ExitStack()
        self._reader: StretchReader | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def of(self, piece: Piece) -> StretchReader | None:
        """The reader of a piece's file; None where it has no such stream."""
        if not getattr(piece.info, self._kind):
            return None
        if piece.media != self._path:
            self._stack.close()
            self._reader = self._stack.enter_context(
                StretchReader(
                    piece.media,
                    lambda streams: getattr(streams, self._kind),
                    frames_fps=piece.info.frames_fps,
                )
            )
            self._path = piece.media
        return self._reader


_Step: TypeAlias = tuple[float, int, Callable[[], None]]


def _shown(
    pieces: Sequence[Piece], starts: Sequence[float], eye: _Reading, mixer: Mixer
) -> Iterator[_Step]:
    for piece, begin_s, end_s in zip(pieces, starts, starts[1:], strict=False):
        if (reader := eye.of(piece)) is not None:
            for at_s, frame in pictures(reader, piece.start_s, piece.end_s, FPS):
                shown_s = begin_s + at_s
                yield shown_s, 0, functools.partial(mixer.picture, frame, shown_s, piece.info)
        yield end_s, 0, functools.partial(mixer.end_stretch, end_s)


def _heard(pieces: Sequence[Piece], ear: _Reading, mixer: Mixer) -> Iterator[_Step]:
    def hear(piece: Piece) -> Callable[[float, int], Iterator[Any]]:
        return lambda since_s, samples: sound(ear.of(piece), piece.start_s + since_s, samples)

    for at, block in joined([(hear(piece), piece.samples) for piece in pieces]):
        yield at / RATE_HZ, 1, functools.partial(mixer.sound, block, at)
