"""Networks of torch in OpenVINO: converted once a machine, kept, and loaded without torch."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from triptych.cache import cache_dir
from triptych.errors import TriptychError
from triptych.extract.batches import Batches, Items, Rows, noise

if TYPE_CHECKING:
    from torch import nn

__all__ = ["converts", "kept_model", "openvino_engine", "running", "save"]

log = logging.getLogger(__name__)

_ALIKE = 1e-3  # of the largest figure: how far OpenVINO's may be from torch's
_REMEDY = "free some memory, or run again with fewer workers (runner.workers)"


def openvino_engine(
    build: Callable[[], nn.Module], *, key: str, shape: tuple[int, ...], dtype: Any, at_once: int
) -> Batches:
    """A network in float32, converted if it is not kept yet; see `load_engine`."""
    return running(kept_model(build, key=key, shape=shape, dtype=dtype), "f32", at_once=at_once)


def kept_model(
    build: Callable[[], nn.Module], *, key: str, shape: tuple[int, ...], dtype: Any
) -> Any:
    """The converted network, made if it is not kept yet."""
    import openvino

    path = _path(key)
    fresh = None if path.exists() else _convert(build, path, shape, dtype)
    # Read back even when just made: the copy on disk may differ from it in the last bit.
    return openvino.Core().read_model(path) if path.exists() else fresh


def running(model: Any, precision: str, *, at_once: int) -> Batches:
    """A model that is ready to run."""
    import openvino

    # One inference thread: a folder is parallel by file, and two threads gain only 1.5x.
    settings = {
        "INFERENCE_NUM_THREADS": int(os.environ.get("OMP_NUM_THREADS", "1")),
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    requests = [compiled.create_infer_request()]

    def run(items: Items) -> Rows:
        # Not `infer`: where memory runs out, that says nothing and leaves the answer before.
        requests[0].start_async([np.ascontiguousarray(items)])
        requests[0].wait()
        return tuple(np.array(out.data, np.float32) for out in requests[0].output_tensors)

    def free() -> None:
        compiled.release_memory()
        requests[0] = compiled.create_infer_request()

    return Batches(run, size=at_once, remedy=_REMEDY, free=free)


def converts(
    build: Callable[[], nn.Module], *, key: str, shape: tuple[int, ...], dtype: Any
) -> bool:
    """Whether OpenVINO does with a network what torch does; remembered beside the converted one."""
    path = _path(key)
    unfit = path.with_suffix(".torch")
    if path.exists() or unfit.exists():
        return path.exists()
    try:
        _convert(build, path, shape, dtype, compared=True)
    except Exception as err:
        if isinstance(err, TriptychError):
            raise
        log.info("torch runs %s, which OpenVINO cannot: %s", key, str(err).strip().split("\n")[0])
        with contextlib.suppress(OSError):
            unfit.parent.mkdir(parents=True, exist_ok=True)
            unfit.touch()
        return False
    return True


def _path(key: str) -> Path:
    return cache_dir() / "prepared" / f"{key}.xml"


def _convert(
    build: Callable[[], nn.Module],
    path: Path,
    shape: tuple[int, ...],
    dtype: Any,
    *,
    compared: bool = False,
) -> Any:
    """Convert a network; keep it in the cache folder if that can be written to."""
    import openvino
    import torch

    log.info("preparing %s for this machine, once", path.stem)
    example = torch.from_numpy(np.zeros((1, *shape), dtype))
    network = build().eval()
    with warnings.catch_warnings():
        # OpenVINO traces with a function of torch that is marked as old.
        warnings.simplefilter("ignore", DeprecationWarning)
        if compared:  # tracing warns of what a comparison tells better
            warnings.simplefilter("ignore")
        model = openvino.convert_model(
            network, example_input=example, input=[([-1, *shape], openvino.Type(np.dtype(dtype)))]
        )
    if compared:
        _compare(network, model, shape, dtype)
    save(model, path)
    return model


def _compare(network: nn.Module, model: Any, shape: tuple[int, ...], dtype: Any) -> None:
    import openvino
    import torch

    items = noise((2, *shape), dtype)  # more than the one that it was converted with
    found = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([items])
    with torch.inference_mode():
        for out, wanted in zip(found.values(), network(torch.from_numpy(items)), strict=True):
            scale = float(wanted.abs().max())
            if not np.allclose(out, wanted.numpy(), rtol=0, atol=_ALIKE * scale):
                raise ValueError("its answers are others")


def save(model: Any, path: Path, *, revise: Callable[[Path], None] = lambda _: None) -> None:
    """Keep a model in the cache folder, whole or not at all.

    Args:
        model: of OpenVINO.
        path: of its .xml; the weights lie beside it.
        revise: changes the file before it can be seen.
    """
    import openvino

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".part-") as scratch:
            made = Path(scratch) / path.name
            openvino.save_model(model, made, compress_to_fp16=False)
            revise(made)
            # The weights first: a reader that finds the .xml must find them too.
            for name in (path.with_suffix(".bin").name, path.name):
                os.replace(Path(scratch) / name, path.parent / name)
    except (OSError, RuntimeError) as err:
        log.warning("the prepared network cannot be kept in %s: %s", path.parent, err)
