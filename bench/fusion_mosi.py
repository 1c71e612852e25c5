"""CMU-MOSI for `fusion.py`: sentiment of each utterance of a video, the official split."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import fusion_data
import numpy as np
import torch
from measure import summary

from triptych_models.baselines import build
from triptych_models.batches import Example, collate
from triptych_models.train import Recipe, fit

#: CMU-MOSI. Its text and video features were learned from the training labels, so training
#: videos tell nothing about what to trust; see docs/decisions.md for how this was chosen.
MOSI_RECIPE = Recipe(
    epochs=3, batch=8, auxiliary=0, modality_dropout=0, step_dropout=0, swap_noise=0
)
MOSI_CONTEXT = 1.5
_OF_VIDEOS = ("gated", "attention")  # say nothing of steps: each utterance is a video to them
_MEMBERS = 5  # first weights whose answers are averaged


def mosi(options: argparse.Namespace) -> dict[str, Any]:
    """Positive or negative, utterance by utterance, the official split."""
    train, test = fusion_data.mosi()
    names = ("text", "audio", "video")
    rows: dict[str, tuple[str, tuple[str, ...]]] = {"fusion": ("fusion", names)}
    rows |= {f"fusion, {t} alone": ("fusion", (t,)) for t in names}
    rows |= {name: (name, names) for name in ("lstm", "linear", "gated", "attention")}
    rows |= {"lstm, text alone": ("lstm", ("text",))}
    table = {}
    for row, (model_type, tracks) in {
        k: v for k, v in rows.items() if not options.only or k in options.only
    }.items():
        values = []
        for seed in range(options.seeds):
            votes: Any = 0
            for member in range(options.members or _MEMBERS):
                votes = votes + _mosi_steps(
                    model_type, tracks, train, test, seed=seed * 100 + member
                )
            truth = np.concatenate([e.step_target for e in test if e.step_target is not None])
            values.append(float((votes.argmax(1) == truth).mean()))
        table[row] = summary(values)
    return {"table": table}


def _mosi_steps(
    model_type: str,
    tracks: Sequence[str],
    train: Sequence[Example],
    test: Sequence[Example],
    *,
    seed: int,
) -> np.ndarray[Any, Any]:
    widths = {t: train[0].values[t].shape[1] for t in tracks}
    modalities = {t: t for t in tracks}
    torch.manual_seed(seed)
    extra = {"context": MOSI_CONTEXT} if model_type == "fusion" else {}
    model = build(model_type, widths, modalities=modalities, outputs=2, **extra)
    recipe = replace(MOSI_RECIPE, seed=seed)
    alone = model_type in _OF_VIDEOS
    train, test = (_utterances(part) if alone else part for part in (train, test))
    fit(model, train, task="single", modalities=modalities, recipe=recipe)
    with torch.inference_mode():
        output = model.eval()(collate(test, widths))
    if alone:
        said: np.ndarray[Any, Any] = output.logits.numpy()
        return said
    return np.concatenate([output.steps[i, : len(e.time_s)].numpy() for i, e in enumerate(test)])


def _utterances(videos: Sequence[Example]) -> list[Example]:
    """Each step of each video as a video of one step."""
    return [
        Example(
            name=f"{e.name} {i}",
            time_s=e.time_s[i : i + 1],
            values={t: v[i : i + 1] for t, v in e.values.items()},
            present={t: m[i : i + 1] for t, m in e.present.items()},
            target=int(e.step_target[i]),
        )
        for e in videos
        if e.step_target is not None
        for i in range(len(e.time_s))
    ]
