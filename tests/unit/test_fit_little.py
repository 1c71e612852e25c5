"""Few videos, few modalities, and the same again: a model all the same, or a plain refusal."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fits import QUICK, check, fitted, videos
from toys import TWO, example, state_of, told
from triptych.config import TrainConfig
from triptych.errors import UsageError
from triptych.learn import members
from triptych.learn.fit import recipe_for
from triptych_models import train as training
from triptych_models.baselines import build

pytestmark = pytest.mark.usefixtures("one_thread")

# Little data


def test_a_class_with_one_video() -> None:
    some = [*told([0, 1] * 8, strength=3.0, tracks=TWO), *told([2], seed=3, tracks=TWO)]
    for share in (0.2, 0.0):
        found = fitted(some, options=replace(QUICK, test_share=share, folds=3))
        check(found.metrics)
        assert found.metrics["data"]["by_label"]["cow"] == {"train": 1, "test": 0}
        confusion = found.metrics["splits"]["validation"]["confusion"]
        assert np.sum(confusion, axis=1)[2] == 1


def test_two_videos_a_class(caplog: pytest.LogCaptureFixture) -> None:
    found = fitted(videos(4, kinds=2), labels=("a", "b"), options=replace(QUICK, folds=5))
    check(found.metrics)
    assert found.metrics["data"]["splits"]["test"] == 1
    assert found.metrics["splits"]["validation"]["videos"] == 3
    assert found.metrics["model"]["members"] == 3
    assert "3 groups make 3 folds" in caplog.text


def test_two_videos_in_all() -> None:
    found = fitted(videos(2, kinds=2), labels=("a", "b"))
    check(found.metrics)
    assert set(found.metrics["splits"]) == {"validation"}


def test_more_folds_than_groups() -> None:
    some = videos(20)
    options = replace(QUICK, folds=20, test_share=0.0, epochs=1)
    found = fitted(some, groups=[i % 3 for i in range(20)], options=options)
    check(found.metrics)
    assert found.metrics["model"]["members"] == 3


@pytest.mark.parametrize(
    ("count", "groups", "splits", "reason"),
    [
        (0, [], [], "no videos"),
        (6, ["one"] * 6, [""] * 6, "of one group"),
        (6, range(6), ["test"] * 6, "no videos"),
        (6, range(6), ["valid"] * 6, "no videos to learn from"),
        (6, range(6), ["valid"] * 3 + ["test"] * 3, "no videos to learn from"),
        (6, range(6), ["train"] + ["test"] * 5, "of one group"),
    ],
)
def test_too_little_is_refused(count: int, groups: Any, splits: Any, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        fitted(videos(count) if count else [], groups=list(groups), splits=splits)
    assert caught.value.remedy or not count


# Modalities


@pytest.mark.parametrize(
    "tracks", [{"image": 6}, {"audio": 5, "speech": 2}, {"text": 4}], ids=["video", "sound", "text"]
)
@pytest.mark.parametrize("model_type", ["linear", "fusion", "gated"])
def test_one_modality_is_enough(
    tracks: dict[str, int], model_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if model_type == "fusion":
        monkeypatch.setattr(members, "build", partial(build, width=16, heads=2))
    options = replace(QUICK, model_type=model_type)
    found = fitted(videos(12, tracks=tracks), options=options)
    check(found.metrics)
    assert set(found.metrics["features"]) == set(tracks)
    assert found.metrics["ablation"] is None


def test_a_set_of_which_nothing_can_be_read_is_refused() -> None:
    nothing = [example(i, share=0.0, target=i % 2) for i in range(8)]
    for model_type in ("fusion", "linear", "only-image"):
        with pytest.raises(UsageError, match="no track") as caught:
            fitted(nothing, labels=("a", "b"), options=replace(QUICK, model_type=model_type))
        assert caught.value.remedy
    words = [replace(e, words=("x" * e.target,)) for e in nothing]
    found = fitted(words, labels=("a", "b"), options=replace(QUICK, model_type="tfidf"))
    check(found.metrics)


def test_a_modality_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="no track of the modality 'text'") as caught:
        fitted(videos(9), options=replace(QUICK, model_type="only-text"))
    assert caught.value.remedy
    wide = videos(5)
    wide[0].values["image"] = np.zeros((len(wide[0].time_s), 9), np.float32)
    with pytest.raises(UsageError, match=r"image has rows of \[6, 9\] numbers"):
        fitted(wide)


def test_videos_with_other_modalities_than_the_rest() -> None:
    """Some are silent, some are sound alone, one is empty."""
    some = videos(24, share=1.0)
    some[::3] = [
        replace(v, values={"image": v.values["image"]}, present={"image": v.present["image"]})
        for v in some[::3]
    ]
    some[1::6] = [v.without(["image"]) for v in some[1::6]]
    some[2] = some[2].without(["image", "audio"])
    check(fitted(some).metrics)


def test_ablation_shows_what_a_modality_is_worth() -> None:
    """The picture tells all, the sound nothing."""
    some = told([i % 3 for i in range(90)], strength={"image": 4.0, "audio": 0.0}, tracks=TWO)
    for share in (0.3, 0.0):
        options = replace(QUICK, epochs=10, test_share=share)
        metrics = fitted(some, options=options).metrics
        assert metrics["modality_weights"]["audio"] < metrics["modality_weights"]["image"]
        found = metrics["ablation"]
        assert found["metric"] == "accuracy"
        assert found["split"] == ("test" if share else "validation")
        assert set(found["without"]) == set(found["alone"]) == {"image", "audio"}
        assert found["all"] > 0.9 and found["alone"]["image"] > 0.9
        assert found["without"]["image"] == found["alone"]["audio"] < 0.7
        assert found["without"]["audio"] == found["alone"]["image"]


def test_ablation_begins_with_the_figure_of_its_split() -> None:
    for share in (0.3, 0.0):
        metrics = fitted(videos(), options=replace(QUICK, test_share=share)).metrics
        split = metrics["ablation"]["split"]
        assert metrics["ablation"]["all"] == metrics["splits"][split]["metrics"]["accuracy"]


# The same again


def test_a_seed_gives_the_same_and_another_seed_another() -> None:
    splits = ["train"] * 8 + ["valid"] * 4  # that the seed has no hand in
    models = [
        fitted(videos(12), splits=splits, options=replace(QUICK, seed=s, epochs=1, test_share=0.0))
        for s in (1, 1, 2)
    ]
    states = [[state_of(m) for m in found.model.members] for found in models]
    assert states[0] == states[1] != states[2]
    figures = [found.metrics["splits"] for found in models]
    assert figures[0] == figures[1]


class _Stopped(Exception):
    pass


def test_an_interrupted_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_SAVE_EVERY_S", 0.0)
    some, options = videos(16), replace(QUICK, model_type="gated", epochs=3)
    whole = fitted(some, options=options)
    told_of: list[tuple[int, float]] = []
    work = tmp_path / "not" / "there yet"
    for stop in ((0, 2), (1, 1), (1, 3), None):

        def on_epoch(row: dict[str, Any], stop: Any = stop) -> None:
            told_of.append((row["member"], row["epoch"]))
            if stop == told_of[-1]:
                raise _Stopped

        if stop is None:
            found = fitted(some, options=options, work=work, on_epoch=on_epoch)
        else:
            with pytest.raises(_Stopped):
                fitted(some, options=options, work=work, on_epoch=on_epoch)
    assert told_of == [
        (0, 1), (0, 2),
        (0, 2), (0, 3), (1, 1),
        (1, 1), (1, 2), (1, 3),
        (1, 3),
    ]  # fmt: skip
    for one, same in zip(whole.model.members, found.model.members, strict=True):
        assert state_of(one) == state_of(same)
    assert untimed(found.metrics) == untimed(whole.metrics)


def untimed(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: untimed(v) for k, v in value.items() if k != "seconds"}
    return [untimed(v) for v in value] if isinstance(value, list) else value


def test_the_recipe_suits_the_number_of_videos() -> None:
    sizes = []
    for count in (1, 64, 160, 1000, 100_000):
        recipe = recipe_for(TrainConfig(), videos=count)
        sizes.append(recipe.batch)
        assert recipe.epochs * -(-count // recipe.batch) >= 100
    assert sizes == sorted(sizes) and sizes[0] >= 4
    chosen = recipe_for(TrainConfig(epochs=7, seed=3, optimizer="sgd", loss="bce"), videos=100)
    assert (chosen.epochs, chosen.seed, chosen.optimizer, chosen.loss) == (7, 3, "sgd", "bce")
