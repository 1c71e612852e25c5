"""Fewer packets are decoded, and every frame comes out bit for bit as in a full decode."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

import synth
from encodes import CLIPS, Encoded, moving
from triptych.decode import open_media
from triptych.decode.bitstream import Entry, Mark
from triptych.decode.convert import COLOUR_SCALING
from triptych.decode.media import DecodeReport
from triptych.decode.plan import DecodePlan, Fact, Planner, Reason, plan
from triptych.decode.sampling import nearest_frames
from triptych.errors import TriptychError
from triptych.records import Cue, Frames, Luma, Sound, Spectrogram

KEY, OPEN = Mark(entry=Entry.CLOSED), Mark(entry=Entry.OPEN)
SPARE = Mark(spare=True)


def digests(
    path: Path, *, threads: int = 1, **options: Any
) -> tuple[dict[tuple[type, float], str], DecodeReport]:
    """Each picture's time and digest, and the report."""
    found = {}
    with open_media(path, threads=threads) as media:
        for chunk in media.stream(sound=False, text=False, short_side=64, **options):
            assert isinstance(chunk, Frames | Luma)
            pixels = chunk.rgb if isinstance(chunk, Frames) else chunk.gray
            for pts_s, picture in zip(chunk.pts_s, pixels, strict=True):
                found[type(chunk), float(pts_s)] = hashlib.sha256(picture.tobytes()).hexdigest()
    return found, media.report


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("swinging", [False, True])
def test_frames_are_those_of_a_full_decode(encoded: Encoded, name: str, swinging: bool) -> None:
    steady = synth.steady(6.0, 25, 8.36)
    path = encoded(name, synth.swinging(8.36) if swinging else steady)
    left_out = 0
    for options in ({"fps": 2 / 3}, {"fps": 7.0}, {"fps": 0.3, "dense_fps": 1.9}):
        whole, all_read = digests(path, every_frame=True, **options)
        planned, report = digests(path, **options)
        assert planned == whole
        assert report.end_s == all_read.end_s  # to the last bit: it is kept
        assert report.warnings == all_read.warnings and report.partial == all_read.partial
        assert all_read.plan.packets == all_read.packets_unread == 0
        skipped = all_read.frames_decoded - report.frames_decoded
        assert report.packets_unread <= skipped <= report.plan.skipped
        left_out += skipped
    assert (left_out > 0) == CLIPS[name][4]


@pytest.mark.parametrize("name", ["h264", "hevc-open", "mpeg2-open", "vp9"])
def test_windows_are_those_of_a_full_decode(encoded: Encoded, name: str) -> None:
    path = encoded(name, synth.steady(6.0, 25, 2.0))
    for start_s, end_s in ((3.3, 5.1), (2.0, 2.4), (6.9, 50.0), (2.0, 2.04)):
        options = {"fps": 2.5, "start_s": start_s, "end_s": end_s}
        whole, all_read = digests(path, every_frame=True, **options)
        planned, report = digests(path, **options)
        assert planned == whole and whole
        assert report.end_s == pytest.approx(all_read.end_s, abs=1e-9)


@pytest.mark.parametrize("name", ["h264", "h264-pyramid", "hevc-open", "vp9", "mpeg4-b"])
@pytest.mark.parametrize("seconds", [0.2, 6.0])
def test_threads_change_nothing(encoded: Encoded, name: str, seconds: float) -> None:
    path = encoded(name, synth.steady(seconds))
    whole, _ = digests(path, every_frame=True, fps=0.7)
    kept = []
    for threads in (1, 2, 4):
        found, report = digests(path, threads=threads, fps=0.7)
        assert found == whole
        kept.append((report.frames_sampled, report.end_s, report.warnings, report.plan))
    assert kept[0] == kept[1] == kept[2]


def test_sound_and_words_are_read_in_the_same_pass(tmp_path: Path) -> None:
    path = synth.write(
        tmp_path / "film.mp4", times=synth.steady(6.0), picture=moving, codec="libx264",
        pixels="yuv420p", options={"g": "25"}, wave=synth.tone(440, 6.0), sound_codec="aac",
    )  # fmt: skip
    waves = []
    for every_frame in (True, False):
        with open_media(path) as media:
            chunks = list(media.stream(fps=0.2, every_frame=every_frame))
        assert {type(c) for c in chunks} <= {Frames, Sound, Spectrogram, Cue}
        waves.append(np.concatenate([c.samples for c in chunks if isinstance(c, Sound)]))
    assert media.report.packets_unread > 100
    np.testing.assert_array_equal(*waves)


