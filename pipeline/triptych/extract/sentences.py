"""Cues -> embeddings by a sentence encoder of the user's choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from triptych.extract.families.sentences import spec_of
from triptych.extract.pretrained import network, pretrained
from triptych.extract.registry import Extraction
from triptych.extract.sources import Source
from triptych.records import Cue, FeatureTrack, Floats

if TYPE_CHECKING:
    import torch

__all__ = ["SentenceExtractor"]

_UNREAD = ("pooler.",)  # the last layer of BERT's first task


class SentenceExtractor:
    """One row a cue, for as long as the cue is shown."""

    takes: ClassVar[tuple[type, ...]] = (Cue,)

    def __init__(self, source: Source) -> None:
        self._spec = spec_of(source, source.data("config.json"))
        self._network = network("AutoModel", source, spared=_UNREAD)
        self._tokenizer = pretrained("AutoTokenizer", source)
        told = self._spec.options["longest"]
        places = min(_positions(self._network.config), self._tokenizer.model_max_length)
        self._longest = min(places, told) if told else places

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        cues: list[Cue] = []
        while (cue := (yield)) is not None:
            cues.append(cue)
        cues.sort(key=lambda c: (c.start_s, c.end_s))
        rows = {text: self._embedded(text) for text in dict.fromkeys(c.text for c in cues)}
        values = [np.zeros((0, self._spec.dim), np.float32), *(rows[c.text][None] for c in cues)]
        track = FeatureTrack(
            values=np.concatenate(values),
            start_s=np.array([c.start_s for c in cues], np.float64),
            end_s=np.array([c.end_s for c in cues], np.float64),
            spec=self._spec,
        )
        return {self._spec.name: track}

    def _embedded(self, text: str) -> Floats:
        """One text (D,). Alone, so that no other's length changes its last bits."""
        import torch

        tokens = self._tokenizer(
            self._spec.options["prompt"] + text,
            truncation=True,
            max_length=self._longest,
            return_tensors="pt",
        )
        with torch.inference_mode():
            states = self._network(**tokens).last_hidden_state[0]
        row = _pooled(states, self._spec.options["pooling"])
        if self._spec.options["unit"]:
            row = torch.nn.functional.normalize(row, dim=0)
        values: Floats = row.numpy()
        return values


def _pooled(states: torch.Tensor, pooling: str) -> torch.Tensor:
    """States (T, D) of one text to (D,); none of its tokens is padding."""
    if pooling == "cls":
        return states[0]
    if pooling == "lasttoken":
        return states[-1]
    return states.amax(0) if pooling == "max" else states.mean(0)


def _positions(config: object) -> int:
    """Tokens that a network has places for; RoBERTa's kin count from after the padding's."""
    places: int = getattr(config, "max_position_embeddings", 512)
    counts_on = getattr(config, "model_type", "") in (
        "roberta",
        "xlm-roberta",
        "camembert",
        "mpnet",
    )
    return places - 2 if counts_on else places
