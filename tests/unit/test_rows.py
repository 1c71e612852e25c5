"""Rows of equal length, whatever the rate of what they are made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import synth
from triptych.decode import open_media
from triptych.extract import extract
from triptych.extract.rows import RowCutter, first_unit, row_spans, rows_over


def test_seconds_never_end_before_they_begin() -> None:
    starts, ends = row_spans(3, start_s=5.0, end_s=6.5, step_s=1.0)
    assert starts.tolist() == [5.0, 6.0, 7.0] and ends.tolist() == [6.0, 6.5, 7.0]


@pytest.mark.parametrize(
    ("step_s", "rate_hz", "counts"),
    [
        (1.0, 100, [100, 100]), (0.25, 100, [25, 25, 25]), (0.3, 100, [30] * 9),
        (0.25, 50, [12, 13, 12, 13]), (0.125, 100, [12, 13, 12, 13]), (0.1, 50, [5, 5]),
    ],
)  # fmt: skip
def test_a_row_has_the_units_of_its_time(step_s: float, rate_hz: int, counts: list[int]) -> None:
    edges = [first_unit(k, step_s=step_s, rate_hz=rate_hz) for k in range(len(counts) + 1)]
    assert np.diff(edges).tolist() == counts


def test_three_tenths_are_three_tenths_after_a_day() -> None:
    for row in (1, 3, 10, 288_000):  # in floats, 3 * 0.3 is less than 0.9
        assert first_unit(row, step_s=0.3, rate_hz=16_000) == row * 4_800


def test_no_units_make_no_row() -> None:
    assert rows_over(0, step_s=0.3, rate_hz=100) == 0
    cutter = RowCutter(step_s=0.3, rate_hz=100)
    assert list(cutter.finish()) == []
    assert list(cutter.feed(np.zeros(0, np.float32))) == [] == list(cutter.finish())


@pytest.mark.parametrize("step_s", [0.0, -1.0, 0.05, float("nan")])
def test_rows_too_short_to_measure_are_refused(step_s: float, tmp_path: Path) -> None:
    path = synth.write(tmp_path / "sound.wav", wave=synth.tone(440, 1.0))
    with open_media(path) as media, pytest.raises(ValueError, match="step_s"):
        extract(media, ["audio"], step_s=step_s)


def test_a_file_in_rows_of_a_quarter_second(tmp_path: Path) -> None:
    path = synth.write(tmp_path / "sound.wav", wave=synth.tone(440, 2.1))
    with open_media(path) as media:
        track = extract(media, ["audio"], step_s=0.25)["audio"]
    np.testing.assert_allclose(track.start_s, 0.25 * np.arange(9))
    assert track.end_s[-1] == pytest.approx(2.1)
