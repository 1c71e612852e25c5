"""Captions, Markdown and the words of the reports."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pysubs2

from analysis_factory import NASTY, make_analysis
from triptych.config import Config
from triptych.records import Chapter, Cue
from triptych.report.captions import vtt_text
from triptych.report.markdown import escape, summary_text
from triptych.report.page import page_html
from triptych.report.text import href
from triptych.report.words import Words, words_for


def cue(start_s: float, end_s: float, text: str) -> Cue:
    return Cue(start_s=start_s, end_s=end_s, text=text, source="embedded")


def test_captions_begin_where_players_begin() -> None:
    text = vtt_text([cue(8.3, 9.3, "one"), cue(3700, 3701.5, "two")], start_s=8.3)
    events = pysubs2.SSAFile.from_string(text, format_="vtt").events
    assert [(e.start, e.end) for e in events] == [(0, 1000), (3691700, 3693200)]


def test_captions_cannot_be_broken_out_of() -> None:
    nasty = f"a --> b\n\n\n00:01.000 --> 00:09.000\r\r\nNOTE {NASTY}\x00 & \ud800"
    text = vtt_text([cue(1, 2, nasty), cue(3, 3, "zero long"), cue(4, 5, " \n ")], start_s=0)
    blocks = text.strip().split("\n\n")
    assert blocks[0] == "WEBVTT"
    assert [b.split("\n")[0] for b in blocks[1:]] == ["1", "2"]
    assert text.count("-->") == 2
    assert "<" not in text
    assert "00:00:03.000 --> 00:00:03.001" in text
    text.encode("utf-8")


def test_no_words_no_captions() -> None:
    assert vtt_text([], 0.0) == vtt_text([cue(0, 1, " ")], 0.0) == ""
    assert vtt_text([cue(1, 2, "before the film")], 5.0) == ""


def test_markdown_shows_subtitles_as_they_read() -> None:
    assert escape("<script>`x`|y</script>") == r"&lt;script&gt;\`x\`\|y&lt;/script&gt;"
    assert escape("1. one\n\n# two") == r"1\. one \# two"
    assert escape("my_file_name.mp4 _x_") == r"my_file_name.mp4 \_x\_"
    assert escape("[a](javascript:b) **c**") == r"\[a\](javascript:b) \*\*c\*\*"


def test_the_summary_names_all_its_parts() -> None:
    text = summary_text(make_analysis(), name="a|b.mp4", warnings=["careful"])
    assert text.startswith("# a\\|b.mp4\n")
    for heading in ("Summary", "Labels", "Key moments", "Transcript", "Warnings"):
        assert f"\n## {heading}\n" in text
    assert "- **0:04 - 0:07** · animals · 一只猫\n" in text
    assert "| animals |" in text or "| animals " in text


def test_the_summary_is_chinese_for_chinese_films() -> None:
    text = summary_text(make_analysis(language="zh-Hans"), name="a.mp4", warnings=[])
    assert "## 关键时刻" in text
    assert "Key moments" not in text


def test_a_chapter_without_words_is_numbered() -> None:
    found = make_analysis(language="zh")
    parts = (Chapter(start_s=0, end_s=4, title="猫"), Chapter(start_s=4, end_s=10))
    found = replace(found, summary=replace(found.summary, chapters=parts))
    text = summary_text(found, name="x", warnings=[])
    assert "- **0:00** 猫\n- **0:04** 第 2 章\n" in text
    page = page_html(found, folder=Path(), config=Config(), source={}, outputs={}, warnings=[])
    assert '<span dir="auto">第 2 章</span>' in page


def test_an_empty_analysis_is_still_a_page() -> None:
    empty = make_analysis(cues=(), segments=(), labels=("one",))
    assert "## Transcript" not in summary_text(empty, name="x", warnings=[])


def test_every_word_is_translated() -> None:
    english, chinese = Words(), words_for("zh")
    for f in fields(Words):
        assert getattr(english, f.name) != getattr(chinese, f.name), f.name


def test_links_keep_any_name() -> None:
    assert href("a b/猫#?%.mp4") == "a%20b/%E7%8C%AB%23%3F%25.mp4"
    assert href("\udcff.mp4") == "%FF.mp4"
    assert href("\ud800.mp4").endswith(".mp4")
    assert ":" not in href("javascript:alert(1)")
