"""Triptych turns folders of video into labels, summaries and a searchable timeline.

    import triptych

    analysis = triptych.analyze("talk.mp4")
    analysis.prediction.ranked[0].label, analysis.summary.segments

    triptych.run(["videos/"], "out/")          # the whole folder, as the command does
    triptych.train(["labelled/"], "model/")    # learn from it; then `predict.model` uses it
    triptych.evaluate("model/", ["others/"])

Everything is imported when first used; `import triptych` itself is free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triptych.config import Config, load_config
    from triptych.decode import open_media
    from triptych.errors import TriptychError
    from triptych.evaluator import evaluate
    from triptych.features import FeatureStore
    from triptych.people import evaluate_summaries
    from triptych.records import Analysis
    from triptych.runner import run
    from triptych.trainer import train
    from triptych.video import analyze

__version__ = "0.1.0"

__all__ = [
    "Analysis",
    "Config",
    "FeatureStore",
    "TriptychError",
    "__version__",
    "analyze",
    "evaluate",
    "evaluate_summaries",
    "load_config",
    "open_media",
    "run",
    "train",
]

_HOMES = {
    "Analysis": "triptych.records",
    "Config": "triptych.config",
    "FeatureStore": "triptych.features",
    "TriptychError": "triptych.errors",
    "analyze": "triptych.video",
    "evaluate": "triptych.evaluator",
    "evaluate_summaries": "triptych.people",
    "load_config": "triptych.config",
    "open_media": "triptych.decode",
    "run": "triptych.runner",
    "train": "triptych.trainer",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        # Kept, because importing a submodule of the same name would hide the function.
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
