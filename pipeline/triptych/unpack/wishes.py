"""What somebody wants of a film: which frames, how exact, which files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from triptych.errors import UsageError

__all__ = [
    "PICTURES",
    "PRECISIONS",
    "SOUNDS",
    "PictureKind",
    "Precision",
    "SoundKind",
    "Wishes",
    "check_sample",
]

PictureKind = Literal["jpg", "png", "none"]
SoundKind = Literal["wav", "flac", "none"]
Precision = Literal["exact", "near", "keyframe"]
PICTURES: tuple[PictureKind, ...] = ("jpg", "png", "none")
SOUNDS: tuple[SoundKind, ...] = ("wav", "flac", "none")
PRECISIONS: tuple[Precision, ...] = ("exact", "near", "keyframe")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is written of each file."""

    frames: PictureKind = "jpg"
    sound: SoundKind = "wav"
    spectrogram: bool = True
    sample: str = "fps:1"  #: which frames, see `triptych.decode.sampling`
    precision: Precision = "exact"
    tolerance_s: float = 0.5  #: how far from the wanted time a frame may be, with "near"
    short_side: int | None = None  #: pixels that frames are scaled down to; None: as they are
    start_s: float | None = None  #: in seconds from the start of the film
    end_s: float | None = None

    def __post_init__(self) -> None:
        for name, known in (
            ("frames", PICTURES),
            ("sound", SOUNDS),
            ("precision", PRECISIONS),
        ):
            if getattr(self, name) not in known:
                raise UsageError(
                    f"{name}: {getattr(self, name)!r} is none of {', '.join(known)}",
                    remedy=f"give --{name} one of them",
                )
        begin = 0.0 if self.start_s is None else self.start_s
        end = math.inf if self.end_s is None else self.end_s
        if not 0 <= begin < end:
            raise UsageError(
                f"--start {begin:g} and --end {end:g} leave nothing between them",
                remedy="give seconds from the start of the film, the end after the start",
            )
        if not 0 <= self.tolerance_s < math.inf:
            raise UsageError("--tolerance must be 0 or more seconds")


def check_sample(words: str, *, planned: bool = False) -> None:
    """Refuse what is no way to sample.

    Args:
        words: as somebody typed them.
        planned: without decoding anything.

    Raises:
        UsageError: there is no such way.
    """
    from triptych.decode.sampling import Shots, sample_of  # which takes numpy

    if isinstance(sample_of(words), Shots) and planned:
        raise UsageError(
            f"{words!r} cannot be planned: where shots begin is known only from the pictures",
            remedy="plan another way to sample, or decode without --plan",
        )
