"""Simpler models, built, trained and judged like the fusion model, which must beat them.

Two are the published Keras examples of video classification from words and pixels, in torch: an
embedding and an LSTM over the words beside a dense or a convolutional branch over one picture,
concatenated. Linear models read what is said (bag of words, TF-IDF) or the means of the tracks;
gated fusion is the gated multimodal unit (Arevalo et al., ICLR workshop 2017).

In shapes, B = videos, T = time steps, D = feature width, L = labels, V = words.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from triptych_models.batches import PIXELS, Batch, Example
from triptych_models.fusion import Fusion, Standardize
from triptych_models.heads import Output

__all__ = ["IMPORTANCE_TYPES", "MODEL_TYPES", "build"]

_PAD, _UNKNOWN = 0, 1
_LONGEST = 200  # words that an LSTM reads


def _pooled(x: Tensor, keep: Tensor) -> Tensor:
    """Mean (B, D) of the steps (B, T, D) that are kept; zeros where there are none."""
    kept = keep[..., None].to(x.dtype)
    mean: Tensor = (x * kept).sum(1) / kept.sum(1).clamp(min=1)
    return mean


class _Baseline(nn.Module):
    """Measures the tracks; says only logits."""

    def __init__(self, tracks: Mapping[str, int]) -> None:
        super().__init__()
        self.tracks = dict(tracks)
        self.standardize = nn.ModuleDict({t: Standardize(d) for t, d in tracks.items()})

    def prepare(self, examples: Sequence[Example]) -> None:
        for track, layer in self.standardize.items():
            layer.measure(examples, track)  # type: ignore[operator]

    def means(self, batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Mean features (B, D) of each track, and whether it is there (B, 1)."""
        here = batch.present
        rows = {
            t: _pooled(self.standardize[t](batch.values[t], here[t]), here[t]) for t in self.tracks
        }
        return rows, {t: here[t].any(1, keepdim=True) for t in self.tracks}


def _said(logits: Tensor) -> Output:
    return Output(logits=logits, parts={}, evidence={})


class MeanLinear(_Baseline):
    """A straight line from the mean of every track."""

    def __init__(
        self, tracks: Mapping[str, int], modalities: Mapping[str, str], *, outputs: int
    ) -> None:
        super().__init__(tracks)
        self.modalities = dict(modalities)
        self.lines = nn.ModuleDict(
            {t: nn.Linear(d, outputs, bias=False) for t, d in tracks.items()}
        )
        self.bias = nn.Parameter(torch.zeros(outputs))
        for line in self.lines.values():
            nn.init.zeros_(line.weight)  # type: ignore[arg-type]

    def weigh_modalities(self, weights: Mapping[str, float]) -> None:
        """Multiply the evidence of each modality, for good."""
        with torch.no_grad():
            for track, line in self.lines.items():
                line.weight.mul_(weights[self.modalities[track]])  # type: ignore[operator]

    def forward(self, batch: Batch) -> Output:
        evidence: dict[str, Tensor] = {}
        steps: Tensor | float = 0.0
        for track, line in self.lines.items():
            here = batch.present[track]
            said = line(self.standardize[track](batch.values[track], here))
            steps, modality = steps + said, self.modalities[track]
            share = said / here.sum(1).clamp(min=1)[:, None, None]
            evidence[modality] = evidence.get(modality, 0.0) + share
        parts = {m: v.sum(1) for m, v in evidence.items()}
        return Output(
            logits=self.bias + sum(parts.values()),
            parts=parts,
            evidence=evidence,
            steps=self.bias + steps,
        )


class GatedFusion(_Baseline):
    """Each modality's view, let through by a gate that all modalities set together."""

    def __init__(
        self, tracks: Mapping[str, int], *, outputs: int, width: int = 64, dropout: float = 0.3
    ) -> None:
        super().__init__(tracks)
        self.views = nn.ModuleDict({t: nn.Linear(d, width) for t, d in tracks.items()})
        self.gates = nn.ModuleDict({t: nn.Linear(width * len(tracks), width) for t in tracks})
        self.dropout, self.out = nn.Dropout(dropout), nn.Linear(width, outputs)

    def forward(self, batch: Batch) -> Output:
        rows, there = self.means(batch)
        views = {t: torch.tanh(self.views[t](self.dropout(rows[t]))) * there[t] for t in rows}
        together = torch.cat(list(views.values()), 1)
        mixed = sum(torch.sigmoid(self.gates[t](together)) * views[t] for t in views)
        return _said(self.out(self.dropout(torch.as_tensor(mixed))))


