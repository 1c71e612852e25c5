"""However sound is cut into frames, the same chunks come out."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from synth import RATE_HZ, audio_frame, noise
from triptych.decode.sound import CHUNK_S, MonoStream

WAVE = noise(23.0)
LENGTHS = st.lists(st.integers(1, 60_000), min_size=1, max_size=30)


def cut(total: int, lengths: list[int]) -> list[tuple[int, int]]:
    """Consecutive pieces of `total` samples, of the given lengths over and over."""
    pieces, at, turn = [], 0, 0
    while at < total:
        size = min(max(lengths[turn % len(lengths)], total // 60), total - at)
        pieces.append((at, at + size))
        at, turn = at + size, turn + 1
    return pieces


@settings(max_examples=40)
@given(LENGTHS, st.integers(1, len(WAVE)), st.integers(0, 10**6))
def test_any_cutting_gives_the_same_chunks(lengths: list[int], total: int, first: int) -> None:
    stream = MonoStream(rate_hz=RATE_HZ)
    chunks = []
    for begin, end in cut(total, lengths):
        frame = audio_frame(WAVE[begin:end], rate=RATE_HZ, at=first + begin)
        chunks += list(stream.feed(frame))
    chunks += list(stream.finish())
    size = int(CHUNK_S * RATE_HZ)
    assert [len(c.samples) for c in chunks[:-1]] == [size] * (len(chunks) - 1)
    for number, chunk in enumerate(chunks):
        assert np.isclose(chunk.start_s, first / RATE_HZ + number * CHUNK_S, atol=1e-6)
    np.testing.assert_array_equal(np.concatenate([c.samples for c in chunks]), WAVE[:total])


@settings(max_examples=25)
@given(LENGTHS, st.sampled_from([8_000, 22_050, 44_100, 48_000]))
def test_resampling_does_not_depend_on_the_cutting(lengths: list[int], rate: int) -> None:
    wave = noise(1.5, rate)

    def through(pieces: list[tuple[int, int]]) -> np.ndarray:
        stream = MonoStream(rate_hz=RATE_HZ)
        found = [s for a, b in pieces for s in stream.feed(audio_frame(wave[a:b], rate=rate, at=a))]
        return np.concatenate([s.samples for s in [*found, *stream.finish()]])

    whole, parts = through([(0, len(wave))]), through(cut(len(wave), lengths))
    assert abs(len(whole) - 1.5 * RATE_HZ) < 20
    np.testing.assert_allclose(parts, whole, atol=1e-6)
