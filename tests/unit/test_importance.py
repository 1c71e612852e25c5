"""Importance of moments is learned from people, used by summaries, and measured on new films."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from command import triptych
from judged import judged_film, judged_folder, loud_shots
from toys import MODALITIES, TWO, example
from triptych.config import Config, TrainConfig, load_config
from triptych.errors import UsageError
from triptych.learn.agreement import Annotation
from triptych.learn.importance import Judged, fit_importance
from triptych.people import evaluate_summaries
from triptych.report.analysis import analysis_data
from triptych.trainer import train
from triptych.video import analyze

pytestmark = pytest.mark.usefixtures("one_thread")


def judged(seed: int, *, learnable: bool = True) -> Judged:
    """A video whose steps matter where a number of the sound is high."""
    video = example(seed, steps=24, tracks=TWO, share=1.0)
    known = video.values["audio"][:, 0]
    noise = np.random.default_rng(seed).normal(size=24)
    target = known if learnable else noise
    ranks = (target.argsort().argsort() / 23).astype(np.float32)
    times = np.arange(25, dtype=np.float64)
    people = Annotation(
        names=(video.name,), start_s=times[:-1], end_s=times[1:], scores=ranks[None].astype(float)
    )
    return Judged(
        example=replace(video, importance=ranks), begins=times[:-1], ends=times[1:], people=people
    )


def fitted(videos: list[Judged], **options: object):
    splits = ["test" if i % 5 == 0 else "train" for i in range(len(videos))]
    return fit_importance(
        videos,
        groups=[v.example.name for v in videos],
        splits=splits,
        modalities=MODALITIES,
        options=TrainConfig(task="importance", folds=2, **options),  # type: ignore[arg-type]
    )


def test_what_can_be_learned_is_and_noise_is_not() -> None:
    found = fitted([judged(i) for i in range(24)], epochs=24).metrics
    assert found["splits"]["test"]["metrics"]["kendall"] > 0.5
    assert found["splits"]["test"]["intervals"]["kendall"][0] > 0.4
    assert found["ablation"]["alone"]["audio"] > found["ablation"]["alone"]["image"] + 0.3
    assert found["task"] == "importance" and found["labels"] == []
    noise = fitted([judged(i, learnable=False) for i in range(24)], epochs=8).metrics
    assert abs(noise["splits"]["test"]["metrics"]["kendall"]) < 0.2


def test_the_same_seed_gives_the_same_model() -> None:
    videos = [judged(i) for i in range(10)]
    one, same, other = (fitted(videos, seed=s, epochs=2).metrics["splits"] for s in (0, 0, 1))
    assert one == same != other


def test_losses_of_other_tasks_are_refused() -> None:
    with pytest.raises(UsageError, match="cross_entropy is not for importance"):
        fitted([judged(i) for i in range(4)], loss="cross_entropy")


def test_types_that_say_nothing_of_steps_are_refused(tmp_path: Path) -> None:
    config = Config(train=TrainConfig(task="importance", model_type="linear"))
    with pytest.raises(UsageError, match="linear says nothing of the importance"):
        train([tmp_path], tmp_path / "model", config=config)


@pytest.mark.needs("embedded")
def test_from_annotations_to_summaries(tmp_path: Path) -> None:
    """Trained on films whose loud shots matter, it shows the loud shots of a new one."""
    films = judged_folder(tmp_path / "films", films=6)
    settings = ("extract.asr=never", "runner.workers=1", "train.epochs=30", "train.step_s=1")
    config = load_config(
        assignments=(*settings, "train.task=importance", "train.folds=2", "train.preset=light")
    )
    result = train([films / "people.jsonl"], tmp_path / "loud", config=config)
    assert result["used"] == 6 and result["task"] == "importance"
    assert result["metrics"]["splits"]["validation"]["metrics"]["spearman"] > 0.3
    assert "ranks the moments" in (tmp_path / "loud" / "README.md").read_text("utf-8")

    film = judged_film(tmp_path / "new" / "新.mp4", seed=77)
    model = f"predict.model={tmp_path / 'loud'}"
    found = analyze(film, config=load_config(assignments=(model, "predict.labels=cat,dog")))
    assert found.summary.method.endswith("important to loud, learned from people's scores")
    assert found.prediction.labels == ("cat", "dog") and found.prediction.judged_by == "loud"
    importance = found.prediction.importance
    assert importance is not None
    loud = np.repeat(loud_shots(77), 2)
    middles = (found.timeline.start_s + found.timeline.end_s) / 2
    inside = np.interp(middles, np.arange(10) + 0.5, loud) > 0.5
    assert importance[inside].mean() > importance[~inside].mean() + 0.03
    told = analysis_data(
        found, config=Config(), source={}, run={}, outputs={}, outputs_keys={}, warnings=()
    )
    assert told["summary"]["importance"] == {"model": "loud", "learned_from": "people"}

    fresh = judged_folder(tmp_path / "fresh", films=3, first_seed=50, name="fresh {}")
    measured = evaluate_summaries(
        tmp_path / "loud", [fresh, films], config=load_config(assignments=("runner.workers=1",))
    )
    assert measured["metrics"]["kendall"] > 0.3 and measured["used"] == 9
    assert 3 <= measured["measured"] < 6 and "left out of all figures" in measured["warnings"][0]
    assert measured["baselines"].keys() == {"uniform", "random"}
    assert measured["baselines"]["uniform"]["metrics"]["kendall"] is None
    assert measured["difference"]["random"]["kendall"]["difference"] > 0.2
    assert 0 <= measured["metrics"]["coverage"] <= 1 and measured["people"]["kendall"] > 0.2
    json.dumps(measured, allow_nan=False)


def test_the_task_must_fit(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    told = triptych("evaluate", "--task", "summary", tmp_path)
    assert told.returncode == 2 and "no video that anybody judged" in told.stderr
    refused = triptych("evaluate", "--task", "multi", tmp_path, tmp_path)
    assert refused.returncode == 2 and "labels" in refused.stderr and "summary" in refused.stderr
