"""Convolutions that bear bfloat16 in bfloat16, the rest of a network in float32.

On a CPU with instructions for bfloat16 that takes about three quarters of the time. In a network
of inverted residuals the convolutions of single pixels do most of the work and lose next to
nothing; those by depth, and those whose sums are passed on from block to block, lose much
(docs/decisions.md). What the rest does to an answer is small, and known: rows whose answer hangs
on it are made again in float32.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias
from xml.etree import ElementTree

import numpy as np

from triptych.cache import cache_dir
from triptych.extract.batches import Batches, Items, Rows
from triptych.extract.openvino_networks import kept_model, running, save
from triptych.records import Mask, Pixels

__all__ = ["Doubt", "cpu_features", "has_bfloat16", "is_unfit", "mixed_engine"]

log = logging.getLogger(__name__)

#: Which rows (B,) hang on the third digit.
Doubt: TypeAlias = Callable[[Rows], Mask]

_FAITHFUL = 0.999  # cosine to float32
_FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
_HELD = 3e38  # as good as none: a limit


@functools.cache
def cpu_features() -> tuple[str, ...]:
    """What of this CPU matters to networks, as Linux names it; nothing where that is not known."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            flags = next((line.split() for line in lines if line.startswith("flags")), [])
    except OSError:
        return ()
    return tuple(name for name in _FEATURES if name in flags)


def has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16."""
    return any(name.endswith("bf16") for name in cpu_features())


def is_unfit(key: str) -> bool:
    """Whether a network was tried and found to lose too much."""
    return _path(key).with_suffix(".float32").exists()


def mixed_engine(
    build: Callable[[], Any], *, key: str, shape: tuple[int, ...], at_once: int, doubt: Doubt
) -> Callable[[Items], Rows]:
    """A network of pictures in both precisions; in float32 alone where it loses too much.

    Args:
        build: as of `load_engine`, like `key`, `shape` and `at_once`.
        doubt: which rows are made again in float32.
    """
    import openvino

    @functools.cache
    def exact() -> Batches:
        model = kept_model(build, key=key, shape=shape, dtype=np.uint8)
        return running(model, "f32", at_once=at_once)

    def load(path: Path) -> Callable[[Items], Rows]:
        low = running(openvino.Core().read_model(path), "bf16", at_once=at_once)
        return functools.partial(_looked_at, low, exact, doubt)

    path = _path(key)
    if not path.exists() and not is_unfit(key):
        log.info("preparing %s for this machine, once", path.stem)
        model = kept_model(build, key=key, shape=shape, dtype=np.uint8)
        _prepare(model, path, lambda made: _is_faithful(load(made), exact(), shape))
    return load(path) if path.exists() else exact()


def _looked_at(low: Batches, exact: Callable[[], Batches], doubt: Doubt, items: Items) -> Rows:
    """Rows in bfloat16, and in float32 those that hang on it; what is beside an item is no matter."""
    rows = low(items)
    again = doubt(rows)
    if again.any():
        for found, better in zip(rows, exact()(items[again]), strict=True):
            found[again] = better
    return rows


def _path(key: str) -> Path:
    return cache_dir() / "prepared" / f"{key}-bfloat16.xml"


def _prepare(model: Any, path: Path, is_faithful: Callable[[Path], bool]) -> None:
    """Keep a model that says which of its parts are float32, or that it cannot be had."""

    def revise(made: Path) -> None:
        _mark(made)
        if not is_faithful(made):
            raise ValueError("it loses too much")

    try:
        save(_held(model), path, revise=revise)
    except ValueError as err:
        log.info("%s stays in float32: %s", path.stem, err)
        with contextlib.suppress(OSError):
            path.with_suffix(".float32").touch()


def _held(model: Any) -> Any:
    """A copy whose logits will not be rounded.

    Of parts that OpenVINO fuses the last one's precision counts: it is a limit that none reaches.
    """
    from openvino import opset1

    model = model.clone()
    for part in model.get_ordered_ops():
        if part.get_type_name() == "MatMul":
            last = _with_bias(part)
            users = last.output(0).get_target_inputs()
            limit = opset1.clamp(last, -_HELD, _HELD)
            for user in users:
                user.replace_source_output(limit.output(0))
    return model


def _mark(path: Path) -> None:
    """Write into a model's file what is computed in float32: all but what bears bfloat16.

    There is no way to say it but in the file, where such parts are called precise.
    """
    import openvino

    low = set(_bearing(openvino.Core().read_model(path)))
    tree = ElementTree.parse(path)
    for layer in tree.getroot().iterfind("layers/layer"):
        if layer.get("name") in low or layer.get("type") in {"Const", "Parameter", "Result"}:
            continue
        told = ElementTree.Element("rt_info")
        ElementTree.SubElement(told, "attribute", name="precise", version="0")
        layer.insert(0 if layer.find("data") is None else 1, told)
    tree.write(path)


def _bearing(model: Any) -> Iterator[str]:
    """Names of classifiers, and of convolutions of single pixels that are followed by a limit or
    added to what a block began with. Others begin what following blocks add to.
    """
    for part in model.get_ops():
        kind = part.get_type_name()
        if kind == "Convolution" and tuple(part.input(1).get_shape())[2:] == (1, 1):
            if {user.get_type_name() for user in _users(_with_bias(part))} <= {"Clamp", "Add"}:
                yield part.get_friendly_name()
        elif kind == "MatMul":
            yield part.get_friendly_name()


def _with_bias(part: Any) -> Any:
    users = _users(part)
    return users[0] if [user.get_type_name() for user in users] == ["Add"] else part


def _users(part: Any) -> list[Any]:
    return [each.get_node() for each in part.output(0).get_target_inputs()]


def _is_faithful(
    mixed: Callable[[Items], Rows], exact: Callable[[Items], Rows], shape: tuple[int, ...]
) -> bool:
    """Whether embeddings are nearly those of float32, and first labels the same."""
    shown = _pictures(shape)
    embeddings, *scores = zip(mixed(shown), exact(shown), strict=True)
    one, other = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in embeddings)
    if float((one * other).sum(axis=1).min()) < _FAITHFUL:
        return False
    return all((a.argmax(axis=1) == b.argmax(axis=1)).all() for a, b in scores)


def _pictures(shape: tuple[int, ...]) -> Pixels:
    """Coarse and fine patterns, the same each time."""
    random = np.random.default_rng(0)
    shown = []
    for cells in (1, 2, 3, 5, 8, 14, 28, 56, 112, 224):
        repeated = -(-shape[0] // cells)
        small = random.integers(0, 256, (cells, cells, 3), np.uint8)
        shown.append(small.repeat(repeated, 0).repeat(repeated, 1)[: shape[0], : shape[1]])
    return np.stack(shown)
