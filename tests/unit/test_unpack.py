"""What `triptych decode` writes is what the decoder says, to the last bit where a file can hold it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from synth import scenes, speckled, steady, swinging, textured, tone, write
from triptych.decode import open_media
from triptych.decode.cues import read_sidecar
from triptych.decode.spectrogram import LogMel
from triptych.errors import UsageError
from triptych.inputs import find_sources
from triptych.records import Cue, Frames, Sound
from triptych.unpack.drawing import draw_spectrogram
from triptych.unpack.place import MEDIA, NAMES, check_place
from triptych.unpack.spectrum import pixel_columns
from unpacking import table, told, unpacked

SRT = "1\n00:00:00,500 --> 00:00:01,250\n{}\n\n2\n00:00:01,250 --> 00:00:03,000\n<b>x & y</b>\n"


def streamed(path: Path, kind: type, **options: Any) -> list[Any]:
    with open_media(path) as media:
        return [c for c in media.stream(short_side=1 << 20, **options) if isinstance(c, kind)]


def heard(path: Path) -> np.ndarray:
    """The samples of a file, as whole numbers where it holds such."""
    with av.open(str(path)) as file:
        return np.concatenate([f.to_ndarray()[0] for f in file.decode(audio=0)])


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four scenes with sound that begin at 8.36 s, in a film with a Chinese name."""
    return scenes(tmp_path_factory.mktemp("film") / "电影 一.mkv", start_s=8.36).path


