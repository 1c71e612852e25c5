"""Sound -> CLAP's embedding, which it shares with descriptions of sounds, and those."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from triptych.extract.engine import load_engine
from triptych.extract.families.clap import spec_of
from triptych.extract.heard import heard_in_windows
from triptych.extract.kept import Phrases, kept_array, phrase_means, unit
from triptych.extract.pretrained import answering, network, pretrained
from triptych.extract.registry import Extraction
from triptych.extract.sources import Source
from triptych.records import Floats, Sound

if TYPE_CHECKING:
    from torch import Tensor, nn

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
        source.check()
        self._prepare = pretrained("ClapFeatureExtractor", source)
        columns, longer = self._columns(np.zeros(self.rate_hz, np.float32))
        self._run = load_engine(
            functools.partial(_network, source, longer),
            key=f"clap-v{self._spec.version}-{self._spec.weights[:12]}-{self._spec.options['files']}",
            shape=columns.shape,
            dtype=columns.dtype,
            proven=False,
        )

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        return heard_in_windows((self._spec,), self._hear, rate_hz=self.rate_hz)

    def _hear(self, samples: Floats) -> tuple[Floats]:
        """The embedding (D,) of one window."""
        columns, _ = self._columns(samples)
        (rows,) = self._run(columns[None])
        return (rows[0],)

    def _columns(self, samples: Floats) -> tuple[Floats, bool]:
        """Spectrograms (1 or 4, T, bands) of one window, and whether they are of a longer sound.

        No window is longer than the model's own, so that the second is the same for all.
        """
        made = self._prepare(samples, sampling_rate=self.rate_hz, return_tensors="np")
        return made["input_features"][0], bool(np.all(made["is_longer"]))


def _network(source: Source, longer: bool) -> nn.Module:
    """From spectrograms to unit vectors."""

    def answer(made: Any, columns: Tensor) -> tuple[Tensor, ...]:
        of_longer = columns.new_full((columns.shape[0], 1), float(longer)).bool()
        rows = made(columns, is_longer=of_longer).audio_embeds
        return (rows / rows.norm(p=2, dim=1, keepdim=True),)

    return answering(network("ClapAudioModelWithProjection", source), answer)


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
