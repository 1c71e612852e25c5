"""What models say of many videos: batch by batch, without gradients, in the videos' order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from triptych_models.batches import Batch, Example, collate, shorten
from triptych_models.heads import Output

__all__ = ["forward_all", "mean_logits", "outputs", "parts_all"]


def forward_all(model: nn.Module, examples: Sequence[Example], *, batch: int = 64) -> Tensor:
    """Logits (N, L) of videos, without gradients, in their order."""
    return parts_all(model, examples, batch=batch)[0]


def mean_logits(models: Sequence[nn.Module], examples: Sequence[Example]) -> Tensor:
    """Mean of the logits (N, L) that models of one kind give to videos, in their order."""
    order: list[int] = []
    rows: list[Tensor] = []
    for chosen, batch in _batches(models[0], examples):
        order += chosen
        with torch.inference_mode():
            said = [model.eval()(batch).logits.float().cpu() for model in models]
        rows.append(torch.stack(said).mean(0))
    return torch.cat(rows)[_back(order)]


def parts_all(
    model: nn.Module, examples: Sequence[Example], *, batch: int = 64
) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits (N, L) of videos, and what each modality gave to them: modality -> (N, L)."""
    order: list[int] = []
    rows: list[dict[str, Tensor]] = []
    for chosen, _, output in outputs(model, examples, size=batch):
        order += chosen
        rows.append({"": output.logits, **output.parts})
    joined = {k: torch.cat([r[k].float().cpu() for r in rows])[_back(order)] for k in rows[0]}
    return joined.pop(""), joined


def outputs(
    model: nn.Module, examples: Sequence[Example], *, size: int = 64
) -> Iterator[tuple[list[int], Batch, Output]]:
    """What a model says of videos, batch by batch, and which of them are in the batch."""
    model.eval()
    for chosen, batch in _batches(model, examples, size=size):
        with torch.inference_mode():
            output: Output = model(batch)
        yield chosen, batch, output


def _batches(
    model: nn.Module, examples: Sequence[Example], *, size: int = 64
) -> Iterator[tuple[list[int], Batch]]:
    """Videos for a model to read, where it is, and which of them are in the batch."""
    device = next(model.parameters()).device
    # Alike lengths together: padding is work.
    order = sorted(range(len(examples)), key=lambda i: len(examples[i].time_s))
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        batch = collate([shorten(examples[i]) for i in chosen], model.tracks)  # type: ignore[arg-type]
        yield chosen, batch.to(device)


def _back(order: Sequence[int]) -> Tensor:
    return torch.argsort(torch.tensor(order))
