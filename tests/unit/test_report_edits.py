"""Edit lists and chapter files: the times that editing systems and players read from them."""

from __future__ import annotations

import dataclasses
import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from analysis_factory import NASTY, make_analysis
from triptych.records import Analysis, Chapter, Segment
from triptych.report.chapters import chapters_ffmetadata, chapters_vtt
from triptych.report.edits import edl_text, otio_text
from triptych.report.timecode import Timecode, editing_rate

EVENT = re.compile(r"(\d{3})  AX       (\S+) +C        (\S+) (\S+) (\S+) (\S+)")
RATES = {
    23.976: (24, "NON-DROP FRAME", ":"),
    25.0: (25, "NON-DROP FRAME", ":"),
    29.97: (30, "DROP FRAME", ";"),
    30.0: (30, "NON-DROP FRAME", ":"),
    59.94: (60, "DROP FRAME", ";"),
}


def analysed(moments: list[tuple[float, float]], *, start_s: float = 0.0, **info: Any) -> Analysis:
    """An analysis of a film of two hours that is not there."""
    segments = tuple(
        Segment(start_s=start_s + a, end_s=start_s + b, score=1.0, words="one\ntwo 三")
        for a, b in moments
    )
    analysis = make_analysis(start_s=start_s, segments=segments)
    told: dict[str, Any] = {"duration_s": 7200.0, **info}
    return dataclasses.replace(analysis, info=dataclasses.replace(analysis.info, **told))


def events(text: str) -> list[tuple[str, ...]]:
    return [match.groups() for match in map(EVENT.fullmatch, text.splitlines()) if match]


@pytest.mark.parametrize("fps", RATES)
def test_timecodes_of_all_rates(fps: float) -> None:
    base, mode, point = RATES[fps]
    rate = editing_rate(fps)
    seconds = [61.0, 600.0, 3600.0]
    analysis = analysed([(s, s + 2) for s in seconds], fps=fps)
    text = edl_text(analysis, name="a\nb 猫.mp4")
    assert text.splitlines()[:2] == ["TITLE: a b 猫.mp4", f"FCM: {mode}"]
    assert text.count("* FROM CLIP NAME: a b 猫.mp4\n* COMMENT: one two 三\n") == 3
    recorded = 0
    for (_, what, begin, end, into, out), second in zip(events(text), seconds, strict=True):
        assert what == "B"
        frames = [number(code, base, point) for code in (begin, end, into, out)]
        assert frames[0] == round(Fraction(second) * rate)
        assert frames[1] - frames[0] == frames[3] - frames[2]
        assert abs(frames[1] - frames[0] - 2 * rate) <= 1
        assert frames[2] == recorded
        recorded = frames[3]
        if mode == "DROP FRAME":  # which is what it is for
            assert begin[:8] == f"{int(second) // 3600:02}:{int(second) // 60 % 60:02}:" + (
                f"{int(second) % 60:02}"
            )


