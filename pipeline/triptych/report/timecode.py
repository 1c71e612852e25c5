"""Frame numbers and timecodes as editing systems count them.

At 29.97 and 59.94 frames a second, hours made of 30 or 60 frames a second run 3.6 s slow. Drop
frame leaves out numbers (no frames): 2, or 4, in every minute but each tenth.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

__all__ = ["Timecode", "editing_rate"]

_NTSC = [Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60, 120)]
_RATES = [*_NTSC, *map(Fraction, (24, 25, 30, 48, 50, 60, 100, 120))]
_NEAR = 0.01  # averages of phones' films, whose rate varies, lie a little beside
_OF_SOUND = Fraction(25)
_FORM = re.compile(r"(\d{2}):(\d{2}):(\d{2})([:;.])(\d{2,3})")


def editing_rate(fps: float | None) -> Fraction:
    """Frames a second of a timeline for a film; sound alone has 25.

    >>> editing_rate(29.97003), editing_rate(29.93), editing_rate(12.5), editing_rate(None)
    (Fraction(30000, 1001), Fraction(30000, 1001), Fraction(12, 1), Fraction(25, 1))
    """
    if not fps or not fps > 0:
        return _OF_SOUND
    nearest = min(_RATES, key=lambda rate: abs(float(rate) - fps))
    if abs(float(nearest) - fps) <= _NEAR * fps:
        return nearest
    return Fraction(max(1, round(fps)))


@dataclass(frozen=True, slots=True)
class Timecode:
    """How frames are numbered, and the number that a film begins with."""

    rate: Fraction
    drop: bool  #: frame numbers are left out, so that timecodes follow the clock
    first: int = 0  #: number of the film's first frame

    @classmethod
    def of(cls, rate: Fraction, written: str = "") -> Self:
        """Timecodes that begin with a film's own, if it has one.

        Without one they begin at zero, and leave numbers out where that is possible, as editing
        systems do with such films.

        Args:
            rate: frames a second.
            written: what the film says, "01:00:00;00"; anything else counts as nothing.
        """
        can_drop = rate.denominator == 1001 and round(rate) % 30 == 0
        found = _FORM.fullmatch(written.strip())
        if not found:
            return cls(rate, can_drop)
        hours, minutes, seconds, frame = (int(found[i]) for i in (1, 2, 3, 5))
        drop = can_drop and found[4] != ":"
        base = round(rate)
        number = ((hours * 60 + minutes) * 60 + seconds) * base + frame
        if drop:
            whole = hours * 60 + minutes
            number -= base // 15 * (whole - whole // 10)
        return cls(rate, drop, number)

    def frame(self, time_s: float) -> int:
        """Number of the frame nearest to a time since the film's first one, which is 0."""
        return round(Fraction(time_s) * self.rate)

    def text(self, frame: int) -> str:
        """A frame number, counted from zero, as timecode; after 24 hours it begins anew.

        >>> Timecode(Fraction(30000, 1001), True).text(17982)
        '00:10:00;00'
        >>> Timecode(Fraction(25), False).text(25 * 61)
        '00:01:01:00'
        """
        base = round(self.rate)
        if self.drop:
            out = base // 15
            tens, rest = divmod(frame, base * 600 - 9 * out)
            frame += 9 * out * tens + out * max(0, (rest - out) // (base * 60 - out))
        frame %= base * 86_400
        seconds, part = divmod(frame, base)
        digits = 3 if base > 100 else 2
        clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return f"{clock}{';' if self.drop else ':'}{part:0{digits}}"
