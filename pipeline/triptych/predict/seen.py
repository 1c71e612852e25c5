"""What is seen, as far as labels are about it: ImageNet's classes meet the words of the labels."""

from __future__ import annotations

import numpy as np

from triptych.extract.imagenet import class_vectors
from triptych.predict.phrases import phrase_vectors
from triptych.predict.vocabulary import Vocabulary
from triptych.records import Floats

__all__ = ["likeness_to_classes"]

# Words such as "countryside" are near to everything seen. A part of that is taken off; all of it
# would also take what they do mean: two in five classes are animals (docs/decisions.md).
_GENERIC = 0.85


def likeness_to_classes(vocabulary: Vocabulary) -> Floats:
    """How near each class is to what a label means, (1000, L)."""
    likeness = class_vectors() @ phrase_vectors(vocabulary.phrases).T
    return (likeness - _GENERIC * likeness.mean(axis=0)).astype(np.float32)
