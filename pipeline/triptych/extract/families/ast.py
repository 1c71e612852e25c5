"""`ast=SOURCE`: an Audio Spectrogram Transformer, and what it names where it names something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triptych.extract.configured import configured, label_names, width_of
from triptych.extract.families import Family
from triptych.extract.sources import Source
from triptych.extract.specs import Entry
from triptych.spec import Spec

__all__ = ["FAMILY", "KIND", "describe", "specs_of"]

KIND = "audio-spectrogram-transformer"
_COLUMNS_HZ = 100  # of its spectrogram
_AUDIOSET = 527  # labels, of which a clip may have several: its models say nothing of that


def describe(given: str) -> Entry:
    """The extractor with one model.

    Raises:
        WeightsError: it is nowhere, or another kind of model.
    """
    source, config = configured(
        given,
        kinds=(KIND,),
        example=FAMILY.examples[0],
        wanted="an Audio Spectrogram Transformer",
    )
    specs = specs_of(source, config)
    named = f" and {specs[1].dim} label probabilities" if len(specs) > 1 else ""
    seconds = specs[0].options["window_s"]
    return Entry(
        name="ast",
        target="triptych.extract.ast:AstExtractor",
        specs=specs,
        modules=FAMILY.modules,
        extra=FAMILY.extra,
        what=f"{source.given}: {specs[0].dim}-d embedding{named} every {seconds:g} s",
        sampled=False,
        networks=True,
        source=source,
    )


def specs_of(source: Source, config: Mapping[str, Any]) -> tuple[Spec, ...]:
    """Of the embedding, and of the labels where the model has a classifier."""
    heard = source.data("preprocessor_config.json")
    options = {
        "files": source.digest_of("config.json", "preprocessor_config.json"),
        "rate_hz": width_of(heard, "sampling_rate", source=source),
        "window_s": width_of(heard, "max_length", source=source) / _COLUMNS_HZ,
    }
    specs = [
        Spec(
            name="ast",
            version=1,
            modality="audio",
            dim=width_of(config, "hidden_size", source=source),
            weights=source.sha256,
            options=options,
        )
    ]
    labels = label_names(config)
    if labels and "ASTForAudioClassification" in (config.get("architectures") or ()):
        several = config.get("problem_type") == "multi_label_classification"
        several = several or len(labels) == _AUDIOSET
        specs.append(
            Spec(
                name="ast_labels",
                version=1,
                modality="audio",
                dim=len(labels),
                weights=source.sha256,
                options={**options, "scores": "independent" if several else "shares"},
                columns=labels,
            )
        )
    return tuple(specs)


FAMILY = Family(
    name="ast",
    what="an Audio Spectrogram Transformer: embedding, and its labels, every 10 s of sound",
    describe=describe,
    tracks={"ast": "audio", "ast_labels": "audio"},
    examples=("MIT/ast-finetuned-audioset-10-10-0.4593",),
    modules=("transformers",),
)
