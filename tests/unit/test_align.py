"""Tracks of different clocks meet on one timeline."""

from __future__ import annotations

import numpy as np
import pytest

import synth
from triptych.fuse.timeline import align


def test_two_clocks_meet() -> None:
    image = synth.track([1, 2, 3, 4], [0, 0.5, 1.0, 1.5], [0.5, 1.0, 1.5, 2.0])
    audio = synth.track([10, 20], [0, 1], [1, 2])
    timeline = align({"image": image, "audio": audio}, start_s=0, end_s=2)
    assert timeline.values["image"].ravel().tolist() == [1.5, 3.5]
    assert timeline.values["audio"].ravel().tolist() == [10, 20]
    assert timeline.values["image"].dtype == np.float32
    assert all(mask.all() for mask in timeline.present.values())


def test_a_track_without_rows_is_all_absent() -> None:
    timeline = align({"text": synth.track(np.zeros((0, 3)), [], [])}, start_s=0, end_s=3)
    assert timeline.values["text"].shape == (3, 3) and not timeline.present["text"].any()


def test_no_tracks_still_have_a_timeline() -> None:
    timeline = align({}, start_s=1.5, end_s=3.0)
    assert timeline.start_s.tolist() == [1.5, 2.5] and timeline.end_s.tolist() == [2.5, 3.0]


@pytest.mark.parametrize("end_s", [0.0, -1.0])
def test_no_time_is_no_steps(end_s: float) -> None:
    timeline = align({"a": synth.track([1], [0], [1])}, start_s=0, end_s=end_s)
    assert len(timeline) == 0 and timeline.values["a"].shape == (0, 1)


def test_an_instant_counts_where_it_happens() -> None:
    timeline = align({"cue": synth.track([7], [1.25], [1.25])}, start_s=0, end_s=3)
    assert timeline.present["cue"].tolist() == [False, True, False]
    assert timeline.values["cue"][1, 0] == pytest.approx(7)


def test_longer_rows_weigh_more() -> None:
    rows = synth.track([0, 10], [0.0, 0.75], [0.75, 1.0])
    assert align({"a": rows}, start_s=0, end_s=1).values["a"][0, 0] == pytest.approx(2.5)


def test_rows_outside_the_span_do_not_count() -> None:
    rows = synth.track([1, 2, 3], [-9, 0, 50], [-8, 1, 51])
    timeline = align({"a": rows}, start_s=0, end_s=2)
    assert timeline.present["a"].tolist() == [True, False] and timeline.values["a"][0, 0] == 2


def test_a_row_of_ten_thousand_years_takes_no_longer() -> None:
    # A subtitle file may claim any time; one cue must not occupy a machine.
    rows = synth.track([1, 5, 1], [-3e11, 1.0, 2.0], [3e11, 2.0, 3e11])
    timeline = align({"text": rows}, start_s=0, end_s=4)
    assert timeline.values["text"].ravel() == pytest.approx([1, 3, 1, 1])


@pytest.mark.parametrize("step_s", [0.0, -1.0])
def test_steps_must_have_a_length(step_s: float) -> None:
    with pytest.raises(ValueError, match="step_s"):
        align({}, start_s=0, end_s=1, step_s=step_s)
