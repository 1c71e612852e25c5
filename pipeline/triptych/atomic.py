"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

from triptych import faults
from triptych.errors import TriptychError

__all__ = ["SCRATCH", "Trouble", "is_disk_trouble", "is_full", "published"]

Trouble = Callable[[Path, OSError], TriptychError]

SCRATCH = ".part-"  #: how the names of files begin that are being written
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def is_full(err: OSError) -> bool:
    """Whether an error says that there is no more room."""
    return err.errno in _FULL


def is_disk_trouble(err: BaseException) -> bool:
    """Whether an error says that a disk is full or cannot be written to."""
    return isinstance(err, OSError) and (is_full(err) or err.errno == errno.EROFS)


@contextlib.contextmanager
def published(path: Path, trouble: Trouble) -> Iterator[Path]:
    """Yield an empty scratch file beside `path`; it becomes `path` whole, or not at all.

    Args:
        path: the file; its folder is made if it is not there.
        trouble: makes the error to raise when the disk will not have the file. Other errors
            of the caller's own writing pass as they are.
    """
    scratch = path.with_name(f"{SCRATCH}{uuid4().hex[:12]}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.touch()
        faults.reached("file.begun", path.name)
    except OSError as err:
        raise trouble(path, err) from err
    try:
        yield scratch
        try:
            with scratch.open("rb+") as file:
                os.fsync(file.fileno())
            faults.reached("file.written", path.name)
            scratch.replace(path)
            faults.reached("file.renamed", path.name)
            _sync_folder(path.parent)
        except OSError as err:
            raise trouble(path, err) from err
    except OSError as err:
        if is_disk_trouble(err) and not isinstance(err, TriptychError):
            raise trouble(path, err) from err
        raise
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Have the disk keep a new name, too; some systems and file systems know no such thing."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):  # the file is in place, whatever this says
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
