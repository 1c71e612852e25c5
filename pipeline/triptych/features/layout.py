"""Where the entries of a store lie, and what tells when one was last used.

    ROOT/<2 hex>/<kind>-<32 hex>.safetensors     an entry
    ROOT/<2 hex>/<kind>-<32 hex>.damaged         an entry that was found to be damaged
    ROOT/<2 hex>/.part-<12 hex>-<name>           a file that is being written
    ROOT/.jobs/<32 hex>.json                     a run that is at work

An entry's modification time says when it was last used: file systems are seldom mounted so that
they keep the time of each reading themselves.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from triptych.cache import cache_dir

__all__ = ["DAMAGED", "ENTRY", "USE_GRAIN_S", "default_root", "entry_path", "kind_of", "mark_used"]

ENTRY, DAMAGED = ".safetensors", ".damaged"
USE_GRAIN_S = 3600.0  #: an entry's time of use may be this much too old


def default_root() -> Path:
    """Folder of the store that all runs of this user share."""
    return cache_dir() / "features"


def entry_path(root: Path, key: str) -> Path:
    """Where the entry `key` is, or would be."""
    return root / key.rsplit("-", 1)[-1][:2] / f"{key}{ENTRY}"


def kind_of(key: str) -> str:
    """What a key names: the part before its digest.

    >>> kind_of("image_labels-0123456789abcdef0123456789abcdef")
    'image_labels'
    """
    return key.rpartition("-")[0]


def mark_used(path: Path, status: os.stat_result) -> None:
    """Note that an entry was used now, at most once in `USE_GRAIN_S`.

    Args:
        path: the entry.
        status: of the file that was read.
    """
    if 0 <= time.time() - status.st_mtime < USE_GRAIN_S:
        return
    # It may be pruned by now. And a store that one may only read is pruned by others, if at all:
    # readers have no say in it, and a run must not end or complain because of that.
    with contextlib.suppress(OSError):
        os.utime(path)
