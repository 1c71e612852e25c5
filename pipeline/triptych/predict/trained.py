"""Labels by a trained model: its scores, and what each modality and each step had in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from triptych.records import Floats, LabelScore, Prediction, ScoreKind, Timeline

if TYPE_CHECKING:
    from triptych_models.checkpoint import Explanation, TrainedModel

__all__ = ["PRIOR", "VALUE", "trained", "weighed"]

VALUE = "value"  #: the one label of a regression
_EVEN = 0.5  # threshold where training found none
PRIOR = "prior"  #: the part of a logit that no modality had a hand in
_KINDS: Mapping[str, ScoreKind] = {
    "single": "shares",
    "multi": "independent",
    "regression": "value",
}


def trained(timeline: Timeline, explanation: Explanation, *, model: TrainedModel) -> Prediction:
    """What a model says of a video, best label first.

    Nothing is ranked where no step is present: the scores of a video that holds nothing of what
    the model reads are those of any such video, and would look like an answer.

    Args:
        timeline: what the model read.
        explanation: what it made of it.
        model: for its name and its labels.
    """
    parts = _by_modality(explanation)
    labels = tuple(model.labels) or (VALUE,)
    scores = np.asarray(explanation.scores, np.float32)
    thresholds = model.thresholds or (_EVEN,) * len(labels)
    ranked = tuple(
        LabelScore(
            label=labels[i],
            score=float(scores[i]),
            contributions={name: float(part[i]) for name, part in parts.items()},
            holds=None if model.task != "multi" else bool(scores[i] >= thresholds[i]),
        )
        for i in np.argsort(-scores, kind="stable")
        if explanation.present.any()
    )
    return Prediction(
        method=model.name,
        ranked=ranked,
        labels=labels,
        steps=np.asarray(explanation.steps, np.float32).reshape(len(timeline), len(labels)),
        step_present=np.asarray(explanation.present, bool),
        kind=_KINDS[model.task],
        importance=np.asarray(explanation.importance, np.float32),
    )


def weighed(prediction: Prediction, explanation: Explanation, *, model: TrainedModel) -> Prediction:
    """Labels that were found without training, and what a model of importance says of the steps."""
    if not explanation.present.any():
        return prediction
    importance = np.asarray(explanation.importance, np.float32)
    return replace(prediction, importance=importance, judged_by=model.name)


def _by_modality(explanation: Explanation) -> dict[str, Floats]:
    """Modality -> its part of each label's logit, (L,); together they are the logits."""
    said = explanation.contributions.items()
    parts = {modality: np.asarray(steps, np.float32).sum(axis=0) for modality, steps in said}
    return parts | {PRIOR: np.asarray(explanation.bias, np.float32)}
