"""Numbers of things, and sizes, as people write them; standard library only."""

from __future__ import annotations

__all__ = ["counted", "sized"]


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
