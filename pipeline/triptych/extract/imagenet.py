"""The 1000 ImageNet classes as points in the sentence encoder's space.

They carry an image's label probabilities over to words that ImageNet never heard of (ConSE,
Norouzi et al., ICLR 2014). A class is its name and what it is a kind of: the encoder does not
know that a weevil is an animal. Embedded once a machine and kept in the cache folder.
"""

from __future__ import annotations

import csv
import functools
from importlib import resources

import numpy as np

from triptych.extract.specs import TEXT
from triptych.extract.text import kept_vectors
from triptych.records import Floats

__all__ = ["class_vectors", "conse"]

_VERSION = 3  # of the vectors below
_KIND = 0.5  # weight of what a class is a kind of, beside 1 for its name
_BEST = 10  # classes that carry an image; the tail of a softmax is noise


@functools.cache
def class_vectors() -> Floats:
    """Unit vectors (1000, 512) of the classes, in the order of the label probabilities."""
    return kept_vectors(f"imagenet-v{_VERSION}", _class_phrases)


def _class_phrases() -> tuple[list[str], list[int], list[float]]:
    """Names and kinds, the class that each belongs to, and its weight."""
    from torchvision.models import EfficientNet_B0_Weights

    names = EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]
    phrases, rows, weights = list(names), list(range(len(names))), [1.0] * len(names)
    for first, last, words in _kinds():
        for row in range(first, last + 1):
            phrases.append(words)
            rows.append(row)
            weights.append(_KIND)
    return phrases, rows, weights


def _kinds() -> list[tuple[int, int, str]]:
    """Ranges of classes that are of one kind: first, last, words."""
    file = resources.files("triptych.extract") / "imagenet_kinds.tsv"
    lines = [x for x in file.read_text(encoding="utf-8").splitlines() if not x.startswith("#")]
    rows = csv.DictReader(lines, delimiter="\t")
    return [(int(r["first"]), int(r["last"]), r["words"]) for r in rows]


def conse(probabilities: Floats) -> Floats:
    """Label probabilities (T, 1000) to unit vectors (T, 512) in the sentence encoder's space."""
    if not len(probabilities):
        return np.zeros((0, TEXT.dim), np.float32)
    best = np.argpartition(probabilities, -_BEST, axis=1)[:, -_BEST:]
    weights = np.take_along_axis(probabilities, best, axis=1)
    mixed = np.einsum("tk,tkd->td", weights, class_vectors()[best])
    norms = np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-9)
    return (mixed / norms).astype(np.float32)
