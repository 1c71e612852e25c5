"""TIMELINE -> LABELS AND SUMMARY.

    prediction = zero_shot(timeline, load_vocabulary("cat,dog,汽车"))
    summary = summarize(timeline, shots=shots, cues=cues, prediction=prediction, budget="30s")

Without a trained model labels are ranked by the evidence of all modalities in one sentence-
embedding space, and key moments are chosen without training; reports say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triptych.predict.classify import zero_shot
    from triptych.predict.summary import summarize
    from triptych.predict.vocabulary import load_vocabulary

__all__ = ["load_vocabulary", "summarize", "zero_shot"]

_HOMES = {"load_vocabulary": "vocabulary", "summarize": "summary", "zero_shot": "classify"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        value = globals()[name] = getattr(import_module(f"triptych.predict.{_HOMES[name]}"), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
