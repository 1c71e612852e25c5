"""What is heard, as far as labels are about it: AudioSet's tags meet the words of the labels.

The mean of the tags' vectors, as for ImageNet's classes, would not do: tags do not exclude each
other, and sounds that go together (a dog, an animal, a small room) have a mean that is near to
none of them. So each label is given the tags that it means, and their probabilities are added up.
"""

from __future__ import annotations

import functools

import numpy as np

from triptych.extract.families.audioset import tags
from triptych.extract.text import kept_vectors
from triptych.records import Floats

__all__ = ["likeness_to_tags", "weighed"]

_VERSION = 1  # of the tags' vectors
# A label means its nearest tag, and those nearly as near; and nothing that is further away than
# any words are from each other. What is near depends on the language: 锯 is further from "Chainsaw"
# than "rain" is from "Thunder".
_NEARLY, _LEAST = 0.7, 0.4
# A tag that holds for many sounds is on whenever one of them is, and as sure: a dog is an animal.
# Half of it is taken off, so that the dog comes first where both are asked for. Talking and music
# are in videos about anything.
_BROAD = {
    "Speech": 0.25,
    "Music": 0.25,
    "Musical instrument": 0.5,
    "Animal": 0.5,
    "Domestic animals, pets": 0.5,
    "Livestock, farm animals, working animals": 0.5,
    "Wild animals": 0.5,
    "Bird": 0.5,
    "Vehicle": 0.5,
    "Motor vehicle (road)": 0.5,
    "Engine": 0.5,
    "Tools": 0.5,
    "Water": 0.5,
    "Wind": 0.5,
    "Inside, small room": 0.25,
    "Inside, large room or hall": 0.25,
    "Outside, urban or manmade": 0.25,
    "Outside, rural or natural": 0.25,
}


def weighed(probabilities: Floats) -> Floats:
    """Probabilities of the tags, (T, 527), those of broad ones made smaller."""
    return (probabilities * _weights()).astype(np.float32)


def likeness_to_tags(labels: Floats) -> Floats:
    """How much each tag is what a label (L, 512) means, (527, L); mostly zeros."""
    likeness = _tag_vectors() @ labels.T
    near = np.maximum(_NEARLY * likeness.max(axis=0), _LEAST)
    return np.maximum(likeness - near, 0.0).astype(np.float32)


@functools.cache
def _tag_vectors() -> Floats:
    names = tags()
    return kept_vectors(
        f"audioset-v{_VERSION}", lambda: (names, range(len(names)), [1.0] * len(names))
    )


@functools.cache
def _weights() -> Floats:
    return np.array([_BROAD.get(name, 1.0) for name in tags()], np.float32)
