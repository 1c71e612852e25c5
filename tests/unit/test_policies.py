"""The words that people type for a way to sample, and what it then takes of a film."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import synth
from triptych.decode import open_media
from triptych.decode.sampling import (
    Every,
    Film,
    Fps,
    Keyframes,
    Policy,
    Shots,
    Times,
    Uniform,
    Windows,
    nearest_frames,
    sample_of,
)
from triptych.errors import DecodeError, UsageError
from triptych.extract.cuts import find_cuts
from triptych.records import Frames

H264 = {"codec": "libx264", "pixels": "yuv420p"}


@pytest.mark.parametrize(
    ("words", "policy"),
    [
        ("fps:1", Fps(1.0)),
        ("fps:0.5", Fps(0.5)),
        ("every:2", Every(2.0)),
        ("uniform:16", Uniform(16)),
        ("keyframes", Keyframes()),
        ("times:1,2.5", Times((1.0, 2.5))),
        ("shots:2", Shots(2)),
        ("windows:4/2/8", Windows(4.0, 2.0, 8)),
    ],
)
def test_words_for_a_policy(words: str, policy: Policy) -> None:
    assert sample_of(words) == policy


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ("", "one of fps:1, every:2 (seconds), uniform:16 (frames), keyframes, times:1,2.5"),
        ("每秒", "one of fps:1"),
        ("fps", "write it as fps:1"),
        ("fps:", "write it as fps:1"),
        ("fps:quick", "write it as fps:1"),
        ("fps:0", "give a number above 0, as fps:1"),
        ("fps:nan", "give a number above 0, as fps:1"),
        ("every:-2", "give a number above 0, as every:2 (seconds)"),
        ("uniform:0", "give a whole number above 0, as uniform:16 (frames)"),
        ("uniform:1.5", "write it as uniform:16 (frames)"),
        ("keyframes:2", "write it as keyframes"),
        ("times:", "write it as times:1,2.5 (seconds)"),
        ("times:-1", "give one or more numbers, 0 or above, as times:1,2.5 (seconds)"),
        ("shots:0", "give a whole number above 0, as shots:2 (frames a shot)"),
        ("windows:4/2", "write it as windows:4/2/8 (length and stride in seconds, frames)"),
        ("windows:4/0/8", "give numbers above 0, as windows:4/2/8"),
    ],
)
def test_words_that_cannot_be_read_are_answered_with_what_can(words: str, remedy: str) -> None:
    with pytest.raises(UsageError) as caught:
        sample_of(words)
    assert caught.value.remedy.startswith(remedy)
    assert words in caught.value.message


def test_shots_need_their_cuts() -> None:
    with pytest.raises(UsageError, match="where the shots begin is not known"):
        Shots(2).times(Film(start_s=0.0, end_s=1.0))


def taken(path: Path, sample: Policy, **options: float) -> Frames:
    with open_media(path) as media:
        chunks = list(media.stream(sample=sample, sound=False, text=False, **options))
    return Frames(
        rgb=np.concatenate([c.rgb for c in chunks]), pts_s=np.concatenate([c.pts_s for c in chunks])
    )


@pytest.mark.parametrize(
    "sample",
    [
        Every(0.7),
        Uniform(7),
        Uniform(1),
        Uniform(400),
        Times((0.0, 0.33, 5.2, 900.0)),
        Shots(2, (9.3, 12.0)),
        Windows(2.0, 0.5, 3),
    ],
    ids=str,
)
@pytest.mark.parametrize("start_s", [0.0, 8.3])
@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_what_a_policy_takes_was_on_screen(
    tmp_path: Path, sample: Policy, start_s: float, ending: str
) -> None:
    options = {} if ending == ".mkv" else H264
    clip = synth.numbered_film(tmp_path / f"film{ending}", synth.swinging(start_s), **options)
    got = taken(clip.path, sample)
    with open_media(clip.path) as media:
        film = media.film()
        told = media.plan(sample=sample)
    times = np.array(clip.times)
    assert film.start_s == pytest.approx(times[0]) and film.origin_s == film.start_s
    assert film.end_s > times[-1]
    expected = sorted(set(nearest_frames(times, sample.times(film)).tolist()))
    assert [synth.number_of(p) for p in got.rgb] == expected
    np.testing.assert_allclose(got.pts_s, times[expected], atol=1e-9)
    if ending == ".mp4":
        assert told.wanted == len(expected)


def test_key_frames_are_those_of_the_container(tmp_path: Path) -> None:
    options = {"g": "10", "sc_threshold": "0"}
    clip = synth.numbered_film(tmp_path / "film.mp4", synth.steady(4.0), **H264, options=options)
    with open_media(clip.path) as media:
        (chunk,) = media.stream(sample=Keyframes())
        assert media.report.frames_decoded <= 20 and media.report.packets_unread >= 80
    assert [synth.number_of(p) for p in chunk.rgb] == list(range(0, 100, 10))
    with open_media(clip.path) as media:
        (chunk,) = media.stream(sample=Keyframes(), start_s=1.0, end_s=2.0)
    assert [synth.number_of(p) for p in chunk.rgb] == [30, 40]


def test_a_window_of_the_film_is_what_is_shared_out(tmp_path: Path) -> None:
    clip = synth.numbered_film(tmp_path / "film.mp4", synth.steady(10.0, 10), **H264)
    got = taken(clip.path, Uniform(4), start_s=2.0, end_s=6.0)
    assert [synth.number_of(p) for p in got.rgb] == [25, 35, 45, 55]
    assert taken(clip.path, Times((2.5,)), start_s=2.0).pts_s.tolist() == [2.5]


def test_one_picture_is_all_there_is(tmp_path: Path) -> None:
    path = synth.write(tmp_path / "film.mkv", times=[0.0])
    for sample in (Uniform(3), Keyframes(), Windows(4, 2, 8), Shots(3, ()), Times((0.0,))):
        assert taken(path, sample).pts_s.tolist() == [0.0]


def test_sound_alone_has_no_frames_to_share_out(tmp_path: Path) -> None:
    path = synth.write(tmp_path / "sound.wav", wave=synth.tone(440, 1.0))
    with open_media(path) as media:
        assert not any(isinstance(c, Frames) for c in media.stream(sample=Uniform(3)))
        with pytest.raises(DecodeError, match="no pictures"):
            media.film()


def test_sound_and_dense_frames_come_beside_them(tmp_path: Path) -> None:
    path = synth.scenes(tmp_path / "film.mkv", scene_s=1.0).path
    with open_media(path) as media:
        alone = {type(c) for c in media.stream(sample=Uniform(2), dense_fps=5.0)}
    assert len(alone) == 4


@pytest.mark.parametrize("start_s", [0.0, 8.3])
def test_shots_are_found_and_shared_out(tmp_path: Path, start_s: float) -> None:
    clip = synth.scenes(tmp_path / "film.mkv", start_s=start_s)
    cuts = find_cuts(clip.path)
    assert cuts == pytest.approx(clip.cuts, abs=0.26)
    got = taken(clip.path, Shots(2, cuts))
    scenes = [int((t - start_s) // 2.0) for t in got.pts_s]
    assert scenes == [0, 0, 1, 1, 2, 2, 3, 3]


def test_sound_has_no_cuts(tmp_path: Path) -> None:
    assert find_cuts(synth.write(tmp_path / "sound.wav", wave=synth.tone(440, 1.0))) == ()
