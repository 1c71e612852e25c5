"""Cheaper frames than those on screen: which they are, what they cost, and that they are whole."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

import synth
from encodes import CLIPS, Encoded
from triptych.decode import open_media
from triptych.decode.convert import COLOUR_SCALING
from triptych.decode.media import DecodeReport
from triptych.decode.precision import Precision
from triptych.decode.sampling import Keyframes, Policy, Uniform, nearest_frames
from triptych.errors import TriptychError
from triptych.records import Frames, Luma

NEAR, KEYFRAME = Precision.NEAR, Precision.KEYFRAME


def taken(path: Path, *, threads: int = 1, **options: Any) -> tuple[dict[float, str], DecodeReport]:
    """When each frame appears, and its digest."""
    found = {}
    with open_media(path, threads=threads) as media:
        for chunk in media.stream(sound=False, text=False, short_side=64, **options):
            if isinstance(chunk, Frames):
                for pts_s, rgb in zip(chunk.pts_s, chunk.rgb, strict=True):
                    found[float(pts_s)] = hashlib.sha256(rgb.tobytes()).hexdigest()
    return found, media.report


def whole(path: Path) -> tuple[dict[float, str], list[float]]:
    """The same of all frames of a full decode, and when the container's key frames appear."""
    found, keys = {}, []
    reformatter = VideoReformatter()
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            if packet.is_keyframe and packet.pts is not None and not packet.is_discard:
                keys.append(float(packet.pts * packet.time_base))
            for frame in packet.decode():
                scale = 64 / min(frame.width, frame.height)
                size = {k: round(getattr(frame, k) * scale) for k in ("width", "height")}
                small = reformatter.reformat(
                    frame, **size, format="rgb24", interpolation=COLOUR_SCALING
                )
                digest = hashlib.sha256(small.to_ndarray().tobytes()).hexdigest()
                found[float(frame.pts * frame.time_base)] = digest
    return found, sorted(keys)


@pytest.mark.parametrize("name", CLIPS)
def test_cheaper_frames_are_those_of_a_full_decode(encoded: Encoded, name: str) -> None:
    path = encoded(name, synth.steady(6.0, 25, 8.36))
    everything, _ = whole(path)
    times, start_s, known = np.array(sorted(everything)), min(everything), CLIPS[name][4]
    for fps, tolerance_s in ((0.9, 0.3), (7.0, 0.05)):
        exact, most = taken(path, fps=fps)
        for precision in (NEAR, KEYFRAME):
            found, report = taken(path, fps=fps, precision=precision, tolerance_s=tolerance_s)
            assert found.items() <= everything.items() or not known
            assert known or (found == exact and "too little is known" in report.warnings[0])
            assert report.frames_decoded <= most.frames_decoded
            assert (report.partial, report.end_s) == (most.partial, most.end_s)
            if precision is NEAR and known:
                grid = start_s + np.arange(100) / fps
                apart = np.abs(grid[grid < times[-1]][:, None] - np.array(list(found)))
                assert apart.min(axis=1).max() <= tolerance_s


@pytest.mark.parametrize("name", ["h264", "hevc-open", "hevc-closed", "mpeg4-b", "mpeg2-open", "vp9", "av1"])  # fmt: skip
def test_key_frames_alone_are_decoded(encoded: Encoded, name: str) -> None:
    path = encoded(name, synth.steady(6.0, 25, 8.36))
    everything, keys = whole(path)
    found, report = taken(path, fps=1.0, precision=KEYFRAME)
    grid = keys[0] + np.arange(100) / 1.0
    grid = grid[grid < max(everything)]
    expected = sorted({keys[i] for i in nearest_frames(np.array(keys), grid)})
    assert sorted(found) == expected
    assert report.plan.decoded == report.frames_decoded == len(expected)
    every, report = taken(path, sample=Keyframes())
    assert sorted(every) == keys and all(everything[t] == d for t, d in every.items())


@pytest.mark.parametrize("precision", [NEAR, KEYFRAME])
@pytest.mark.parametrize("name", ["h264-pyramid", "hevc-open", "mpeg2-open"])
def test_neither_threads_nor_decoding_all_nor_others_who_look_change_them(
    encoded: Encoded, name: str, precision: Precision
) -> None:
    path = encoded(name, synth.steady(6.0))
    found, report = taken(path, fps=0.8, precision=precision, tolerance_s=0.2)
    for options in ({"threads": 4}, {"every_frame": True}):
        again, other = taken(path, fps=0.8, precision=precision, tolerance_s=0.2, **options)
        assert again == found and other.end_s == report.end_s and other.plan == report.plan
    # For somebody else more is decoded, so that other frames may be the cheapest.
    beside, _ = taken(path, fps=0.8, precision=precision, tolerance_s=0.2, dense_fps=5.0)
    assert beside.items() <= whole(path)[0].items()
    assert beside == found or precision is NEAR


