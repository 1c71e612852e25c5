"""Runs a torch network on this machine's fastest path whose answers are those of plain torch.

With OpenVINO installed a network is converted once, kept in the cache folder, and later loaded
without importing torch (2.5 s saved in each worker; docs/decisions.md). Without it, torch runs
the network itself, its normalisations folded into its convolutions. Both compute in float32, but
for networks of which it is known what bfloat16 does to them (`triptych.extract.mixed`). In a worker of a run with a model process (`runner.device`) networks run there instead; see
`triptych.extract.serving`.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from triptych.config import Device
from triptych.extract.batches import Items, Rows
from triptych.extract.mixed import Doubt, has_bfloat16, mixed_engine
from triptych.extract.openvino_networks import converts, openvino_engine
from triptych.extract.serving import Place, RemoteEngine
from triptych.extract.torch_networks import torch_engine

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Build", "Engine", "engine_name", "load_engine", "rows_of", "send_to"]

Engine: TypeAlias = Callable[[Items], Rows]
Build: TypeAlias = Callable[[], "nn.Module"]

_AT_ONCE = 4  # items; more gain nothing on a CPU (docs/decisions.md), and take more memory


_elsewhere: Place | None = None


def send_to(place: Place | None) -> None:
    """Have the networks of this process run at `place`; None: here. Before any is loaded."""
    global _elsewhere
    _elsewhere = place


@contextlib.contextmanager
def rows_of(device: Device) -> Iterator[None]:
    """Look for rows that were made on this device; none can be made."""
    place = None if device == "cpu" else Place(address="", authkey=b"", device=device)
    send_to(place)
    try:
        yield
    finally:
        send_to(None)


def engine_name(*, mixed: bool = False) -> str:
    """Of what runs networks: "openvino" where it is installed, else "torch"; or another process.

    Part of the keys of their rows in the store: engines differ in the last digits.

    Args:
        mixed: of networks that are run in bfloat16 in part where the CPU can.
    """
    if _elsewhere is not None:
        return _elsewhere.engine
    if not importlib.util.find_spec("openvino"):
        return "torch"
    return "openvino-bfloat16" if mixed and has_bfloat16() else "openvino"


def load_engine(
    build: Build,
    *,
    key: str,
    shape: tuple[int, ...],
    dtype: Any = np.uint8,
    proven: bool = True,
    at_once: int = _AT_ONCE,
    doubt: Doubt | None = None,
) -> Engine:
    """A function from items (B, *shape) to the network's outputs, a row (B, ...) an item each.

    Args:
        build: a function of a module that makes the network with its weights; called only when
            it must be, and in the model process where there is one.
        key: identity of network and weights, names the converted copy.
        shape: of an item, such as (S, S, 3) of a picture. -1 is a length that differs between
            items; torch runs these, as OpenVINO prepares itself for each length anew.
        dtype: of its numbers.
        proven: whether it is known to convert well. Other networks are compared with what torch
            makes of them, and torch runs those that differ.
        at_once: items that a worker gives it at a time.
        doubt: of a network that may be run in bfloat16 in part, which rows (B,) are made again in
            float32, by the first that were made.
    """
    if _elsewhere is not None:
        return RemoteEngine(build, key=key, shape=shape, dtype=dtype, place=_elsewhere)
    taken: dict[str, Any] = {"key": key, "shape": shape, "dtype": dtype}
    name = engine_name(mixed=doubt is not None)
    if name == "openvino-bfloat16" and doubt:
        return mixed_engine(build, key=key, shape=shape, at_once=at_once, doubt=doubt)
    if name == "openvino" and -1 not in shape and (proven or converts(build, **taken)):
        return openvino_engine(build, **taken, at_once=at_once)
    return torch_engine(build, shape=shape, dtype=dtype, at_once=at_once)
