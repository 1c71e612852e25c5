"""Every error a caller may want to catch, and how the runner decides by type.

TriptychError                    base: message, path, stage, remedy
├── UsageError(ValueError)       the command or its arguments are wrong
├── InputError(OSError)          a file or folder is missing or unreadable
├── DecodeError(ValueError)      the media file is damaged or of an unsupported kind
│   └── NotMediaError            it is no video or sound at all
├── WeightsError(LookupError)    weights are absent, or not the pinned ones
├── OutputError(OSError)         results cannot be written
└── ResourceError(OSError)       disk, memory or a worker was lost; retryable
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

__all__ = [
    "DecodeError",
    "InputError",
    "NotMediaError",
    "OutputError",
    "ResourceError",
    "TriptychError",
    "UsageError",
    "WeightsError",
]


class TriptychError(Exception):
    """Base of all errors that Triptych raises on purpose.

    Args:
        message: what went wrong, without the file's name.
        path: the file or folder it happened to.
        remedy: what the user can do about it.
        stage: the stage it happened in; `events.stage` fills it in when it is empty.
    """

    retryable: ClassVar[bool] = False

    def __init__(
        self, message: str, *, path: object = None, remedy: str = "", stage: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = None if path is None else str(path)
        self.remedy = remedy
        self.stage = stage

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        todo = f" ({self.remedy})" if self.remedy else ""
        return f"{where}{self.message}{todo}"

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders; the default would lose the keyword arguments.
        return _rebuild, (type(self), self.message, self.path, self.remedy, self.stage)


def _rebuild(
    cls: type[TriptychError], message: str, path: str | None, remedy: str, stage: str
) -> TriptychError:
    return cls(message, path=path, remedy=remedy, stage=stage)


class UsageError(TriptychError, ValueError):
    """The command line, the configuration or an argument is wrong."""


class InputError(TriptychError, OSError):
    """A file or folder given as input is missing or unreadable."""


class DecodeError(TriptychError, ValueError):
    """The media file is damaged or of an unsupported kind."""


class NotMediaError(DecodeError):
    """The file holds neither pictures nor sound that ffmpeg could open."""


class WeightsError(TriptychError, LookupError):
    """Weights are not installed, or are not the ones that were pinned."""


class OutputError(TriptychError, OSError):
    """Results cannot be written where the user asked for them."""

    @classmethod
    def of_folder(cls, folder: Path, err: OSError) -> OutputError:
        """Of a folder that does not take what should be written into it."""
        return cls(
            f"cannot write here: {err.strerror}",
            path=folder,
            remedy="choose a folder that you may write to",
        )


class ResourceError(TriptychError, OSError):
    """Disk, memory or a worker process was lost; the same run may pass later."""

    retryable = True
