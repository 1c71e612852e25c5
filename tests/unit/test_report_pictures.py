"""Storyboards, posters and fonts: any shape of picture, any script of words."""

from __future__ import annotations

import dataclasses
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from analysis_factory import COLORS, make_analysis, make_jpeg, tone_clip
from triptych.decode.media import open_media
from triptych.records import Analysis, Cue, Segment, Thumbnails
from triptych.report import fonts
from triptych.report.pictures import best_frame, key_frames, open_picture, poster_jpeg, small_jpegs
from triptych.report.preview import preview_webp
from triptych.report.storyboard import storyboard_jpeg

WORDS = (
    "Hello",
    "一只猫在睡觉，它很高兴。",
    "🎉🐈‍⬛ emoji",
    "مرحبا بالعالم",
    "שלום",
    "\u202e\x00x",
    "ไทย",
)


def sheet(**options: object) -> Image.Image:
    data = storyboard_jpeg(make_analysis(**options), name="猫 clip.mp4")  # type: ignore[arg-type]
    assert data is not None
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (1, 1), (4000, 40), (500, 500)])
@pytest.mark.parametrize("seconds", [1, 2, 5, 40])
def test_any_shape_and_length(size: tuple[int, int], seconds: int) -> None:
    image = sheet(size=size, seconds=seconds, cues=(), segments=())
    assert image.width == 1600
    assert 200 < image.height < 3000


def test_the_frames_have_the_colours_of_the_film() -> None:
    pixels = np.asarray(sheet(seconds=20).convert("RGB")).reshape(-1, 3).astype(int)
    for color in COLORS:
        near = np.abs(pixels - color).sum(axis=1) < 40
        assert near.mean() > 0.02, color


def test_without_pictures_there_is_none() -> None:
    silent = make_analysis(pictures=False)
    assert storyboard_jpeg(silent, name="song.mp3") is None
    assert poster_jpeg(silent) is None


@pytest.mark.parametrize("words", WORDS)
def test_any_script_is_drawn(words: str) -> None:
    cue = Cue(start_s=0, end_s=20, text=words, source="embedded")
    assert sheet(cues=(cue,), labels=(words, "other")).width == 1600


@pytest.mark.needs("cjk")
def test_chinese_is_drawn_as_characters_not_boxes() -> None:
    drawn = {_drawn(character) for character in "猫狗视频"}
    assert len(drawn) == 4  # boxes would all look the same
    assert fonts.wrap("一二三四五，六七", size=20, width=101, lines=2) == ["一二三四", "五，六七"]


def _drawn(text: str) -> bytes:
    image = Image.new("L", (60, 60))
    canvas = ImageDraw.Draw(image)
    fonts.draw_text(canvas, (5, 45), text, size=32, fill=255)  # type: ignore[arg-type]
    return image.tobytes()


def test_without_any_cjk_font_it_says_what_to_install_and_goes_on(
    no_fonts: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "triptych.report.fonts"):
        sheet()
    said = [r for r in caplog.records if "triptych[cjk]" in r.message]
    assert len(said) == 1


def test_text_wraps_within_its_width() -> None:
    for words in (*WORDS, "one two three four five six seven eight", "猫" * 60, "x" * 200, ""):
        lines = fonts.wrap(words, size=17, width=180, lines=2)
        assert len(lines) <= 2
        assert all(fonts.text_width(line, 17) <= 181 for line in lines)


def test_key_frames_are_in_order_and_mark_the_moments() -> None:
    analysis = make_analysis(seconds=60)
    frames = key_frames(analysis, 12)
    assert len(frames) == 12
    assert [f.time_s for f in frames] == sorted({f.time_s for f in frames})
    marked = [f for f in frames if f.segment]
    assert len(marked) == 2
    for frame in marked:
        assert frame.segment
        assert frame.segment.start_s <= frame.time_s < frame.segment.end_s


def test_many_moments_are_those_of_the_whole_film() -> None:
    """The best ones lie close together; a long film has more pictures than a short one."""
    moments = [Segment(start_s=a, end_s=a + 3.0, score=0.5) for a in range(0, 1100, 10)]
    moments += [Segment(start_s=a, end_s=a + 3.0, score=1.0) for a in range(1100, 1190, 5)]
    analysis = make_analysis(seconds=1200, segments=moments, size=(64, 36))
    frames = key_frames(analysis, 12)
    assert len(frames) == 12
    assert max(np.diff([f.time_s for f in frames])) < 201
    assert all(f.segment for f in frames)
    heights = [sheet(seconds=s, size=(64, 36), segments=()).height for s in (600, 601, 1801)]
    assert heights == sorted(set(heights))


def test_black_frames_give_way() -> None:
    jpeg = tuple(make_jpeg((0, 0, 0), (8, 8)) if i % 3 else make_jpeg(COLORS[0]) for i in range(60))
    thumbnails = Thumbnails(jpeg=jpeg, pts_s=np.arange(60.0))
    analysis = dataclasses.replace(make_analysis(seconds=60), thumbnails=thumbnails)
    assert all(frame.index % 3 == 0 for frame in key_frames(analysis, 12))
    assert best_frame(thumbnails, 1.0, 4.0) == 3


def test_a_moment_between_two_frames_shows_what_is_on_screen() -> None:
    thumbnails = Thumbnails(jpeg=(b"a", b"b", b"c"), pts_s=np.array([0.0, 10.0, 20.0]))
    assert best_frame(thumbnails, 12.0, 13.0) == 1
    assert best_frame(thumbnails, -5.0, -4.0) == 0


