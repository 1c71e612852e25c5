"""Sound -> embedding and label probabilities of an Audio Spectrogram Transformer."""

from __future__ import annotations

from typing import ClassVar

from triptych.extract.families.ast import specs_of
from triptych.extract.heard import heard_in_windows
from triptych.extract.pretrained import network, pretrained
from triptych.extract.registry import Extraction
from triptych.extract.sources import Source
from triptych.records import Floats, Sound

__all__ = ["AstExtractor"]


class AstExtractor:
    """One row a window of the model's own length; the last one is filled up with silence.

    Shorter windows would cost as much, and the model was trained on whole ones.
    """

    takes: ClassVar[tuple[type, ...]] = (Sound,)

    def __init__(self, source: Source) -> None:
        self._specs = specs_of(source, source.data("config.json"))
        self.rate_hz: int = self._specs[0].options["rate_hz"]
        named = len(self._specs) > 1
        self._network = network("ASTForAudioClassification" if named else "ASTModel", source)
        self._columns = pretrained("ASTFeatureExtractor", source)

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        return heard_in_windows(self._specs, self._hear, rate_hz=self.rate_hz)

    def _hear(self, samples: Floats) -> tuple[Floats, ...]:
        """Embedding (D,) and probabilities (L,) of one window."""
        import torch

        columns = self._columns(samples, sampling_rate=self.rate_hz, return_tensors="pt")
        made = self._network
        with torch.inference_mode():
            if len(self._specs) == 1:
                return (made(**columns).pooler_output[0].numpy(),)
            pooled = made.audio_spectrogram_transformer(**columns).pooler_output
            logits = made.classifier(pooled)[0]
            several = self._specs[1].options["scores"] == "independent"
            shares = logits.sigmoid() if several else logits.softmax(0)
            return pooled[0].numpy(), shares.numpy()