def test_a_wide_tolerance_decodes_less(encoded: Encoded) -> None:
    path = encoded("h264", synth.steady(10.0))
    counts = [
        taken(path, fps=1.0, precision=NEAR, tolerance_s=t)[1].frames_decoded
        for t in (0.0, 0.2, 0.5)
    ]
    assert counts[0] > counts[1] > counts[2]


def test_the_plan_of_a_precision_says_what_the_pass_does(encoded: Encoded) -> None:
    path = encoded("h264", synth.steady(10.0))
    for precision in Precision:
        options: dict[str, Any] = {"sample": Uniform(5), "precision": precision}
        with open_media(path) as media:
            told = media.plan(**options)
            found = [c for c in media.stream(**options) if isinstance(c, Frames)]
            assert told.wanted == sum(len(c.pts_s) for c in found)
            assert told == media.report.plan


def test_words_for_a_precision_do_too(encoded: Encoded) -> None:
    path = encoded("h264", synth.steady(1.0))
    assert taken(path, precision="keyframe") == taken(path, precision=KEYFRAME)
    with pytest.raises(ValueError, match="nearly"):
        taken(path, precision="nearly")


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("sample", [None, Uniform(3), Keyframes()], ids=str)
def test_one_frame_is_all_there_is(
    encoded: Encoded, precision: Precision, sample: Policy | None
) -> None:
    path = encoded("h264", (0.0,))
    found, _ = taken(path, sample=sample, precision=precision)
    assert list(found) == [0.0]


def test_a_window_of_cheaper_frames(encoded: Encoded) -> None:
    path = encoded("h264", synth.steady(6.0))
    found, report = taken(path, fps=1.0, precision=NEAR, start_s=2.0, end_s=4.0)
    assert all(1.5 <= t < 4.0 for t in found) and len(found) == 2
    assert report.end_s == pytest.approx(4.0)


@pytest.mark.parametrize("precision", Precision)
def test_a_stream_without_times_gives_frames_on_screen(
    tmp_path: Path, encoded: Encoded, precision: Precision
) -> None:
    """Bare H.264 has none: a frame lasts 0.04 s, and which packet it is in nobody knows."""
    path = tmp_path / "film.h264"
    source = encoded("h264-no-b", synth.steady(4.0))
    with av.open(str(source)) as film, av.open(str(path), "w", format="h264") as out:
        copy = out.add_stream_from_template(film.streams.video[0])
        for packet in film.demux(video=0):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
    for sample in (None, Uniform(4)):
        found, report = taken(path, sample=sample, precision=precision)
        exact, _ = taken(path, sample=sample, every_frame=True)
        assert len(found) == 4 and (precision is not Precision.EXACT or found == exact)
        assert not report.partial


# Real films


def readable(shared_data: Path) -> list[Path]:
    folder = shared_data / "hard_inputs"
    small = (p for p in folder.rglob("*") if p.is_file() and p.stat().st_size < 300_000)
    return sorted(p for p in small if p.suffix != ".csv")


@pytest.mark.needs("shared")
def test_cheaper_frames_of_hard_inputs_are_those_of_a_full_decode(shared_data: Path) -> None:
    read = fewer = 0
    for path in readable(shared_data):
        try:
            exact, report = taken(path, fps=240.0, every_frame=True)
        except TriptychError:
            continue
        if not exact or report.errors:  # after damage a decoder guesses
            continue
        for precision in (NEAR, KEYFRAME):
            found, cheap = taken(path, fps=1.0, precision=precision)
            assert found and found.items() <= exact.items(), path.name
            assert cheap.partial == report.partial, path.name
            fewer += cheap.frames_decoded < report.frames_decoded
        read += 1
    assert read > 25 and fewer > 25


@pytest.mark.needs("shared")
def test_key_frames_of_a_long_film_cost_next_to_nothing(shared_data: Path) -> None:
    path = shared_data / "long_video" / "sintel_trailer_480p_audio.mp4"
    everything, keys = whole(path)
    found, report = taken(path, sample=Keyframes())
    assert sorted(found) == keys and found.items() <= everything.items()
    assert report.frames_decoded < 0.1 * len(everything)
    near, report = taken(path, fps=1.0, precision=NEAR)
    assert near.items() <= everything.items() and report.frames_decoded < 0.7 * len(everything)


def test_grey_frames_stay_exact(encoded: Encoded) -> None:
    path = encoded("h264", synth.steady(4.0))
    grey = []
    for precision in Precision:
        with open_media(path) as media:
            chunks = [c for c in media.stream(precision=precision, dense_fps=4.0)]
        grey.append(np.concatenate([c.gray for c in chunks if isinstance(c, Luma)]).tobytes())
    assert grey[0] == grey[1] == grey[2]
