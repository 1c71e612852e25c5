"""A trained model's answers as a prediction: modalities, steps, kinds of scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import synth
from triptych.errors import UsageError
from triptych.fuse.sample import example_of, sample_of
from triptych.fuse.trained import explained, one_thread, reads, scored, trained_model
from triptych.predict.trained import trained
from triptych.records import Cue, Prediction, Thumbnails, Timeline
from triptych_models.baselines import build
from triptych_models.checkpoint import TrainedModel, save_model

# No track of sound is called as its modality is.
TRACKS = {"image": ("image", 6), "sound_tags": ("audio", 4), "speech": ("audio", 3)}
NOTHING = Thumbnails(jpeg=(), pts_s=np.zeros(0))
RNG = np.random.default_rng(3)


def model(task: Any = "single", *, model_type: str = "fusion", **more: Any) -> TrainedModel:
    labels = () if task == "regression" else ("猫", "dog", "cow")
    torch.manual_seed(1)
    tracks = {name: dim for name, (_, dim) in TRACKS.items()}
    modalities = {name: modality for name, (modality, _) in TRACKS.items()}
    members = []
    for _ in range(2):
        member = build(model_type, tracks, modalities=modalities, outputs=max(1, len(labels)))
        for weights in member.parameters():
            torch.nn.init.normal_(weights, std=0.3)
        member.prepare([example_of(sample_of(line(20), cues=(), thumbnails=NOTHING), name="a")])
        members.append(member.eval())
    described = {n: {"modality": m, "dim": d} for n, (m, d) in TRACKS.items()}
    return TrainedModel(
        name="mine", model_type=model_type, task=task, labels=labels, tracks=described,
        members=members, **more,
    )  # fmt: skip


def line(steps: int, *, without: tuple[str, ...] = (), start_s: float = 0.0) -> Timeline:
    tracks = {
        name: (RNG.normal(size=(steps, dim)), RNG.random(steps) < 0.8)
        for name, (_, dim) in TRACKS.items()
        if name not in without
    }
    extra = {"image_labels": (np.ones((steps, 5)), np.ones(steps, bool))}
    return synth.timeline(tracks | extra, start_s=start_s)


def predicted(which: TrainedModel, timeline: Timeline) -> Prediction:
    explanation = explained(which, timeline, cues=(), thumbnails=NOTHING)
    return trained(timeline, explanation, model=which)


@pytest.mark.parametrize("steps", [1, 7, 600])
def test_contributions_add_up_to_the_logits(steps: int) -> None:
    which = model(temperature=1.7)
    timeline = line(steps)
    found = predicted(which, timeline)
    assert found.method == "mine" and found.kind == "shares"
    assert [r.score for r in found.ranked] == sorted((r.score for r in found.ranked), reverse=True)
    assert {"image", "audio", "prior"} == set(found.ranked[0].contributions)
    logits = np.array([sum(r.contributions.values()) for r in found.ranked])
    shares = np.exp(logits - logits.max())
    assert shares / shares.sum() == pytest.approx([r.score for r in found.ranked], abs=1e-4)
    assert found.steps.shape == (steps, 3) and found.step_present.shape == (steps,)
    assert found.importance is not None and found.importance.shape == (steps,)
    assert all(r.holds is None for r in found.ranked)


def test_scores_are_those_of_many_videos_at_once() -> None:
    which = model()
    lines = [line(int(steps)) for steps in RNG.integers(1, 30, 150)]
    examples = [
        example_of(sample_of(each, cues=(), thumbnails=NOTHING), name="a") for each in lines
    ]
    together = scored(which, examples)
    assert together.shape == (150, 3)
    for row in (0, 70, 149):
        alone = {r.label: r.score for r in predicted(which, lines[row]).ranked}
        assert [alone[label] for label in which.labels] == pytest.approx(together[row], abs=1e-5)
    assert scored(which, []).shape == (0, 3)


def test_a_modality_that_is_missing_has_no_say() -> None:
    found = predicted(model(), line(9, without=("image",)))
    assert all(r.contributions.get("image", 0.0) == 0.0 for r in found.ranked)
    nothing = predicted(model(), line(9, without=("image", "sound_tags", "speech")))
    assert not nothing.step_present.any()
    assert nothing.ranked == () and nothing.labels == ("猫", "dog", "cow")


@pytest.mark.parametrize("model_type", ["bag-of-words", "late-concat-cnn"])
def test_a_model_of_words_has_no_answer_for_a_silent_film(model_type: str) -> None:
    which, timeline = model(model_type=model_type), line(9)
    assert predicted(which, timeline).ranked == ()
    cues = (Cue(start_s=0, end_s=1, text="看 web", source="sidecar"),)
    heard = explained(which, timeline, cues=cues, thumbnails=NOTHING)
    assert len(trained(timeline, heard, model=which).ranked) == 3
    assert reads(which) == ("words" if model_type == "bag-of-words" else "words, pictures")


def test_each_of_several_labels_holds_or_does_not() -> None:
    which = model("multi", thresholds=(0.0, 1.1, 0.5))
    found = {r.label: r for r in predicted(which, line(9)).ranked}
    assert found["猫"].holds is True and found["dog"].holds is False
    assert found["cow"].holds == (found["cow"].score >= 0.5)
    assert predicted(which, line(9)).kind == "independent"


def test_a_regression_says_one_value() -> None:
    which = model("regression", offset=50.0, scale=10.0)
    found = predicted(which, line(9))
    (only,) = found.ranked
    assert (only.label, found.labels, found.kind) == ("value", ("value",), "value")
    assert sum(only.contributions.values()) == pytest.approx(only.score, rel=1e-4)
    assert found.steps.shape == (9, 1)


def test_a_model_that_cannot_say_why_is_all_prior() -> None:
    found = predicted(model(model_type="lstm"), line(9))
    assert set(found.ranked[0].contributions) == {"prior"}


def test_a_start_other_than_zero_changes_nothing() -> None:
    which, timeline = model(), line(9)
    moved = Timeline(
        start_s=timeline.start_s + 100,
        end_s=timeline.end_s + 100,
        values=timeline.values,
        present=timeline.present,
    )
    assert predicted(which, moved).ranked == predicted(which, timeline).ranked


def test_a_changed_folder_is_read_again(tmp_path: Path) -> None:
    save_model(model(), tmp_path)
    first = trained_model(tmp_path)
    assert trained_model(tmp_path) is first
    save_model(model(temperature=2.0), tmp_path)
    assert trained_model(tmp_path).temperature == 2.0


def test_a_damaged_model_is_a_usage_error(tmp_path: Path) -> None:
    save_model(model(), tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"junk")
    with pytest.raises(UsageError, match="damaged") as caught:
        trained_model(tmp_path)
    assert caught.value.path == str(tmp_path) and caught.value.remedy


def test_threads_are_as_before_afterwards() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
