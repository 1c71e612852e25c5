"""Subtitle files become cues; what is malformed is counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pysubs2
import pytest

from triptych.decode.cues import (
    SidecarCues,
    merge_cues,
    plain_text,
    read_sidecar,
)
from triptych.errors import DecodeError
from triptych.records import Cue

SRT = "1\n00:00:01,000 --> 00:00:02,500\n{}\n\n2\n00:00:03,000 --> 00:00:04,000\n{}\n"
ASS = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname
Style: Default,not,a,valid,style

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def timed(read: SidecarCues) -> list[tuple[float, float, str]]:
    return [(cue.start_s, cue.end_s, cue.text) for cue in read.cues]


@pytest.fixture
def read(tmp_path: Path) -> Iterator[object]:
    def write_and_read(text: str | bytes, name: str = "talk.srt", **options: object) -> SidecarCues:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_sidecar(path, **options)  # type: ignore[arg-type]

    yield write_and_read


class TestSubRip:
    def test_times_text_and_options(self, read) -> None:
        got = read(SRT.format("Hello", "world"), language="en", offset_s=10.0)
        assert timed(got) == [(11.0, 12.5, "Hello"), (13.0, 14.0, "world")]
        assert {(cue.source, cue.language) for cue in got.cues} == {("sidecar", "en")}
        assert got.dropped == 0

    @pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
    def test_line_ends(self, read, newline: str) -> None:
        got = read(SRT.format("a\nb", "c").replace("\n", newline))
        assert [cue.text for cue in got.cues] == ["a b", "c"]

    @pytest.mark.parametrize(
        ("line", "start_s", "end_s"),
        [
            ("00:00:01.5 --> 00:00:02.25", 1.5, 2.25),
            ("0:0:1,500-->0:0:2,250", 1.5, 2.25),
            ("00:00:01:500 --> 00:00:02:250", 1.5, 2.25),
            ("00:00:01 --> 00:00:02", 1.0, 2.0),
            ("00:01,500 --> 00:02,250", 1.5, 2.25),
            ("100:00:00,000 --> 100:00:01,000 X1:40 Y1:20", 360000.0, 360001.0),
            ("00 : 00 : 01, 500 -- > 00: 00: 02, 250", 1.5, 2.25),
            ("00：00：01，500 --> 00：00：02，250", 1.5, 2.25),
        ],
    )
    def test_sloppy_times(self, read, line: str, start_s: float, end_s: float) -> None:
        assert timed(read(f"1\n{line}\nhi\n")) == [(start_s, end_s, "hi")]

    def test_malformed_entries_are_counted(self, read) -> None:
        text = (
            "1\n00:00:01,000 --> 00:00:02,000\none\n\n"
            "2\n00:00:xx,000 --> 00:00:03,000\nbad times\n\n"
            "3\nno times\n\n"
            "4\n00:00:04,000 --> 00:00:05,000\n\n"  # empty: nothing is lost
            "5\n00:00:06,000 --> 00:00:07,000\nfive"
        )
        got = read(text)
        assert timed(got) == [(1.0, 2.0, "one"), (6.0, 7.0, "five")]
        assert got.dropped == 2

    def test_words_that_look_like_structure(self, read) -> None:
        words = "A --> B\n\nafter a gap\n1984"
        got = read(SRT.format(words, "Dialogue: no"))
        assert [cue.text for cue in got.cues] == ["A --> B after a gap 1984", "Dialogue: no"]

    def test_missing_numbers_and_gaps(self, read) -> None:
        got = read("00:00:01,000 --> 00:00:02,000\n42\n00:00:03,000 --> 00:00:04,000\nb")
        assert got.cues[-1].text == "b"

    def test_end_before_start_is_mended(self, read) -> None:
        text = (
            "00:00:05,000 --> 00:00:01,000\na\n\n"
            "00:00:06,000 --> 00:00:06,000\nb\n\n"
            "00:01:00,000 --> 00:00:00,000\nc\n"
        )
        assert timed(read(text)) == [(5.0, 6.0, "a"), (6.0, 10.0, "b"), (60.0, 64.0, "c")]

    def test_out_of_order_is_sorted(self, read) -> None:
        text = "00:00:05,000 --> 00:00:06,000\nb\n\n00:00:01,000 --> 00:00:02,000\na\n"
        assert [cue.text for cue in read(text).cues] == ["a", "b"]

    @pytest.mark.parametrize("text", ["", "\ufeff", "hello", "1\n", "\0\0\0", "\n" * 99])
    def test_no_cues_is_no_error(self, read, text: str) -> None:
        assert read(text).cues == ()


class TestWebVtt:
    def test_asides_and_identifiers_are_not_spoken(self, read) -> None:
        text = (
            "WEBVTT - title\nKind: captions\n\nSTYLE\n::cue { color: red }\n\n"
            "NOTE one\nline\n\nintro\n00:01.000 --> 00:02.000 align:start\n<v Ann>Hi</v>\n\n"
            "NOTE two\n\n7f-0\n00:03.000 --> 00:04.000\n<c.red>b</c> &lt;i&gt; x\n\nNOTE end"
        )
        got = read(text, "talk.vtt")
        assert timed(got) == [(1.0, 2.0, "Hi"), (3.0, 4.0, "b <i> x")]
        assert got.dropped == 0

    def test_times_of_words_are_not_spoken(self, read) -> None:
        text = "WEBVTT\n\n00:01.000 --> 00:02.000\nHi <00:01.500><c>you</c>\n"
        assert timed(read(text, "talk.vtt")) == [(1.0, 2.0, "Hi you")]

    def test_content_decides_over_ending(self, read) -> None:
        got = read("WEBVTT\n\nid\n00:01.000 --> 00:02.000\na\n\nid2\n00:03.000 --> 00:04.000\nb")
        assert [cue.text for cue in got.cues] == ["a", "b"]

    def test_paragraphs_without_times_are_counted(self, read) -> None:
        got = read("WEBVTT\n\nlost\n\n00:01.000 --> 00:02.000\na\n\nlost too\n", "talk.vtt")
        assert [cue.text for cue in got.cues] == ["a"]
        assert got.dropped == 2

    def test_rolling_captions_say_each_line_once(self, read) -> None:
        text = (
            "WEBVTT\n\n"
            "00:00.000 --> 00:02.000\n \nhello<00:00:00.500><c> there</c>\n\n"
            "00:02.000 --> 00:02.010\nhello there\n \n\n"
            "00:02.010 --> 00:04.000\nhello there\nhow<00:00:02.500><c> are</c>\n\n"
            "00:04.000 --> 00:04.010\nhow are\n \n\n"
            "00:04.010 --> 00:06.000\nhow are\nyou\n"
        )
        assert timed(read(text, "talk.vtt")) == [
            (0.0, 2.01, "hello there"),
            (2.01, 4.01, "how are"),
            (4.01, 6.0, "you"),
        ]

    def test_words_said_again_after_a_pause_stay(self, read) -> None:
        text = (
            "WEBVTT\n\n00:01.000 --> 00:02.000\nOh!\n\n00:02.050 --> 00:03.000\nOh!\n\n"
            "00:05.000 --> 00:06.000\nOh!\nNo!\n"
        )
        assert [c.text for c in read(text, "talk.vtt").cues] == ["Oh!", "Oh!", "Oh! No!"]


class TestSbv:
    def test_times_and_words(self, read) -> None:
        text = "0:00:01.500,0:00:02.250\n>> 你好\n世界\n\n1:00:00.000,1:00:01.000\nbye\n"
        got = read(text, "talk.zh.sbv")
        assert timed(got) == [(1.5, 2.25, ">> 你好 世界"), (3600.0, 3601.0, "bye")]
        assert got.dropped == 0

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "gb18030", "big5"])
    def test_encodings(self, read, encoding: str) -> None:
        text = "0:00:01.000,0:00:02.000\n你好，我們來看看這個\n".encode(encoding)
        assert timed(read(text, "talk.sbv")) == [(1.0, 2.0, "你好，我們來看看這個")]

    def test_malformed_entries_are_counted(self, read) -> None:
        text = (
            "lost\n\n0:00:01.000,0:00:02.000\none\n\nno times\n\n"
            "0:00:0x.000,0:00:03.000\nbad times\n\n"
            "0:00:03.000,0:00:04.000\n\n"  # empty: nothing is lost
            "0:00:05.000,0:00:04.000\nfive\n0:00:06,0:00:07\n6,000 people\n"
        )
        got = read(text, "talk.sbv")
        assert timed(got) == [(1.0, 2.0, "one"), (5.0, 6.0, "five"), (6.0, 7.0, "6,000 people")]
        assert got.dropped == 3

    def test_content_decides_over_ending(self, read) -> None:
        assert timed(read("0:00:01.0,0:00:02.0\na\n", "talk.srt")) == [(1.0, 2.0, "a")]
        assert timed(read(SRT.format("a", "b"), "talk.sbv"))[1] == (3.0, 4.0, "b")


class TestSubStation:
    def test_events(self, read) -> None:
        text = ASS + (
            "Comment: 0,0:00:00.00,0:00:09.00,Default,,0,0,0,,not shown\n"
            "Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\i1}Hi{\\i0}, you\\Nthere\n"
            "Dialogue: 1,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\bord3}Hi, you\\Nthere\n"
            "Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,{\\p1}m 0 0 l 9 9{\\p0}\n"
            "Dialogue: 0,0:00:oops,0:00:04.00,Default,,0,0,0,,bad time\n"
            "Dialogue: too short\n"
        )
        got = read(text, "talk.ass")
        assert timed(got) == [(1.0, 2.5, "Hi, you there")]
        assert got.dropped == 2

    def test_format_line_rearranges_columns(self, read) -> None:
        text = "[Events]\nFormat: Start, End, Text\nDialogue: 0:00:01.00,0:00:02.00,a, b\n"
        assert timed(read(text, "talk.ssa")) == [(1.0, 2.0, "a, b")]

    def test_animation_steps_become_one_cue(self, read) -> None:
        steps = "".join(
            f"Dialogue: 0,0:00:01.{i:02},0:00:01.{i + 4:02},Default,,0,0,0,,{{\\pos({i},0)}}Sign\n"
            for i in range(0, 40, 4)
        )
        assert timed(read(ASS + steps, "talk.ass")) == [(1.0, 1.4, "Sign")]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("a  b\n\tc\u3000d", "a b c d"),
        ("<font color='red'>x</font><br/>y", "x y"),
        ("{\\an8}top", "top"),
        ("{laughs} ha", "{laughs} ha"),
        ("I <3 you, x<y and z>w, a < b > c", "I <3 you, x<y and z>w, a < b > c"),
        ("Tom &amp; Jerry &#x4f60;&nbsp;!", "Tom & Jerry 你 !"),
        ("R&D &c; &bogus;", "R&D &c; &bogus;"),
        ("one\\Ntwo\\nthree\\hfour", "one two three four"),
        ("\u200e\ufeffa\u200b\x07", "a"),
        ("", ""),
    ],
)
def test_plain_text(raw: str, text: str) -> None:
    assert plain_text(raw) == text


def test_plain_text_of_substation_takes_all_braces_for_markup() -> None:
    raw = "{note}a{\\p1}m 0 0{\\p0}b{\\i1\\p2}l 1 1{still}2 2{\\p0}c\\{d\\}{\\p1}m"
    assert plain_text(raw, ass=True) == "abc{d}"


@pytest.mark.parametrize("hostile", ["{", "<i ", "<", "&#", "\\{", "00:", "-->", "\n\n1\n"])
def test_time_grows_no_faster_than_the_text(read, hostile: str) -> None:
    read(hostile * 100_000)  # minutes, were any pattern quadratic
    read("00:00:01,000 --> 00:00:02,000\n" + hostile * 100_000)


class TestMerge:
    def cue(self, start_s: float, end_s: float, text: str, source: str = "sidecar") -> Cue:
        return Cue(start_s=start_s, end_s=end_s, text=text, source=source)

    def test_equal_words_at_one_time_are_one(self) -> None:
        cues = [self.cue(1, 2, "a", "sidecar"), self.cue(1, 2, "a", "embedded")]
        assert merge_cues(cues) == (self.cue(1, 2, "a", "embedded"),)

    def test_other_words_or_times_stay(self) -> None:
        cues = [self.cue(1, 2, "a"), self.cue(1, 2, "b"), self.cue(2.1, 3, "a")]
        assert merge_cues(cues[::-1]) == tuple(cues)

    def test_nothing(self) -> None:
        assert merge_cues([]) == ()


class TestUnreadable:
    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(DecodeError, match=r"gone\.srt.*cannot be read.*\(check that") as caught:
            read_sidecar(tmp_path / "gone.srt")
        assert caught.value.remedy

    def test_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DecodeError):
            read_sidecar(tmp_path)

    def test_far_too_large(self, tmp_path: Path) -> None:
        path = tmp_path / "talk.srt"
        with path.open("wb") as file:
            file.truncate((64 << 20) + 1)
        with pytest.raises(DecodeError, match="64 MiB"):
            read_sidecar(path)


@pytest.mark.needs("shared")
class TestRealFiles:
    def test_every_subtitle_file_is_read(self, shared_data: Path) -> None:
        files = [p for p in (shared_data / "subtitles").rglob("*") if p.is_file()]
        assert len(files) > 100
        for path in files:
            read_sidecar(path)

    def test_well_formed_files_lose_nothing(self, shared_data: Path) -> None:
        for path in sorted((shared_data / "subtitles/videojs_elephantsdream").glob("*.vtt")):
            got = read_sidecar(path)
            assert len(got.cues) == path.read_bytes().count(b"-->")
            assert got.dropped == 0

    @pytest.mark.parametrize("name", ["webvtt_py/sample.srt", "pysubs2/ttml_example.ass"])
    def test_agrees_with_pysubs2(self, shared_data: Path, name: str) -> None:
        path = shared_data / "subtitles" / name
        expected = [
            (e.start / 1000, e.end / 1000, " ".join(e.plaintext.split()))
            for e in pysubs2.load(str(path))
        ]
        assert timed(read_sidecar(path)) == sorted(expected)

    @pytest.mark.parametrize(
        ("name", "cues", "dropped"),
        [
            ("sample", 5, 0),
            ("two_captions", 2, 0),
            ("missing_caption_text", 4, 0),
            ("missing_timeframe", 4, 1),
            ("invalid_timeframe", 4, 1),
            ("invalid_format", 0, 1),
        ],
    )
    def test_sbv(self, shared_data: Path, name: str, cues: int, dropped: int) -> None:
        got = read_sidecar(shared_data / f"subtitles/webvtt_py/{name}.sbv")
        assert (len(got.cues), got.dropped) == (cues, dropped)

    @pytest.mark.parametrize("name", ["ttml_example", "ttml_example2", "ttml_example_apple"])
    def test_ttml_agrees_with_pysubs2(self, shared_data: Path, name: str) -> None:
        path = shared_data / f"subtitles/pysubs2/{name}.ttml"
        expected = sorted(
            (e.start / 1000, e.end / 1000, " ".join(e.plaintext.split()))
            for e in pysubs2.load(str(path.with_suffix(".ass")))
        )
        got = read_sidecar(path)
        rows = sorted((round(start, 2), round(end, 2), text) for start, end, text in timed(got))
        assert [row[2] for row in rows] == [row[2] for row in expected]
        for row, wanted in zip(rows, expected, strict=True):  # SubStation counts hundredths
            assert row[:2] == pytest.approx(wanted[:2], abs=0.011)
        assert got.dropped == 0
