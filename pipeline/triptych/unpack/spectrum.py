"""spectrogram.npz: all columns, in as much memory for a day of sound as for a second."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

import numpy as np

from triptych.decode.spectrogram import HOP, N_FFT, N_MELS, RATE_HZ, band_centres_hz
from triptych.records import Floats, Spectrogram, Times

__all__ = ["NPZ", "Columns", "SpectrogramFile", "pixel_columns"]

NPZ = "spectrogram.npz"
_ROWS = 1 << 15  # columns of sound at a time: 10 MB
_DAWN = (1980, 1, 1, 0, 0, 0)  # the same sound gives the same bytes


class Columns(Protocol):
    """Columns of a spectrogram (T, N_MELS), in memory or not."""

    def __len__(self) -> int: ...
    def __getitem__(self, rows: slice, /) -> Floats: ...


class SpectrogramFile:
    """Takes consecutive columns; use it as a context manager.

    An archive of arrays says first how large they are, which is known last: until then the
    columns are kept in a file of their own.

    Args:
        folder: that everything is written to.
    """

    def __init__(self, folder: Path) -> None:
        self.columns = 0
        self.start_s = 0.0
        self.hop_s = HOP / RATE_HZ
        self._folder = folder
        self._raw = folder / "columns.raw"
        self._file: IO[bytes] | None = None

    def write(self, columns: Spectrogram) -> None:
        """Add columns.

        Raises:
            OSError: the disk will not have them.
        """
        if self._file is None:
            self._file = self._raw.open("wb")
            self.start_s, self.hop_s = columns.start_s, columns.hop_s
        self._file.write(np.ascontiguousarray(columns.log_mel, "<f4").tobytes())
        self.columns += len(columns.log_mel)

    @contextlib.contextmanager
    def finished(self) -> Iterator[Columns]:
        """Write the archive; yields all columns, which lie on the disk.

        Raises:
            OSError: the disk will not have it.
        """
        assert self._file is not None, "there is no sound"
        self._file.close()
        columns = _OnDisk(self._raw, rows=self.columns)
        with zipfile.ZipFile(self._folder / NPZ, "w") as archive:
            _add(archive, "log_mel", (len(columns), N_MELS), "<f4", _pieces(columns))
            _add(archive, "time_s", (self.columns,), "<f8", self._times())
            for name, values in self._parameters().items():
                _add(archive, name, values.shape, values.dtype.str, iter([values]))
        yield columns
        self._raw.unlink()

    def _times(self) -> Iterator[Times]:
        for at in range(0, self.columns, _ROWS):
            steps = np.arange(at, min(at + _ROWS, self.columns))
            yield self.start_s + steps * HOP / RATE_HZ

    def _parameters(self) -> dict[str, Any]:
        """What one needs to know to make the same, or to turn it back into sound."""
        return {
            "band_hz": band_centres_hz(),
            "rate_hz": np.array(RATE_HZ),
            "n_fft": np.array(N_FFT),
            "hop": np.array(HOP),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # what failed first is what matters
                self._file.close()


class _OnDisk:
    """Rows of a file, read when they are asked for. A map of it would count as memory."""

    def __init__(self, path: Path, *, rows: int) -> None:
        self._path, self._rows = path, rows

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, rows: slice) -> Floats:
        first, last, _ = rows.indices(self._rows)
        count, offset = (last - first) * N_MELS, first * N_MELS * 4
        return np.fromfile(self._path, "<f4", count, offset=offset).reshape(-1, N_MELS)


def _pieces(columns: Columns) -> Iterator[Floats]:
    for at in range(0, len(columns), _ROWS):
        yield columns[at : at + _ROWS]


def _add(
    archive: zipfile.ZipFile,
    name: str,
    shape: tuple[int, ...],
    kind: str,
    pieces: Iterator[Any],
) -> None:
    """Add an array that comes in pieces, as `numpy.savez` would."""
    entry = zipfile.ZipInfo(f"{name}.npy", date_time=_DAWN)
    header = {"descr": kind, "fortran_order": False, "shape": shape}
    with archive.open(entry, "w", force_zip64=True) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for piece in pieces:
            file.write(piece.tobytes())


def pixel_columns(columns: Columns, *, begin: float, end: float, pixels: int) -> Floats:
    """Columns `begin` to `end`, averaged or repeated to so many pixels (pixels, N_MELS).

    >>> pixel_columns(np.arange(6.0).reshape(6, 1), begin=0, end=6, pixels=3).ravel().tolist()
    [0.5, 2.5, 4.5]
    """
    edges = np.linspace(begin, end, pixels + 1)
    first = np.minimum(edges[:-1].astype(int), len(columns) - 1)
    last = np.maximum(np.minimum(np.ceil(edges[1:]).astype(int), len(columns)), first + 1)
    return np.stack([columns[a:b].mean(axis=0) for a, b in zip(first, last, strict=True)])
