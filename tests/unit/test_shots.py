"""Cuts are found where the colours change, and only there."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import synth
from triptych.decode import open_media
from triptych.extract.drive import extract
from triptych.extract.shots import ShotExtractor, colour_histogram, shots_of
from triptych.extract.specs import GLANCE_FPS, SHOTS
from triptych.records import FeatureTrack, Glances


def track_of(pictures: list[np.ndarray]) -> FeatureTrack:
    coroutine = ShotExtractor()()
    next(coroutine)
    times = np.arange(len(pictures)) / GLANCE_FPS
    coroutine.send(Glances(rgb=np.stack(pictures), pts_s=times))
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    return done.value.value["shots"]


def changes(*values: float, later: Sequence[float] = ()) -> FeatureTrack:
    starts = np.arange(len(values), dtype=float)
    columns = [values, later or values]
    return synth.track(np.array(columns).T, starts, starts + 1, spec=SHOTS)


def starts(track: FeatureTrack) -> list[float]:
    return [s.start_s for s in shots_of(track)]


@pytest.mark.parametrize("start_s", [0.0, 8.3])
@pytest.mark.parametrize("fps", [1.0, 2.0, 5.0])
def test_the_cuts_of_a_film_are_found(tmp_path: Path, fps: float, start_s: float) -> None:
    clip = synth.scenes(tmp_path / "film.mkv", start_s=start_s, sound=False)
    with open_media(clip.path) as media:
        shots = shots_of(extract(media, ["shots"], fps=fps)["shots"])
    assert [s.start_s for s in shots] == pytest.approx([clip.start_s, *clip.cuts])
    assert all(a.end_s == b.start_s for a, b in itertools.pairwise(shots))
    assert shots[-1].end_s == pytest.approx(clip.end_s, abs=1 / GLANCE_FPS)


def test_a_pan_over_one_picture_is_no_cut() -> None:
    wide = synth.textured(3, (400, 64))
    assert len(shots_of(track_of([wide[:, x : x + 96] for x in range(0, 120, 4)]))) == 1


def test_noise_is_no_cut() -> None:
    rng = np.random.default_rng(1)
    picture = synth.textured(4).astype(int)
    noisy = [np.clip(picture + rng.normal(0, 6, picture.shape), 0, 255) for _ in range(8)]
    assert len(shots_of(track_of([p.astype(np.uint8) for p in noisy]))) == 1


def test_a_fade_is_at_most_one_cut() -> None:
    one, other = synth.textured(5).astype(float), synth.textured(6).astype(float)
    fade = [(one * (1 - x) + other * x).astype(np.uint8) for x in np.linspace(0, 1, 12)]
    assert len(shots_of(track_of([fade[0]] * 3 + fade + [fade[-1]] * 3))) <= 2


def test_the_first_frame_is_no_change() -> None:
    assert track_of([synth.plain(synth.RED)]).values.tolist() == [[0.0, 0.0]]


def test_a_change_of_all_colours_is_one() -> None:
    track = track_of([synth.plain(synth.RED), synth.plain(synth.BLUE), synth.plain(synth.BLUE)])
    assert track.values[:, 0].tolist() == pytest.approx([0.0, 1.0, 0.0])


def test_a_change_is_felt_across_a_border_of_batches() -> None:
    pictures = [synth.plain(c) for c in (synth.RED, synth.BLUE, synth.GREEN)]
    coroutine = ShotExtractor()()
    next(coroutine)
    for index, picture in enumerate(pictures):
        coroutine.send(Glances(rgb=picture[None], pts_s=np.array([float(index)])))
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    np.testing.assert_array_equal(done.value.value["shots"].values, track_of(pictures).values)


def test_cuts_stand_out_from_their_neighbours() -> None:
    assert starts(changes(0, 0.1, 0.9, 0.1, 0.0)) == [0, 2]
    assert starts(changes(0, 0.5, 0.9, 0.6, 0.0)) == [0, 2]  # one change, smeared over three
    assert starts(changes(0, 0.3, 0.4, 0.3)) == [0]
    assert starts(changes(0, *[0.6] * 20)) == [0]  # it moves fast, all the time
    assert starts(changes(0.9, 0.0, 0.0)) == [0]  # nothing comes before the first frame


def test_no_frames_are_no_shots() -> None:
    assert shots_of(synth.track(np.zeros((0, 2)), [], [], spec=SHOTS)) == ()


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (3, 2), (640, 360), (65, 129)])
def test_a_histogram_sums_to_one(size: tuple[int, int]) -> None:
    histogram = colour_histogram(synth.textured(7, size))
    assert histogram.sum() == pytest.approx(1.0, abs=1e-5)
    assert histogram.shape == (4 * 512,) and (histogram >= 0).all()


def test_the_corners_count() -> None:
    picture = synth.quarters()
    turned = np.ascontiguousarray(picture[::-1, ::-1])
    assert np.abs(colour_histogram(picture) - colour_histogram(turned)).sum() > 1.9
