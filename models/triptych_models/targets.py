"""What is known of examples -> tensors that losses take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from triptych_models.batches import Batch, Example, Task
from triptych_models.losses import Loss, class_weights

__all__ = ["label_weights", "steps_of", "targets_of"]


def targets_of(examples: Sequence[Example], task: Task) -> Tensor | None:
    """Targets of videos; None where they are of steps."""
    kind = torch.int64 if task == "single" else torch.float32
    if any(e.target is None for e in examples):
        return None
    return torch.tensor(np.array([e.target for e in examples]), dtype=kind)


def steps_of(examples: Sequence[Example], batch: Batch, what: str, empty: float) -> Tensor | None:
    """What people said of steps, padded; None where nobody said anything."""
    rows = [getattr(e, what) for e in examples]
    known = next((r for r in rows if r is not None), None)
    if known is None:
        return None
    padded = np.full(batch.steps.shape, empty, known.dtype)
    for row, values in enumerate(rows):
        if values is not None:
            padded[row, : len(values)] = values
    return torch.from_numpy(padded).to(batch.steps.device)


def label_weights(train: Sequence[Example], task: Task, loss: Loss, power: float) -> Tensor | None:
    """Weights of labels by how often videos or steps have them; None where all weigh the same."""
    if task != "single" or loss != "cross_entropy" or power == 0:
        return None
    said = [np.array([e.target]) if e.step_target is None else e.step_target for e in train]
    index = np.concatenate(said)
    return class_weights(torch.from_numpy(np.bincount(index[index >= 0])), power=power)
