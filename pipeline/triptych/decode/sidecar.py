"""Subtitle files beside a media file, found by name alone.

Only the standard library is imported: this runs on the command's warm path, for every file
of a folder, before anything is decoded.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Collection
from pathlib import Path

from triptych.errors import InputError

__all__ = ["SIDECAR_ENDINGS", "find_sidecars", "language_of", "language_tag"]

SIDECAR_ENDINGS = (".srt", ".vtt", ".ass", ".ssa", ".ttml", ".dfxp", ".sbv")

# ISO 639-1, less "ts" (Tsonga): `talk.ts.srt` belongs to the MPEG transport stream talk.ts.
_CODES = """
    aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da
    de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy
    hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg
    li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or
    os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta
    te tg th ti tk tl tn to tr tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
_TWO_LETTERS = frozenset(_CODES.split())

# What people write instead of a code. Chinese subtitle groups' SC, TC, CHS and CHT say which
# script is meant, so they become zh-Hans and zh-Hant.
_ALIASES = {
    alias: code
    for code, aliases in {
        "zh-Hans": "sc chs zhs gb gbk hans simplified 简 简体 简中 简体中文 简英 简日 簡體",
        "zh-Hant": "tc cht zht big5 hant traditional 繁 繁体 繁體 繁中 繁体中文 繁體中文 繁英 繁日",
        "zh": "chi zho chn cn chinese mandarin 中 中文 中字 汉语 中英 双语 雙語 国语 國語",
        "yue": "yue cantonese 粤语 粵語",
        "en": "eng english 英 英文 英语 英語",
        "ja": "jpn jp japanese 日 日文 日语 日語 日本語",
        "ko": "kor korean 韩 韩文 韩语 한국어",
        "fr": "fra fre french français francais",
        "de": "deu ger german deutsch",
        "es": "spa spanish español espanol",
        "pt": "por portuguese português",
        "it": "ita italian italiano",
        "ru": "rus russian русский",
        "ar": "ara arabic",
        "nl": "nld dut dutch",
        "pl": "pol polish polski",
        "tr": "tur turkish türkçe",
        "vi": "vie vietnamese",
        "th": "tha thai",
        "id": "ind indonesian",
        "hi": "hin hindi",
        "sv": "swe swedish",
        "da": "dan danish",
        "no": "nor norwegian",
        "fi": "fin finnish",
        "cs": "ces cze czech",
        "hu": "hun hungarian",
        "el": "ell gre greek",
        "he": "heb hebrew",
        "uk": "ukr ukrainian",
        "ro": "ron rum romanian",
        "fa": "fas per persian farsi",
        "ms": "msa may malay",
        "fil": "fil filipino tagalog",
        "und": "und unknown",
    }.items()
    for alias in aliases.split()
}

# Words that stand beside a language and say nothing of it.
_WORDS = "forced sdh cc hi default auto asr full signs songs orig original sub subs"
_FLAGS = frozenset(_WORDS.split())

_TAG = re.compile(
    r"([a-z]{2,3})(?:-(hans|hant|latn|cyrl|arab|deva))?(?:-([a-z]{2}|\d{3}))?(?:-[a-z0-9]+)*"
)


def find_sidecars(media: Path, names: Collection[str] | None = None) -> tuple[Path, ...]:
    """Subtitle files that belong to a media file, decided by name.

    A side-car is named like the media file, with or without the media file's own ending, then
    any number of language codes or flags, then a subtitle ending in any case: for `talk.mp4`,
    `talk.srt`, `talk.zh-CN.vtt`, `talk.en.forced.ass` and `talk.mp4.SRT`, but not `talk2.srt`
    nor `talk.part2.srt`. A composed accent equals a decomposed one, as file systems differ.

    Args:
        media: the media file; it need not exist.
        names: the names in its folder, when they are listed already: a folder of 10,000 files
            should not be listed 10,000 times.

    Returns:
        Paths in `media`'s folder: fewest suffixes first, then by name.

    Raises:
        InputError: the folder cannot be listed.

    >>> [p.name for p in find_sidecars(Path("talk.mp4"), ["talk.zh.srt", "talk2.srt", "talk.vtt"])]
    ['talk.vtt', 'talk.zh.srt']
    """
    found = []
    starts = _starts(media)
    for name in _listed(media.parent) if names is None else names:
        # Cheap test first: it turns away nearly all names of a large folder.
        if name.startswith(starts) and (suffixes := _suffixes(name, media)) is not None:
            path = media.with_name(name)
            if path.is_file() or not path.exists():  # opening a pipe may never end
                found.append((len(suffixes), name, path))
    return tuple(path for _, _, path in sorted(found))


def language_of(sidecar: Path, media: Path) -> str:
    """Language of a side-car by its name, as a BCP 47 tag in the usual case.

    A tag is kept as precise as it was written (`zh-cn` gives `zh-CN`, `ZH_hans` gives
    `zh-Hans`). Codes and words in use that are no tags become one: `chs`, `sc` and `简体` give
    `zh-Hans`, `cht` gives `zh-Hant`, `chi` gives `zh`, `eng` gives `en`. Of a bilingual file
    (`chs&eng`) the first language counts.

    Returns:
        The tag; "und" where the name says nothing, or is not a side-car of `media`.

    >>> language_of(Path("talk.zh-cn.forced.srt"), Path("talk.mp4"))
    'zh-CN'
    """
    for suffix in _suffixes(sidecar.name, media) or ():
        if (tag := language_tag(suffix)) != "und":
            return tag
    return "und"


def language_tag(name: str) -> str:
    """BCP 47 tag for what people and containers write for a language; "und" when unknown.

    >>> language_tag("eng"), language_tag("zh_hans"), language_tag("klingon")
    ('en', 'zh-Hans', 'und')
    """
    return _language(name) or "und"


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as err:
        raise InputError(
            f"cannot be listed: {err.strerror or err}",
            path=folder,
            remedy="check that the folder exists and may be read",
        ) from err


def _starts(media: Path) -> tuple[str, ...]:
    """The media file's stem in each Unicode form that a file system may hand out."""
    forms = {unicodedata.normalize(form, media.stem) for form in ("NFC", "NFD")}
    return tuple(forms | {media.stem})


def _suffixes(name: str, media: Path) -> tuple[str, ...] | None:
    """What stands between the media file's name and the subtitle ending; None: no side-car."""
    stem, ending = os.path.splitext(unicodedata.normalize("NFC", name))
    if ending.lower() not in SIDECAR_ENDINGS:
        return None
    # The full name first: what is left of "talk.mp4.srt" must not be read as a suffix "mp4".
    for base in (media.name, media.stem):
        base = unicodedata.normalize("NFC", base)
        if stem == base:
            return ()
        if stem.startswith(f"{base}."):
            suffixes = tuple(stem[len(base) + 1 :].split("."))
            if all(s.casefold() in _FLAGS or _language(s) is not None for s in suffixes):
                return suffixes
    return None


def _language(suffix: str) -> str | None:
    """The tag that one suffix stands for; None when it is no language."""
    text = suffix.casefold().replace("_", "-")
    first = re.split(r"[&+]", text)[0].strip()
    if first in _ALIASES:
        return _ALIASES[first]
    if not (match := _TAG.fullmatch(first)):
        return None
    language, script, region = match.groups()
    if language in _ALIASES:
        return _ALIASES[language]
    if language not in _TWO_LETTERS:
        return None
    parts = (language, script and script.title(), region and region.upper())
    return "-".join(part for part in parts if part)
