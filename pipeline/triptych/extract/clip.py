"""Frames -> embeddings in one space with words, and the words' side of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from triptych.extract.families.clip import described
from triptych.extract.kept import Phrases, kept_array, phrase_means
from triptych.extract.pictures import FrameEmbedder, engine_of, normalised
from triptych.extract.pretrained import network, pretrained
from triptych.extract.sources import Source
from triptych.records import Floats, Spec

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["ClipExtractor", "Contrast", "contrast_of", "kept_words"]

_VERSION = 1  # of how texts are embedded
_BATCH = 64  # texts
_SIGLIP_WORDS = 64  # the length that SigLIP was taught with: its texts are always padded to it


class ClipExtractor(FrameEmbedder):
    """Unit vectors of frames."""

    def __init__(self, source: Source) -> None:
        (spec,) = described(source).specs
        super().__init__(spec, engine_of(functools.partial(_pictures, source), spec, source))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """How a model makes logits of the cosine of a picture and a text: scale * cosine + bias."""

    scale: float
    bias: float
    independent: bool  #: each label has a probability for itself, as SigLIP was taught


def contrast_of(source: Source) -> Contrast:
    """The model's own temperature, kept so that no model need be loaded for it."""
    (spec,) = described(source).specs
    kept = kept_array(f"contrast-{_made_by(spec)}", lambda: _contrast(source))
    return Contrast(
        scale=float(kept[0]), bias=float(kept[1]), independent=spec.options["kind"] == "siglip"
    )


def kept_words(source: Source, name: str, phrases: Callable[[], Phrases]) -> Floats:
    """Means of phrases as unit vectors (rows, D), made once a machine and kept.

    Args:
        source: the model.
        name: identity of the phrases, part of the file's name.
        phrases: called only when nothing is kept.
    """
    (spec,) = described(source).specs
    embed = functools.partial(_embedded, source)
    return kept_array(f"{name}-{_made_by(spec)}", lambda: phrase_means(phrases(), embed))


def _made_by(spec: Spec) -> str:
    return f"clip-{spec.weights[:12]}-{spec.options['files']}-v{_VERSION}"


def _pictures(source: Source) -> nn.Module:
    """The image tower, from pixels (B, S, S, 3) to unit vectors."""
    from torch import nn

    class Pictures(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = network("AutoModel", source)
            self.model.text_model = None

        def forward(self, pictures: Tensor) -> Tensor:
            found: Tensor = self.model.get_image_features(pixel_values=pictures).pooler_output
            return found / found.norm(p=2, dim=-1, keepdim=True)

    (spec,) = described(source).specs
    return normalised(Pictures(), spec.options)


def _contrast(source: Source) -> Floats:
    model = _model(source)
    bias = getattr(model, "logit_bias", None)
    scale = float(model.logit_scale.detach().exp())
    return np.array([scale, 0.0 if bias is None else float(bias.detach())], np.float32)


def _embedded(source: Source, texts: Sequence[str]) -> Floats:
    """Unit vectors (N, D) of texts, tokenised as `zero-shot-image-classification` does it."""
    import torch

    (spec,) = described(source).specs
    tokenizer, model = pretrained("AutoTokenizer", source), _model(source)
    options: dict[str, Any] = {"padding": True, "truncation": True}
    options["max_length"] = model.config.text_config.max_position_embeddings
    if spec.options["kind"] == "siglip":
        options |= {"padding": "max_length", "max_length": _SIGLIP_WORDS}
    rows = []
    for at in range(0, len(texts), _BATCH):
        tokens = tokenizer(list(texts[at : at + _BATCH]), return_tensors="pt", **options)
        with torch.inference_mode():
            found = model.get_text_features(**tokens).pooler_output
            rows.append((found / found.norm(p=2, dim=-1, keepdim=True)).numpy())
    return np.concatenate(rows).astype(np.float32)


@functools.lru_cache(maxsize=1)
def _model(source: Source) -> Any:
    model = network("AutoModel", source)
    model.vision_model = None
    return model
