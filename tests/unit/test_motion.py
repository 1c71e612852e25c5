"""Speeds, directions and places of motion that was made, and so is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

import synth
from triptych.decode import open_media
from triptych.extract import extract
from triptych.records import FeatureTrack, Luma

pytestmark = pytest.mark.needs("motion")

Size = tuple[int, int]
Path_ = Callable[[float], tuple[float, float]]  # seconds -> short sides right and down


def track_of(records: Sequence[Luma], step_s: float = 1.0) -> FeatureTrack:
    from triptych.extract.motion import MotionExtractor

    coroutine = MotionExtractor()(step_s=step_s)
    next(coroutine)
    for luma in records:
        coroutine.send(luma)
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    return done.value.value["motion"]


def columns(track: FeatureTrack) -> dict[str, float]:
    """Means over the whole track by column."""
    return dict(zip(track.spec.columns, track.values.mean(axis=0).tolist(), strict=True))


def speed(logarithm: float) -> float:
    """Short sides a second, of a column that holds log(1 + 10 v)."""
    return math.expm1(logarithm) / 10


def still(_: float) -> tuple[float, float]:
    return 0.0, 0.0


def steadily(right: float, down: float = 0.0) -> Path_:
    return lambda t: (right * t, down * t)


def film(
    size: Size = (171, 128),
    *,
    fps: float = 10.0,
    seconds: float = 1.0,
    camera: Path_ = still,
    thing: Path_ | None = None,
    at: tuple[float, float] = (0.3, 0.3),
) -> Luma:
    """A ground seen by a camera, and a square thing of 0.3 short sides that moves before it."""
    short = min(size)
    reach = round(1.5 * short)
    ground = synth.speckled((size[0] + 2 * reach, size[1] + 2 * reach), grain=0.0125, seed=1)
    square = synth.speckled((round(0.3 * short),) * 2, grain=0.15, seed=2)
    grays = []
    for index in range(round(seconds * fps)):
        right, down = (round(part * short) for part in camera(index / fps))
        gray = ground[reach - down :, reach - right :][: size[1], : size[0]].copy()
        if thing is not None:
            x, y = (
                round((begin + part) * short)
                for begin, part in zip(at, thing(index / fps), strict=True)
            )
            gray[y : y + len(square), x : x + len(square)] = square
        grays.append(gray)
    return synth.lumas(grays, step_s=1 / fps)


@pytest.mark.parametrize("size", [(171, 128), (128, 171), (96, 64), (320, 256)])
@pytest.mark.parametrize("fps, wanted", [(5.0, 0.15), (5.0, 0.25), (10.0, 0.15), (10.0, 0.4)])
def test_a_thing_has_its_speed_at_every_size_and_rate(
    size: Size, fps: float, wanted: float
) -> None:
    found = columns(track_of([film(size, fps=fps, thing=steadily(wanted))]))
    assert speed(found["speed_moving"]) == pytest.approx(wanted, rel=0.2)
    assert speed(found["camera"]) < 0.01
    assert found["right"] == pytest.approx(1.0, abs=0.1)
    assert found["down"] == pytest.approx(0.0, abs=0.1)
    assert found["sideways"] > 0.9


def test_the_share_of_the_picture_that_moves() -> None:
    found = columns(track_of([film((200, 200), thing=steadily(0.3, 0.2))]))
    assert found["size"] == pytest.approx(0.3, abs=0.06)
    assert found["faster_than_0.1"] == pytest.approx(0.3, abs=0.06)
    assert found["faster_than_0.8"] < 0.1


@pytest.mark.parametrize("velocity", [(0.3, 0.0), (-0.2, 0.1), (0.0, 0.5)])
def test_a_pan_is_the_camera_s_and_nobody_else_s(velocity: tuple[float, float]) -> None:
    found = columns(track_of([film(camera=steadily(*velocity))]))
    assert speed(found["camera"]) == pytest.approx(math.hypot(*velocity), rel=0.1)
    assert speed(found["speed_p90"]) < 0.05
    assert found["size"] < 0.2


def test_a_thing_before_a_pan_keeps_its_own_speed() -> None:
    pan = steadily(-0.2)
    found = columns(track_of([film(camera=pan, thing=steadily(0.1))]))
    assert speed(found["camera"]) == pytest.approx(0.2, rel=0.1)
    assert speed(found["speed_moving"]) == pytest.approx(0.3, rel=0.2)
    assert found["right"] > 0.9


def test_a_still_picture_is_zeros() -> None:
    track = track_of([film(seconds=2.5)])
    assert track.values.shape == (3, track.spec.dim)
    assert not track.values.any()


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_flat_picture_is_zeros(level: int) -> None:
    assert not track_of([synth.lumas([np.full((60, 80), level, np.uint8)] * 12)]).values.any()


def test_a_cut_is_no_motion() -> None:
    one, other = (synth.speckled(seed=n) for n in (1, 2))
    assert not track_of([synth.lumas([one] * 7 + [other] * 7)]).values.any()
    black = np.zeros_like(one)
    assert not track_of([synth.lumas([one] * 7 + [black] * 7)]).values.any()


def test_a_flash_is_a_change_and_no_motion() -> None:
    ground = synth.speckled()
    bright = (ground * 0.5 + 127).astype(np.uint8)
    found = columns(track_of([synth.lumas([ground] * 5 + [bright] + [ground] * 5)]))
    assert found["change_mean"] > 0.05
    assert speed(found["camera"]) < 0.01 and found["size"] < 0.2


def test_whatever_is_shown_speeds_stay_within_bounds() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 96, 128), np.uint8)
    rough = synth.speckled((128, 96)) // 2 + noise // 2
    for grays in (noise, rough, noise // 200 * 255):
        values = track_of([synth.lumas(grays)]).values
        assert np.isfinite(values).all() and np.abs(values).max() <= math.log1p(10 * 8)


def test_frames_at_almost_the_same_time_are_not_infinitely_fast() -> None:
    both = film(fps=5.0, thing=steadily(0.1))
    times = both.pts_s.copy()
    times[3] = times[2] + 1e-4
    found = columns(track_of([Luma(gray=both.gray, pts_s=times)]))
    assert 0.03 < speed(found["speed_moving"]) < 0.3


def test_a_thing_that_is_shaken_is_told_from_one_that_glides() -> None:
    def shaken(t: float) -> tuple[float, float]:
        return 0.03 * math.cos(21 * t), 0.03 * math.sin(33 * t)

    glides = columns(track_of([film(thing=steadily(0.2, 0.1), seconds=2)]))
    shakes = columns(track_of([film(thing=shaken, seconds=2)]))
    assert shakes["acceleration_p97"] > 1.5 * glides["acceleration_p97"]
    assert shakes["direction_1"] < glides["direction_1"]
    assert abs(shakes["right"]) < 0.5 * glides["right"]


@pytest.mark.parametrize("at", [(0.1, 0.1), (0.9, 0.5)])
def test_where_it_moves_is_seen_from_the_middle(at: tuple[float, float]) -> None:
    found = columns(track_of([film(thing=steadily(0.0, 0.3), seconds=0.4, at=at)]))
    assert found["centre_x"] == pytest.approx(at[0] + 0.15 - 171 / 128 / 2, abs=0.08)
    assert found["centre_y"] == pytest.approx(at[1] + 0.15 + 0.045 - 0.5, abs=0.08)
    assert found["spread_x"] == pytest.approx(0.3 / math.sqrt(12), abs=0.05)


def test_a_picture_that_changes_size_goes_on() -> None:
    small, large = film((96, 64), thing=steadily(0.2)), film(thing=steadily(0.2))
    late = Luma(gray=large.gray, pts_s=large.pts_s + 1.0)
    track = track_of([small, late])
    assert track.start_s.tolist() == [0.0, 1.0]
    for row in track.values:
        found = dict(zip(track.spec.columns, row.tolist(), strict=True))
        assert speed(found["speed_moving"]) == pytest.approx(0.2, rel=0.3)


def test_a_row_holds_what_happened_in_its_time() -> None:
    calm, busy = film(), film(thing=steadily(0.3))
    after = Luma(gray=busy.gray, pts_s=busy.pts_s + 1.0)
    track = track_of([calm, after], step_s=0.25)
    (column,) = (i for i, n in enumerate(track.spec.columns) if n == "speed_mean")
    moved = track.values[:, column] > 0.01
    assert moved[:3].sum() == 0 and moved[4:].all() and len(track) == 8
    assert track.end_s[-1] == pytest.approx(1.95)


def test_other_threads_change_nothing() -> None:
    import cv2

    luma = film((512, 128), thing=steadily(0.3))
    one = track_of([luma])
    cv2.setNumThreads(4)
    assert track_of([luma]).values.tobytes() == one.values.tobytes()


def test_a_film_s_rate_does_not_show(tmp_path: Path) -> None:
    """The same pendulum, filmed at 15, 25 and 50 frames a second."""
    ground = synth.speckled((192, 128), seed=1)
    square = synth.speckled((40, 40), seed=2, grain=0.15)
    found = []
    for fps in (15, 25, 50):
        times = synth.steady(3.0, fps)

        def picture(index: int, times: Sequence[float] = times) -> np.ndarray:
            shown = ground.copy()
            left = 76 + round(25 * math.sin(2 * times[index]))
            shown[44:84, left : left + 40] = square
            return np.repeat(shown[..., None], 3, axis=-1)

        path = synth.write(tmp_path / f"{fps}.mkv", times=times, picture=picture, fps=fps)
        with open_media(path) as media:
            found.append(columns(extract(media, ["motion"])["motion"]))
    for name in ("speed_mean", "speed_moving", "size", "change_mean", "sideways"):
        values = [each[name] for each in found]
        assert max(values) == pytest.approx(min(values), rel=0.15), name
