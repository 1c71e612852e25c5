"""Losses against torch's own, and what they leave out."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from toys import MODALITIES, TRACKS, example, lively, small
from triptych_models.batches import Batch, collate
from triptych_models.heads import Output
from triptych_models.losses import (
    FITTING,
    LOSSES,
    class_weights,
    default_loss,
    label_loss,
    total_loss,
)

pytestmark = pytest.mark.usefixtures("one_thread")

LOGITS = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)) * 3
CLASSES = torch.tensor([0, 2, 1, 1, 0, 2])
SEVERAL = torch.tensor([[0, 1, 1], [0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]).float()


def test_cross_entropy() -> None:
    found = label_loss(LOGITS, CLASSES, loss="cross_entropy")
    torch.testing.assert_close(found, F.cross_entropy(LOGITS, CLASSES))
    weights = torch.tensor([0.5, 2.0, 1.0])
    found = label_loss(LOGITS, CLASSES, loss="cross_entropy", weights=weights)
    torch.testing.assert_close(found, F.cross_entropy(LOGITS, CLASSES, weight=weights))
    with pytest.raises(ValueError, match="one label a video"):
        label_loss(LOGITS, SEVERAL, loss="cross_entropy")


def test_binary_cross_entropy() -> None:
    found = label_loss(LOGITS, SEVERAL, loss="bce")
    torch.testing.assert_close(found, F.binary_cross_entropy_with_logits(LOGITS, SEVERAL))
    hot = torch.eye(3)[CLASSES]
    found = label_loss(LOGITS, CLASSES, loss="bce")
    torch.testing.assert_close(found, F.binary_cross_entropy_with_logits(LOGITS, hot))


def test_squared_error() -> None:
    values = torch.tensor([0.5, -1.0, 2.0, 0.0, 1.0, 3.0])
    found = label_loss(LOGITS[:, :1], values, loss="mse")
    torch.testing.assert_close(found, ((LOGITS[:, 0] - values) ** 2).mean())
    torch.testing.assert_close(label_loss(LOGITS, SEVERAL, loss="mse"), F.mse_loss(LOGITS, SEVERAL))
    torch.testing.assert_close(
        label_loss(LOGITS, CLASSES, loss="mse"), F.mse_loss(LOGITS, torch.eye(3)[CLASSES])
    )


def test_every_task_has_losses_and_every_loss_a_task() -> None:
    assert {loss for some in FITTING.values() for loss in some} == set(LOSSES)
    assert [default_loss(t) for t in ("single", "multi", "regression")] == [
        "cross_entropy",
        "bce",
        "mse",
    ]


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_mean_video_weighs_one(power: float) -> None:
    counts = torch.tensor([90, 9, 1])
    weights = class_weights(counts, power=power)
    assert float((weights * counts).sum() / counts.sum()) == pytest.approx(1.0)
    if power == 0:
        assert weights.tolist() == [1.0, 1.0, 1.0]
    if power == 1:  # labels weigh the same in sum
        sums = weights * counts
        assert sums.tolist() == pytest.approx([sums[0].item()] * 3)
    assert (weights.diff() >= 0).all()


def test_labels_that_nobody_has_spoil_no_weights() -> None:
    weights = class_weights(torch.tensor([4, 0, 4]), power=1.0)
    assert weights.isfinite().all() and weights[0] == weights[2] == 1.0
    assert class_weights(torch.tensor([0, 0]), power=0.5).isfinite().all()


def given(videos: int = 4) -> tuple[Output, Batch, Tensor]:
    """What a model says of some videos, and which labels they have."""
    some = [example(i, steps=4, target=i % 3) for i in range(videos)]
    some[1] = some[1].without(["audio", "speech"])
    some[2:3] = [v.without(["speech"]) for v in some[2:3]]
    batch = collate(some, TRACKS)
    with torch.no_grad():
        return lively(small())(batch), batch, torch.arange(videos) % 3


def total(output: Output, batch: Batch, target: Tensor | None, **more: Any) -> Tensor:
    always = {"loss": "cross_entropy", "modalities": MODALITIES, "auxiliary": 0.0}
    return total_loss(output, batch, target, **(always | more))


def test_modalities_learn_by_themselves_only_where_they_are() -> None:
    output, batch, target = given()
    plain = total(output, batch, target)
    torch.testing.assert_close(plain, F.cross_entropy(output.logits, target))
    bias = output.logits - sum(output.parts.values())
    every = [0, 1, 2, 3]
    rows = {"audio": [0, 2, 3], "image": every, "motion": every, "text": every}
    alone = [
        F.cross_entropy((bias + output.parts[m])[here], target[here]) for m, here in rows.items()
    ]
    found = total(output, batch, target, auxiliary=0.6)
    torch.testing.assert_close(found, plain + 0.6 / 4 * sum(alone))
    torch.testing.assert_close(total(output, batch, target, apart=True), sum(alone))


def test_a_modality_that_no_video_has_adds_nothing() -> None:
    output, batch, target = given()
    before = total(output, batch, target, auxiliary=1.0)
    batch.present["text"] = torch.zeros_like(batch.present["text"])
    after = total(output, batch, target, auxiliary=1.0)
    assert after.isfinite() and after < before


def test_a_single_modality_is_no_lesson_twice() -> None:
    output, batch, target = given()
    only = replace(output, parts={"audio": output.parts["audio"]})
    for more in ({"auxiliary": 1.0}, {"apart": True}):
        assert total(only, batch, target, **more) == total(only, batch, target)


def test_steps_are_learned_where_they_are_labelled() -> None:
    output, batch, _ = given(2)
    steps = torch.tensor([[0, -1, 2, -1], [-1, 1, -1, -1]])
    wanted = F.cross_entropy(output.steps[[0, 0, 1], [0, 2, 1]], torch.tensor([0, 2, 1]))
    torch.testing.assert_close(total(output, batch, None, step_target=steps), wanted)


def test_padding_is_no_lesson_whatever_its_label() -> None:
    output, batch, _ = given(2)
    batch.steps[0, 3] = False
    steps = torch.tensor([[0, -1, -1, 2], [-1, 1, -1, -1]])
    wanted = F.cross_entropy(output.steps[[0, 1], [0, 1]], torch.tensor([0, 1]))
    torch.testing.assert_close(total(output, batch, None, step_target=steps), wanted)


def test_a_batch_without_one_labelled_step_teaches_nothing_and_breaks_nothing() -> None:
    _, batch, _ = given(2)
    model = small().train()
    output = model(batch)
    found = total(output, batch, None, step_target=torch.full((2, 4), -1))
    found.backward()
    assert float(found.detach()) == 0
    for weights in model.parameters():
        assert weights.grad is None or not weights.grad.any()


def test_a_model_without_steps_cannot_learn_them() -> None:
    output, batch, target = given(2)
    silent = replace(output, steps=None)
    steps = torch.zeros(2, 4, dtype=torch.int64)
    with pytest.raises(ValueError, match="says nothing of steps"):
        total(silent, batch, None, step_target=steps)
    torch.testing.assert_close(
        total(silent, batch, target, step_target=steps), F.cross_entropy(output.logits, target)
    )


@pytest.mark.parametrize("by_step", [False, True])
def test_importance_is_learned_where_it_was_judged(by_step: bool) -> None:
    output, batch, target = given(2)
    steps = torch.zeros(2, 4, dtype=torch.int64) if by_step else None
    before = total(output, batch, target, step_target=steps)
    judged = torch.full((2, 4), math.nan)
    assert total(output, batch, target, step_target=steps, importance=judged) == before
    judged[0, 1], judged[1, 3] = 1.0, 0.25
    off = torch.sigmoid(output.importance[[0, 1], [1, 3]]) - torch.tensor([1.0, 0.25])
    found = total(output, batch, target, step_target=steps, importance=judged)
    torch.testing.assert_close(found, before + (off**2).mean())