class AttentionFusion(_Baseline):
    """One softmax of attention over the modalities that are there."""

    def __init__(
        self, tracks: Mapping[str, int], *, outputs: int, width: int = 64, dropout: float = 0.3
    ) -> None:
        super().__init__(tracks)
        self.views = nn.ModuleDict({t: nn.Linear(d, width) for t, d in tracks.items()})
        self.weigh = nn.Linear(width, 1)
        self.dropout, self.out = nn.Dropout(dropout), nn.Linear(width, outputs)

    def forward(self, batch: Batch) -> Output:
        rows, there = self.means(batch)
        views = torch.stack(
            [torch.tanh(self.views[t](self.dropout(rows[t]))) for t in self.tracks], 1
        )
        keep = torch.cat([there[t] for t in self.tracks], 1)
        weight = self.weigh(views)[..., 0].masked_fill(~keep, -1e9).softmax(1)
        mixed = (views * (weight * keep)[..., None]).sum(1)
        return _said(self.out(self.dropout(mixed)))


class Recurrent(_Baseline):
    """A bidirectional LSTM over the steps of all tracks side by side.

    As the contextual LSTM of Poria et al. (Context-Dependent Sentiment Analysis in User-Generated
    Videos, ACL 2017), with one layer of width D before it for each track.
    """

    def __init__(self, tracks: Mapping[str, int], *, outputs: int, width: int = 100) -> None:
        super().__init__(tracks)
        self.views = nn.ModuleDict({t: nn.Linear(d, width) for t, d in tracks.items()})
        self.lstm = nn.LSTM(width * len(tracks), width, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * width, outputs)

    def forward(self, batch: Batch) -> Output:
        views = []
        for track, view in self.views.items():
            here = batch.present[track]
            seen = view(self.standardize[track](batch.values[track], here))
            views.append(torch.tanh(seen) * here[..., None])
        # Padding is not read: from behind, it would come before the video's last step.
        packed = nn.utils.rnn.pack_padded_sequence(
            torch.cat(views, -1),
            batch.steps.sum(1).clamp(min=1).cpu(),
            batch_first=True,
            enforce_sorted=False,
        )
        told, _ = nn.utils.rnn.pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=batch.steps.shape[1]
        )
        steps = self.out(told)
        return Output(logits=_pooled(steps, batch.steps), parts={}, evidence={}, steps=steps)


class _Words(_Baseline):
    """Knows the most frequent words of the training videos."""

    def __init__(self, size: int, memory: Mapping[str, Any] | None) -> None:
        super().__init__({})
        self.size = size
        self._remember((memory or {}).get("words", ()), (memory or {}).get("documents", ()))

    def _remember(self, words: Sequence[str], documents: Sequence[float]) -> None:
        self.words = {str(w): i for i, w in enumerate(words, start=2)}
        self.inverse = [float(d) for d in documents]

    def prepare(self, examples: Sequence[Example]) -> None:
        counts = Counter(w for e in examples for w in e.words)
        common = [w for w, _ in sorted(counts.items(), key=lambda p: (-p[1], p[0]))]
        common = common[: self.size - 2]
        seen = Counter(w for e in examples for w in set(e.words))
        total = len(examples)
        self._remember(common, [math.log((1 + total) / (1 + seen[w])) + 1 for w in common])

    def memory(self) -> dict[str, Any]:
        """The vocabulary, for the checkpoint."""
        return {"words": list(self.words), "documents": self.inverse}

    def ids(self, batch: Batch) -> Tensor:
        """Words as numbers, int64 (B, N), padded behind; silence is one `_PAD`."""
        rows = [[self.words.get(w, _UNKNOWN) for w in said[:_LONGEST]] for said in batch.words]
        longest = max(1, max(map(len, rows), default=1))
        return torch.tensor(
            [r + [_PAD] * (longest - len(r)) for r in rows], device=batch.time_s.device
        )


