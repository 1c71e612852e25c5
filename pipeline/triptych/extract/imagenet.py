"""The 1000 ImageNet classes as points in the sentence encoder's space.

They carry an image's label probabilities over to words that ImageNet never heard of (ConSE,
Norouzi et al., ICLR 2014). A class is the everyday words for it, English and Chinese: the encoder
does not know what a weevil or a ringlet is, nor that both are animals. Embedded once a machine and
kept in the cache folder.
"""

from __future__ import annotations

import csv
import functools
from importlib import resources

import numpy as np

from triptych.extract.kept import Phrases
from triptych.extract.text import kept_vectors
from triptych.records import Floats

__all__ = ["best_classes", "class_vectors"]

_VERSION = 5  # of the vectors below
_LESS = 0.5  # weight of what a class is a kind of and about, beside 1 for its name
_BEST = 10  # classes that carry an image; the tail of a softmax is noise


@functools.cache
def class_vectors() -> Floats:
    """Unit vectors (1000, 512), in the order of the label probabilities."""
    return kept_vectors(f"imagenet-words-{_VERSION}", _class_phrases)


def _class_phrases() -> Phrases:
    """Phrases, the class that each belongs to, and its weight."""
    phrases: list[str] = []
    rows: list[int] = []
    weights: list[float] = []
    file = resources.files("triptych.extract") / "imagenet_words.tsv"
    lines = [x for x in file.read_text(encoding="utf-8").splitlines() if not x.startswith("#")]
    for row, words in enumerate(csv.DictReader(lines, delimiter="\t")):
        for named in (words["en"].split("; "), words["zh"].split("；")):
            phrases += named
            rows += [row] * len(named)
            weights += [1.0] + [_LESS] * (len(named) - 1)
    return phrases, rows, weights


def best_classes(probabilities: Floats) -> Floats:
    """Label probabilities (T, 1000) with the ten best alone, which then add up to 1."""
    kept = np.zeros_like(probabilities)
    best = np.argpartition(probabilities, -_BEST, axis=1)[:, -_BEST:]
    np.put_along_axis(kept, best, np.take_along_axis(probabilities, best, axis=1), axis=1)
    return (kept / np.maximum(kept.sum(axis=1, keepdims=True), 1e-9)).astype(np.float32)
