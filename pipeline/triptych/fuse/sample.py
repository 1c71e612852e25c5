"""One video's tracks, words and pictures -> what a trained model reads."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from triptych.records import Cue, Pixels, Sample, Thumbnails, Timeline

if TYPE_CHECKING:
    from triptych_models.batches import Example

__all__ = ["UNREAD", "example_of", "sample_of", "words_of"]

#: Tracks that models do not read: what they say is in others.
UNREAD = ("image_labels", "audioset_labels", "shots", "transnet")

_SIDE = 64
# Chinese and Japanese put no blanks between words: each character stands for itself.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(f"[{_UNSPACED}]|[^\\W_{_UNSPACED}]+(?:['’][^\\W_{_UNSPACED}]+)*")


def sample_of(
    timeline: Timeline,
    *,
    cues: Iterable[Cue],
    thumbnails: Thumbnails,
    unread: Collection[str] = UNREAD,
) -> Sample:
    """What a model may read of a video.

    Args:
        timeline: all of the video's tracks on the model's steps.
        cues: what was said.
        thumbnails: none for sound alone.
        unread: names of tracks to leave out.
    """
    kept = sorted(n for n in timeline.values if n not in unread and timeline.present[n].any())
    return Sample(
        timeline=Timeline(
            start_s=timeline.start_s,
            end_s=timeline.end_s,
            values={name: timeline.values[name] for name in kept},
            present={name: timeline.present[name] for name in kept},
        ),
        words=words_of(cue.text for cue in cues),
        picture=_picture(thumbnails),
    )


def words_of(texts: Iterable[str]) -> tuple[str, ...]:
    """Words in their order, lower-case; Chinese and Japanese as single characters.

    >>> words_of(["Don't stop!", "看 Web的ＬＯＧＯ"])
    ("don't", 'stop', '看', 'web', '的', 'logo')
    """
    return tuple(
        word
        for text in texts
        for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    )


def example_of(sample: Sample, *, name: str, target: Any = None) -> Example:
    """A sample as a model takes it.

    Args:
        sample: see `sample_of`.
        name: for messages.
        target: what is true of it, see `triptych_models.batches.Example`.
    """
    from triptych_models.batches import Example

    timeline = sample.timeline
    begin = timeline.start_s[0] if len(timeline) else 0.0
    return Example(
        name=name,
        time_s=((timeline.start_s + timeline.end_s) / 2 - begin).astype(np.float32),
        values=dict(timeline.values),
        present=dict(timeline.present),
        target=target,
        words=sample.words,
        pixels=sample.picture,
    )


def _picture(thumbnails: Thumbnails) -> Pixels | None:
    """The picture in the middle, squeezed into a small square."""
    if not thumbnails.jpeg:
        return None
    from PIL import Image

    with Image.open(io.BytesIO(thumbnails.jpeg[len(thumbnails.jpeg) // 2])) as picture:
        small = picture.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
        return np.asarray(small, np.uint8).copy()
