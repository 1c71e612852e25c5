"""Models in plain words: what is said of them, and what against them."""

from __future__ import annotations

from typing import Any

import pytest

from metrics_factory import good_metrics, make_metrics
from triptych.report.limits import lede, limits


def test_the_first_sentence_has_the_figure_that_counts() -> None:
    metrics = make_metrics()
    share = metrics["splits"]["test"]["metrics"]["accuracy"]
    assert lede(metrics).startswith(
        f"Tells 8 labels apart. Right for {share:.1%} of 70 test videos"
    )
    several = make_metrics(task="multi", test=False)
    assert "Macro F1" in lede(several)
    assert "70 validation videos" in lede(several)
    assert lede(make_metrics(task="regression")).startswith(
        "Estimates one number for a video. Off by"
    )
    assert lede({"labels": ["a", "b"]}) == "Tells 2 labels apart. Nothing was measured."


def test_against_a_good_model_only_its_scope_speaks() -> None:
    assert limits(good_metrics()) == [
        "It knows 2 labels and no others: a video of anything else gets one all the same."
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data__splits": {"train": 120}}, "It learned from 120 videos only."),
        (
            {"data__by_label": {"a": {"train": 7}, "b": {"train": 500}}},
            "Few videos to learn from: “a” (7).",
        ),
        ({"data__groups": 12}, "come from 12 sources only"),
        ({"data__failed": 3, "data__videos": 2003}, "3 of 2,003 videos could not be used"),
        ({"splits__test__intervals": {"accuracy": [0.7, 0.95]}}, "anything from 70.0% to 95.0%"),
        ({"splits__test__intervals": {"accuracy": [0.45, 0.5]}}, "better than always saying “a”"),
        (
            {"splits__test__by_label__b": {"recall": 0.2, "support": 500}},
            "“b” is found in 100 of 500 test videos; most often it is taken for “a” (50).",
        ),
        (
            {"splits__test__by_label__b": {"recall": None, "support": 0}},
            "No test video shows how well it finds “b”.",
        ),
        (
            {"splits__validation": {"videos": 9, "metrics": {"accuracy": 0.99 + 0.02}}},
            "11 points worse on the test",
        ),
        ({"calibration": {"ece_after": 0.2}}, "off by 20 points"),
        ({"calibration": None}, "was not checked"),
        ({"ablation__without": {"image": 0.6, "audio": 0.88}}, "It leans on pictures most"),
        ({"calibration": {"ece_before": 0.03, "ece_after": 0.06}}, "off by 3.0% before, by 6.0%"),
        ({"ablation__without": {"image": 0.88, "text": 0.91}}, "nothing measurable from words"),
        ({"splits": {}}, "Nothing was measured"),
        ({"task": "multi"}, "a video may get none of them"),
        ({"task": "regression"}, "does not say how sure it is"),
    ],
)
def test_each_weakness_is_said_in_plain_words(changes: dict[str, Any], said: str) -> None:
    found = limits(good_metrics(**changes))
    assert any(said in limit for limit in found), found
    assert len(found) <= 3


def test_without_a_test_the_figures_are_of_the_validation_and_that_is_said() -> None:
    metrics = good_metrics()
    metrics["splits"] = {"validation": metrics["splits"]["test"]}
    assert any("No videos were kept for a test" in limit for limit in limits(metrics))


def test_an_error_grows_when_what_it_leans_on_is_left_out() -> None:
    metrics = good_metrics(ablation__metric="mae", ablation__without={"image": 1.2, "audio": 0.8})
    metrics["splits"]["test"]["intervals"]["mae"] = [0.85, 1.0]
    metrics["splits"]["test"]["metrics"]["mae"] = 0.9
    found = limits(metrics)
    assert any("leans on pictures most" in limit and "1.2 without" in limit for limit in found)
    assert any("nothing measurable from sound" in limit for limit in found)


@pytest.mark.parametrize("interval", [[0.54, 1.0], None])
def test_nothing_is_leant_on_by_the_word_of_one_video(interval: list[float] | None) -> None:
    metrics = good_metrics(
        ablation__all=1.0, ablation__without={"motion": 5 / 6, "image": 1.0}, ablation__split="test"
    )
    intervals = {} if interval is None else {"accuracy": interval}
    metrics["splits"]["test"] |= {
        "videos": 6, "metrics": {"accuracy": 1.0}, "intervals": intervals
    }  # fmt: skip
    found = limits(metrics)
    assert not any("It leans on" in limit for limit in found)
    assert (
        "What it leans on most is not known: its accuracy is 100.0% with all, but 83.3% without"
        " motion, which 6 videos cannot tell from chance."
    ) in found


def test_of_many_missed_labels_those_that_cost_most_are_named() -> None:
    names = [f"n{i}" for i in range(9)]
    rows = {n: {"recall": 0.1, "f1": 0.1, "support": 10 * (i + 1)} for i, n in enumerate(names)}
    metrics = {
        "labels": names,
        "splits": {"test": {"metrics": {"accuracy": 0.1}, "by_label": rows}},
    }
    missed = [limit for limit in limits(metrics) if "is found in" in limit]
    assert [limit[:4] for limit in missed] == ["“n8”", "“n7”", "“n6”"]
    assert "6 more labels are missed more often than found." in limits(metrics)
