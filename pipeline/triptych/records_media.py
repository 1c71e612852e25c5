"""What leaves the decoder and the extractors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from triptych.arrays import Floats, Pixels, Times, check, check_pictures
from triptych.spec import Spec

__all__ = [
    "FRAMES",
    "Cue",
    "FeatureTrack",
    "Footage",
    "Frames",
    "Glances",
    "Luma",
    "MediaInfo",
    "Miniatures",
    "Sound",
    "Spectrogram",
    "Stills",
    "Thumbnails",
    "Word",
]

#: The container of a folder of numbered pictures, as far as there is one.
FRAMES = "frames"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """What a container says of itself; every figure is a claim until decoded.

    `container` is `FRAMES` for a folder of numbered pictures, whose `fps` is what it was opened
    with.
    """

    path: str
    container: str
    start_s: float
    duration_s: float | None
    width: int  #: as displayed: rotation and pixel aspect applied; 0 without pictures
    height: int
    fps: float | None
    video: str | None  #: codec of the chosen picture stream
    audio: str | None  #: codec of the chosen sound stream
    text: tuple[str, ...]  #: codecs of the readable text tracks
    rotation: int = 0  #: degrees counter-clockwise that the display matrix asks for
    ignored: tuple[str, ...] = ()  #: streams present but not read, in words

    @property
    def frames_fps(self) -> float | None:
        """What a folder of numbered pictures must be opened with; None of a file."""
        return self.fps if self.container == FRAMES else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Coloured:
    """Pictures of one video stream, in presentation order."""

    rgb: Pixels  #: (T, H, W, 3)
    pts_s: Times  #: (T,), strictly increasing

    def __post_init__(self) -> None:
        check_pictures(self.rgb, self.pts_s, axes=4)

    def __repr__(self) -> str:
        frames, height, width, _ = self.rgb.shape
        return f"{type(self).__name__}({frames} of {width}x{height})"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frames(_Coloured):
    """Sampled frames of one video stream, in presentation order."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Glances(_Coloured):
    """Tiny pictures, close together in time: what cuts between shots are found in."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Miniatures(_Coloured):
    """All pictures of ordinary film, tiny: what cuts are found in to a frame."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Footage(_Coloured):
    """Pictures close together in time: what networks that look at movement see."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stills(_Coloured):
    """Pictures large enough to be read: what burned-in words are found in."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Luma:
    """Small grey frames, close together in time: what motion is computed from."""

    gray: Pixels  #: (T, H, W)
    pts_s: Times  #: (T,), strictly increasing

    def __post_init__(self) -> None:
        check_pictures(self.gray, self.pts_s, axes=3)

    def __repr__(self) -> str:
        return f"Luma({len(self.gray)} of {self.gray.shape[2]}x{self.gray.shape[1]})"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sound:
    """A stretch of mono sound."""

    samples: Floats  #: (N,), in [-1, 1] for ordinary material
    rate_hz: int
    start_s: float

    def __post_init__(self) -> None:
        check(self.samples.ndim == 1, f"mono sound is 1-d, not {self.samples.shape}")
        check(self.rate_hz > 0, f"{self.rate_hz = }")

    @property
    def end_s(self) -> float:
        """Time just after the last sample."""
        return self.start_s + len(self.samples) / self.rate_hz

    def __repr__(self) -> str:
        return f"Sound({self.start_s:.2f}..{self.end_s:.2f} s at {self.rate_hz} Hz)"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spectrogram:
    """A stretch of log-mel spectrogram; column t is centred on start_s + t * hop_s."""

    log_mel: Floats  #: (T, M), log10 of the power in each of M mel bands, at least -10
    start_s: float
    hop_s: float

    def __post_init__(self) -> None:
        check(self.log_mel.ndim == 2, f"(T, M) wanted, not {self.log_mel.shape}")

    def __repr__(self) -> str:
        return f"Spectrogram({self.log_mel.shape[0]} x {self.log_mel.shape[1]})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word that was heard; the words of a cue, one after the other, are its text."""

    start_s: float
    end_s: float
    text: str  #: with its comma, and the space before it where there is one

    def __post_init__(self) -> None:
        check(self.end_s >= self.start_s, f"word ends before it starts: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """Words with a time: a subtitle, a burned-in caption, or a sentence that was recognised."""

    start_s: float
    end_s: float
    text: str
    source: str  #: "embedded", "sidecar", "ocr" or "asr"
    language: str = "und"  #: BCP 47 or ISO 639 code, "und" when unknown
    words: tuple[Word, ...] = ()  #: by time, where each is known: of recognised speech

    def __post_init__(self) -> None:
        check(self.end_s >= self.start_s, f"cue ends before it starts: {self}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureTrack:
    """One extractor's rows for one video; row i holds for [start_s[i], end_s[i])."""

    values: Floats  #: (T, D)
    start_s: Times  #: (T,), not decreasing
    end_s: Times  #: (T,), end_s >= start_s
    spec: Spec

    def __post_init__(self) -> None:
        rows = len(self.values)
        check(
            self.values.ndim == 2 and self.values.shape[1] == self.spec.dim,
            f"{self.spec.name}: {self.values.shape = }, wanted (T, {self.spec.dim})",
        )
        check(
            self.start_s.shape == (rows,) == self.end_s.shape,
            f"{self.spec.name}: {rows} rows, {self.start_s.shape = }, {self.end_s.shape = }",
        )
        check(bool((self.end_s >= self.start_s).all()), f"{self.spec.name}: a row ends early")
        check(
            rows < 2 or bool((np.diff(self.start_s) >= 0).all()),
            f"{self.spec.name}: rows out of order",
        )

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"FeatureTrack({self.spec.name}, {self.values.shape[0]} x {self.spec.dim})"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Thumbnails:
    """Small JPEG pictures of the sampled frames: what reports show without decoding again."""

    jpeg: tuple[bytes, ...]  #: T files, RGB, as displayed
    pts_s: Times  #: (T,), increasing

    def __post_init__(self) -> None:
        check(len(self.jpeg) == len(self.pts_s), f"{len(self.jpeg)} pictures, {self.pts_s.shape}")

    def nearest(self, time_s: float) -> bytes:
        """The picture on screen at `time_s` (the first one for earlier times).

        Raises:
            ValueError: there are no pictures.
        """
        return self.jpeg[self.index(time_s)]

    def index(self, time_s: float) -> int:
        """Which picture is on screen at `time_s` (the first one for earlier times).

        Raises:
            ValueError: there are no pictures.
        """
        check(len(self.jpeg) > 0, "no pictures to choose from")
        return max(0, int(np.searchsorted(self.pts_s, time_s, side="right")) - 1)

    def __repr__(self) -> str:
        return f"Thumbnails({len(self.jpeg)})"
