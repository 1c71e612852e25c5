"""Whether memory is what was missing: ffmpeg often calls that damage."""

from __future__ import annotations

import numpy as np

from triptych.errors import ResourceError

__all__ = ["check_memory"]

# So much must be free for a failure to be the film's fault: a few pictures of its size, and no
# more than a false claim of that size may ask for.
_PIXEL_BYTES, _LEAST_BYTES, _MOST_BYTES = 8, 32_000_000, 512_000_000


def check_memory(pixels: int = 0) -> None:
    """Look whether there is room for a few more pictures.

    Args:
        pixels: of one picture, if there are any.

    Raises:
        ResourceError: there is none.
    """
    try:
        np.empty(min(max(pixels * _PIXEL_BYTES, _LEAST_BYTES), _MOST_BYTES), np.uint8)
    except MemoryError as err:
        raise ResourceError(
            "memory ran out",
            remedy="run again with --workers 1, give this machine more memory, or raise "
            "runner.memory_limit_mb if it is set",
        ) from err
