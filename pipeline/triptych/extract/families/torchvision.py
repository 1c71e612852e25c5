"""`torchvision=NAME`, or `torchvision=NAME:FILE` with a state_dict of one's own."""

from __future__ import annotations

import csv
import dataclasses
import functools
from importlib.resources import files

from triptych.errors import UsageError
from triptych.extract.families import Family
from triptych.extract.sources import Source, find_source
from triptych.extract.specs import Entry
from triptych.extract.torch_hub import download, published
from triptych.spec import Spec

__all__ = ["FAMILY", "describe", "described", "fetch"]


def describe(given: str) -> Entry:
    """The extractor with torchvision's own weights, or with a file of the user's."""
    name, sign, file = given.partition(":")
    row = _row(name)
    if sign:
        return described(dataclasses.replace(find_source(file), given=given))
    return described(published(name, row["file"], library="torchvision", family="torchvision"))


def described(source: Source) -> Entry:
    """The extractor with weights that were found."""
    name = source.given.partition(":")[0]
    row = _row(name)
    spec = Spec(
        name="torchvision",
        version=1,
        modality="image",
        dim=int(row["dim"]),
        weights=source.sha256,
        options={
            "network": name,
            "files": name,
            "resize": int(row["resize"]),
            "crop": int(row["crop"]),
            "interpolation": row["interpolation"],
            "mean": [float(x) for x in row["mean"].split(",")],
            "std": [float(x) for x in row["std"].split(",")],
        },
    )
    return Entry(
        name="torchvision",
        target="triptych.extract.backbones:TorchvisionExtractor",
        specs=(spec,),
        what=f"torchvision's {name}: {spec.dim}-d embedding a frame",
        networks=True,
        source=source,
    )


def fetch(given: str) -> str:
    """Download torchvision's own weights into the cache of torch's hub."""
    from torchvision.models import get_model_weights

    _row(given)
    url = get_model_weights(given).DEFAULT.url
    download(given, url, library="torchvision", family="torchvision")
    return describe(given).source.path  # type: ignore[union-attr]


def _row(name: str) -> dict[str, str]:
    known = _table()
    if name not in known:
        raise UsageError(
            f"torchvision has no image network {name!r}",
            remedy=f"there are {', '.join(known)}; a file is given as resnet50:/models/mine.pth",
        )
    return known[name]


@functools.cache
def _table() -> dict[str, dict[str, str]]:
    """What torchvision says of its networks, without importing torch to ask it."""
    text = (files(__package__) / "torchvision_models.tsv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {row["name"]: row for row in csv.DictReader(lines, delimiter="\t")}


FAMILY = Family(
    name="torchvision",
    what="an image network of torchvision by name, or NAME:FILE with weights of your own",
    describe=describe,
    tracks={"torchvision": "image"},
    examples=("resnet50", "convnext_tiny", "vit_b_16"),
    extra="",
    fetch=fetch,
)
