"""`triptych decode`: files and folders of films into folders of plain files."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from triptych.children import check_caller
from triptych.config import Config
from triptych.decode.sidecar import find_sidecars
from triptych.errors import InputError, OutputError, TriptychError, UsageError
from triptych.events import News
from triptych.features.keys import status_of
from triptych.inputs import Source, find_sources
from triptych.journal import Row, failure
from triptych.lock import held
from triptych.prepare import Listener, Silent
from triptych.tally import STATES
from triptych.unpack.place import PARTS, check_place, clear
from triptych.unpack.wishes import Wishes

__all__ = ["unpack"]


def unpack(
    inputs: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    wishes: Wishes | None = None,
    config: Config | None = None,
    listener: Listener | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write frames, spectrogram, sound and words of films as plain files.

    Args:
        inputs: see `triptych.inputs.find_sources`.
        out: a folder. The files of a single film stand in it, each of several has one in it.
        wishes: what is wanted; defaults to a frame a second, and everything else.
        config: its limits count, and how many workers there are.
        listener: is told of each film as it ends.
        overwrite: replace what an earlier command wrote there.

    Returns:
        `out`, `videos`, `states`, `seconds`, `media_seconds`, `failures` and `rows`, as `run`.

    Raises:
        InputError: an input does not exist, or there is nothing in it.
        OutputError: `out` cannot be written to.
        ResourceError: worker processes cannot be kept alive.
        UsageError: something would be lost in `out`, or is at work there; a manifest cannot be
            read; or a script calls this whenever it is imported.
    """
    check_caller()
    began, out, listener = time.monotonic(), Path(out), listener or Silent()
    sources = _sources(inputs, out)
    alone = _is_alone(inputs, sources)
    places = [out if alone else out / source.relative for source in sources]
    with _locked(out):
        rows: dict[str, Row] = {}
        pending = []
        listener.start(len(sources))
        read = _read_by(sources)
        for source, place in zip(sources, places, strict=True):
            row = _row(source, place)
            try:
                row["size"] = status_of(source.path).st_size
                check_place(place, overwrite=overwrite, inputs=read)
                pending.append((source, row))
            except TriptychError as err:
                if alone and isinstance(err, UsageError):
                    raise
                rows[row["relative"]] = failure(row | {"fresh": True}, err, stage="check")
                listener.finished(row)
        for row in _worked(pending, out, wishes=wishes, config=config, listener=listener):
            rows[row["relative"]] = row
    return _totals([rows[str(s.relative)] for s in sources], out, time.monotonic() - began)


def _sources(inputs: Sequence[str | os.PathLike[str]], out: Path) -> list[Source]:
    sources = find_sources(inputs, out=out)
    if not sources:
        raise InputError(
            "no file to decode: nothing in what was given could be a video or sound file",
            remedy="check the folders; hidden files, subtitles and the results are left out",
        )
    return sources


def _is_alone(inputs: Sequence[str | os.PathLike[str]], sources: Sequence[Source]) -> bool:
    """Whether one film was named, and nothing else: it needs no folder within the folder."""
    return len(inputs) == 1 and len(sources) == 1 and Path(inputs[0]) == sources[0].path


def _read_by(sources: Sequence[Source]) -> frozenset[str]:
    """Everything that is read, and must not be written."""
    found = set()
    for source in sources:
        found.add(os.path.realpath(source.path))
        with contextlib.suppress(TriptychError):  # its folder cannot be listed: it will be told
            found.update(os.path.realpath(path) for path in find_sidecars(source.path))
    return frozenset(found)


def _row(source: Source, place: Path) -> Row:
    return {
        "path": str(source.path),
        "state": "",
        "stage": "",
        "error": "",
        "remedy": "",
        "relative": str(source.relative),
        "folder": str(place),
        "attempt": 1,
        **dict(source.extra),
    }


@contextlib.contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Be the only one at work in a folder, which is gone again if nothing came into it."""
    new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise OutputError(
            f"cannot write here: {err.strerror}",
            path=out,
            remedy="choose a folder that you may write to",
        ) from err
    try:
        with held(out / ".lock"):
            clear(out)
            try:
                yield
            finally:
                clear(out)
    finally:
        if new and os.listdir(out) == [".lock"]:
            with contextlib.suppress(OSError):
                (out / ".lock").unlink()
                out.rmdir()


def _worked(
    pending: Sequence[tuple[Source, Row]],
    out: Path,
    *,
    wishes: Wishes | None,
    config: Config | None,
    listener: Listener,
) -> Iterator[Row]:
    from triptych.pool import work_through
    from triptych.unpack.work import unpack_one

    if not pending:
        return
    news = News(out / f"{PARTS}news", listener.reached)
    work = work_through(
        unpack_one,
        pending,
        config=_without_models(config or Config()),
        out=out,
        wishes=wishes or Wishes(),
        news=news.path,
    )
    with news, contextlib.closing(work):  # which ends the workers
        for row in work:
            news.catch_up()  # what was told before its end
            with news.lock:
                listener.finished(row)
            yield row


def _without_models(config: Config) -> Config:
    return dataclasses.replace(config, runner=dataclasses.replace(config.runner, device="cpu"))


def _totals(rows: Sequence[Row], out: Path, seconds: float) -> dict[str, Any]:
    return {
        "out": str(out),
        "videos": len(rows),
        "states": {state: sum(row["state"] == state for row in rows) for state in STATES},
        "seconds": round(seconds, 3),
        "media_seconds": round(sum(row.get("duration_s", 0.0) for row in rows), 3),
        "failures": [
            {key: row[key] for key in ("path", "stage", "error", "remedy")}
            for row in rows
            if row["state"] == "failed"
        ],
        "rows": rows,
    }
