"""METRICS -> WHAT IS SHOWN: the content that a model's card and its page have in common.

Everything is written out here, figures and all, so that the two templates cannot differ in what
they say; each escapes it in its own way.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from triptych.amounts import counted
from triptych.report.findings import (
    MAIN,
    Measure,
    Metrics,
    Split,
    ablation,
    called,
    common_label,
    flat,
    head,
    is_share,
    label_rows,
    lower_is_better,
    number,
    part,
    quoted,
    shown,
    splits,
    title_of,
)
from triptych.report.limits import facts, lede, limits
from triptych.report.text import one_line

__all__ = ["card_values"]

_TILES = 4
#: Metric -> what hubs call it.
_HUB = {
    "accuracy": "accuracy",
    "macro_f1": "f1",
    "mae": "mae",
    "pearson": "pearsonr",
    "r2": "r_squared",
}


def card_values(metrics: Metrics, name: str) -> dict[str, Any]:
    """What the templates `model.md.j2` and `model.html.j2` show of a model called `name`."""
    best, measured = head(metrics), splits(metrics)
    importance = metrics.get("task") == "importance"
    model = shlex.quote(name) if "`" not in name else "MODEL"
    return {
        "title": name,
        "lede": lede(metrics),
        "facts": facts(metrics),
        "limits": limits(metrics),
        "warnings": [one_line(str(warning)) for warning in metrics.get("warnings") or ()],
        "usage": [
            f"triptych run VIDEOS --model {model} -o OUT",
            f"triptych evaluate {model} {'ANNOTATIONS' if importance else 'DATASET'}",
        ],
        "task": str(metrics.get("task") or "single"),
        "split": best.name if best else "",
        "source": one_line(str(part(metrics, "data").get("source") or "")),
        "kinds": sorted({str(f.get("modality") or "") for f in _features(metrics).values()} - {""}),
        "tiles": _tiles(metrics, measured),
        "measured": [(split.name, counted(split.videos, "video")) for split in measured],
        "results": _results(measured),
        "hub": _hub(best),
        "labels": _labels(metrics),
        "calibration": _calibration(metrics),
        "ablation": _ablation(metrics),
        "data": _data(metrics),
        "features": [
            (
                one_line(str(track)),
                one_line(str(f.get("modality") or "–")),
                str(f.get("dim") or "–"),
            )
            for track, f in _features(metrics).items()
        ],
        "recipe": _recipe(metrics),
    }


def _features(metrics: Metrics) -> dict[str, Metrics]:
    features = part(metrics, "features")
    return {str(track): part(features, track) for track in features}


def _bar(measure: Measure, measured: Sequence[Split]) -> dict[str, float] | None:
    """Where an interval bar begins, how long it is and where its value stands, in per cent."""
    if measure.value is None or (measure.low is None and not is_share(measure.key)):
        return None
    twins = [m for s in measured if (m := s.measures.get(measure.key)) and m.value is not None]
    ends = [v for m in twins for v in (m.value, m.high, m.low) if v is not None]
    if min(ends) < 0:
        return None
    full = 1.0 if is_share(measure.key) or max(ends) <= 1 < max(ends) * 2 else max(ends) * 1.15
    low = measure.value if measure.low is None else measure.low
    high = measure.value if measure.high is None else measure.high
    left, at, right = (round(100 * v / (full or 1.0), 2) for v in (low, measure.value, high))
    return {"left": left, "width": round(right - left, 2), "at": at}


def _tiles(metrics: Metrics, measured: Sequence[Split]) -> list[dict[str, Any]]:
    if not measured or measured[0].main is None:
        return []
    best, main = measured[0], measured[0].main
    guess = common_label(best) if metrics.get("task") != "multi" else None
    order = MAIN.get(str(metrics.get("task")), MAIN["single"])
    keys = [key for key in dict.fromkeys((*order, *best.measures)) if key != main.key]
    others = [m for key in keys if (m := best.measures.get(key)) and m.value is not None]
    tiles = []
    for measure in [main, *others][:_TILES]:
        blind = guess if guess and measure.key == "accuracy" else None
        tiles.append(
            {
                "title": title_of(measure.key),
                "value": shown(measure.key, measure.value),
                "interval": measure.interval,
                "bar": _bar(measure, measured),
                "guess": round(100 * blind[1], 2) if blind else None,
                "note": f"always {quoted(blind[0])}: {shown('accuracy', blind[1])}"
                if blind
                else "lower is better"
                if lower_is_better(measure.key)
                else "",
            }
        )
    return tiles


def _results(measured: Sequence[Split]) -> list[dict[str, Any]]:
    keys = dict.fromkeys(key for split in measured for key in split.measures)
    return [
        {
            "title": title_of(key) + (" (lower is better)" if lower_is_better(key) else ""),
            "cells": [
                {
                    "value": shown(key, measure.value),
                    "interval": measure.interval,
                    "bar": _bar(measure, measured),
                }
                if (measure := split.measures.get(key))
                else {"value": "–", "interval": "", "bar": None}
                for split in measured
            ],
        }
        for key in keys
    ]


def _hub(best: Split | None) -> list[tuple[str, str, float]]:
    """(hub's name, our name, value) of the figures that hubs know."""
    return [
        (_HUB[key], title_of(key), round(measure.value, 4))
        for key, measure in (best.measures.items() if best else ())
        if key in _HUB and measure.value is not None
    ]


def _labels(metrics: Metrics) -> dict[str, Any]:
    rows = label_rows(metrics)
    names = dict.fromkeys(name for row in rows for name in row["counts"])
    return {
        "splits": [called(name) for name in names],
        "thresholds": any(row["threshold"] is not None for row in rows),
        "measured": any(row["f1"] is not None for row in rows),
        "rows": [
            {
                "name": row["name"],
                "counts": [row["counts"].get(name, 0) for name in names],
                "figures": [(shown("f1", row[k]), row[k]) for k in ("precision", "recall", "f1")],
                "threshold": shown("", row["threshold"]),
            }
            for row in rows
        ],
    }


def _calibration(metrics: Metrics) -> list[tuple[str, str]]:
    found = part(metrics, "calibration")
    rows = [
        ("Temperature", shown("", number(found.get("temperature")))),
        ("Calibration error before", shown("ece", number(found.get("ece_before")))),
        ("Calibration error after", shown("ece", number(found.get("ece_after")))),
    ]
    return [row for row in rows if row[1] != "–"]


def _ablation(metrics: Metrics) -> dict[str, Any] | None:
    found = ablation(metrics)
    if found is None:
        return None
    key = found["metric"]
    return {
        "title": title_of(key),
        "split": found["split"],
        "all": shown(key, found["all"]),
        "rows": [
            (one_line(name), shown(key, alone), shown(key, without))
            for name, without, alone in found["rows"]
        ],
    }


def _data(metrics: Metrics) -> list[tuple[str, str]]:
    data = part(metrics, "data")
    rows = [
        ("Source", one_line(str(data.get("source") or "–"))),
        ("Videos found", str(data.get("videos", "–"))),
        ("Used", str(data.get("used", "–"))),
        ("Could not be used", str(data.get("failed", "–"))),
        ("Groups, never split", str(data.get("groups", "–"))),
    ]
    rows += [
        (f"For {called(str(name))}", str(count)) for name, count in part(data, "splits").items()
    ]
    return [(one_line(a), one_line(b)) for a, b in rows if b != "–"]


def _recipe(metrics: Metrics) -> list[tuple[str, str]]:
    training = dict(part(metrics, "training"))
    recipe = training.pop("recipe", None)
    return [
        *((k, v) for k, v in flat(part(metrics, "model"), "model.")),
        *((k, v) for k, v in flat(training)),
        *flat(recipe if isinstance(recipe, Mapping) else {}),
    ]
