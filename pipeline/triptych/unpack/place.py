"""Where a film's files go: nothing that is there is lost, and nothing half done looks finished."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from triptych import faults
from triptych.atomic import SCRATCH, is_full
from triptych.errors import OutputError, TriptychError, UsageError

__all__ = ["MADE_BY", "MEDIA", "NAMES", "PARTS", "check_place", "clear", "publish", "writing"]

MEDIA = "media.json"  #: written last: where it is, the others are whole
MADE_BY = "triptych decode"  #: how media.json begins, by which `inputs.py` knows the folder
#: Everything that is written of a film.
NAMES = (
    "frames",
    "frames.csv",
    "spectrogram.npz",
    "spectrogram.png",
    "sound.wav",
    "sound.flac",
    "cues.vtt",
    "cues.jsonl",
    MEDIA,
)
PARTS = f"{SCRATCH}decode-"  #: how folders begin that are being filled


def check_place(place: Path, *, overwrite: bool, inputs: Collection[str]) -> None:
    """Refuse a folder in which something would be lost.

    Args:
        place: the folder of one film; it need not exist.
        overwrite: what is there of an earlier command may go.
        inputs: absolute paths of everything that is read.

    Raises:
        UsageError: files of these names are there, and are not to be replaced, or are inputs.
    """
    if place.exists() and not place.is_dir():
        raise UsageError("a file stands where the folder should be", path=place,
                         remedy="choose another folder")  # fmt: skip
    there = [name for name in NAMES if os.path.lexists(place / name)]
    if there and not overwrite:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise UsageError(
            f"{there[0]}{more} would be replaced",
            path=place,
            remedy="--overwrite replaces them; or choose another folder",
        )
    for name in there:
        path = os.path.realpath(place / name)
        if any(each == path or each.startswith(path + os.sep) for each in inputs):
            raise UsageError(
                "an input would be replaced", path=place / name, remedy="choose another folder"
            )
    if foreign := _foreign(place / "frames"):
        raise UsageError(
            f"{foreign} is no frame of an earlier command",
            path=place / "frames",
            remedy="move it away, or choose another folder",
        )


def _foreign(folder: Path) -> str:
    """A file in a folder of frames that is none; empty where there is none such."""
    from triptych.unpack.frames import is_frame

    if not folder.is_dir() or folder.is_symlink():
        return ""
    return next((name for name in sorted(os.listdir(folder)) if not is_frame(name)), "")


@contextlib.contextmanager
def writing(place: Path) -> Iterator[None]:
    """Say what the disk would not have.

    Raises:
        OutputError: something within could not be written.
    """
    try:
        yield
    except TriptychError:
        raise
    except OSError as err:
        raise OutputError(
            f"cannot write: {err.strerror or err}",
            path=place,
            remedy="free some space, then run again"
            if is_full(err)
            else "choose a folder that can be written to with --out",
        ) from err


def publish(scratch: Path, place: Path) -> None:
    """Move everything from `scratch` to `place`, media.json last, in the place of what is there.

    What was there goes into the folder `old` of `scratch`, and comes back if this fails.

    Raises:
        OSError: it cannot be moved.
    """
    _settle(scratch)
    place.mkdir(parents=True, exist_ok=True)
    (old := scratch / "old").mkdir()
    moved: list[tuple[Path, Path]] = []
    try:
        for name in reversed(NAMES):  # what says that the others are whole goes first
            if os.path.lexists(place / name):
                (place / name).rename(old / name)
                moved.append((old / name, place / name))
        for name in NAMES:
            if name == MEDIA:
                faults.reached("file.written", MEDIA)
            if (scratch / name).exists():
                (scratch / name).rename(place / name)
                moved.append((place / name, scratch / name))
        _settle_folder(place)
    except BaseException:
        for at, home in reversed(moved):
            with contextlib.suppress(OSError):
                at.rename(home)
        raise


def _settle(folder: Path) -> None:
    """Have the disk keep all files of a folder before one says that they are there."""
    for here, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(here, name), "rb+") as file:
                os.fsync(file.fileno())
        _settle_folder(Path(here))


def _settle_folder(folder: Path) -> None:
    if os.name == "nt":  # which knows no such thing
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def clear(out: Path) -> None:
    """Remove what commands that were ended left half filled; only while the lock is held."""
    for part in out.glob(f"{PARTS}*"):
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                part.unlink()
