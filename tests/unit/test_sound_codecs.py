"""A sine comes back with its pitch, its level and its time, whatever it was packed in."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import synth
from triptych.decode import open_media
from triptych.records import Sound

HZ, LEVEL, QUIET_S, LOUD_S = 700.0, 0.5, 0.25, 0.75
EXACT_S = 0.004  # a lossy codec smears the beginning of a tone by this much


def burst(rate: int) -> np.ndarray:
    """A quarter of a second of silence, then a tone."""
    silence = np.zeros(round(QUIET_S * rate), np.float32)
    return np.concatenate([silence, synth.tone(HZ, LOUD_S, rate, LEVEL)])


def written(path: Path, codec: str, rate: int, channels: np.ndarray, layout: str) -> Path:
    """A file of these channels (C, N) and nothing else."""
    with av.open(str(path), "w") as out:
        strict = {"strict": "experimental"}  # for vorbis
        stream = out.add_stream(codec, rate=rate, layout=layout, options=strict)
        for at in range(0, channels.shape[1], 1000):
            block = np.ascontiguousarray(channels[:, at : at + 1000].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, "flt", layout)
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), at
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def heard(path: Path) -> tuple[float, np.ndarray]:
    """When it begins after the start of the file, and all of it."""
    with open_media(path) as media:
        sounds = [c for c in media.stream() if isinstance(c, Sound)]
        assert not media.report.errors and not media.report.partial
        begin_s = sounds[0].start_s - media.info.start_s
    return begin_s, np.concatenate([s.samples for s in sounds])


def onset(wave: np.ndarray) -> float:
    """Seconds until half of the full level is reached."""
    width = synth.RATE_HZ // 500
    power = np.convolve(wave**2, np.full(width, 1 / width), mode="same")
    return float(np.argmax(power > LEVEL**2 / 8)) / synth.RATE_HZ


def check(path: Path, *, late_s: float = EXACT_S) -> None:
    start_s, wave = heard(path)
    assert start_s + onset(wave) == pytest.approx(QUIET_S, abs=late_s)
    assert start_s + len(wave) / synth.RATE_HZ == pytest.approx(QUIET_S + LOUD_S, abs=0.08)
    middle = wave[int((QUIET_S + 0.2 - start_s) * synth.RATE_HZ) :][:8000]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert np.argmax(spectrum) * synth.RATE_HZ / len(middle) == pytest.approx(HZ, abs=2.5)
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(LEVEL, rel=0.06)  # LAME's own is 0.95


@pytest.mark.parametrize(
    ("codec", "ending", "rate"),
    [
        *(("pcm_u8", "wav", 8_000), ("pcm_s16le", "wav", 11_025), ("pcm_s24le", "wav", 96_000)),
        *(("pcm_s32le", "wav", 192_000), ("pcm_f32le", "wav", 44_100)),
        *(("pcm_s16be", "aiff", 22_050), ("pcm_s16be", "mov", 48_000)),
        *(("pcm_f64le", "wav", 8_000), ("pcm_s16le", "avi", 32_000)),
        *(("pcm_mulaw", "wav", 8_000), ("pcm_alaw", "wav", 8_000)),
        ("adpcm_ima_wav", "wav", 22_050),
        *(("flac", "flac", 96_000), ("flac", "mkv", 44_100), ("alac", "m4a", 44_100)),
        *(("wavpack", "wv", 44_100), ("tta", "tta", 44_100), ("flac", "ogg", 48_000)),
        *(("aac", "m4a", 44_100), ("aac", "mkv", 48_000), ("aac", "mp4", 16_000)),
        *(("libmp3lame", "mp3", 44_100), ("libmp3lame", "mp3", 22_050)),
        ("libmp3lame", "mkv", 48_000),
        *(("libopus", "ogg", 48_000), ("libopus", "webm", 48_000), ("libopus", "mp4", 24_000)),
        *(("vorbis", "ogg", 44_100), ("vorbis", "webm", 48_000)),
        *(("ac3", "mkv", 48_000), ("ac3", "mp4", 44_100), ("eac3", "mkv", 48_000)),
        *(("mp2", "mkv", 48_000), ("mp2", "mp4", 32_000)),
    ],
)  # fmt: skip
def test_codecs_and_rates(tmp_path: Path, codec: str, ending: str, rate: int) -> None:
    wave = burst(rate)
    check(written(tmp_path / f"a.{ending}", codec, rate, np.stack([wave, wave]), "stereo"))


@pytest.mark.parametrize(
    ("codec", "ending", "frame"),
    [("aac", "aac", 1024), ("mp2", "mp2", 1152), ("libmp3lame", "avi", 1152), ("ac3", "ac3", 1536)],
)
def test_files_that_do_not_tell_their_coders_delay_are_one_frame_late_at_most(
    tmp_path: Path, codec: str, ending: str, frame: int
) -> None:
    wave = burst(48_000)
    path = written(tmp_path / f"a.{ending}", codec, 48_000, wave[None], "mono")
    check(path, late_s=frame / 48_000 + EXACT_S)


LAYOUTS = ("mono", "stereo", "2.1", "3.0", "quad", "5.0", "5.1", "6.1", "7.1", "hexadecagonal")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_channels_that_say_the_same_keep_their_level(tmp_path: Path, layout: str) -> None:
    wave = burst(48_000)
    count = av.AudioLayout(layout).nb_channels
    check(written(tmp_path / "a.mkv", "pcm_f32le", 48_000, np.tile(wave, (count, 1)), layout))


#: Share of each channel in the mono mix: of ITU-R BS.775's, what makes the sum 1.
MIX = {
    "mono": {"FC": 1.0},
    "stereo": {"FL": 0.5, "FR": 0.5},
    "5.1": {"FL": 0.207, "FR": 0.207, "FC": 0.293, "LFE": 0.0, "BL": 0.146, "BR": 0.146},
    "7.1": {"FL": 0.1605, "FR": 0.1605, "FC": 0.227, "LFE": 0.0,
            "BL": 0.1135, "BR": 0.1135, "SL": 0.1135, "SR": 0.1135},
}  # fmt: skip


@pytest.mark.parametrize("layout", MIX)
def test_each_channels_share_in_the_mix(tmp_path: Path, layout: str) -> None:
    names = [channel.name for channel in av.AudioLayout(layout).channels]
    for index, name in enumerate(names):
        channels = np.zeros((len(names), 16_000), np.float32)
        channels[index] = synth.tone(HZ, 1.0)
        _, wave = heard(written(tmp_path / "a.mkv", "pcm_f32le", 16_000, channels, layout))
        level = np.sqrt(2 * np.mean(wave[2000:-2000] ** 2)) / LEVEL
        assert level == pytest.approx(MIX[layout].get(name, -1), abs=0.003), name


@pytest.mark.parametrize(
    ("wanted", "hz"),
    [
        *(("", 500), ("fr", 500), ("eng", 900), ("en", 900)),
        *(("zho", 1300), ("chi", 1300), ("qaa", 1700)),
    ],
)
def test_several_tracks(tmp_path: Path, wanted: str, hz: int) -> None:
    """The default one, or that of a language, by either of its codes."""
    tracks = {"ger": 500, "eng": 900, "chi": 1300, "qaa": 1700}
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        for language in tracks:
            stream = out.add_stream("pcm_s16le", rate=16_000, layout="mono")
            stream.metadata["language"] = language
        for stream, tone_hz in zip(out.streams.audio, tracks.values(), strict=True):
            frame = synth.audio_frame(synth.tone(tone_hz, 0.5), rate=16_000, format="s16")
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    with open_media(path, language=wanted) as media:
        wave = np.concatenate([c.samples for c in media.stream() if isinstance(c, Sound)])
    spectrum = np.abs(np.fft.rfft(wave))
    assert spectrum.argmax() * synth.RATE_HZ / len(wave) == pytest.approx(hz, abs=3)
