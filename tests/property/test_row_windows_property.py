"""Any cutting of a stream gives the same windows, and each is where it is said to be."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from triptych.extract.row_windows import RowWindows
from triptych.extract.rows import first_unit, rows_over

RATE_HZ = 10


@given(
    st.integers(0, 400),
    st.lists(st.integers(0, 400), max_size=8),
    st.sampled_from([0.1, 0.3, 1.0, 2.503, 9.9]),
    st.integers(1, 8),
)
def test_any_cutting_gives_the_same_windows(
    total: int, cuts: list[int], step_s: float, window_s: int
) -> None:
    stream = np.arange(total, dtype=np.float32)

    def through(pieces: list[np.ndarray]) -> list[np.ndarray]:
        windows = RowWindows(step_s=step_s, rate_hz=RATE_HZ, window_s=window_s)
        return [*(w for piece in pieces for w in windows.feed(piece)), *windows.finish()]

    found = through(np.split(stream, sorted(min(c, total) for c in cuts)))
    whole = through([stream])
    assert len(found) == len(whole) == rows_over(total, step_s=step_s, rate_hz=RATE_HZ)
    for row, (one, other) in enumerate(zip(found, whole, strict=True)):
        np.testing.assert_array_equal(one, other)
        begin, end = (first_unit(r, step_s=step_s, rate_hz=RATE_HZ) for r in (row, row + 1))
        assert len(one) == min(total, max(window_s * RATE_HZ, end - begin))
        assert one[0] <= begin and one[-1] >= min(end, total) - 1  # the row itself is in it
