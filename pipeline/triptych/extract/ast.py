"""Sound -> embedding and label probabilities of an Audio Spectrogram Transformer."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from triptych.extract.engine import load_engine
from triptych.extract.families.ast import specs_of
from triptych.extract.heard import heard_in_windows
from triptych.extract.pretrained import answering, network, pretrained
from triptych.extract.registry import Extraction
from triptych.extract.sources import Source
from triptych.records import Floats, Sound

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["AstExtractor"]


class AstExtractor:
    """One row a window of the model's own length; the last one is filled up with silence.

    Shorter windows would cost as much, and the model was trained on whole ones.
    """

    takes: ClassVar[tuple[type, ...]] = (Sound,)

    def __init__(self, source: Source) -> None:
        source.check()
        self._specs = specs_of(source, source.data("config.json"))
        first, last = self._specs[0], self._specs[-1]
        self.rate_hz: int = first.options["rate_hz"]
        self._prepare = pretrained("ASTFeatureExtractor", source)
        columns = self._columns(np.zeros(self.rate_hz, np.float32))
        scores = last.options.get("scores", "")
        self._run = load_engine(
            functools.partial(_network, source, scores),
            key=f"{last.name}-v{first.version}-{first.weights[:12]}-{first.options['files']}-{scores}",
            shape=columns.shape,
            dtype=columns.dtype,
            proven=False,
        )

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        return heard_in_windows(self._specs, self._hear, rate_hz=self.rate_hz)

    def _hear(self, samples: Floats) -> tuple[Floats, ...]:
        """Embedding (D,) and probabilities (L,) of one window."""
        return tuple(rows[0] for rows in self._run(self._columns(samples)[None]))

    def _columns(self, samples: Floats) -> Floats:
        """The spectrogram (T, bands) of one window."""
        made = self._prepare(samples, sampling_rate=self.rate_hz, return_tensors="np")
        columns: Floats = made["input_values"][0]
        return columns


def _network(source: Source, scores: str) -> nn.Module:
    """From spectrograms to embeddings, and to probabilities where its labels have names."""
    if not scores:
        made = network("ASTModel", source)
        return answering(made, lambda made, columns: (made(columns).pooler_output,))

    def answer(made: Any, columns: Tensor) -> tuple[Tensor, ...]:
        pooled = made.audio_spectrogram_transformer(columns).pooler_output
        logits = made.classifier(pooled)
        return pooled, logits.sigmoid() if scores == "independent" else logits.softmax(1)

    return answering(network("ASTForAudioClassification", source), answer)
