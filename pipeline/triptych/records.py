"""Records: what crosses a folder's border.

Frozen, checked when made, short in `repr`. Times are float64 seconds on the container's
clock (a file whose first picture stands at 8.3 s keeps 8.3 s). In shapes, N = samples,
T = steps or rows, H and W = pixels, D = feature width, L = labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from triptych.retold import Retold
from triptych.spec import Modality, Spec

__all__ = [
    "FRAMES",
    "Analysis",
    "Chapter",
    "Cue",
    "FeatureTrack",
    "Footage",
    "Frames",
    "Glances",
    "LabelScore",
    "Luma",
    "MediaInfo",
    "Miniatures",
    "Modality",
    "Prediction",
    "Sample",
    "ScoreKind",
    "Segment",
    "Shot",
    "Sound",
    "Spec",
    "Spectrogram",
    "Stills",
    "Summary",
    "Thumbnails",
    "Timeline",
]

Floats = npt.NDArray[np.float32]
Times = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

#: The container of a folder of numbered pictures, as far as there is one.
FRAMES = "frames"

#: shares: 0..1, adding up to 1 over the labels; independent: a probability for each label by
#: itself; value: what a regression says, in the unit that it was trained on
ScoreKind = Literal["shares", "independent", "value"]


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _check_pictures(pixels: Pixels, pts_s: Times, *, axes: Literal[3, 4]) -> None:
    _check(
        pixels.ndim == axes and pixels.shape[3:] in ((), (3,)) and len(pixels) == len(pts_s),
        f"{pixels.shape = } does not fit {pts_s.shape = }",
    )
    _check(
        len(pts_s) < 2 or bool((np.diff(pts_s) > 0).all()),
        "pts_s must increase: frames out of order",
    )


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
        _check_pictures(self.rgb, self.pts_s, axes=4)

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
        _check_pictures(self.gray, self.pts_s, axes=3)

    def __repr__(self) -> str:
        return f"Luma({len(self.gray)} of {self.gray.shape[2]}x{self.gray.shape[1]})"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sound:
    """A stretch of mono sound."""

    samples: Floats  #: (N,), in [-1, 1] for ordinary material
    rate_hz: int
    start_s: float

    def __post_init__(self) -> None:
        _check(self.samples.ndim == 1, f"mono sound is 1-d, not {self.samples.shape}")
        _check(self.rate_hz > 0, f"{self.rate_hz = }")

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
        _check(self.log_mel.ndim == 2, f"(T, M) wanted, not {self.log_mel.shape}")

    def __repr__(self) -> str:
        return f"Spectrogram({self.log_mel.shape[0]} x {self.log_mel.shape[1]})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """Words with a time: a subtitle, a burned-in caption, or a sentence that was recognised."""

    start_s: float
    end_s: float
    text: str
    source: str  #: "embedded", "sidecar", "ocr" or "asr"
    language: str = "und"  #: BCP 47 or ISO 639 code, "und" when unknown

    def __post_init__(self) -> None:
        _check(self.end_s >= self.start_s, f"cue ends before it starts: {self}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureTrack:
    """One extractor's rows for one video; row i holds for [start_s[i], end_s[i])."""

    values: Floats  #: (T, D)
    start_s: Times  #: (T,), not decreasing
    end_s: Times  #: (T,), end_s >= start_s
    spec: Spec

    def __post_init__(self) -> None:
        rows = len(self.values)
        _check(
            self.values.ndim == 2 and self.values.shape[1] == self.spec.dim,
            f"{self.spec.name}: {self.values.shape = }, wanted (T, {self.spec.dim})",
        )
        _check(
            self.start_s.shape == (rows,) == self.end_s.shape,
            f"{self.spec.name}: {rows} rows, {self.start_s.shape = }, {self.end_s.shape = }",
        )
        _check(bool((self.end_s >= self.start_s).all()), f"{self.spec.name}: a row ends early")
        _check(
            rows < 2 or bool((np.diff(self.start_s) >= 0).all()),
            f"{self.spec.name}: rows out of order",
        )

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"FeatureTrack({self.spec.name}, {self.values.shape[0]} x {self.spec.dim})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A stretch of film between two cuts."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timeline:
    """All tracks on common steps. Where `present` is False, values are zero and mean nothing."""

    start_s: Times  #: (T,)
    end_s: Times  #: (T,)
    values: Mapping[str, Floats]  #: track name -> (T, D)
    present: Mapping[str, Mask]  #: track name -> (T,)

    def __post_init__(self) -> None:
        _check(self.values.keys() == self.present.keys(), "values and masks name other tracks")
        steps = len(self.start_s)
        for name, mask in self.present.items():
            _check(
                len(self.values[name]) == steps == len(mask),
                f"{name}: not on the timeline's {steps} steps",
            )

    def __len__(self) -> int:
        return len(self.start_s)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """What a model may read of one video, small enough to keep thousands in memory."""

    timeline: Timeline  #: only tracks that have evidence somewhere
    words: tuple[str, ...]  #: what was said, lower-case, without punctuation
    picture: Pixels | None  #: (64, 64, 3), from the middle; None for sound alone

    def __post_init__(self) -> None:
        shape = (64, 64, 3) if self.picture is None else self.picture.shape
        _check(shape == (64, 64, 3), f"a picture of {shape}")

    def __repr__(self) -> str:
        tracks = ", ".join(self.timeline.values)
        return f"Sample({len(self.timeline)} steps of {tracks or 'nothing'})"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScore:
    """One label's share of the belief, and what each modality added to it."""

    label: str
    score: float  #: see `Prediction.kind`
    contributions: Mapping[str, float]
    #: modality -> part of the label's logit; they add up. A trained model has one more part,
    #: "prior": what it believes of a video of which it knows nothing.
    holds: bool | None = None  #: whether a model of several labels a video says that it has it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prediction:
    """Labels of one video, best first, and over time."""

    method: str  #: "zero-shot", or a trained model's name
    ranked: tuple[LabelScore, ...]
    labels: tuple[str, ...]  #: in the user's or the model's order, the columns of `steps`
    steps: Floats  #: (T, L), the scores at each step
    step_present: Mask  #: (T,), False where no modality had evidence
    kind: ScoreKind = "shares"  #: what scores are
    importance: Floats | None = None  #: (T,), 0..1, of each step to a trained model
    important_to: str = ""  #: the model's name
    judged: bool = False  #: it learned importance from people's scores, not beside labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A key moment."""

    start_s: float
    end_s: float
    score: float  #: 0..1, 1 is the best moment of this video
    words: str = ""  #: what was said around it
    label: str = ""  #: the leading label around it
    parts: Mapping[str, float] = field(default_factory=dict)
    #: what speaks for it (below zero: against it) -> how much; parts without evidence are absent


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """A stretch that hangs together: one or more shots. Chapters cover the timeline in order."""

    start_s: float
    end_s: float
    title: str = ""  #: words that were said, or a label; empty where nothing stands out

    def __post_init__(self) -> None:
        _check(self.end_s > self.start_s, f"chapter ends before it starts: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Key moments in time order, under a budget, and a short text."""

    method: str
    budget_s: float
    segments: tuple[Segment, ...]
    text: str
    language: str
    sentences: tuple[Cue, ...]  #: the cues that the text quotes, so that nothing is invented
    important_to: str = ""  #: model whose importance of steps was weighed, else empty
    judged: bool = False  #: that model learned it from people's scores, not beside labels
    retold: Retold | None = None  #: in the words of a language model
    chapters: tuple[Chapter, ...] = ()  #: in time order, from the timeline's start to its end
    keyphrases: tuple[str, ...] = ()  #: what was said that stands out, best first


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Thumbnails:
    """Small JPEG pictures of the sampled frames: what reports show without decoding again."""

    jpeg: tuple[bytes, ...]  #: T files, RGB, as displayed
    pts_s: Times  #: (T,), increasing

    def __post_init__(self) -> None:
        _check(len(self.jpeg) == len(self.pts_s), f"{len(self.jpeg)} pictures, {self.pts_s.shape}")

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
        _check(len(self.jpeg) > 0, "no pictures to choose from")
        return max(0, int(np.searchsorted(self.pts_s, time_s, side="right")) - 1)

    def __repr__(self) -> str:
        return f"Thumbnails({len(self.jpeg)})"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Analysis:
    """Everything that is known of one video."""

    info: MediaInfo
    digest: str  #: sha256 of the file's content
    cues: tuple[Cue, ...]
    shots: tuple[Shot, ...]
    tracks: Mapping[str, FeatureTrack]
    thumbnails: Thumbnails  #: empty for sound alone
    timeline: Timeline
    prediction: Prediction
    summary: Summary
    warnings: tuple[str, ...] = ()
    partial: bool = False  #: clearly less could be read than the container claims
    frames_decoded: int = 0  #: on the way to it; 0 if all was in the store
    seconds: Mapping[str, float] = field(default_factory=dict)  #: stage -> time it took
    cached: tuple[str, ...] = ()  #: tracks that came from the store
    entries: Mapping[str, str] = field(default_factory=dict)  #: what it rests on -> its store key

    @property
    def duration_s(self) -> float:
        """Length of the timeline in seconds."""
        return (
            float(self.timeline.end_s[-1] - self.timeline.start_s[0]) if len(self.timeline) else 0.0
        )
