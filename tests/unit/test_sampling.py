"""Frames are chosen by the time at which they are shown."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

import synth
from triptych.decode import open_media
from triptych.decode.convert import COLOUR_SCALING
from triptych.decode.sampler import Sampler
from triptych.decode.sampling import nearest_frames
from triptych.records import Frames


def sampled(path: Path, **options: float) -> Frames:
    """All sampled frames of a file in one record."""
    with open_media(path) as media:
        chunks = list(media.stream(sound=False, text=False, **options))  # type: ignore[arg-type]
    assert all(isinstance(c, Frames) for c in chunks)
    return Frames(
        rgb=np.concatenate([c.rgb for c in chunks]), pts_s=np.concatenate([c.pts_s for c in chunks])
    )


def decoded(path: Path) -> tuple[np.ndarray, list[av.VideoFrame]]:
    """Every frame that PyAV decodes, and when it is shown."""
    with av.open(str(path)) as container:
        everything = list(container.decode(video=0))
    return np.array([float(f.pts * f.time_base) for f in everything]), everything


def test_there_must_be_frames() -> None:
    with pytest.raises(ValueError, match="no frames"):
        nearest_frames(np.zeros(0), np.zeros(1))


def test_a_slow_film_gives_each_frame_once() -> None:
    sampler = Sampler(fps=10.0, start_s=0.0)
    assert [sampler.wants(0.0, 5.0), sampler.wants(5.0, 10.0)] == [True, True]


@pytest.mark.parametrize("fps", [0.4, 1.0, 2.5, 10.0, 100.0])
@pytest.mark.parametrize("start_s", [0.0, 8.3])
@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_a_swinging_rate_shows_what_was_on_screen(
    tmp_path: Path, fps: float, start_s: float, ending: str
) -> None:
    options = {} if ending == ".mkv" else {"codec": "libx264", "pixels": "yuv420p"}
    clip = synth.numbered_film(tmp_path / f"film{ending}", synth.swinging(start_s), **options)
    got = sampled(clip.path, fps=fps)
    times = np.array(clip.times)
    grid = start_s + np.arange(1000) / fps
    grid = grid[grid < clip.end_s - 1e-6]
    expected = sorted(set(nearest_frames(times, grid).tolist()))
    assert [synth.number_of(p) for p in got.rgb] == expected
    np.testing.assert_allclose(got.pts_s, times[expected], atol=1e-9)


@pytest.mark.parametrize("fps", [1.0, 7.0])
def test_pixels_are_those_of_a_full_decode(tmp_path: Path, fps: float) -> None:
    clip = synth.numbered_film(
        tmp_path / "film.mp4", synth.swinging(), codec="libx264", pixels="yuv420p"
    )
    got = sampled(clip.path, fps=fps, short_side=48)
    times, everything = decoded(clip.path)
    reformatter = VideoReformatter()
    for pts_s, rgb in zip(got.pts_s, got.rgb, strict=True):
        frame = everything[int(nearest_frames(times, np.array([pts_s]))[0])]
        same = reformatter.reformat(
            frame, width=72, height=48, format="rgb24", interpolation=COLOUR_SCALING
        )
        np.testing.assert_array_equal(rgb, same.to_ndarray())


def test_lossless_pixels_come_back_bit_by_bit(tmp_path: Path) -> None:
    clip = synth.numbered_film(tmp_path / "film.mkv", synth.steady(1.0, 5))
    got = sampled(clip.path, fps=5.0)
    for index, rgb in enumerate(got.rgb):
        np.testing.assert_array_equal(rgb, synth.numbered(index))


@pytest.mark.needs("shared")
@pytest.mark.parametrize(
    "name",
    [
        "torchcodec/nasa_13013_vfr.mp4",
        "torchcodec/var_fps_video.mp4",
        "torchcodec/test_non_zero_start.mp4",
        "pyscenedetect/goldeneye-vfr-drop3.mp4",
        "pyscenedetect/delayed_start.mp4",
        "moviepy/no_duration.webm",
        "hachoir/10min.mkv",
    ],
)
def test_real_films_give_the_frames_of_a_full_decode(shared_data: Path, name: str) -> None:
    path = shared_data / "hard_inputs" / name
    times, everything = decoded(path)
    order = np.argsort(times, kind="stable")
    times, everything = times[order], [everything[i] for i in order]
    fps = 3.0 if times[-1] < 100 else 0.1
    got = sampled(path, fps=fps, short_side=64)
    with av.open(str(path)) as container:
        start_s = max(0, container.start_time or 0) / av.time_base
    last = everything[-1]
    end_s = times[-1] + float(last.duration * last.time_base)
    grid = start_s + np.arange(int((end_s - start_s) * fps) + 1) / fps
    expected = sorted(set(nearest_frames(times, grid[grid + 1e-6 < end_s]).tolist()))
    np.testing.assert_allclose(got.pts_s, times[expected], atol=1e-9)
    reformatter = VideoReformatter()
    for index, rgb in zip(expected, got.rgb, strict=True):
        same = reformatter.reformat(
            everything[index],
            width=rgb.shape[1],
            height=rgb.shape[0],
            format="rgb24",
            interpolation=COLOUR_SCALING,
        )
        np.testing.assert_array_equal(rgb, same.to_ndarray())


@pytest.mark.parametrize("start_s", [0.0, 5.0])
def test_a_window_gives_the_frames_of_that_window(tmp_path: Path, start_s: float) -> None:
    clip = synth.numbered_film(
        tmp_path / "film.mp4",
        synth.steady(10.0, 10, start_s),
        codec="libx264",
        pixels="yuv420p",
        options={"g": "25"},  # so that a seek lands between key frames
    )
    got = sampled(clip.path, fps=1.0, start_s=start_s + 3.25, end_s=start_s + 6.3)
    assert [synth.number_of(p) for p in got.rgb] == [32, 42, 52, 62]
    with open_media(clip.path) as media:
        list(media.stream(start_s=start_s + 3.25, end_s=start_s + 6.3))
        assert media.report.end_s == pytest.approx(start_s + 6.3)
        assert not media.report.partial and not media.report.warnings
