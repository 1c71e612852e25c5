"""An animated WebP picture as the file of a film: ffmpeg knows still ones only."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from triptych.decode.filmfile import RAW, FilmFile, raw_bytes
from triptych.decode.series import MOST_RAW_PIXELS, rgb
from triptych.errors import DecodeError
from triptych.numbered import still_picture

__all__ = ["film_of_webp", "is_webp"]

_MOST_BYTES = 1_000_000_000  # it is held in memory as a whole
_SHORTEST_MS = 10  # as browsers show what claims less


def is_webp(head: bytes) -> bool:
    """Whether the first twelve bytes of a file are those of a WebP picture."""
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def film_of_webp(path: Path) -> FilmFile:
    """The pictures of an animation, each for its own time, composed and on black.

    Raises:
        NotMediaError: a still picture.
        DecodeError: it is damaged, or too large.
    """
    try:
        stays = list(_delays(path))
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=["WEBP"]) as image:
            size = image.size
            many = getattr(image, "n_frames", 1)
    except (Image.DecompressionBombError, OSError, ValueError, SyntaxError) as err:
        raise _damaged(path) from err
    if many < 2 or not stays:
        raise still_picture(path)
    if size[0] * size[1] > MOST_RAW_PIXELS:
        raise DecodeError(f"pictures of {size[0]}x{size[1]} are over the limit", path=path)
    stays = stays[:many] + stays[-1:] * (many - len(stays))
    return FilmFile(
        str(path),
        codec=RAW,
        size=size,
        sizes=[raw_bytes(size)] * many,
        stays=[max(_SHORTEST_MS, stay) for stay in stays],
        ticks_a_second=1000,
        fill=_Frames(path),
    )


class _Frames:
    """Raw pictures of an animation; each builds on the one before."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._image: Image.Image | None = None
        self._latest, self._pixels = -1, b""

    def __call__(self, index: int, at: int, view: memoryview) -> None:
        if index != self._latest:
            try:
                self._pixels = self._rendered(index)
            except (OSError, EOFError, ValueError, SyntaxError) as err:
                raise _damaged(self._path) from err
            self._latest = index
        view[:] = self._pixels[at : at + len(view)]

    def _rendered(self, index: int) -> bytes:
        if self._image is None:
            with self._path.open("rb") as file:  # read at once: none is left open
                self._image = Image.open(file, formats=["WEBP"])
                self._image.load()
        self._image.seek(index)
        return rgb(self._image)


def _delays(path: Path) -> Iterator[int]:
    """Milliseconds for which each picture is shown: the chunks ANMF, as the format says."""
    end = path.stat().st_size
    if end > _MOST_BYTES:
        raise ValueError("too large")
    with path.open("rb") as file:
        at = 12
        while at + 8 <= end:
            file.seek(at)
            head = file.read(8 + 16)
            if head[:4] == b"ANMF" and len(head) == 24:
                yield int.from_bytes(head[20:23], "little")
            length = int.from_bytes(head[4:8], "little")
            at += 8 + length + length % 2


def _damaged(path: Path) -> DecodeError:
    return DecodeError(
        "damaged: a WebP picture that cannot be read",
        path=path,
        remedy="the file may be truncated; copy or download it again",
    )
