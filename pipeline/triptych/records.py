"""Records: what crosses a folder's border.

Frozen, checked when made, short in `repr`. Times are float64 seconds on the container's
clock (a file whose first picture stands at 8.3 s keeps 8.3 s). In shapes, N = samples,
T = steps or rows, H and W = pixels, D = feature width, L = labels.
"""

from __future__ import annotations

from triptych.arrays import Floats, Mask, Pixels, Times
from triptych.records_answers import (
    Analysis,
    Chapter,
    Claim,
    Ground,
    LabelScore,
    Prediction,
    Retold,
    Sample,
    ScoreKind,
    Segment,
    Shot,
    Summary,
    Timeline,
)
from triptych.records_media import (
    FRAMES,
    Cue,
    FeatureTrack,
    Footage,
    Frames,
    Glances,
    Luma,
    MediaInfo,
    Miniatures,
    Sound,
    Spectrogram,
    Stills,
    Thumbnails,
    Word,
)
from triptych.spec import Modality, Spec

__all__ = [
    "FRAMES",
    "Analysis",
    "Chapter",
    "Claim",
    "Cue",
    "FeatureTrack",
    "Floats",
    "Footage",
    "Frames",
    "Glances",
    "Ground",
    "LabelScore",
    "Luma",
    "Mask",
    "MediaInfo",
    "Miniatures",
    "Modality",
    "Pixels",
    "Prediction",
    "Retold",
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
    "Times",
    "Word",
]
