"""Embedded text tracks become cues, and pictures of words do not."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import pytest

from triptych.decode.cues import CueReader, is_text_codec
from triptych.records import Cue

HEADER = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname
Style: Default,not,a,valid,style

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""

# Subtitle packets made by ffmpeg's own encoders, as pysubs2 and files by hand have no containers.
MADE = [(500, 1500, "Hello {\\i1}there{\\i0}\\Nyou"), (2000, 3000, "你好，世界"), (3500, 0, "open")]


def muxed(codec: str, container: str, events: list[tuple[int, int, str]]) -> io.BytesIO:
    subtitle = pytest.importorskip("av.subtitles.subtitle")
    if not hasattr(subtitle, "SubtitleSet"):
        pytest.skip("this PyAV does not encode subtitles")
    file, tick = io.BytesIO(), Fraction(1, 1000)
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec)
        context = stream.codec_context
        context.subtitle_header = HEADER.encode()
        context.time_base = stream.time_base = tick
        for order, (start, end, text) in enumerate(events):
            line = f"{order},0,Default,,0,0,0,,{text}".encode()
            length = max(0, end - start)
            packet = context.encode_subtitle(
                subtitle.SubtitleSet.create(text=line, start=0, end=length, pts=start * 1000)
            )
            packet.stream, packet.time_base = stream, tick
            packet.pts = packet.dts = start
            packet.duration = length
            out.mux(packet)
    file.seek(0)
    return file


def embedded(file: object, index: int = 0) -> tuple[list[Cue], CueReader]:
    with av.open(file) as container:
        stream = container.streams.subtitles[index]
        reader = CueReader(stream.codec_context.name, language=stream.language or "und")
        cues = [cue for packet in container.demux(stream) for cue in reader.feed(packet)]
        return cues + reader.finish(), reader


class TestEmbedded:
    @pytest.mark.parametrize(
        ("codec", "container"),
        [("subrip", "matroska"), ("ass", "matroska"), ("webvtt", "webm"), ("webvtt", "matroska")],
    )
    def test_made_tracks(self, codec: str, container: str) -> None:
        cues, reader = embedded(muxed(codec, container, MADE))
        assert [(c.start_s, c.end_s, c.text) for c in cues] == [
            (0.5, 1.5, "Hello there you"),
            (2.0, 3.0, "你好，世界"),
            (3.5, 7.5, "open"),
        ]
        assert {c.source for c in cues} == {"embedded"}
        assert reader.dropped == 0

    def test_made_mov_text(self) -> None:
        cues, _ = embedded(muxed("mov_text", "mp4", MADE[:2]))
        assert [c.text for c in cues] == ["Hello there you", "你好，世界"]

    def test_open_words_end_where_the_next_begin(self) -> None:
        cues, _ = embedded(muxed("subrip", "matroska", [(1000, 0, "a"), (2000, 0, "b")]))
        assert [(c.start_s, c.end_s, c.text) for c in cues] == [(1.0, 2.0, "a"), (2.0, 6.0, "b")]

    @pytest.mark.parametrize(
        ("codec", "container"), [("subrip", "matroska"), ("mov_text", "mp4"), ("webvtt", "webm")]
    )
    def test_rolling_captions_say_each_line_once(self, codec: str, container: str) -> None:
        rolling = [
            (1000, 3000, "你好"),
            (3000, 3010, "你好"),
            (3010, 5000, "你好\\Nhow are"),
            (5000, 7000, "how are\\Nyou"),
            (9000, 9500, "you"),
        ]
        cues, _ = embedded(muxed(codec, container, rolling))
        assert [(c.start_s, c.end_s, c.text) for c in cues] == [
            (1.0, 3.01, "你好"),
            (3.01, 5.0, "how are"),
            (5.0, 7.0, "you"),
            (9.0, 9.5, "you"),
        ]

    def test_words_that_overlap_keep_their_times(self) -> None:
        both = [(1000, 4000, "one"), (2000, 3000, "two"), (2500, 5000, "three")]
        cues, _ = embedded(muxed("subrip", "matroska", both))
        assert [(c.start_s, c.end_s, c.text) for c in cues] == [
            (1.0, 4.0, "one"),
            (2.0, 3.0, "two"),
            (2.5, 5.0, "three"),
        ]

    def test_faulty_packets_are_counted(self) -> None:
        @dataclass
        class Packet:
            size: int = 1
            pts: int | None = 0
            duration: int | None = None
            time_base: Fraction | None = Fraction(1, 10)
            fault: Exception | None = None

            def decode(self) -> list[object]:
                if self.fault:
                    raise self.fault
                rect = type("Rect", (), {"ass": b"0,0,Default,,0,0,0,,\xffwords"})
                return [rect()]

        reader = CueReader("subrip")
        assert reader.feed(Packet(fault=av.error.InvalidDataError(1, "bad"))) == []
        assert reader.feed(Packet(pts=None)) == []
        assert reader.feed(Packet(size=0, pts=None)) == []
        assert reader.dropped == 2
        assert reader.feed(Packet(pts=10)) == reader.feed(Packet(pts=10)) == []
        assert [(c.start_s, c.end_s) for c in reader.finish()] == [(1.0, 5.0)]  # said once

    def test_pictures_of_words_are_not_readable(self) -> None:
        pictures = ("hdmv_pgs_subtitle", "pgssub", "dvd_subtitle", "dvb_subtitle", "xsub")
        assert not any(map(is_text_codec, pictures))
        assert all(map(is_text_codec, ("subrip", "ass", "mov_text", "webvtt")))


@pytest.mark.needs("shared")
class TestRealTracks:
    def test_mov_text_with_empty_samples(self, shared_data: Path) -> None:
        cues, reader = embedded(str(shared_data / "hard_inputs/torchcodec/nasa_13013.mp4"))
        assert [(c.start_s, c.end_s) for c in cues] == [
            (0.21, 4.26),
            (4.26, 8.35),
            (8.35, 12.47),
            (12.47, 16.57),
        ]
        assert cues[0].text == "NAR: This is the optical and science segment of the Webb"
        assert cues[0].language == "en"
        assert reader.dropped == 0

    def test_ssa_track_without_packets(self, shared_data: Path) -> None:
        name = "hard_inputs/pyscenedetect/issue-236-split-copy.mkv"
        cues, reader = embedded(str(shared_data / name), index=1)
        assert cues == []
        assert reader.language == "pt"
