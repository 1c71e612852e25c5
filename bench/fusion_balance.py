"""Unequal modalities for `fusion.py`: heads of their own, or gradient modulation.

On-the-fly gradient modulation (Peng et al., Balanced Multimodal Learning via On-the-fly Gradient
Modulation, CVPR 2022) slows the modality that is ahead: its gradients are multiplied by
1 - tanh(strength x ratio), the ratio being how much more probability of the truth its own evidence
gives than that of the others, where that is above 1. Judged on the validation folds of outer
training parts: test videos are not looked at.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import fusion_data
import numpy as np
import torch
from fusion_data import Study
from measure import summary
from torch import Tensor

import triptych.learn.fit
import triptych_models.train
from triptych.config import TrainConfig
from triptych.learn.fit import fit_model, recipe_for
from triptych.learn.splits import grouped_folds
from triptych_models.batches import Batch, Example
from triptych_models.train import Recipe

#: name -> weight of the modalities' own losses, strength of the modulation
_WAYS = {
    "as it is": (0.5, 0.0),
    "heads of their own": (0.5, 0.0),
    "neither": (0.0, 0.0),
    "modulation, 0.3": (0.0, 0.3),
    "modulation, 1": (0.0, 1.0),
    "both, 0.3": (0.5, 0.3),
}
_AS_IT_IS = "as it is"  # with few videos modalities learn apart; all others learn together
_Plain = triptych_models.train._Trainer


class _Modulated(_Plain):
    """A trainer of all modalities together that scales the gradients of each one's weights."""

    strength = 0.0

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.own, self.apart = {}, False

    def _loss(self, batch: Batch, examples: Sequence[Example]) -> Tensor:
        loss = super()._loss(batch, examples)
        if self.strength:
            truth = torch.tensor([e.target for e in examples])
            with torch.no_grad():
                self.model.eval()
                parts = self.model(batch).parts
                self.model.train()
                self.pace = _paces(parts, truth, strength=self.strength)
            if not hasattr(self, "hooked"):
                self.hooked = [*self._hooks()]
        return loss

    def _hooks(self) -> Any:
        for name, weight in self.model.named_parameters():
            places = [self.modalities.get(part, part) for part in name.split(".")]
            if own := [m for m in places if m in self.pace]:
                yield weight.register_hook(lambda grad, m=own[0]: grad * self.pace[m])


def _paces(parts: Mapping[str, Tensor], truth: Tensor, *, strength: float) -> dict[str, float]:
    """What to multiply the gradients of each modality with."""
    sure = {m: float(p.softmax(1).gather(1, truth[:, None]).sum()) for m, p in parts.items()}
    paces = {}
    for modality, own in sure.items():
        ratio = own * (len(sure) - 1) / (sum(sure.values()) - own)
        paces[modality] = 1 - float(np.tanh(strength * ratio)) if ratio > 1 else 1.0
    return paces


def balance(options: argparse.Namespace) -> dict[str, Any]:
    """Ways to meet a modality that learns faster than another."""
    data = {"fight": (lambda: fusion_data.fight()[0], 3), "ravdess": (fusion_data.ravdess, 6)}
    table = {}
    for name, (made, folds) in data.items():
        if options.only and name not in options.only:
            continue
        study = made()
        for way, (auxiliary, strength) in _WAYS.items():
            _Modulated.strength = strength
            trainer = _Plain if way == _AS_IT_IS else _Modulated
            values = [
                _validated(study, trainer, folds=folds, seed=seed, auxiliary=auxiliary)
                for seed in range(options.seeds)
            ]
            table[f"{name}: {way}"] = summary(values)
    return {"table": table}


def _validated(
    study: Study, trainer: type[_Plain], *, folds: int, seed: int, auxiliary: float
) -> float:
    """Accuracy on the validation folds of the training part of one outer fold."""
    kept, _ = grouped_folds(study.truth, study.groups, folds=folds, seed=0)[seed % folds]

    def recipe(options: TrainConfig, *, videos: int) -> Recipe:
        return replace(recipe_for(options, videos=videos), auxiliary=auxiliary)

    triptych.learn.fit.recipe_for = recipe
    triptych_models.train._Trainer = trainer  # type: ignore[misc]
    try:
        fitted = fit_model(
            [study.examples[i] for i in kept],
            groups=[study.groups[i] for i in kept],
            splits=["train"] * len(kept),
            labels=study.labels,
            task="single",
            modalities=study.modalities,
            options=TrainConfig(seed=seed),
        )
    finally:
        triptych.learn.fit.recipe_for = recipe_for
        triptych_models.train._Trainer = _Plain  # type: ignore[misc]
    found: float = fitted.metrics["splits"]["validation"]["metrics"]["accuracy"]
    return found
