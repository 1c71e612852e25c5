"""One decode gives sound at several rates, each as if it were alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import synth
from triptych.decode import open_media
from triptych.extract.drive import pump
from triptych.extract.registry import Extraction
from triptych.records import Sound, Spectrogram

HIGH_HZ = 11_000.0  # above half of 16 kHz
FILM_HZ = 44_100


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    wave = synth.tone(HIGH_HZ, 12.4, rate=FILM_HZ) + synth.noise(12.4, rate=FILM_HZ, level=0.02)
    path = tmp_path_factory.mktemp("rates") / "hiss.mkv"
    return synth.write(path, wave=wave, rate=FILM_HZ, sound_start_s=8.3)


def heard(
    film: Path, rates_hz: Sequence[int], start_s: float | None = None, end_s: float | None = None
) -> list[Sound | Spectrogram]:
    with open_media(film) as media:
        return list(media.stream(rates_hz=rates_hz, start_s=start_s, end_s=end_s))


def wave_of(chunks: Sequence[Sound | Spectrogram], rate_hz: int) -> np.ndarray:
    sounds = [c for c in chunks if isinstance(c, Sound) and c.rate_hz == rate_hz]
    for before, after in itertools.pairwise(sounds):
        assert after.start_s == pytest.approx(before.end_s, abs=1e-9)
    return np.concatenate([s.samples for s in sounds])


def test_each_rate_is_what_it_is_alone(film: Path) -> None:
    both = heard(film, (16_000, 32_000))
    for rate_hz in (16_000, 32_000):
        wave = wave_of(both, rate_hz)
        np.testing.assert_array_equal(wave, wave_of(heard(film, (rate_hz,)), rate_hz))
        assert len(wave) == pytest.approx(12.4 * rate_hz, abs=2)
    usual = [c.log_mel for c in heard(film, (16_000,)) if isinstance(c, Spectrogram)]
    columns = [c.log_mel for c in both if isinstance(c, Spectrogram)]
    np.testing.assert_array_equal(np.concatenate(columns), np.concatenate(usual))


def test_the_higher_rate_hears_what_the_other_cannot(film: Path) -> None:
    chunks = heard(film, (16_000, 32_000))
    levels = [wave_of(chunks, rate).std() for rate in (16_000, 32_000)]
    assert levels[0] < 0.03 and levels[1] > 0.3


def test_one_rate_alone_brings_no_spectrogram_of_another(film: Path) -> None:
    assert all(isinstance(c, Sound) and c.rate_hz == 32_000 for c in heard(film, (32_000,)))


def test_chunks_begin_together(film: Path) -> None:
    chunks = [c for c in heard(film, (16_000, 32_000)) if isinstance(c, Sound)]
    starts = {rate: [c.start_s for c in chunks if c.rate_hz == rate] for rate in (16_000, 32_000)}
    np.testing.assert_allclose(starts[16_000], starts[32_000], atol=1e-9)
    np.testing.assert_allclose(starts[32_000], [8.3, 18.3], atol=1e-3)


def test_a_window_is_bit_for_bit_what_the_whole_film_gives_there(film: Path) -> None:
    whole = heard(film, (32_000,))
    (window,) = heard(film, (32_000,), start_s=10.0, end_s=11.5)
    assert isinstance(window, Sound)
    first = round((window.start_s - whole[0].start_s) * 32_000)
    expected = wave_of(whole, 32_000)[first : first + len(window.samples)]
    np.testing.assert_array_equal(window.samples, expected)
    assert len(window.samples) == pytest.approx(1.5 * 32_000, abs=2)


class _Listener:
    """Keeps the rates of what it is sent."""

    takes: ClassVar[tuple[type, ...]] = (Sound,)

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        rates = set()
        while (sound := (yield)) is not None:
            rates.add(sound.rate_hz)
        return {self.name: rates}


class _WideListener(_Listener):
    rate_hz: ClassVar[int] = 32_000


def test_an_extractor_is_sent_the_rate_that_it_asks_for_and_no_other(film: Path) -> None:
    listeners = {"usual": _Listener("usual"), "wide": _WideListener("wide")}
    with open_media(film) as media:
        assert pump(media, listeners) == {"usual": {16_000}, "wide": {32_000}}
    with open_media(film) as media:
        assert pump(media, {"wide": _WideListener("wide")}) == {"wide": {32_000}}
