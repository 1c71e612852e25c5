"""Laws of the ways to sample: what they want lies in the film, and what stands for it is near."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from triptych.decode.precision import Group, Precision, snapped
from triptych.decode.sampler import Listed, Sampler
from triptych.decode.sampling import (
    Every,
    Film,
    Fps,
    Keyframes,
    Policy,
    Shots,
    Times,
    Uniform,
    Windows,
    nearest_frames,
)

LENGTHS = st.floats(0.05, 20)


@st.composite
def films(draw: st.DrawFn) -> Film:
    start = draw(st.sampled_from([0.0, 8.3330078125, 1e5]) | st.floats(0, 100))
    length = draw(st.floats(0.001, 500))
    keys = sorted(start + draw(st.floats(0, 1)) * length for _ in range(draw(st.integers(0, 5))))
    return Film(start_s=start, end_s=start + length, origin_s=start, keys_s=tuple(keys))


POLICIES: st.SearchStrategy[Policy] = st.one_of(
    st.builds(Fps, st.floats(0.05, 60)),
    st.builds(Every, LENGTHS),
    st.builds(Uniform, st.integers(1, 40)),
    st.just(Keyframes()),
    st.builds(Times, st.lists(st.floats(0, 600), min_size=1, max_size=9).map(tuple)),
    st.builds(Shots, st.integers(1, 5), st.lists(st.floats(0, 600), max_size=9).map(tuple)),
    st.builds(Windows, LENGTHS, LENGTHS, st.integers(1, 9)),
)


@given(films(), POLICIES)
def test_wanted_times_increase_and_lie_in_the_film(film: Film, policy: Policy) -> None:
    times = policy.times(film)
    assert times.dtype == np.float64 and (np.diff(times) > 0).all()
    if len(times):
        assert film.start_s <= times[0] + 1e-9 and times[-1] < film.end_s


@given(films(), st.integers(1, 40))
def test_uniform_frames_stand_for_equal_parts(film: Film, count: int) -> None:
    times = Uniform(count).times(film)
    assert len(times) == count
    edges = np.concatenate([[film.start_s], (times[1:] + times[:-1]) / 2, [film.end_s]])
    np.testing.assert_allclose(np.diff(edges), (film.end_s - film.start_s) / count, rtol=1e-3)


@given(films(), st.lists(st.floats(0, 600), max_size=9), st.integers(1, 4))
def test_every_shot_has_its_frames(film: Film, cuts: list[float], per_shot: int) -> None:
    times = Shots(per_shot, tuple(cuts)).times(film)
    edges = [film.start_s, *sorted({c for c in cuts if film.start_s < c < film.end_s}), film.end_s]
    for begin, end in itertools.pairwise(edges):
        if end - begin > 1e-6:
            assert ((times >= begin) & (times < end)).sum() == per_shot


@given(films(), LENGTHS, LENGTHS, st.integers(1, 9))
def test_windows_follow_their_stride_and_end_in_the_film(
    film: Film, length: float, stride: float, frames: int
) -> None:
    grid = Windows(length, stride, frames).grid(film)
    assert grid.shape[1] == frames and len(grid) >= 1
    np.testing.assert_allclose(np.diff(grid, axis=0), stride, atol=1e-6)
    last = film.start_s + (len(grid) - 1) * stride
    if len(grid) > 1:
        assert last + length <= film.end_s + 1e-4
    assert last + stride + length > film.end_s - 1e-4  # no other one would have had room


@given(
    st.lists(st.floats(0, 50), min_size=1, max_size=30),
    st.lists(st.integers(1, 400), min_size=1, max_size=40),
)
def test_listed_times_are_served_by_the_frames_on_screen(
    wanted: list[float], gaps: list[int]
) -> None:
    pts = np.cumsum([0, *gaps]) / 25
    end = float(pts[-1]) + 0.04
    listed = Listed(wanted)
    taken = [
        i for i, (at, after) in enumerate(zip(pts, [*pts[1:], end], strict=True))
        if listed.wants(float(at), float(after))
    ]  # fmt: skip
    inside = np.array([t for t in wanted if t + 1e-6 < end])
    assert taken == (sorted(set(nearest_frames(pts, inside).tolist())) if len(inside) else [])


@given(
    st.lists(st.floats(0, 50), max_size=30) | st.floats(0.05, 100),
    st.lists(st.integers(1, 400), min_size=1, max_size=40),
)
def test_what_is_taken_could_be_foreseen(wanted: list[float] | float, gaps: list[int]) -> None:
    def made() -> Listed | Sampler:
        return Listed(wanted) if isinstance(wanted, list) else Sampler(fps=wanted, start_s=0.0)

    pts = (np.cumsum([0, *gaps]) / 25).tolist()
    sampler, foresight = made(), made()
    for at, after in itertools.pairwise(pts):
        foreseen, taken = foresight.may_want(at, after), sampler.wants(at, after)
        assert foreseen or not taken or at == pts[0]  # the first stands for earlier times


@st.composite
def groups(draw: st.DrawFn) -> Group:
    shown = draw(st.lists(st.integers(0, 300), min_size=1, max_size=20, unique=True))
    order = [min(shown), *draw(st.permutations(sorted(shown)[1:]))]
    entries = (order[0] / 25,) if draw(st.booleans()) else ()
    next_s = (max(shown) + draw(st.integers(1, 9))) / 25 if draw(st.booleans()) else None
    return Group(pts_s=tuple(t / 25 for t in order), entries_s=entries, next_s=next_s)


@given(
    groups(), st.lists(st.floats(0, 12), min_size=1), st.floats(0, 3), st.sampled_from(Precision)
)
def test_what_stands_for_a_time(
    group: Group, wanted: list[float], tolerance: float, precision: Precision
) -> None:
    order = np.array(sorted(group.pts_s))
    known = {*group.pts_s, group.next_s}
    on_screen = order[nearest_frames(order, np.array(wanted))]
    found = snapped(wanted, group, precision=precision, tolerance_s=tolerance)
    assert len(found) == len(wanted) and set(found) <= known
    for time_s, pts_s, shown_s in zip(wanted, found, on_screen, strict=True):
        if precision is Precision.NEAR:
            assert abs(pts_s - time_s) <= tolerance or pts_s == shown_s
        elif precision is Precision.KEYFRAME and group.entries_s:
            assert pts_s == group.entries_s[0]
        else:
            assert pts_s == shown_s
