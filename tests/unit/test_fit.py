"""From labelled examples to a model and its figures: splits, folds, tasks, and small data."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fits import OF, QUICK, check, fitted, measured, several, videos
from toys import MODALITIES, TRACKS, TWO, state_of, told
from triptych.errors import UsageError
from triptych.learn import members
from triptych_models.baselines import MODEL_TYPES, build
from triptych_models.checkpoint import load_model, save_model
from triptych_models.losses import FITTING, LOSSES
from triptych_models.metrics import evaluate

pytestmark = pytest.mark.usefixtures("one_thread")

# Tasks


def test_near_separable_labels_are_learned() -> None:
    found = fitted(videos(72), options=replace(QUICK, epochs=12))
    check(found.metrics)
    splits = found.metrics["splits"]
    assert splits["test"]["metrics"]["accuracy"] > 0.9
    assert splits["validation"]["metrics"]["accuracy"] > 0.9
    assert found.metrics["data"]["splits"] == {"train": 57, "test": 15}
    assert found.metrics["data"]["by_label"]["猫"] == {"train": 19, "test": 5}
    assert found.metrics["features"] == {
        "image": {"modality": "image", "dim": 6},
        "audio": {"modality": "audio", "dim": 5},
    }
    fresh = videos(60, seed=9)
    said = found.model.scores(fresh).argmax(1)
    assert (said == [e.target for e in fresh]).mean() > 0.9


def test_the_model_is_as_sure_as_it_is_right() -> None:
    """The temperature is that of the videos that members were checked on."""
    found = fitted(videos(48, strength=1.0), options=replace(QUICK, epochs=8, test_share=0.0))
    calibration = found.metrics["calibration"]
    assert found.model.temperature == calibration["temperature"] != 1.0
    figures = found.metrics["splits"]["validation"]["metrics"]
    assert figures["ece"] == pytest.approx(calibration["ece_after"])
    assert calibration["ece_before"] != calibration["ece_after"]


def test_what_was_judged_is_what_is_saved(tmp_path: Path) -> None:
    """With its weights of modalities and its temperature: one member has one set of figures."""
    kinds = [i % 3 for i in range(100)]
    some = told(kinds, strength={"image": 1.5, "audio": 0.0}, tracks=TWO)
    found = fitted(some, splits=["train"] * 30 + ["valid"] * 70, options=replace(QUICK, epochs=8))
    weights = found.metrics["modality_weights"]
    assert weights == {"audio": 0.05, "image": 1.0}
    save_model(found.model, tmp_path)
    scores = load_model(tmp_path).scores(some[30:])
    again = evaluate("single", kinds[30:], scores, labels=found.model.labels, resamples=0)
    figures = found.metrics["splits"]["validation"]["metrics"]
    assert again["metrics"] == pytest.approx(figures, abs=1e-6)


def test_the_fusion_model_learns_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "build", partial(build, width=16, heads=2))
    found = fitted(videos(48, strength=4.0), options=replace(QUICK, model_type="fusion", epochs=20))
    check(found.metrics)
    assert found.metrics["splits"]["validation"]["metrics"]["accuracy"] > 0.9
    assert found.model.parameters < 20_000


def test_several_labels_are_learned() -> None:
    found = fitted(several(60), task="multi", options=replace(QUICK, epochs=30))
    check(found.metrics)
    assert found.metrics["splits"]["test"]["metrics"]["mAP"] > 0.9
    assert found.metrics["thresholds"] == list(found.model.thresholds or ())
    assert len(found.metrics["thresholds"]) == 3
    assert found.metrics["ablation"]["metric"] == "mAP"


def test_numbers_are_learned_in_their_own_unit() -> None:
    found = fitted(measured(60), task="regression", options=replace(QUICK, epochs=20))
    check(found.metrics)
    figures = found.metrics["splits"]["test"]["metrics"]
    assert figures["pearson"] > 0.85 and figures["mae"] < 45
    assert found.metrics["calibration"] is None and found.metrics["labels"] == []
    assert found.metrics["ablation"]["metric"] == "mae"
    assert found.model.offset == pytest.approx(1000, abs=30)
    without = found.metrics["ablation"]["without"]
    assert without["audio"] > found.metrics["ablation"]["all"]


def test_numbers_that_are_all_the_same() -> None:
    same = [replace(v, target=5.0) for v in videos(8)]
    found = fitted(same, task="regression")
    check(found.metrics)
    assert found.metrics["splits"]["validation"]["metrics"]["r2"] is None
    assert found.model.scores(same) == pytest.approx(5.0, abs=0.5)


@pytest.mark.parametrize("task", OF)
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_fit_the_task_or_are_refused(task: Any, loss: Any) -> None:
    options = replace(QUICK, epochs=1, loss=loss)
    if loss in FITTING[task]:
        check(fitted(OF[task](12), task=task, options=options).metrics)
    else:
        with pytest.raises(UsageError, match=f"the loss {loss} is not for a {task} task"):
            fitted(OF[task](12), task=task, options=options)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_every_type_of_model_is_judged_and_saved(model_type: str, tmp_path: Path) -> None:
    some = [replace(v, words=("a",) * (1 + v.target)) for v in videos(9, tracks=TRACKS)]
    options = replace(QUICK, model_type=model_type, epochs=1)
    found = fitted(some, options=options, name="m", features={"fps": 2})
    check(found.metrics)
    save_model(found.model, tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    np.testing.assert_array_equal(loaded.scores(some), found.model.scores(some))
    assert found.metrics["model"]["type"] == model_type
    # What hides a modality from the tracks hides nothing from words and pixels.
    one = model_type.startswith(("only-", "late-", "bag", "tfidf"))
    assert (found.metrics["ablation"] is None) == one
    if model_type.startswith("only-"):
        read = {t for t in TRACKS if f"only-{MODALITIES[t]}" == model_type}
        assert set(found.metrics["features"]) == set(loaded.tracks) == read


# Splits


def test_given_splits_are_kept() -> None:
    some = videos(18)
    splits = ["train"] * 9 + ["valid"] * 5 + ["test"] * 4
    found = fitted(some, splits=splits)
    check(found.metrics)
    assert found.metrics["model"]["members"] == 1
    figures = found.metrics["splits"]
    assert (figures["validation"]["videos"], figures["test"]["videos"]) == (5, 4)
    assert found.metrics["data"]["splits"] == {"train": 14, "test": 4}


def test_what_is_validated_on_is_not_learned() -> None:
    """Of one modality, which needs no weight, and of one epoch, so that nothing is chosen."""
    some = videos(18, tracks={"image": 6})
    splits = ["train"] * 12 + ["valid"] * 6
    wild = [
        v if s == "train" else replace(v, target=0, values={"image": v.values["image"] * 9})
        for v, s in zip(some, splits, strict=True)
    ]
    options = replace(QUICK, epochs=1)
    first, other = (fitted(e, splits=splits, options=options) for e in (some, wild))
    assert state_of(first.model.members[0]) == state_of(other.model.members[0])
    assert first.metrics["splits"] != other.metrics["splits"]


def test_what_is_learned_depends_on_no_test_video() -> None:
    some = videos(18)
    splits = ["train"] * 12 + ["test"] * 6
    wild = [
        v if s == "train" else replace(v, target=0, values={t: x * 9 for t, x in v.values.items()})
        for v, s in zip(some, splits, strict=True)
    ]
    first, other = (fitted(e, splits=splits) for e in (some, wild))
    for one, same in zip(first.model.members, other.model.members, strict=True):
        assert state_of(one) == state_of(same)
    assert first.model.temperature == other.model.temperature
    assert first.metrics["splits"]["validation"] == other.metrics["splits"]["validation"]
    assert first.metrics["splits"]["test"] != other.metrics["splits"]["test"]


def test_a_test_split_alone_leaves_folds() -> None:
    found = fitted(videos(18), splits=["train"] * 12 + ["test"] * 6)
    assert found.metrics["splits"]["test"]["videos"] == 6
    assert found.metrics["splits"]["validation"]["videos"] == 12
    assert found.metrics["model"]["members"] == 2


@pytest.mark.parametrize("task", OF)
def test_without_test_videos_there_are_no_figures_of_them(task: Any) -> None:
    found = fitted(OF[task](12), task=task, options=replace(QUICK, test_share=0.0))
    check(found.metrics)
    assert set(found.metrics["splits"]) == {"validation"}
    assert found.metrics["splits"]["validation"]["videos"] == 12
    assert found.metrics["ablation"]["split"] == "validation"


def test_one_fold_checks_on_one_part() -> None:
    found = fitted(videos(12), options=replace(QUICK, folds=1, test_share=0.0))
    check(found.metrics)
    assert found.metrics["model"]["members"] == 1
    assert 0 < found.metrics["splits"]["validation"]["videos"] < 12


def test_groups_never_straddle(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[set[str], set[str]]] = []
    whole = members.fit

    def watched(member: Any, learn: Any, check: Any, **more: Any) -> Any:
        seen.append(tuple({e.words[0] for e in part} for part in (learn, check)))
        return whole(member, learn, check, **more)

    monkeypatch.setattr(members, "fit", watched)
    rng = np.random.default_rng(0)
    some = [replace(v, words=(f"film {rng.integers(8)}",)) for v in videos(40)]
    found = fitted(
        some, groups=[v.words[0] for v in some], options=replace(QUICK, folds=3, epochs=1)
    )
    check(found.metrics)
    films = {v.words[0] for v in some}
    (tested,) = {frozenset(films - learn - check) for learn, check in seen}
    assert tested and len(seen) == 3
    assert all(not learn & check for learn, check in seen)
    checked = [check for _, check in seen]
    assert sum(len(c) for c in checked) == len(set.union(*checked)) == len(films - tested)


def test_a_group_that_is_most_of_the_data_can_still_be_learned_from() -> None:
    some = videos(24)
    groups = ["long film"] * 20 + ["a", "a", "b", "b"]
    found = fitted(some, groups=groups)
    check(found.metrics)
    assert found.metrics["splits"]["validation"]["videos"] >= 4
