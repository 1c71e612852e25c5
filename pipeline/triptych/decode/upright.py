"""Pictures as they are to be seen: turned and mirrored the way the display matrix asks for."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer

from triptych.records import Pixels

__all__ = ["Stand", "stand_of", "upright"]

# What PNG's decoder makes. It names colour profiles beside them, and PyAV (18.1) frees such a name
# twice as soon as anything beside the picture is looked at: the process dies.
_OF_PNG = frozenset(
    ("rgb24", "rgba", "pal8", "gray", "ya8", "monob", "rgb48be", "rgba64be", "gray16be", "ya16be")
)

#: Quarter turns counter-clockwise, and whether left and right change places after them.
Stand = tuple[int, bool]


def stand_of(frame: av.VideoFrame) -> Stand:
    """How a decoded frame is to be turned and mirrored; of a PNG's mirroring nothing is known."""
    if frame.format.name in _OF_PNG:
        return (round(frame.rotation / 90) % 4, False)
    try:
        # Not `frame.side_data`: frame and data would keep each other until the next collection.
        data = bytes(SideDataContainer(frame)["DISPLAYMATRIX"])  # type: ignore[call-arg]
        matrix = struct.unpack("=9i", data[:36])
    except KeyError:
        return (0, False)
    except (ValueError, struct.error):  # beside it stands what this PyAV has no name for
        return (round(frame.rotation / 90) % 4, False)
    return _stand((matrix[0], matrix[1], matrix[3], matrix[4]))


def _stand(matrix: Sequence[int]) -> Stand:
    """The nearest of eight, for a matrix with x' = a x + c y, y' = b x + d y, y downwards.

    >>> _stand((0, 1, -1, 0)), _stand((-1, 0, 0, 1))
    ((3, False), (0, True))
    """
    a, b, c, d = matrix
    mirrored = a * d < b * c
    clockwise = math.degrees(math.atan2(b, -a if mirrored else a))
    return round(-clockwise / 90) % 4, mirrored


def upright(pixels: Pixels, stand: Stand) -> Pixels:
    """Turn decoded pixels (H, W) or (H, W, 3) and mirror them."""
    turns, mirrored = stand
    if turns:
        pixels = np.rot90(pixels, turns)
    if mirrored:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
