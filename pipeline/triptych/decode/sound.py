"""Any sound to mono float32 at one rate, in chunks of a fixed length, on the container's clock."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import av
import numpy as np

from triptych.decode.landing import SoundStart
from triptych.records import Floats, Sound

__all__ = ["CHUNK_S", "MonoStream"]

CHUNK_S = 10.0  #: length of all chunks but the last
# Times waver, by a millisecond in Matroska and by more where a recorder stamped them. What is off
# by no more than a frame's own length, within these bounds, is left alone; beyond it the container
# means a hole, or says again what was heard.
_LEAST_S, _MOST_S = 0.02, 0.1
_LONGEST_OVERLAP_S = 10.0  # beyond it the time itself is wrong
# Times may lie: silence is made of holes up to a minute in all, and beyond that ten times as
# much as was heard, and a second for each kB of the file. No film that was filmed comes near.
_TRUSTED_S, _TRUSTED_SHARE, _TRUSTED_BYTES = 60.0, 10.0, 1000
_EPS = 0.02  # of a sample: containers round the time at which they begin to a microsecond


class MonoStream:
    """Resamples decoded audio frames, fills holes in time with silence, and says nothing twice.

    Channels are mixed by ITU-R BS.775's weights (a centre counts 1, a side 0.71, a surround 0.5,
    the low effects nothing), made to sum to 1: channels that all say the same keep their level,
    and nothing is ever clipped. One of two channels alone comes out half as loud, the centre of
    5.1 at 0.29.

    What it gives of a window is bit for bit what it gives of the whole file there, as far as
    the times of the file are exact.

    Args:
        rate_hz: of what comes out.
        file_bytes: size of the file.
        begin: where the track begins; needed when what is fed does not begin there.
        start_s: nothing before this time comes out.
        end_s: nothing from this time on comes out.
    """

    def __init__(
        self,
        *,
        rate_hz: int,
        file_bytes: int = 0,
        begin: SoundStart | None = None,
        start_s: float = -math.inf,
        end_s: float = math.inf,
    ) -> None:
        self.rate_hz = rate_hz
        self.overlaps = 0  #: frames that claimed a time already covered
        self.disbelieved_s = 0.0  #: length of holes that are hardly true, and were closed
        self._silence_s = self._heard_s = 0.0
        self._ahead_s = 0.0  # of what is believed, the file's clock
        self._trusted_s = _TRUSTED_S + max(0, file_bytes) / _TRUSTED_BYTES
        self._begin = begin
        self._window = (start_s, end_s)
        self._bounds = (0, math.inf)  # of the samples that come out, counted from _start_s
        self._cut = 0  # samples of the next frames to pass over
        self._resampler: av.AudioResampler | None = None
        self._scale = 1.0  # of the mix
        self._signature: tuple[object, ...] = ()
        self._parts: list[Floats] = []
        self._held = 0
        self._twice = 0  # samples to come that were heard already
        self._start_s: float | None = None
        self._done = 0  # samples given out since _start_s

    @property
    def end_s(self) -> float | None:
        """Time up to which sound is known, None before the first sample."""
        if self._start_s is None:
            return None
        return self._start_s + (self._done + self._held) / self.rate_hz

    def feed(self, frame: av.AudioFrame) -> Iterator[Sound]:
        """Whole chunks that `frame` completes."""
        length_s = frame.samples / frame.sample_rate if frame.sample_rate else 0.0
        if self._start_s is None:
            if self._begin is not None and frame.pts is None:
                return  # somewhere before the window
            self._place(frame)
        elif frame.pts is not None and frame.time_base is not None:
            yield from self._keep_time(float(frame.pts * frame.time_base), length_s)
            if self._twice >= length_s * self.rate_hz:
                self._twice = 0
                return
        self._heard_s += length_s
        if self._cut:
            cut = min(self._cut, frame.samples)
            self._cut -= cut
            if cut == frame.samples:
                return
            frame = _without_first(frame, cut)
        signature = (frame.format.name, frame.layout.name, frame.sample_rate)
        if signature != self._signature:  # the stream changed its format midway
            self._drain()
            self._resampler = av.AudioResampler(format="flt", layout="mono", rate=self.rate_hz)
            self._scale = 1.0 / _mix_gain(frame.layout, self.rate_hz)
            self._signature = signature
        assert self._resampler is not None
        frame.pts = None  # time is kept here; the resampler would only warn about it
        for out in self._resampler.resample(frame):
            self._hold(out.to_ndarray()[0])
        yield from self._chunks(int(CHUNK_S * self.rate_hz))

    def finish(self) -> Iterator[Sound]:
        """What is left."""
        self._drain()
        yield from self._chunks(int(CHUNK_S * self.rate_hz))
        if self._held:
            yield from self._chunks(self._held)

    def _place(self, frame: av.AudioFrame) -> None:
        """Find out where the first frame stands, on the track's own grid of samples."""
        timed = frame.pts is not None and frame.time_base is not None
        at_s = float(frame.pts * frame.time_base) if timed else 0.0  # type: ignore[operator]
        begin, rate = self._begin, frame.sample_rate
        if begin is None or rate != begin.rate_hz:
            self._start_s = at_s
        else:
            index = begin.index_of(at_s)
            # Resampled from here, samples fall where they do when resampled from the start.
            self._cut = -index % (rate // math.gcd(rate, self.rate_hz))
            self._start_s = begin.start_s
            self._done = (index + self._cut) * self.rate_hz // rate
        first, last = ((t - self._start_s) * self.rate_hz - _EPS for t in self._window)
        self._bounds = (
            math.ceil(first) if first > self._done else self._done,
            math.ceil(last) if last < math.inf else last,
        )

    def _keep_time(self, at_s: float, length_s: float) -> Iterator[Sound]:
        """Silence up to `at_s`, when the container leaves a hole there; or none of it twice."""
        expected = self.end_s
        if expected is None or self._is_full:
            return
        near_s = min(max(length_s, _LEAST_S), _MOST_S)
        if abs(at_s - expected) <= near_s:  # the clock is right, or right again
            self.disbelieved_s -= self._ahead_s
            self._ahead_s = 0.0
        at_s -= self._ahead_s
        off_s = at_s - expected
        if off_s > near_s and not self._believes(off_s):
            self._ahead_s += off_s
            self.disbelieved_s += off_s
        elif off_s > near_s:
            self._silence_s += off_s
            self._break()
            missing = round((at_s - (self.end_s or 0.0)) * self.rate_hz)
            size = int(CHUNK_S * self.rate_hz)
            while missing > 0:  # in pieces: a hole of an hour would be 230 MB
                self._hold(np.zeros(min(missing, size), np.float32))
                missing -= size
                yield from self._chunks(size)
        elif off_s < -near_s:
            self.overlaps += 1
            if off_s > -_LONGEST_OVERLAP_S:
                self._break()
                self._twice = round(((self.end_s or 0.0) - at_s) * self.rate_hz)

    def _break(self) -> None:
        """End what is in the resampler: what comes next does not follow it."""
        self._drain()
        self._signature, self._twice = (), 0  # a drained resampler takes no more

    def _believes(self, hole_s: float) -> bool:
        return self._silence_s + hole_s <= self._trusted_s + _TRUSTED_SHARE * self._heard_s

    @property
    def _is_full(self) -> bool:
        """Whether all that may come out is there."""
        return self._done + self._held >= self._bounds[1]

    def _drain(self) -> None:
        if self._resampler is not None and self._signature:
            for out in self._resampler.resample(None):
                self._hold(out.to_ndarray()[0])
            self._resampler = None

    def _hold(self, samples: Floats) -> None:
        if self._twice:
            samples, self._twice = samples[self._twice :], max(0, self._twice - len(samples))
        first, last = self._bounds
        if (early := first - self._done) > 0:  # then nothing is held
            self._done += min(early, len(samples))
            samples = samples[early:]
        if len(samples) > (room := last - self._done - self._held):
            samples = samples[: max(0, int(room))]
        if len(samples):
            self._parts.append(samples.astype(np.float32, copy=False) * np.float32(self._scale))
            self._held += len(samples)

    def _chunks(self, size: int) -> Iterator[Sound]:
        if self._held < size or self._start_s is None:
            return
        samples = np.nan_to_num(np.concatenate(self._parts), copy=False)
        whole = len(samples) // size * size
        for at in range(0, whole, size):
            start_s = self._start_s + self._done / self.rate_hz
            self._done += size
            self._held -= size
            yield Sound(samples=samples[at : at + size], rate_hz=self.rate_hz, start_s=start_s)
        self._parts = [samples[whole:]] if whole < len(samples) else []


def _without_first(frame: av.AudioFrame, cut: int) -> av.AudioFrame:
    """What is left of a frame without so many samples of each channel."""
    samples: np.ndarray[Any, Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        cut *= frame.layout.nb_channels
    rest = np.ascontiguousarray(samples[:, cut:])
    left = av.AudioFrame.from_ndarray(rest, frame.format.name, frame.layout)
    left.sample_rate = frame.sample_rate
    return left


def _mix_gain(layout: av.AudioLayout, rate_hz: int) -> float:
    """How much louder the resampler's mono is than channels that all say the same, at least 1.

    To float samples it adds channels without dividing: stereo comes out at 1.41, 5.1 at 3.41.
    """
    ones = np.ones((1, layout.nb_channels * 64), np.float32)
    probe = av.AudioFrame.from_ndarray(ones, "flt", layout)
    probe.sample_rate = rate_hz
    mixer = av.AudioResampler(format="flt", layout="mono", rate=rate_hz)
    mixed = [out.to_ndarray() for out in (*mixer.resample(probe), *mixer.resample(None))]
    return max(1.0, float(np.concatenate(mixed, axis=1).max())) if mixed else 1.0
