"""Where Triptych keeps things between runs."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

from triptych import atomic
from triptych.errors import ResourceError

__all__ = ["cache_dir", "cache_trouble", "published"]


def cache_dir() -> Path:
    """`$TRIPTYCH_CACHE`, else the platform's cache folder."""
    if named := os.environ.get("TRIPTYCH_CACHE"):
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "triptych"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "triptych" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "triptych"


def cache_trouble() -> str:
    """Why nothing can be kept between runs; empty when all is well."""
    try:
        cache_dir().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache_dir()):
            return ""
    except OSError as err:
        return err.strerror or str(err)


def published(path: Path) -> AbstractContextManager[Path]:
    """A scratch file beside `path` that becomes `path` whole, or not at all.

    Raises:
        ResourceError: the folder cannot be written to, or the disk is full.
    """
    return atomic.published(path, _cannot_keep)


def _cannot_keep(path: Path, err: OSError) -> ResourceError:
    return ResourceError(
        f"cannot write: {err.strerror or err}",
        path=path.parent,
        remedy="free some space, or point TRIPTYCH_CACHE at a folder you can write to",
    )