def test_the_plan_says_what_the_pass_does(encoded: Encoded) -> None:
    path = encoded("h264-no-b", synth.steady(10.0))
    with open_media(path) as media:
        told = media.plan(fps=0.5)
        list(media.stream(fps=0.5))
    assert told.packets == 250 and told.wanted == 5
    # Some frames more, until the first one has come out of the decoder.
    assert 0 <= media.report.frames_decoded - told.decoded <= 20
    assert sum(told.reasons.values()) - told.decoded >= media.report.packets_unread > 150


def test_what_is_not_known_to_be_safe_is_decoded_whole(tmp_path: Path, encoded: Encoded) -> None:
    path = encoded("ffv1", synth.steady(2.0))
    with open_media(path) as media:
        told = media.plan(fps=1.0)
    assert told.packets == told.decoded == 50 and told.wanted == 2
    sound = synth.write(tmp_path / "sound.wav", wave=synth.tone(440, 1.0))
    with open_media(sound) as media:
        assert media.plan() == DecodePlan()


# The plan alone


def at(*times: float) -> Any:
    """A viewer who looks at these times."""
    return lambda begin, end: any(begin <= t < end for t in times)


def reasons(facts: list[Fact], *times: float) -> list[Reason]:
    planner = Planner(at(*times))
    judged = [j for fact in facts for j in planner.feed(None, fact)]
    return [j.reason for j in [*judged, *planner.rest()]]


def open_groups(count: int) -> list[Fact]:
    """I P b b, I b b P b b, ...: three frames before each next key frame are shown after it."""
    order: list[tuple[float, Mark]] = [(0, OPEN), (3, Mark()), (1, SPARE), (2, SPARE)]
    for n in range(1, count):
        order += [(6 * n, OPEN), (6 * n - 2, SPARE), (6 * n - 1, SPARE)]
        order += [(6 * n + 3, Mark()), (6 * n + 1, SPARE), (6 * n + 2, SPARE)]
    return [Fact(pts_s=t, length_s=1, mark=mark) for t, mark in order]


def test_a_group_is_left_out_only_if_what_follows_can_do_without() -> None:
    facts = open_groups(4)
    # 10: after the second key frame. The first group is not needed.
    assert reasons(facts, 10)[:4] == [Reason.GROUP] * 4
    # 5: before the second key frame on screen, after it in the file. Both are needed.
    assert reasons(facts, 5)[:2] == [Reason.REFERENCE] * 2
    assert reasons(facts, 5)[6] is Reason.WANTED
    assert set(reasons(facts, 5)[7:]) == {Reason.TAIL, Reason.GROUP}
    # Frames that need a group that was left out are left out with it.
    assert reasons(facts, 9)[4:8] == [
        Reason.REFERENCE, Reason.LEADING, Reason.LEADING, Reason.WANTED,
    ]  # fmt: skip


def test_what_has_no_time_and_all_after_it_is_decoded() -> None:
    facts = open_groups(20)
    facts[50] = Fact(pts_s=None)
    found = reasons(facts, 1000.0)
    assert len(found) == len(facts)
    assert set(found[50:]) == {Reason.WANTED} and found[0] is Reason.GROUP


def test_what_is_outside_the_edit_list_is_never_on_screen() -> None:
    facts = [Fact(pts_s=t, length_s=1, mark=Mark() if t else KEY, shown=t > 2) for t in range(6)]
    assert reasons(facts, 1) == [Reason.GROUP] * 6
    assert reasons(facts, 4) == [Reason.REFERENCE] * 4 + [Reason.WANTED, Reason.TAIL]


def test_parameters_that_came_with_pictures_are_not_missed() -> None:
    own = Mark(entry=Entry.CLOSED, sets=True)
    facts = [Fact(pts_s=t, length_s=1, mark=own if t == 4 else KEY) for t in range(40)]
    # From 4 on pictures without parameters of their own need those that came with it.
    assert reasons(facts, 30)[:4] == [Reason.GROUP] * 4
    assert reasons(facts, 30)[4:30] == [Reason.REFERENCE] * 26


