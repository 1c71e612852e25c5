"""`clap=SOURCE`: CLAP, which learnt what sounds like what from sounds and their descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triptych.extract.configured import TOKENIZERS, configured, require_one_of, width_of
from triptych.extract.families import Family
from triptych.extract.sources import Source
from triptych.extract.specs import Entry
from triptych.spec import Spec

__all__ = ["FAMILY", "describe", "spec_of"]


def describe(given: str) -> Entry:
    """The extractor with one model.

    Raises:
        WeightsError: it is nowhere, or another kind of model.
    """
    source, config = configured(
        given, kinds=("clap",), example=FAMILY.examples[0], wanted="a model of CLAP"
    )
    require_one_of(TOKENIZERS, what="a tokenizer", source=source)
    spec = spec_of(source, config)
    return Entry(
        name="clap",
        target="triptych.extract.clap:ClapExtractor",
        specs=(spec,),
        modules=FAMILY.modules,
        extra=FAMILY.extra,
        what=f"{source.given}: {spec.dim}-d embedding every {spec.options['window_s']} s",
        sampled=False,
        networks=True,
        source=source,
    )


def spec_of(source: Source, config: Mapping[str, Any]) -> Spec:
    """Of the embedding that sounds and their descriptions share."""
    heard = source.data("preprocessor_config.json")
    return Spec(
        name="clap",
        version=1,
        modality="audio",
        dim=width_of(config, "projection_dim", source=source),
        weights=source.sha256,
        options={
            "files": source.digest_of("config.json", "preprocessor_config.json"),
            "rate_hz": width_of(heard, "sampling_rate", source=source),
            "window_s": width_of(heard, "max_length_s", source=source),
        },
    )


FAMILY = Family(
    name="clap",
    what="CLAP: embedding every 10 s of sound",
    describe=describe,
    tracks={"clap": "audio"},
    examples=("laion/clap-htsat-unfused", "laion/larger_clap_general"),
    modules=("transformers",),
)
