"""Encodings are told apart by what the text says, not by luck."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from triptych.decode.encodings import decode_text

SRT = "1\n00:00:01,000 --> 00:00:02,500\n{}\n\n2\n00:00:03,000 --> 00:00:04,000\n{}\n"
ZH_HANS = "我们今天要去北京\n你知道这是什么吗\n快点，没有时间了"
ZH_HANT = "我們今天要去臺北\n你知道這是什麼嗎\n快點，沒有時間了"
SAMPLES = {
    "gb18030": ZH_HANS,
    "gbk": ZH_HANS,
    "big5": ZH_HANT,
    "shift_jis": "これは何ですか\nわかりません、すみません",
    "euc_jp": "これは何ですか\nわかりません、すみません",
    "euc_kr": "안녕하세요\n이것은 무엇입니까",
    "cp1251": "Здравствуйте, как дела?\nЯ не знаю, что делать",
    "koi8_r": "Здравствуйте, как дела?\nЯ не знаю, что делать",
    "cp1252": "Où êtes-vous allé ?\nJe ne sais pas, c’est très loin",
    "cp1250": "Gdzie byłeś wczoraj?\nNie wiem, co mam zrobić, mówię ci",
    "iso8859_9": "Bugün nasılsın?\nNe yapacağımı bilmiyorum, şaşırdım",
    "cp1256": "مرحبا كيف حالك اليوم\nلا أعرف ماذا أفعل الآن",
    "cp1253": "Καλημέρα, τι κάνεις σήμερα;\nΔεν ξέρω τι να κάνω",
    "utf-8": ZH_HANS,
    "utf-8-sig": ZH_HANS,
    "utf-16": ZH_HANS,
    "utf-16-le": ZH_HANS,
    "utf-16-be": ZH_HANS,
    "utf-32": ZH_HANS,
    "utf-32-le": ZH_HANS,
    "utf-32-be": ZH_HANS,
}


@pytest.mark.parametrize("encoding", SAMPLES)
def test_two_cues_are_enough(encoding: str) -> None:
    lines = SAMPLES[encoding].split("\n")
    text = SRT.format(*lines[:2]).replace("\n", "\r\n")
    assert decode_text(text.encode(encoding))[0] == text


def test_encodings_of_word_lists_lean_to_chinese() -> None:
    for words in ("猫\n狗\n汽车\n足球", "美食\n旅行\n音乐", "动画,舞蹈,篮球,美妆"):
        assert decode_text(words.encode("gbk"))[0] == words


def test_damaged_utf8_stays_utf8() -> None:
    data = (ZH_HANS * 5).encode() + b"\xff" + ZH_HANS.encode()
    text, encoding = decode_text(data)
    assert encoding == "utf-8"
    assert text.count("\ufffd") == 1


@given(st.binary(max_size=200))
@example(b"\xff\xfe\x00")
@example(b"\x00")
def test_any_bytes_decode(data: bytes) -> None:
    text, encoding = decode_text(data)
    assert isinstance(text, str)
    "".encode(encoding)


@pytest.mark.needs("shared")
def test_encodings_of_chardets_collection(shared_data: Path) -> None:
    files = sorted((shared_data / "subtitles/chardet_encodings").iterdir())
    wrong = [p.name for p in files if decode_text(p.read_bytes())[0] != truth(p)]
    assert len(files) == 38
    assert not wrong


def truth(path: Path) -> str:
    """Text of a file of chardet's collection, which has its encoding in its name."""
    words = path.name.split("__")[0].split("-")
    encoding = next(e for n in range(len(words), 0, -1) if (e := known("-".join(words[:n]))))
    return path.read_bytes().decode(encoding, "replace").lstrip("\ufeff")


def known(name: str) -> str:
    try:
        "".encode(name)
    except LookupError:
        return ""
    return name
