"""Where the shots of a film begin, for those who sample by shots."""

from __future__ import annotations

import os

from triptych.decode import open_media
from triptych.extract.drive import extract
from triptych.extract.shots import shots_of

__all__ = ["find_cuts"]

_FPS, _SHORT_SIDE = 4.0, 64  # a cut is found to a quarter of a second


def find_cuts(path: str | os.PathLike[str]) -> tuple[float, ...]:
    """Times of cuts in seconds on the container's clock, from a look at small frames.

        media.stream(sample=Shots(2, find_cuts(path)))

    Args:
        path: a film; of a file without pictures there are none.

    Raises:
        InputError: the file is missing or unreadable.
        DecodeError: nothing of it can be decoded.
    """
    with open_media(path) as media:
        options = {"fps": _FPS, "short_side": _SHORT_SIDE}
        shots = shots_of(extract(media, ["shots"], **options)["shots"])
    return tuple(shot.start_s for shot in shots[1:])
