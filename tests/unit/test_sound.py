"""Any sound becomes mono 16 kHz in chunks of ten seconds, on the container's clock."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import synth
from claps import flash_and_click
from triptych.decode import open_media
from triptych.decode.sound import CHUNK_S, MonoStream
from triptych.records import Frames, Sound

CHUNK = int(CHUNK_S * synth.RATE_HZ)


def heard(frames: Iterable[av.AudioFrame]) -> tuple[MonoStream, list[Sound]]:
    stream = MonoStream(rate_hz=synth.RATE_HZ)
    chunks = [sound for frame in frames for sound in stream.feed(frame)]
    return stream, [*chunks, *stream.finish()]


def joined(chunks: list[Sound]) -> np.ndarray:
    for before, after in itertools.pairwise(chunks):
        assert after.start_s == pytest.approx(before.end_s, abs=1e-9), "a hole between chunks"
    return np.concatenate([c.samples for c in chunks])


def read(path: Path) -> np.ndarray:
    with open_media(path) as media:
        return joined([c for c in media.stream() if isinstance(c, Sound)])


def pitch(wave: np.ndarray) -> float:
    """The loudest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return float(np.argmax(spectrum) * synth.RATE_HZ / len(wave))


@pytest.mark.parametrize("seconds", [0.05, 9.99, 10.0, 23.7])
def test_all_chunks_but_the_last_have_the_same_length(seconds: float) -> None:
    wave = synth.tone(440, seconds)
    _, chunks = heard([synth.audio_frame(wave, rate=synth.RATE_HZ, at=0)])
    assert [len(c.samples) for c in chunks[:-1]] == [CHUNK] * (len(chunks) - 1)
    assert 0 < len(chunks[-1].samples) <= CHUNK
    np.testing.assert_allclose(joined(chunks), wave, atol=1e-6)


def test_no_frames_are_no_sound() -> None:
    stream, chunks = heard([])
    assert chunks == [] and stream.end_s is None


@pytest.mark.parametrize(
    ("rate", "layout", "format"),
    [
        (8_000, "mono", "u8"),
        (22_050, "stereo", "s16"),
        (44_100, "5.1", "flt"),
        (48_000, "mono", "s16"),
        (192_000, "stereo", "flt"),
        (16_000, "mono", "flt"),
    ],
)
def test_rates_layouts_and_formats_sound_the_same(rate: int, layout: str, format: str) -> None:
    wave = synth.tone(700, 2.0, rate)
    _, chunks = heard([synth.audio_frame(wave, rate=rate, layout=layout, format=format)])
    got = joined(chunks)
    assert len(got) == pytest.approx(2.0 * synth.RATE_HZ, abs=20)
    middle = got[4000:-4000]
    assert pitch(middle) == pytest.approx(700, abs=2)
    # In phase with the original, so not delayed; as loud, however many channels say the same.
    reference = synth.tone(700, 2.0)[4000 : 4000 + len(middle)]
    assert np.abs(middle - reference).max() < 0.01


def test_a_change_of_format_midway_loses_and_delays_nothing() -> None:
    frames = [
        synth.audio_frame(synth.tone(500, 1.0, 44_100), rate=44_100, layout="stereo", format="s16"),
        synth.audio_frame(synth.tone(900, 1.0, 8_000), rate=8_000, format="u8", at=8_000),
        synth.audio_frame(synth.tone(1300, 1.0, 48_000), rate=48_000, at=96_000),
    ]
    stream, chunks = heard(frames)
    got = joined(chunks)
    assert len(got) == pytest.approx(3 * synth.RATE_HZ, abs=60) and stream.overlaps == 0
    for second, hz in enumerate((500, 900, 1300)):
        part = got[second * synth.RATE_HZ + 1600 : (second + 1) * synth.RATE_HZ - 1600]
        assert pitch(part) == pytest.approx(hz, abs=2)


@pytest.mark.parametrize("layout", ["stereo", "5.1", "7.1", "hexadecagonal", "16 channels"])
def test_loud_channels_stay_within_full_scale(layout: str) -> None:
    loud = synth.audio_frame(np.ones(48_000, np.float32), rate=48_000, layout=layout)
    _, chunks = heard([loud])
    assert np.abs(joined(chunks)[100:-100]).max() == pytest.approx(1.0, abs=1e-3)


