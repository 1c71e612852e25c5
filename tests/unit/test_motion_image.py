"""Pictures of sudden motion: what they show, what they leave out, and where they look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import synth
from triptych.records import FeatureTrack, Luma

pytestmark = pytest.mark.needs("embedded", "motion")


def track_of(records: Sequence[Luma], step_s: float = 1.0) -> FeatureTrack:
    from triptych.extract.motion_image import MotionImageExtractor

    coroutine = MotionImageExtractor()(step_s=step_s)
    next(coroutine)
    for luma in records:
        coroutine.send(luma)
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    return done.value.value["motion_image"]


def picture_of(grays: Sequence[np.ndarray]) -> np.ndarray:
    """The picture that three frames make."""
    from triptych.extract.flow import FlowReader
    from triptych.extract.motion_image import acceleration

    last, pair = FlowReader(fine=False).feed(synth.lumas(grays))
    return acceleration(last, pair)


def with_square(left: int, top: int = 40) -> np.ndarray:
    shown = synth.speckled((192, 128), seed=1)
    shown[top : top + 32, left : left + 32] = synth.speckled((32, 32), seed=2, grain=0.2)
    return shown


def test_what_stands_still_is_grey() -> None:
    assert (picture_of([with_square(60)] * 3) == 128).all()


def test_a_jolt_is_seen_where_it_is_and_nowhere_else() -> None:
    picture = picture_of([with_square(60), with_square(60), with_square(66)]).astype(int)
    assert np.abs(picture - 128)[40:72, 60:98].mean() > 20
    picture[40:72, 60:98] = 128
    assert (picture == 128).all()


def test_a_light_that_rises_steadily_is_nothing_and_one_that_flickers_is() -> None:
    ground = synth.speckled((192, 128)) // 2
    rising = picture_of([ground + 10 * n for n in range(3)]).astype(int)
    flickering = picture_of([ground, ground + 10, ground]).astype(int)
    assert np.abs(rising - 128).mean() < 1
    assert np.abs(flickering - 128).mean() > 40


@pytest.mark.parametrize("pan", [(2, 0), (-5, 0), (3, -4)])
def test_a_pan_leaves_little_of_the_ground(pan: tuple[int, int]) -> None:
    ground = synth.speckled((320, 256), seed=1)
    grays = []
    for n in range(3):
        x, y = (60 + part * n**2 for part in pan)  # faster and faster, so that it would show
        grays.append(ground[y : y + 128, x : x + 171])
    panned = np.abs(picture_of(grays).astype(int) - 128).mean()
    unmoved = np.abs(2.0 * grays[1] - grays[0] - grays[2]).clip(0, 48).mean() * 8 / 3
    assert panned < 0.3 * unmoved


def test_the_square_holds_what_moves() -> None:
    from triptych.extract.motion_image import busy_square

    busy = np.zeros((128, 192), np.float32)
    busy[20:60, 110:150] = 0.5
    rows, columns = busy_square(busy)
    assert rows.start <= 20 and rows.stop >= 60
    assert columns.start <= 110 and columns.stop >= 150
    assert rows.stop - rows.start == columns.stop - columns.start <= 70


@pytest.mark.parametrize("size", [(1, 1), (128, 192), (192, 128), (128, 512)])
@pytest.mark.parametrize("level", [0.0, 0.6])
def test_the_square_lies_in_the_picture(size: tuple[int, int], level: float) -> None:
    from triptych.extract.motion_image import busy_square

    for corner in (slice(0, 9), slice(-9, None)):
        busy = np.zeros(size, np.float32)
        busy[corner, corner] = level
        rows, columns = busy_square(busy)
        assert 0 <= rows.start <= size[0] - 1 and 0 <= columns.start <= size[1] - 1
        assert busy[rows, columns].size > 0
        if min(size) > 1:
            assert rows.stop <= size[0] and columns.stop <= size[1]


def test_motion_tells_two_films_of_one_room_apart() -> None:
    rng = np.random.default_rng(0)
    glide = [with_square(20 + 2 * n) for n in range(20)]
    fray = [with_square(*(60 + rng.integers(-8, 9, 2))) for n in range(20)]
    same = [with_square(20 + 2 * n, top=44) for n in range(20)]
    one, other, again = (
        track_of([synth.lumas(g)]).values.mean(axis=0) for g in (glide, fray, same)
    )

    def likeness(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    assert likeness(one, again) > likeness(one, other) + 0.05


def test_a_cut_is_not_a_picture() -> None:
    one, other = (synth.speckled(seed=n) for n in (1, 2))
    alone = track_of([synth.lumas([one])]).values[0]
    cut = track_of([synth.lumas([one] * 12 + [other] * 12)])
    assert len(cut) == 3
    for row in cut.values:
        np.testing.assert_allclose(row, alone, atol=1e-3)


@pytest.mark.parametrize("step_s, rows", [(0.1, 20), (0.25, 8), (0.5, 4), (1.0, 2), (5.0, 1)])
def test_every_row_has_a_picture(step_s: float, rows: int) -> None:
    rng = np.random.default_rng(0)
    fray = [with_square(*(60 + rng.integers(-8, 9, 2))) for n in range(20)]
    track = track_of([synth.lumas(fray)], step_s)
    assert len(track) == rows
    still = track_of([synth.lumas(fray[:1])]).values[0]
    assert (np.abs(track.values - still).max(axis=1) > 0.01).all()


def test_a_slow_film_holds_its_pictures() -> None:
    rng = np.random.default_rng(0)
    slow = [with_square(*(60 + rng.integers(-8, 9, 2))) for n in range(6)]
    track = track_of([synth.lumas(slow, step_s=2.0)])
    assert len(track) == 11
    np.testing.assert_allclose(track.values[2], track.values[3], atol=1e-5)
    assert np.abs(track.values[3] - track.values[4]).max() > 0.01