@pytest.fixture(scope="module")
def written(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that is written of it, with a subtitle file beside it."""
    film.with_suffix(".zh.srt").write_text(SRT.format("你好，世界"), encoding="utf-8")
    place = tmp_path_factory.mktemp("written") / "place"
    row = unpacked(film, place, frames="png")
    assert (row["state"], row["warnings"]) == ("done", [])
    return place


def test_png_frames_are_those_of_the_stream(film: Path, written: Path) -> None:
    (frames,) = streamed(film, Frames, sound=False)
    rows = table(written)
    assert [row["file"] for row in rows] == [f"frames/{i:06}.png" for i in range(1, 9)]
    assert sorted(os.listdir(written / "frames")) == [row["file"][7:] for row in rows]
    np.testing.assert_allclose([float(r["time_s"]) for r in rows], frames.pts_s, atol=1e-6)
    for row, rgb in zip(rows, frames.rgb, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(written / row["file"])), rgb)


def test_jpg_frames_look_like_those_of_the_stream(tmp_path: Path) -> None:
    path = write(tmp_path / "f.mkv", times=steady(2.0), picture=lambda i: textured(i, (320, 240)))
    unpacked(path, tmp_path / "place", sample="fps:2")
    (frames,) = streamed(path, Frames, fps=2.0)
    rows = table(tmp_path / "place")
    assert len(rows) == len(frames.rgb) == 4
    for row, rgb in zip(rows, frames.rgb, strict=True):
        with Image.open(tmp_path / "place" / row["file"]) as picture:
            assert (picture.format, picture.mode) == ("JPEG", "RGB")
            error = np.asarray(picture).astype(float) - rgb
        assert np.sqrt((error**2).mean()) < 1.5


def test_wav_holds_the_very_samples(film: Path, written: Path) -> None:
    chunks = streamed(film, Sound)
    np.testing.assert_array_equal(
        heard(written / "sound.wav"), np.concatenate([c.samples for c in chunks])
    )
    assert told(written)["sound"] == {
        "files": ["sound.wav"], "rate_hz": 16000, "samples": 128000, "start_s": 8.36,
    }  # fmt: skip


def test_flac_holds_them_in_24_bits(tmp_path: Path) -> None:
    wave = np.concatenate([tone(440.0, 11.0), [1.0, -1.0, 0.0]]).astype(np.float32)
    path = write(tmp_path / "f.wav", wave=wave)
    row = unpacked(path, tmp_path / "place", sound="flac", spectrogram=False)
    assert row["outputs"] == ["sound.flac", MEDIA]
    found = heard(tmp_path / "place" / "sound.flac")
    samples = np.concatenate([c.samples for c in streamed(path, Sound)])
    assert found.dtype == np.int32 and len(found) == len(samples)
    np.testing.assert_allclose(found / 2**31, samples, atol=2**-24)


def test_the_spectrogram_is_that_of_the_whole_sound(film: Path, written: Path) -> None:
    samples = np.concatenate([c.samples for c in streamed(film, Sound)])
    log_mel = LogMel()
    whole = [
        log_mel.feed(Sound(samples=samples, rate_hz=16_000, start_s=8.36)),
        log_mel.finish(),
    ]
    with np.load(written / "spectrogram.npz", allow_pickle=False) as found:
        expected = np.concatenate([c.log_mel for c in whole if c])
        np.testing.assert_array_equal(found["log_mel"], expected)
        np.testing.assert_allclose(found["time_s"], 8.36 + 0.01 * np.arange(len(expected)))
        assert found["band_hz"].shape == (80,) and (np.diff(found["band_hz"]) > 0).all()
        assert (found["rate_hz"], found["n_fft"], found["hop"]) == (16_000, 400, 160)
    # The tones: the band that is loudest in the middle of each scene hears that tone.
    bands, loudest = found_bands(written), (400.0, 800.0, 1600.0, 3200.0)
    for second, hertz in zip((1, 3, 5, 7), loudest, strict=True):
        assert bands[second * 100] == pytest.approx(hertz, rel=0.05)


def found_bands(place: Path) -> np.ndarray:
    with np.load(place / "spectrogram.npz") as found:
        return found["band_hz"][found["log_mel"].argmax(axis=1)]


@pytest.mark.parametrize("seconds", [0.02, 3.0, 95.0, 2000.0])
def test_the_picture_is_as_large_as_can_be_read(tmp_path: Path, seconds: float) -> None:
    columns = np.full((max(1, round(seconds * 100)), 80), -10.0, np.float32)
    columns[: len(columns) // 2, 10] = 1.0
    path = tmp_path / "s.png"
    draw_spectrogram(columns, path, title="长片" * 90, start_s=0.0, hop_s=0.01)
    with Image.open(path) as picture:
        assert picture.width < 1700 and picture.height < 2600
        pixels = np.asarray(picture.convert("RGB"))
    assert (pixels.max(axis=(1, 2)) > 0).any() and pixels.std() > 20


def test_pixels_are_means_of_columns_or_copies_of_one() -> None:
    columns = np.random.default_rng(0).normal(size=(1000, 4)).astype(np.float32)
    half = pixel_columns(columns, begin=0, end=1000, pixels=500)
    np.testing.assert_allclose(half, columns.reshape(500, 2, 4).mean(axis=1), atol=1e-6)
    twice = pixel_columns(columns[:3], begin=0, end=3, pixels=6)
    np.testing.assert_array_equal(twice, np.repeat(columns[:3], 2, axis=0))


def test_cues_of_both_sources_are_written(tmp_path: Path) -> None:
    path = write(tmp_path / "-片.mkv", times=steady(4.0, 5, 2.0))
    path.with_name("-片.zh.srt").write_text(SRT.format("你好，世界"), encoding="utf-8")
    path.with_name("-片.en.srt").write_text(SRT.format("a < b --> c"), encoding="utf-8")
    unpacked(path, tmp_path / "place")
    text = (tmp_path / "place" / "cues.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    assert "你好，世界" in text
    assert {(r["source"], r["language"], r["file"]) for r in rows} == {
        ("sidecar", "zh", "-片.zh.srt"), ("sidecar", "en", "-片.en.srt"),
    }  # fmt: skip
    assert [r["start_s"] for r in rows] == pytest.approx([2.5, 2.5, 3.25, 3.25])
    vtt = tmp_path / "place" / "cues.vtt"
    again = {(c.start_s, c.end_s, c.text) for c in read_sidecar(vtt, offset_s=2.0).cues}
    assert again == {(r["start_s"], r["end_s"], r["text"]) for r in rows}
    assert "1 sidecar " in vtt.read_text(encoding="utf-8")
    assert told(tmp_path / "place")["cues"] == [
        {"source": "sidecar", "file": f"-片.{code}.srt", "language": code, "cues": 2}
        for code in ("en", "zh")
    ]


@pytest.mark.needs("shared")
def test_cues_of_a_real_film_come_back(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "hard_inputs" / "torchcodec" / "nasa_13013.mp4"
    row = unpacked(path, tmp_path / "place", frames="none", sound="none", spectrogram=False)
    assert row["outputs"] == ["cues.vtt", "cues.jsonl", MEDIA]
    with open_media(path) as media:
        cues = [c for c in media.stream(pictures=False, sound=False) if isinstance(c, Cue)]
    read = read_sidecar(tmp_path / "place" / "cues.vtt").cues
    assert [c.text for c in read] == [c.text for c in cues] and len(cues) > 2
    for found, cue in zip(read, cues, strict=True):
        assert (found.start_s, found.end_s) == pytest.approx((cue.start_s, cue.end_s), abs=5e-4)
    assert told(tmp_path / "place")["cues"] == [
        {"source": "embedded", "file": None, "language": "en", "cues": len(cues)}
    ]


def test_windows_are_on_the_clock_of_the_film(film: Path, tmp_path: Path) -> None:
    unpacked(film, tmp_path / "place", start_s=2.0, end_s=4.5)
    rows = table(tmp_path / "place")
    assert [float(r["time_s"]) for r in rows] == pytest.approx([10.36, 11.36, 12.36])
    found = told(tmp_path / "place")
    assert found["read"]["start_s"] == 10.36 and found["read"]["seconds"] == pytest.approx(2.5)
    assert abs(found["sound"]["start_s"] - 10.36) < 0.11  # whole frames of sound
    assert found["sound"]["samples"] == pytest.approx(2.5 * 16_000, abs=3200)
    assert (found["media"]["start_s"], found["asked"]["end_s"]) == (8.36, 4.5)


def test_what_a_film_does_not_have_is_not_written(tmp_path: Path) -> None:
    silent = write(tmp_path / "silent.mkv", times=swinging())
    row = unpacked(silent, tmp_path / "a")
    assert row["outputs"] == ["frames", "frames.csv", MEDIA]
    assert told(tmp_path / "a")["sound"] is None and told(tmp_path / "a")["spectrogram"] is None
    blind = write(tmp_path / "blind.wav", wave=tone(440, 0.3))
    row = unpacked(blind, tmp_path / "b")
    assert row["outputs"] == ["spectrogram.npz", "spectrogram.png", "sound.wav", MEDIA]
    assert row["outputs"] == sorted(os.listdir(tmp_path / "b"), key=NAMES.index)


def test_what_is_not_wanted_is_not_written(film: Path, tmp_path: Path) -> None:
    row = unpacked(film, tmp_path / "a", frames="none", sound="none")
    assert {"frames", "frames.csv", "sound.wav"}.isdisjoint(row["outputs"])
    assert "spectrogram.npz" in row["outputs"]
    row = unpacked(film, tmp_path / "b", sound="none", spectrogram=False)
    assert [n for n in row["outputs"] if not n.startswith("cues")] == [
        "frames",
        "frames.csv",
        MEDIA,
    ]


def test_frames_are_scaled_on_request(tmp_path: Path) -> None:
    path = write(tmp_path / "f.mkv", times=steady(1.0), picture=lambda i: textured(i, (200, 100)))
    unpacked(path, tmp_path / "a")
    unpacked(path, tmp_path / "b", short_side=50)
    assert told(tmp_path / "a")["frames"]["sizes"] == {"200x100": 1}
    assert told(tmp_path / "b")["frames"]["sizes"] == {"100x50": 1}


def test_the_same_film_gives_the_same_bytes(film: Path, tmp_path: Path) -> None:
    for name in "ab":
        unpacked(film, tmp_path / name, sound="flac")
    for here, _, names in os.walk(tmp_path / "a"):
        for name in names:
            path = Path(here, name)
            other = tmp_path / "b" / path.relative_to(tmp_path / "a")
            assert path.read_bytes() == other.read_bytes(), name


def test_a_truncated_film_is_partial(tmp_path: Path) -> None:
    whole = write(tmp_path / "w.mkv", times=steady(8.0), picture=lambda i: speckled(seed=i)[..., None].repeat(3, 2))  # fmt: skip
    path = tmp_path / "cut.mkv"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    row = unpacked(path, tmp_path / "place")
    assert row["state"] == "partial"
    found = told(tmp_path / "place")
    assert found["partial"] and any("could be read" in w for w in found["warnings"])
    assert 3 <= len(table(tmp_path / "place")) <= 5


def test_what_is_no_film_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("no film")
    row = unpacked(path, tmp_path / "place")
    assert (row["state"], row["stage"]) == ("failed", "open") and row["remedy"]
    assert not (tmp_path / "place").exists()


# What is there already


def test_nothing_that_is_there_is_lost(tmp_path: Path) -> None:
    place = tmp_path / "place"
    check_place(place, overwrite=False, inputs=())
    (place / "frames").mkdir(parents=True)
    (place / "notes.txt").touch()
    with pytest.raises(UsageError, match=r"frames would be replaced .*--overwrite"):
        check_place(place, overwrite=False, inputs=())
    check_place(place, overwrite=True, inputs=())
    (place / "frames" / "000001.jpg").touch()
    check_place(place, overwrite=True, inputs=())
    (place / "frames" / "holiday.jpg").touch()
    with pytest.raises(UsageError, match="holiday"):
        check_place(place, overwrite=True, inputs=())
    with pytest.raises(UsageError, match="a file stands"):
        check_place(place / "notes.txt", overwrite=True, inputs=())


def test_no_input_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "sound.wav").touch()
    path = os.path.realpath(tmp_path / "sound.wav")
    with pytest.raises(UsageError, match="an input would be replaced"):
        check_place(tmp_path, overwrite=True, inputs=(path,))


def test_overwriting_replaces_all_and_nothing_else(film: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    unpacked(film, place, sound="flac", sample="fps:5")
    (place / "notes.txt").write_text("mine")
    row = unpacked(film, place, spectrogram=False)
    assert sorted(os.listdir(place)) == sorted([*row["outputs"], "notes.txt"])
    assert len(os.listdir(place / "frames")) == len(table(place)) == 8
    assert not (place / "sound.flac").exists()


def test_a_place_that_cannot_be_written_keeps_what_it_has(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    unpacked(film, place)
    before = {p: p.read_bytes() for p in place.rglob("*") if p.is_file()}
    renamed = Path.rename

    def stubborn(self: Path, target: Path) -> Path:
        if self.name == "sound.wav" and self.parent.name != "old" and target.parent == place:
            raise OSError(28, "No space left on device")
        return renamed(self, target)

    monkeypatch.setattr(Path, "rename", stubborn)
    row = unpacked(film, place)
    monkeypatch.undo()
    assert (row["state"], row["stage"]) == ("failed", "write")
    assert "No space left" in row["error"] and row["remedy"]
    assert {p: p.read_bytes() for p in place.rglob("*") if p.is_file()} == before


def test_results_are_no_inputs(film: Path, tmp_path: Path) -> None:
    place = tmp_path / "films" / "done"
    unpacked(film, place)
    (tmp_path / "films" / "other.wav").touch()
    found = find_sources([tmp_path / "films"], out=tmp_path / "out")
    assert [source.path.name for source in found] == ["other.wav"]