def test_one_loud_channel_of_two_is_half_as_loud() -> None:
    wave = np.stack([synth.tone(700, 1.0), np.zeros(16_000, np.float32)], axis=1).ravel()
    frame = av.AudioFrame.from_ndarray(wave[None], "flt", "stereo")
    frame.sample_rate, frame.time_base = 16_000, Fraction(1, 16_000)
    _, chunks = heard([frame])
    np.testing.assert_allclose(joined(chunks), synth.tone(700, 1.0) / 2, atol=1e-4)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_hole_in_time_is_silence(rate: int) -> None:
    tone = synth.tone(600, 1.0, rate)
    frames = [synth.audio_frame(tone, rate=rate), synth.audio_frame(tone, rate=rate, at=3 * rate)]
    _, chunks = heard(frames)
    got = joined(chunks)
    assert len(got) == pytest.approx(4 * synth.RATE_HZ, abs=40)
    assert np.abs(got[17_000:47_000]).max() < 1e-6
    assert pitch(got[49_000:62_000]) == pytest.approx(600, abs=2)
    assert pitch(got[1_000:15_000]) == pytest.approx(600, abs=2)


def test_a_short_gap_is_a_codecs_rounding_and_not_filled() -> None:
    tone = synth.tone(600, 1.0)
    late = synth.audio_frame(tone, rate=synth.RATE_HZ, at=synth.RATE_HZ + 400)  # 25 ms
    _, chunks = heard([synth.audio_frame(tone, rate=synth.RATE_HZ), late])
    assert len(joined(chunks)) == 2 * synth.RATE_HZ


