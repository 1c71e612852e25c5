"""Runs a torch network on this machine's fastest exact path.

With OpenVINO installed a network is converted once, kept in the cache folder, and later loaded
without importing torch (2.5 s saved in each worker; docs/decisions.md). Without it, torch runs
the network itself with channels-last convolutions. Both compute in float32; on an AVX-512 CPU
bfloat16 changed the top label of 6 % of real frames, so it is not used here. In a worker of a run
with a model process (`runner.device`) networks run there instead; see `triptych.extract.serving`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from triptych.cache import cache_dir
from triptych.config import Device
from triptych.errors import TriptychError
from triptych.extract.serving import Place, RemoteEngine
from triptych.records import Floats, Pixels

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Engine", "engine_name", "load_engine", "rows_of", "send_to"]

log = logging.getLogger(__name__)

Engine = Callable[[Pixels], tuple[Floats, ...]]
Build = Callable[[], "nn.Module"]

_ALIKE = 1e-3  # of the largest figure: how far OpenVINO's may be from torch's


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


def engine_name() -> str:
    """Of what runs networks: "openvino" where it is installed, else "torch"; or another process.

    Part of the keys of their rows in the store: engines differ in the last digits.
    """
    if _elsewhere is not None:
        return _elsewhere.engine
    return "openvino" if importlib.util.find_spec("openvino") else "torch"


def load_engine(build: Build, *, key: str, input_size: int, proven: bool = True) -> Engine:
    """A function from pixels (B, S, S, 3) uint8 to the network's outputs.

    Args:
        build: a function of a module that makes the network with its weights; called only when
            it must be, and in the model process where there is one.
        key: identity of network and weights, names the converted copy.
        input_size: S.
        proven: whether it is known to convert well. Other networks are compared with what torch
            makes of them, and torch runs those that differ.
    """
    if _elsewhere is not None:
        return RemoteEngine(build, key=key, input_size=input_size, place=_elsewhere)
    if engine_name() == "openvino" and (proven or _converts(build, key, input_size)):
        return _openvino_engine(build, key=key, input_size=input_size)
    return _torch_engine(build)


def _torch_engine(build: Build) -> Engine:
    import torch

    network = build().eval()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(rgb: Pixels) -> tuple[Floats, ...]:
        with torch.inference_mode():
            return tuple(out.numpy() for out in network(torch.from_numpy(rgb)))

    return run


def _openvino_engine(build: Build, *, key: str, input_size: int) -> Engine:
    import openvino

    core = openvino.Core()
    path = cache_dir() / "prepared" / f"{key}.xml"
    fresh = None if path.exists() else _convert(build, path, input_size)
    # Read back even when just made: the copy on disk may differ from it in the last bit.
    model = core.read_model(path) if path.exists() else fresh
    # One inference thread: a folder is parallel by file, and two threads gain only 1.5x.
    settings = {
        "INFERENCE_NUM_THREADS": int(os.environ.get("OMP_NUM_THREADS", "1")),
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()

    def run(rgb: Pixels) -> tuple[Floats, ...]:
        results = request.infer([np.ascontiguousarray(rgb)])
        return tuple(np.array(out, np.float32) for out in results.values())

    return run


def _converts(build: Build, key: str, input_size: int) -> bool:
    """Whether OpenVINO does with a network what torch does; remembered beside the converted one."""
    path = cache_dir() / "prepared" / f"{key}.xml"
    unfit = path.with_suffix(".torch")
    if path.exists() or unfit.exists():
        return path.exists()
    try:
        _convert(build, path, input_size, compared=True)
    except Exception as err:
        if isinstance(err, TriptychError):
            raise
        log.info("torch runs %s, which OpenVINO cannot: %s", key, str(err).strip().split("\n")[0])
        with contextlib.suppress(OSError):
            unfit.parent.mkdir(parents=True, exist_ok=True)
            unfit.touch()
        return False
    return True


def _compare(network: nn.Module, model: Any, input_size: int) -> None:
    import openvino
    import torch

    shape = (3, input_size, input_size, 3)  # more than the one that it was converted with
    rgb = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    found = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([rgb])
    with torch.inference_mode():
        for out, wanted in zip(found.values(), network(torch.from_numpy(rgb)), strict=True):
            scale = float(wanted.abs().max())
            if not np.allclose(out, wanted.numpy(), rtol=0, atol=_ALIKE * scale):
                raise ValueError("its answers are others")


def _convert(build: Build, path: Path, input_size: int, *, compared: bool = False) -> Any:
    """Convert a network; keep it in the cache folder if that can be written to."""
    import openvino
    import torch

    log.info("preparing %s for this machine, once", path.stem)
    example = torch.zeros((1, input_size, input_size, 3), dtype=torch.uint8)
    shape = [-1, input_size, input_size, 3]
    network = build().eval()
    with warnings.catch_warnings():
        # OpenVINO traces with a function of torch that is marked as old.
        warnings.simplefilter("ignore", DeprecationWarning)
        if compared:  # tracing warns of what a comparison tells better
            warnings.simplefilter("ignore")
        model = openvino.convert_model(
            network, example_input=example, input=[(shape, openvino.Type.u8)]
        )
    if compared:
        _compare(network, model, input_size)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".part-") as scratch:
            openvino.save_model(model, Path(scratch) / path.name, compress_to_fp16=False)
            # The weights first: a reader that finds the .xml must find them too.
            for name in (path.with_suffix(".bin").name, path.name):
                os.replace(Path(scratch) / name, path.parent / name)
    except (OSError, RuntimeError) as err:
        log.warning("the prepared network cannot be kept in %s: %s", path.parent, err)
    return model
