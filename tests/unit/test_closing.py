"""What is printed at the end of a training and of an evaluation."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from metrics_factory import make_metrics
from triptych.closing import print_agreement, print_evaluation, print_training


def result(*, seen: Any = None, **more: Any) -> dict[str, Any]:
    """Of 10 videos, or of 10 unseen ones and those that are given."""
    made = _result(**more)
    return {"unseen": made | {"videos": 10}, "seen": seen} | made


def _result(**more: Any) -> dict[str, Any]:
    return {
        "model": "out/m",
        "name": "m",
        "task": "single",
        "labels": ["猫", "dog\x1b[31m"],
        "split": "all",
        "videos": 12,
        "used": 10,
        "failures": [{"path": "a.mp4", "stage": "open", "error": "no film", "remedy": "x"}],
        "warnings": ["too easy"],
        "seconds": 3.0,
        "metrics": {"accuracy": 0.9, "AUROC": None},
        "intervals": {"accuracy": [0.8, 1.0]},
        "by_label": {
            "猫": {"precision": 1.0, "recall": 0.8, "f1": 0.9, "support": 5},
            "dog\x1b[31m": {"precision": 0.8, "recall": None, "f1": 0.9, "support": 5},
        },
        "confusion": [[4, 1], [0, 5]],
        "compare": [],
        **more,
    }


def evaluation(**more: Any) -> str:
    stream = io.StringIO()
    print_evaluation(result(**more), stream)
    return stream.getvalue()


def test_figures_labels_mistakes_and_failures_are_shown() -> None:
    text = evaluation()
    assert "m on 10 videos\n" in text
    assert "0.900  (0.800 to 1.000)" in text
    assert "猫 was taken for dog\\x1b[31m: 1 of 5" in text
    assert "warning: too easy" in text
    assert "failed: a.mp4: open: no film" in text
    assert "10 of 12 videos used, in 3.0 s" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        ([0.02, 0.2], "a clear difference"),
        ([-0.02, 0.2], "no clear difference"),
        (None, "+0.100\n"),
    ],
)
def test_models_stand_side_by_side(interval: list[float] | None, said: str) -> None:
    figures = {"metrics": {"accuracy": 0.8}, "intervals": {}}
    other = {"name": "n", "unseen": figures, "seen": None}
    other |= {"difference": {"difference": 0.1, "interval": interval}}
    text = evaluation(compare=[other])
    assert "accuracy of m less that of n: +0.100" in text and said in text
    assert "0.800" in text


SEEN = {"videos": 2, "metrics": {"accuracy": 1.0}, "intervals": {}}


def test_videos_that_it_was_trained_on_stand_apart() -> None:
    head, apart = evaluation(used=12, seen=SEEN).split("not to be counted on: ")
    assert head.startswith("m on 10 videos that it was not trained on\n")
    assert "0.900" in head and "1 of 5" in head and "1.000  " not in head.replace("1.000)", "")
    assert apart.startswith("2 videos that it was trained on\n")
    assert "1.000" in apart and "0.900" not in apart


def test_where_it_was_trained_on_all_of_them_the_title_says_so() -> None:
    text = evaluation(used=2, unseen=None, seen=SEEN)
    assert text.startswith("m on 2 videos, all of them videos that it was trained on\n")
    assert "1.000" in text and "not to be counted on" not in text


def test_beside_others_videos_are_new_when_no_model_was_trained_on_them() -> None:
    other = {"name": "n", "unseen": SEEN, "seen": SEEN}
    text = evaluation(used=12, seen=SEEN, compare=[other])
    assert "m on 10 videos that no model here was trained on\n" in text
    assert "2 videos that a model here was trained on\n" in text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_wide_tables_break_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    figures = {"metrics": {"accuracy": 0.8}, "intervals": {"accuracy": [0.7, 0.9]}}
    others = [{"name": f"model {i}", "unseen": figures, "seen": None} for i in range(2)]
    for stream, joint in ((io.StringIO(), "  "), (Terminal(), None)):
        print_evaluation(result(compare=others), stream)
        text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue())
        assert text.count("0.800") >= 3 and text.count("(0.700 to 0.900)") == 2
        if joint:
            assert text.count("0.800  (0.700 to 0.900)") == 2
        else:
            assert max(map(len, text.splitlines()[:8])) <= 80


def test_a_test_split_is_named() -> None:
    assert "m on 10 videos of the test split" in evaluation(split="test")


def test_without_a_single_video_only_failures_are_shown() -> None:
    text = evaluation(used=0, metrics={}, intervals={}, unseen=None)
    assert "failed: a.mp4" in text and "precision" not in text


@pytest.mark.parametrize("task", ["single", "multi", "regression"])
def test_a_training_shows_each_split_and_where_the_report_is(task: Any) -> None:
    stream = io.StringIO()
    print_training(result(metrics=make_metrics(task=task)), stream)
    text = stream.getvalue()
    assert "validation, 70 videos" in text and "test, 70 videos" in text
    assert ("labels: " in text) == (task != "regression")
    assert text.endswith("open out/m/report.html\n")


def test_many_labels_are_cut_short() -> None:
    rates = {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1}
    text = evaluation(by_label={f"label {i}": rates for i in range(50)})
    assert "and 10 more labels (--json)" in text


@pytest.mark.parametrize(
    ("videos", "said"), [(3, "3 videos cannot tell"), (6, "a clear difference")]
)
def test_few_films_make_no_difference_clear(videos: int, said: str) -> None:
    apart = {"kendall": {"difference": 0.3, "interval": [0.2, 0.4]}}
    told = {"metrics": {"kendall": 0.3}, "intervals": {}}
    stream = io.StringIO()
    agreed = result(**told, measured=videos, people={}, baselines={}, difference={"random": apart})
    print_agreement(agreed, stream)
    assert f"(+0.200 to +0.400): {said}\n" in stream.getvalue()
