"""Videos whose moments people judged -> a model of what matters, and all figures about it.

Members, folds and the test are those of `triptych.learn.fit`. What is learned is the importance
of each step; judged is how it ranks the steps of videos that were not learned from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from triptych.config import TrainConfig
from triptych.errors import UsageError
from triptych.fuse.sample import example_of
from triptych.learn.agreement import (
    MEASURES,
    Annotation,
    agreement,
    people_among_themselves,
    wanted,
)
from triptych.learn.dataset import Item
from triptych.learn.fit import Fitted, best_epoch, exchange_of, recipe_for, split_of, tracks_of
from triptych.learn.members import Plan, train_members
from triptych.learn.splits import Indices
from triptych.records import Floats, Sample, Times
from triptych_models.batches import Example
from triptych_models.checkpoint import TrainedModel
from triptych_models.intervals import draws, interval
from triptych_models.losses import FITTING

__all__ = ["Judged", "fit_importance", "judged", "means_of"]

_ABLATED = "spearman"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """A video with the steps that a model reads, and what people said of it."""

    example: Example  #: with `importance`
    begins: Times  #: (T,) of the steps, in seconds from the start of the film
    ends: Times  #: (T,)
    people: Annotation  #: in seconds

    def measured(self, scores: Floats) -> dict[str, float]:
        """How far scores of the steps agree with people."""
        return agreement(self.people, begins=self.begins, ends=self.ends, scores=scores)


def judged(item: Item, sample: Sample) -> Judged | None:
    """A video to learn from, or None where people tell none of its moments from another."""
    assert item.people is not None
    timeline = sample.timeline
    # A window's times count from the start of the film, as those of the annotation do.
    shift = (item.source.start_s or 0.0) - float(timeline.start_s[0])
    begins, ends = timeline.start_s + shift, timeline.end_s + shift
    people = item.people.timed(float(ends[-1]))
    importance = wanted(people, begins=begins, ends=ends)
    if importance is None:
        return None
    example = replace(example_of(sample, name=str(item.source.path)), importance=importance)
    return Judged(example=example, begins=begins, ends=ends, people=people)


def fit_importance(
    videos: Sequence[Judged],
    *,
    groups: Sequence[Any],
    splits: Sequence[str],
    modalities: Mapping[str, str],
    options: TrainConfig,
    name: str = "model",
    features: Mapping[str, Any] | None = None,
    work: Path | None = None,
    workers: int = 1,
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
) -> Fitted:
    """Train a model of importance and judge it; arguments as of `triptych.learn.fit.fit_model`.

    Raises:
        UsageError: too few videos or groups, no such model type, a loss for other tasks.
    """
    began = time.monotonic()
    if options.loss not in ("auto", *FITTING["importance"]):
        other = " or ".join(FITTING["importance"])
        raise UsageError(f"the loss {options.loss} is not for importance", remedy=f"try {other}")
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
    examples = [video.example for video in videos]
    tracks = tracks_of(examples, modalities)
    whose = np.asarray(groups)
    train, test, folds = split_of(np.zeros(len(videos)), whose, splits, options)
    plan = Plan(
        model_type=options.model_type,
        task="importance",
        tracks=tracks,
        outputs=1,
        options=exchange_of(options, videos=len(folds[0][0])),
        # A step of another video would have to be as important as the one whose place it takes.
        recipe=replace(recipe_for(options, videos=len(folds[0][0])), swap_noise=0.0),
        folds=folds,
    )
    trained = train_members(plan, examples, work=work, workers=workers, on_epoch=on_epoch)
    histories = [rows for _, rows in trained]
    model = TrainedModel(
        name=name,
        model_type=options.model_type,
        task="importance",
        labels=(),
        tracks={t: v for t, v in tracks.items() if t in trained[0][0].tracks},  # type: ignore[operator]
        members=[member for member, _ in trained],
        features=features or {},
        options=plan.options,
    )
    judge = _Judge(model, videos, whose, folds, test)
    metrics = {
        "task": "importance",
        "labels": [],
        "data": {
            "videos": len(videos),
            "groups": len(set(whose.tolist())),
            "splits": {"train": len(train), "test": len(test)},
            "by_label": {},
        },
        "features": dict(model.tracks),
        "model": {"type": model.model_type, "parameters": model.parameters, "members": len(folds)},
        "training": {
            "epochs": [best_epoch(rows) for rows in histories],
            "seconds": round(time.monotonic() - began, 3),
            "recipe": asdict(plan.recipe),
            "seed": options.seed,
        },
        "history": [row for rows in histories for row in rows],
        "splits": judge.results(seed=options.seed),
        "calibration": None,
        "modality_weights": None,
        "thresholds": None,
        "people": judge.people(),
        "ablation": judge.ablation(),
    }
    return Fitted(model=model, metrics=metrics)


def means_of(
    rows: Sequence[Mapping[str, float]],
    *,
    groups: Sequence[Any] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Means over videos with their 95 % intervals, as a RESULT: `videos`, `metrics`, `intervals`.

    Args:
        rows: measure -> value of each video, NaN where it cannot be told.
        groups: of each; whole groups are drawn.
        resamples: how many.
        seed: the same gives the same.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = np.array([[row.get(name, np.nan) for name in names] for row in rows], np.float64)
    table = table.reshape(len(rows), len(names))
    known = ~np.isnan(table)
    filled = np.where(known, table, 0.0)

    def means(weights: Any) -> Any:
        held = weights @ known
        return np.divide(weights @ filled, held, out=np.full(held.shape, np.nan), where=held > 0)

    whole = means(np.ones((1, len(rows))))[0] if rows else np.full(len(names), np.nan)
    drawn = [means(w) for w in draws(len(rows), groups=groups, resamples=resamples, seed=seed)]
    between = np.concatenate(drawn) if drawn else np.zeros((0, len(names)))
    intervals = {n: found for i, n in enumerate(names) if (found := interval(between[:, i]))}
    return {
        "videos": len(rows),
        "metrics": {n: float(v) for n, v in zip(names, whole, strict=True)},
        "intervals": {n: [*found] for n, found in intervals.items()},
    }


class _Judge:
    """Scores of held-back videos, with all modalities and without some."""

    def __init__(
        self,
        model: TrainedModel,
        videos: Sequence[Judged],
        groups: Any,
        folds: Sequence[tuple[Indices, Indices]],
        test: Indices,
    ) -> None:
        self.model, self.videos, self.groups, self.test = model, videos, groups, test
        self.alone = {
            int(i): replace(model, members=[member])
            for member, (_, check) in zip(model.members, folds, strict=True)
            for i in check
        }

    def results(self, *, seed: int) -> dict[str, Any]:
        """RESULT of each split, see docs/schema.md."""
        found = {}
        for name, index in (("validation", [*self.alone]), ("test", self.test.tolist())):
            if index:
                rows = [self._measured(i, self._by(name, i)) for i in index]
                found[name] = means_of(rows, groups=self.groups[index].tolist(), seed=seed)
        return found

    def _by(self, split: str, i: int) -> TrainedModel:
        """Who may judge a video: of validation videos the member that did not learn from it."""
        return self.model if split == "test" else self.alone[i]

    def _measured(
        self, i: int, model: TrainedModel, hidden: Sequence[str] = ()
    ) -> dict[str, float]:
        video = self.videos[i]
        return video.measured(model.explain(video.example.without(hidden)).importance)

    def people(self) -> dict[str, float]:
        """How far people agree among themselves; empty where each video had one."""
        rows = [
            people_among_themselves(v.people, duration_s=float(v.ends[-1] - v.begins[0]))
            for v in self.videos
        ]
        told = [row for row in rows if row]
        found: dict[str, float] = means_of(told, resamples=0)["metrics"]
        return {name: found[name] for name in MEASURES if name in found}

    def ablation(self) -> dict[str, Any] | None:
        """What each modality is worth: the figure without it, and with it alone."""
        kinds = {t: str(v["modality"]) for t, v in self.model.tracks.items()}
        present = sorted(set(kinds.values()))
        if len(present) < 2:
            return None
        split = "test" if len(self.test) else "validation"
        index = self.test.tolist() or [*self.alone]

        def figure(hidden: Sequence[str]) -> float | None:
            gone = [t for t, modality in kinds.items() if modality in hidden]
            rows = [self._measured(i, self._by(split, i), gone) for i in index]
            value: float = means_of(rows, resamples=0)["metrics"][_ABLATED]
            return None if np.isnan(value) else value

        return {
            "metric": _ABLATED,
            "split": split,
            "all": figure([]),
            "without": {m: figure([m]) for m in present},
            "alone": {m: figure([o for o in present if o != m]) for m in present},
        }
