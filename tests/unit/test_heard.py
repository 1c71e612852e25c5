"""Sounds by name speak for the labels that they mean, in either language."""

from __future__ import annotations

import numpy as np
import pytest

import synth
from triptych.extract.families.audioset import tags
from triptych.extract.text import embed_texts
from triptych.predict.classify import zero_shot
from triptych.predict.heard import likeness_to_tags, weighed
from triptych.predict.vocabulary import load_vocabulary
from triptych.records import Prediction

pytestmark = pytest.mark.needs("embedded")

STEPS = 4
BARKING = {"Animal": 0.8, "Domestic animals, pets": 0.7, "Dog": 0.78, "Bark": 0.6, "Speech": 0.1}
SOUNDS = {  # as mn04_as hears clips of ESC-10
    "dog": BARKING,
    "helicopter": {"Vehicle": 0.6, "Helicopter": 0.45, "Aircraft": 0.3, "Speech": 0.14},
    "rain": {"Rain": 0.3, "Rain on surface": 0.3, "Raindrop": 0.27, "Fire": 0.05},
    "sneeze": {"Sneeze": 0.55, "Speech": 0.07, "Cough": 0.05},
    "chainsaw": {"Chainsaw": 0.35, "Vehicle": 0.17, "Motorcycle": 0.1, "Tools": 0.1},
}
CHINESE = {
    "dog": "狗",
    "helicopter": "直升机",
    "rain": "雨",
    "sneeze": "打喷嚏",
    "chainsaw": "电锯",
}


def sounding(**probabilities: float) -> np.ndarray:
    row = np.zeros(len(tags()), np.float32)
    for name, probability in probabilities.items():
        row[tags().index(name)] = probability
    return np.tile(row, (STEPS, 1))


def predict(labels: str, **tracks: np.ndarray) -> Prediction:
    there = {name: (values, [True] * STEPS) for name, values in tracks.items()}
    return zero_shot(synth.timeline(there), load_vocabulary(labels))


def test_the_tags_are_audiosets() -> None:
    assert len(tags()) == len(set(tags())) == 527
    assert tags()[0] == "Speech" and tags()[74] == "Dog" and tags()[-1] == "Field recording"


@pytest.mark.parametrize("chinese", [False, True], ids=["en", "zh"])
@pytest.mark.parametrize("sound", SOUNDS)
def test_a_sound_names_its_label(sound: str, chinese: bool) -> None:
    found = predict(
        ",".join(CHINESE.values() if chinese else SOUNDS), audioset_labels=sounding(**SOUNDS[sound])
    )
    assert found.ranked[0].label == (CHINESE[sound] if chinese else sound)
    assert set(found.ranked[0].contributions) == {"audio"} and found.method == "zero-shot"


@pytest.mark.parametrize(
    ("labels", "sound"), [("animal,dog,cat", "dog"), ("vehicle,car,helicopter", "helicopter")]
)
def test_what_is_named_precisely_comes_before_its_kind(labels: str, sound: str) -> None:
    assert predict(labels, audioset_labels=sounding(**SOUNDS[sound])).ranked[0].label == sound


def test_a_kind_alone_is_still_named() -> None:
    found = predict("animal,car,piano", audioset_labels=sounding(**BARKING))
    assert found.ranked[0].label == "animal"


def test_tags_take_the_place_of_the_three_words() -> None:
    tagged = {"audioset_labels": sounding(Rain=0.7)}
    music = np.tile(np.array([0, 0, 1], np.float32), (STEPS, 1))
    both = predict("rain,music", **tagged, sound_tags=music)
    assert both.ranked == predict("rain,music", **tagged).ranked
    assert predict("rain,music", sound_tags=music).ranked[0].label == "music"


def test_without_tags_anywhere_the_three_words_are_heard() -> None:
    music = np.tile(np.array([0, 0, 1], np.float32), (STEPS, 1))
    nowhere = {
        "audioset_labels": (sounding(Rain=0.7), [False] * STEPS),
        "sound_tags": (music, [True] * STEPS),
    }
    found = zero_shot(synth.timeline(nowhere), load_vocabulary("rain,music"))
    assert found.ranked[0].label == "music"


def test_a_label_about_no_sound_is_not_spoken_for() -> None:
    vectors = embed_texts(["dog", "inflation of the currency"])
    weights = likeness_to_tags(vectors)
    assert weights.shape == (527, 2) and (weights >= 0).all()
    assert weights[:, 0].max() > 0.25 > 3 * weights[:, 1].max()
    assert (weights > 0).mean() < 0.05
    assert (weighed(sounding()) @ likeness_to_tags(vectors)).max() == 0.0


def test_each_step_is_heard_for_itself() -> None:
    rows = np.concatenate([sounding(**SOUNDS["dog"])[:2], sounding(**SOUNDS["rain"])[:2]])
    found = predict("dog,rain", audioset_labels=rows)
    assert found.steps.argmax(axis=1).tolist() == [0, 0, 1, 1]
