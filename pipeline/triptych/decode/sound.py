"""Any sound to mono float32 at one rate, in chunks of a fixed length, on the container's clock."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np

from triptych.records import Floats, Sound

__all__ = ["CHUNK_S", "MonoStream"]

CHUNK_S = 10.0  #: length of all chunks but the last
# Times waver, by a millisecond in Matroska and by more where a recorder stamped them. What is off
# by no more than a frame's own length, within these bounds, is left alone; beyond it the container
# means a hole, or says again what was heard.
_LEAST_S, _MOST_S = 0.02, 0.1
_LONGEST_GAP_S, _LONGEST_OVERLAP_S = 3600.0, 10.0  # beyond these the time itself is wrong


class MonoStream:
    """Resamples decoded audio frames, fills holes in time with silence, and says nothing twice.

    Channels are mixed by ITU-R BS.775's weights (a centre counts 1, a side 0.71, a surround 0.5,
    the low effects nothing), made to sum to 1: channels that all say the same keep their level,
    and nothing is ever clipped. One of two channels alone comes out half as loud, the centre of
    5.1 at 0.29.
    """

    def __init__(self, *, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.overlaps = 0  #: frames that claimed a time already covered
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
        if frame.pts is not None and frame.time_base is not None:
            yield from self._keep_time(float(frame.pts * frame.time_base), length_s)
            if self._twice >= length_s * self.rate_hz:
                self._twice = 0
                return
        elif self._start_s is None:
            self._start_s = 0.0
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

    def _keep_time(self, at_s: float, length_s: float) -> Iterator[Sound]:
        """Silence up to `at_s`, when the container leaves a hole there; or none of it twice."""
        expected = self.end_s
        if expected is None:
            self._start_s = at_s
            return
        off_s, near_s = at_s - expected, min(max(length_s, _LEAST_S), _MOST_S)
        if near_s < off_s < _LONGEST_GAP_S:
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

    def _drain(self) -> None:
        if self._resampler is not None and self._signature:
            for out in self._resampler.resample(None):
                self._hold(out.to_ndarray()[0])
            self._resampler = None

    def _hold(self, samples: Floats) -> None:
        if self._twice:
            samples, self._twice = samples[self._twice :], max(0, self._twice - len(samples))
        if len(samples):
            scaled = samples.astype(np.float32, copy=False) * np.float32(self._scale)
            self._parts.append(np.nan_to_num(scaled))
            self._held += len(samples)

    def _chunks(self, size: int) -> Iterator[Sound]:
        if self._held < size or self._start_s is None:
            return
        samples = np.concatenate(self._parts)
        whole = len(samples) // size * size
        for at in range(0, whole, size):
            start_s = self._start_s + self._done / self.rate_hz
            self._done += size
            self._held -= size
            yield Sound(samples=samples[at : at + size], rate_hz=self.rate_hz, start_s=start_s)
        self._parts = [samples[whole:]] if whole < len(samples) else []


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
