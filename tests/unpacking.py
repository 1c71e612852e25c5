"""What `triptych decode` writes of one film, in this process."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

from triptych.config import Config
from triptych.inputs import find_sources
from triptych.unpack import Wishes
from triptych.unpack.place import MEDIA
from triptych.unpack.work import unpack_one

Row = dict[str, Any]


def unpacked(path: Path, place: Path, **wishes: Any) -> Row:
    """The row of one film, and its files in `place`."""
    (out := place.parent / "scratch").mkdir(parents=True, exist_ok=True)
    (source,) = find_sources([path], out=out)
    row = {"path": str(path), "relative": path.name, "folder": str(place), "state": "", "stage": ""}
    row = unpack_one(
        source=source,
        row=row,
        config=Config(),
        out=out,
        wishes=Wishes(**wishes),
        news=out / "news",
    )
    assert not os.listdir(out), "something half done is left"
    return row


def told(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / MEDIA).read_text(encoding="utf-8"))
    return found


def table(place: Path) -> list[dict[str, str]]:
    with (place / "frames.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
