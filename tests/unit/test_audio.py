"""Statistics of sound: librosa's definitions, a row a step."""

from __future__ import annotations

import numpy as np
import pytest

import synth
from triptych.decode.spectrogram import HOP, N_MELS, RATE_HZ, LogMel
from triptych.extract.audio import AudioExtractor, mfcc, onset_strength
from triptych.extract.specs import AUDIO
from triptych.records import FeatureTrack

WAVE = np.concatenate([synth.tone(330, 1.0), synth.noise(1.0), synth.tone(2000, 1.3, level=0.1)])


def log_mel(wave: np.ndarray) -> np.ndarray:
    stream = LogMel()
    found = [stream.feed(s) for s in synth.sounds(wave, len(wave))]
    return np.concatenate([s.log_mel for s in [*found, stream.finish()] if s is not None])


def track_of(wave: np.ndarray, start_s: float = 0.0, step_s: float = 1.0) -> FeatureTrack:
    """The extractor as the pipeline drives it: sound, then its columns."""
    stream, coroutine = LogMel(), AudioExtractor()(step_s=step_s)
    next(coroutine)
    for sound in synth.sounds(wave, 160_000, start_s):
        coroutine.send(sound)
        if (columns := stream.feed(sound)) is not None:
            coroutine.send(columns)
    if (columns := stream.finish()) is not None:
        coroutine.send(columns)
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    return done.value.value["audio"]


def column(track: FeatureTrack, name: str) -> np.ndarray:
    return track.values[:, AUDIO.columns.index(name)]


def test_mfcc_is_librosas() -> None:
    import librosa

    reference = librosa.feature.mfcc(S=10 * log_mel(WAVE).T, n_mfcc=20)
    np.testing.assert_allclose(mfcc(log_mel(WAVE)).T, reference, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("center", [False, True])
def test_onset_strength_is_librosas(center: bool) -> None:
    import librosa

    columns = log_mel(WAVE)
    reference = librosa.onset.onset_strength(
        S=10 * columns.T, sr=RATE_HZ, n_fft=400, hop_length=160, center=center, aggregate=np.mean
    )
    # librosa shifts its answer by half a window, in columns, when asked to centre it.
    shift = 400 // (2 * 160) if center else 0
    ours = onset_strength(columns, None)
    np.testing.assert_allclose(ours[: len(ours) - shift], reference[shift:], rtol=1e-4, atol=1e-3)


def test_an_onset_is_felt_across_a_border_of_chunks() -> None:
    columns = log_mel(WAVE)
    whole = onset_strength(columns, None)
    parts = [onset_strength(columns[:97], None), onset_strength(columns[97:], columns[96])]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)


@pytest.mark.parametrize(
    ("seconds", "rows"),
    [(0.01, 1), (0.5, 1), (1.0, 1), (1.01, 2), (3.0, 3), (20.0, 20), (23.4, 24)],
)
def test_a_row_a_second_the_last_as_long_as_the_sound(seconds: float, rows: int) -> None:
    track = track_of(synth.noise(seconds), start_s=8.3)
    assert len(track) == rows
    np.testing.assert_allclose(track.start_s, 8.3 + np.arange(rows))
    assert track.end_s[-1] == pytest.approx(8.3 + seconds)
    np.testing.assert_allclose(track.end_s[:-1], track.start_s[1:])


def test_the_columns_are_what_they_are_called() -> None:
    track, columns = track_of(WAVE), log_mel(WAVE)
    first = columns[:100]
    np.testing.assert_allclose(track.values[0, :80], first.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(track.values[0, 80:160], first.std(axis=0), atol=1e-5)
    np.testing.assert_allclose(track.values[0, 160:180], mfcc(first).mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(track.values[0, 180:200], mfcc(first).std(axis=0), atol=1e-3)
    onsets = onset_strength(columns, None)[100:200]
    assert column(track, "onset_mean")[1] == pytest.approx(onsets.mean(), rel=1e-4)
    assert column(track, "onset_max")[1] == pytest.approx(onsets.max(), rel=1e-4)


def test_loudness_is_in_decibels_of_full_scale() -> None:
    level = synth.tone(1000, 1.0, level=1.0)
    track = track_of(np.concatenate([level, level / 10, np.zeros(RATE_HZ, np.float32)]))
    np.testing.assert_allclose(column(track, "loudness_db"), [-3.01, -23.01, -100.0], atol=0.02)
    np.testing.assert_allclose(column(track, "peak_db"), [0.0, -20.0, -100.0], atol=0.02)


def test_zero_crossings_count_the_pitch() -> None:
    track = track_of(np.concatenate([synth.tone(200, 1.0), synth.tone(4000, 1.0)]))
    crossings = column(track, "zero_crossings") * RATE_HZ
    np.testing.assert_allclose(crossings, [400, 8000], rtol=0.02)


def test_the_centroid_follows_the_pitch() -> None:
    track = track_of(np.concatenate([synth.tone(hz, 1.0) for hz in (200, 1000, 5000)]))
    centroid = column(track, "mel_centroid")
    assert (np.diff(centroid) > 10).all() and 0 < centroid[0] < centroid[-1] < N_MELS


@pytest.mark.parametrize(
    ("seconds", "step_s", "rows"),
    [
        (0.01, 0.1, 1), (1.0, 0.25, 4), (1.01, 0.25, 5), (12.0, 0.3, 40), (12.01, 0.3, 41),
        (0.128, 0.125, 2), (3.0, 2.5, 2), (3.0, 10.0, 1),
    ],
)  # fmt: skip
def test_rows_may_be_shorter_or_longer_than_a_second(
    seconds: float, step_s: float, rows: int
) -> None:
    track = track_of(synth.noise(seconds), start_s=8.3, step_s=step_s)
    assert len(track) == rows
    np.testing.assert_allclose(track.start_s, 8.3 + step_s * np.arange(rows))
    np.testing.assert_allclose(track.end_s[:-1], track.start_s[1:])
    assert track.end_s[-1] == pytest.approx(8.3 + seconds)


@pytest.mark.parametrize(("step_s", "count"), [(0.25, 25), (0.3, 30)])
def test_a_fine_row_is_of_the_columns_and_samples_of_its_time(step_s: float, count: int) -> None:
    track, columns = track_of(WAVE, step_s=step_s), log_mel(WAVE)
    onsets = onset_strength(columns, None)
    for row in range(int(3.3 / step_s)):
        here = slice(row * count, (row + 1) * count)
        np.testing.assert_allclose(track.values[row, :80], columns[here].mean(axis=0), atol=1e-5)
        assert column(track, "onset_max")[row] == pytest.approx(onsets[here].max(), rel=1e-4)
        heard = WAVE[row * count * HOP : (row + 1) * count * HOP]
        level = 10 * np.log10(np.mean(np.square(heard, dtype=np.float64)))
        assert column(track, "loudness_db")[row] == pytest.approx(level, abs=1e-3)


def test_a_click_is_in_the_row_of_its_time_even_after_many_uneven_rows() -> None:
    wave = np.zeros(100 * RATE_HZ, np.float32)
    wave[round(99.93 * RATE_HZ)] = 0.5
    track = track_of(wave, step_s=0.123)  # neither whole columns nor whole samples
    row = int(column(track, "peak_db").argmax())
    assert track.start_s[row] <= 99.93 < track.end_s[row]
    assert row == int(column(track, "mel_centroid").argmax())
