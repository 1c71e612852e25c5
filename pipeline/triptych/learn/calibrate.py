"""Logits of videos that a model was not trained on -> how sure it may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from triptych.records import Floats
from triptych_models.batches import LabelTask
from triptych_models.losses import default_loss, label_loss

__all__ = ["best_thresholds", "modality_weights", "temperature_of"]

_TEMPERATURES = np.exp(np.linspace(np.log(0.1), np.log(10.0), 161))
# A few videos that are all right would make a model as sure as can be: the logarithm of the
# temperature has a normal prior with this deviation.
_DEVIATION = 0.5
_FEWEST = 50  # videos that say what a modality is worth
_FEWEST_GROUPS = 10  # that say whether it is worth anything
_WHISPER = 0.05  # weight of a modality that seems to know nothing
_ERRORS = 2.0  # standard errors above nothing that make evidence
_STEPS = 300
_SCALES = np.exp(np.linspace(-3.0, 2.0, 41)).astype(np.float32)


def modality_weights(
    parts: Mapping[str, Floats],
    bias: Floats,
    truth: npt.NDArray[Any],
    groups: npt.NDArray[Any],
    *,
    task: LabelTask,
) -> dict[str, float]:
    """What the evidence of each modality is worth on videos that were not learned from.

    A modality that the training videos make look better than it is, few and alike as they are,
    is turned down here. Weights stay near their common size unless the videos speak against it:
    their logarithms have a normal prior with deviation 1. One whose evidence alone makes the
    truth no likelier than chance may is left a whisper, which is heard where nothing else
    speaks. Of few videos nothing is concluded.

    Args:
        parts: modality -> evidence (N, L).
        bias: the rest of the logits (N, L).
        truth: as models are trained on it.
        groups: of each video; those of one group say the same thing once.
        task: what the truth is.
    """
    names = sorted(parts)
    if len(names) < 2 or len(bias) < _FEWEST:
        return dict.fromkeys(names, 1.0)
    heard = [n for n in names if _knows(parts[n], bias, truth, groups, task=task)] or names
    found = _fitted({n: parts[n] for n in heard}, bias, truth, task=task)
    return {n: found.get(n, _WHISPER) for n in names}


def _knows(
    part: Floats,
    bias: Floats,
    truth: npt.NDArray[Any],
    groups: npt.NDArray[Any],
    *,
    task: LabelTask,
) -> bool:
    """Whether evidence alone makes the truth of most groups likelier, beyond chance."""
    names, place = np.unique(groups, return_inverse=True)
    if len(names) < _FEWEST_GROUPS:
        return True

    def of_groups(logits: Floats) -> npt.NDArray[np.float64]:
        return np.bincount(place, _surprises(logits, truth, task=task)) / np.bincount(place)

    best = min((of_groups(bias + scale * part) for scale in _SCALES), key=np.mean)
    gain = of_groups(bias) - best
    return bool(gain.mean() > _ERRORS * gain.std(ddof=1) / np.sqrt(len(gain)))


def _fitted(
    parts: Mapping[str, Floats], bias: Floats, truth: npt.NDArray[Any], *, task: LabelTask
) -> dict[str, float]:
    """The weights that make the truth likeliest, near 1; a single one stays as it is."""
    if len(parts) < 2:
        return dict.fromkeys(parts, 1.0)
    kind = torch.int64 if task == "single" else torch.float32
    target, rest = torch.tensor(truth, dtype=kind), torch.from_numpy(bias)
    given = torch.stack([torch.from_numpy(part) for part in parts.values()])
    logs = torch.zeros(len(parts), requires_grad=True)
    optimizer = torch.optim.Adam([logs], lr=0.05)
    for _ in range(_STEPS):
        logits = rest + (logs.exp()[:, None, None] * given).sum(0)
        loss = label_loss(logits, target, loss=default_loss(task))
        loss = loss + (logs**2).sum() / (2 * len(target))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return dict(zip(parts, logs.detach().exp().tolist(), strict=True))


def temperature_of(logits: Floats, truth: npt.NDArray[Any]) -> float:
    """The temperature that makes the truth most likely (Guo et al., ICML 2017).

    Args:
        logits: (N, L).
        truth: class indices (N,), or 0 and 1 (N, L).

    Returns:
        Between 0.1 and 10; 1 where there is nothing to learn it from, near 1 where there is little.
    """
    if not len(logits):
        return 1.0
    task: LabelTask = "single" if truth.ndim == 1 else "multi"
    losses = np.array([_surprises(logits / t, truth, task=task).mean() for t in _TEMPERATURES])
    far = (np.log(_TEMPERATURES) / _DEVIATION) ** 2 / 2
    return float(_TEMPERATURES[int(np.argmin(losses + far / len(logits)))])


def _surprises(
    logits: Floats, truth: npt.NDArray[Any], *, task: LabelTask
) -> npt.NDArray[np.floating[Any]]:
    """Negative log-likelihood of each video's truth (N,), the mean of its labels'."""
    if task == "regression":
        return (logits[:, 0] - truth) ** 2
    if task == "single":
        highest = logits.max(1)
        total = highest + np.log(np.exp(logits - highest[:, None]).sum(1))
        return total - logits[np.arange(len(logits)), truth.astype(np.int64)]
    signs = np.where(truth.astype(np.float64) > 0.5, 1.0, -1.0)
    return np.logaddexp(0.0, -signs * logits).mean(1)


def best_thresholds(scores: Floats, truth: npt.NDArray[Any]) -> tuple[float, ...]:
    """For each label the threshold on its probability that gives the best F1.

    Args:
        scores: probabilities (N, L).
        truth: 0 and 1 (N, L).

    Returns:
        0.5 for a label that no video has.
    """
    found = []
    for score, has in zip(scores.T.astype(np.float64), truth.T > 0.5, strict=True):
        if not has.any():
            found.append(0.5)
            continue
        order = np.argsort(-score, kind="stable")
        right = np.cumsum(has[order])
        f1 = 2 * right / (np.arange(1, len(order) + 1) + has.sum())
        ends = np.append(np.diff(score[order]) != 0, True)  # equal scores are taken together
        best = int(np.argmax(np.where(ends, f1, -1.0)))
        below = score[order][best + 1] if best + 1 < len(order) else 0.0
        found.append(float((score[order][best] + below) / 2))  # midway, so that copies agree
    return tuple(found)
