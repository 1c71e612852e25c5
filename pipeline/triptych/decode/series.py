"""A folder of numbered pictures as the file of a film."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from triptych.decode.filmfile import RAW, FilmFile, raw_bytes
from triptych.errors import DecodeError, InputError
from triptych.numbered import Numbered, exact_rate, numbered_pictures

__all__ = ["MOST_RAW_PIXELS", "film_of_folder", "rgb"]

# First bytes of a picture -> the name that QuickTime has for its codec. It has none for BMP and
# WebP, which become raw pictures.
_CODECS = {
    b"\xff\xd8\xff": b"jpeg",
    b"\x89PNG": b"png ",
    b"BM": RAW,
    b"II*\0": b"tiff",
    b"MM\0*": b"tiff",
    b"RIFF": RAW,
}
_FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")  # that Pillow may try
MOST_RAW_PIXELS = 8192 * 8192  #: of pictures that are decoded here, before anybody is asked


def film_of_folder(folder: Path, *, fps: float) -> FilmFile:
    """A folder's pictures as a film.

    The first is shown at 0 s; each stays until the number of the next has its turn.

    Args:
        folder: with the pictures.
        fps: numbers a second.

    Raises:
        InputError: the folder or a picture may not be read.
        DecodeError: it is not clear which pictures belong to the film, or what they are.
    """
    pictures = numbered_pictures(folder)
    first = pictures[0].path
    try:
        size, codec = _size_of(first), _codec_of(first)
    except OSError as err:
        raise _unreadable(first, err) from err
    if codec is None or size is None:
        raise DecodeError(
            "not a picture that could be read", path=first, remedy="remove it, or make it anew"
        )
    if codec == RAW and size[0] * size[1] > MOST_RAW_PIXELS:
        raise DecodeError(f"pictures of {size[0]}x{size[1]} are over the limit", path=folder)
    fill = (_Rendered if codec == RAW else _AsTheyAre)(pictures, size)
    rate = exact_rate(fps)
    steps = [b.number - a.number for a, b in itertools.pairwise(pictures)]
    try:
        return FilmFile(
            str(folder),
            codec=codec,
            size=size,
            sizes=[raw_bytes(size) if codec == RAW else p.status.st_size for p in pictures],
            stays=[step * rate.denominator for step in (*steps, 1)],
            ticks_a_second=rate.numerator,
            fill=fill,
        )
    except ValueError as err:
        at = steps.index(max(steps))
        raise DecodeError(
            f"the numbers jump from {pictures[at].number} to {pictures[at + 1].number}",
            path=folder,
            remedy="pictures are numbered in the order in which they are shown",
        ) from err


class _AsTheyAre:
    """The bytes of files; each is opened anew, so that none is left open."""

    def __init__(self, pictures: tuple[Numbered, ...], size: tuple[int, int]) -> None:
        self._pictures, self._size = pictures, size

    def __call__(self, index: int, at: int, view: memoryview) -> None:
        path = self._pictures[index].path
        try:
            if at == 0:
                self._check_size(path)
            with path.open("rb", buffering=0) as file:
                file.seek(at)
                count = file.readinto(view)
        except OSError as err:
            raise _unreadable(path, err) from err
        if count != len(view):
            raise InputError("a picture changed while it was read", path=path, remedy="run again")

    def _check_size(self, path: Path) -> None:
        size = _size_of(path)
        if size is not None and size != self._size:
            first = self._pictures[0].path
            sizes = [f"{p.name} has {w}x{h}" for p, (w, h) in ((first, self._size), (path, size))]
            raise DecodeError(
                f"pictures of several sizes: {' pixels, '.join(sizes)}",
                path=first.parent,
                remedy="a film is one folder of pictures of one size",
            )


class _Rendered(_AsTheyAre):
    """Raw pictures of files; the latest one is kept, as it is read in pieces."""

    def __init__(self, pictures: tuple[Numbered, ...], size: tuple[int, int]) -> None:
        super().__init__(pictures, size)
        self._latest, self._pixels = -1, b""

    def __call__(self, index: int, at: int, view: memoryview) -> None:
        if index != self._latest:
            path = self._pictures[index].path
            try:
                self._check_size(path)
                with Image.open(path, formats=_FORMATS) as picture:
                    self._latest, self._pixels = index, rgb(picture)
            except (OSError, ValueError) as err:
                raise DecodeError(
                    f"a picture cannot be read: {err}", path=path, remedy="remove it"
                ) from err
        view[:] = self._pixels[at : at + len(view)]


def rgb(picture: Image.Image) -> bytes:
    """Pixels of three bytes, on black where they are transparent, as players show them."""
    if not picture.has_transparency_data:
        return picture.convert("RGB").tobytes()
    black = Image.new("RGBA", picture.size, "black")
    black.alpha_composite(picture.convert("RGBA"))
    return black.convert("RGB").tobytes()


def _codec_of(path: Path) -> bytes | None:
    with path.open("rb") as file:
        head = file.read(4)
    return next((name for magic, name in _CODECS.items() if head.startswith(magic)), None)


def _size_of(path: Path) -> tuple[int, int] | None:
    """Width and height by a picture's header; None where the decoder is to say what is wrong."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=_FORMATS) as found:
            return found.size
    except (Image.DecompressionBombError, UnidentifiedImageError, ValueError, SyntaxError):
        return None


def _unreadable(picture: Path, err: OSError) -> InputError:
    return InputError(
        f"cannot read: {err.strerror}", path=picture, remedy="check the path and its permissions"
    )
