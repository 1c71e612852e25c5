"""Rows tile the sound for any step, and fine rows say what coarse ones do."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

import synth
from triptych.decode.spectrogram import N_MELS, RATE_HZ, LogMel
from triptych.extract.audio import AudioExtractor
from triptych.extract.rows import RowCutter, first_unit, row_spans, rows_over
from triptych.extract.specs import AUDIO
from triptych.records import FeatureTrack

WAVE = np.concatenate([synth.noise(1.1), synth.tone(700, 1.0), synth.noise(1.5, level=0.01)])
STEPS = st.sampled_from([0.1, 0.125, 0.25, 0.3, 1 / 3, 1.0, 2.5]) | st.floats(0.1, 10)
RATES = st.sampled_from([50, 100, RATE_HZ])


def track_of(wave: np.ndarray, step_s: float, start_s: float = 0.0) -> FeatureTrack:
    stream, coroutine = LogMel(), AudioExtractor()(step_s=step_s)
    next(coroutine)
    for sound in synth.sounds(wave, 16_000, start_s):
        coroutine.send(sound)
        if (columns := stream.feed(sound)) is not None:
            coroutine.send(columns)
    if (columns := stream.finish()) is not None:
        coroutine.send(columns)
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value["audio"]
    raise AssertionError("it goes on")


@given(STEPS, RATES, st.integers(0, 900), st.lists(st.integers(0, 900), max_size=8))
def test_any_pieces_make_the_same_rows(
    step_s: float, rate: int, total: int, cuts: list[int]
) -> None:
    units = np.arange(total, dtype=np.float32)
    cutter = RowCutter(step_s=step_s, rate_hz=rate)
    pieces = np.split(units, sorted(min(c, total) for c in cuts))
    rows = [row for piece in pieces for row in cutter.feed(piece)]
    rows += cutter.finish()
    np.testing.assert_array_equal(np.concatenate([units[:0], *rows]), units)
    begins = [first_unit(k, step_s=step_s, rate_hz=rate) for k in range(len(rows))]
    assert [int(row[0]) for row in rows] == begins
    assert len(rows) == rows_over(total, step_s=step_s, rate_hz=rate)


@given(STEPS, RATES, st.integers(0, 10**6))
def test_rows_never_drift(step_s: float, rate: int, row: int) -> None:
    exact = row * Fraction(str(step_s)) * rate
    assert 0 <= exact - first_unit(row, step_s=step_s, rate_hz=rate) < 1


@given(STEPS, RATES, st.integers(1, 10**9))
def test_a_unit_is_in_one_row(step_s: float, rate: int, units: int) -> None:
    rows = rows_over(units, step_s=step_s, rate_hz=rate)
    begin, end = (first_unit(k, step_s=step_s, rate_hz=rate) for k in (rows - 1, rows))
    assert begin < units <= end


@given(st.integers(0, 50), st.floats(0, 1e4), st.floats(0, 40), STEPS)
def test_spans_follow_each_other(rows: int, start_s: float, length_s: float, step_s: float) -> None:
    end_s = start_s + length_s
    starts, ends = row_spans(rows, start_s=start_s, end_s=end_s, step_s=step_s)
    assert len(starts) == len(ends) == rows and (ends >= starts).all()
    inside = ends < end_s
    np.testing.assert_allclose((ends - starts)[inside], step_s, atol=1e-9)
    np.testing.assert_allclose(ends[:-1][inside[:-1]], starts[1:][inside[:-1]], atol=1e-9)


@settings(max_examples=40)
@given(STEPS, st.integers(1, len(WAVE)), st.sampled_from([0.0, 8.3]))
@example(0.125, 2050, 8.3)  # the second row has 50 samples and no column that is centred in it
@example(0.3, 4801, 0.0)
def test_rows_tile_the_sound(step_s: float, total: int, start_s: float) -> None:
    track = track_of(WAVE[:total], step_s, start_s)
    assert len(track) == math.ceil(Fraction(total, RATE_HZ) / Fraction(str(step_s)))
    np.testing.assert_allclose(track.start_s, start_s + step_s * np.arange(len(track)), atol=1e-9)
    np.testing.assert_allclose(track.end_s[:-1], track.start_s[1:], atol=1e-9)
    np.testing.assert_allclose(track.end_s[-1], start_s + total / RATE_HZ, atol=1e-9)
    assert np.isfinite(track.values).all()


@settings(max_examples=30)
@given(st.sampled_from([0.1, 0.2, 0.25, 0.5]), st.integers(RATE_HZ, len(WAVE)))
def test_fine_rows_pool_to_those_of_a_second(step_s: float, total: int) -> None:
    fine, coarse = track_of(WAVE[:total], step_s), track_of(WAVE[:total], 1.0)
    seconds, parts = total // RATE_HZ, round(1 / step_s)
    rows = fine.values[: seconds * parts].reshape(seconds, parts, -1)
    means, onset = slice(0, N_MELS), AUDIO.columns.index("onset_max")
    wanted = coarse.values[:seconds]
    np.testing.assert_allclose(rows[:, :, means].mean(axis=1), wanted[:, means], atol=1e-4)
    np.testing.assert_allclose(rows[:, :, onset].max(axis=1), wanted[:, onset], rtol=1e-5)
