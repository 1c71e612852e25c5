"""Models are downloaded here, when somebody says so, and nowhere else: `triptych models fetch`."""

from __future__ import annotations

import fnmatch
import importlib.util
from collections.abc import Sequence

from triptych.errors import UsageError, WeightsError
from triptych.extract.families import Family
from triptych.extract.plugins import plugin
from triptych.extract.registry import families
from triptych.extract.sources import find_source, is_hub_id

__all__ = ["fetch", "wanted_files"]

_SMALL = ("*.json", "*.txt", "*.model", "*.tsv", "README.md", "LICENSE*")  # settings, tokenizers
_PARTS = "[0-9]_*/config.json"  # how a sentence encoder pools
_BEST = (
    ("model.safetensors",),
    ("model.safetensors.index.json", "model-*-of-*.safetensors"),
    ("*.safetensors",),
    ("pytorch_model.bin",),
    ("pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin"),
    ("model.bin",),
)


def fetch(model: str) -> str:
    """Download a model, unless it is here; returns where it is.

    Args:
        model: `org/name` or `org/name@revision` of the hub, or an item `FAMILY=SOURCE`.

    Raises:
        UsageError: it is no such thing.
        WeightsError: it cannot be downloaded.
    """
    name, sign, source = model.partition("=")
    family = families().get(name) or plugin(name) if sign else None
    if sign and not isinstance(family, Family):
        known = ", ".join(families())
        raise UsageError(f"no family {name!r}", remedy=f"there are {known}" if known else "")
    if isinstance(family, Family) and family.bring:
        raise UsageError(f"models of {name!r} are not fetched", remedy=f"bring one: {family.bring}")
    if isinstance(family, Family) and family.fetch is not None:
        return family.fetch(source)
    return _from_hub(source if sign else model)


def wanted_files(names: Sequence[str]) -> list[str]:
    """Of a model's files those that are needed: settings, words, and weights in one format.

    >>> wanted_files(["config.json", "model.safetensors", "pytorch_model.bin", "onnx/model.onnx"])
    ['config.json', 'model.safetensors']
    """
    top = [name for name in names if "/" not in name]
    for patterns in _BEST:
        found = [n for n in top if any(fnmatch.fnmatchcase(n, p) for p in patterns)]
        if found:
            break
    small = [n for n in top if any(fnmatch.fnmatchcase(n, p) for p in _SMALL)]
    small += [n for n in names if fnmatch.fnmatchcase(n, _PARTS)]
    return sorted({*found, *(n for n in small if not n.endswith(".index.json"))})


def _from_hub(given: str) -> str:
    if not is_hub_id(given):
        raise UsageError(
            f"{given!r} is no model of the hub",
            remedy="write an id such as openai/clip-vit-base-patch32, or FAMILY=NAME such as "
            "torchvision=resnet50",
        )
    if importlib.util.find_spec("huggingface_hub") is None:
        raise WeightsError("fetching needs huggingface_hub", remedy='pip install "triptych[hub]"')
    from huggingface_hub import HfApi, snapshot_download

    name, _, revision = given.partition("@")
    try:
        told = HfApi().model_info(name, revision=revision or None)
        files = wanted_files([file.rfilename for file in told.siblings or ()])
        snapshot_download(name, revision=revision or None, allow_patterns=files)
    except Exception as err:
        reason = " ".join(str(err).split())[:300] or type(err).__name__
        raise WeightsError(
            f"the model {given!r} cannot be fetched: {reason}",
            remedy="check the id and the network (HF_ENDPOINT and HF_TOKEN are heeded), or copy "
            "the model's folder here and give its path",
        ) from err
    return find_source(given).path
