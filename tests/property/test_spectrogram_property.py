"""Any cutting of the sound gives the same spectrogram."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from synth import RATE_HZ, noise
from triptych.decode.spectrogram import HOP, N_MELS, LogMel
from triptych.records import Sound

WAVE = noise(1.2)


def through(pieces: list[np.ndarray], start_s: float) -> tuple[np.ndarray, list[float]]:
    """All columns, and the time of each."""
    log_mel, at, found = LogMel(), start_s, []
    for piece in pieces:
        found.append(log_mel.feed(Sound(samples=piece, rate_hz=RATE_HZ, start_s=at)))
        at += len(piece) / RATE_HZ
    kept = [s for s in [*found, log_mel.finish()] if s is not None]
    times = [s.start_s + i * s.hop_s for s in kept for i in range(len(s.log_mel))]
    return np.concatenate([s.log_mel for s in kept]), times


@given(
    st.integers(1, len(WAVE)),
    st.lists(st.integers(0, len(WAVE)), max_size=12),
    st.sampled_from([0.0, 8.3, 1e4]),
)
@example(400, [200], 0.0)
@example(401, [200, 201], 0.0)
@example(600, [1, 2, 3, 199, 200, 201, 399], 0.0)
def test_any_cutting_gives_the_same_columns(total: int, cuts: list[int], start_s: float) -> None:
    wave = WAVE[:total]
    whole, times = through([wave], start_s)
    parts, times_of_parts = through(np.split(wave, sorted(min(c, total) for c in cuts)), start_s)
    assert whole.shape == (1 + total // HOP, N_MELS)
    # Matrix products of other sizes may differ in the last bit of a float32.
    np.testing.assert_allclose(parts, whole, atol=2e-5)
    np.testing.assert_allclose(times_of_parts, times, atol=1e-9)
    np.testing.assert_allclose(times, start_s + np.arange(len(whole)) * HOP / RATE_HZ, atol=1e-9)
