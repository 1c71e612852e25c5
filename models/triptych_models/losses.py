"""What training makes small. In shapes, B = videos, T = time steps, L = labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from triptych_models.batches import Batch, Task
from triptych_models.heads import Output

__all__ = [
    "FITTING",
    "LOSSES",
    "Loss",
    "class_weights",
    "default_loss",
    "importance_loss",
    "label_loss",
    "total_loss",
]

Loss = Literal["cross_entropy", "bce", "mse"]
LOSSES: tuple[Loss, ...] = ("cross_entropy", "bce", "mse")
#: Losses that a task can be learned by, its usual one first.
FITTING: Mapping[Task, tuple[Loss, ...]] = {
    "single": ("cross_entropy", "bce", "mse"),
    "multi": ("bce", "mse"),
    "regression": ("mse",),
    "importance": ("bce", "mse"),
}


def default_loss(task: Task) -> Loss:
    """The usual loss of a task."""
    return FITTING[task][0]


def class_weights(counts: Tensor, *, power: float) -> Tensor:
    """Weights (L,) of labels seen `counts` times: rare ones weigh more, the mean video weighs 1.

    Args:
        counts: (L,) of videos.
        power: 0 for equal weights, 1 for labels that weigh the same in sum.
    """
    weights = counts.clamp(min=1).double() ** -power
    return (weights * counts.sum() / (weights * counts).sum().clamp(min=1e-9)).float()


def label_loss(
    logits: Tensor, target: Tensor, *, loss: Loss, weights: Tensor | None = None
) -> Tensor:
    """Mean loss of rows.

    Args:
        logits: (B, L).
        target: int64 (B,), float (B, L), or float (B,) for regression.
        loss: which one; bce and mse of a class index take it as one-hot.
        weights: (L,) of labels; see `class_weights`.
    """
    if loss == "cross_entropy":
        if target.ndim == 2:
            raise ValueError("cross-entropy wants one label a video, not several")
        each = F.cross_entropy(logits, target, reduction="none")
        if weights is None:
            return each.mean()
        mass = weights[target]
        return (each * mass).sum() / mass.sum()
    wanted = F.one_hot(target, logits.shape[1]) if target.dtype == torch.int64 else target
    wanted = wanted.reshape(logits.shape).to(logits.dtype)
    if loss == "bce":
        return F.binary_cross_entropy_with_logits(logits, wanted, pos_weight=weights)
    return F.mse_loss(logits, wanted)


def total_loss(
    output: Output,
    batch: Batch,
    target: Tensor | None,
    *,
    loss: Loss,
    modalities: Mapping[str, str],
    auxiliary: float,
    apart: bool = False,
    weights: Tensor | None = None,
    step_target: Tensor | None = None,
    importance: Tensor | None = None,
) -> Tensor:
    """Loss of all modalities together, of each by itself, and of steps where they are judged.

    The loss of each modality by itself keeps one that learns fast from leaving the others
    untrained.

    Args:
        output: of the model.
        batch: that it was given.
        target: of the videos; ignored where `step_target` is given. None: only steps have some.
        loss: see `label_loss`.
        modalities: track -> modality.
        auxiliary: weight of the modalities' own losses.
        apart: modalities share nothing, and each learns from its own loss alone.
        weights: of labels.
        step_target: (B, T) class of each step, -1 for none; labels are then learned by step.
        importance: (B, T) judged importance, NaN for none.

    Raises:
        ValueError: the targets are of steps, and the model says nothing of steps.
    """
    if step_target is not None and output.steps is not None:
        known = (step_target >= 0) & batch.steps
        if not known.any():  # the mean of nothing is NaN
            return 0.0 * output.steps.sum() + _importance_loss(output, importance)
        total = label_loss(output.steps[known], step_target[known], loss=loss, weights=weights)
        # A step counts as what it says in the end, so one softmax over time is not wanted here.
        return total + _importance_loss(output, importance)
    if target is None:
        raise ValueError("labels are of steps, and this type of model says nothing of steps")
    own = _own_losses(output, batch, target, loss=loss, modalities=modalities, weights=weights)
    if apart and own:
        return torch.stack(own).sum() + _importance_loss(output, importance)
    total = label_loss(output.logits, target, loss=loss, weights=weights)
    if auxiliary and own:
        total = total + auxiliary / len(output.parts) * torch.stack(own).sum()
    return total + _importance_loss(output, importance)


def _own_losses(
    output: Output,
    batch: Batch,
    target: Tensor,
    *,
    loss: Loss,
    modalities: Mapping[str, str],
    weights: Tensor | None,
) -> list[Tensor]:
    """The loss of each modality's evidence alone, over the videos that have it.

    None where there is one modality, or a model whose evidence does not add up.
    """
    if len(output.parts) < 2:
        return []
    losses, bias = [], output.logits - sum(output.parts.values())
    for modality, part in output.parts.items():
        tracks = [t for t, m in modalities.items() if m == modality and t in batch.present]
        here = torch.stack([batch.present[t].any(1) for t in tracks]).any(0)
        if here.any():
            alone = label_loss((bias + part)[here], target[here], loss=loss, weights=weights)
            losses.append(alone)
    return losses


def importance_loss(output: Output, importance: Tensor | None, *, loss: Loss) -> Tensor:
    """Mean loss of the judged steps, where nothing else is learned.

    Args:
        output: of the model.
        importance: (B, T) judged importance, 0..1, NaN for none.
        loss: bce or mse.

    Raises:
        ValueError: the model says nothing of importance.
    """
    if output.importance is None:
        raise ValueError("this type of model says nothing of the importance of steps")
    if loss == "mse" or importance is None:
        return _importance_loss(output, importance)
    judged = ~importance.isnan()
    said, wanted = output.importance[judged], importance[judged]
    return F.binary_cross_entropy_with_logits(said, wanted) if len(said) else 0.0 * said.sum()


def _importance_loss(output: Output, importance: Tensor | None) -> Tensor:
    if importance is None or output.importance is None:
        return output.logits.new_zeros(())
    judged = ~importance.isnan()
    if not judged.any():
        return output.logits.new_zeros(())
    return F.mse_loss(torch.sigmoid(output.importance[judged]), importance[judged])
