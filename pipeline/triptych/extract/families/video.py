"""`video=SOURCE`: networks that look at many frames at once, of transformers or torchvision.

SOURCE is a model of the hub or its folder, one of torchvision's names, or NAME:FILE with a
state_dict of one's own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from triptych.errors import WeightsError
from triptych.extract.configured import configured, label_names, width_of
from triptych.extract.families import Family
from triptych.extract.sources import Source, find_source
from triptych.extract.specs import Entry
from triptych.extract.torch_hub import download, published
from triptych.spec import Spec

__all__ = ["FAMILY", "FPS", "NETWORKS", "describe", "described"]

#: Kinds of transformers' -> frames a second that its published models were trained with. Their
#: configurations do not say it; `fps` in preprocessor_config.json takes its place.
FPS = {"videomae": 7.5, "vivit": 12.5, "timesformer": 1.0, "xclip": 0.8}
#: Names of torchvision's -> file, dim, frames, and frames a second as its documentation says.
NETWORKS: dict[str, tuple[str, int, int, float]] = {
    "r3d_18": ("r3d_18-b3b3357e.pth", 512, 16, 15.0),
    "mc3_18": ("mc3_18-a90a0ba3.pth", 512, 16, 15.0),
    "r2plus1d_18": ("r2plus1d_18-91a641e6.pth", 512, 16, 15.0),
    "mvit_v1_b": ("mvit_v1_b-dbeb1030.pth", 768, 16, 7.5),
    "mvit_v2_s": ("mvit_v2_s-ae3be167.pth", 768, 16, 7.5),
    "swin3d_t": ("swin3d_t-7615ae03.pth", 768, 32, 15.0),
    "swin3d_s": ("swin3d_s-da41c237.pth", 768, 32, 15.0),
    "swin3d_b": ("swin3d_b_1k-24f7c7c6.pth", 1024, 32, 15.0),
}
_SIDE = 256  # of the frames that the decoder gives; all of these networks see smaller ones
_FILES = ("config.json", "preprocessor_config.json")


def describe(given: str) -> Entry:
    """The extractor with one network.

    Raises:
        WeightsError: it is nowhere, or another kind of model.
    """
    name, sign, file = given.partition(":")
    if name not in NETWORKS:
        source, _ = configured(
            given,
            kinds=FPS,
            example=FAMILY.examples[0],
            wanted=f"one of {', '.join(FPS)}, or of torchvision's {', '.join(NETWORKS)}",
        )
    elif sign:
        source = dataclasses.replace(find_source(file), given=given)
    else:
        source = published(name, NETWORKS[name][0], library="torchvision", family="video")
    return described(source)


def described(source: Source) -> Entry:
    """The extractor with a network that was found."""
    name = source.given.partition(":")[0]
    specs = _of_torchvision(source, name) if name in NETWORKS else _of_transformers(source)
    frames, fps = (specs[0].options[key] for key in ("frames", "fps"))
    named = f" and {specs[1].dim} label probabilities" if len(specs) > 1 else ""
    return Entry(
        name="video",
        target="triptych.extract.footage:VideoExtractor",
        specs=specs,
        modules=() if name in NETWORKS else ("transformers",),
        extra="" if name in NETWORKS else "hub",
        what=f"{name}: {specs[0].dim}-d embedding{named} every {frames / fps:.3g} s",
        sampled=False,
        networks=True,
        source=source,
    )


def fetch(given: str) -> str:
    """Download a network of torchvision's by name, or a model of the hub."""
    if given not in NETWORKS:
        from triptych.extract.fetching import fetch as from_hub

        return from_hub(given)
    from torchvision.models import get_model_weights

    url = get_model_weights(given).DEFAULT.url
    download(given, url, library="torchvision", family="video")
    return published(given, NETWORKS[given][0], library="torchvision", family="video").path


def _of_torchvision(source: Source, name: str) -> tuple[Spec, ...]:
    _, dim, frames, fps = NETWORKS[name]
    options = {"network": name, "frames": frames, "fps": fps, "short_side": _SIDE}
    return (_spec(source, dim, options),)


def _of_transformers(source: Source) -> tuple[Spec, ...]:
    config = source.data("config.json")
    kind, prepared = config["model_type"], source.data("preprocessor_config.json")
    if not prepared:
        raise WeightsError(
            "preprocessor_config.json is not there: how frames are prepared is not known",
            path=source.path,
            remedy="copy or fetch the model again",
        )
    seen: Mapping[str, Any] = config["vision_config"] if kind == "xclip" else config
    fps = prepared.get("fps")
    options = {
        "network": kind,
        "files": source.digest_of(*_FILES),
        "frames": width_of(seen, "num_frames", source=source),
        "fps": float(fps) if isinstance(fps, int | float) and fps > 0 else FPS[kind],
        "short_side": _SIDE,
    }
    dim = width_of(config, "projection_dim" if kind == "xclip" else "hidden_size", source=source)
    embedding, labels = _spec(source, dim, options), label_names(config)
    architectures = config.get("architectures") or ("",)
    if not labels or not architectures[0].endswith("ForVideoClassification"):
        return (embedding,)
    named = dataclasses.replace(embedding, name="video_labels", dim=len(labels), columns=labels)
    return embedding, named


def _spec(source: Source, dim: int, options: Mapping[str, Any]) -> Spec:
    return Spec(
        name="video",
        version=1,
        modality="motion",
        dim=dim,
        weights=source.sha256,
        options=options,
    )


FAMILY = Family(
    name="video",
    what="VideoMAE, ViViT, TimeSformer, X-CLIP, or a video network of torchvision: embedding, and "
    "labels where it has some, a window of frames",
    describe=describe,
    tracks={"video": "motion", "video_labels": "motion"},
    examples=(
        "MCG-NJU/videomae-base-finetuned-kinetics",
        "microsoft/xclip-base-patch32",
        "r2plus1d_18",
    ),
    extra="",
    fetch=fetch,
)
