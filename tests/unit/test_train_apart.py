"""Modalities that stand alone are stopped alone: none ends the learning of the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from toys import right, small, state_of
from triptych_models.batches import Example
from triptych_models.fusion import Fusion
from triptych_models.inference import forward_all
from triptych_models.train import History, Recipe, fit

pytestmark = pytest.mark.usefixtures("one_thread")

MODALITIES = {"image": "image", "audio": "audio"}
WIDTHS = {"image": 900, "audio": 8}


def clips(count: int, *, seed: int) -> list[Example]:
    """Sound that tells the label, and pictures that can only be learned by heart."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(count):
        values = {t: rng.normal(size=(3, d)).astype(np.float32) for t, d in WIDTHS.items()}
        values["image"] += rng.normal(size=WIDTHS["image"]).astype(np.float32)
        values["audio"][:, i % 2] += 1.5
        made.append(
            Example(
                name=str(i),
                time_s=np.arange(3, dtype=np.float32),
                values=values,
                present={t: np.ones(3, bool) for t in WIDTHS},
                target=i % 2,
            )
        )
    return made


def learned(depth: int, *, epochs: int = 40, resume: Path | None = None) -> tuple[Fusion, History]:
    torch.manual_seed(0)
    model = Fusion(WIDTHS, MODALITIES, outputs=2, depth=depth, width=32)
    recipe = Recipe(epochs=epochs, patience=3, batch=8)
    train, valid = clips(32, seed=1), clips(40, seed=2)
    found = fit(
        model, train, valid, task="single", modalities=MODALITIES, recipe=recipe, resume=resume
    )
    return model, found


def test_one_that_learns_by_heart_does_not_end_the_learning_of_another() -> None:
    model, found = learned(0)
    epochs = {modality: epoch for modality, (epoch, _) in found.best_of.items()}
    assert epochs.keys() == {"image", "audio"} and epochs["image"] < epochs["audio"]
    assert len(found.epochs) == min(40, found.last_gain + 3)
    fresh = clips(200, seed=3)
    heard = [e.without(["image"]) for e in fresh]
    assert right(forward_all(model, heard), heard) > 0.85
    assert right(forward_all(model, fresh), fresh) > 0.75


def test_what_one_can_learn_does_not_rest_on_another() -> None:
    """With pictures that tell every training label, sound is learned all the same."""
    train, fresh = clips(32, seed=1), clips(200, seed=3)
    for example in train:
        example.values["image"][:] = 0.0
        example.values["image"][:, int(example.target)] = 9.0
    torch.manual_seed(0)
    model = Fusion(WIDTHS, MODALITIES, outputs=2, depth=0, width=32)
    recipe = Recipe(epochs=20, patience=0, batch=8)
    fit(model, train, task="single", modalities=MODALITIES, recipe=recipe)
    heard = [e.without(["image"]) for e in fresh]
    assert right(forward_all(model, heard), heard) > 0.85


@pytest.mark.parametrize("by_step", [False, True])
def test_modalities_are_hidden_only_where_they_learn_together(by_step: bool) -> None:
    """They do where steps have labels, whether or not anything is exchanged."""
    train = clips(16, seed=1)
    if by_step:
        train = [replace(e, step_target=np.full(3, e.target)) for e in train]
    losses = []
    for hidden in (0.0, 0.9):
        torch.manual_seed(0)
        model = Fusion(WIDTHS, MODALITIES, outputs=2, depth=0, width=32)
        recipe = Recipe(epochs=1, batch=8, modality_dropout=hidden)
        found = fit(model, train, task="single", modalities=MODALITIES, recipe=recipe)
        losses.append(found.epochs[0]["train_loss"])
    assert (losses[0] != losses[1]) == by_step


def test_each_has_the_weights_of_its_own_best_epoch(tmp_path: Path) -> None:
    model, found = learned(0)
    epoch, loss = found.best_of["audio"]
    valid = [e.without(["image"]) for e in clips(40, seed=2)]
    truth = torch.tensor([e.target for e in valid])
    with torch.inference_mode():
        own = forward_all(model, valid) - model.head.bias
    state = torch.nn.functional.cross_entropy(own, truth)
    assert float(state) == pytest.approx(loss, abs=0.02)  # the bias is that of another epoch
    assert epoch > 1
    resumed, again = learned(0, resume=tmp_path / "state.pt")
    finished, more = learned(0, resume=tmp_path / "state.pt")
    assert again.best_of == more.best_of == found.best_of
    assert state_of(resumed) == state_of(finished) == state_of(model)


def test_with_exchange_there_is_one_best_epoch_for_all() -> None:
    model, found = learned(1, epochs=6)
    assert found.best_of == {} and model.weights_of("image") == frozenset()
    assert found.last_gain == found.best_epoch


def test_weights_are_of_one_modality_or_of_none() -> None:
    model = small(depth=0)
    owned = [model.weights_of(m) for m in sorted(set(model.modalities.values()))]
    assert all(owned) and sum(map(len, owned)) == len(frozenset().union(*owned))
    left = model.state_dict().keys() - frozenset().union(*owned)
    assert left == {"bottleneck", "head.bias", "head.context", "time.project.weight"}
