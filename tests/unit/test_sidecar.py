"""Which subtitle files belong to a media file, and what language their names state."""

from __future__ import annotations

import time
import unicodedata
from pathlib import Path

import pytest

from triptych.decode.sidecar import find_sidecars, language_of, language_tag
from triptych.errors import InputError

MEDIA = Path("talk.mp4")


def found(names: list[str], media: Path = MEDIA) -> list[str]:
    return [path.name for path in find_sidecars(media, names)]


@pytest.mark.parametrize(
    "name",
    [
        "talk.srt",
        "talk.SRT",
        "talk.Vtt",
        "talk.ssa",
        "talk.sbv",
        "talk.TTML",
        "talk.简体.ttml",
        "talk.en.dfxp",
        "talk.zh.srt",
        "talk.zh-CN.vtt",
        "talk.en.forced.ass",
        "talk.forced.srt",
        "talk.mp4.srt",
        "talk.mp4.zh_Hans.srt",
        "talk.chs&eng.ass",
        "talk.简体.ass",
        "talk.简英.srt",
        "talk.English.srt",
        "talk.pt-br.sdh.srt",
        "talk.zh-Hans-en.vtt",
        "talk.en-orig.vtt",
        "talk.es-419.srt",
    ],
)
def test_names_that_belong(name: str) -> None:
    assert found([name]) == [name]


@pytest.mark.parametrize(
    "name",
    [
        "talk2.srt",
        "talk.mp4",
        "talk.txt",
        "talk.sub",
        "talk.part2.srt",
        "talk.mkv.srt",
        "talk.ts.srt",
        "talk.mov.srt",
        "talk-zh.srt",
        "talk .srt",
        "Talk.srt",
        "a talk.srt",
        "talk..srt",
        "talk.en..srt",
        ".srt",
        "srt",
        "",
    ],
)
def test_names_that_do_not(name: str) -> None:
    assert found([name]) == []


def test_order_is_fewest_suffixes_then_name() -> None:
    names = ["talk.zh.srt", "talk.en.forced.srt", "talk.en.srt", "talk.vtt", "talk.srt"]
    expected = ["talk.srt", "talk.vtt", "talk.en.srt", "talk.zh.srt", "talk.en.forced.srt"]
    assert found(names) == expected
    assert found(names[::-1]) == expected


def test_stem_with_dots_and_awkward_signs() -> None:
    media = Path("a.b [x] (1).final.mkv")
    assert found(["a.b [x] (1).final.zh.srt", "a.b [x] (1).srt"], media) == [
        "a.b [x] (1).final.zh.srt"
    ]


def test_composed_and_decomposed_names_are_one() -> None:
    media, name = Path(unicodedata.normalize("NFC", "café.mp4")), "café.srt"
    for form in ("NFC", "NFD"):
        assert len(found([unicodedata.normalize(form, name)], media)) == 1


def test_lists_the_folder_itself(tmp_path: Path) -> None:
    media = tmp_path / "talk.mp4"
    (tmp_path / "talk.zh.srt").touch()
    (tmp_path / "other.srt").touch()
    (tmp_path / "talk.ass").mkdir()  # a folder with the right name
    assert find_sidecars(media) == (tmp_path / "talk.zh.srt",)


def test_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone.*cannot be listed"):
        find_sidecars(tmp_path / "gone" / "talk.mp4")


def test_large_listing_is_cheap() -> None:
    names = [f"clip{i:05}.mp4" for i in range(10_000)] + ["clip00007.srt"]
    begin = time.perf_counter()
    for i in range(20):
        find_sidecars(Path(f"clip{i:05}.mp4"), names)
    assert (time.perf_counter() - begin) / 20 < 0.05  # seconds a file; about 0.001 measured


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("talk.srt", "und"),
        ("talk.mp4.srt", "und"),
        ("talk.forced.srt", "und"),
        ("talk.zh.srt", "zh"),
        ("talk.ZH-cn.srt", "zh-CN"),
        ("talk.zh_hans.srt", "zh-Hans"),
        ("talk.zh-hant-hk.srt", "zh-Hant-HK"),
        ("talk.chs.srt", "zh-Hans"),
        ("talk.SC.ass", "zh-Hans"),
        ("talk.简体.ass", "zh-Hans"),
        ("talk.繁體.ass", "zh-Hant"),
        ("talk.cht&eng.ass", "zh-Hant"),
        ("talk.forced.eng.srt", "en"),
        ("talk.en.sdh.srt", "en"),
        ("talk.en-orig.vtt", "en"),
        ("talk.es-419.vtt", "es-419"),
        ("talk.jpn.ass", "ja"),
        ("talk.mp4.pt-BR.srt", "pt-BR"),
        ("other.en.srt", "und"),
    ],
)
def test_language(name: str, language: str) -> None:
    assert language_of(Path(name), MEDIA) == language


def test_language_tag_of_container_codes() -> None:
    codes = ("eng", "chi", "zho", "und", "", "mul", "spa", "x")
    assert [language_tag(c) for c in codes] == ["en", "zh", "zh", "und", "und", "und", "es", "und"]
