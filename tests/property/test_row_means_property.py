"""Laws of means over rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from triptych.extract.row_means import RowMeans
from triptych.spec import Spec

SPEC = Spec(name="made", version=1, modality="image", dim=2)
STRETCHES = st.lists(st.integers(1, 5000), min_size=1, max_size=30)


@given(STRETCHES, st.sampled_from([0.1, 0.25, 0.3, 1.0, 7.5]), st.sampled_from([0.0, 8.3]))
def test_nothing_is_lost_and_nothing_invented(
    lengths_ms: list[int], step_s: float, start_s: float
) -> None:
    """Rows cover the whole time without a hole, and each value counts for its own time."""
    seconds = np.array(lengths_ms) / 1000
    begins = start_s + np.concatenate([[0.0], np.cumsum(seconds)])
    values = np.arange(2 * len(seconds), dtype=np.float32).reshape(-1, 2)
    means = RowMeans(step_s=step_s)
    for row, since_s in zip(values, begins, strict=False):
        means.hold(row, since_s=since_s)
    track = means.finish(SPEC, end_s=begins[-1])
    assert track.start_s[0] == start_s and abs(track.end_s[-1] - begins[-1]) < 1e-5
    np.testing.assert_allclose(track.end_s[:-1], track.start_s[1:], atol=1e-9)
    total = (track.values * (track.end_s - track.start_s)[:, None]).sum(axis=0)
    np.testing.assert_allclose(total, seconds @ values, rtol=1e-3, atol=1e-3)
    assert track.values.min() >= values.min() - 1e-3 and track.values.max() <= values.max() + 1e-3


@given(STRETCHES, st.sampled_from([0.1, 0.3, 1.0]))
def test_what_never_changes_is_the_same_in_all_rows(lengths_ms: list[int], step_s: float) -> None:
    means = RowMeans(step_s=step_s)
    begins = np.concatenate([[0.0], np.cumsum(lengths_ms)]) / 1000
    for since_s in begins[:-1]:
        means.hold(np.array([2.0, -1.0], np.float32), since_s=float(since_s))
    values = means.finish(SPEC, end_s=float(begins[-1])).values
    np.testing.assert_allclose(values, np.tile([2.0, -1.0], (len(values), 1)), rtol=1e-5)


def test_nothing_measured_is_no_rows() -> None:
    means = RowMeans(step_s=1.0)
    assert means.empty and len(means.finish(SPEC, end_s=0.0)) == 0
