"""Writing files whole or not at all, and saying so when the disk will not have them."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from triptych.errors import OutputError

__all__ = ["is_disk_trouble", "published", "remove", "write_bytes", "write_text"]

_DISK = frozenset({errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EFBIG})


def is_disk_trouble(err: BaseException) -> bool:
    """Whether an error says that the output disk is full or cannot be written to."""
    return isinstance(err, OutputError) or (isinstance(err, OSError) and err.errno in _DISK)


def _cannot_write(path: Path, err: OSError) -> OutputError:
    full = err.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return OutputError(
        f"cannot write: {os.strerror(err.errno) if err.errno else err}",
        path=path,
        remedy="free some space, then run again: finished videos are not done twice"
        if full
        else "choose a folder that can be written to with --out",
    )


@contextlib.contextmanager
def published(path: Path) -> Iterator[Path]:
    """Yield an empty scratch file beside `path`; it becomes `path` whole, or not at all.

    Raises:
        OutputError: the disk is full, read-only, or the folder cannot be made.
    """
    scratch = path.with_name(f".part-{uuid4().hex[:12]}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.touch()
    except OSError as err:
        raise _cannot_write(path, err) from err
    try:
        yield scratch
        try:
            with scratch.open("rb+") as file:
                os.fsync(file.fileno())
            scratch.replace(path)
        except OSError as err:
            raise _cannot_write(path, err) from err
    except OSError as err:
        # Only what the disk says of itself: any other OSError has its own reason.
        if is_disk_trouble(err) and not isinstance(err, OutputError):
            raise _cannot_write(path, err) from err
        raise
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    with published(path) as scratch:
        try:
            scratch.write_bytes(data)
        except OSError as err:
            raise _cannot_write(path, err) from err


def write_text(path: Path, text: str, *, errors: str = "replace", bom: bool = False) -> None:
    """Write UTF-8 with Unix line ends, whole or not at all.

    Args:
        path: the file.
        text: its content; may hold the lone surrogates of undecodable file names.
        errors: what becomes of those. JSON keeps them with "backslashreplace".
        bom: start with a byte order mark, for programs that otherwise guess a code page.

    Raises:
        OutputError: it cannot be written.
    """
    data = text.encode("utf-8", errors)
    write_bytes(path, b"\xef\xbb\xbf" + data if bom else data)


def remove(path: Path) -> None:
    """Delete a file of an earlier run, if there is one.

    Raises:
        OutputError: it is there and stays.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as err:
        raise _cannot_write(path, err) from err
