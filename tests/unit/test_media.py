"""One pass over a file: what comes out, in which pieces, and what is said of what was not read."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

import synth
from triptych.decode import open_media
from triptych.errors import DecodeError, NotMediaError, TriptychError
from triptych.records import Frames, Sound, Spectrogram

H264 = {"codec": "libx264", "pixels": "yuv420p"}


def test_one_pass_gives_pictures_sound_and_spectrogram(tmp_path: Path) -> None:
    clip = synth.scenes(tmp_path / "film.mkv", scene_s=3.0)
    with open_media(clip.path) as media:
        chunks = list(media.stream(fps=2.0))
    kinds = [type(c) for c in chunks]
    assert set(kinds) == {Frames, Sound, Spectrogram}
    assert sum(len(c.pts_s) for c in chunks if isinstance(c, Frames)) == 24
    assert sum(len(c.samples) for c in chunks if isinstance(c, Sound)) == 12 * synth.RATE_HZ
    assert sum(len(c.log_mel) for c in chunks if isinstance(c, Spectrogram)) == 1201
    assert media.report.frames_decoded == len(clip.times)
    assert media.report.frames_sampled == 24
    assert media.report.end_s == pytest.approx(12.0)


def test_what_nobody_asks_for_is_not_decoded(tmp_path: Path) -> None:
    clip = synth.scenes(tmp_path / "film.mkv")
    with open_media(clip.path) as media:
        assert all(isinstance(c, Sound | Spectrogram) for c in media.stream(pictures=False))
        assert media.report.frames_decoded == 0 and not media.report.partial
    with open_media(clip.path) as media:
        assert all(isinstance(c, Frames) for c in media.stream(sound=False))
    with open_media(clip.path) as media:
        assert list(media.stream(pictures=False, sound=False)) == []


def test_frames_come_in_bounded_batches(tmp_path: Path) -> None:
    path = synth.write(tmp_path / "film.mkv", times=synth.steady(4.0, 25))
    with open_media(path) as media:
        sizes = [len(c.pts_s) for c in media.stream(fps=25.0)]
    assert sizes == [16] * 6 + [4]


def test_the_scenes_are_shown_at_their_times(tmp_path: Path) -> None:
    clip = synth.scenes(tmp_path / "film.mkv", start_s=8.3, sound=False)
    with open_media(clip.path) as media:
        chunks = [c for c in media.stream(fps=10.0) if isinstance(c, Frames)]
    shown = {round(float(t), 3): p for c in chunks for t, p in zip(c.pts_s, c.rgb, strict=True)}
    edges = [8.3, *clip.cuts, clip.end_s]
    pictures = [
        synth.plain(colour) // 2 + synth.textured(i) // 2 for i, colour in enumerate(synth.COLOURS)
    ]
    for index, (begin, end) in enumerate(itertools.pairwise(edges)):
        inside = [p for t, p in shown.items() if begin <= t < end]
        assert len(inside) == 20
        assert all((p == pictures[index]).all() for p in inside)


@pytest.mark.parametrize("pictures", [True, False])
def test_one_kind_alone(tmp_path: Path, pictures: bool) -> None:
    kind = {"times": synth.steady(1.0)} if pictures else {"wave": synth.tone(440, 1.0)}
    path = synth.write(tmp_path / ("film.mkv" if pictures else "sound.wav"), **kind)
    with open_media(path) as media:
        found = {type(c) for c in media.stream()}
        assert found == ({Frames} if pictures else {Sound, Spectrogram})
        assert (media.info.video is None) != pictures and (media.info.audio is None) == pictures
        assert media.report.end_s == pytest.approx(1.0)
        assert media.report.warnings == []


def test_a_single_frame_is_a_film(tmp_path: Path) -> None:
    path = synth.write(tmp_path / "film.mkv", times=[0.0])
    with open_media(path) as media:
        (chunk,) = media.stream(fps=240.0)
    assert chunk.rgb.shape == (1, 64, 96, 3) and chunk.pts_s.tolist() == [0.0]


def test_pictures_that_change_size_come_in_separate_batches(tmp_path: Path) -> None:
    clip = synth.growing_film(tmp_path / "film.mkv")
    with open_media(clip.path) as media:
        chunks = list(media.stream(fps=10.0))
    assert [c.rgb.shape for c in chunks] == [(10, 48, 64, 3), (10, 96, 128, 3)]
    assert np.concatenate([c.pts_s for c in chunks]) == pytest.approx(np.array(clip.times))


@pytest.mark.parametrize("threads", [1, 4])
def test_threads_change_nothing(tmp_path: Path, threads: int) -> None:
    clip = synth.numbered_film(tmp_path / "film.mp4", synth.swinging(), **H264)
    with open_media(clip.path, threads=threads) as media:
        chunks = list(media.stream(fps=5.0))
    numbers = [synth.number_of(p) for c in chunks for p in c.rgb]
    assert numbers == sorted(set(numbers))
    skipped = len(clip.times) - media.report.frames_decoded
    assert 0 <= skipped <= media.report.plan.skipped


def test_looking_at_the_info_first_changes_nothing(tmp_path: Path) -> None:
    path = synth.turned_mp4(tmp_path / "film.mp4", (0, 1, -1, 0))
    with open_media(path) as before, open_media(path) as after:
        info = before.info
        with_info = list(before.stream(fps=25.0))
        without = list(after.stream(fps=25.0))
        assert info == before.info == after.info
    assert all((a.rgb == b.rgb).all() for a, b in zip(with_info, without, strict=True))


def test_the_info_can_be_read_after_closing(tmp_path: Path) -> None:
    path = synth.turned_mp4(tmp_path / "film.mp4", (0, 1, -1, 0))
    with open_media(path) as media:
        pass
    assert (media.info.width, media.info.height, media.info.rotation) == (64, 96, -90)


def test_a_limit_on_duration_is_said(tmp_path: Path) -> None:
    clip = synth.scenes(tmp_path / "film.mkv", start_s=3.0)
    with open_media(clip.path) as media:
        chunks = list(media.stream(fps=2.0, max_duration_s=3.0))
        assert media.report.warnings == ["stopped at decode.max_duration_s: 3 s"]
        assert not media.report.partial
        assert media.report.end_s == pytest.approx(6.0, abs=0.11)
    pts = np.concatenate([c.pts_s for c in chunks if isinstance(c, Frames)])
    assert pts.tolist() == pytest.approx([3.0, 3.5, 4.0, 4.5, 5.0, 5.5])


def test_a_window_of_sound_is_that_window(tmp_path: Path) -> None:
    clip = synth.scenes(tmp_path / "film.mkv", start_s=3.0)
    with open_media(clip.path) as media:
        found = [c for c in media.stream(pictures=False, start_s=5.2, end_s=6.8)]
    sounds = [c for c in found if isinstance(c, Sound)]
    # To within the file's own blocks of 0.1 s.
    assert sounds[0].start_s == pytest.approx(5.2, abs=0.11) and sounds[0].start_s <= 5.2
    assert sounds[-1].end_s == pytest.approx(6.8, abs=0.11) and sounds[-1].end_s >= 6.8
    wave = np.concatenate([s.samples for s in sounds])
    spectrum = np.abs(np.fft.rfft(wave))
    assert spectrum.argmax() * synth.RATE_HZ / len(wave) == pytest.approx(clip.tones[1][1], abs=2)


def test_a_window_after_the_end_says_that_nothing_is_there(tmp_path: Path) -> None:
    clip = synth.scenes(tmp_path / "film.mkv")
    with open_media(clip.path) as media, pytest.raises(DecodeError, match="after the end"):
        list(media.stream(start_s=100.0))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_film_is_read_as_far_as_it_goes(tmp_path: Path, share: float) -> None:
    clip = synth.scenes(tmp_path / "film.mkv")
    path = synth.truncated(clip.path, tmp_path / "cut.mkv", share)
    with open_media(path) as media:
        chunks = list(media.stream(fps=10.0))
        report = media.report
    assert report.partial
    assert any("could be read" in w for w in report.warnings)
    assert 0 < report.end_s < clip.end_s
    shown = np.concatenate([c.pts_s for c in chunks if isinstance(c, Frames)])
    # What came before the cut is all there.
    np.testing.assert_allclose(shown, clip.times[: len(shown)])
    assert len(shown) > 0.5 * share * len(clip.times)


def test_a_truncated_mp4_has_lost_its_table(tmp_path: Path) -> None:
    whole = synth.write(
        tmp_path / "film.mp4", times=synth.steady(2.0), picture=synth.textured, **H264
    )
    path = synth.truncated(whole, tmp_path / "cut.mp4", 0.5)
    with pytest.raises(DecodeError, match="damaged") as caught:
        open_media(path)
    assert caught.value.path == str(path) and "truncated" in caught.value.remedy
    assert not isinstance(caught.value, NotMediaError)


def test_a_film_that_lost_part_of_its_table_is_damaged(tmp_path: Path) -> None:
    clip = synth.numbered_film(tmp_path / "film.mp4", synth.steady(2.0), **H264)
    data = clip.path.read_bytes()
    clip.path.write_bytes(data[: data.index(b"stbl")])
    with pytest.raises(DecodeError, match="no pictures and no sound") as caught:
        open_media(clip.path)
    assert "video stream 0" in caught.value.message and "copy" in caught.value.remedy


def test_broken_packets_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    clip = synth.numbered_film(tmp_path / "film.mp4", synth.steady(4.0), codec="png",
                               pixels="rgb24")  # fmt: skip
    data = bytearray(clip.path.read_bytes())
    marks = [i for i in range(len(data)) if data.startswith(b"\x89PNG", i)]
    for at in marks[10:20]:
        data[at : at + 4] = b"xxxx"
    clip.path.write_bytes(data)
    with open_media(clip.path) as media:
        chunks = list(media.stream(fps=25.0))
    assert media.report.errors == 10
    assert "10 packets could not be decoded" in media.report.warnings
    numbers = [synth.number_of(p) for c in chunks for p in c.rgb]
    # The last whole frame stays on screen; nothing after the hole is lost or shifted.
    assert numbers == [*range(10), *range(20, 100)]
    assert [round(float(t), 3) for c in chunks for t in c.pts_s] == [n / 25 for n in numbers]


def test_a_film_without_one_good_packet_is_an_error(tmp_path: Path) -> None:
    clip = synth.numbered_film(tmp_path / "film.mp4", synth.steady(1.0), codec="png",
                               pixels="rgb24")  # fmt: skip
    clip.path.write_bytes(clip.path.read_bytes().replace(b"\x89PNG", b"xxxx"))
    with pytest.raises(TriptychError) as caught, open_media(clip.path) as media:
        list(media.stream())
    assert caught.value.path == str(clip.path) and caught.value.remedy


def test_sound_goes_on_where_the_pictures_are_broken(tmp_path: Path) -> None:
    path = synth.write(tmp_path / "film.mov", times=synth.steady(1.0), codec="png",
                       pixels="rgb24", wave=synth.tone(440, 1.0))  # fmt: skip
    path.write_bytes(path.read_bytes().replace(b"\x89PNG", b"xxxx"))
    with open_media(path) as media:
        chunks = list(media.stream())
    assert sum(len(c.samples) for c in chunks if isinstance(c, Sound)) == synth.RATE_HZ
    assert media.report.partial
    assert any("video stream" in w for w in media.report.warnings)


def test_a_closed_file_frees_its_decoders(tmp_path: Path) -> None:
    path = synth.write(tmp_path / "film.mkv", times=synth.steady(1.0))
    with open_media(path) as media:
        next(iter(media.stream()))
    media.close()  # twice is no error
    path.unlink()
