"""The name of a stored entry: a digest of everything that could change its bytes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triptych.errors import InputError, NotMediaError

__all__ = ["DECODE_VERSION", "LAYOUT", "digest_of", "entry_key", "file_digest", "status_of"]

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

LAYOUT = 1  #: of stored entries; raised when their meaning changes
DECODE_VERSION = 4  #: raised when decoding changes what extractors are given


def digest_of(recipe: Mapping[str, Any]) -> str:
    """sha256 of plain data, whatever the order of its keys.

    >>> digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    True
    """
    text = json.dumps(recipe, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: str | os.PathLike[str]) -> str:
    """sha256 of a file's content, read in bounded pieces.

    Raises:
        InputError: the file is missing or may not be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as err:
        raise InputError(
            f"cannot read: {err.strerror}", path=path, remedy="check the path and its permissions"
        ) from err


def status_of(path: Path) -> os.stat_result:
    """What the system knows of a regular file.

    Raises:
        InputError: it is missing, or may not be read.
        NotMediaError: it is no regular file, or a link to nothing.
    """
    try:
        status = path.stat()
    except OSError as err:
        if path.is_symlink() and err.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise NotMediaError(
                f"a link that leads nowhere: to {os.readlink(path)}: {err.strerror}",
                path=path,
                remedy="mend the link, or mount the disk that it leads to",
                stage="read",
            ) from err
        raise InputError(
            f"cannot read: {err.strerror}", path=path, remedy="check the path and its permissions"
        ) from err
    if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
        what = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise NotMediaError(f"{what}, not a file", path=path, remedy="give a file", stage="read")
    return status


def entry_key(name: str, media_sha256: str, recipe: Mapping[str, Any]) -> str:
    """Name of what `name` makes of one file's content under one recipe."""
    full = {"media": media_sha256, "recipe": dict(recipe), "layout": LAYOUT}
    return f"{name}-{digest_of(full)[:32]}"
