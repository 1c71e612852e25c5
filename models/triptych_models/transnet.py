"""TransNetV2: how likely each frame is the last one before a cut.

The network of Souček & Lokoč (TransNet V2, 2020), for inference. Its convolutions over time and
space are written as ones over space, and sums of frames that lie 1, 2, 4 and 8 apart, which gives
the same numbers. The published weights are its only input.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["TransNetV2"]

_APART = (1, 2, 4, 8)  # frames, of those that a branch of a convolution sees
_FILTERS = (16, 32, 64)  # of a branch, by stage
_LOOKUP = 101  # frames around one that it is compared with, itself among them
_SIZE = (27, 48)


class _Convolution(nn.Module):
    """Four branches over three frames each, nearer together or farther apart."""

    def __init__(self, inner: int, filters: int) -> None:
        super().__init__()
        branches = len(_APART)
        self.space = nn.Conv2d(inner, branches * 2 * filters, 3, padding=1, bias=False)
        self.time = nn.Conv2d(
            branches * 2 * filters, branches * 3 * filters, 1, groups=branches, bias=False
        )
        self.norm = nn.BatchNorm2d(branches * filters, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.time(self.space(x)).chunk(len(_APART), dim=1)
        summed = [_in_turn(p, apart) for p, apart in zip(parts, _APART, strict=True)]
        return self.norm(torch.cat(summed, dim=1))


def _in_turn(x: Tensor, apart: int) -> Tensor:
    """(T, 3 F, H, W): what a frame gives to a later, to itself and to an earlier one, summed."""
    later, same, earlier = x.chunk(3, dim=1)
    total = same.clone()
    total[apart:] += later[:-apart]
    total[:-apart] += earlier[apart:]
    return total


class _Stage(nn.Module):
    def __init__(self, inner: int, filters: int) -> None:
        super().__init__()
        wide = len(_APART) * filters
        self.first, self.second = _Convolution(inner, filters), _Convolution(wide, filters)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.first(x))
        return functional.avg_pool2d(functional.relu(self.second(y)) + y, 2)


class TransNetV2(nn.Module):
    """Frames in, probabilities out. Frames beyond both ends count as black and unlike all."""

    def __init__(self) -> None:
        super().__init__()
        wide = [len(_APART) * filters for filters in _FILTERS]
        inner = [3, *wide[:-1]]
        self.stages = nn.ModuleList(_Stage(*sizes) for sizes in zip(inner, _FILTERS, strict=True))
        self.projection = nn.Linear(sum(wide), 128)
        self.alike = nn.Linear(_LOOKUP, 128)
        self.coloured_alike = nn.Linear(_LOOKUP, 128)
        places = (_SIZE[0] >> len(wide)) * (_SIZE[1] >> len(wide))
        self.hidden = nn.Linear(wide[-1] * places + 2 * 128, 1024)
        self.cut, self.transition = nn.Linear(1024, 1), nn.Linear(1024, 1)

    def forward(self, rgb: Tensor) -> Tensor:
        """(T, 27, 48, 3) uint8 to (T, 2): a cut follows this frame; it is within a transition.

        T is more than 8; the weights were made for 100.
        """
        x = rgb.permute(0, 3, 1, 2).float().div(255.0)
        means = []
        for stage in self.stages:
            x = stage(x)
            means.append(x.mean(dim=(2, 3)))
        seen = functional.normalize(self.projection(torch.cat(means, dim=1)), dim=1)
        colours = functional.normalize(_histograms(rgb), dim=1)
        parts = (
            functional.relu(self.coloured_alike(_compared(colours))),
            functional.relu(self.alike(_compared(seen))),
            x.permute(0, 2, 3, 1).flatten(1),
        )
        y = functional.relu(self.hidden(torch.cat(parts, dim=1)))
        return torch.cat([self.cut(y), self.transition(y)], dim=1).sigmoid()

    @classmethod
    def from_published(cls, state: Mapping[str, Tensor]) -> TransNetV2:
        """The network with the weights of the authors' PyTorch version.

        Raises:
            KeyError: something is missing.
            RuntimeError: something is left over, or of another shape.
        """
        given = dict(state)
        renamed: dict[str, Tensor] = {}
        for i in range(len(_FILTERS)):
            for j, name in enumerate(("first", "second")):
                old, new = f"SDDCNN.{i}.DDCNN.{j}", f"stages.{i}.{name}"
                pairs = [
                    [given.pop(f"{old}.Conv3D_{apart}.layers.{k}.weight") for k in (0, 1)]
                    for apart in _APART
                ]
                # (F, 2 F, 3 frames, 1, 1): a frame's three parts lie one after the other.
                times = [w[..., 0, 0].permute(2, 0, 1).flatten(0, 1) for _, w in pairs]
                renamed[f"{new}.space.weight"] = torch.cat([w[:, :, 0] for w, _ in pairs])
                renamed[f"{new}.time.weight"] = torch.cat(times)[..., None, None]
                for key in [k for k in given if k.startswith(f"{old}.bn.")]:
                    renamed[f"{new}.norm.{key.rpartition('.')[2]}"] = given.pop(key)
        for old, new in _LINEAR.items():
            for part in ("weight", "bias"):
                renamed[f"{new}.{part}"] = given.pop(f"{old}.{part}")
        network = cls()
        network.load_state_dict(renamed | given)
        return network.eval()


_LINEAR = {
    "frame_sim_layer.projection": "projection",
    "frame_sim_layer.fc": "alike",
    "color_hist_layer.fc": "coloured_alike",
    "fc1": "hidden",
    "cls_layer1": "cut",
    "cls_layer2": "transition",
}


def _histograms(rgb: Tensor) -> Tensor:
    """Joint colour histograms (T, 512), eight bins a channel."""
    r, g, b = (rgb.flatten(1, 2).long() >> 5).unbind(dim=2)
    codes = (r << 6) + (g << 3) + b
    counts = torch.zeros(len(rgb), 512)
    return counts.scatter_add_(1, codes, torch.ones_like(codes, dtype=torch.float32))


def _compared(vectors: Tensor) -> Tensor:
    """Likeness of each of T unit vectors to those around it, (T, 101); 0 beyond both ends."""
    around = _LOOKUP // 2
    alike = functional.pad(vectors @ vectors.T, (around, around))
    places = torch.arange(len(vectors))[:, None] + torch.arange(_LOOKUP)
    return alike.gather(1, places)
