"""Training learns, is the same every time, goes on where it stopped, and bears what is missing."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from toys import (
    MODALITIES,
    SHORT,
    TRACKS,
    TWO,
    answer,
    example,
    learned,
    linear,
    right,
    small,
    told,
    videos,
)
from triptych_models.baselines import build
from triptych_models.batches import Batch, Example
from triptych_models.inference import forward_all
from triptych_models.losses import label_loss
from triptych_models.train import Recipe

pytestmark = pytest.mark.usefixtures("one_thread")

# Learning


def test_a_toy_problem_is_learned() -> None:
    model, fresh = small(TWO), videos(90, seed=5)
    assert right(forward_all(model, fresh), fresh) < 0.6
    history = learned(model, videos(48), videos(24, seed=3))
    assert right(forward_all(model, fresh), fresh) > 0.9
    losses = [row["train_loss"] for row in history.epochs]
    assert losses[-1] < 0.6 * losses[0]
    assert history.epochs[-1].keys() == {
        "epoch", "train_loss", "valid_loss", "valid_score", "seconds"
    }  # fmt: skip
    assert not model.training


def test_noise_teaches_nothing() -> None:
    """Else something knows the answer that must not."""
    rng = np.random.default_rng(0)
    noise = [example(i, tracks=TWO, target=int(rng.integers(3))) for i in range(120)]
    model = linear()
    learned(model, noise[:60])
    assert right(forward_all(model, noise[60:]), noise[60:]) < 0.55


def test_sgd_learns() -> None:
    model, fresh = small(TWO), videos(60, seed=5)
    learned(model, videos(48), recipe=replace(SHORT, optimizer="sgd", learning_rate=0.05))
    assert right(forward_all(model, fresh), fresh) > 0.85


@pytest.mark.parametrize("loss", ["bce", "mse"])
def test_other_losses_learn_single_labels(loss: Any) -> None:
    model, fresh = linear(), videos(60, seed=5)
    learned(model, videos(48), videos(12, seed=3), recipe=replace(SHORT, epochs=15, loss=loss))
    assert right(forward_all(model, fresh), fresh) > 0.85


def test_mixed_precision_learns_float32_weights() -> None:
    model, fresh = small(TWO), videos(60, seed=5)
    history = learned(model, videos(48), recipe=replace(SHORT, mixed_precision=True))
    assert right(forward_all(model, fresh), fresh) > 0.85
    assert all(math.isfinite(row["train_loss"]) for row in history.epochs)
    assert {v.dtype for v in model.state_dict().values()} == {torch.float32}


def of_parts(seed: int, count: int) -> list[Example]:
    """Videos with any of three labels: each moves one column of the image."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(count):
        labels = rng.integers(0, 2, 3).astype(np.float32)
        video = example(1000 * seed + i, tracks=TWO, share=1.0, target=labels)
        video.values["image"][:, :3] += 3 * labels
        made.append(video)
    return made


@pytest.mark.parametrize("loss", ["auto", "mse"])
def test_several_labels_are_learned(loss: Any) -> None:
    model, fresh = linear(), of_parts(2, 60)
    recipe = replace(SHORT, epochs=20, loss=loss, swap_noise=0.0, learning_rate=0.02)
    history = learned(model, of_parts(1, 60), of_parts(3, 20), task="multi", recipe=recipe)
    over = 0.0 if loss == "auto" else 0.5
    said = forward_all(model, fresh).numpy() > over
    assert (said == np.array([e.target for e in fresh])).mean() > 0.9
    assert history.epochs[0]["valid_score"] <= 1


def test_numbers_are_learned() -> None:
    def loud(seed: int) -> Example:
        video = example(seed, tracks=TWO, share=1.0)
        return replace(video, target=float(video.values["audio"][:, 1].mean() * 2))

    model, fresh = linear(1), [loud(500 + i) for i in range(60)]
    recipe = replace(
        SHORT, epochs=20, learning_rate=0.02, modality_dropout=0.0, swap_noise=0.0, step_dropout=0.0
    )
    learned(model, [loud(i) for i in range(60)], task="regression", recipe=recipe)
    said = forward_all(model, fresh)[:, 0].numpy()
    assert np.corrcoef(said, [e.target for e in fresh])[0, 1] > 0.9


# Labels of steps


def by_steps(seed: int, *, steps: int = 8, labelled: float = 0.6) -> Example:
    """The louder column of each step is its class; some steps are labelled wrongly as -1."""
    rng = np.random.default_rng(seed)
    video = example(seed, steps=steps, tracks=TWO, share=1.0)
    kinds = rng.integers(0, 3, steps)
    for track in TWO:
        video.values[track][np.arange(steps), kinds] += 4
    hidden = np.where(rng.random(steps) < labelled, kinds, -1)
    hidden[0] = kinds[0]
    return replace(video, step_target=hidden, importance=None, words=tuple(map(str, kinds)))


def step_score(model: nn.Module, some: Sequence[Example]) -> float:
    steps = answer(model, some).steps
    assert steps is not None
    return float((steps.argmax(-1).numpy() == [[int(w) for w in e.words] for e in some]).mean())


