"""Labels without training: all modalities meet the label words in one sentence-embedding space.

What is seen reaches that space through the ImageNet classes (`triptych.predict.seen`), what is
said through the sentence embeddings of the cues, what is heard through the words for speech,
singing and music, or through AudioSet's tags where there are any (`triptych.predict.heard`).
With a model of pictures and words (CLIP and its kin) what is seen meets the labels in its space,
and with one of sounds and words (CLAP) what is heard.
Likeness is the cosine. Scores rank labels; they are no probabilities of being right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from triptych.extract.imagenet import best_classes, class_vectors
from triptych.extract.specs import Entry
from triptych.predict.heard import likeness_to_tags, weighed
from triptych.predict.phrases import phrase_vectors
from triptych.predict.seen import likeness_to_classes
from triptych.predict.vocabulary import Vocabulary
from triptych.records import Floats, LabelScore, Mask, Prediction, Timeline

__all__ = [
    "CLAP_LANGUAGES",
    "label_vectors",
    "prepare_labels",
    "prepare_words",
    "zero_shot",
]

# How much a modality is believed. Words name the subject outright; ten ImageNet classes hint at
# it; speech or music alone says little.
_TRUST: Mapping[str, float] = {"image": 1.0, "text": 2.0, "audio": 0.25}
CLAP_LANGUAGES = ("en",)  #: that its published models were taught
_TRUST_IN_TAGS = 2.0  # 527 sounds name what is heard
_SHARPNESS = 12.0  # logits per unit of cosine: unrelated labels differ by about .1
# Talking or music is heard in videos about anything: it speaks only for labels as near to it as
# "concert" is to music. "Dog barking" is less near to talking than that.
_HEARD_AT_LEAST = 0.45
_HEARD = (("a person talking",), ("a person singing a song",), ("music playing",))
# A modality that is present in less than this share of the steps counts in proportion.
_FULL_PRESENCE = 0.3
_SOUNDS = ("This is a sound of {}.",)  # as transformers' zero-shot-audio-classification says it
_FLAT = 0.05  # belief in a frame whose class probabilities say nothing


@dataclass(frozen=True, slots=True)
class _Evidence:
    """One modality in a space that has words, too, or has tags for words."""

    vectors: Floats  # (T, D), unit where present; or how sure each of D tags is
    weight: Floats  # (T,), how clear each step is; 0 where absent
    labels: Floats  # (L, D), unit; or how much each tag or class is what a label means
    scale: float  # logits per unit of cosine
    at_least: float = -1.0  # likeness that counts
    are_tags: bool = False

    def whole(self) -> Floats:
        """The whole video as one row."""
        total = (self.vectors * self.weight[:, None]).sum(axis=0, keepdims=True)
        return total / self.weight.sum() if self.are_tags else _unit(total)


def label_vectors(vocabulary: Vocabulary) -> Floats:
    """Unit vectors (L, 512): each label is the mean of its phrases."""
    return phrase_vectors(vocabulary.phrases)


def zero_shot(
    timeline: Timeline,
    vocabulary: Vocabulary,
    *,
    clip: Entry | None = None,
    clap: Entry | None = None,
) -> Prediction:
    """Rank the labels of a vocabulary for a video and for each of its steps.

    Args:
        timeline: with any of the tracks image_labels, text, audioset_labels, sound_tags, clip,
            clap.
        vocabulary: at least one label.
        clip: what made the track clip, which then takes the place of image_labels. Without a
            track text, where no sentence encoder is installed, it is all that answers.
        clap: what made the track clap, which then takes the place of all that is heard else.
    """
    evidence = _evidence(timeline, vocabulary, clip, clap)
    steps = np.zeros((len(timeline), len(vocabulary)), np.float32)
    present = np.zeros(len(timeline), bool)
    parts: dict[str, Floats] = {}
    for name, found in evidence.items():
        here = found.weight > 0
        if not here.any():
            continue
        standing = _standing(found, found.whole())[0]
        if name == "audio" and not standing.any():  # no label is about such sounds
            continue
        share = min(1.0, float(here.mean()) / _FULL_PRESENCE)
        parts[name] = found.scale * share * standing
        steps[here] += found.scale * _standing(found, found.vectors[here])
        present |= here
    logits = sum(parts.values(), np.zeros(len(vocabulary), np.float32))
    scores = _softmax(logits)
    ranked = tuple(
        LabelScore(
            label=vocabulary.names[i],
            score=float(scores[i]),
            contributions={name: float(part[i]) for name, part in parts.items()},
        )
        for i in np.argsort(-scores, kind="stable")
    )
    return Prediction(
        method="zero-shot" if parts else "none",
        ranked=ranked if parts else (),
        labels=tuple(vocabulary.names),
        steps=_softmax(steps),
        step_present=present,
    )


def _standing(found: _Evidence, vectors: Floats) -> Floats:
    """How each label stands beside the others for rows of one modality's evidence, (T, L)."""
    likeness = vectors @ found.labels.T
    if found.at_least > -1.0:
        likeness = np.maximum(likeness - found.at_least, 0.0)
    return _centred(likeness)


