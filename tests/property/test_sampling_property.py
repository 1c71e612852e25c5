"""The law of sampling: what a viewer would see at each wanted time, once."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from triptych.decode.lane import scaled_size
from triptych.decode.sampler import Sampler
from triptych.decode.sampling import nearest_frames

TOLERANCE_S = 1e-6  # a frame that begins this much late is still on screen

# Ticks of real containers, so that neighbours stand on their grids, and plain numbers.
TICKS = st.sampled_from([1 / 1000, 1 / 90_000, 1001 / 30_000, 1 / 25, 1 / 3, 0.1])
RATES = st.sampled_from([0.1, 1 / 3, 0.5, 1.0, 2.0, 3.0, 12.5, 24000 / 1001, 30.0, 60.0, 240.0])


@st.composite
def presentation_times(draw: st.DrawFn) -> np.ndarray:
    tick = draw(TICKS)
    gaps = draw(st.lists(st.integers(1, 400), min_size=1, max_size=40))
    offset = draw(st.sampled_from([0.0, 8.3330078125, 1e5]) | st.floats(0, 1e4))
    return offset + np.cumsum([0, *gaps]) * tick


def streamed(pts_s: np.ndarray, end_s: float, *, fps: float, start_s: float) -> list[int]:
    """What the streaming sampler takes of frames that come one by one."""
    sampler = Sampler(fps=fps, start_s=start_s)
    following = [*pts_s[1:], end_s]
    return [
        i for i, (at, after) in enumerate(zip(pts_s, following, strict=True))
        if sampler.wants(at, after)
    ]  # fmt: skip


def wanted_times(end_s: float, *, fps: float, start_s: float) -> np.ndarray:
    """start_s + k / fps, those that begin before the film ends."""
    count = max(0, int((end_s - start_s) * fps) + 3)
    grid = start_s + np.arange(count) / fps
    return grid[grid + TOLERANCE_S < end_s]


@given(presentation_times(), RATES, st.floats(-2, 2), st.floats(0.001, 3))
@example(np.array([0.0, 1.0]), 1.0, 0.0, 1.0)
def test_streaming_takes_the_frames_on_screen_at_the_grid(
    pts_s: np.ndarray, fps: float, early_s: float, last_s: float
) -> None:
    start_s, end_s = float(pts_s[0]) + early_s, float(pts_s[-1]) + last_s
    grid = wanted_times(end_s, fps=fps, start_s=start_s)
    expected = sorted(set(nearest_frames(pts_s, grid).tolist()))
    assert streamed(pts_s, end_s, fps=fps, start_s=start_s) == expected


@given(presentation_times(), st.integers(1, 60), st.data())
def test_frames_exactly_on_the_grid_are_each_taken_once(
    pts_s: np.ndarray, fps: int, data: st.DataObject
) -> None:
    start_s = float(pts_s[0])
    count = data.draw(st.integers(1, 50))
    jitter = data.draw(st.sampled_from([0.0, 1e-12, -1e-12, 4e-7, -4e-7]))
    on_grid = start_s + np.arange(count) / fps + jitter
    taken = streamed(on_grid, start_s + count / fps, fps=fps, start_s=start_s)
    assert taken == list(range(count))


@given(
    st.sampled_from([1 / 3, 1.0, 24000 / 1001, 30.0]),
    st.sampled_from([0.0, 5.1, 8.333008, 1234.567]),
    st.lists(st.sampled_from([0.0, 1e-6, -1e-6, 1e-6 - 1e-13]), min_size=2, max_size=8),
)
@example(1 / 3, 8.333008, [1e-6, 1e-6, 1e-6, 1e-6])
def test_frames_at_the_edge_of_the_tolerance_are_not_lost(
    fps: float, start_s: float, late_s: list[float]
) -> None:
    # Containers that count microseconds: a step of the grid was skipped here by rounding.
    pts_s = start_s + np.arange(len(late_s)) / fps + late_s
    end_s = float(pts_s[-1]) + 0.5 / fps
    grid = wanted_times(end_s, fps=fps, start_s=start_s)
    expected = sorted(set(nearest_frames(pts_s, grid).tolist()))
    assert streamed(pts_s, end_s, fps=fps, start_s=start_s) == expected


@given(presentation_times(), st.lists(st.floats(-10, 2e5), min_size=1).map(np.array))
def test_nearest_frames_are_what_a_viewer_would_see(pts_s: np.ndarray, wanted: np.ndarray) -> None:
    found = nearest_frames(pts_s, wanted)
    for i, t in zip(found, wanted, strict=True):
        assert pts_s[i] <= t + TOLERANCE_S or i == 0
        assert i + 1 == len(pts_s) or t < pts_s[i + 1]


@given(
    st.integers(1, 70_000), st.integers(1, 70_000),
    st.floats(1e-3, 1e3), st.integers(16, 4096),
)  # fmt: skip
def test_scaled_pictures_are_never_enlarged_and_stay_bounded(
    width: int, height: int, aspect: float, short_side: int
) -> None:
    wide, high = scaled_size(width, height, aspect, short_side)
    assert 1 <= wide <= max(1, round(width * aspect)) and 1 <= high <= height
    assert min(wide, high) <= short_side and max(wide, high) <= 4 * short_side
    if min(wide, high) >= 16:  # rounding to whole pixels is small then
        assert np.isclose(wide / high, width * aspect / height, rtol=0.07)