def test_what_must_be_read_is_read() -> None:
    facts = [
        Fact(pts_s=t, length_s=1, mark=Mark() if t % 10 else KEY, needed=t == 12) for t in range(30)
    ]
    found = reasons(facts, 1)
    assert found[10:13] == [Reason.REFERENCE] * 3 and found[13:20] == [Reason.TAIL] * 7


def test_a_group_without_end_takes_bounded_memory() -> None:
    planner, waiting, most = Planner(at(1e9)), 0, 0
    for t in range(5000):
        fact = Fact(pts_s=t, length_s=1, mark=Mark() if t else KEY, size=1000)
        waiting += 1 - len(list(planner.feed(None, fact)))
        most = max(most, waiting)
    assert most <= 1025
    large = Planner(at(1e9))
    held = sum(
        1 - len(list(large.feed(None, Fact(pts_s=t, mark=Mark() if t else KEY, size=10_000_000))))
        for t in range(100)
    )
    assert held <= 21


def test_in_a_group_without_end_all_that_may_be_referred_to_is_decoded() -> None:
    film = [Fact(pts_s=t, length_s=1, mark=Mark() if t else KEY) for t in range(3000)]
    found = reasons(film, 5, 2900)
    assert all(reason.decoded for reason in found[:2901])
    assert set(found[2901:]) == {Reason.TAIL}


def test_an_empty_film_has_an_empty_plan() -> None:
    found = plan([], wants=at(1))
    assert (found.packets, found.decoded, found.wanted) == (0, 0, 0)


# Real films


def hard_inputs(shared_data: Path) -> list[Path]:
    folder = shared_data / "hard_inputs"
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".csv")


# After a damaged picture a decoder guesses, from whatever it decoded last.
GUESSED = {"corrupted.mp4"}


@pytest.mark.needs("shared")
def test_hard_inputs_give_the_frames_of_a_full_decode(shared_data: Path) -> None:
    read, fewer = 0, 0
    for path in hard_inputs(shared_data):
        try:
            whole, all_read = digests(path, every_frame=True, fps=1.0)
        except TriptychError:
            continue
        planned, report = digests(path, fps=1.0)
        assert planned.keys() == whole.keys(), path.name
        assert planned == whole or path.name in GUESSED, path.name
        assert report.end_s == all_read.end_s and report.partial == all_read.partial, path.name
        read += bool(whole)
        fewer += report.frames_decoded < all_read.frames_decoded
    assert read > 40 and fewer > 25


@pytest.mark.needs("shared")
@pytest.mark.parametrize(
    "name",
    [
        "long_video/sintel_trailer_480p_audio.mp4",
        "long_video/world_30s.mp4",
        "fight_surv/fight/fi018.mp4",
        "fight_surv/fight/fi033.mp4",
        "fight_surv/noFight/nofi048.mp4",
        "grid_s1/video/bwwu1s.mpg",
    ],
)
def test_real_films_give_the_frames_of_a_full_decode(shared_data: Path, name: str) -> None:
    path = shared_data / name
    times, everything = decoded(path)
    with open_media(path) as media:
        (start_s, found) = media.info.start_s, list(media.stream(fps=1.0, sound=False, text=False))
    last = everything[-1]
    end_s = times[-1] + float(last.duration * last.time_base)
    grid = start_s + np.arange(int(end_s - start_s) + 1)
    expected = sorted(set(nearest_frames(times, grid[grid + 1e-6 < end_s]).tolist()))
    pts = np.concatenate([c.pts_s for c in found if isinstance(c, Frames)])
    np.testing.assert_allclose(pts, times[expected], atol=1e-9)
    reformatter = VideoReformatter()
    rgb = [p for c in found if isinstance(c, Frames) for p in c.rgb]
    for index, picture in zip(expected, rgb, strict=True):
        same = reformatter.reformat(
            everything[index], width=picture.shape[1], height=picture.shape[0],
            format="rgb24", interpolation=COLOUR_SCALING,
        )  # fmt: skip
        np.testing.assert_array_equal(picture, same.to_ndarray())
    assert media.report.packets_unread > 0


def decoded(path: Path) -> tuple[np.ndarray, list[av.VideoFrame]]:
    """Every frame that PyAV decodes, and when it is shown."""
    with av.open(str(path)) as container:
        everything = list(container.decode(video=0))
    return np.array([float(f.pts * f.time_base) for f in everything]), everything
