"""EfficientNet-Lite0: the image backbone that ships inside a registry package.

The network of Tan & Le (EfficientNet, ICML 2019) without squeeze-and-excitation and with ReLU6,
as Google published it for edge devices (2020): 4.65 M parameters, 1280-d pooled embedding,
1000 ImageNet labels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["EfficientNetLite0"]

# repeats, kernel, stride of the first, expansion, channels
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_MEAN, _STD = 127.0, 128.0  # of pixels 0..255; they belong to these weights


def _conv(inner: int, outer: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Module:
    """A convolution padded as TensorFlow's SAME does for even sizes."""
    total = kernel - stride
    if stride == 1:
        return nn.Conv2d(inner, outer, kernel, padding=total // 2, groups=groups, bias=False)
    pad = nn.ZeroPad2d((total // 2, total - total // 2) * 2)
    return nn.Sequential(pad, nn.Conv2d(inner, outer, kernel, stride, groups=groups, bias=False))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class _Block(nn.Module):
    """Inverted residual: expand, filter by depth, project."""

    def __init__(self, inner: int, outer: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inner * expansion
        self.expand = nn.Identity() if expansion == 1 else _conv(inner, wide)
        self.expand_norm = nn.Identity() if expansion == 1 else _norm(wide)
        self.expand_act = nn.Identity() if expansion == 1 else nn.ReLU6()
        self.depthwise = _conv(wide, wide, kernel, stride, groups=wide)
        self.depthwise_norm = _norm(wide)
        self.act = nn.ReLU6()
        self.project = _conv(wide, outer)
        self.project_norm = _norm(outer)
        self.residual = stride == 1 and inner == outer

    def forward(self, x: Tensor) -> Tensor:
        y = self.expand_act(self.expand_norm(self.expand(x)))
        y = self.act(self.depthwise_norm(self.depthwise(y)))
        y = self.project_norm(self.project(y))
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """Pixels in, embedding and label probabilities out; preprocessing is part of the model."""

    input_size = 224  #: pixels, both sides
    dim = 1280

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stem_norm = _conv(3, 32, 3, 2), _norm(32)
        blocks, inner = [], 32
        for repeats, kernel, stride, expansion, outer in _STAGES:
            for i in range(repeats):
                blocks.append(_Block(inner, outer, kernel, stride if i == 0 else 1, expansion))
                inner = outer
        self.blocks = nn.Sequential(*blocks)
        self.head, self.head_norm = _conv(inner, self.dim), _norm(self.dim)
        self.act = nn.ReLU6()
        self.classifier = nn.Linear(self.dim, 1000)

    def forward(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """Embed pictures.

        Args:
            rgb: uint8, (B, 224, 224, 3).

        Returns:
            Embedding (B, 1280) and probabilities (B, 1000), float32.
        """
        x = (rgb.permute(0, 3, 1, 2).float() - _MEAN) / _STD
        x = self.act(self.stem_norm(self.stem(x)))
        x = self.act(self.head_norm(self.head(self.blocks(x))))
        embedding = x.mean(dim=(2, 3))
        return embedding, torch.softmax(self.classifier(embedding), dim=1)

    def load_published(self, state: Mapping[str, Tensor]) -> None:
        """Load Google's weights as published for PyTorch; every key must fit.

        Raises:
            RuntimeError: keys or shapes differ.
        """
        self.load_state_dict({_renamed(k): v for k, v in state.items()}, strict=True)


_NAMES = {
    "_conv_stem": "stem.1",
    "_bn0": "stem_norm",
    "_conv_head": "head",
    "_bn1": "head_norm",
    "_fc": "classifier",
}
_BLOCK_NAMES = {
    "_expand_conv": "expand",
    "_bn0": "expand_norm",
    "_depthwise_conv": "depthwise",
    "_bn1": "depthwise_norm",
    "_project_conv": "project",
    "_bn2": "project_norm",
}
_STRIDED = {
    sum(s[0] for s in _STAGES[:i]) for i, stage in enumerate(_STAGES) if stage[2] == 2
}  # blocks whose depthwise convolution is padded by a module of its own


def _renamed(key: str) -> str:
    if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key):
        block, part, leaf = match.groups()
        inner = ".1" if part == "_depthwise_conv" and int(block) in _STRIDED else ""
        return f"blocks.{block}.{_BLOCK_NAMES[part]}{inner}.{leaf}"
    part, leaf = key.split(".")
    return f"{_NAMES[part]}.{leaf}"
