"""`autoencoder=FOLDER`: what `triptych train VIDEOS --task features -o FOLDER` made."""

from __future__ import annotations

from triptych.errors import WeightsError
from triptych.extract.families import Family
from triptych.extract.sources import find_source
from triptych.extract.specs import Entry
from triptych.spec import Spec

__all__ = ["FAMILY", "describe"]

_TRAIN = "triptych train FOLDER --task features -o MODEL"
_WHAT = "codes of pictures, learned from a folder of one's own without labels"


def describe(given: str) -> Entry:
    """The extractor of one trained folder.

    Raises:
        WeightsError: it is nowhere, or no autoencoder.
    """
    source = find_source(given, example="/models/pictures")
    config = source.data("config.json")
    dim = config.get("dim")
    if config.get("kind") != "autoencoder" or not isinstance(dim, int) or dim < 1:
        raise WeightsError(
            "this folder holds no autoencoder",
            path=source.path,
            remedy=f"give the MODEL that this makes: {_TRAIN}",
        )
    spec = Spec(
        name="autoencoder",
        version=1,
        modality="image",
        dim=dim,
        weights=source.sha256,
        options={"config": source.digest_of("config.json")},
    )
    return Entry(
        name="autoencoder",
        target="triptych.extract.autoencoder:AutoencoderExtractor",
        specs=(spec,),
        source=source,
        what=_WHAT,
    )


FAMILY = Family(
    name="autoencoder",
    what=_WHAT,
    describe=describe,
    tracks={"autoencoder": "image"},
    examples=("/models/pictures",),
    extra="",
    bring=_TRAIN,
)
