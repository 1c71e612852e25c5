"""LABELLED TIMELINES -> MODEL.

    train, test = hold_out(labels, groups, share=0.2, seed=0)
    pairs = near_duplicates(embeddings, apart=split_names)
    if pairs:
        log.warning(duplicates_warning(pairs, names=video_names, apart=split_names))

A figure is honest when it was measured on videos that the model could not know. So videos of one
group (one source, one person, one film) are never split, and videos that look nearly the same on
both sides of a split are named. What is learned from them is a folder that `run --model` reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triptych.learn.duplicates import duplicates_warning, near_duplicates
    from triptych.learn.splits import grouped_folds, hold_out, labels_of_one_group

__all__ = [
    "duplicates_warning",
    "grouped_folds",
    "hold_out",
    "labels_of_one_group",
    "near_duplicates",
]

_HOMES = {
    "duplicates_warning": "duplicates",
    "grouped_folds": "splits",
    "hold_out": "splits",
    "labels_of_one_group": "splits",
    "near_duplicates": "duplicates",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        value = globals()[name] = getattr(import_module(f"triptych.learn.{_HOMES[name]}"), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
