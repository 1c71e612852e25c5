"""Where the shots of a film begin, for those who sample by shots."""

from __future__ import annotations

import os
from typing import Literal

from triptych.decode import open_media
from triptych.extract.drive import extract
from triptych.extract.shots import shots_of

__all__ = ["find_cuts"]


def find_cuts(
    path: str | os.PathLike[str],
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    frames_fps: float | None = None,
    detector: Literal["shots", "transnet"] = "shots",
) -> tuple[float, ...]:
    """Times of cuts in seconds on the container's clock, to a quarter of a second or a frame.

        media.stream(sample=Shots(2, find_cuts(path)))

    Args:
        path: a film; of a file without pictures there are none.
        start_s: look from here on, on the container's clock.
        end_s: and before this time.
        frames_fps: pictures a second, if the film is a folder of numbered pictures.
        detector: `transnet` finds them to a frame, and takes far longer.

    Raises:
        InputError: the file is missing or unreadable.
        DecodeError: nothing of it can be decoded.
        WeightsError: what the detector needs is not installed.
    """
    with open_media(path, frames_fps=frames_fps) as media:
        shots = shots_of(extract(media, [detector], start_s=start_s, end_s=end_s)[detector])
    return tuple(shot.start_s for shot in shots[1:])
