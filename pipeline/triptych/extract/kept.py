"""Arrays that are made once a machine and kept in the cache folder, such as embedded words."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from triptych.cache import cache_dir, published
from triptych.records import Floats

__all__ = ["Phrases", "kept_array", "phrase_means", "unit"]

log = logging.getLogger(__name__)

#: Texts, the row that each belongs to, and its weight there.
Phrases: TypeAlias = tuple[Sequence[str], Sequence[int], Sequence[float]]


def kept_array(name: str, make: Callable[[], Floats]) -> Floats:
    """What `make` gives, from the cache where it is kept under this name.

    Args:
        name: identity of the content, the file's name.
        make: called only when nothing is kept.
    """
    path = cache_dir() / "prepared" / f"{name}.npy"
    if path.exists():
        try:
            kept: Floats = np.load(path, allow_pickle=False)
            return kept
        except (OSError, ValueError) as err:
            log.warning("%s is damaged and will be made again: %s", path, err)
    made = make()
    try:
        with published(path) as scratch, scratch.open("wb") as file:
            np.save(file, made, allow_pickle=False)
    except OSError as err:
        log.warning("embedded words cannot be kept: %s", err)
    return made


def phrase_means(phrases: Phrases, embed: Callable[[Sequence[str]], Floats]) -> Floats:
    """Weighted means of phrases as unit vectors (rows, D).

    Args:
        phrases: each distinct text is embedded once.
        embed: texts -> unit vectors (N, D).
    """
    texts, rows, weights = phrases
    distinct = list(dict.fromkeys(texts))
    found = embed(distinct)
    vectors = dict(zip(distinct, found, strict=True))
    total = np.zeros((max(rows) + 1, found.shape[1]), np.float32)
    for text, row, weight in zip(texts, rows, weights, strict=True):
        total[row] += np.float32(weight) * vectors[text]
    return unit(total)


def unit(rows: Floats) -> Floats:
    """Rows of length 1, but for those of length 0."""
    norms = np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)
    return (rows / norms).astype(np.float32)
