"""Networks that torch runs in this process, on the CPU."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from triptych.extract.batches import Batches, Items, Rows, noise

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["lay_out", "torch_engine"]

_ALIKE = 1e-4  # of the largest figure: how far a folded network's may be from its own
_REMEDY = "free some memory, or run again with fewer workers (runner.workers)"


def torch_engine(
    build: Callable[[], nn.Module], *, shape: tuple[int, ...], dtype: Any = np.uint8, at_once: int
) -> Batches:
    """A network that torch runs in this process; see `load_engine`."""
    import torch

    network = build().eval()
    if -1 not in shape:
        network = _folded(network, torch.from_numpy(noise((1, *shape), dtype)))
    lay_out(network)

    def run(items: Items) -> Rows:
        with torch.inference_mode():
            return tuple(out.numpy() for out in network(torch.from_numpy(items)))

    return Batches(run, size=at_once, remedy=_REMEDY)


def _folded(network: nn.Module, item: torch.Tensor) -> nn.Module:
    """The network with its normalisations folded into its convolutions, where that can be done."""
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    if not any(isinstance(module, _BatchNorm) for module in network.modules()):
        return network
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            from torch.fx.experimental.optimization import fuse

            folded = fuse(network)
            for one, other in zip(folded(item), network(item), strict=True):
                torch.testing.assert_close(
                    one, other, rtol=0, atol=_ALIKE * float(other.abs().max())
                )
            return folded
    except Exception:  # noqa: BLE001 - of what goes other ways for other items, any error may say so
        return network


def lay_out(network: nn.Module) -> None:
    """Keep the weights of convolutions of pictures as their fastest implementations read them."""
    import torch

    for weights in network.parameters():
        if weights.dim() == 4:
            weights.data = weights.data.contiguous(memory_format=torch.channels_last)
