"""FIGURES -> PICTURES: what is confused, how far confidence can be trusted, how training went.

Matplotlib is an extra (`plots`) and loads when the first picture is drawn. A picture fits a light
or a dark page.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.cells import cell_len

from triptych.report.canvas import (
    DARK,
    LIGHT,
    Palette,
    figure_of,
    frame,
    round_ticks,
    set_fonts,
    short,
    ticks,
)
from triptych.report.findings import (
    Metrics,
    ablation,
    head,
    is_share,
    labels_of,
    lower_is_better,
    number,
    shown,
    title_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["DPI", "PLOTS", "installed", "plot", "plot_png"]

DPI = 160
_MOST_LABELS = 30  # of a confusion matrix that can still be read


def installed() -> bool:
    """Whether pictures can be drawn on this machine."""
    return importlib.util.find_spec("matplotlib") is not None


def plot(name: str, metrics: Metrics, *, dark: bool = False) -> Figure | None:
    """One of `PLOTS` as a figure, or nothing where the metrics have nothing to show in it.

    Raises:
        ImportError: matplotlib is not installed.
    """
    figure = PLOTS[name](metrics, DARK if dark else LIGHT)
    if figure is not None:
        set_fonts(figure)
    return figure


def plot_png(name: str, metrics: Metrics, *, dark: bool = False) -> bytes | None:
    """`plot` as the bytes of a PNG file, the same for the same figures."""
    figure = plot(name, metrics, dark=dark)
    if figure is None:
        return None
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


# Training


def _curves(metrics: Metrics, colors: Palette) -> Figure | None:
    members: dict[int, dict[int, Mapping[str, Any]]] = {}
    for row in metrics.get("history") or ():
        members.setdefault(int(row["member"]), {})[int(row["epoch"])] = row
    panels = [
        ("Loss", {"train_loss": "training", "valid_loss": "validation"}),
        ("Score", {"train_score": "training", "valid_score": "validation"}),
    ]
    if metrics.get("task") == "regression":
        del panels[1]  # its score is the loss once more
    shown_panels = [
        (title, series)
        for title, names in panels
        if (series := {said: _lines(members, key) for key, said in names.items()})
        and any(series.values())
    ]
    if not shown_panels:
        return None
    figure = figure_of(7.5, 3.6, colors)
    for axes, (title, series) in zip(
        figure.subplots(1, len(shown_panels), squeeze=False)[0], shown_panels, strict=True
    ):
        frame(axes, colors)
        for said, paint in (("training", colors.faint), ("validation", colors.accent)):
            _draw_lines(axes, series[said], label=said, color=paint)
        axes.set_title(title, loc="left", color=colors.ink, fontsize=11, pad=10)
        axes.set_xlabel("epoch", color=colors.faint, fontsize=9.5)
        last = max(epoch for lines in series.values() for line in lines for epoch in line)
        ticks(axes, x=round_ticks(1, last, whole=True))
        ticks(axes, y=round_ticks(*axes.get_ylim()))
        axes.legend(frameon=False, labelcolor=colors.faint, fontsize=9.5, handlelength=1.4)
    return figure


def _lines(
    members: Mapping[int, Mapping[int, Mapping[str, Any]]], key: str
) -> list[dict[int, float]]:
    """Epoch -> value of each member that has any."""
    lines = [
        {
            epoch: value
            for epoch, row in sorted(rows.items())
            if (value := number(row.get(key))) is not None
        }
        for _, rows in sorted(members.items())
    ]
    return [line for line in lines if line]


def _draw_lines(axes: Axes, lines: Sequence[dict[int, float]], *, label: str, color: str) -> None:
    if not lines:
        return
    if len(lines) > 1:
        for line in lines:
            axes.plot(list(line), list(line.values()), color=color, linewidth=0.8, alpha=0.4)
    # Members stop at epochs of their own; a mean of the few last ones would jump.
    counts = {e: sum(e in line for line in lines) for line in lines for e in line}
    epochs = sorted(e for e, n in counts.items() if n * 2 >= len(lines))
    means = [float(np.mean([line[e] for line in lines if e in line])) for e in epochs]
    dot = "o" if len(epochs) == 1 else ""
    axes.plot(epochs, means, color=color, linewidth=2, label=label, marker=dot)


# Confusion


def _confusion(metrics: Metrics, colors: Palette) -> Figure | None:
    best, labels = head(metrics), labels_of(metrics)
    matrix = np.asarray((best and best.result.get("confusion")) or [], np.float64)
    if not labels or matrix.shape != (len(labels), len(labels)) or not matrix.any():
        return None
    support = matrix.sum(axis=1)
    share = matrix / np.maximum(support, 1)[:, None]
    kept = np.sort(np.argsort(-support, kind="stable")[:_MOST_LABELS])
    many = len(kept) < len(labels)
    size = 10.0 if len(kept) <= 12 else 8.5
    columns = [short(labels[i]) for i in kept]
    rows = [f"{name}  ({support[i]:.0f})" for i, name in zip(kept, columns, strict=True)]
    side = min(8.6, max(2.6, 0.46 * len(kept)))
    beside, below = (max(map(cell_len, names)) * size * 0.0078 for names in (rows, columns))
    slanted = below > 0.9 * side / len(kept)
    below = 0.75 * below if slanted else 0.2
    figure = figure_of(side + beside + 0.75, side + below + 0.75 + 0.3 * many, colors)
    axes = figure.subplots()
    frame(axes, colors, grid="")
    axes.imshow(_painted(share[np.ix_(kept, kept)], colors), interpolation="nearest")
    for k in range(len(kept) + 1):
        axes.axhline(k - 0.5, color=colors.panel, linewidth=1.4)
        axes.axvline(k - 0.5, color=colors.panel, linewidth=1.4)
    ticks(axes, x=dict(enumerate(columns)), y=dict(enumerate(rows)))
    axes.tick_params(labelsize=size, colors=colors.ink)
    for tick in axes.get_xticklabels() if slanted else ():
        tick.set(rotation=45, ha="right", va="top", rotation_mode="anchor")
    style: dict[str, Any] = {"color": colors.faint, "fontsize": 10}
    axes.set_xlabel("the model says", labelpad=8, **style)
    axes.set_ylabel("it is", labelpad=8, **style)
    if many:
        axes.set_title(f"The {len(kept)} commonest of {len(labels)} labels", loc="left", **style)
    else:
        _write_counts(axes, matrix, share, colors)
    return figure


def _painted(share: np.ndarray[Any, Any], colors: Palette) -> np.ndarray[Any, Any]:
    """Right answers in one colour, mistakes in another, (rows, columns, 3)."""
    from matplotlib.colors import to_rgb

    panel, line = np.array(to_rgb(colors.panel)), np.array(to_rgb(colors.line))
    empty = panel + 0.45 * (line - panel)
    right = np.eye(len(share), dtype=bool)[..., None]
    paint = np.where(right, to_rgb(colors.image), to_rgb(colors.accent))
    # The root lets a few mistakes among many show.
    return empty + np.sqrt(share)[..., None] * (paint - empty)


def _write_counts(
    axes: Axes, matrix: np.ndarray[Any, Any], share: np.ndarray[Any, Any], colors: Palette
) -> None:
    luminance = _painted(share, colors) @ (0.299, 0.587, 0.114)
    size = 10.5 if len(matrix) <= 12 else 8 if len(matrix) <= 20 else 6.5
    for r, c in zip(*np.nonzero(matrix), strict=True):
        paint = "#15171b" if luminance[r, c] > 0.55 else "#ffffff"
        style: dict[str, Any] = {"fontsize": size, "color": paint, "ha": "center"}
        axes.text(c, r, f"{matrix[r, c]:.0f}", va="center_baseline", **style)


# Confidence


def _reliability(metrics: Metrics, colors: Palette) -> Figure | None:
    best = head(metrics)
    bins = [
        (said, right, count)
        for row in (best.result.get("reliability") or () if best else ())
        if (said := number(row.get("confidence"))) is not None
        and (right := number(row.get("accuracy"))) is not None
        and (count := number(row.get("count")))
    ]
    if not bins:
        return None
    said, right, count = np.array(sorted(bins)).T
    figure = figure_of(7.5, 5.6, colors)
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    style: dict[str, Any] = {"color": colors.faint, "fontsize": 10}
    for axes in (top, below):
        frame(axes, colors)
        axes.set_xlim(-0.02, 1.02)
    top.spines["bottom"].set_visible(False)
    top.set_ylim(-0.02, 1.04)
    ideal: dict[str, Any] = {"linestyle": (0, (4, 4)), "label": "exactly as right as sure"}
    top.plot([0, 1], [0, 1], color=colors.faint, linewidth=1, **ideal)
    low, high = _wilson(right, count)
    interval: dict[str, Any] = {"linewidth": 6, "alpha": 0.28, "label": "95% interval"}
    top.vlines(said, low, high, color=colors.accent, **interval)
    top.plot(said, right, color=colors.accent, linewidth=1, alpha=0.7)
    top.plot(said, right, color=colors.accent, linewidth=0, marker="o", label="measured")
    above: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 3}
    top.legend(frameon=False, labelcolor=colors.faint, fontsize=9.5, **above)
    percents = {v / 100: f"{v}%" for v in range(0, 101, 20)}
    ticks(top, y=percents)
    gap = float(np.diff(said).min()) if len(said) > 1 else 0.08
    below.bar(said, count, width=min(0.08, max(0.012, gap * 0.9)), color=colors.faint, alpha=0.55)
    highest = float(count.max())
    ticks(below, x=percents, y=round_ticks(0, highest * 1.15, most=3, whole=True))
    # Of several labels, each one of each video is an answer.
    several = metrics.get("task") == "multi"
    top.set_ylabel("how often it is right", **style)
    below.set_ylabel("answers" if several else "videos", **style)
    below.set_xlabel(f"how sure the model is{' of a label' if several else ''}", **style)
    return figure


def _wilson(share: np.ndarray[Any, Any], count: np.ndarray[Any, Any]) -> tuple[Any, Any]:
    """95 % interval of a share that was counted; sound for a handful of videos too."""
    z2 = 1.96**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = 1.96 * np.sqrt(share * (1 - share) / count + z2 / (4 * count**2)) / (1 + z2 / count)
    return middle - half, middle + half


# Evidence


def _ablation(metrics: Metrics, colors: Palette) -> Figure | None:
    found = ablation(metrics)
    if found is None:
        return None
    key, whole = found["metric"], found["all"]
    rows = found["rows"][::-1]
    values = [v for row in rows for v in (*row[1:], whole) if v is not None]
    if not values:
        return None
    low, high = min(0.0, *values), 1.0 if is_share(key) else max(0.0, *values) * 1.1 or 1.0
    figure = figure_of(7.5, 1.15 + 0.8 * len(rows), colors)
    axes = figure.subplots()
    frame(axes, colors, grid="x")
    names: dict[float, str] = {}
    for y, (name, without, alone) in enumerate(rows):
        bars = ((alone, y + 0.18, 1.0, "{} alone"), (without, y - 0.18, 0.4, "without {}"))
        for value, at, alpha, said in bars:
            if value is None:
                continue
            names[at] = said.format(short(name))
            axes.barh(at, value, height=0.3, color=colors.of(name), alpha=alpha)
            figures: dict[str, Any] = {"fontsize": 10, "ha": "right", "va": "center_baseline"}
            axes.text(high * 1.12, at, shown(key, value), color=colors.ink, **figures)
    style: dict[str, Any] = {"color": colors.ink, "fontsize": 10}
    if whole is not None:
        axes.axvline(whole, ymax=0.985, color=colors.ink, linewidth=1.3)
        axes.text(whole, len(rows) - 0.42, f"all {shown(key, whole)}", ha="center", **style)
    axes.set_xlim(low, high * 1.12)
    axes.set_ylim(-0.55, len(rows) - 0.45)
    ticks(axes, x=round_ticks(low, high, share=is_share(key)), y=names)
    axes.tick_params(axis="y", labelsize=10, colors=colors.ink)
    on = f" on {found['split']}" if found["split"] else ""
    note = " (lower is better)" if lower_is_better(key) else ""
    axes.set_xlabel(f"{title_of(key)}{on}{note}", color=colors.faint, fontsize=10)
    return figure


#: Name -> what draws it, in the order to show.
PLOTS: dict[str, Callable[[Metrics, Palette], Figure | None]] = {
    "confusion": _confusion,
    "reliability": _reliability,
    "ablation": _ablation,
    "curves": _curves,
}
