"""The command `triptych reel`: one reel of a whole folder."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

from triptych.config import Config, parse_budget
from triptych.errors import InputError, TriptychError, UsageError
from triptych.prepare import Listener

__all__ = ["folder_reel"]


def folder_reel(
    folder: Path, target: Path, *, length: str, config: Config, listener: Listener
) -> dict[str, Any]:
    """Write a reel of the best moments of a folder's videos, in folder order.

    Args:
        folder: results of `triptych run`, or videos; videos are analysed first, and nothing but
            their features is kept of that.
        target: the MP4 file to write.
        length: of the reel, at most: "60s", or a share of all videos such as "5%".
        config: for videos.
        listener: is told of each video that is analysed.

    Returns:
        `reel`, `seconds`, `videos`, `moments`, `sound_only`, and `left_out`: path and reason of
        each.

    Raises:
        InputError: there is no such folder.
        UsageError: there is nothing to show, or the file is no MP4 or one of the videos.
        OutputError: the reel cannot be written.
    """
    from triptych.report.montage import results_in

    if target.suffix.lower() != ".mp4":
        raise UsageError("the reel is an MP4 file", path=target, remedy="name it reel.mp4")
    parse_budget(length)
    if not folder.is_dir():
        raise InputError("no such folder", path=folder, remedy="check the name")
    if results_in(folder):
        return _reel(folder, target, length=length)
    from triptych import runner

    few = dataclasses.replace(config, report=dataclasses.replace(config.report, formats=()))
    with tempfile.TemporaryDirectory(prefix="triptych-") as scratch:
        runner.run([folder], scratch, config=few, listener=listener)
        return _reel(Path(scratch), target, length=length)


def _reel(results: Path, target: Path, *, length: str) -> dict[str, Any]:
    from triptych.report.montage import read_film, results_in, write_montage

    films, left_out = [], []
    for folder in results_in(results):
        try:
            films.append(read_film(folder))
        except TriptychError as err:
            left_out.append({"path": str(err.path or folder), "reason": err.message})
    kind, value = parse_budget(length)
    whole_s = sum(film.duration_s for film in films)
    made = write_montage(target, films, length_s=value * whole_s if kind == "share" else value)
    return {"reel": str(target), **made, "left_out": left_out}
