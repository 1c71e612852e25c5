"""The temporal fusion model: steps of every track in, labels and their reasons out.

Each track is standardised and projected; tracks of one modality add up to one token a step, which
is given its time in seconds. In every layer a few bottleneck tokens attend to each modality and
are averaged over those that are present; then each modality attends to itself over time and to
them. They are all that modalities tell each other (after Nagrani et al., Attention Bottlenecks
for Multimodal Fusion, NeurIPS 2021). The head adds evidence up (see `heads`).

In shapes, B = videos, T = time steps, D = width, K = bottleneck tokens, L = labels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from triptych_models.batches import Batch, Example
from triptych_models.heads import EvidenceHead, Output, SharedDropout

__all__ = ["Fusion", "Standardize", "TimeEncoding"]

_LIMIT = 5.0  # standard deviations; one broken value must not drown the rest


class Standardize(nn.Module):
    """Features to mean 0 and deviation 1, as measured on the training videos."""

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def measure(self, examples: Sequence[Example], track: str) -> None:
        """Take mean and deviation from the steps that are present."""
        count, total = 0, torch.zeros(len(self.mean)).double()
        rows = [e.values[track][e.rows(track)] for e in examples if track in e.values]
        for row in rows:
            count, total = count + len(row), total + torch.from_numpy(row).double().sum(0)
        mean, squares = total / max(count, 1), torch.zeros_like(total)
        for row in rows:
            squares = squares + ((torch.from_numpy(row).double() - mean) ** 2).sum(0)
        deviation = (squares / max(count - 1, 1)).sqrt()
        self.mean.copy_(mean)
        # A column that never changes in training carries nothing: it must not explode later.
        self.scale.copy_(torch.where(deviation > 1e-6, 1.0 / deviation.clamp(min=1e-6), 0.0))

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """Args: x (B, T, D); present (B, T), where the result is not zero."""
        # In place: the widest tensors of the model, and making them anew took a third of training.
        moved = torch.sub(x, self.mean).mul_(self.scale).clamp_(-_LIMIT, _LIMIT)
        return moved.masked_fill_(~present[..., None], 0.0)


class TimeEncoding(nn.Module):
    """Seconds as sines and cosines of periods from half a second to over an hour."""

    periods: Tensor

    def __init__(self, width: int, *, count: int = 14) -> None:
        super().__init__()
        self.register_buffer("periods", 0.5 * 2.0 ** torch.arange(count), persistent=False)
        self.project = nn.Linear(2 * count, width, bias=False)
        nn.init.normal_(self.project.weight, std=0.02)

    def forward(self, time_s: Tensor) -> Tensor:
        angle = 2 * math.pi * time_s[..., None] / self.periods
        encoded: Tensor = self.project(torch.cat([angle.sin(), angle.cos()], -1))
        return encoded


class _Block(nn.Module):
    """Attention and a feed-forward layer, each normed first and added."""

    def __init__(self, width: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_in, self.norm_mid = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.Linear(width, 2 * width),
            nn.GELU(),
            SharedDropout(dropout),
            nn.Linear(2 * width, width),
        )
        self.dropout = SharedDropout(dropout)

    def offered(self, x: Tensor) -> Tensor:
        """What tokens (B, N, D) show to those that attend to them (B, N, 2D)."""
        shown: Tensor = self.key_value(self.norm_in(x))
        return shown

    def attend(self, x: Tensor, offered: Tensor, keep: Tensor) -> Tensor:
        """Args: x (B, N, D); offered (B, M, 2D); keep (B, M), at least one True in a row."""
        query = self._split(self.query(self.norm_in(x)))
        key, value = (self._split(part) for part in offered.chunk(2, -1))
        attended = F.scaled_dot_product_attention(query, key, value, keep[:, None, None, :])
        heard: Tensor = x + self.dropout(self.out(attended.transpose(1, 2).flatten(2)))
        return heard

    def forward(self, x: Tensor, offered: Tensor, keep: Tensor) -> Tensor:
        """Attend, and work on what was heard; arguments of `attend`."""
        x = self.attend(x, offered, keep)
        fed: Tensor = x + self.dropout(self.feed(self.norm_mid(x)))
        return fed

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


class Fusion(nn.Module):
    """Tracks of any width, rate and presence -> labels."""

    def __init__(
        self,
        tracks: Mapping[str, int],
        modalities: Mapping[str, str],
        *,
        outputs: int,
        width: int = 128,
        depth: int = 1,
        heads: int = 4,
        bottlenecks: int = 4,
        dropout: float = 0.5,
        context: float = 0.5,
    ) -> None:
        """Build the model.

        Args:
            tracks: name -> width D of its features.
            modalities: track -> modality; tracks of one modality share their tokens.
            outputs: labels, or 1 for regression.
            width: of the tokens.
            depth: layers of attention; without any, modalities only add their evidence up.
            heads: of attention.
            bottlenecks: K.
            dropout: on features and on tokens.
            context: what a step's video counts beside the step itself, to begin with.
        """
        super().__init__()
        self.tracks, self.modalities = dict(tracks), {t: modalities[t] for t in tracks}
        names = sorted(set(self.modalities.values()))
        self.standardize = nn.ModuleDict({t: Standardize(d) for t, d in tracks.items()})
        self.dropout = SharedDropout(dropout / 2)
        self.project = nn.ModuleDict({t: nn.Linear(d, width) for t, d in tracks.items()})
        self.norm = nn.ModuleDict({m: nn.LayerNorm(width) for m in names})
        self.time = TimeEncoding(width)
        self.bottleneck = nn.Parameter(torch.randn(bottlenecks, width) * 0.02)
        self.layers = nn.ModuleList(
            nn.ModuleDict({m: _Block(width, heads=heads, dropout=dropout / 2) for m in names})
            for _ in range(depth)
        )
        self.head = EvidenceHead(
            tracks, self.modalities, width=width, outputs=outputs, dropout=dropout, context=context
        )

    def prepare(self, examples: Sequence[Example]) -> None:
        """Measure the features of the training videos."""
        for track, layer in self.standardize.items():
            layer.measure(examples, track)  # type: ignore[operator]

    def weights_of(self, modality: str) -> frozenset[str]:
        """Names of the weights that no other modality's evidence rests on; none with exchange."""
        own = {modality, *(t for t, m in self.modalities.items() if m == modality)}
        if len(self.layers):
            return frozenset()
        return frozenset(name for name in self.state_dict() if own & {*name.split(".")})

    def weigh_modalities(self, weights: Mapping[str, float]) -> None:
        """Multiply the evidence of each modality, for good."""
        self.head.weigh_modalities(weights)

    def forward(self, batch: Batch) -> Output:
        """Score videos."""
        features: dict[str, Tensor] = {}
        tokens: dict[str, Tensor] = {}
        present: dict[str, Tensor] = {}
        for track, modality in self.modalities.items():
            here = batch.present[track]
            features[track] = self.standardize[track](batch.values[track], here)
            seen = self.project[track](self.dropout(features[track])) * here[..., None]
            tokens[modality] = tokens.get(modality, 0.0) + seen
            present[modality] = present.get(modality, torch.zeros_like(here)) | here
        when = self.time(batch.time_s)
        tokens = {m: F.gelu(self.norm[m](token)) + when for m, token in tokens.items()}
        return self.head(features, self._exchange(tokens, present), present)

    def _exchange(
        self, tokens: dict[str, Tensor], present: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        shared = self.bottleneck.expand(len(next(iter(tokens.values()))), -1, -1)
        keep = {m: F.pad(here, (shared.shape[1], 0), value=True) for m, here in present.items()}
        for layer in self.layers:
            own = {m: block.offered(tokens[m]) for m, block in layer.items()}  # type: ignore[operator]
            told, tellers = torch.zeros_like(shared), torch.zeros_like(shared[:, :1, :1])
            for modality, block in layer.items():  # type: ignore[operator]
                offered = torch.cat([block.offered(shared), own[modality]], 1)
                here = present[modality].any(1).to(shared.dtype)[:, None, None]
                told = told + block.attend(shared, offered, keep[modality]) * here
                tellers = tellers + here
            shared = torch.where(tellers > 0, told / tellers.clamp(min=1), shared)
            for modality, block in layer.items():  # type: ignore[operator]
                offered = torch.cat([block.offered(shared), own[modality]], 1)
                tokens = tokens | {modality: block(tokens[modality], offered, keep[modality])}
        return tokens
