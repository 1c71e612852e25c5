"""Any sound to mono float32 at one rate, in chunks of a fixed length, on the container's clock."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np

from triptych.records import Floats, Sound

__all__ = ["CHUNK_S", "MonoStream"]

CHUNK_S = 10.0  #: length of all chunks but the last
# Codecs' own delays and rounding stay below this; more is a hole that the container means.
_GAP_S = 0.1
_LONGEST_GAP_S = 3600.0


class MonoStream:
    """Resamples decoded audio frames and fills holes in time with silence."""

    def __init__(self, *, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.overlaps = 0  #: frames that claimed a time already covered
        self._resampler: av.AudioResampler | None = None
        self._scale = 1.0  # of the mix
        self._signature: tuple[object, ...] = ()
        self._parts: list[Floats] = []
        self._held = 0
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
        if frame.pts is not None and frame.time_base is not None:
            yield from self._keep_time(float(frame.pts * frame.time_base))
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

    def _keep_time(self, at_s: float) -> Iterator[Sound]:
        """Silence up to `at_s`, when the container leaves a hole there."""
        expected = self.end_s
        if expected is None:
            self._start_s = at_s
        elif _GAP_S < at_s - expected < _LONGEST_GAP_S:
            self._drain()
            self._signature = ()  # a drained resampler takes no more
            missing = round((at_s - (self.end_s or 0.0)) * self.rate_hz)
            size = int(CHUNK_S * self.rate_hz)
            while missing > 0:  # in pieces: a hole of an hour would be 230 MB
                self._hold(np.zeros(min(missing, size), np.float32))
                missing -= size
                yield from self._chunks(size)
        elif at_s - expected < -_GAP_S:
            self.overlaps += 1

    def _drain(self) -> None:
        if self._resampler is not None and self._signature:
            for out in self._resampler.resample(None):
                self._hold(out.to_ndarray()[0])
            self._resampler = None

    def _hold(self, samples: Floats) -> None:
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
