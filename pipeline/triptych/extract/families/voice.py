"""`voice=SOURCE`: wav2vec 2.0, HuBERT, WavLM and their kin, which learnt from speech unlabelled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from triptych.decode.parameters import RATE_HZ
from triptych.errors import WeightsError
from triptych.extract.configured import configured, width_of
from triptych.extract.families import Family
from triptych.extract.sources import Source
from triptych.extract.specs import Entry
from triptych.spec import Spec

__all__ = ["FAMILY", "KINDS", "WINDOW_S", "describe", "even_steps", "spec_of"]

KINDS = ("wav2vec2", "hubert", "wavlm", "unispeech-sat", "data2vec-audio", "wav2vec2-conformer")
WINDOW_S = 10  # attention grows with the square of it


def describe(given: str) -> Entry:
    """The extractor with one model.

    Raises:
        WeightsError: it is nowhere, or another kind of model.
    """
    source, config = configured(
        given, kinds=KINDS, example=FAMILY.examples[0], wanted=f"one of {', '.join(KINDS)}"
    )
    spec = spec_of(source, config)
    return Entry(
        name="voice",
        target="triptych.extract.voice:VoiceExtractor",
        specs=(spec,),
        modules=FAMILY.modules,
        extra=FAMILY.extra,
        what=f"{source.given}: {spec.dim}-d embedding a second",
        stepped=True,
        sampled=False,
        networks=True,
        source=source,
    )


def spec_of(source: Source, config: Mapping[str, Any]) -> Spec:
    """Of the mean of the last layer's states.

    Raises:
        WeightsError: the model needs another rate, or its states come at no even one.
    """
    rate_hz = source.data("preprocessor_config.json").get("sampling_rate", RATE_HZ)
    kernels, strides = config.get("conv_kernel"), config.get("conv_stride")
    known = isinstance(kernels, list) and isinstance(strides, list)
    fits = known and rate_hz == RATE_HZ and not config.get("add_adapter")
    stride, heard = even_steps(kernels or [], strides or [], source, fits=fits)
    return Spec(
        name="voice",
        version=1,
        modality="audio",
        dim=width_of(config, "hidden_size", source=source),
        weights=source.sha256,
        options={
            "files": source.digest_of("config.json", "preprocessor_config.json"),
            "stride": stride,
            "state": heard,
            "window_s": WINDOW_S,
        },
    )


def even_steps(
    kernels: Sequence[int], strides: Sequence[int], source: Source, *, fits: bool = True
) -> tuple[int, int]:
    """Samples from one state to the next, and samples that one state rests on.

    Args:
        kernels: widths of the layers of convolution, the first one first.
        strides: steps of the same layers.
        source: the model, for the message.
        fits: whether it does in other respects.

    Raises:
        WeightsError: it does not hear sound of 16 kHz in steps that divide a second.
    """
    stride = math.prod(strides) if strides and len(kernels) == len(strides) else 0
    if not fits or stride < 1 or RATE_HZ % stride:
        raise WeightsError(
            "the model does not hear sound of 16 kHz in steps that divide a second",
            path=source.path,
            remedy=f"choose another model, such as {FAMILY.examples[0]}",
        )
    heard = 1
    for kernel, step in zip(reversed(kernels), reversed(strides), strict=True):
        heard = (heard - 1) * step + kernel
    return stride, heard


FAMILY = Family(
    name="voice",
    what="wav2vec 2.0, HuBERT, WavLM and their kin: embedding a second",
    describe=describe,
    tracks={"voice": "audio"},
    examples=(
        "facebook/hubert-base-ls960",
        "microsoft/wavlm-base-plus",
        "TencentGameMate/chinese-hubert-base",
    ),
    modules=("transformers",),
)
