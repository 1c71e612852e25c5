"""Alignment equals an obvious, slow reference; what is absent is masked."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from synth import track
from triptych.fuse.timeline import align, steps_between
from triptych.records import FeatureTrack

INSTANT_S = 1e-3  # a row without length counts as this long
GRID = st.integers(-40, 120).map(lambda n: n / 8)  # exact in binary, so that edges meet


@st.composite
def tracks(draw: st.DrawFn) -> FeatureTrack:
    """Rows of any lengths, with holes and overlaps."""
    starts = sorted(draw(st.lists(GRID, max_size=12)))
    lengths = draw(
        st.lists(
            st.sampled_from([0.0, 0.125, 0.5, 1.0, 3.75, 40.0]),
            min_size=len(starts),
            max_size=len(starts),
        )
    )
    values = draw(st.lists(st.integers(-5, 5), min_size=2 * len(starts), max_size=2 * len(starts)))
    return track(
        np.array(values, np.float32).reshape(len(starts), 2), starts, np.add(starts, lengths)
    )


def reference(rows: FeatureTrack, begin: float, end: float) -> tuple[np.ndarray, bool]:
    """Mean of the rows that overlap [begin, end), each as heavy as its overlap."""
    total, weight = np.zeros(rows.spec.dim), 0.0
    for value, start_s, end_s in zip(rows.values, rows.start_s, rows.end_s, strict=True):
        overlap = min(max(end_s, start_s + INSTANT_S), end) - max(start_s, begin)
        if overlap > 1e-6:
            total, weight = total + value * overlap, weight + overlap
    return (total / weight if weight else total), weight > 0


@given(tracks(), GRID, st.integers(0, 90).map(lambda n: n / 8), st.sampled_from([0.25, 1.0, 2.5]))
def test_each_step_is_the_mean_of_what_overlaps_it(
    rows: FeatureTrack, start_s: float, length_s: float, step_s: float
) -> None:
    timeline = align({"made": rows}, start_s=start_s, end_s=start_s + length_s, step_s=step_s)
    assert len(timeline) == np.ceil(length_s / step_s)
    for step in range(len(timeline)):
        begin, end = timeline.start_s[step], timeline.end_s[step]
        value, present = reference(rows, begin, end)
        assert timeline.present["made"][step] == present
        np.testing.assert_allclose(timeline.values["made"][step], value, atol=1e-5)
        if not present:
            assert not timeline.values["made"][step].any()


@given(
    st.floats(0, 1e4), st.integers(1, 40), st.sampled_from([0.1, 1.0, 1 / 3, 1001 / 1000]),
    st.sets(st.integers(0, 39)),
)  # fmt: skip
@example(8.3330078125, 10, 0.1, {2, 3})
def test_rounding_puts_no_row_into_its_neighbours_step(
    start_s: float, count: int, step_s: float, holes: set[int]
) -> None:
    """Rows that begin exactly with the steps, as sampled frames do, stay in them."""
    kept = [n for n in range(count) if n not in holes]
    starts = np.array([start_s + n * step_s for n in kept])
    rows = track(np.array(kept, np.float32), starts, starts + step_s)
    timeline = align({"made": rows}, start_s=start_s, end_s=start_s + count * step_s, step_s=step_s)
    assert len(timeline) == count
    assert np.flatnonzero(timeline.present["made"]).tolist() == kept
    np.testing.assert_allclose(timeline.values["made"][kept, 0], kept, atol=1e-3)


@given(st.floats(-1e5, 1e5), st.floats(0, 500), st.sampled_from([0.1, 0.5, 1.0, 10 / 3]))
def test_steps_cover_the_span_without_holes(start_s: float, length_s: float, step_s: float) -> None:
    end_s = start_s + length_s
    starts, ends = steps_between(start_s, end_s, step_s)
    if not len(starts):
        assert length_s < 1e-5 * step_s
        return
    assert starts[0] == start_s and abs(ends[-1] - end_s) < 1e-5
    np.testing.assert_array_equal(starts[1:], ends[:-1])
    assert (ends > starts).all() and (ends - starts <= step_s * (1 + 1e-9) + 1e-9).all()
