"""Small examples and small models, for the tests of learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from triptych_models.baselines import build
from triptych_models.batches import Example, collate
from triptych_models.checkpoint import TrainedModel
from triptych_models.fusion import Fusion
from triptych_models.heads import Output
from triptych_models.train import History, Recipe, fit

#: Two tracks of one modality, and modalities of one track each.
TRACKS = {"image": 6, "motion": 3, "audio": 5, "speech": 2, "text": 4}
MODALITIES = {t: "audio" if t == "speech" else t for t in TRACKS}
TWO = {"image": 6, "audio": 5}
#: All of it is written out: the defaults may change.
SHORT = Recipe(
    epochs=10, patience=0, batch=8, optimizer="adamw", learning_rate=5e-3, weight_decay=0.05,
    loss="auto", auxiliary=0.5, modality_dropout=0.2, step_dropout=0.1, swap_noise=0.1,
    balance=0.5, mixed_precision=False, seed=0,
)  # fmt: skip


def example(
    seed: int = 0,
    *,
    steps: int = 5,
    tracks: Mapping[str, int] = TRACKS,
    share: float = 0.8,
    **more: Any,
) -> Example:
    """A video of noise; a share of its steps is present."""
    rng = np.random.default_rng(seed)
    return Example(
        name=f"video {seed}",
        time_s=np.arange(steps, dtype=np.float32) + 0.5,
        values={t: rng.normal(size=(steps, d)).astype(np.float32) for t, d in tracks.items()},
        present={t: rng.random(steps) < share for t in tracks},
        **more,
    )


def told(
    kinds: Sequence[int],
    *,
    seed: int = 0,
    strength: Mapping[str, float] | float = 2.0,
    tracks: Mapping[str, int] = TRACKS,
    share: float = 0.9,
) -> list[Example]:
    """A video for each kind; each kind moves the features of every track in its own direction.

    Args:
        kinds: of the videos, their targets.
        seed: of the noise; the directions are always the same.
        strength: of the move, in deviations of the noise; of each track or of all.
        tracks: name -> width.
        share: of the steps that are present.
    """
    ways = np.random.default_rng(99)
    toward = {t: ways.normal(size=(max(kinds) + 1, d)) for t, d in sorted(TRACKS.items())}
    found = []
    for i, kind in enumerate(kinds):
        made = example(
            seed * 10_000 + i, steps=3 + i % 4, tracks=tracks, share=share, target=int(kind)
        )
        force = {t: strength if isinstance(strength, float) else strength[t] for t in tracks}
        move = {
            t: (force[t] * toward[t][kind] / np.linalg.norm(toward[t][kind])).astype(np.float32)
            for t in tracks
        }
        found.append(replace(made, values={t: v + move[t] for t, v in made.values.items()}))
    return found


def small(tracks: Mapping[str, int] = TRACKS, *, outputs: int = 3, **options: Any) -> Fusion:
    """A fusion model as it is before training."""
    torch.manual_seed(0)
    return Fusion(tracks, MODALITIES, outputs=outputs, **{"width": 16, "heads": 2} | options)


def lively(model: nn.Module, *, seed: int = 0) -> nn.Module:
    """The model with weights that are nowhere zero, measured on noise, and not training."""
    generator = torch.Generator().manual_seed(seed)
    for weights in model.parameters():
        torch.nn.init.normal_(weights, std=0.3, generator=generator)
    model.prepare([example(900 + i, words=("a", "b", "鱼", "鱼")) for i in range(6)])
    return model.eval()


def answer(model: nn.Module, examples: Sequence[Example]) -> Output:
    """What a model says of a batch of these videos."""
    with torch.no_grad():
        return model(collate(examples, model.tracks))


def trained_model(
    task: Any = "single",
    *,
    model_type: str = "fusion",
    members: int = 2,
    labels: tuple[str, ...] = ("猫", "dog", "cow"),
    **more: Any,
) -> TrainedModel:
    """A model of weights that mean nothing, as if it had been trained."""
    options = {"width": 16, "heads": 2} if model_type in ("fusion", "only-image") else {}
    labels = () if task == "regression" else labels
    made = [
        lively(
            build(
                model_type, TRACKS, modalities=MODALITIES, outputs=max(1, len(labels)), **options
            ),
            seed=i,
        )
        for i in range(members)
    ]
    return TrainedModel(
        name="mine",
        model_type=model_type,
        task=task,
        labels=labels,
        tracks={t: {"modality": MODALITIES[t], "dim": d} for t, d in TRACKS.items()},
        members=made,
        options=options,
        **more,
    )


def state_of(model: nn.Module) -> dict[str, bytes]:
    """All weights and buffers, bit for bit."""
    return {k: v.numpy().tobytes() for k, v in model.state_dict().items()}


def right(logits: Tensor, examples: Sequence[Example]) -> float:
    """Share of the videos whose target has the highest logit."""
    return float((logits.argmax(1).numpy() == [e.target for e in examples]).mean())


def learned(
    model: nn.Module, train: Sequence[Example], valid: Sequence[Example] = (), **more: Any
) -> History:
    how = {"task": "single", "modalities": MODALITIES, "recipe": SHORT} | more
    return fit(model, train, valid, **how)


def videos(count: int = 36, *, kinds: int = 3, **more: Any) -> list[Example]:
    return told([i % kinds for i in range(count)], **({"tracks": TWO} | more))


def linear(outputs: int = 3) -> nn.Module:
    """The quickest to train."""
    return build("linear", TWO, modalities=MODALITIES, outputs=outputs)
