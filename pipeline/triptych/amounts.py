"""Numbers of things, and sizes, as people write them; standard library only."""

from __future__ import annotations

import re

from triptych.errors import UsageError

__all__ = ["bytes_of", "counted", "sized"]

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def counted(count: float, one: str, many: str = "") -> str:
    """A number with what it counts.

    >>> counted(1, "video"), counted(2, "video"), counted(12_000, "video")
    ('1 video', '2 videos', '12,000 videos')
    >>> counted(1, "entry is", "entries are")
    '1 entry is'

    Args:
        count: how many; a whole number.
        one: the words for a single one.
        many: the words for any other number; empty: `one` with an s.
    """
    return f"{count:,.0f} {one if count == 1 else many or f'{one}s'}"


def sized(size: int) -> str:
    """Bytes in a decimal unit that keeps the figure short.

    >>> sized(5_300_000), sized(12), sized(999_700)
    ('5.3 MB', '12 B', '1.0 MB')
    """
    value, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"


def bytes_of(size: str) -> int:
    """A size in words as bytes.

    Raises:
        UsageError: it is no size.

    >>> bytes_of("1.5 GB")
    1500000000
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?B?)\s*", size, re.IGNORECASE)
    unit = found[2].upper().removesuffix("B") + "B" if found and found[2] else ""
    if not found:
        raise UsageError(f"{size!r} is no size", remedy="give one like 500MB or 20GB")
    return int(float(found[1]) * _UNITS[unit])
