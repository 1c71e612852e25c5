"""Chroma is librosa's, the tempo is that of the clicks, and neither depends on the cutting."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import synth
from triptych.decode.hops import Hops
from triptych.decode.spectrogram import RATE_HZ, LogMel
from triptych.extract.music import MusicExtractor, chroma, chroma_filters, tempo
from triptych.extract.specs import CHROMA, MUSIC, PITCHES
from triptych.records import FeatureTrack

N_FFT, HOP = CHROMA["n_fft"], CHROMA["hop"]
MELODY = np.concatenate([synth.tone(hz, 0.9, level=0.3) for hz in (262, 330, 392, 440, 494)])
CHORD = sum(synth.tone(hz, 4.0, level=0.2) for hz in (261.6, 329.6, 392.0))  # C major


def clicks(bpm: float, seconds: float) -> np.ndarray:
    wave = synth.noise(seconds, level=0.001)
    for at in np.arange(0.1, seconds - 0.05, 60.0 / bpm):
        wave[int(at * RATE_HZ) :][:400] += synth.noise(0.025, level=0.3)
    return wave


def track_of(wave: np.ndarray, size: int = 160_000, step_s: float = 1.0) -> FeatureTrack:
    """The extractor as the pipeline drives it: sound, then its columns."""
    stream, coroutine = LogMel(), MusicExtractor()(step_s=step_s)
    next(coroutine)
    for sound in synth.sounds(wave, size, 8.3):
        coroutine.send(sound)
        if (columns := stream.feed(sound)) is not None:
            coroutine.send(columns)
    if (columns := stream.finish()) is not None:
        coroutine.send(columns)
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    return done.value.value["music"]


def test_filters_are_librosas() -> None:
    import librosa

    reference = librosa.filters.chroma(sr=RATE_HZ, n_fft=N_FFT, tuning=0.0)
    np.testing.assert_allclose(chroma_filters().T, reference, atol=1e-6)


@pytest.mark.parametrize(
    "wave", [MELODY, CHORD, synth.noise(2.0)], ids=["melody", "chord", "noise"]
)
def test_chroma_is_librosas(wave: np.ndarray) -> None:
    import librosa

    reference = librosa.feature.chroma_stft(
        y=wave, sr=RATE_HZ, n_fft=N_FFT, hop_length=HOP, tuning=0.0, pad_mode="reflect"
    )
    hops = Hops(size=N_FFT, hop=HOP)
    found = np.concatenate([chroma(hops.feed(wave)), chroma(hops.finish())])
    np.testing.assert_allclose(found.T, reference, atol=1e-4)  # of 1, the strongest pitch


def test_a_chord_is_its_three_notes() -> None:
    heard = track_of(CHORD).values[:, : len(PITCHES)].mean(axis=0)
    assert sorted(PITCHES[i] for i in np.argsort(heard)[-3:]) == ["C", "E", "G"]


@pytest.mark.parametrize("bpm", [60, 90, 128, 150])
def test_the_tempo_is_that_of_the_clicks(bpm: int) -> None:
    import librosa

    wave = clicks(bpm, 12.0)
    track = track_of(wave)
    np.testing.assert_allclose(track.values[:, -2], bpm, rtol=0.03)
    assert (track.values[:, -1] > 0.5).all()
    reference = librosa.feature.tempo(y=wave, sr=RATE_HZ)[0]
    assert min(abs(np.log2(reference / track.values[5, -2]) - k) for k in (-1, 0, 1)) < 0.06


def test_what_has_no_beat_is_said_to_have_none() -> None:
    assert track_of(np.zeros(5 * RATE_HZ, np.float32)).values.max() == 0.0
    assert track_of(synth.noise(12.0)).values[:, -1].max() < 0.3
    assert tempo(np.zeros(0, np.float32)) == tempo(np.ones(10, np.float32)) == (0.0, 0.0)


def test_a_change_of_tempo_is_felt_where_it_is() -> None:
    track = track_of(np.concatenate([clicks(80, 20.0), clicks(150, 20.0)]))
    np.testing.assert_allclose(track.values[:15, -2], 80, rtol=0.03)
    np.testing.assert_allclose(track.values[25:, -2], 150, rtol=0.03)


@pytest.mark.parametrize("step_s", [0.1, 0.3, 1.0, 10.0])
def test_rows_do_not_depend_on_the_cutting(step_s: float) -> None:
    wave = np.concatenate([MELODY, clicks(100, 9.0)])
    whole = track_of(wave, len(wave), step_s)
    for size in (1_601, 7_777, 80_000):
        track = track_of(wave, size, step_s)
        np.testing.assert_allclose(track.values, whole.values, atol=1e-4)
        np.testing.assert_allclose(track.end_s, whole.end_s, atol=1e-9)


def test_rows_last_as_long_as_the_sound() -> None:
    for samples, step_s in itertools.product((1, 799, 800, 16_000, 16_001), (0.1, 0.3, 1.0)):
        track = track_of(MELODY[:samples], step_s=step_s)
        assert track.values.shape == (len(track), MUSIC.dim) and len(track) > 0
        assert track.end_s[-1] == pytest.approx(8.3 + samples / RATE_HZ)
