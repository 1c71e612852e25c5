"""Sound -> CLAP's embedding, which it shares with descriptions of sounds."""

from __future__ import annotations

from typing import ClassVar

from triptych.extract.families.clap import spec_of
from triptych.extract.heard import heard_in_windows
from triptych.extract.pretrained import network, pretrained
from triptych.extract.registry import Extraction
from triptych.extract.sources import Source
from triptych.records import Floats, Sound

__all__ = ["ClapExtractor"]


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