def prepare_words() -> None:
    """Embed, once a machine, the words that every video is judged with."""
    class_vectors()
    phrase_vectors(_HEARD)


def prepare_labels(vocabulary: Vocabulary, clip: Entry) -> None:
    """Embed, once a machine, the labels with a model of pictures and words."""
    from triptych.extract.clip import contrast_of

    if clip.source is not None:
        contrast_of(clip.source)
        _prompted(vocabulary, clip)


def _prompted(vocabulary: Vocabulary, clip: Entry) -> Floats:
    from triptych.predict.contrast import prompted_vectors

    assert clip.source is not None
    (spec,) = clip.specs
    return prompted_vectors(vocabulary, clip.source, languages=spec.options["languages"])


def _evidence(
    timeline: Timeline, vocabulary: Vocabulary, clip: Entry | None, clap: Entry | None
) -> dict[str, _Evidence]:
    found: dict[str, _Evidence] = {}
    if clip is not None and "clip" in timeline.values:
        found["image"] = _seen_by(clip, timeline, vocabulary)
    if clap is not None and "clap" in timeline.values:
        found["audio"] = _heard_by(clap, timeline, vocabulary)
    if (clip or clap) is not None and "text" not in timeline.values:
        return found
    labels = label_vectors(vocabulary)
    if "image_labels" in timeline.values and "image" not in found:
        seen = timeline.values["image_labels"]
        found["image"] = _Evidence(
            best_classes(seen),
            _masked(_clarity(seen), timeline.present["image_labels"]),
            likeness_to_classes(vocabulary).T,
            scale=_TRUST["image"] * _SHARPNESS,
            are_tags=True,
        )
    if "text" in timeline.values:
        words = timeline.values["text"]
        ones = np.ones(len(words), np.float32)
        found["text"] = _Evidence(
            _unit(words),
            _masked(ones, timeline.present["text"]),
            labels,
            scale=_TRUST["text"] * _SHARPNESS,
        )
    if "audio" in found:
        return found
    if (tagged := timeline.present.get("audioset_labels")) is not None and tagged.any():
        found["audio"] = _Evidence(
            weighed(timeline.values["audioset_labels"]),
            tagged.astype(np.float32),
            likeness_to_tags(labels).T,
            scale=_TRUST_IN_TAGS * _SHARPNESS,
            are_tags=True,
        )
    elif "sound_tags" in timeline.values:
        shares = timeline.values["sound_tags"]
        found["audio"] = _Evidence(
            _unit(shares @ phrase_vectors(_HEARD)),
            _masked(shares.max(axis=1, initial=0.0), timeline.present["sound_tags"]),
            labels,
            scale=_TRUST["audio"] * _SHARPNESS,
            at_least=_HEARD_AT_LEAST,
        )
    return found


def _seen_by(clip: Entry, timeline: Timeline, vocabulary: Vocabulary) -> _Evidence:
    """What a model of pictures and words has to say, as loud as it was taught to say it."""
    from triptych.extract.clip import contrast_of

    assert clip.source is not None
    frames = timeline.values["clip"]
    return _Evidence(
        _unit(frames),
        _masked(np.ones(len(frames), np.float32), timeline.present["clip"]),
        _prompted(vocabulary, clip),
        scale=_TRUST["image"] * contrast_of(clip.source).scale,
    )


def _heard_by(clap: Entry, timeline: Timeline, vocabulary: Vocabulary) -> _Evidence:
    """What a model of sounds and words has to say, as loud as it was taught to say it."""
    from triptych.extract.clap import kept_descriptions, sharpness_of
    from triptych.predict.contrast import prompted_vectors

    assert clap.source is not None
    rows = timeline.values["clap"]
    labels = prompted_vectors(
        vocabulary,
        clap.source,
        languages=CLAP_LANGUAGES,
        sentences=dict.fromkeys(("en", "zh"), _SOUNDS),
        keep=kept_descriptions,
    )
    return _Evidence(
        _unit(rows),
        _masked(np.ones(len(rows), np.float32), timeline.present["clap"]),
        labels,
        scale=sharpness_of(clap.source),
    )


def _clarity(probabilities: Floats) -> Floats:
    """How sure the image model is of each frame, (T,): 1 for one class, near 0 for all alike."""
    best = np.sort(probabilities, axis=1)[:, -3:].sum(axis=1)
    return np.maximum(best, _FLAT).astype(np.float32)


def _masked(weight: Floats, present: Mask) -> Floats:
    return np.where(present, weight, 0.0).astype(np.float32)


def _unit(rows: Floats) -> Floats:
    norms = np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)
    return (rows / norms).astype(np.float32)


def _centred(rows: Floats) -> Floats:
    return (rows - rows.mean(axis=-1, keepdims=True)).astype(np.float32)


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
