"""The name of a stored entry: a digest of everything that could change its bytes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.errors import InputError, NotMediaError
from triptych.numbered import (
    are_numbered,
    exact_rate,
    is_picture,
    not_said,
    numbered_pictures,
)

__all__ = [
    "DECODE_VERSION",
    "LAYOUT",
    "EntryKey",
    "FolderStatus",
    "changed_ns",
    "digest_of",
    "entry_key",
    "file_digest",
    "folder_status",
    "media_digest",
    "state_of",
    "status_of",
]

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

LAYOUT = 1  #: of stored entries; raised when their meaning changes
DECODE_VERSION = 5  #: raised when decoding changes what extractors are given


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


def media_digest(path: Path, *, frames_fps: float | None = None) -> str:
    """sha256 of what is decoded: of a file's content, or of pictures, their order and rate.

    Args:
        path: the file, or a folder of numbered pictures.
        frames_fps: pictures a second of such a folder.

    Raises:
        InputError: something is missing or may not be read.
        DecodeError: it is not clear which pictures belong to the film.
    """
    if frames_fps is None or not path.is_dir():
        return file_digest(path)
    pictures = numbered_pictures(path)
    whole = hashlib.sha256(f"frames {exact_rate(frames_fps)}\n".encode())
    for picture in pictures:
        number = picture.number - pictures[0].number
        whole.update(f"{number} {file_digest(picture.path)}\n".encode())
    return whole.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderStatus:
    """What the system knows of the pictures of a film."""

    size: int  #: bytes, of all
    state: str  #: changes when one of them does
    changed_ns: int  #: when that was last


def folder_status(folder: Path) -> FolderStatus:
    """What the system knows of a folder's numbered pictures.

    Raises:
        InputError: the folder may not be read.
        DecodeError: it is not clear which pictures belong to the film.
    """
    pictures = numbered_pictures(folder)
    every = [(p.path.name, state_of(p.status)) for p in pictures]
    return FolderStatus(
        size=sum(p.status.st_size for p in pictures),
        state=hashlib.sha256(repr(every).encode()).hexdigest(),
        changed_ns=max(changed_ns(p.status) for p in pictures),
    )


def state_of(status: os.stat_result) -> str:
    """What changes when a file does. As text: sqlite's whole numbers end at 63 bits."""
    return ":".join(
        str(number)
        for number in (
            status.st_dev,
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
        )
    )


def changed_ns(status: os.stat_result) -> int:
    """When a file was changed last, as far as the system knows."""
    return max(status.st_mtime_ns, status.st_ctime_ns)


def status_of(path: Path) -> os.stat_result:
    """What the system knows of a regular file.

    Raises:
        InputError: it is missing, or may not be read.
        NotMediaError: it is no regular file, or a link to nothing.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode) and are_numbered(names := os.listdir(path)):
            raise not_said(path, sum(map(is_picture, names)))
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


class EntryKey(str):
    """The name of an entry, with what it is a digest of, which the store writes into the entry."""

    made_of: Mapping[str, Any]


def entry_key(name: str, media_sha256: str, recipe: Mapping[str, Any]) -> EntryKey:
    """Name of what `name` makes of one file's content under one recipe."""
    full = {"media": media_sha256, "recipe": dict(recipe), "layout": LAYOUT}
    key = EntryKey(f"{name}-{digest_of(full)[:32]}")
    key.made_of = full
    return key
