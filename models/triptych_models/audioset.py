"""EfficientAT's MobileNets: taggers of the 527 sounds of AudioSet, for weights that users bring.

Schmid, Koutini and Widmer (ICASSP 2023) distilled transformers into MobileNetV3-large at many
widths: `mn04_as` has 1 M parameters, `mn10_as` 4.9 M. The network is torchvision's, with one
channel of input and a logistic gate in its squeeze-and-excitation.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Self

import torch
from torch import Tensor, nn
from torchvision.models.mobilenetv3 import InvertedResidual, InvertedResidualConfig, MobileNetV3
from torchvision.ops.misc import SqueezeExcitation

__all__ = ["AudioSetMobileNet"]

# channels, kernel, expanded, out, gated, hard swish, stride
_STAGES = (
    (16, 3, 16, 16, False, "RE", 1),
    (16, 3, 64, 24, False, "RE", 2),
    (24, 3, 72, 24, False, "RE", 1),
    (24, 5, 72, 40, True, "RE", 2),
    (40, 5, 120, 40, True, "RE", 1),
    (40, 5, 120, 40, True, "RE", 1),
    (40, 3, 240, 80, False, "HS", 2),
    (80, 3, 200, 80, False, "HS", 1),
    (80, 3, 184, 80, False, "HS", 1),
    (80, 3, 184, 80, False, "HS", 1),
    (80, 3, 480, 112, True, "HS", 1),
    (112, 3, 672, 112, True, "HS", 1),
    (112, 5, 672, 160, True, "HS", 2),
    (160, 5, 960, 160, True, "HS", 1),
    (160, 5, 960, 160, True, "HS", 1),
)
_HIDDEN = 1280  # of the classifier, at width 1
_CLASSES = 527
_MEAN, _STD = -4.5, 5.0  # of log-mel power; they belong to these weights
_NAMES = {  # of the published weights -> torchvision's
    "conc_se_layers.0.": "",
    "classifier.2.": "classifier.0.",
    "classifier.5.": "classifier.3.",
}


class AudioSetMobileNet(nn.Module):
    """Log-mel power in, embedding and tag probabilities out; scaling is part of the model."""

    bands = 128  #: of mel, 0 to 15 kHz
    rate_hz = 32_000  #: of the sound

    def __init__(self, width: float = 1.0) -> None:
        """Make a network without weights.

        Args:
            width: what the channels of MobileNetV3-large are multiplied with.
        """
        super().__init__()
        gate = partial(SqueezeExcitation, scale_activation=nn.Sigmoid)
        config = partial(InvertedResidualConfig, dilation=1, width_mult=width)
        hidden = InvertedResidualConfig.adjust_channels(_HIDDEN, width)
        network = MobileNetV3(
            [config(*stage) for stage in _STAGES],
            last_channel=hidden,
            num_classes=_CLASSES,
            block=partial(InvertedResidual, se_layer=gate),
        )
        stem = network.features[0][0]
        network.features[0][0] = nn.Conv2d(
            1, stem.out_channels, kernel_size=3, stride=2, padding=1, bias=False
        )
        self.features, self.classifier = network.features, network.classifier
        self.dim: int = network.classifier[0].in_features  #: of the embedding

    @classmethod
    def of_published(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that published weights belong to, with them; every key must fit.

        Raises:
            KeyError: these are weights of something else.
            RuntimeError: keys or shapes differ.
        """
        network = cls(len(state["classifier.2.weight"]) / _HIDDEN)
        wanted = network.state_dict()
        network.load_state_dict(
            {
                name: value.reshape(wanted[name].shape) if ".fc" in name else value
                for name, value in ((_renamed(k), v) for k, v in state.items())
            },
            strict=True,
        )
        return network

    def forward(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Tag windows of sound, each as a whole.

        Args:
            log_mel: natural logarithm of mel power, (B, T, 128), 100 columns a second.

        Returns:
            Embedding (B, dim) and probabilities (B, 527), float32. Tags do not exclude each
            other: a dog is an animal too.
        """
        x = (log_mel.transpose(1, 2)[:, None] - _MEAN) / _STD
        embedding = self.features(x).mean(dim=(2, 3))
        return embedding, torch.sigmoid(self.classifier(embedding))


def _renamed(key: str) -> str:
    for old, new in _NAMES.items():
        key = key.replace(old, new)
    return key
