"""Fonts for pictures: Chinese must be readable, and no character may stop a report.

A font is looked for in the package of the `cjk` extra, then among the system's fonts, then in
Matplotlib (the extra `plots`), which has smileys; Pillow's own comes last. Text is drawn in runs,
each in the first font that has its characters, because no single font has Chinese, Arabic and
Thai. What is in none of them is named in brackets: [party popper], [thai].
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import logging
import os
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from PIL import ImageDraw, ImageFont

from triptych.report.text import has_cjk

__all__ = ["draw_text", "drawable", "font_files", "text_width", "wrap"]

log = logging.getLogger(__name__)

Font: TypeAlias = ImageFont.FreeTypeFont
Color: TypeAlias = tuple[int, int, int]

_PACKAGE = "cvttf_NotoSansCJK_Regular"
_SUFFIXES = (".ttf", ".ttc", ".otf")
# In order of preference; compared without blanks, hyphens and case.
_CJK_NAMES = (
    "notosanscjksc",
    "notosanssc",
    "notosanscjk",
    "sourcehansans",
    "pingfang",
    "msyh",
    "hiraginosansgb",
    "stheiti",
    "wqymicrohei",
    "wqyzenhei",
    "droidsansfallback",
    "arialunicode",
    "simhei",
    "simsun",
    "notoserifcjk",
    "yugoth",
    "malgun",
)
# The packaged font has several forms of a character; these are the simplified Chinese ones.
_LANGUAGE = "zh-Hans"
_NEVER_FIRST = frozenset("，。、；：！？）》」』”’…,.;:!?)]}%")  # of a line
_BROUGHT = ("matplotlib", "mpl-data/fonts/ttf/DejaVuSans.ttf")
# In one colour: Pillow cannot scale the pictures of coloured fonts. Windows' has outlines, too.
_EMOJI_NAMES = ("notoemojiregular", "notoemoji", "seguiemj", "symbola", "seguisym", "applesymbols")
# Skin tones and the choice between text and picture: what they change has been drawn already.
_MODIFIERS = frozenset(map(chr, (*range(0x1F3FB, 0x1F400), *range(0xFE00, 0xFE10))))
_JOINER = "\u200d"  # makes one picture of several, such as a family
_FLAG_LETTER = "REGIONAL INDICATOR SYMBOL LETTER "
_OTHER_NAMES = ("dejavusans", "notosansregular", "arial", "segoeui", "freesans", "notosansarabic")


def _folders() -> Iterator[Path]:
    """Where systems keep fonts."""
    home = Path.home()
    if sys.platform == "win32":
        yield Path(os.environ.get("WINDIR", "C:\\Windows")) / "Fonts"
        yield Path(os.environ.get("LOCALAPPDATA", home)) / "Microsoft" / "Windows" / "Fonts"
    elif sys.platform == "darwin":
        yield from (Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts")
    else:
        share = os.environ.get("XDG_DATA_HOME") or home / ".local/share"
        yield from (Path(share) / "fonts", home / ".fonts")
        yield from (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))


@functools.cache
def _system_fonts() -> tuple[tuple[str, Path], ...]:
    """(plain name, path) of the installed fonts, sorted."""
    found = [
        (path.stem.lower().replace("-", "").replace("_", "").replace(" ", ""), path)
        for folder in _folders()
        for root, _, names in os.walk(folder)
        for path in (Path(root) / name for name in names)
        if path.suffix.lower() in _SUFFIXES
    ]
    return tuple(sorted(found))


def _system(names: tuple[str, ...]) -> Path | None:
    """The first installed font that has one of `names`; plain cuts before bold ones."""
    for name in names:
        hits = [path for plain, path in _system_fonts() if plain.startswith(name)]
        if hits:
            return min(hits, key=lambda p: ("regular" not in p.stem.lower(), len(p.stem), p))
    return None


def _packaged() -> Path | None:
    """The font of the `cjk` extra, if that is installed."""
    for folder in _package_folders(_PACKAGE):
        fonts = sorted(p for p in folder.iterdir() if p.suffix.lower() in _SUFFIXES)
        if fonts:
            return fonts[0]
    return None


def _brought() -> Path | None:
    """The font that another package brings, if that is installed; it is not imported."""
    package, inside = _BROUGHT
    files = (folder / inside for folder in _package_folders(package))
    return next((file for file in files if file.is_file()), None)


def _package_folders(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    return [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]


@functools.cache
def _paths() -> tuple[Path, ...]:
    cjk = _packaged() or _system(_CJK_NAMES)
    if cjk is None:
        log.info(
            "no font with Chinese characters was found; storyboards will miss them"
            ' (pip install "triptych[cjk]")'
        )
    others = (_system(_OTHER_NAMES), _system(_EMOJI_NAMES), _brought())
    return tuple(path for path in (cjk, *others) if path is not None)


def font_files() -> tuple[Path, ...]:
    """The fonts that were found, the preferred one first, for those who draw without Pillow."""
    return _paths()


def _open(path: Path, size: int) -> Font | None:
    """A font of a file; of a collection, the simplified Chinese one if it has that."""
    try:
        font = ImageFont.truetype(path, size)
        if path.suffix.lower() != ".ttc":
            return font
        for index in range(1, 10):
            if (str(font.getname()[0] or "")).endswith((" SC", " GB")):
                return font
            font = ImageFont.truetype(path, size, index=index)
    except OSError as err:  # also how FreeType says that a collection has no such index
        log.debug("cannot use %s: %s", path, err)
    return _first_of(path, size)


def _first_of(path: Path, size: int) -> Font | None:
    try:
        return ImageFont.truetype(path, size)
    except OSError:
        log.debug("cannot open %s as a font", path)
        return None


@functools.lru_cache(maxsize=32)
def _chain(size: int) -> tuple[Font, ...]:
    """Fonts of one size, the preferred one first; never empty."""
    opened = [font for path in _paths() if (font := _open(path, size)) is not None]
    own = ImageFont.load_default(size)
    return (*opened, own) if isinstance(own, ImageFont.FreeTypeFont) else tuple(opened)


@functools.lru_cache(maxsize=8192)
def _font_for(character: str, size: int) -> int | None:
    """Index of the first font that has a character."""
    for i, font in enumerate(_chain(size)):
        if _glyph(font, character) != _glyph(font, "\U000fffff"):
            return i
    return None


def _glyph(font: Font, character: str) -> tuple[object, bytes]:
    # Pillow cannot be asked what a font covers; characters it has not all look the same.
    mask = font.getmask(character)
    return mask.size, bytes(mask)


@functools.lru_cache(maxsize=2048)
def drawable(text: str, size: int) -> str:
    """Text with names in place of what no font has: of symbols their own, of letters the script's.

    A run of what has the same name is named once.
    """
    parts: list[str] = []
    latest = ""  # the name of what could not be drawn just now
    for before, character in itertools.pairwise(f" {text}"):
        kind = unicodedata.category(character)
        if character in _MODIFIERS or kind == "Cf" or (latest and kind.startswith("M")):
            continue
        name = "" if kind.startswith("M") else _missing_name(character, size)
        if not name:
            parts.append(character)
        elif before == _JOINER and latest:  # a family is named by the first of it
            continue
        elif name.isupper() and latest.isupper() and len(latest) == 1:  # two letters make a flag
            name = latest + name
            parts[-1] = f"[{name}]"
        elif name != latest:
            parts.append(f"[{name}]")
        latest = name
    return "".join(parts)


def _missing_name(character: str, size: int) -> str:
    """What to say for a character that no font has; empty for one that can be drawn."""
    if character.isspace() or _font_for(character, size) is not None:
        return ""
    name = unicodedata.name(character, "")
    if name.startswith(_FLAG_LETTER):
        return name.removeprefix(_FLAG_LETTER)
    if unicodedata.category(character).startswith("L"):
        name = name.split(" ")[0]
    return name.lower() or "?"


def _runs(text: str, size: int) -> list[tuple[int, str]]:
    """(font, stretch of text) pieces."""
    runs: list[tuple[int, str]] = []
    for character in drawable(text, size):
        kind = unicodedata.category(character)
        joins = bool(runs) and (kind in ("Mn", "Me", "Mc", "Zs") or character.isspace())
        at = runs[-1][0] if joins else (None if kind == "Cf" else _font_for(character, size))
        if at is None:
            continue
        if runs and runs[-1][0] == at:
            runs[-1] = (at, runs[-1][1] + character)
        else:
            runs.append((at, character))
    return runs


def text_width(text: str, size: int) -> float:
    """Width of one line in pixels."""
    fonts = _chain(size)
    return sum(fonts[i].getlength(part) for i, part in _runs(text, size))


def draw_text(
    draw: ImageDraw.ImageDraw, xy: tuple[float, float], text: str, *, size: int, fill: Color
) -> None:
    """Draw one line; `xy` is the left end of its baseline."""
    x, y = xy
    fonts = _chain(size)
    runs = _runs(text, size)
    for i, part in reversed(runs) if _is_right_to_left(text) else runs:
        font = fonts[i]
        shaped = font.layout_engine == ImageFont.Layout.RAQM  # the other knows no languages
        language = _LANGUAGE if shaped else None
        draw.text((x, y), part, font=font, fill=fill, anchor="ls", language=language)
        x += font.getlength(part)


def _is_right_to_left(text: str) -> bool:
    """Whether a line begins on the right, by its first letter. (Each run knows its own way.)"""
    ways = (unicodedata.bidirectional(character) for character in text)
    return next((way != "L" for way in ways if way in ("L", "R", "AL")), False)


def wrap(text: str, *, size: int, width: float, lines: int) -> list[str]:
    """Break text into at most `lines` lines of `width` pixels; what is left becomes "...".

    Latin text breaks at blanks, Chinese anywhere, and an overlong word where it must.
    """
    rows, row = [], ""
    pieces = list(_pieces(drawable(text, size)))
    while pieces:
        piece = pieces.pop(0)
        if text_width((row + piece).rstrip(), size) <= width:
            row += piece
        elif row.strip():
            rows.append(row.strip())
            row = ""
            pieces.insert(0, piece.lstrip())
        elif len(piece) > 1:
            pieces[:0] = list(piece)
        else:
            row += piece
        if len(rows) == lines:
            return [*rows[:-1], _cut(rows[-1], size, width)] if any(pieces) else rows
    return [*rows, row.strip()] if row.strip() else rows


def _pieces(text: str) -> Iterator[str]:
    """Words with the blank before them, and single Chinese characters with their commas."""
    word = ""
    for character in text:
        if word and character in _NEVER_FIRST:
            word += character
        elif has_cjk(character):
            if word:
                yield word
            word = character
        elif character == " ":
            if word:
                yield word
            word = " "
        elif word and has_cjk(word[-1]):
            yield word
            word = character
        else:
            word += character
    if word:
        yield word


def _cut(row: str, size: int, width: float) -> str:
    end = "…" if has_cjk(row) else "..."  # the sign itself stands higher in Chinese fonts
    while row and text_width(row + end, size) > width:
        row = row[:-1]
    return row.rstrip(" ,.;:，。、；：") + end
