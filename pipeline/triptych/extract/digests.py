"""Digests of large files of weights, remembered as long as the files look as they did.

As with the digests of videos (`triptych.features.index`): the place on the disk, the size and the
times of a file tell whether it changed. What is remembered only saves reading.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from pathlib import Path

from triptych.cache import cache_dir, published
from triptych.errors import TriptychError, WeightsError

__all__ = ["file_digest", "remembered_digest"]

log = logging.getLogger(__name__)

_GRAIN_S = 2.0  # of the coarsest clock of a file system: a change within it leaves no trace
_SMALL = 1 << 20  # bytes; reading so few takes no longer than remembering them
_known: dict[tuple[str, str], str] = {}


def file_digest(path: Path) -> str:
    """sha256 of a file's content.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as err:
        raise WeightsError(
            f"cannot be read: {err.strerror or err}",
            path=path,
            remedy="check the path and its permissions",
        ) from err


def remembered_digest(path: Path) -> str:
    """The same, without reading a file that has not changed since it was last read.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        real = path.resolve()
        status = real.stat()
    except OSError:
        return file_digest(path)  # says what is wrong
    state = _state(status)
    key = (str(real), state)
    if key in _known:
        return _known[key]
    kept = cache_dir() / "weights" / f"{hashlib.sha256(os.fsencode(real)).hexdigest()[:32]}.json"
    if (digest := _read(kept, state)) is None:
        digest = file_digest(real)
        changed_s = max(status.st_mtime, status.st_ctime)
        if _state(real.stat()) != state or time.time() - changed_s < _GRAIN_S:
            return digest  # it may be changing at this moment
        if status.st_size > _SMALL:
            _keep(kept, {"path": str(real), "state": state, "sha256": digest})
    _known[key] = digest
    return digest


def _state(status: os.stat_result) -> str:
    parts = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return ":".join(map(str, parts))


def _read(kept: Path, state: str) -> str | None:
    try:
        data = json.loads(kept.read_text(encoding="utf-8"))
        return str(data["sha256"]) if data["state"] == state else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(kept: Path, data: dict[str, str]) -> None:
    try:
        with published(kept) as scratch:
            scratch.write_text(json.dumps(data), encoding="utf-8")
    except (OSError, ValueError, TriptychError) as err:
        log.warning("the digest of %s is not kept: %s", data["path"], err)
