"""What one decode of a small film with sound and words sends to extractors of all kinds."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import synth
from triptych.decode.spectrogram import LogMel
from triptych.extract.specs import GLANCE_FPS, MINIATURE_FPS
from triptych.records import Cue, Footage, Frames, Glances, Luma, Miniatures, Sound, Spectrogram

OTHER_RATES_HZ = (32_000, 48_000)  # of sound, beside the usual
START_S = 8.3
SECONDS = 12  # more than one chunk of sound and one window of speech
SAYINGS = ("A cat sleeps on the warm stove.", "今天的天气很好。", "Wie viel kostet das?", "¡Vamos!")


@functools.cache
def pictures() -> tuple[np.ndarray, ...]:
    return tuple(synth.textured(n // 4, (120, 90)) for n in range(SECONDS))


@functools.cache
def motions() -> tuple[np.ndarray, ...]:
    """Ten a second of a ground that is pushed about, more each second."""
    ground = synth.speckled((200, 150))
    swing = [(n // 10) * (n % 3) for n in range(10 * SECONDS)]
    return tuple(ground[10:100, push : push + 120] for push in swing)


@functools.cache
def wave() -> np.ndarray:
    parts = [synth.tone(300 + 40 * n, 0.7) for n in range(SECONDS)]
    rests = [synth.noise(0.3, seed=n, level=0.02) for n in range(SECONDS)]
    both = [x for pair in zip(parts, rests, strict=True) for x in pair]
    return np.concatenate(both)[: round((SECONDS - 0.6) * synth.RATE_HZ)]


def cues() -> list[Cue]:
    return [synth.cue(START_S + 3 * n, START_S + 3 * n + 2.5, t) for n, t in enumerate(SAYINGS)]


def heard(samples: np.ndarray, size: int) -> Iterator[Sound | Spectrogram]:
    """Sound in chunks of `size`, each followed by the columns it completes; at other rates, too."""
    for rate_hz in OTHER_RATES_HZ:
        times = rate_hz // synth.RATE_HZ
        for at in range(0, len(samples), size):
            finer = np.repeat(samples[at : at + size], times)
            start_s = START_S + at / synth.RATE_HZ
            yield Sound(samples=finer, rate_hz=rate_hz, start_s=start_s)
    log_mel = LogMel()
    for sound in synth.sounds(samples, size, START_S):
        yield sound
        if (columns := log_mel.feed(sound)) is not None:
            yield columns
    if (columns := log_mel.finish()) is not None:
        yield columns


def seen(shown: Sequence[np.ndarray], size: int) -> Iterator[Frames]:
    for at in range(0, len(shown), size):
        yield synth.frames(shown[at : at + size], start_s=START_S + at)


def glanced(shown: Sequence[np.ndarray], size: int) -> Iterator[Glances]:
    """Each picture for a second."""
    held = [picture for picture in shown for _ in range(round(GLANCE_FPS))]
    for at in range(0, len(held), size):
        rgb = np.stack(held[at : at + size])
        times = START_S + (at + np.arange(len(rgb), dtype=np.float64)) / GLANCE_FPS
        yield Glances(rgb=rgb, pts_s=times)


def shrunk(shown: Sequence[np.ndarray], size: int) -> Iterator[Miniatures]:
    """Each picture for a tenth of a second."""
    held = [picture for picture in shown for _ in range(3)]
    for at in range(0, len(held), size):
        rgb = np.stack(held[at : at + size])
        times = START_S + (at + np.arange(len(rgb), dtype=np.float64)) / MINIATURE_FPS
        yield Miniatures(rgb=rgb, pts_s=times)


def filmed(shown: Sequence[np.ndarray], size: int) -> Iterator[Footage]:
    """Each picture for a second, in which it is pushed about five times."""
    moved = [np.roll(shown[n // 5], 3 * n, axis=1) for n in range(5 * len(shown))]
    for at in range(0, len(moved), size):
        taken = moved[at : at + size]
        times = START_S + (at + np.arange(len(taken), dtype=np.float64)) / 5
        yield Footage(rgb=np.stack(taken), pts_s=times)


def watched(shown: Sequence[np.ndarray], size: int, step_s: float = 0.1) -> Iterator[Luma]:
    for at in range(0, len(shown), size):
        yield synth.lumas(shown[at : at + size], start_s=START_S + at * step_s, step_s=step_s)


def material(*, batch: int = 16, chunk: int = 160_000) -> list[Any]:
    sights = [*seen(pictures(), batch), *glanced(pictures(), batch), *watched(motions(), batch)]
    sights += [*shrunk(pictures(), batch), *filmed(pictures(), batch)]
    return [*sights, *heard(wave(), chunk), *cues()]
