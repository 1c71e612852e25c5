"""MEDIA -> EMBEDDINGS.

    with open_media("talk.mp4") as media:
        tracks = extract(media, ["image", "audio"], fps=2.0)

Every extractor is a coroutine over the records of one decode, found by name in a registry;
each track knows when each of its rows holds, and exactly what made it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from triptych.extract.registry import extractor_names, register
from triptych.extract.unreported import forbid_reports

if TYPE_CHECKING:
    from triptych.extract.drive import extract

__all__ = ["extract", "extractor_names", "register"]

forbid_reports()


def __getattr__(name: str) -> Any:
    if name == "extract":  # av and numpy load when a file is opened
        from triptych.extract.drive import extract

        return extract
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
