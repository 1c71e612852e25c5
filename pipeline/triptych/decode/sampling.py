"""Which frames to take: functions of presentation times, never of indices and rates.

    sample_of("uniform:16")  # or Uniform(16): 16 frames, spread evenly

Each policy is a value; `times` of it are the moments of a film whose pictures are wanted.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from triptych.errors import UsageError
from triptych.records import Times as Seconds

__all__ = [
    "TOLERANCE_S",
    "Every",
    "Film",
    "Fps",
    "Keyframes",
    "Policy",
    "Shots",
    "Times",
    "Uniform",
    "Windows",
    "nearest_frames",
    "sample_of",
]

# Times are sums of rationals rounded to doubles; a frame that starts within a microsecond of
# the wanted time is the frame on screen then.
TOLERANCE_S = 1e-6


def nearest_frames(pts_s: Seconds, wanted_s: Seconds) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Index of the frame on screen at each wanted time (the first frame for earlier times).

    >>> nearest_frames(np.array([0.0, 1.0, 5.0]), np.array([0.0, 4.9, 9.0]))
    array([0, 1, 2])

    Raises:
        ValueError: there are no frames.
    """
    if not len(pts_s):
        raise ValueError("no frames to sample from")
    right = np.searchsorted(pts_s, wanted_s + TOLERANCE_S, side="right")
    return np.clip(right - 1, 0, None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Film:
    """What the times of packets tell of a film, in seconds on the container's clock."""

    start_s: float  #: the part that is looked at begins with this frame
    end_s: float  #: and ends here
    origin_s: float = 0.0  #: where players say 0:00
    keys_s: tuple[float, ...] = ()  #: when the frames appear that the container calls key frames


class Policy(Protocol):
    """A way to choose frames."""

    def times(self, film: Film) -> Seconds:
        """Wanted times, increasing: within the film, or before its first frame."""
        ...


@dataclass(frozen=True, slots=True)
class Fps:
    """So many a second, from the start."""

    fps: float

    def __post_init__(self) -> None:
        _check(0 < self.fps < math.inf, f"{self.fps} frames a second", "a number above 0")

    def times(self, film: Film) -> Seconds:
        """See `Policy`."""
        return _within(film, film.start_s + _count(film, 1 / self.fps) / self.fps)


@dataclass(frozen=True, slots=True)
class Every:
    """One every so many seconds, from the start."""

    seconds: float

    def __post_init__(self) -> None:
        _check(0 < self.seconds < math.inf, f"every {self.seconds} s", "a number above 0")

    def times(self, film: Film) -> Seconds:
        """See `Policy`."""
        return _within(film, film.start_s + _count(film, self.seconds) * self.seconds)


@dataclass(frozen=True, slots=True)
class Uniform:
    """So many in all: the middle of each of as many equal parts."""

    count: int

    def __post_init__(self) -> None:
        _check(self.count > 0, f"{self.count} frames", "a whole number above 0")

    def times(self, film: Film) -> Seconds:
        """See `Policy`."""
        return _middles(film.start_s, film.end_s, self.count)


@dataclass(frozen=True, slots=True)
class Keyframes:
    """Those that the container calls key frames."""

    def times(self, film: Film) -> Seconds:
        """See `Policy`."""
        return _within(film, np.unique(np.array(film.keys_s, np.float64)))


@dataclass(frozen=True, slots=True)
class Times:
    """Given moments, in seconds from where players say 0:00."""

    times_s: tuple[float, ...]

    def __post_init__(self) -> None:
        fine = bool(self.times_s) and all(0 <= t < math.inf for t in self.times_s)
        _check(fine, f"the times {self.times_s}", "one or more numbers, 0 or above")

    def times(self, film: Film) -> Seconds:
        """See `Policy`."""
        return _within(film, np.unique(film.origin_s + np.array(self.times_s, np.float64)))


@dataclass(frozen=True, slots=True)
class Shots:
    """So many of each shot: the middle of each of as many equal parts of it."""

    per_shot: int
    cuts_s: tuple[float, ...] | None = None  #: where shots begin, on the container's clock

    def __post_init__(self) -> None:
        _check(self.per_shot > 0, f"{self.per_shot} frames a shot", "a whole number above 0")

    def times(self, film: Film) -> Seconds:
        """See `Policy`.

        Raises:
            UsageError: nobody said where the cuts are.
        """
        if self.cuts_s is None:
            raise UsageError(
                "where the shots begin is not known",
                remedy="give Shots its cuts_s, as triptych.extract.cuts.find_cuts finds them",
            )
        inner = {c for c in self.cuts_s if film.start_s < c < film.end_s}
        edges = [film.start_s, *sorted(inner), film.end_s]
        parts = [_middles(a, b, self.per_shot) for a, b in itertools.pairwise(edges)]
        return np.unique(np.concatenate(parts))


@dataclass(frozen=True, slots=True)
class Windows:
    """Stretches of time that may overlap, the same number of frames in each."""

    length_s: float
    stride_s: float  #: from the start of one to that of the next
    frames: int  #: in each: the middle of as many equal parts

    def __post_init__(self) -> None:
        lengths = 0 < self.length_s < math.inf and 0 < self.stride_s < math.inf
        given = f"windows of {self.length_s} s every {self.stride_s} s with {self.frames} frames"
        _check(lengths and self.frames > 0, given, "numbers above 0")

    def grid(self, film: Film) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """Wanted times of each window, (windows, frames); `nearest_frames` finds their frames.

        A window that the film ends in is left out, unless it is the first.
        """
        room = film.end_s - film.start_s - self.length_s
        count = 1 + max(0, math.floor(room / self.stride_s + TOLERANCE_S))
        begins = film.start_s + np.arange(count) * self.stride_s
        inner = _middles(0.0, min(self.length_s, film.end_s - film.start_s), self.frames)
        return begins[:, None] + inner[None, :]

    def times(self, film: Film) -> Seconds:
        """See `Policy`."""
        return np.unique(self.grid(film))


def _check(fine: bool, given: str, allowed: str) -> None:
    if not fine:
        raise UsageError(f"{given} cannot be sampled", remedy=f"give {allowed}")


def _within(film: Film, times: Seconds) -> Seconds:
    return times[times + TOLERANCE_S < film.end_s]


def _count(film: Film, step_s: float) -> Seconds:
    count = max(0, math.ceil((film.end_s - film.start_s) / step_s) + 1)
    return np.arange(count, dtype=np.float64)


def _middles(begin: float, end: float, count: int) -> Seconds:
    return begin + (np.arange(count, dtype=np.float64) + 0.5) * (max(0.0, end - begin) / count)


_WORDS: dict[str, tuple[str, Callable[[Sequence[str]], Policy]]] = {
    "fps": ("fps:1", lambda a: Fps(*map(float, a))),
    "every": ("every:2 (seconds)", lambda a: Every(*map(float, a))),
    "uniform": ("uniform:16 (frames)", lambda a: Uniform(*map(int, a))),
    "keyframes": ("keyframes", lambda a: Keyframes(*a)),
    "times": ("times:1,2.5 (seconds)", lambda a: Times(tuple(map(float, ",".join(a).split(","))))),
    "shots": ("shots:2 (frames a shot)", lambda a: Shots(_one(a))),
    "windows": ("windows:4/2/8 (length and stride in seconds, frames)", lambda a: _windows(a)),
}


def sample_of(words: str) -> Policy:
    """The policy that somebody typed.

    >>> sample_of("windows:4/2/8")
    Windows(length_s=4.0, stride_s=2.0, frames=8)
    >>> sample_of("keyframes")
    Keyframes()

    Raises:
        UsageError: no such policy, or not its numbers.
    """
    name, colon, rest = words.strip().partition(":")
    if name not in _WORDS:
        known = ", ".join(example for example, _ in _WORDS.values())
        raise UsageError(f"{words!r} is no way to sample frames", remedy=f"one of {known}")
    example, make = _WORDS[name]
    try:
        return make([rest] if colon else [])
    except UsageError as err:
        raise UsageError(f"{words!r}: {err.message}", remedy=f"{err.remedy}, as {example}") from err
    except (TypeError, ValueError) as err:
        raise UsageError(f"{words!r} cannot be read", remedy=f"write it as {example}") from err


def _one(given: Sequence[str]) -> int:
    (text,) = given
    return int(text)


def _windows(given: Sequence[str]) -> Windows:
    (text,) = given
    length, stride, frames = text.split("/")
    return Windows(float(length), float(stride), int(frames))
