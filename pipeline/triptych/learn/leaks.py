"""Which videos are tested on, and what would make that test look better than the model is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from triptych.amounts import counted
from triptych.config import TrainConfig
from triptych.learn.dataset import Dataset, listed, target_of
from triptych.learn.duplicates import duplicates_warning, near_duplicates
from triptych.learn.splits import labels_of_one_group, with_test
from triptych.records import Floats, Sample

__all__ = ["leaks", "split_names"]


def split_names(dataset: Dataset, groups: Sequence[str], *, options: TrainConfig) -> list[str]:
    """The split of each video: as it was given, or with some held out to test on.

    Args:
        dataset: the videos.
        groups: of each; a group is never parted.
        options: how many to hold out, and the seed.
    """
    given: list[str] = [item.split or "train" for item in dataset.items]
    share, seed = options.test_share, options.seed
    return with_test(given, _truth(dataset), groups, share=share, seed=seed)


def leaks(
    dataset: Dataset,
    samples: Sequence[Sample],
    *,
    digests: Sequence[str],
    groups: Sequence[str],
    splits: Sequence[str],
) -> list[str]:
    """Warnings for the user; none when all is well.

    Args:
        dataset: the videos.
        samples: of each.
        digests: sha256 of each one's content.
        groups: of each.
        splits: of each.
    """
    items = dataset.items
    warnings = []
    if torn := _torn([i.group or i.source.path.name for i in items], groups, splits):
        warnings.append(
            f"{counted(len(torn), 'group is', 'groups are')} in several splits, so what is tested is partly known: "
            f"{listed(torn)}"
        )
    if dataset.task != "importance" and (twice := _labelled_twice(dataset, digests)):
        warnings.append(f"the same content has different labels: {listed(twice)}")
    if any(item.group for item in items):
        alone = [dataset.labels[i] for i in labels_of_one_group(_truth(dataset), groups)]
        if alone:
            warnings.append(
                f"labels of one group only, which cannot be both learned and tested: "
                f"{listed(alone)}"
            )
    names = [str(item.source.relative) for item in items]
    vectors = _pictured(samples)
    across = near_duplicates(vectors, apart=list(splits))
    warnings.append(duplicates_warning(across, names=names, apart=splits))
    # Members are checked on parts of the training videos, which groups keep apart.
    within = [
        pair
        for pair in near_duplicates(vectors, apart=list(groups))
        if splits[pair.first] == splits[pair.second] == "train"
    ]
    shown = [item.group or "no group" for item in items]
    warnings.append(duplicates_warning(within, names=names, apart=shown))
    return [warning for warning in warnings if warning]


def _truth(dataset: Dataset) -> npt.NDArray[Any]:
    """Targets: (N,) indices or numbers, or (N, L) of 0 and 1."""
    labels = dataset.labels
    return np.array([target_of(item, labels, task=dataset.task) for item in dataset.items])


def _torn(names: Sequence[str], groups: Sequence[str], splits: Sequence[str]) -> list[str]:
    """Names of the groups that are in more than one split."""
    found: dict[str, set[str]] = {}
    for group, split in zip(groups, splits, strict=True):
        found.setdefault(group, set()).add(split)
    named = dict(zip(groups, names, strict=True))
    return sorted(named[group] for group, parts in found.items() if len(parts) > 1)


def _labelled_twice(dataset: Dataset, digests: Sequence[str]) -> list[str]:
    """Files whose content is there again with other labels."""
    known: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    found = []
    for item, digest in zip(dataset.items, digests, strict=True):
        key = (digest, item.source.start_s, item.source.end_s)
        truth = (sorted(item.labels), item.value)
        if known.setdefault(key, truth) != truth:
            found.append(str(item.source.relative))
    return found


def _pictured(samples: Sequence[Sample]) -> Floats:
    """Mean picture embedding of each video, (N, D); zeros where there are no pictures."""
    rows = []
    for sample in samples:
        values, present = sample.timeline.values, sample.timeline.present
        rows.append(values["image"][present["image"]].mean(axis=0) if "image" in values else None)
    width = next((len(row) for row in rows if row is not None), 1)
    return np.stack([np.zeros(width, np.float32) if row is None else row for row in rows])
