"""Lines read in single pictures become cues."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from triptych.extract.captions import Box, Captions, Line, overlap
from triptych.records import Cue

STEP_S = 0.25
PLACE = Box(100, 150, 300, 180)
BELOW = Box(120, 185, 280, 215)


def line(text: str, box: Box = PLACE, score: float = 0.99) -> Line:
    return Line(box=box, text=text, score=score)


def cues_of(pictures: Sequence[Sequence[Line]], longest_s: float = float("inf")) -> tuple[Cue, ...]:
    """Cues of pictures a quarter of a second apart."""
    captions = Captions(longest_s=longest_s)
    for at, lines in enumerate(pictures):
        captions.see(lines, at * STEP_S)
    return captions.finish(len(pictures) * STEP_S)


def told(cues: Sequence[Cue]) -> list[tuple[float, float, str]]:
    return [(c.start_s, c.end_s, c.text) for c in cues]


def test_a_line_is_there_from_its_first_picture_to_the_first_without_it() -> None:
    pictures = [[], [line("你好")], [line("你好")], [line("你好")], [], [], [line("再见")]]
    assert told(cues_of([*pictures, [line("再见")]])) == [
        (0.25, 1.0, "你好"),
        (1.5, 2.0, "再见"),
    ]


def test_the_reading_that_was_made_most_often_counts() -> None:
    said = ["Where are you golng", "Where are you going", "Where are you going"]
    assert told(cues_of([[line(text)] for text in said])) == [(0.0, 0.75, "Where are you going")]


def test_a_line_that_was_overlooked_once_goes_on() -> None:
    pictures = [[line("a word")], [], [line("a word")], [], []]
    assert told(cues_of(pictures)) == [(0.0, 0.75, "a word")]


def test_captions_that_follow_each_other_in_one_place_are_two() -> None:
    pictures = [[line("Yes, I know it.")]] * 3 + [[line("He went home at once.")]] * 3
    assert [text for _, _, text in told(cues_of(pictures))] == [
        "Yes, I know it.",
        "He went home at once.",
    ]


def test_what_was_seen_in_one_picture_only_is_not_believed() -> None:
    assert cues_of([[], [line("F")], [], []]) == ()
    assert told(cues_of([[line("a still")]])) == [(0.0, 0.25, "a still")]


def test_lines_that_come_and_go_at_once_are_one_caption_read_from_the_top() -> None:
    both = [line("world", BELOW), line("Hello"), line("there", Box(310, 152, 380, 181))]
    assert told(cues_of([both] * 3)) == [(0.0, 0.75, "Hello there world")]


def test_a_logo_is_no_caption() -> None:
    logo = line("LOGO", Box(10, 10, 60, 30))
    pictures = [[logo, line("one thing")]] * 4 + [[logo, line("quite another")]] * 4
    assert [c.text for c in cues_of(pictures, longest_s=1.5)] == ["one thing", "quite another"]
    assert "LOGO" in {c.text for c in cues_of(pictures)}


@pytest.mark.parametrize(
    ("text", "language"),
    [("今天的天气很好", "zh"), ("今天 Hello", "zh"), ("Hello", "und"), ("ひらがな漢字", "und")],
)
def test_chinese_is_told_from_the_rest(text: str, language: str) -> None:
    (cue,) = cues_of([[line(text)]] * 2)
    assert cue.language == language and cue.source == "ocr"


def test_boxes_that_do_not_touch_share_nothing() -> None:
    assert overlap(PLACE, BELOW) == 0.0 and overlap(PLACE, PLACE) == 1.0
