"""Folders of numbered pictures, which are films once somebody says how many there are a second.

Only names and sizes are looked at here, and only the standard library is imported.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from triptych.errors import DecodeError, InputError, NotMediaError

__all__ = [
    "FPS_RANGE",
    "Numbered",
    "are_numbered",
    "exact_rate",
    "is_picture",
    "names_in",
    "not_said",
    "numbered_pictures",
    "still_picture",
]

#: Pictures a second that are believed: from one in a quarter of an hour to a high-speed camera's.
FPS_RANGE = (0.001, 1000.0)

_KINDS = {".jpeg": ".jpg", ".tiff": ".tif"} | {
    ending: ending for ending in (".bmp", ".jpg", ".png", ".tif", ".webp")
}
# The last number of a name; more digits than that are no count of pictures.
_NUMBER = re.compile(r"(.*?)([0-9]{1,15})", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """One picture of a film."""

    path: Path
    number: int
    status: os.stat_result


def is_picture(name: str) -> bool:
    """Whether a name's ending is that of a still picture that could be part of a film."""
    return _ending(name) in _KINDS and not name.startswith(".")


def are_numbered(names: Iterable[str]) -> bool:
    """Whether most of the pictures among the names of a folder are numbered, and two at least.

    >>> are_numbered(["img_0001.jpg", "img_0002.jpg", "notes.txt"])
    True
    >>> are_numbered(["cat.jpg", "dog.jpg", "img_0001.jpg", "img_0002.jpg", "sea.jpg"])
    False
    """
    pictures = [os.path.splitext(name)[0] for name in names if is_picture(name)]
    numbered = sum(_NUMBER.fullmatch(stem) is not None for stem in pictures)
    return numbered >= 2 and 2 * numbered > len(pictures)


def names_in(folder: str | os.PathLike[str]) -> list[str]:
    """Names in a folder; none if it may not be looked into."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def not_said(folder: Path, count: int) -> NotMediaError:
    """What to tell of numbered pictures that nobody called a film."""
    return NotMediaError(
        f"a folder of {count} pictures; if they are the frames of a film, say how many are shown a "
        "second: --frames-fps 25, or a column fps in a manifest",
        path=folder,
        remedy="photographs are not analysed",
    )


def still_picture(path: object) -> NotMediaError:
    """What to tell of a picture that does not move, given by itself."""
    return NotMediaError(
        "a still picture",
        path=path,
        remedy="numbered pictures of a film go into a folder of their own: give that folder, and "
        "--frames-fps 25 or how many are shown a second",
    )


def exact_rate(fps: float) -> Fraction:
    """A rate as people write it, as the fraction that is meant.

    >>> exact_rate(29.97), exact_rate(30000 / 1001), exact_rate(0.1)
    (Fraction(2997, 100), Fraction(30000, 1001), Fraction(1, 10))
    """
    return Fraction(fps).limit_denominator(1001)


def numbered_pictures(folder: Path) -> tuple[Numbered, ...]:
    """The pictures of a film in the order of their numbers.

    Raises:
        InputError: the folder or a picture may not be read.
        DecodeError: it is not clear which pictures belong to the film, or in which order.
    """
    try:
        with os.scandir(folder) as entries:
            found = sorted((e.name, e.stat()) for e in entries if is_picture(e.name))
    except OSError as err:
        raise InputError(
            f"cannot be listed: {err.strerror}", path=folder, remedy="check its permissions"
        ) from err
    pictures: dict[int, Numbered] = {}
    series: Counter[tuple[str, str]] = Counter()
    for name, status in found:
        stem, _ = os.path.splitext(name)
        match = _NUMBER.fullmatch(stem)
        if match is None:
            raise _unclear(folder, f"the picture {name!r} has no number")
        number = int(match[2])
        series[match[1], _KINDS[_ending(name)]] += 1
        if number in pictures and len(series) == 1:
            raise _unclear(folder, f"{pictures[number].path.name!r} and {name!r} have one number")
        pictures[number] = Numbered(path=folder / name, number=number, status=status)
    if len(series) > 1:
        names = ", ".join(f"{prefix}*{ending}" for prefix, ending in sorted(series)[:3])
        raise _unclear(folder, f"pictures of several series: {names}")
    if not pictures:
        raise NotMediaError(
            "no numbered pictures in this folder", path=folder, remedy="check the path"
        )
    return tuple(pictures[number] for number in sorted(pictures))


def _unclear(folder: Path, what: str) -> DecodeError:
    return DecodeError(
        what,
        path=folder,
        remedy="a film is one folder of pictures of one kind, alike in name but for the number",
    )


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()
