"""Cues of recognised words: sentences that are short enough to be read."""

from __future__ import annotations

import pytest

from triptych.extract.spoken import cues_of, whole_words
from triptych.records import Word


def said(*texts: str, each_s: float = 0.4, gap_s: float = 0.0) -> list[Word]:
    """Words one after the other."""
    step = each_s + gap_s
    return [
        Word(start_s=round(i * step, 3), end_s=round(i * step + each_s, 3), text=text)
        for i, text in enumerate(texts)
    ]


def spaced(text: str) -> list[str]:
    return [f" {word}" for word in text.split()]


def texts(words: list[Word], language: str = "en") -> list[str]:
    return [cue.text for cue in cues_of(words, language=language)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("It is late now. We go home.", ["It is late now.", "We go home."]),
        ("No. We do not go home.", ["No. We do not go home."]),
        ("We all met Mr. Bell of York.", ["We all met Mr. Bell of York."]),
        ("Cats and dogs etc. are at home.", ["Cats and dogs etc. are at home."]),
        ('He did say "go home." And we went.', ['He did say "go home."', "And we went."]),
        ("Is it late already? Yes it is.", ["Is it late already?", "Yes it is."]),
    ],
)
def test_a_cue_is_a_sentence(text: str, wanted: list[str]) -> None:
    assert texts(said(*spaced(text))) == wanted


def test_chinese_sentences_have_no_spaces() -> None:
    words = said("今天", "天气", "很", "好。", "我们", "去", "公园。")
    assert texts(words, "zh") == ["今天天气很好。", "我们去公园。"]


def test_a_pause_ends_a_sentence_that_has_no_full_stop() -> None:
    first, second = said(" We", " go"), said(" Home", " then")
    late = [Word(start_s=w.start_s + 5, end_s=w.end_s + 5, text=w.text) for w in second]
    assert texts([*first, *late]) == ["We go", "Home then"]


def test_half_a_minute_is_cut_where_a_clause_ends() -> None:
    clauses = ["we went down to the river early,", "and the boats were there,", "all of them,"] * 4
    words = said(*(w for clause in clauses for w in spaced(clause)), each_s=0.35)
    assert words[-1].end_s > 20
    found = cues_of(words, language="en")
    assert all(cue.text.endswith(",") for cue in found)
    assert all(cue.end_s - cue.start_s <= 7 and len(cue.text) <= 84 for cue in found)


def test_chinese_letters_are_wide() -> None:
    found = texts(
        said(
            *"我们今天要说的是客厅里的吊顶到底有什么用处以及怎样安装才不会显得压抑难看", each_s=0.1
        ),
        "zh",
    )
    assert len(found) == 2 and max(map(len, found)) <= 33


def test_parts_of_a_word_are_one() -> None:
    parts = said(" image", "-to", "-text", " costs", " 0", ".3", " now", "。", "“", "好")
    whole = whole_words(parts)
    assert [w.text for w in whole] == [" image-to-text", " costs", " 0.3", " now", "。", "“", "好"]
    assert (whole[0].start_s, whole[0].end_s) == (0.0, parts[2].end_s)
