"""Arrays by what they hold, and checks of them."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Floats", "Mask", "Pixels", "Times", "check", "check_pictures"]

Floats = npt.NDArray[np.float32]
Times = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


def check(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def check_pictures(pixels: Pixels, pts_s: Times, *, axes: Literal[3, 4]) -> None:
    check(
        pixels.ndim == axes and pixels.shape[3:] in ((), (3,)) and len(pixels) == len(pts_s),
        f"{pixels.shape = } does not fit {pts_s.shape = }",
    )
    check(
        len(pts_s) < 2 or bool((np.diff(pts_s) > 0).all()),
        "pts_s must increase: frames out of order",
    )
