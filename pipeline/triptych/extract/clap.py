"""Sound -> CLAP's embedding, which it shares with descriptions of sounds, and those."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from triptych.extract.families.clap import spec_of
from triptych.extract.heard import heard_in_windows
from triptych.extract.kept import Phrases, kept_array, phrase_means, unit
from triptych.extract.pretrained import network, pretrained
from triptych.extract.registry import Extraction
from triptych.extract.sources import Source
from triptych.records import Floats, Sound

__all__ = ["ClapExtractor", "kept_descriptions", "sharpness_of"]

_VERSION = 1  # of how texts are embedded


class ClapExtractor:
    """One row, a unit vector, a window of the model's own length.

    The last one is repeated until it is as long, as the model's own preparation does it.
    """

    takes: ClassVar[tuple[type, ...]] = (Sound,)

    def __init__(self, source: Source) -> None:
        self._spec = spec_of(source, source.data("config.json"))
        self.rate_hz: int = self._spec.options["rate_hz"]
        self._network = network("ClapAudioModelWithProjection", source)
        self._columns = pretrained("ClapFeatureExtractor", source)

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        return heard_in_windows((self._spec,), self._hear, rate_hz=self.rate_hz)

    def _hear(self, samples: Floats) -> tuple[Floats]:
        """The embedding (D,) of one window."""
        import torch

        columns = self._columns(samples, sampling_rate=self.rate_hz, return_tensors="pt")
        with torch.inference_mode():
            row = self._network(**columns).audio_embeds[0]
            return (torch.nn.functional.normalize(row, dim=0).numpy(),)


def sharpness_of(source: Source) -> float:
    """Logits for a cosine of 1, as the model was taught; kept, so that no model need be loaded."""
    kept = kept_array(
        f"sharpness-{_made_by(source)}",
        lambda: np.array([float(_model(source).logit_scale_a.detach().exp())], np.float32),
    )
    return float(kept[0])


def kept_descriptions(source: Source, name: str, phrases: Callable[[], Phrases]) -> Floats:
    """Means of phrases as unit vectors (rows, D), made once a machine and kept.

    Args:
        source: the model.
        name: identity of the phrases, part of the file's name.
        phrases: called only when nothing is kept.
    """
    embed = functools.partial(_embedded, source)
    return kept_array(f"{name}-{_made_by(source)}", lambda: phrase_means(phrases(), embed))


def _made_by(source: Source) -> str:
    spec = spec_of(source, source.data("config.json"))
    words = source.digest_of("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt")
    return f"clap-{spec.weights[:12]}-{spec.options['files']}-{words}-v{_VERSION}"


def _embedded(source: Source, texts: Sequence[str]) -> Floats:
    """Unit vectors (N, D) of texts."""
    import torch

    tokenizer, model = pretrained("AutoTokenizer", source), _model(source)
    longest = model.config.text_config.max_position_embeddings - 2  # RoBERTa counts from there
    rows = []
    for text in texts:
        tokens = tokenizer(text, truncation=True, max_length=longest, return_tensors="pt")
        inputs = {k: v for k, v in tokens.items() if k in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            rows.append(model.get_text_features(**inputs).pooler_output.numpy())
    return unit(np.concatenate(rows))


@functools.lru_cache(maxsize=1)
def _model(source: Source) -> Any:
    return network("ClapModel", source)
