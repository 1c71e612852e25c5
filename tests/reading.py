"""Reading a film as a run does."""

from __future__ import annotations

from pathlib import Path

from triptych.decode import open_media
from triptych.records import MediaInfo


def read_all(path: Path) -> MediaInfo:
    """Everything a run would read."""
    with open_media(path) as media:
        for _ in media.stream(fps=5.0):
            pass
        return media.info