class WordLinear(_Words):
    """Bag of words or TF-IDF, and a straight line."""

    def __init__(
        self,
        *,
        outputs: int,
        weighting: Literal["counts", "tfidf"],
        size: int = 10_000,
        memory: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(size, memory)
        self.weighting = weighting
        self.line = nn.Linear(size, outputs)
        nn.init.zeros_(self.line.weight)

    def forward(self, batch: Batch) -> Output:
        bag = torch.zeros(len(batch), self.size, device=batch.time_s.device)
        for row, said in enumerate(batch.words):
            for word in said:
                bag[row, self.words.get(word, _UNKNOWN)] += 1
        if self.weighting == "counts":
            bag = (bag > 0).float()
        else:
            scale = torch.tensor([0.0, 0.0, *self.inverse], device=bag.device)
            bag = F.normalize(bag[:, : len(scale)] * scale, dim=1) * 4  # so that a step moves it
            bag = F.pad(bag, (0, self.size - len(scale)))
        return _said(self.line(bag))


class LateConcat(_Words):
    """A recurrent branch over the words and a branch over one picture, concatenated."""

    def __init__(
        self,
        *,
        outputs: int,
        branch: Literal["dense", "convolution"],
        memory: Mapping[str, Any] | None = None,
    ) -> None:
        size, hidden = (10_000, 64) if branch == "dense" else (5_000, 32)
        super().__init__(size, memory)
        self.embed = nn.Embedding(size, 64, padding_idx=_PAD)
        self.lstm = nn.LSTM(64, hidden, batch_first=True)
        if branch == "dense":
            self.pixels: nn.Module = nn.Sequential(
                nn.Flatten(), nn.Linear(3 * PIXELS * PIXELS, 64), nn.ReLU()
            )
        else:
            self.pixels = nn.Sequential(
                nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(),
                nn.AdaptiveMaxPool2d(1), nn.Flatten(),
            )  # fmt: skip
        seen = 64 if branch == "dense" else 32
        self.out = nn.Linear(hidden + seen, outputs)

    def forward(self, batch: Batch) -> Output:
        ids = self.ids(batch)
        # An LSTM that also read the padding would depend on the longest text of the batch.
        lengths = (ids != _PAD).sum(1).clamp(min=1).cpu()
        _, (said, _) = self.lstm(
            nn.utils.rnn.pack_padded_sequence(
                self.embed(ids), lengths, batch_first=True, enforce_sorted=False
            )
        )
        if batch.pixels is None or batch.has_pixels is None:
            raise ValueError("this model reads pixels, and the batch has none")
        picture = batch.pixels.permute(0, 3, 1, 2).float() / 255
        seen = self.pixels(picture) * batch.has_pixels[:, None]
        return _said(self.out(torch.cat([said[-1], seen], 1)))


def _only(modality: str) -> Callable[..., nn.Module]:
    """The fusion model on the tracks of one modality."""

    def make(tracks: Mapping[str, int], modalities: Mapping[str, str], **rest: Any) -> nn.Module:
        own = {t: d for t, d in tracks.items() if modalities[t] == modality}
        if not own:
            raise ValueError(f"no track of the modality {modality!r} among {', '.join(tracks)}")
        return Fusion(own, modalities, **rest)

    return make


def _of_tracks(cls: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    return lambda tracks, modalities, **rest: cls(tracks, **rest)


def _of_words(cls: Callable[..., nn.Module], **fixed: Any) -> Callable[..., nn.Module]:
    return lambda tracks, modalities, **rest: cls(**fixed, **rest)


_BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "fusion": Fusion,
    "gated": _of_tracks(GatedFusion),
    "attention": _of_tracks(AttentionFusion),
    "lstm": _of_tracks(Recurrent),
    "linear": MeanLinear,
    "only-image": _only("image"),
    "only-motion": _only("motion"),
    "only-audio": _only("audio"),
    "only-text": _only("text"),
    "late-concat-lstm": _of_words(LateConcat, branch="dense"),
    "late-concat-cnn": _of_words(LateConcat, branch="convolution"),
    "bag-of-words": _of_words(WordLinear, weighting="counts"),
    "tfidf": _of_words(WordLinear, weighting="tfidf"),
}
_OF_WORDS = ("late-concat-lstm", "late-concat-cnn", "bag-of-words", "tfidf")
MODEL_TYPES: tuple[str, ...] = tuple(_BUILDERS)
#: Those that say how important each step is.
IMPORTANCE_TYPES = ("fusion", *(name for name in MODEL_TYPES if name.startswith("only-")))


def build(
    model_type: str,
    tracks: Mapping[str, int],
    *,
    modalities: Mapping[str, str],
    outputs: int,
    memory: Mapping[str, Any] | None = None,
    **options: Any,
) -> nn.Module:
    """Make a model by name.

    Args:
        model_type: one of `MODEL_TYPES`.
        tracks: name -> width D.
        modalities: track -> modality.
        outputs: labels, or 1.
        memory: what an earlier model of words remembered.
        options: of the model's class.

    Raises:
        ValueError: there is no such type, or nothing that it could read.
    """
    if model_type not in _BUILDERS:
        raise ValueError(f"no model type {model_type!r}; there are {', '.join(MODEL_TYPES)}")
    if model_type in _OF_WORDS:
        options["memory"] = memory
    elif not tracks:
        raise ValueError(f"no track that a model of type {model_type} could read")
    return _BUILDERS[model_type](tracks, modalities, outputs=outputs, **options)