def test_an_absurd_gap_is_not_filled() -> None:
    tone = synth.tone(600, 1.0)
    far = synth.audio_frame(tone, rate=synth.RATE_HZ, at=400_000 * synth.RATE_HZ)
    _, chunks = heard([synth.audio_frame(tone, rate=synth.RATE_HZ), far])
    assert len(joined(chunks)) == 2 * synth.RATE_HZ


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_what_overlaps_is_heard_once_and_counted(rate: int) -> None:
    frames = [
        synth.audio_frame(synth.tone(600, 1.0, rate), rate=rate),
        synth.audio_frame(synth.tone(1500, 0.2, rate), rate=rate, at=rate // 2),  # all of it
        synth.audio_frame(synth.tone(900, 1.0, rate), rate=rate, at=rate // 2),
        synth.audio_frame(synth.tone(900, 1.0, rate), rate=rate, at=rate * 3 // 2),
    ]
    stream, chunks = heard(frames)
    got = joined(chunks)
    assert stream.overlaps == 2
    assert len(got) == pytest.approx(2.5 * synth.RATE_HZ, abs=40)
    assert pitch(got[1_000:15_000]) == pytest.approx(600, abs=2)
    assert pitch(got[17_000:39_000]) == pytest.approx(900, abs=2)


def test_a_clock_that_is_set_back_loses_no_sound() -> None:
    tone = synth.tone(600, 1.0)
    frames = [synth.audio_frame(tone, rate=synth.RATE_HZ, at=at * synth.RATE_HZ)
              for at in (100, 101, 0, 1)]  # fmt: skip
    stream, chunks = heard(frames)
    assert stream.overlaps == 2 and len(joined(chunks)) == 4 * synth.RATE_HZ


def test_times_that_waver_change_nothing() -> None:
    wave, rng = synth.noise(5.0), np.random.default_rng(0)
    frames = [
        synth.audio_frame(
            wave[at : at + 400], rate=synth.RATE_HZ, at=at + int(rng.integers(-300, 301))
        )
        for at in range(0, len(wave), 400)
    ]  # 25 ms each, up to 19 ms early or late
    frames[0].pts = 0
    stream, chunks = heard(frames)
    assert stream.overlaps == 0
    np.testing.assert_allclose(joined(chunks), wave, atol=1e-6)


@pytest.mark.parametrize("at", [None, 0, 8_000, 133_327])
def test_the_clock_is_the_containers(at: int | None) -> None:
    frame = synth.audio_frame(synth.tone(600, 0.5), rate=synth.RATE_HZ, at=at)
    stream, chunks = heard([frame])
    assert chunks[0].start_s == pytest.approx((at or 0) / synth.RATE_HZ)
    assert stream.end_s == pytest.approx((at or 0) / synth.RATE_HZ + 0.5)


def test_broken_samples_become_numbers() -> None:
    wave = np.full(16_000, np.nan, np.float32)
    wave[5] = np.inf
    _, chunks = heard([synth.audio_frame(wave, rate=synth.RATE_HZ)])
    assert np.isfinite(joined(chunks)).all()


def test_tones_of_a_file_sound_at_their_times(tmp_path: Path) -> None:
    clip = synth.scenes(tmp_path / "film.mkv", start_s=8.3)
    with open_media(clip.path) as media:
        chunks = [c for c in media.stream() if isinstance(c, Sound)]
    assert chunks[0].start_s == pytest.approx(8.3, abs=2e-3)
    wave = joined(chunks)
    for begin_s, hz in clip.tones:
        first = round((begin_s - 8.3) * synth.RATE_HZ)
        assert pitch(wave[first + 800 : first + 31_000]) == pytest.approx(hz, abs=2)


def test_sixteen_channels_and_eight_bits_are_heard(tmp_path: Path) -> None:
    many = synth.write(
        tmp_path / "many.wav",
        wave=synth.tone(440, 1.0, 44_100),
        rate=44_100,
        layout="hexadecagonal",
    )
    coarse = synth.write(
        tmp_path / "coarse.wav", wave=synth.tone(440, 1.0, 8_000), rate=8_000, sound_codec="pcm_u8"
    )
    for path in (many, coarse):
        wave = read(path)
        assert len(wave) == pytest.approx(synth.RATE_HZ, abs=20)
        assert pitch(wave) == pytest.approx(440, abs=2)


@pytest.mark.parametrize("start_s", [0.0, 8.32])
def test_flash_and_click_meet(tmp_path: Path, start_s: float) -> None:
    clip = flash_and_click(tmp_path / "clap.mkv", start_s=start_s)
    bright, loud = [], []
    with open_media(clip.path) as media:
        for chunk in media.stream(fps=25.0):
            if isinstance(chunk, Frames):
                bright += [t for t, p in zip(chunk.pts_s, chunk.rgb, strict=True) if p.mean() > 200]
            elif isinstance(chunk, Sound):
                at = np.flatnonzero(np.abs(chunk.samples) > 0.3)
                loud += (chunk.start_s + at / chunk.rate_hz).tolist()
    assert bright == [pytest.approx(clip.facts["flash_s"], abs=1e-6)]
    # The resampler's filter is centred: not one millisecond early or late.
    assert loud[0] == pytest.approx(clip.facts["click_s"], abs=1e-3)
    assert abs(bright[0] - loud[0]) < 0.04


def test_a_long_hole_is_filled_in_pieces() -> None:
    tone = synth.tone(600, 1.0)
    stream, length = MonoStream(rate_hz=synth.RATE_HZ, file_bytes=3_000_000), 0
    for at in (0, 3000 * synth.RATE_HZ):
        for chunk in stream.feed(synth.audio_frame(tone, rate=synth.RATE_HZ, at=at)):
            length += len(chunk.samples)
            assert stream._held <= 2 * CHUNK
    assert length + sum(len(c.samples) for c in stream.finish()) == 3001 * synth.RATE_HZ


def test_holes_that_nothing_in_the_file_speaks_for_are_closed() -> None:
    second = synth.tone(600, 1.0)
    stream, length = MonoStream(rate_hz=synth.RATE_HZ, file_bytes=10_000), 0.0
    for n in range(10):  # a second of sound, ten hours of nothing, and so on; and small holes
        for at_s in (n * 36_000, n * 36_000 + 1.5):
            frame = synth.audio_frame(second, rate=synth.RATE_HZ, at=round(at_s * synth.RATE_HZ))
            length += sum(len(c.samples) for c in stream.feed(frame)) / synth.RATE_HZ
    length += sum(len(c.samples) for c in stream.finish()) / synth.RATE_HZ
    assert length == pytest.approx(10 * 2.5)
    assert stream.disbelieved_s == pytest.approx(9 * (36_000 - 2.5))


def test_one_false_time_closes_nothing() -> None:
    stream = MonoStream(rate_hz=synth.RATE_HZ)
    second = synth.tone(600, 1.0)
    for at_s in (0, 36_001, 2, 3):
        list(stream.feed(synth.audio_frame(second, rate=synth.RATE_HZ, at=at_s * synth.RATE_HZ)))
    assert (stream.end_s, stream.disbelieved_s, stream.overlaps) == (4.0, 0.0, 0)


@pytest.mark.parametrize("hole_s", [59.0, 0.2])
def test_silence_stays_within_what_is_believed(hole_s: float) -> None:
    # Many small lies are no better than one.
    blip = synth.tone(600, 0.02)
    stream, at_s, length = MonoStream(rate_hz=synth.RATE_HZ, file_bytes=10_000), 0.0, 0
    for _ in range(400):
        frame = synth.audio_frame(blip, rate=synth.RATE_HZ, at=round(at_s * synth.RATE_HZ))
        length += sum(len(chunk.samples) for chunk in stream.feed(frame))
        at_s += 0.02 + hole_s
    heard_s = 400 * 0.02
    assert length / synth.RATE_HZ <= 60 + 10 + 11 * heard_s


def test_memory_does_not_grow_with_the_length() -> None:
    stream = MonoStream(rate_hz=synth.RATE_HZ)
    second = synth.tone(440, 1.0)
    for n in range(120):
        for _ in stream.feed(synth.audio_frame(second, rate=synth.RATE_HZ, at=n * synth.RATE_HZ)):
            pass
        assert sum(len(part) for part in stream._parts) <= CHUNK
