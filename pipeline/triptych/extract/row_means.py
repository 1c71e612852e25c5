"""Values that each hold for a while -> their means over rows of equal length."""

from __future__ import annotations

import numpy as np

from triptych.extract.rows import row_spans
from triptych.records import FeatureTrack, Floats
from triptych.spec import Spec

__all__ = ["RowMeans"]

_TOLERANCE_S = 1e-6  # times are sums of rationals rounded to doubles


class RowMeans:
    """Means weighted by time, so that they do not depend on how often something was measured.

    >>> spec = Spec(name="made", version=1, modality="image", dim=1)
    >>> means = RowMeans(step_s=1.0)
    >>> means.hold(np.array([2.0]), since_s=5.0)
    >>> means.hold(np.array([4.0]), since_s=5.5)
    >>> track = means.finish(spec, end_s=6.2)
    >>> track.values.tolist(), track.end_s.tolist()
    ([[3.0], [4.0]], [6.0, 6.2])
    """

    def __init__(self, *, step_s: float) -> None:
        self._step_s = step_s
        self._start_s = 0.0
        self._sums: list[Floats] = []
        self._seconds: list[float] = []
        self._held: tuple[Floats, float] | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing was measured yet."""
        return self._held is None

    def hold(self, values: Floats, *, since_s: float) -> None:
        """`values` (D,) hold from now on; those before held up to now.

        The first row begins when the first values do.
        """
        if self._held is None:
            self._start_s = since_s
        else:
            self._add(*self._held, since_s)
        self._held = values, since_s

    def finish(self, spec: Spec, *, end_s: float) -> FeatureTrack:
        """The rows, when nothing more follows before `end_s`."""
        if self._held is not None:
            self._add(*self._held, end_s)
        means = [total / time for total, time in zip(self._sums, self._seconds, strict=True)]
        values = np.stack(means) if means else np.zeros((0, spec.dim), np.float32)
        starts, ends = row_spans(
            len(means), start_s=self._start_s, end_s=end_s, step_s=self._step_s
        )
        return FeatureTrack(values=values, start_s=starts, end_s=ends, spec=spec)

    def _add(self, values: Floats, begin_s: float, end_s: float) -> None:
        row = int((begin_s - self._start_s + _TOLERANCE_S) / self._step_s)
        while (row_s := self._start_s + row * self._step_s) < end_s - _TOLERANCE_S:
            seconds = min(end_s, row_s + self._step_s) - max(begin_s, row_s)
            if row == len(self._sums):
                self._sums.append(np.zeros(len(values), np.float32))
                self._seconds.append(0.0)
            self._sums[row] += np.float32(seconds) * values
            self._seconds[row] += seconds
            row += 1
