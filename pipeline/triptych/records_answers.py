"""What is said of a video: its timeline, labels, shots and summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from triptych.arrays import Floats, Mask, Pixels, Times, check
from triptych.records_media import Cue, FeatureTrack, MediaInfo, Thumbnails

__all__ = [
    "Analysis",
    "Chapter",
    "Claim",
    "Ground",
    "LabelScore",
    "Prediction",
    "Retold",
    "Sample",
    "ScoreKind",
    "Segment",
    "Shot",
    "Summary",
    "Timeline",
]

#: shares: 0..1, adding up to 1 over the labels; independent: a probability for each label by
#: itself; value: what a regression says, in the unit that it was trained on
ScoreKind = Literal["shares", "independent", "value"]


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
        check(self.values.keys() == self.present.keys(), "values and masks name other tracks")
        steps = len(self.start_s)
        for name, mask in self.present.items():
            check(
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
        check(shape == (64, 64, 3), f"a picture of {shape}")

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
    judged_by: str = ""  #: model that learned importance from people, not `method` beside labels


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
        check(self.end_s > self.start_s, f"chapter ends before it starts: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Something that was seen or said, which the model was given to write from."""

    kind: Literal["cue", "frame"]
    start_s: float
    end_s: float
    text: str  #: what was said, or the label of what is seen
    cue: int | None = None  #: which of the cues, from 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A generated sentence and its grounds; at least one."""

    text: str
    grounds: tuple[Ground, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retold:
    """What a language model wrote; nothing of it was measured."""

    model: str
    claims: tuple[Claim, ...]
    dropped: int  #: sentences that named no ground, or one that there is not

    @property
    def text(self) -> str:
        """All sentences."""
        return " ".join(claim.text for claim in self.claims)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Key moments in time order, under a budget, and a short text."""

    method: str
    budget_s: float
    segments: tuple[Segment, ...]
    text: str
    language: str
    sentences: tuple[Cue, ...]  #: the cues that the text quotes, so that nothing is invented
    retold: Retold | None = None  #: in the words of a language model
    chapters: tuple[Chapter, ...] = ()  #: in time order, from the timeline's start to its end
    keyphrases: tuple[str, ...] = ()  #: what was said that stands out, best first


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
