"""sound.wav, sound.flac: what the film says and plays, as long as it is, written as it comes."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
import numpy.typing as npt

from triptych.records import Floats, Sound
from triptych.unpack.wishes import SoundKind

__all__ = ["SoundFile"]

_CODECS = {"wav": ("pcm_f32le", "flt"), "flac": ("flac", "s32")}
_FULL = 1 << 23  # flac keeps 24 bits of a sample
# No version of a library in the file; a header for more than 4 GB where it takes that.
_OPTIONS = {"wav": {"fflags": "+bitexact", "rf64": "auto"}, "flac": {"fflags": "+bitexact"}}


class SoundFile:
    """A file that consecutive chunks of sound are written to; use it as a context manager.

    wav holds the very samples (32-bit float), flac holds them rounded to 24 bits, in [-1, 1).
    """

    def __init__(self, path: Path, *, kind: SoundKind) -> None:
        self._path = path
        self._samples = 0
        self._start_s = 0.0
        self._rate_hz = 0
        self._kind = kind
        self._file: Any = None
        self._container: Any = None
        self._stream: Any = None

    def write(self, sound: Sound) -> None:
        """Add a chunk, which follows the one before without a gap.

        Raises:
            OSError: the disk will not have it.
        """
        codec, layout = _CODECS[self._kind]
        if self._container is None:
            # Written through Python, whose errors name what the disk said.
            self._file = self._path.open("wb+")
            self._container = av.open(
                self._file, "w", format=self._kind, options=_OPTIONS[self._kind]
            )
            self._start_s, self._rate_hz = sound.start_s, sound.rate_hz
            self._stream = self._container.add_stream(codec, rate=sound.rate_hz, layout="mono")
            self._stream.codec_context.format = layout
        values = _whole(sound.samples) if layout == "s32" else sound.samples
        frame = av.AudioFrame.from_ndarray(values[None], layout, "mono")
        frame.sample_rate, frame.pts = sound.rate_hz, self._samples
        frame.time_base = Fraction(1, sound.rate_hz)
        self._container.mux(self._stream.encode(frame))
        self._samples += len(sound.samples)

    def finish(self) -> dict[str, Any] | None:
        """Write what is held back, and the header.

        Returns:
            What media.json says; None where nothing is heard.

        Raises:
            OSError: the disk will not have it.
        """
        if self._container is None:
            return None
        self._container.mux(self._stream.encode(None))
        self._container.close()
        self._container = None
        self._file.close()
        return {
            "files": [self._path.name],
            "rate_hz": self._rate_hz,
            "samples": self._samples,
            "start_s": round(self._start_s, 6),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._container is not None:  # something failed, which is what matters
            with contextlib.suppress(OSError, ValueError, av.FFmpegError):
                self._container.close()
            with contextlib.suppress(OSError):
                self._file.close()


def _whole(samples: Floats) -> npt.NDArray[np.int32]:
    """Samples as 24-bit whole numbers in the upper bits, as the encoder wants them."""
    rounded = np.rint(samples.astype(np.float64) * _FULL)
    return np.clip(rounded, -_FULL, _FULL - 1).astype(np.int32) << 8
