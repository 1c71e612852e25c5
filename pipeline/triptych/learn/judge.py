"""A fitted model and videos that it was not fitted to -> all figures about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from triptych.fuse.trained import scored
from triptych.learn.splits import Indices
from triptych_models.batches import Example, LabelTask
from triptych_models.checkpoint import TrainedModel
from triptych_models.inference import forward_all
from triptych_models.metrics import evaluate

__all__ = ["Data", "Judge"]

_ABLATED = {"single": "accuracy", "multi": "mAP", "regression": "mae"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Examples with numbers for targets."""

    examples: tuple[Example, ...]
    truth: npt.NDArray[Any]
    groups: npt.NDArray[Any]
    labels: tuple[str, ...]
    task: LabelTask
    tracks: dict[str, dict[str, Any]]

    @property
    def modalities(self) -> dict[str, str]:
        return {t: v["modality"] for t, v in self.tracks.items()}


class Judge:
    """Scores of held-back videos, with all modalities and without some."""

    def __init__(
        self,
        model: TrainedModel,
        data: Data,
        folds: Sequence[tuple[Indices, Indices]],
        held: Mapping[int, npt.NDArray[np.float32]],
        test: Indices,
    ) -> None:
        self.model, self.data, self.folds, self.held, self.test = model, data, folds, held, test

    def results(self, *, seed: int) -> dict[str, Any]:
        """RESULT of each split, see docs/schema.md."""
        found = {}
        if self.held:
            index = np.array([*self.held])
            scores = self.model.scored(np.stack([*self.held.values()]))
            found["validation"] = self._result(index, scores, seed=seed)
        if len(self.test):
            examples = [self.data.examples[i] for i in self.test]
            found["test"] = self._result(self.test, scored(self.model, examples), seed=seed)
        return found

    def _result(
        self, index: Indices, scores: npt.NDArray[np.float32], *, seed: int, resamples: int = 1000
    ) -> dict[str, Any]:
        return evaluate(
            self.data.task,
            self.data.truth[index],
            scores[:, 0] if self.data.task == "regression" else scores,
            labels=self.data.labels,
            thresholds=self.model.thresholds,
            groups=self.data.groups[index].tolist(),
            resamples=resamples,
            seed=seed,
        )

    def ablation(self) -> dict[str, Any] | None:
        """What each modality is worth: the figure without it, and with it alone."""
        present = sorted(set(self.data.modalities.values()))
        # Words and pixels are hidden by no mask: their models would seem to need nothing.
        if len(present) < 2 or not self.model.members[0].tracks:
            return None
        metric = _ABLATED[self.data.task]

        def figure(hidden: Sequence[str]) -> float | None:
            tracks = [t for t, m in self.data.modalities.items() if m in hidden]
            index, scores = self._scored_without(tracks)
            judged = self._result(index, scores, seed=0, resamples=0)
            value: float | None = judged["metrics"][metric]
            return value

        return {
            "metric": metric,
            "split": "test" if len(self.test) else "validation",
            "all": figure([]),
            "without": {m: figure([m]) for m in present},
            "alone": {m: figure([o for o in present if o != m]) for m in present},
        }

    def _scored_without(self, tracks: Sequence[str]) -> tuple[Indices, npt.NDArray[np.float32]]:
        examples = [e.without(tracks) for e in self.data.examples]
        if len(self.test):
            return self.test, scored(self.model, [examples[i] for i in self.test])
        parts = [
            forward_all(member, [examples[i] for i in check]).numpy()
            for member, (_, check) in zip(self.model.members, self.folds, strict=True)
        ]
        index = np.concatenate([check for _, check in self.folds])
        return index, self.model.scored(np.concatenate(parts))
