"""TTML: times that nest, frames and ticks, words without styling, and hostile XML."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from triptych.decode.cues import SidecarCues, read_sidecar
from triptych.decode.ttml import is_ttml, parse_ttml

TTML = 'xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter"'


def document(body: str, root: str = "") -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<tt {TTML} {root}><body>{body}</body></tt>'


def rows(text: str) -> list[tuple[float, float, tuple[str, ...]]]:
    events, dropped = parse_ttml(text)
    assert dropped == 0
    return [(event.start_s, event.end_s, event.lines) for event in events]


def times(body: str, root: str = "") -> list[tuple[float, float]]:
    return [row[:2] for row in rows(document(body, root))]


def read(folder: Path, data: bytes, name: str = "talk.ttml") -> SidecarCues:
    path = folder / name
    path.write_bytes(data)
    return read_sidecar(path)


class TestTimes:
    @pytest.mark.parametrize(
        ("stated", "root", "seconds"),
        [
            ("00:00:01.500", "", 1.5),
            ("01:02:03", "", 3723.0),
            ("3:58.640", "", 238.64),
            ("1.5s", "", 1.5),
            (" 1.5 ", "", 1.5),
            ("1500ms", "", 1.5),
            ("0.5m", "", 30.0),
            ("2h", "", 7200.0),
            ("00:00:01:15", "", 1.5),  # 30 frames a second where nothing is said
            ("00:00:01:12", 'ttp:frameRate="24"', 1.5),
            ("12f", 'ttp:frameRate="24"', 0.5),
            ("30f", 'ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001"', 1.001),
            ("30f", 'ttp:frameRate="30" ttp:frameRateMultiplier="1000:1001"', 1.001),
            ("15000000t", 'ttp:tickRate="10000000"', 1.5),
            ("50t", 'ttp:frameRate="25"', 2.0),
            ("50t", 'ttp:frameRate="25" ttp:subFrameRate="2"', 1.0),
            ("3t", "", 3.0),
            ("12f", 'ttp:frameRate="0"', 0.4),
            ("12f", 'ttp:frameRate="x" ttp:frameRateMultiplier="1 0"', 0.4),
        ],
    )
    def test_expressions(self, stated: str, root: str, seconds: float) -> None:
        assert times(f'<p begin="{stated}" dur="1s">a</p>', root) == [
            (pytest.approx(seconds), pytest.approx(seconds + 1))
        ]

    @pytest.mark.parametrize(
        ("drop", "code", "seconds"),
        [
            ("nonDrop", "01:00:00:00", 3603.6),
            ("dropNTSC", "01:00:00;00", 3599.9964),
            ("dropNTSC", "00:01:00:02", 60.06),
        ],
    )
    def test_time_codes_count_frames(self, drop: str, code: str, seconds: float) -> None:
        root = (
            'ttp:timeBase="smpte" ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001" '
            f'ttp:dropMode="{drop}"'
        )
        assert times(f'<p begin="{code}" dur="1s">a</p>', root)[0][0] == pytest.approx(seconds)

    def test_times_nest(self) -> None:
        body = (
            '<div begin="10s" end="40s">'
            '<p begin="1s" end="2s">a</p><p begin="3s">b</p><p begin="5s" dur="2s">c</p>'
            '<p begin="6s" end="9s" dur="1s">d</p><p>e</p></div><p begin="1s" end="2s">f</p>'
        )
        assert times(body) == [(11, 12), (13, 40), (15, 17), (16, 17), (10, 40), (1, 2)]

    def test_a_sequence_goes_on_where_the_last_one_ended(self) -> None:
        body = (
            '<div timeContainer="seq" begin="5s"><p dur="2s">a</p><p begin="1s" dur="2s">b</p>'
            '<p dur="1s">c</p></div>'
        )
        assert times(body) == [(5, 7), (8, 10), (10, 11)]

    def test_spans_with_times_are_events_unless_the_paragraph_is_one(self) -> None:
        body = (
            '<p begin="1s"><span begin="0s" end="1s">a <b>b</b></span> '
            '<span begin="1s" dur="1s">c</span></p>'
            '<p begin="5s" end="7s"><span begin="0s" end="1s">d</span> '
            '<span begin="1s" end="2s">e</span></p>'
        )
        assert rows(document(body)) == [
            (1, 2, ("a b",)),
            (2, 3, ("c",)),
            (5, 7, ("d e",)),
        ]

    def test_lines_of_a_song_count_from_its_start(self) -> None:
        text = document(
            '<div begin="10s" end="20s"><p begin="10s" end="12s">a</p></div>',
            'xmlns:itunes="http://music.apple.com/lyric-ttml-internal" itunes:timing="Word"',
        )
        assert rows(text) == [(10, 12, ("a",))]

    def test_a_missing_end_is_the_next_start(self, tmp_path: Path) -> None:
        body = '<p begin="1s">一</p><p begin="2s">二</p><p begin="1.5s" end="2.5s">overlaps</p>'
        got = read(tmp_path, document(body).encode())
        assert [(c.start_s, c.end_s, c.text) for c in got.cues] == [
            (1.0, 1.5, "一"),
            (1.5, 2.5, "overlaps"),
            (2.0, 6.0, "二"),
        ]


class TestWords:
    def test_styling_is_stripped_and_breaks_are_lines(self) -> None:
        text = document(
            '<metadata><ttm:title>no</ttm:title></metadata><p begin="1s" end="2s" tts:color="red">'
            '\n  <span style="s1">Tom &amp; <span>Jerry</span></span>\n  say<br/>&lt;i&gt; '
            "你好\u200e<ttm:desc>no</ttm:desc><metadata><p>no</p></metadata>\n</p>"
        )
        assert rows(text) == [(1, 2, ("Tom & Jerry say", "<i> 你好"))]

    def test_line_ends_count_where_space_is_preserved(self) -> None:
        body = '<div xml:space="preserve"><p begin="1s" end="2s">a\nb</p></div>'
        assert rows(document(body))[0][2] == ("a", "b")
        body = '<p begin="1s" end="2s" xml:space="default">a\nb</p>'
        assert rows(document(body, 'xml:space="preserve"'))[0][2] == ("a b",)

    def test_prefixes_and_old_names_do_not_matter(self) -> None:
        text = (
            "\n<tt:tt xmlns:tt='http://www.w3.org/2006/10/ttaf1'><tt:body><tt:div>"
            "<tt:p begin='1s' end='2s' undeclared:color='red'>a<tt:br/>b</tt:p>"
            "</tt:div></tt:body></tt:tt>"
        )
        assert rows(text) == [(1, 2, ("a", "b"))]

    def test_signs_that_xml_forbids_are_mended(self) -> None:
        text = document('<p begin="1s" end="2s">R&D&nbsp;&LT; &c; &amp;\x07 &#x4f60;&hearts;</p>')
        assert rows(text)[0][2] == ("R&D < &c; & 你♥",)

    def test_a_paragraph_that_repeats_the_line_before_says_it_once(self, tmp_path: Path) -> None:
        body = '<p begin="0s" end="2s">a</p><p begin="2s" end="4s">a<br/>b</p>'
        got = read(tmp_path, document(body).encode(), "talk.dfxp")
        assert [(c.start_s, c.end_s, c.text) for c in got.cues] == [(0, 2, "a"), (2, 4, "b")]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "gb18030"])
    def test_any_encoding_whatever_the_document_says(self, tmp_path: Path, encoding: str) -> None:
        text = document('<p begin="1s" end="2s">你好，我们来看看</p>')
        got = read(tmp_path, text.encode(encoding))
        assert [c.text for c in got.cues] == ["你好，我们来看看"]

    @pytest.mark.parametrize("name", ["talk.srt", "talk.vtt", "talk.xml"])
    def test_content_decides_over_ending(self, tmp_path: Path, name: str) -> None:
        got = read(tmp_path, document('<p begin="1s" end="2s">a</p>').encode(), name)
        assert [c.text for c in got.cues] == ["a"]
        assert not is_ttml("1\n00:00:01,000 --> 00:00:02,000\n<tt>\n")

    def test_srt_by_the_name_of_ttml(self, tmp_path: Path) -> None:
        got = read(tmp_path, b"1\n00:00:01,000 --> 00:00:02,000\nhello\n")
        assert [c.text for c in got.cues] == ["hello"]


class TestMalformed:
    @pytest.mark.parametrize(
        "bad",
        [
            '<p begin="soon" end="2s">lost</p>',
            '<p begin="1s" end="-2s">lost</p>',
            '<p begin="1s" dur="">lost</p>',
            "<p>lost, as nobody says when</p>",
            '<div begin="?"><p begin="1s" end="2s">lost</p></div>',
            '<p begin="1:2:3:4:5" end="9s">lost</p>',
        ],
    )
    def test_cues_without_times_are_counted(self, bad: str) -> None:
        good = '<p begin="1s" end="2s">kept</p>'
        events, dropped = parse_ttml(document(good + bad + good + '<p begin="?"> </p>'))
        assert [event.lines for event in events] == [("kept",)] * 2
        assert dropped == 1

    @pytest.mark.parametrize(
        ("before", "kept"), [("<p begin='2s'", 1), ("b</p>", 1), ("</body>", 3)]
    )
    def test_a_broken_document_is_read_up_to_there(self, before: str, kept: int) -> None:
        text = document(
            "<p begin='1s' end='2s'>a</p><p begin='2s' end='3s'>b</p><p begin='3s' end='4s'>c</p>"
        )
        events, dropped = parse_ttml(text.replace(before, f"</x>{before}", 1))
        assert [event.lines for event in events] == [("a",), ("b",), ("c",)][:kept]
        assert dropped == max(1, 3 - kept)

    def test_a_truncated_document(self) -> None:
        text = document("<p begin='1s' end='2s'>a</p>" * 3)
        events, dropped = parse_ttml(text[: text.rindex("a</p>")])
        assert (len(events), dropped) == (2, 1)


class TestHostile:
    def test_entities_are_refused(self) -> None:
        levels = "".join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">' for i in range(9))
        text = (
            f'<!DOCTYPE tt [<!ENTITY e0 "boom">{levels}]>'
            "<tt><body><p begin='1s' end='2s'>&e9;</p></body></tt>"
        )
        began = time.monotonic()
        assert parse_ttml(text) == ([], 1)
        assert time.monotonic() - began < 5

    @pytest.mark.parametrize("kind", ['SYSTEM "{}"', 'PUBLIC "x" "{}"'])
    def test_no_other_file_is_read(self, tmp_path: Path, kind: str) -> None:
        other = tmp_path / "secret.txt"
        other.write_text("secret")
        uri = kind.format(other.as_uri())
        paragraph = "<tt><body><p begin='1s' end='2s'>&x;.</p></body></tt>"
        assert parse_ttml(f"<!DOCTYPE tt [<!ENTITY x {uri}>]>{paragraph}") == ([], 1)
        events, _ = parse_ttml(f"<!DOCTYPE tt {uri}>{paragraph}")
        assert [event.lines for event in events] == [("&x;.",)]

    @pytest.mark.parametrize("tag", ["<div>", "<p>", "<metadata>", "<span begin='1s'>", "<br>"])
    def test_deep_nesting_is_refused(self, tag: str) -> None:
        began = time.monotonic()
        events, dropped = parse_ttml(f"<tt><body>{tag * 1_000_000}")
        assert events == [] and dropped >= 1
        assert time.monotonic() - began < 20

    @pytest.mark.parametrize("piece", ["&", "<p", "<", "<!--", "]]>", "<tt ", "&#", "00:", " "])
    def test_time_grows_no_faster_than_the_text(self, piece: str) -> None:
        began = time.monotonic()
        parse_ttml("<tt><body><p begin='1s' end='2s'>" + piece * 300_000)
        parse_ttml(f"<tt><body><p begin='{piece.replace('<', '') * 300_000}' end='2s'>a</p>")
        is_ttml("<" + piece * 300_000)
        assert time.monotonic() - began < 20