def number(code: str, base: int, point: str) -> int:
    """Frames since zero, by counting the minutes that leave numbers out."""
    hours, minutes, seconds, frames = map(int, re.split("[:;]", code))
    assert code[8] == point
    minutes += 60 * hours
    left_out = sum(base // 15 for m in range(1, minutes + 1) if m % 10) if point == ";" else 0
    return (minutes * 60 + seconds) * base + frames - left_out


@pytest.mark.parametrize(
    ("frame", "wanted"),
    [
        (1799, "00:00:59;29"),
        (1800, "00:01:00;02"),
        (3597, "00:01:59;29"),
        (3598, "00:02:00;02"),
        (17981, "00:09:59;29"),
        (17982, "00:10:00;00"),
        (107_892, "01:00:00;00"),
        (2_589_408, "00:00:00;00"),
    ],
)
def test_numbers_that_drop_frame_leaves_out(frame: int, wanted: str) -> None:
    assert Timecode(Fraction(30_000, 1001), True).text(frame) == wanted


def test_every_frame_of_an_hour_has_a_timecode_of_its_own() -> None:
    code = Timecode(Fraction(60_000, 1001), True)
    texts = [code.text(frame) for frame in range(0, 216_000, 7)]
    assert texts == sorted(set(texts))
    assert [Timecode.of(code.rate, text).first for text in texts] == [*range(0, 216_000, 7)]


@pytest.mark.parametrize(
    ("written", "begin"),
    [("01:00:00:00", "01:00:02:00"), ("10:00:58;00", "10:01:00;02")],
)
def test_a_films_own_timecode_is_kept(written: str, begin: str, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mov"
    with av.open(str(clip), "w") as out:
        out.metadata["timecode"] = written
        stream = out.add_stream("mpeg4", rate=Fraction(30_000, 1001))
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame(64, 64, "yuv420p")
        for i in range(3):
            frame.pts = i
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    text = edl_text(analysed([(2.002, 3.003)], path=str(clip), fps=29.97), name="clip.mov")
    ((_, _, source, *_),) = events(text)
    assert source == begin
    assert Timecode.of(editing_rate(29.97), "soon") == Timecode.of(editing_rate(29.97))


def test_a_film_that_begins_late_and_one_that_is_only_heard() -> None:
    late = edl_text(analysed([(1.0, 2.0)], start_s=8.3, fps=25.0), name="x")
    assert events(late)[0][2] == "00:00:01:00"
    heard = edl_text(analysed([(1.0, 2.0)], video=None, fps=None), name="x")
    assert events(heard)[0][1:3] == ("A", "00:00:01:00")
    silent = edl_text(analysed([(1.0, 2.0)], audio=None, fps=24.0), name="x")
    assert events(silent)[0][1] == "V"
    assert edl_text(make_analysis(segments=()), name="x") == ""


@pytest.mark.needs("otio")
def test_a_timeline_that_opentimelineio_reads() -> None:
    import opentimelineio as otio

    analysis = analysed([(1.0, 2.0), (61.0, 64.0)], fps=23.976)
    text = otio_text(analysis, name="猫 <b>.mp4", url="../%E7%8C%AB.mp4")
    assert json.loads(text)["OTIO_SCHEMA"].startswith("Timeline")
    timeline = otio.adapters.read_from_string(text, "otio_json")
    assert timeline.duration().to_seconds() == pytest.approx(4.0, abs=0.05)
    assert [track.kind for track in timeline.tracks] == ["Video", "Audio"]
    clip = timeline.find_clips()[1]
    assert clip.media_reference.target_url == "../%E7%8C%AB.mp4"
    assert clip.source_range.start_time.value == round(61 * 24_000 / 1001)
    assert clip.source_range.start_time.rate == pytest.approx(24_000 / 1001)
    assert clip.metadata["triptych"]["words"] == "one two 三"
    assert otio_text(make_analysis(segments=()), name="x", url="x") == ""


CHAPTERS = (
    Chapter(start_s=8.3, end_s=12.5, title="a=b; #1 \\ --> <b>猫 🎉"),
    Chapter(start_s=12.5, end_s=20.0),
    Chapter(start_s=20.0, end_s=28.3, title=NASTY),
)


def parted(language: str = "en") -> Analysis:
    analysis = make_analysis(seconds=20, start_s=8.3, language=language)
    return dataclasses.replace(
        analysis, summary=dataclasses.replace(analysis.summary, chapters=CHAPTERS)
    )


def test_chapters_for_players() -> None:
    text = chapters_vtt(parted("zh"))
    head, *blocks = text.strip().split("\n\n")
    assert head == "WEBVTT"
    assert [block.split("\n")[1] for block in blocks] == [
        "00:00:00.000 --> 00:00:04.200",
        "00:00:04.200 --> 00:00:11.700",
        "00:00:11.700 --> 00:00:20.000",
    ]
    assert "第 2 章" in blocks[1]
    assert "<" not in text and text.count("-->") == 3
    assert chapters_vtt(make_analysis()) == ""


def test_chapters_for_ffmpeg(tmp_path: Path) -> None:
    path = tmp_path / "chapters.ffmetadata"
    path.write_text(chapters_ffmetadata(parted(), name="a=b\\;#.mp4"), encoding="utf-8")
    with av.open(str(path), format="ffmetadata") as container:
        assert container.metadata["title"] == "a=b\\;#.mp4"
        chapters = container.chapters()
    assert [(c["start"], c["end"]) for c in chapters] == [(0, 4200), (4200, 11700), (11700, 20000)]
    titles = [c["metadata"]["title"] for c in chapters]
    assert titles[:2] == [CHAPTERS[0].title, "Chapter 2"]
    assert chapters_ffmetadata(make_analysis(), name="x") == ""


def test_rates_that_no_editing_system_has() -> None:
    assert editing_rate(15.0) == 15
    assert editing_rate(0.4) == 1
    assert editing_rate(float("nan")) == editing_rate(0.0) == 25
