"""Small grey frames, close together in time, beside the sampled ones of the same decode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation, VideoReformatter

import synth
from triptych.decode import open_media
from triptych.decode.sampling import nearest_frames
from triptych.extract import extract
from triptych.records import Frames, Luma

H264 = {"codec": "libx264", "pixels": "yuv420p"}


def chunks(path: Path, **options: Any) -> list[Any]:
    with open_media(path) as media:
        return list(media.stream(sound=False, text=False, **options))


def joined(found: list[Any], kind: type, field: str) -> np.ndarray:
    return np.concatenate([getattr(c, field) for c in found if isinstance(c, kind)])


def test_grey_frames_must_fit_their_times() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Luma(gray=np.zeros((2, 4, 4), np.uint8), pts_s=np.zeros(1))
    with pytest.raises(ValueError, match="out of order"):
        Luma(gray=np.zeros((2, 4, 4), np.uint8), pts_s=np.array([1.0, 0.5]))
    assert repr(synth.lumas([np.zeros((4, 6), np.uint8)] * 3)) == "Luma(3 of 6x4)"


@pytest.mark.parametrize("start_s", [0.0, 8.3])
@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_they_are_what_was_on_screen(tmp_path: Path, start_s: float, ending: str) -> None:
    options = {} if ending == ".mkv" else H264
    clip = synth.numbered_film(tmp_path / f"film{ending}", synth.swinging(start_s), **options)
    found = chunks(clip.path, fps=1.0, dense_fps=10.0)
    times, grid = np.array(clip.times), start_s + np.arange(1000) / 10
    expected = sorted(set(nearest_frames(times, grid[grid < clip.end_s - 1e-6]).tolist()))
    grey = joined(found, Luma, "gray")
    assert [synth.number_of(np.stack([g] * 3, axis=-1)) for g in grey] == expected
    np.testing.assert_allclose(joined(found, Luma, "pts_s"), times[expected], atol=1e-9)


@pytest.mark.parametrize("dense_fps", [0.5, 4.0, 30.0])
@pytest.mark.parametrize("options", [{}, H264], ids=["ffv1", "h264"])
def test_the_sampled_frames_are_bit_for_bit_those_without_them(
    tmp_path: Path, dense_fps: float, options: dict[str, Any]
) -> None:
    ending = "mp4" if options else "mkv"
    clip = synth.numbered_film(tmp_path / f"film.{ending}", synth.swinging(), **options)
    alone = chunks(clip.path, fps=2.0)
    beside = chunks(clip.path, fps=2.0, dense_fps=dense_fps)
    assert all(isinstance(c, Frames) for c in alone)
    for field in ("rgb", "pts_s"):
        one, other = joined(alone, Frames, field), joined(beside, Frames, field)
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("dense_fps", [1.0, 7.0])
def test_grey_pixels_are_those_of_a_full_decode_though_frames_are_skipped(
    tmp_path: Path, dense_fps: float
) -> None:
    clip = synth.numbered_film(tmp_path / "film.mp4", synth.steady(4.0), **H264)
    with open_media(clip.path) as media:
        found = list(media.stream(pictures=False, sound=False, dense_fps=dense_fps, dense_side=48))
        assert media.report.plan.skipped > 0
        assert media.report.frames_sampled == 0
        assert media.report.end_s == pytest.approx(4.0, abs=0.01)
    with av.open(str(clip.path)) as container:
        everything = {round(float(f.pts * f.time_base), 3): f for f in container.decode(video=0)}
    reformatter = VideoReformatter()
    grey = joined(found, Luma, "gray")
    assert grey.shape == (4 * dense_fps, 48, 72)
    for pts_s, gray in zip(joined(found, Luma, "pts_s"), grey, strict=True):
        same = reformatter.reformat(
            everything[round(float(pts_s), 3)],
            width=72,
            height=48,
            format="gray",
            interpolation=Interpolation.AREA,
        )
        np.testing.assert_array_equal(gray, same.to_ndarray())


def test_only_frames_that_neither_wants_are_skipped(tmp_path: Path) -> None:
    clip = synth.numbered_film(tmp_path / "film.mp4", synth.steady(4.0), **H264)
    skipped = []
    for dense_fps in (None, 5.0, 25.0):
        with open_media(clip.path) as media:
            list(media.stream(fps=1.0, dense_fps=dense_fps))
            skipped.append(media.report.plan.skipped)
    assert skipped[0] > skipped[1] > skipped[2] == 0


def test_nobody_gets_them_unasked(tmp_path: Path) -> None:
    path = synth.write(tmp_path / "film.mkv", times=synth.steady(1.0))
    assert {type(c) for c in chunks(path)} == {Frames}
    assert {type(c) for c in chunks(path, dense_fps=5.0)} == {Frames, Luma}
    assert {type(c) for c in chunks(path, pictures=False, dense_fps=5.0)} == {Luma}
    assert chunks(path, pictures=False) == []


def test_they_come_in_bounded_batches_of_one_size(tmp_path: Path) -> None:
    path = synth.write(tmp_path / "film.mkv", times=synth.steady(2.0))
    found = chunks(path, pictures=False, dense_fps=25.0, dense_side=32)
    assert [c.gray.shape for c in found] == [(16, 32, 48)] * 3 + [(2, 32, 48)]
    clip = synth.growing_film(tmp_path / "growing.mkv")
    found = chunks(clip.path, pictures=False, dense_fps=10.0)
    assert [c.gray.shape for c in found] == [(10, 48, 64), (10, 96, 128)]


def test_they_stand_upright(tmp_path: Path) -> None:
    path = synth.turned_mp4(tmp_path / "film.mp4", (0, 1, -1, 0))
    found = chunks(path, fps=5.0, dense_fps=5.0)
    rgb, gray = joined(found, Frames, "rgb")[0], joined(found, Luma, "gray")[0]
    assert gray.shape == rgb.shape[:2] == (96, 64)
    brightness = rgb.astype(float) @ (0.299, 0.587, 0.114)
    assert np.abs(gray - brightness).mean() < 4


def test_a_window_holds_for_them_too(tmp_path: Path) -> None:
    clip = synth.numbered_film(tmp_path / "film.mkv", synth.steady(6.0, 10))
    found = chunks(clip.path, pictures=False, dense_fps=5.0, start_s=2.0, end_s=3.0)
    assert joined(found, Luma, "pts_s").tolist() == pytest.approx([2.0, 2.2, 2.4, 2.6, 2.8])


@pytest.mark.needs("motion")
def test_an_extractor_of_motion_changes_nothing_for_the_others(tmp_path: Path) -> None:
    clip = synth.numbered_film(tmp_path / "film.mp4", synth.steady(4.0), **H264)
    with open_media(clip.path) as media:
        alone = extract(media, ["shots"])
    with open_media(clip.path) as media:
        beside = extract(media, ["shots", "motion"])
    assert beside.keys() == {"shots", "motion"} and len(beside["motion"]) == 4
    assert alone["shots"].values.tobytes() == beside["shots"].values.tobytes()
