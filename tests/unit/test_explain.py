"""Why a trained model says what it says: contributions that add up to its answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from toys import MODALITIES, TRACKS, example, trained_model
from triptych_models.batches import MAX_STEPS, Example

pytestmark = pytest.mark.usefixtures("one_thread")

TASKS = ["single", "multi", "regression"]


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def long_or_short(steps: int) -> Example:
    return example(3, steps=steps, share=0.6)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("steps", [0, 1, 7, MAX_STEPS + 1, 1300])
@pytest.mark.parametrize("model_type", ["fusion", "linear"])
def test_reasons_add_up(task: Any, steps: int, model_type: str) -> None:
    model = trained_model(
        task,
        model_type=model_type,
        temperature=2.5,
        offset=40.0 if task == "regression" else 0.0,
        scale=7.0 if task == "regression" else 1.0,
    )
    video = long_or_short(steps)
    why, outputs = model.explain(video), max(1, len(model.labels))
    assert set(why.contributions) == set(MODALITIES.values())
    unit = 7.0 if task == "regression" else 1 / 2.5
    for part in (*why.contributions.values(), why.steps):
        assert part.shape == (steps, outputs) and part.dtype == np.float32
    total = why.bias + sum(part.sum(0) for part in why.contributions.values())
    np.testing.assert_allclose(total, why.logits, atol=1e-4)
    np.testing.assert_allclose(why.scores, model.scores([video])[0], atol=1e-4, rtol=1e-5)
    own = [m.head.bias if model_type == "fusion" else m.bias for m in model.members]
    bias = np.mean([b.detach().numpy() for b in own], axis=0) * unit
    np.testing.assert_allclose(
        why.bias, bias + (40.0 if task == "regression" else 0.0), atol=1e-3, rtol=1e-4
    )
    if task == "single":
        np.testing.assert_allclose(softmax(why.logits), why.scores, atol=1e-5)
        np.testing.assert_allclose(why.steps.sum(1), np.ones(steps), atol=1e-5)
    elif task == "multi":
        np.testing.assert_allclose(1 / (1 + np.exp(-why.logits)), why.scores, atol=1e-5)
    else:
        np.testing.assert_allclose(why.logits, why.scores, atol=1e-4)
    assert why.importance.shape == why.present.shape == (steps,)
    assert ((why.importance >= 0) & (why.importance <= 1)).all()


def test_a_step_where_a_modality_is_absent_got_nothing_from_it() -> None:
    video = long_or_short(40)
    why = trained_model().explain(video)
    for modality, part in why.contributions.items():
        own = [m for t, m in video.present.items() if MODALITIES[t] == modality]
        assert not part[~np.any(own, axis=0)].any()
        assert (part[np.any(own, axis=0)] != 0).any(1).all()
    np.testing.assert_array_equal(why.present, np.any([*video.present.values()], axis=0))


def test_what_an_averaged_run_said_is_shared_out_evenly() -> None:
    video = example(3, steps=3 * MAX_STEPS - 1, share=1.0)
    why = trained_model().explain(video)
    runs = np.arange(len(video.time_s)) // 3
    for part in why.contributions.values():
        assert (np.diff(part, axis=0)[runs[1:] == runs[:-1]] == 0).all()
        assert (np.diff(part, axis=0)[runs[1:] != runs[:-1]] != 0).any(1).all()
    assert len(np.unique(why.importance)) > 100
    assert (np.diff(why.importance)[runs[1:] == runs[:-1]] == 0).all()


def test_tracks_that_the_model_does_not_read_are_no_presence() -> None:
    why = trained_model().explain(example(1, tracks={"smell": 3}, share=1.0))
    assert not why.present.any()
    assert not any(part.any() for part in why.contributions.values())


def test_a_model_that_cannot_say_why_says_how_much() -> None:
    model = trained_model(model_type="gated")
    for steps in (0, 5, 1300):
        why = model.explain(example(2, steps=steps))
        assert why.contributions == {}
        np.testing.assert_allclose(why.bias, why.logits)
        np.testing.assert_allclose(why.steps, np.tile(why.scores, (steps, 1)))
        np.testing.assert_array_equal(why.importance, np.ones(steps))


def test_a_temperature_near_zero_overflows_nothing() -> None:
    model = trained_model(temperature=1e-30)
    why = model.explain(example(1))
    assert np.isfinite(why.logits).all() and np.isfinite(why.bias).all()
    np.testing.assert_allclose(softmax(why.logits), model.scores([example(1)])[0], atol=1e-5)


def test_widths_that_differ_are_named() -> None:
    wide = example(4, tracks=TRACKS | {"audio": 9}, share=1.0)
    with pytest.raises(ValueError, match="video 4: audio has width 9, not 5"):
        trained_model().scores([wide])
