"""Writing files whole or not at all, and saying so when the disk will not have them."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path

from triptych import atomic
from triptych.errors import OutputError

__all__ = ["published", "remove", "write_bytes", "write_text"]


def _cannot_write(path: Path, err: OSError) -> OutputError:
    return OutputError(
        f"cannot write: {os.strerror(err.errno) if err.errno else err}",
        path=path,
        remedy="free some space, then run again: finished videos are not done twice"
        if atomic.is_full(err)
        else "choose a folder that can be written to with --out",
    )


def published(path: Path) -> AbstractContextManager[Path]:
    """A scratch file beside `path` that becomes `path` whole, or not at all.

    Raises:
        OutputError: the disk is full, read-only, or the folder cannot be made.
    """
    return atomic.published(path, _cannot_write)


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
