"""MODALITIES -> ONE TIMELINE.

    timeline = align(tracks, start_s=0.0, end_s=12.5)
    timeline.values["image"][3], timeline.present["text"][3]

Each extractor keeps its own clock; here they meet. What is absent is masked, never invented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triptych.fuse.timeline import align

__all__ = ["align"]


def __getattr__(name: str) -> Any:
    if name == "align":  # numpy loads when there is something to align
        from triptych.fuse.timeline import align

        return align
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
