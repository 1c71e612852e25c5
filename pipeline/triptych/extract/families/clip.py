"""`clip=MODEL`: pictures and words in one space, by CLIP, SigLIP, SigLIP 2 or Chinese-CLIP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triptych.errors import WeightsError
from triptych.extract.configured import TOKENIZERS, require_one_of
from triptych.extract.families import Family
from triptych.extract.sources import Source, find_source
from triptych.extract.specs import Entry
from triptych.spec import Spec

__all__ = ["FAMILY", "describe", "described"]

_CLIP = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}
_HALVES = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
#: By `model_type`: what their image processors do where their settings say nothing.
_USUAL: Mapping[str, Mapping[str, Any]] = {
    "clip": {"size": {"shortest_edge": 224}, "do_center_crop": True, **_CLIP},
    "chinese_clip": {"size": {"shortest_edge": 224}, "do_center_crop": True, **_CLIP},
    "siglip": {"size": {"height": 224, "width": 224}, "do_center_crop": False, **_HALVES},
}
_FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
_MULTILINGUAL = 200_000  # words of a vocabulary; those of one language have a few ten thousand
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
#: Files beside the weights that could change a figure.
_SETTINGS = (
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
    "special_tokens_map.json",
)


def describe(given: str) -> Entry:
    """The extractor with a model of the hub, or with a folder."""
    return described(find_source(given, example=FAMILY.examples[0]))


def described(source: Source) -> Entry:
    """The extractor with a model that was found."""
    config = source.data("config.json")
    kind = str(config.get("model_type", ""))
    if kind not in _USUAL:
        found = f"this is a model of the kind {kind!r}" if kind else "there is no config.json here"
        raise WeightsError(
            f"{found}; there are {', '.join(_USUAL)}",
            path=source.path,
            remedy="give the folder of a CLIP, SigLIP or Chinese-CLIP; of SigLIP 2 one of fixed "
            "size, such as google/siglip2-base-patch16-224",
        )
    require_one_of(TOKENIZERS, what="a tokenizer", source=source)
    require_one_of(_PROCESSORS, what="an image processor", source=source)
    if kind == "siglip":
        dim = int(_part(config, "vision_config").get("hidden_size", 768))
    else:
        dim = int(config.get("projection_dim", 512))
    spec = Spec(
        name="clip",
        version=1,
        modality="image",
        dim=dim,
        weights=source.sha256,
        options={
            "kind": kind,
            "languages": _languages(kind, config),
            "files": source.digest_of(*_SETTINGS),
            **_preprocessing(kind, source),
        },
    )
    return Entry(
        name="clip",
        target="triptych.extract.clip:ClipExtractor",
        specs=(spec,),
        modules=(*FAMILY.modules, *_readers(kind, source)),
        extra=FAMILY.extra,
        what=f"{kind}: {dim}-d embedding a frame, in one space with words",
        networks=True,
        source=source,
    )


def _readers(kind: str, source: Source) -> tuple[str, ...]:
    """Modules that the model's own words need besides: transformers has no other way for SigLIP."""
    if kind != "siglip" or not (source.folder / "spiece.model").is_file():
        return ()
    named = source.data("tokenizer_config.json").get("tokenizer_class", "SiglipTokenizer")
    return ("sentencepiece", "google.protobuf") if named == "SiglipTokenizer" else ()


def _part(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name) or {}
    return found if isinstance(found, Mapping) else {}


def _languages(kind: str, config: Mapping[str, Any]) -> list[str]:
    """Those that the text tower was taught, as far as its kind tells."""
    if kind == "chinese_clip":
        return ["zh"]
    words = int(_part(config, "text_config").get("vocab_size", 0))
    return ["en", "zh"] if words >= _MULTILINGUAL else ["en"]


def _preprocessing(kind: str, source: Source) -> dict[str, Any]:
    """How pictures are cut, as the image processor of transformers reads the same files."""
    told = source.data("preprocessor_config.json")
    told = told or source.data("processor_config.json").get("image_processor") or {}
    usual = _USUAL[kind]
    size = told.get("size", usual["size"])
    size = {"shortest_edge": size} if isinstance(size, int) else size
    resize: Any = size.get("shortest_edge") or [size.get("height"), size.get("width")]
    crop = resize[0] if isinstance(resize, list) else None
    if told.get("do_center_crop", usual["do_center_crop"]):
        cut = told.get("crop_size", 224)
        cut = {"height": cut, "width": cut} if isinstance(cut, int) else cut
        crop = cut.get("height") if cut.get("height") == cut.get("width") else None
    square = not isinstance(resize, list) or resize[0] == resize[1]
    filtered = told.get("resample", 3)
    if not (crop and square and filtered in _FILTERS and told.get("do_resize", True)):
        raise WeightsError(
            "its image processor makes pictures of another shape than squares of one size",
            path=source.path,
            remedy="choose a model with pictures of a fixed size",
        )
    return {
        "resize": resize,
        "crop": crop,
        "corner": "cut off",
        "interpolation": _FILTERS[filtered],
        "mean": list(told.get("image_mean") or usual["mean"]),
        "std": list(told.get("image_std") or usual["std"]),
    }


FAMILY = Family(
    name="clip",
    what="CLIP, SigLIP (2) or Chinese-CLIP: labels are ranked by its own words",
    describe=describe,
    tracks={"clip": "image"},
    examples=(
        "openai/clip-vit-base-patch32",
        "google/siglip2-base-patch16-224",
        "OFA-Sys/chinese-clip-vit-base-patch16",
    ),
    modules=("transformers",),
)