def test_steps_are_learned_from_those_that_are_labelled() -> None:
    model, fresh = small(TWO), [by_steps(500 + i) for i in range(20)]
    valid = [by_steps(300 + i) for i in range(10)]
    history = learned(model, [by_steps(i) for i in range(40)], valid, recipe=SHORT)
    assert step_score(model, fresh) > 0.85
    # Judged by steps, too: by videos, which have no label, the score would stay where it was.
    rows = [row["valid_score"] for row in history.epochs]
    assert rows[-1] > 0.85 > rows[0]
    known = [(i, t) for i, e in enumerate(valid) for t in np.flatnonzero(e.step_target >= 0)]
    logits = torch.stack([answer(model, valid).steps[i, t] for i, t in known])
    truth = torch.tensor([valid[i].step_target[t] for i, t in known])
    best = history.epochs[history.best_epoch - 1]["valid_loss"]
    found = float(label_loss(logits, truth, loss="cross_entropy"))
    assert found == pytest.approx(best, rel=1e-5)


def test_batches_without_a_labelled_step_break_nothing() -> None:
    """Videos may have a label of their own and steps that nobody labelled."""
    some = [
        replace(v, step_target=np.full(len(v.time_s), -1 if i % 4 else 0), target=0)
        for i, v in enumerate(videos(12))
    ]
    model = linear()
    history = learned(model, some, some[1:3], recipe=replace(SHORT, batch=1, epochs=2))
    assert all(math.isfinite(row["train_loss"]) for row in history.epochs)
    assert all(math.isfinite(row["valid_loss"]) for row in history.epochs)
    assert all(value.isfinite().all() for value in model.state_dict().values())


def test_importance_that_nobody_judged_breaks_nothing() -> None:
    nan = np.float32(np.nan)
    some = [replace(v, importance=np.full(len(v.time_s), nan)) for v in videos(12)]
    model = small(TWO)
    learned(model, some, recipe=replace(SHORT, epochs=1))
    assert all(value.isfinite().all() for value in model.state_dict().values())


def test_step_classes_that_no_video_has_are_weighed() -> None:
    some = [replace(by_steps(i), target=0) for i in range(6)]
    learned(linear(), some, recipe=replace(SHORT, epochs=1))


# What cannot be learned


@pytest.mark.parametrize(
    ("task", "loss", "target"),
    [
        ("multi", "cross_entropy", np.ones(3, np.float32)),
        ("regression", "cross_entropy", 0.5),
        ("regression", "bce", 0.5),
    ],
)
def test_losses_that_do_not_fit_the_task_are_refused(task: Any, loss: Any, target: Any) -> None:
    with pytest.raises(ValueError, match=f"the loss {loss} is not for the task {task}"):
        learned(
            linear(),
            [example(1, tracks=TWO, target=target)],
            task=task,
            recipe=replace(SHORT, loss=loss),
        )


def test_what_teaches_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no videos"):
        learned(linear(), [])
    blank = example(7, tracks=TWO)
    unknown = replace(blank, step_target=np.full(5, -1))
    for train, valid in (([blank], []), (videos(3), [blank]), ([unknown], [])):
        with pytest.raises(ValueError, match="video 7: no target"):
            learned(linear(), train, valid)
    with pytest.raises(ValueError, match="the task is multi"):
        learned(linear(), [by_steps(1)], task="multi")
    gated = build("gated", TWO, modalities=MODALITIES, outputs=3)
    with pytest.raises(ValueError, match="says nothing of steps"):
        learned(gated, [by_steps(1)])


@pytest.mark.parametrize("epochs", range(1, 8))
@pytest.mark.parametrize("count", [1, 4])
def test_any_number_of_updates_is_possible(epochs: int, count: int) -> None:
    history = learned(linear(), videos(count), recipe=replace(SHORT, epochs=epochs, batch=2))
    assert len(history.epochs) == epochs and history.best_epoch == epochs


def test_videos_with_nothing_in_them_break_nothing() -> None:
    nothing = [example(i, tracks=TWO, share=0.0, target=i % 3) for i in range(6)]
    model = small(TWO)
    learned(model, nothing, nothing, recipe=replace(SHORT, epochs=2))
    learned(model, [*nothing, *videos(6)], recipe=replace(SHORT, epochs=2))
    assert all(value.isfinite().all() for value in model.state_dict().values())


def test_one_broken_number_does_not_spoil_the_model() -> None:
    some = videos(24, share=1.0)
    some[5].values["image"][0, 0] = np.nan
    some[6].values["audio"][1, 2] = np.inf
    model, fresh = linear(), videos(30, seed=5)
    learned(model, some, some[:6])
    assert right(forward_all(model, fresh), fresh) > 0.8


# Imbalance, and what is missing at the time of use


