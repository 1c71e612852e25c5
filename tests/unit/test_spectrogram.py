"""The log-mel spectrogram is librosa's and torchaudio's, however the sound is cut."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import synth
from triptych.decode.spectrogram import HOP, N_FFT, N_MELS, RATE_HZ, LogMel, mel_filters
from triptych.records import Sound, Spectrogram

FLOOR = 1e-10
SWEEP = np.concatenate([synth.tone(hz, 0.7, level=0.4) for hz in (110, 440, 1760, 6000)])
WAVES = {
    "tones": SWEEP + synth.noise(2.8, level=0.01),
    "noise": synth.noise(3.1),
    "silence": np.zeros(RATE_HZ, np.float32),
    "click": np.eye(1, RATE_HZ, 8000, dtype=np.float32)[0],
    "short": synth.noise(0.026, seed=4),
    "whole second": synth.noise(1.0, seed=5),
}


def streamed(wave: np.ndarray, size: int = 160_000, start_s: float = 0.0) -> list[Spectrogram]:
    log_mel = LogMel()
    found = [log_mel.feed(sound) for sound in synth.sounds(wave, size, start_s)]
    return [s for s in [*found, log_mel.finish()] if s is not None]


def columns(wave: np.ndarray, size: int = 160_000) -> np.ndarray:
    return np.concatenate([s.log_mel for s in streamed(wave, size)])


def librosa_log_mel(wave: np.ndarray) -> np.ndarray:
    import librosa

    power = librosa.feature.melspectrogram(
        y=wave, sr=RATE_HZ, n_fft=N_FFT, hop_length=HOP, n_mels=N_MELS, power=2.0,
        center=True, pad_mode="reflect", htk=False, norm="slaney",
    )  # fmt: skip
    return np.log10(np.maximum(power, FLOOR)).T


@pytest.mark.parametrize("name", WAVES)
def test_equal_to_librosa(name: str) -> None:
    # 1e-4 of a decade is 0.001 dB; near the floor float32 itself is no better.
    np.testing.assert_allclose(columns(WAVES[name]), librosa_log_mel(WAVES[name]), atol=1e-4)


@pytest.mark.parametrize("name", ["tones", "noise", "whole second"])
def test_equal_to_torchaudio(name: str) -> None:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own deprecations are not ours to fix
        from torchaudio.transforms import MelSpectrogram

        transform = MelSpectrogram(
            sample_rate=RATE_HZ, n_fft=N_FFT, hop_length=HOP, n_mels=N_MELS, power=2.0,
            norm="slaney", mel_scale="slaney",
        )  # fmt: skip
        power = transform(torch.from_numpy(WAVES[name])).numpy()
    # Its float32 windows and filters differ in the last bits; 2e-4 of a decade is 0.002 dB.
    np.testing.assert_allclose(
        columns(WAVES[name]), np.log10(np.maximum(power, FLOOR)).T, atol=2e-4
    )


def test_filters_equal_librosas() -> None:
    import librosa

    reference = librosa.filters.mel(sr=RATE_HZ, n_fft=N_FFT, n_mels=N_MELS)
    np.testing.assert_allclose(mel_filters().T, reference, atol=1e-7)


@pytest.mark.parametrize("hz", [300.0, 1000.0, 4000.0])
def test_a_tone_lights_its_own_band(hz: float) -> None:
    centres = np.argmax(mel_filters(), axis=0) * RATE_HZ / N_FFT
    band = int(columns(synth.tone(hz, 1.0)).mean(axis=0).argmax())
    assert abs(centres[band] - hz) < max(45.0, 0.05 * hz)


def test_a_column_is_centred_on_its_time() -> None:
    wave = np.zeros(RATE_HZ, np.float32)
    wave[round(0.43 * RATE_HZ)] = 1.0
    (first, last) = streamed(wave, start_s=8.3)
    power = np.concatenate([first.log_mel, last.log_mel]).mean(axis=1)
    assert first.start_s + int(power.argmax()) * first.hop_s == pytest.approx(8.73, abs=1e-9)
    assert last.start_s == pytest.approx(first.start_s + len(first.log_mel) * first.hop_s)


@pytest.mark.parametrize("samples", [1, 2, 160, 200])
def test_sound_shorter_than_half_a_window_gives_columns(samples: int) -> None:
    found = columns(synth.noise(1.0)[:samples])
    assert found.shape == (1 + samples // HOP, N_MELS) and np.isfinite(found).all()


def test_no_sound_gives_no_columns() -> None:
    assert LogMel().finish() is None


def test_another_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="16000 Hz wanted, not 8000"):
        LogMel().feed(Sound(samples=np.zeros(8, np.float32), rate_hz=8000, start_s=0.0))
