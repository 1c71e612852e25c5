"""Pictures of a model: what they show, in which colours, and labels of any script."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from metrics_factory import HOSTILE, LABELS, make_metrics
from triptych.report import canvas
from triptych.report.canvas import DARK, LIGHT
from triptych.report.plots import DPI, PLOTS, installed, plot, plot_png


def drawn(name: str, metrics: dict[str, Any], **options: bool) -> Figure:
    figure = plot(name, metrics, **options)
    assert figure is not None
    return figure


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def names(axes: Axes, which: str) -> list[str]:
    return [tick.get_text() for tick in getattr(axes, f"get_{which}ticklabels")()]


def confused(matrix: list[list[int]], labels: list[str]) -> dict[str, Any]:
    result = {"videos": int(np.sum(matrix)), "metrics": {"accuracy": 0.5}, "confusion": matrix}
    return {"task": "single", "labels": labels, "splits": {"test": result}}


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.parametrize("dark", [False, True])
def test_a_picture_stands_on_its_page_and_is_the_same_each_time(name: str, dark: bool) -> None:
    data = plot_png(name, make_metrics(), dark=dark)
    assert data is not None
    assert data == plot_png(name, make_metrics(), dark=dark)
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert 2 * DPI < pixels.shape[0] < pixels.shape[1] * 2
    panel = np.round(np.multiply(255, to_rgb((DARK if dark else LIGHT).panel)))
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == panel).all(), "nothing is cut off"
    assert (pixels != panel).any(axis=2).mean() > 0.02


@pytest.mark.parametrize("name", PLOTS)
def test_what_was_not_measured_is_not_drawn(name: str) -> None:
    assert plot(name, {}) is None
    assert plot(name, {"labels": ["a"], "splits": {"test": {}}, "ablation": {}}) is None


def test_of_numbers_and_of_several_labels_there_is_no_confusion() -> None:
    assert plot("confusion", make_metrics(task="regression")) is None
    assert plot("reliability", make_metrics(task="regression")) is None
    assert plot("confusion", make_metrics(task="multi")) is None
    assert plot("reliability", make_metrics(task="multi")) is not None


def test_every_count_but_zero_is_written_where_it_belongs() -> None:
    (axes,) = drawn("confusion", confused([[7, 0, 2], [0, 3, 0], [1, 0, 40]], ["a", "b", "c"])).axes
    found = {text.get_position(): text.get_text() for text in axes.texts}
    assert found == {(0, 0): "7", (2, 0): "2", (1, 1): "3", (0, 2): "1", (2, 2): "40"}
    assert names(axes, "x") == ["a", "b", "c"]
    assert names(axes, "y") == ["a  (9)", "b  (3)", "c  (41)"]


def test_colours_are_shares_of_a_row_and_mistakes_have_their_own() -> None:
    (axes,) = drawn("confusion", confused([[10, 10], [1, 1]], ["a", "b"])).axes
    cells = np.asarray(axes.images[0].get_array())
    np.testing.assert_allclose(cells[0, 0], cells[1, 1])
    np.testing.assert_allclose(cells[0, 1], cells[1, 0])
    (axes,) = drawn("confusion", confused([[5, 0], [5, 0]], ["a", "b"])).axes
    cells = np.asarray(axes.images[0].get_array())
    np.testing.assert_allclose(cells[0, 0], to_rgb(LIGHT.image))
    np.testing.assert_allclose(cells[1, 0], to_rgb(LIGHT.accent))
    np.testing.assert_allclose(cells[0, 1], cells[1, 1])


def test_of_many_labels_the_commonest_are_shown_without_counts() -> None:
    matrix = np.diag([1 + i % 40 for i in range(45)])
    (axes,) = drawn("confusion", confused(matrix.tolist(), [f"n{i}" for i in range(45)])).axes
    assert texts(axes) == []
    assert names(axes, "x") == [f"n{i}" for i in range(10, 40)]
    assert axes.get_title(loc="left") == "The 30 commonest of 45 labels"
    (axes,) = drawn(
        "confusion", confused(matrix[:30, :30].tolist(), [str(i) for i in range(30)])
    ).axes
    assert len(texts(axes)) == 30


def test_a_matrix_that_does_not_fit_its_labels_is_left_out() -> None:
    assert plot("confusion", confused([[1, 2]], ["a", "b"])) is None
    assert plot("confusion", confused([[0, 0], [0, 0]], ["a", "b"])) is None


def test_reliability_shows_each_bin_with_an_honest_interval() -> None:
    bins = [
        {"confidence": 0.9, "accuracy": 0.8, "count": 10},
        {"confidence": 0.3, "accuracy": 0.0, "count": 4},
        {"confidence": 0.5, "accuracy": 0.5, "count": 0},
        {"confidence": None, "accuracy": 0.5, "count": 3},
    ]
    result = {"videos": 14, "metrics": {"accuracy": 0.6}, "reliability": bins}
    top, below = drawn("reliability", {"splits": {"test": result}}).axes
    np.testing.assert_allclose(top.lines[-1].get_xydata(), [[0.3, 0.0], [0.9, 0.8]])
    (low, high), (_, _) = ([p[0, 1], p[1, 1]] for p in top.collections[0].get_segments())
    # Wilson's interval of 0 of 4, from tables.
    assert (low, high) == pytest.approx((0.0, 0.4899), abs=1e-3)
    assert [bar.get_height() for bar in below.patches] == [4, 10]


def test_each_member_has_a_thin_line_and_their_mean_ends_with_half_of_them() -> None:
    history = [
        {"member": m, "epoch": e, "train_loss": float(m + e), "valid_loss": None}
        for m, last in enumerate((2, 4, 6, 9))
        for e in range(1, last + 1)
    ]
    (axes,) = drawn("curves", {"history": history}).axes
    *thin, mean = axes.lines
    assert [len(line.get_xdata()) for line in thin] == [2, 4, 6, 9]
    np.testing.assert_allclose(mean.get_xdata(), range(1, 7))
    np.testing.assert_allclose(mean.get_ydata(), [2.5, 3.5, 5.0, 6.0, 7.5, 8.5])
    assert all(mean.get_linewidth() > 2 * line.get_linewidth() for line in thin)


def test_one_member_needs_no_mean_and_one_epoch_a_dot() -> None:
    (axes,) = drawn("curves", {"history": [{"member": 0, "epoch": 1, "train_loss": 1.0}]}).axes
    (line,) = axes.lines
    assert line.get_marker() == "o"
    assert names(axes, "x") == ["1"]


def test_loss_and_score_have_axes_of_their_own_unless_they_are_the_same() -> None:
    assert len(drawn("curves", make_metrics()).axes) == 2
    assert len(drawn("curves", make_metrics(task="regression")).axes) == 1


def test_bars_are_as_long_as_what_they_say() -> None:
    metrics = {
        "ablation": {
            "metric": "accuracy",
            "split": "test",
            "all": 0.7,
            "without": {"image": 0.4, "audio": None},
            "alone": {"image": 0.6, "text": 0.1},
        }
    }
    (axes,) = drawn("ablation", metrics).axes
    said = dict(zip(names(axes, "y"), (bar.get_width() for bar in axes.patches), strict=True))
    assert said == {"text alone": 0.1, "image alone": 0.6, "without image": 0.4}
    assert sorted(texts(axes)) == ["10.0%", "40.0%", "60.0%", "all 70.0%"]
    assert axes.get_xlabel() == "accuracy on test"


def test_errors_say_that_lower_is_better() -> None:
    (axes,) = drawn("ablation", make_metrics(task="regression")).axes
    assert axes.get_xlabel() == "mean absolute error on validation (lower is better)"


@pytest.mark.needs("cjk")
def test_chinese_is_drawn_in_a_font_that_has_it() -> None:
    (axes,) = drawn("confusion", make_metrics()).axes
    label = next(tick for tick in axes.get_xticklabels() if tick.get_text() == "新闻播报")
    assert "CJK" in str(label.get_fontproperties().get_file())


@pytest.mark.parametrize("labels", [LABELS, HOSTILE, ("ไทย مرحبا", "猫 🐈 \U000fffff", "x" * 200)])
def test_labels_of_any_script_are_drawn_without_a_warning(
    labels: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plot_png("confusion", make_metrics(labels=labels)) is not None
    # And on a machine that has none but matplotlib's own font.
    monkeypatch.setattr(canvas, "font_files", tuple)
    canvas._fonts.cache_clear()
    try:
        figure = drawn("confusion", make_metrics(labels=labels))
        figure.draw_without_rendering()
    finally:
        canvas._fonts.cache_clear()
    ticks = figure.axes[0].get_xticklabels()
    assert {Path(str(t.get_fontproperties().get_file())).stem for t in ticks} == {"DejaVuSans"}
    assert any("□" in t.get_text() for t in ticks) == (labels != HOSTILE)


def test_dollar_signs_are_no_formulas() -> None:
    (axes,) = drawn("confusion", confused([[1, 0], [0, 1]], ["$x$", "$\\frac{1"])).axes
    assert names(axes, "x") == ["$x$", "$\\frac{1"]
    assert not any(tick.get_parse_math() for tick in axes.get_xticklabels())


def test_matplotlib_loads_with_the_first_picture_and_pyplot_never() -> None:
    program = """
import sys
from triptych.report.plots import plot_png
import triptych.report.training
assert "matplotlib" not in sys.modules
bars = {"all": 0.5, "without": {"image": 0.4}}
assert plot_png("ablation", {"ablation": bars})
assert "matplotlib.pyplot" not in sys.modules
import matplotlib
with matplotlib.rc_context():
    before = dict(matplotlib.rcParams)
    plot_png("ablation", {"ablation": bars}, dark=True)
    assert before == dict(matplotlib.rcParams)
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_a_machine_without_matplotlib_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert installed()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert not installed()