def test_rare_labels_are_found_more_often_when_they_weigh_more() -> None:
    kinds = [0] * 90 + [1] * 10
    train, fresh = (told(kinds, seed=s, strength=0.4, tracks=TWO) for s in (1, 2))
    recall = {}
    for balance in (0.0, 1.0):
        model = linear(2)
        learned(model, train, recipe=replace(SHORT, balance=balance, batch=16, learning_rate=0.02))
        said = forward_all(model, fresh).argmax(1).numpy()
        recall[balance] = (said[90:] == 1).mean()
    assert recall[1.0] >= recall[0.0] + 0.3


def test_a_hidden_modality_costs_no_more_than_one_that_was_never_there() -> None:
    strength = {"image": 2.5, "audio": 1.2}
    train, fresh = (
        told([i % 3 for i in range(n)], seed=s, strength=strength, tracks=TWO)
        for n, s in ((60, 1), (240, 2))
    )
    recipe = replace(SHORT, modality_dropout=0.3)
    model = small(TWO)
    learned(model, train, recipe=recipe)
    assert right(forward_all(model, fresh), fresh) > 0.95
    for hidden, left in (("image", "audio"), ("audio", "image")):
        alone = small({left: TWO[left]})
        learned(alone, train, recipe=recipe)
        never = right(forward_all(alone, fresh), fresh)
        now = right(forward_all(model, [e.without([hidden]) for e in fresh]), fresh)
        assert now >= never - 0.06, hidden
        assert never > 0.6


def test_training_never_hides_all_of_a_video() -> None:
    """With everything dropped all the time, the model would see nothing at all."""
    model, fresh = linear(), videos(30, seed=5)
    recipe = replace(SHORT, modality_dropout=1.0, step_dropout=1.0, swap_noise=0.0)
    learned(model, videos(30), recipe=recipe)
    assert right(forward_all(model, fresh), fresh) > 0.85


def test_answers_come_in_the_order_of_the_videos_whatever_their_lengths() -> None:
    model = small(TWO)
    model.prepare(videos(6))
    some = [example(i, tracks=TWO, steps=s) for i, s in enumerate([9, 1, 700, 0, 4, 9, 2])]
    together = forward_all(model, some, batch=3)
    for row, video in zip(together, some, strict=True):
        torch.testing.assert_close(row, forward_all(model, [video])[0], atol=1e-5, rtol=1e-4)


# What training does to its videos


def seen_in_training(recipe: Recipe, train: list[Example]) -> list[Batch]:
    """The batches that a model is given while it learns."""
    tracks = {t: v.shape[1] for t, v in train[0].values.items()}
    model, batches = build("linear", tracks, modalities=MODALITIES, outputs=3), []
    model.register_forward_pre_hook(
        lambda m, inputs: batches.append(copy.deepcopy(inputs[0])) if m.training else None
    )
    learned(model, train, train[:4], recipe=recipe)
    return batches


PLAIN = replace(SHORT, modality_dropout=0.0, step_dropout=0.0, swap_noise=0.0, batch=32, epochs=12)


def test_a_modality_is_hidden_as_a_whole_and_as_often_as_it_is_said() -> None:
    train = videos(64, tracks=TRACKS, share=1.0)
    batches = seen_in_training(replace(PLAIN, modality_dropout=0.3), train)
    hidden: dict[str, list[bool]] = {t: [] for t in TRACKS}
    for batch in batches:
        for track, present in batch.present.items():
            assert torch.equal(present.any(1), (present | ~batch.steps).all(1))
            hidden[track] += (~present.any(1)).tolist()
    assert len(hidden["image"]) == 64 * 12
    assert hidden["audio"] == hidden["speech"] != hidden["image"]
    for track in TRACKS:
        assert np.mean(hidden[track]) == pytest.approx(0.3 - 0.3**4, abs=0.05), track
    assert not np.all([*hidden.values()], axis=0).any()


def test_steps_are_hidden_as_often_as_it_is_said() -> None:
    batches = seen_in_training(replace(PLAIN, step_dropout=0.25), videos(64, share=1.0))
    for track in TWO:
        kept = torch.cat([b.present[track][b.steps] for b in batches]).float().mean()
        assert float(kept) == pytest.approx(0.75, abs=0.04)
    first = batches[0]
    assert not torch.equal(first.present["image"], first.present["audio"])


def test_some_steps_are_those_of_other_videos() -> None:
    train = videos(64, share=1.0)
    rows = {t: {r.tobytes() for e in train for r in e.values[t]} for t in TWO}
    plain, noisy = (
        seen_in_training(replace(PLAIN, swap_noise=noise), train) for noise in (0.0, 0.3)
    )
    for track in TWO:
        swapped = [
            (a.values[track] != b.values[track]).any(-1)[a.steps]
            for a, b in zip(plain, noisy, strict=True)
        ]
        # Each batch draws its order first, so that the same epoch has the same videos.
        assert float(swapped[0].float().mean()) == pytest.approx(0.3, abs=0.1)
        for batch in (*plain, *noisy):
            found = batch.values[track][batch.present[track]].numpy()
            assert {row.tobytes() for row in found} <= rows[track]
