"""Heads: tokens of each modality -> labels, each step's share in them, and what they rest on.

Evidence is added up: a label's logit is a bias plus one term for every modality and step. So
a missing one takes its terms away and leaves the rest as it was, and the terms are the answer
to "why". In shapes, B = videos, T = time steps, D = width, L = labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["EvidenceHead", "Output", "SharedDropout"]


@dataclass(slots=True, kw_only=True)
class Output:
    """What a model says of a batch."""

    logits: Tensor  #: (B, L)
    parts: dict[str, Tensor]  #: modality -> (B, L), its sum of evidence; empty: not additive
    evidence: dict[str, Tensor]  #: modality -> (B, T, L), adds up to `parts`
    steps: Tensor | None = None  #: (B, T, L), logits of each step by itself
    importance: Tensor | None = None  #: (B, T), logit of each step's importance


class SharedDropout(nn.Module):
    """Dropout of the same channels at all steps of a video.

    Neighbouring steps are alike: a channel dropped at one of them alone is still read from the
    next. It also draws T times fewer random numbers, which took a third of training.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """Args: x (B, T, D)."""
        if not self.training or not self.share:
            return x
        kept = torch.rand(len(x), 1, x.shape[2], device=x.device) >= self.share
        return x * (kept / (1 - self.share))


class EvidenceHead(nn.Module):
    """Evidence of every step of every modality, weighed by learned importance over time."""

    def __init__(
        self,
        tracks: Mapping[str, int],
        modalities: Mapping[str, str],
        *,
        width: int,
        outputs: int,
        dropout: float,
        context: float = 0.5,
    ) -> None:
        super().__init__()
        self.modalities, names = dict(modalities), sorted(set(modalities.values()))
        self.dropout = SharedDropout(dropout)
        # A straight line from the features beside the deep path: with few videos it is most of
        # what can be learned, and the deep path adds what it can.
        self.wide = nn.ModuleDict({t: nn.Linear(d, outputs, bias=False) for t, d in tracks.items()})
        self.deep = nn.ModuleDict({m: nn.Linear(width, outputs, bias=False) for m in names})
        self.weigh = nn.ModuleDict({m: nn.Linear(width, 1) for m in names})
        self.bias = nn.Parameter(torch.zeros(outputs))
        # Steps of one video mostly share a label: each is judged by itself and by its video.
        # Where the own features of a step tell the training label too well, as features that
        # were learned from it do, this stays near where it starts.
        self.context = nn.Parameter(torch.tensor(context))
        for layer in (*self.wide.values(), *self.weigh.values()):
            nn.init.zeros_(layer.weight)  # type: ignore[arg-type]

    def forward(
        self,
        features: Mapping[str, Tensor],
        tokens: Mapping[str, Tensor],
        present: Mapping[str, Tensor],
    ) -> Output:
        """Weigh evidence.

        Args:
            features: track -> (B, T, D), standardised, zero where absent.
            tokens: modality -> (B, T, width).
            present: modality -> (B, T).
        """
        said = {m: self.deep[m](self.dropout(token)) for m, token in tokens.items()}
        for track, values in features.items():
            modality = self.modalities[track]
            said[modality] = said[modality] + self.wide[track](self.dropout(values))
        said = {m: value * present[m][..., None] for m, value in said.items()}
        weights = {m: self.weigh[m](token)[..., 0] for m, token in tokens.items()}
        evidence = {m: v * _softmax(weights[m], present[m])[..., None] for m, v in said.items()}
        parts = {m: v.sum(1) for m, v in evidence.items()}
        whole = sum(parts.values())
        return Output(
            logits=self.bias + whole,
            parts=parts,
            evidence=evidence,
            steps=self.bias + sum(said.values()) + self.context * torch.as_tensor(whole)[:, None],
            importance=_mean(weights, present),
        )

    def weigh_modalities(self, weights: Mapping[str, float]) -> None:
        """Multiply the evidence of each modality, for good."""
        with torch.no_grad():
            for modality, layer in self.deep.items():
                layer.weight.mul_(weights[modality])  # type: ignore[operator]
            for track, layer in self.wide.items():
                layer.weight.mul_(weights[self.modalities[track]])  # type: ignore[operator]


def _softmax(scores: Tensor, keep: Tensor) -> Tensor:
    """Softmax over T of what is kept; rows with nothing kept are zero."""
    scores = scores.masked_fill(~keep, -torch.inf)
    highest = scores.amax(1, keepdim=True).clamp(min=torch.finfo(scores.dtype).min)
    powers = torch.exp(scores - highest) * keep
    return powers / powers.sum(1, keepdim=True).clamp(min=1e-9)


def _mean(scores: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
    total = sum(scores[t] * present[t] for t in scores)
    count = sum(present[t].to(torch.float32) for t in scores)
    return torch.as_tensor(total) / torch.as_tensor(count).clamp(min=1)
