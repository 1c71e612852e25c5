"""The 1000 ImageNet classes as points in the sentence encoder's space.

They carry an image's label probabilities over to words that ImageNet never heard of (ConSE,
Norouzi et al., ICLR 2014). A class is its name and what it is a kind of: the encoder does not
know that a weevil is an animal. Embedded once a machine and kept in the cache folder.
"""

from __future__ import annotations

import csv
import functools
import logging
from importlib import resources
from pathlib import Path

import numpy as np

from triptych.cache import cache_dir, published
from triptych.extract.specs import IMAGE_LABELS, TEXT
from triptych.extract.text import embed_texts
from triptych.records import Floats

__all__ = ["class_vectors", "conse", "prepared_path"]

log = logging.getLogger(__name__)

_VERSION = 3  # of the vectors below
_KIND = 0.5  # weight of what a class is a kind of, beside 1 for its name
_BEST = 10  # classes that carry an image; the tail of a softmax is noise


def prepared_path() -> Path:
    """Where the embedded class names are kept."""
    return cache_dir() / "prepared" / f"imagenet-{TEXT.weights[:12]}-v{_VERSION}.npy"


@functools.cache
def class_vectors() -> Floats:
    """Unit vectors (1000, 512) of the class names, in the order of the label probabilities."""
    path = prepared_path()
    if path.exists():
        vectors: Floats = np.load(path, allow_pickle=False)
        if vectors.shape == (IMAGE_LABELS.dim, TEXT.dim):
            return vectors
    from torchvision.models import EfficientNet_B0_Weights

    vectors = embed_texts(EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"])
    for first, last, words in _kinds():
        vectors[first : last + 1] += _KIND * embed_texts([words])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    try:
        with published(path) as scratch, scratch.open("wb") as file:
            np.save(file, vectors, allow_pickle=False)
    except OSError as err:
        log.warning("the embedded class names cannot be kept: %s", err)
    return vectors


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
