"""Every real subtitle file: its encoding, its cues, what was skipped, and whether it reads well."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from triptych.decode.cues import read_sidecar
from triptych.decode.encodings import decode_text

pytestmark = pytest.mark.needs("shared")

#: Files of which not every line of times becomes a cue: how many do, and how many were skipped.
OTHERWISE = {
    "paulallen_meta.vtt": (6, 1),  # 00.02:32.000
    "paulallen_de.vtt": (36, 0),  # lines that are sung again at once
    "paulallen_en.vtt": (37, 0),
    "wwa_captions_en_test.vtt": (15, 0),  # the first shows nothing
    "youtube_dl.vtt": (3, 0),  # rolls: four entries say three lines
    "invalid_timeframe.vtt": (6, 1),
    "invalid_timeframe_in_cue_text.vtt": (3, 0),
    "missing_caption_text.srt": (4, 0),
    "missing_caption_text.vtt": (4, 0),
    "missing_timeframe.srt": (4, 1),
    "missing_timeframe.vtt": (6, 1),
    "invalid_format3.srt": (0, 1),
    "invalid_format4.srt": (0, 0),  # times, and then nothing
    "regions.vtt": (2, 0),
    "iso-8859-9-turkish__subtitle__ff8956.srt": (0, 0),  # cut out of the middle
}
#: What the words of a language are written in.
LETTERS = {
    "ar": "\u0621-\u064a",
    "hi": "\u0900-\u097f",
    "ja": "\u3041-\u30ff",
    "ko": "\uac00-\ud7a3",
    "ru": "\u0400-\u04ff",
    "zh-cn": "\u4e00-\u9fff",
}
MARKUP = re.compile(r"<\w|\{\\|-->|\ufffd|&\w+;|::cue")


def files(folder: Path, *endings: str) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix in endings)


def test_all_times_become_cues_and_no_markup_is_left(shared_data: Path) -> None:
    found = files(shared_data / "subtitles", ".srt", ".vtt")
    assert len(found) > 80
    wrong = []
    for path in found:
        text, _ = decode_text(path.read_bytes())
        got = read_sidecar(path)
        wanted = OTHERWISE.get(path.name, (len(re.findall(r"\d\s*-->", text)), 0))
        if (len(got.cues), got.dropped) != wanted:
            wrong.append(f"{path.name}: {len(got.cues)} cues, {got.dropped} skipped, not {wanted}")
        wrong += [f"{path.name}: {cue.text}" for cue in got.cues if MARKUP.search(cue.text)]
        times = [(cue.start_s, cue.end_s) for cue in got.cues]
        if times != sorted(times) or any(end <= start for start, end in times):
            wrong.append(f"{path.name}: times")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("language", LETTERS)
def test_words_are_in_the_letters_of_their_language(shared_data: Path, language: str) -> None:
    named = re.compile(rf"[_.]{language}\.vtt$")
    found = [p for p in files(shared_data / "subtitles", ".vtt") if named.search(p.name)]
    assert found
    for path in found:
        words = "".join(cue.text for cue in read_sidecar(path).cues)
        own = len(re.findall(f"[{LETTERS[language]}]", words))
        assert own > 0.5 * sum(c.isalpha() for c in words), path.name


@pytest.mark.parametrize(
    ("name", "encoding", "words"),
    [
        ("iso-8859-9-turkish__subtitle.srt", "cp1254", "Eğer Sam'i kurtarırsam buradan özgür biri"),
        ("utf-16-english__bom-utf-16-be.srt", "utf-16-be", "About 2 months ago I found myself"),
        ("utf-16-english__bom-utf-16-le.srt", "utf-16-le", "About 2 months ago I found myself"),
        ("utf-32-english__bom-utf-32-be.srt", "utf-32-be", "About 2 months ago I found myself"),
        ("utf-8-sig-english__bom-utf-8.srt", "utf-8", "About 2 months ago I found myself"),
    ],
)
def test_subtitles_in_other_encodings(
    shared_data: Path, name: str, encoding: str, words: str
) -> None:
    got = read_sidecar(shared_data / "subtitles/chardet_encodings" / name)
    assert got.encoding == encoding
    assert words in " ".join(cue.text for cue in got.cues)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("videojs_elephantsdream/captions.ja.vtt", "左に見えるのは"),
        ("ableplayer/blocks4all_captions_ko.vtt", "경쾌한 피아노 선율"),
        ("ableplayer/itaccess_subtitles_zh-cn.vtt", "我们一直坚信每个人都应该有机会获得高等教育"),
        ("videojs_elephantsdream/captions.ru.vtt", "Слева мы видим"),
        ("videojs_elephantsdream/captions.ar.vtt", "إلى الشمال"),
        ("ableplayer/wwa_captions_fr.vtt", "Musique"),
        ("ableplayer/paulallen_de.vtt", "Heute arbeite ich"),
    ],
)
def test_real_subtitles_in_the_encodings_that_people_use(
    shared_data: Path, tmp_path: Path, source: str, words: str
) -> None:
    """The same cues, whatever the file was saved as."""
    legacy = {
        "ja": ("cp932", "euc_jp"), "ko": ("cp949",), "zh-cn": ("gb18030", "gbk"),
        "ru": ("cp1251", "koi8_r"), "ar": ("cp1256",), "fr": ("cp1252",), "de": ("cp1252",),
    }  # fmt: skip
    path = shared_data / "subtitles" / source
    text, expected = path.read_text(encoding="utf-8-sig"), read_sidecar(path).cues
    assert any(words in cue.text for cue in expected)
    language = re.split(r"[_.]", path.stem)[-1]
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", *legacy[language]):
        sidecar = tmp_path / "talk.vtt"
        data = text.encode(encoding, "replace")
        sidecar.write_bytes(data)
        readable = data.decode(encoding)
        got = read_sidecar(sidecar)
        assert len(got.cues) == len(expected), encoding
        kept = [cue.text for cue in expected] if readable == text else None
        if kept is not None:
            assert [cue.text for cue in got.cues] == kept, encoding
        else:  # a letter or two that the encoding lacks became a question mark
            assert any(words in cue.text for cue in got.cues), encoding
