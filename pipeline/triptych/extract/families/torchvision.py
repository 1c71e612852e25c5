"""`torchvision=NAME`, or `torchvision=NAME:FILE` with a state_dict of one's own."""

from __future__ import annotations

import csv
import dataclasses
import functools
import os
import re
from importlib.resources import files
from pathlib import Path

from triptych.errors import UsageError, WeightsError
from triptych.extract.families import Family
from triptych.extract.sources import Source, find_source, source_of
from triptych.extract.specs import Entry
from triptych.spec import Spec

__all__ = ["FAMILY", "describe", "described", "download", "fetch", "published"]

_DIGEST = re.compile(r"-([0-9a-f]{8,})\.pth$")  # torch's hub names files after their digests


def describe(given: str) -> Entry:
    """The extractor with torchvision's own weights, or with a file of the user's."""
    name, sign, file = given.partition(":")
    row = _row(name)
    if sign:
        return described(dataclasses.replace(find_source(file), given=given))
    return described(published(name, row["file"], family="torchvision"))


def published(name: str, file: str, *, family: str) -> Source:
    """Torchvision's own weights of a network, in the cache of torch's hub.

    Raises:
        WeightsError: they are not there, or damaged.
    """
    path = _hub() / file
    if not path.is_file():
        raise WeightsError(
            f"the weights of torchvision's {name!r} are not in {path.parent}",
            remedy=f"triptych models fetch {family}={name}",
        )
    source = source_of(path, given=name, kind="hub", id=f"torchvision/{name}", revision=path.name)
    wanted = _DIGEST.search(path.name)
    if wanted and not source.sha256.startswith(wanted[1]):
        raise WeightsError(
            "the file is damaged: its digest is not the one that it is named after",
            path=path,
            remedy=f"remove it, then: triptych models fetch {family}={name}",
        )
    return source


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
    _row(given)
    download(given, family="torchvision")
    return describe(given).source.path  # type: ignore[union-attr]


def download(name: str, *, family: str) -> None:
    """Have torchvision download its own weights of a network.

    Raises:
        WeightsError: it cannot.
    """
    from torchvision.models import get_model_weights

    try:
        get_model_weights(name).DEFAULT.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as err:
        raise WeightsError(
            f"the weights of torchvision's {name!r} cannot be fetched: {err}",
            remedy=f"check the network, or write {family}=NAME:FILE with a file that you have",
        ) from err


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


def _hub() -> Path:
    """Where torch's hub keeps files, as `torch.hub.get_dir` says."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    home = Path(os.environ.get("TORCH_HOME") or cache)
    return home.expanduser() / "hub" / "checkpoints"


FAMILY = Family(
    name="torchvision",
    what="an image network of torchvision by name, or NAME:FILE with weights of your own",
    describe=describe,
    tracks={"torchvision": "image"},
    examples=("resnet50", "convnext_tiny", "vit_b_16"),
    extra="",
    fetch=fetch,
)
