"""Temperature and thresholds, against what they should be and against trying everything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from triptych.learn.calibrate import best_thresholds, modality_weights, temperature_of

pytestmark = pytest.mark.usefixtures("one_thread")


def drawn(count: int = 20_000, labels: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Logits that say exactly how likely each label is, and labels drawn accordingly."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (count, labels)).astype(np.float32)
    return logits, (logits + rng.gumbel(size=logits.shape)).argmax(1)


@pytest.mark.parametrize("scale", [0.2, 1.0, 3.0, 8.0])
def test_a_known_scale_is_undone(scale: float) -> None:
    logits, truth = drawn()
    assert temperature_of(logits * np.float32(scale), truth) == pytest.approx(scale, rel=0.05)


@pytest.mark.parametrize("scale", [0.2, 1.0, 4.0])
def test_a_known_scale_of_several_labels_is_undone(scale: float) -> None:
    logits, _ = drawn()
    noise = np.random.default_rng(1).random(logits.shape)
    truth = (noise < 1 / (1 + np.exp(-logits))).astype(np.float32)
    assert temperature_of(logits * np.float32(scale), truth) == pytest.approx(scale, rel=0.05)


def of_two(
    task: Any = "single", *, videos: int = 300
) -> tuple[dict[str, np.ndarray], np.ndarray, Any]:
    """Evidence that says how likely labels are, evidence that is noise, and the truth."""
    logits, truth = drawn(videos, 3)
    noise = np.random.default_rng(7).normal(0, 3, logits.shape).astype(np.float32)
    if task == "multi":
        truth = (np.random.default_rng(8).random(logits.shape) < 1 / (1 + np.exp(-logits))) * 1.0
    if task == "regression":
        logits, noise = logits[:, :1], noise[:, :1]
        truth = logits[:, 0] + np.random.default_rng(9).normal(0, 0.3, len(logits))
    return {"good": logits, "noise": noise}, np.zeros_like(logits), truth


@pytest.mark.parametrize("task", ["single", "multi", "regression"])
def test_evidence_that_is_noise_is_turned_down(task: Any) -> None:
    parts, bias, truth = of_two(task)
    weights = modality_weights(parts, bias, truth, np.arange(len(bias)), task=task)
    assert list(weights) == ["good", "noise"]
    assert weights["good"] == pytest.approx(1.0, abs=0.25)
    assert 0 < weights["noise"] < 0.15
    assert weights == modality_weights(parts, bias, truth, np.arange(len(bias)), task=task)


def test_few_videos_say_nothing_of_a_modality() -> None:
    parts, bias, truth = of_two(videos=300)
    few = {m: v[:3] for m, v in parts.items()}
    weights = modality_weights(few, bias[:3], truth[:3], np.arange(3), task="single")
    assert weights == {"good": 1.0, "noise": 1.0}
    alone = {"good": parts["good"]}
    assert modality_weights(alone, bias, truth, np.arange(300), task="single") == {"good": 1.0}


def test_one_that_knows_nothing_is_left_a_whisper() -> None:
    parts, bias, truth = of_two(videos=60)
    weights = modality_weights(parts, bias, truth, np.arange(60), task="single")
    assert weights == {"good": 1.0, "noise": 0.05}
    # Where none is known to help, none is left out; nor of few groups.
    none = {"a": parts["noise"], "b": parts["noise"][::-1].copy()}
    assert min(modality_weights(none, bias, truth, np.arange(60), task="single").values()) > 0.05
    weights = modality_weights(parts, bias, truth, np.arange(60) % 9, task="single")
    assert weights["good"] != 1.0


def test_copies_of_a_video_are_one_witness() -> None:
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 2, 30)
    # Right of 20 of 30, of which ten copies are no better proof.
    said = np.where(np.arange(30) < 20, truth, 1 - truth)
    parts = {"a": np.eye(2, dtype=np.float32)[said], "b": 4 * np.eye(2, dtype=np.float32)[truth]}
    many = {m: np.repeat(part, 10, 0) for m, part in parts.items()}
    bias, truths = np.zeros((300, 2), np.float32), np.repeat(truth, 10)
    copies = modality_weights(many, bias, truths, np.repeat(np.arange(30), 10), task="single")
    apart = modality_weights(many, bias, truths, np.arange(300), task="single")
    assert copies["a"] == 0.05 and apart["a"] != 0.05


def test_a_bias_is_no_evidence() -> None:
    parts, bias, truth = of_two()
    halves = {"a": parts["good"] * np.float32(0.5), "b": parts["noise"]}
    bias = bias + parts["good"] * np.float32(0.5)
    weights = modality_weights(halves, bias, truth, np.arange(len(bias)), task="single")
    assert weights["a"] == pytest.approx(1.0, abs=0.3) and weights["b"] < 0.15


def test_the_highest_label_stays_the_highest() -> None:
    logits, truth = drawn(50)
    assert ((logits / temperature_of(logits, truth)).argmax(1) == logits.argmax(1)).all()


def test_nothing_and_certainty_stay_in_bounds() -> None:
    assert temperature_of(np.zeros((0, 3), np.float32), np.zeros(0)) == 1.0
    sure = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]] * 1000
    assert temperature_of(sure, np.array([0, 1, 2, 0])) >= 0.1
    assert temperature_of(sure, np.array([1, 2, 0, 1])) <= 10.0001
    assert temperature_of(np.zeros((4, 3), np.float32), np.array([0, 1, 2, 0])) > 0


def test_few_videos_say_little_of_the_temperature() -> None:
    sure = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]] * 4
    few = temperature_of(sure, np.array([0, 1, 2, 0]))
    many = temperature_of(np.tile(sure, (200, 1)), np.tile([0, 1, 2, 0], 200))
    assert 0.7 < few < 1 and many < 0.6


def test_huge_logits_overflow_nothing() -> None:
    logits = np.array([[3e4, -3e4], [-3e4, 3e4], [3e4, 0]], np.float32)
    assert np.isfinite(temperature_of(logits, np.array([0, 1, 1])))
    assert np.isfinite(temperature_of(logits, np.array([[1, 0], [0, 1], [0, 1]])))


def f1(truth: np.ndarray, said: np.ndarray) -> float:
    return float(2 * (truth * said).sum() / max(1, truth.sum() + said.sum()))


FEW = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 0.9, 1.0])


@given(st.data(), st.integers(1, 12), st.integers(1, 3))
def test_no_other_threshold_gives_a_better_f1(
    data: st.DataObject, videos: int, labels: int
) -> None:
    scores = data.draw(hnp.arrays(np.float32, (videos, labels), elements=FEW.map(np.float32)))
    truth = data.draw(hnp.arrays(np.int64, (videos, labels), elements=st.integers(0, 1)))
    found = best_thresholds(scores, truth)
    assert len(found) == labels
    for label, least in enumerate(found):
        assert 0 <= least <= 1
        if not truth[:, label].any():
            assert least == 0.5
            continue
        tried = [f1(truth[:, label], scores[:, label] >= at) for at in np.linspace(0, 1, 41)]
        assert f1(truth[:, label], scores[:, label] >= least) == pytest.approx(max(tried))


def test_a_threshold_lies_midway() -> None:
    """So a score that rounds otherwise on another machine is still on its side."""
    scores = np.array([[0.9], [0.6], [0.2], [0.1]], np.float32)
    assert best_thresholds(scores, np.array([[1], [1], [0], [0]])) == pytest.approx((0.4,))
    assert best_thresholds(scores, np.array([[1], [1], [1], [1]])) == pytest.approx((0.05,))


@given(hnp.arrays(np.float32, (9, 1), elements=st.floats(0, 1, width=32)))
def test_close_scores_are_told_apart(scores: np.ndarray) -> None:
    truth = (scores >= np.median(scores)).astype(int)
    (least,) = best_thresholds(scores, truth)
    assert ((scores.astype(np.float64) >= least) == truth).all()
