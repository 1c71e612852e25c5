"""What all layouts have in common."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from triptych import atomic
from triptych.errors import OutputError
from triptych.extract.registry import track_modalities
from triptych.records import Modality
from triptych.share.collect import Video

__all__ = ["Layout", "known_tracks", "published"]


class Layout:
    """One way to lay features out in files. Most hold any tracks of any video."""

    package = ""  #: that it needs, beyond what Triptych itself does

    def tracks(self, asked: Sequence[str] | None) -> Sequence[str] | None:
        """The tracks to read; None for all.

        Raises:
            UsageError: the layout cannot hold these.
        """
        return asked

    def unfit(self, video: Video) -> str:
        """Why it cannot hold a video; empty when it can."""
        return ""

    def write(self, videos: Iterable[Video], target: Path) -> Iterator[Path]:
        """Write the videos into the folder `target`; yield each file when it is whole.

        Raises:
            OutputError: the disk is full or read-only.
        """
        raise NotImplementedError


def known_tracks() -> dict[str, Modality]:
    """Names of all tracks that an extractor can make, and what each is about."""
    return track_modalities()


def published(path: Path) -> AbstractContextManager[Path]:
    """A scratch file beside `path` that becomes `path` whole, or not at all.

    Raises:
        OutputError: the disk is full, read-only, or the folder cannot be made.
    """
    return atomic.published(path, _cannot_write)


def _cannot_write(path: Path, err: OSError) -> OutputError:
    return OutputError(
        f"cannot write: {os.strerror(err.errno) if err.errno else err}",
        path=path,
        remedy="free some space, or choose a folder that you may write to",
    )