def test_a_damaged_thumbnail_is_grey() -> None:
    broken = dataclasses.replace(
        make_analysis(seconds=3, segments=(Segment(start_s=0, end_s=1, score=1),)),
        thumbnails=Thumbnails(jpeg=(b"no jpeg",) * 3, pts_s=np.arange(3.0)),
    )
    assert storyboard_jpeg(broken, name="x")
    assert open_picture(b"").size == (16, 9)


def test_small_pictures_are_few_and_small() -> None:
    thumbnails = make_analysis(seconds=300).thumbnails
    small = small_jpegs(thumbnails, count=60, short_side=160)
    assert len(small) == 60
    assert (small[0][0], small[-1][0]) == (0.0, 299.0)
    assert min(Image.open(io.BytesIO(small[0][1])).size) == 160
    assert small_jpegs(make_analysis(pictures=False).thumbnails, count=60, short_side=160) == []


def test_the_poster_is_the_best_moment() -> None:
    data = poster_jpeg(make_analysis())
    assert data
    poster = Image.open(io.BytesIO(data))
    assert poster.width == 320
    assert np.abs(np.asarray(poster)[5, 5].astype(int) - COLORS[1]).max() < 12


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("𓀀𓀁 party", "[egyptian] party"),
        ("a\u200d\ufe0fb", "ab"),
        ("क्षि", "[devanagari]"),
    ],
)
def test_what_no_font_has_is_named(text: str, wanted: str, no_fonts: None) -> None:
    assert fonts.drawable(text, 20) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("🎉🎉 Hi", "[party popper] Hi"),
        ("👨‍👩‍👧 & 👍🏽", "[man] & [thumbs up sign]"),
        ("🇫🇷🇩🇪", "[FR][DE]"),
        ("猫 狗狗", "[cjk] [cjk]"),
    ],
)
def test_what_has_no_letters_is_named_too(text: str, wanted: str, no_fonts: None) -> None:
    assert fonts.drawable(text, 20) == wanted
    assert fonts.text_width(text, 20) == fonts.text_width(wanted, 20)


def test_a_line_that_begins_on_the_right_is_drawn_from_there() -> None:
    """With digits in another font than the letters, as where the Chinese one comes first."""
    assert fonts._is_right_to_left("12 שלום a")
    assert not fonts._is_right_to_left("a שלום")
    assert not fonts._is_right_to_left("12")


@pytest.fixture
def no_fonts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing but Pillow's own font."""
    monkeypatch.setattr(fonts, "_PACKAGE", "no_such_package_of_fonts")
    monkeypatch.setattr(fonts, "_BROUGHT", ("no_such_package_of_fonts", "x.ttf"))
    monkeypatch.setattr(fonts, "_folders", lambda: iter((tmp_path,)))
    caches = (
        fonts._paths,
        fonts._system_fonts,
        fonts._chain,
        fonts._font_for,
        fonts.drawable,
    )
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def filmed(path: Path, moments: list[tuple[float, float]], **options: Any) -> Analysis:
    """An analysis of a clip that exists, with these key moments."""
    tone_clip(path, **options)
    with open_media(path) as media:
        info = media.info
    segments = tuple(
        Segment(start_s=info.start_s + a, end_s=info.start_s + b, score=1.0 - i / 10)
        for i, (a, b) in enumerate(moments)
    )
    return dataclasses.replace(make_analysis(segments=segments), info=info)


def frames_of(data: bytes | None) -> tuple[list[Image.Image], float]:
    """Pictures and length in seconds of an animation."""
    assert data is not None
    image = Image.open(io.BytesIO(data))
    pictures, milliseconds = [], 0
    for i in range(image.n_frames):
        image.seek(i)
        pictures.append(image.convert("RGB"))
        milliseconds += image.info["duration"]
    return pictures, milliseconds / 1000


@pytest.mark.parametrize("options", [{"size": (640, 360)}, {"size": (180, 320)}, {"start_s": 8.0}])
def test_the_preview_moves_through_the_best_moments(
    options: dict[str, Any], tmp_path: Path
) -> None:
    moments = [(0.5, 1.5), (2.1, 3.9), (4.1, 5.9), (6.1, 7.9), (8.1, 9.9)]
    data = preview_webp(filmed(tmp_path / "clip.mp4", moments, **options))
    pictures, length_s = frames_of(data)
    assert length_s == pytest.approx(5.0, abs=0.3)
    assert max(pictures[0].size) <= 320 and len(pictures) <= 45
    middles = [np.asarray(p)[p.height // 3 * 2, p.width // 2].astype(int) for p in pictures]
    seen = [int(np.abs(np.array(COLORS) - colour).sum(axis=1).argmin()) for colour in middles]
    assert seen == sorted(seen)
    assert set(seen) == {0, 1, 2, 3}  # the four best
    assert data is not None and len(data) < 200_000


def test_a_short_preview_and_none(tmp_path: Path) -> None:
    analysis = filmed(tmp_path / "clip.mp4", [(0.2, 0.9)], scenes=2, scene_s=0.5, size=(64, 48))
    pictures, length_s = frames_of(preview_webp(analysis))
    assert length_s == pytest.approx(0.7, abs=0.05)
    assert pictures[0].size == (64, 48)
    assert preview_webp(make_analysis(segments=())) is None
    assert preview_webp(make_analysis(pictures=False)) is None
