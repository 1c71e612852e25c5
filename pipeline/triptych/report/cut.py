"""Reading a stretch of a video exactly: frames and samples by presentation time.

Where a seek lands is only a hint. It is checked against the first frame that comes out, and
when that is too late the file is read from an earlier point, in the end from its start.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

import av
import av.error
import numpy as np

from triptych.decode.clock import Clock
from triptych.decode.container import Streams, choose_streams, demuxed, open_container
from triptych.records import Floats

__all__ = ["RATE_HZ", "StretchReader", "pictures", "sound"]

log = logging.getLogger(__name__)

Frame: TypeAlias = Any  # av.VideoFrame or av.AudioFrame
Timed: TypeAlias = tuple[float, Frame]

RATE_HZ = 48_000
_BACK_S = (0.0, 10.0, math.inf)  # how far before the wanted time to try
_WARM_UP_S = 0.2  # coded sound needs the packets before it
_SLIP_S = 0.02  # more than this between the stated and the counted time is a jump
_BLOCK = RATE_HZ  # samples of silence made at a time
_EPS = 1e-6
_MAX_ERRORS = 1000


class StretchReader:
    """One stream of one file, read from any time; use it as a context manager."""

    def __init__(
        self, path: Path, choose: Callable[[Streams], Any], *, frames_fps: float | None = None
    ) -> None:
        self._path, self._choose, self._frames_fps = path, choose, frames_fps
        self._open()

    def _open(self) -> None:
        self._container = open_container(self._path, frames_fps=self._frames_fps)
        self.stream = self._choose(choose_streams(self._container))
        if self.stream is not None and self.stream.type == "video":
            self.stream.codec_context.thread_count = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._container.close()

    def frames(self, start_s: float) -> Iterator[Timed]:
        """Frames in order of time, from one at or before `start_s` where there is one."""
        for back_s in _BACK_S:
            if not self._seek(start_s - back_s):
                continue
            decoded = self._decode()
            if math.isinf(back_s):
                break
            first = next((item for item in decoded if not item[1].is_corrupt), None)
            if first is not None and first[0] <= start_s + _EPS:
                decoded = itertools.chain([first], decoded)
                break
        yield from decoded

    def _seek(self, time_s: float) -> bool:
        """Move to `time_s` or before it; the start is reached by opening the file anew."""
        if time_s <= 0:
            self._container.close()
            self._open()
            return True
        try:
            self._container.seek(int(time_s / self.stream.time_base), stream=self.stream)
        except av.error.FFmpegError as err:
            log.debug("%s: cannot seek to %.3f s: %s", self._path, time_s, err)
            return False
        return True

    def _decode(self) -> Iterator[Timed]:
        """Everything from here on; damaged packets are passed over, order is kept."""
        errors, clock = 0, Clock()
        packets = demuxed(self._container, self.stream)
        while errors < _MAX_ERRORS:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                frames = packet.decode()
            except av.error.FFmpegError as err:
                errors += 1
                log.debug("%s: passed over damage: %s", self._path, err)
                continue
            for frame in frames:
                if (time_s := clock.read(frame)) is not None:
                    yield time_s, frame


def pictures(reader: StretchReader, start_s: float, end_s: float, fps: float) -> Iterator[Timed]:
    """(seconds since `start_s`, frame) pairs: what a viewer sees in [start_s, end_s).

    The first is the frame on screen at `start_s`, or else the first of the film. Frames
    that come faster than `fps` are thinned out.
    """
    apart = 0.95 / fps
    before: Timed | None = None
    kept_s = -math.inf
    for time_s, frame in reader.frames(start_s):
        if time_s <= start_s + _EPS:
            before = time_s, frame
            continue
        if before is not None:
            yield 0.0, before[1]
            kept_s, before = before[0], None
        if time_s >= end_s - _EPS:
            if math.isinf(kept_s):  # the film begins after this stretch
                yield 0.0, frame
            return
        if time_s - kept_s >= apart:
            yield (0.0 if math.isinf(kept_s) else time_s - start_s), frame
            kept_s = time_s
    if before is not None:
        yield 0.0, before[1]


def sound(reader: StretchReader | None, start_s: float, samples: int) -> Iterator[Floats]:
    """Exactly `samples` of stereo sound from `start_s`, in blocks (2, N).

    Times without sound are silent.

    Args:
        reader: of a stream of sound; None is silent all along.
        start_s: in seconds on the container's clock.
        samples: at `RATE_HZ`.
    """
    done = 0
    for at, block in _placed(reader, start_s, samples) if reader is not None else ():
        block = block[:, max(0, done - at) : max(0, samples - at)]
        if not block.shape[1]:
            continue
        yield from _silence(at - done)
        done = max(at, done)
        yield block
        done += block.shape[1]
    yield from _silence(samples - done)


def _silence(samples: int) -> Iterator[Floats]:
    for begin in range(0, samples, _BLOCK):
        yield np.zeros((2, min(_BLOCK, samples - begin)), np.float32)


def _placed(reader: StretchReader, start_s: float, samples: int) -> Iterator[tuple[int, Floats]]:
    """(first sample, block) pairs, counted from `start_s`; may begin before and overlap."""
    resampler: av.AudioResampler | None = None
    signature: tuple[object, ...] = ()
    at = 0
    for time_s, frame in reader.frames(max(0.0, start_s - _WARM_UP_S)):
        stated = round((time_s - start_s) * RATE_HZ)
        if stated >= samples:
            break
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or kind != signature or abs(stated - at) > _SLIP_S * RATE_HZ:
            for block in _resampled(resampler, None):
                yield at, block
            # Mono stays mono here: mixed to stereo it would lose 3 dB.
            layout = "mono" if frame.layout.nb_channels == 1 else "stereo"
            resampler = av.AudioResampler(format="fltp", layout=layout, rate=RATE_HZ)
            signature, at = kind, stated
        frame.pts = None  # time is counted here; a second opinion would only disagree
        for block in _resampled(resampler, frame):
            yield at, block
            at += block.shape[1]
    for block in _resampled(resampler, None):
        yield at, block
        at += block.shape[1]


def _resampled(resampler: av.AudioResampler | None, frame: Frame | None) -> Iterator[Floats]:
    if resampler is not None:
        for out in resampler.resample(frame):
            block = np.nan_to_num(out.to_ndarray().astype(np.float32, copy=False))
            yield np.clip(np.broadcast_to(block, (2, block.shape[1])), -1.0, 1.0)
