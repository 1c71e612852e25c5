"""Frames -> pooled embeddings of an image network by torchvision or timm."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from triptych.errors import WeightsError
from triptych.extract.families import timm as timm_family
from triptych.extract.families import torchvision as torchvision_family
from triptych.extract.pictures import FrameEmbedder, engine_of, normalised
from triptych.extract.sources import Source
from triptych.extract.tensors import check_finite, weights_of

if TYPE_CHECKING:
    from torch import nn

__all__ = ["TimmExtractor", "TorchvisionExtractor"]


class TorchvisionExtractor(FrameEmbedder):
    """What torchvision's classifier reads: the input of its last layer."""

    def __init__(self, source: Source) -> None:
        (spec,) = torchvision_family.described(source).specs
        super().__init__(spec, engine_of(functools.partial(_torchvision, source), spec, source))


class TimmExtractor(FrameEmbedder):
    """timm's features, pooled."""

    def __init__(self, source: Source) -> None:
        (spec,) = timm_family.described(source).specs
        super().__init__(spec, engine_of(functools.partial(_timm, source), spec, source))


def _torchvision(source: Source) -> nn.Module:
    from torch import nn
    from torchvision.models import get_model

    (spec,) = torchvision_family.described(source).specs
    network: nn.Module = get_model(spec.options["network"], weights=None)
    last = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)][-1]
    network.set_submodule(last, nn.Identity())
    # Of the classifier nothing is read: weights for other classes fit, too.
    weights = {n: w for n, w in weights_of(source).items() if not n.startswith(f"{last}.")}
    try:
        network.load_state_dict(weights)
    except RuntimeError as err:
        raise _unfit(source, spec.options["network"], err) from err
    return normalised(network, spec.options)


def _timm(source: Source) -> nn.Module:
    import timm

    (spec,) = timm_family.described(source).specs
    config = source.data("config.json")
    told: dict[str, Any] = config.get("pretrained_cfg") or {}
    try:
        network = timm.create_model(
            spec.options["network"],
            pretrained=True,
            pretrained_cfg={k: v for k, v in told.items() if k != "custom_load"},
            pretrained_cfg_overlay={"file": source.files[0], "source": "", "hf_hub_id": None},
            **{**(config.get("model_args") or {}), "num_classes": 0},
        )
    except (RuntimeError, ValueError, TypeError, KeyError) as err:
        raise _unfit(source, spec.options["network"], err) from err
    check_finite(network.state_dict(), source)
    return normalised(_pooled(network, spec.dim), spec.options)


def _pooled(network: nn.Module, dim: int) -> nn.Module:
    """A network whose answer has as many columns as its features.

    Some have a wider layer between the pooling and the classifier, of which config.json says
    nothing; of those the mean of the features is taken.
    """
    from torch import Tensor, nn

    if getattr(network, "head_hidden_size", dim) == dim:
        return network

    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pictures: Tensor) -> Tensor:
            features: Tensor = self.network.forward_features(pictures)  # type: ignore[operator]
            return features.mean((2, 3))

    return Pooled()


def _unfit(source: Source, network: str, err: Exception) -> WeightsError:
    said = " ".join(str(err).split())[:200]
    return WeightsError(
        f"these are no weights of {network!r}: {said}",
        path=source.path,
        remedy="name the network that they were trained in",
    )
