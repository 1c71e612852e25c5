"""Items through a network, in batches as large as the memory allows."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from triptych.errors import ResourceError
from triptych.records import Floats

__all__ = ["Batches", "Items", "Rows", "is_out_of_memory", "noise"]

log = logging.getLogger(__name__)

#: What a network takes, one after the other along the first axis: pictures, clips, windows.
Items: TypeAlias = npt.NDArray[Any]
Rows: TypeAlias = tuple[Floats, ...]

# torch's allocator for the CPU, OpenVINO's (whose errors have no class of their own), C++'s.
_FULL = re.compile(
    r"can't alloc|Check 'ptr' failed|bad_alloc|not enough memory|out of memory", re.IGNORECASE
)


class Batches:
    """A network that is given a few items at a time; when the memory is full, half as many."""

    def __init__(
        self,
        run: Callable[[Items], Rows],
        *,
        size: int,
        remedy: str,
        padded: bool = False,
        free: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin with the largest batches.

        Args:
            run: rows (B, ...) of items (B, ...), B up to `size`.
            size: items of a batch; what was too large once is not tried again.
            remedy: for who has too little memory for one item.
            padded: smaller batches are filled up with zeros: then rows do not depend on how many
                items there are.
            free: lets go of what a failed attempt still holds.
        """
        self._run, self.size = run, size
        self._remedy, self._padded, self._free = remedy, padded, free

    def __call__(self, items: Items) -> Rows:
        """Rows of all items; none are one empty batch.

        Raises:
            ResourceError: the memory is too small for one item.
        """
        parts: list[Rows] = []
        done = 0
        while done < len(items) or not parts:
            batch = items[done : done + self.size]
            try:
                parts.append(self._rows(batch))
                done += len(batch)
                continue
            except Exception as err:
                if not is_out_of_memory(err):
                    raise
                said = str(err).strip().split("\n")[-1]
            # Here, where the error no longer holds on to what is to be freed.
            self._free()
            if self.size == 1:
                raise ResourceError(
                    f"the memory is too small for a network: {said}", remedy=self._remedy
                )
            self.size //= 2
            log.warning("the memory is full: batches of %d from now on", self.size)
        if len(parts) == 1:
            return parts[0]
        return tuple(np.concatenate(each) for each in zip(*parts, strict=True))

    def _rows(self, batch: Items) -> Rows:
        if not self._padded or len(batch) == self.size:
            return self._run(batch)
        filled = np.zeros((self.size, *batch.shape[1:]), batch.dtype)
        filled[: len(batch)] = batch
        return tuple(rows[: len(batch)] for rows in self._run(filled))


def is_out_of_memory(err: Exception) -> bool:
    """Whether memory of this machine or of its GPU ran out, whoever says so."""
    torch = sys.modules.get("torch")  # who has not imported it cannot have raised its errors
    if isinstance(err, MemoryError) or (torch and isinstance(err, torch.OutOfMemoryError)):
        return True
    return isinstance(err, RuntimeError) and bool(_FULL.search(str(err)))


def noise(shape: tuple[int, ...], dtype: Any) -> Items:
    """Items to try a network with, the same each time."""
    random = np.random.default_rng(0)
    if np.issubdtype(dtype, np.integer):
        return random.integers(0, 256, shape, dtype)
    return random.standard_normal(shape).astype(dtype)
