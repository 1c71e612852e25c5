"""`timm=NAME`, an image network of timm on the hub, or the folder that timm saved one in."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from triptych.errors import WeightsError
from triptych.extract.families import Family
from triptych.extract.sources import Source, find_source
from triptych.extract.specs import Entry
from triptych.spec import Spec

__all__ = ["FAMILY", "describe", "described"]

_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
_FILTERS = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")


def describe(given: str) -> Entry:
    """The extractor with a model of the hub (`resnet50.a1_in1k`), a folder, or a file in one."""
    on_hub = given.replace(".", "").replace("_", "").replace("@", "").isalnum()
    try:
        source = find_source(given)
    except WeightsError:
        if not on_hub:
            raise
        source = find_source(f"timm/{given}")
    return described(dataclasses.replace(source, given=given))


def described(source: Source) -> Entry:
    """The extractor with a model that was found: all that it needs, its config.json says."""
    config = source.data("config.json")
    name, dim = config.get("architecture"), config.get("num_features")
    if not isinstance(name, str) or not isinstance(dim, int):
        raise WeightsError(
            "config.json beside the weights does not say which network of timm they are for",
            path=source.path,
            remedy="give a folder that timm saved (timm.models.save_for_hf), or a model of timm's",
        )
    spec = Spec(
        name="timm",
        version=1,
        modality="image",
        dim=dim,
        weights=source.sha256,
        options={
            "network": name,
            "files": source.digest_of("config.json"),
            **_preprocessing(config.get("pretrained_cfg") or config, source),
        },
    )
    return Entry(
        name="timm",
        target="triptych.extract.backbones:TimmExtractor",
        specs=(spec,),
        modules=FAMILY.modules,
        extra=FAMILY.extra,
        what=f"timm's {name}: {dim}-d embedding a frame",
        networks=True,
        source=source,
    )


def _preprocessing(config: dict[str, Any], source: Source) -> dict[str, Any]:
    """As `timm.data.resolve_data_config` and `create_transform` read the same."""
    _, height, width = config.get("input_size") or (3, 224, 224)
    share, mode = config.get("crop_pct") or 0.875, config.get("crop_mode") or "center"
    interpolation = config.get("interpolation") or "bicubic"
    if height != width or mode not in ("center", "squash") or interpolation not in _FILTERS:
        raise WeightsError(
            f"pictures of {width}x{height}, crop_mode {mode!r} and interpolation "
            f"{interpolation!r} are not supported",
            path=source.path,
            remedy="choose another model",
        )
    resized = math.floor(height / share)
    return {
        "resize": resized if mode == "center" else [resized, resized],
        "crop": height,
        "interpolation": interpolation,
        "mean": list(config.get("mean") or _IMAGENET["mean"]),
        "std": list(config.get("std") or _IMAGENET["std"]),
    }


FAMILY = Family(
    name="timm",
    what="an image network of timm by name, or the folder of one",
    describe=describe,
    tracks={"timm": "image"},
    examples=(
        "timm/resnet50.a1_in1k",
        "timm/vit_base_patch14_dinov2.lvd142m",
        "timm/mobilenetv3_small_100.lamb_in1k",
    ),
    modules=("timm",),
)
