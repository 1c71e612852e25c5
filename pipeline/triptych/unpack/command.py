"""`triptych decode`: files and folders of films into folders of plain files."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from triptych.children import check_caller
from triptych.config import Config
from triptych.decode.sidecar import find_sidecars
from triptych.errors import InputError, OutputError, TriptychError
from triptych.events import News
from triptych.features.keys import folder_status, status_of
from triptych.inputs import Source, find_sources
from triptych.journal import Row, failure
from triptych.lock import held
from triptych.prepare import Listener, Silent
from triptych.tally import STATES
from triptych.unpack.place import PARTS, check_place, clear, writing
from triptych.unpack.wishes import Wishes, check_sample

__all__ = ["plans", "unpack"]


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
    wishes = wishes or Wishes()
    sources = _sources(inputs, out, wishes, config)
    alone = _is_alone(inputs, sources)
    rows: dict[str, Row] = {}
    with _locked(out):
        listener.start(len(sources))
        pending = []
        for source, row in _checked(sources, out, alone=alone, overwrite=overwrite):
            if row["state"]:
                rows[row["relative"]] = row
                listener.finished(row)
            else:
                pending.append((source, row))
        news = News(out / f"{PARTS}news", listener.reached)
        for row in _worked(pending, news, wishes=wishes, config=config, out=out):
            rows[row["relative"]] = row
            with news.lock:
                listener.finished(row)
    return _totals(rows, sources, began) | {"out": str(out)}


def plans(
    inputs: Sequence[str | os.PathLike[str]],
    *,
    wishes: Wishes | None = None,
    config: Config | None = None,
) -> dict[str, Any]:
    """Say of each film which packets of its pictures `unpack` would decode; nothing is written.

    Args:
        inputs: as for `unpack`, and so are the others.
        wishes: see there.
        config: see there.

    Returns:
        As of `unpack`, without `out`; rows have `plan` (see docs/schema.md) and `lines`.

    Raises:
        InputError: an input does not exist, or there is nothing in it.
        ResourceError: worker processes cannot be kept alive.
        UsageError: where the frames are cannot be said without decoding; a manifest cannot be
            read; or a script calls this whenever it is imported.
    """
    check_caller()
    began, nowhere = time.monotonic(), Path(os.devnull)
    wishes = wishes or Wishes()
    sources = _sources(inputs, nowhere, wishes, config, planned=True)
    rows: dict[str, Row] = {}
    pending = []
    for source in sources:
        row = rows[str(source.relative)] = _row(source, nowhere)
        if not row["state"]:
            pending.append((source, row))
    for row in _worked(pending, None, wishes=wishes, config=config):
        rows[row["relative"]] = row
    return _totals(rows, sources, began)


def _sources(
    inputs: Sequence[str | os.PathLike[str]],
    out: Path,
    wishes: Wishes,
    config: Config | None,
    *,
    planned: bool = False,
) -> list[Source]:
    check_sample(wishes.sample, planned=planned)
    frames_fps = config.runner.frames_fps if config else 0.0
    sources = find_sources(inputs, out=out, frames_fps=frames_fps or None)
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


def _checked(
    sources: Sequence[Source], out: Path, *, alone: bool, overwrite: bool
) -> Iterator[tuple[Source, Row]]:
    """Each film with its row, which says "failed" where it cannot be read or put in its place.

    Raises:
        OutputError: the only film cannot be put there.
        UsageError: something would be lost by it.
    """
    read = _read_by(sources)
    for source in sources:
        row = _row(source, place := out if alone else out / source.relative)
        try:
            with writing(place):
                check_place(place, overwrite=overwrite, inputs=read)
        except TriptychError as err:
            if alone:
                raise
            row = failure(row | {"fresh": True}, err, stage="check")
        yield source, row


def _row(source: Source, place: Path) -> Row:
    """What is known of a film before it is opened; `state` is "failed" if it cannot be."""
    row: Row = {
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
    try:
        if source.frames_fps:
            return row | {"size": folder_status(source.path).size}
        return row | {"size": status_of(source.path).st_size}
    except TriptychError as err:
        return failure(row | {"fresh": True}, err, stage="read")


@contextlib.contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Be the only one at work in a folder, which is gone again if nothing came into it."""
    new = not os.path.exists(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise OutputError.of_folder(out, err) from err
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
    news: News | None,
    *,
    wishes: Wishes,
    config: Config | None,
    **arguments: Any,
) -> Iterator[Row]:
    """The rows of films as they end: written to `out`, or planned where there is none."""
    from triptych.pool import work_through
    from triptych.unpack.work import plan_one, unpack_one

    if not pending:
        return
    config = config or Config()
    work = work_through(
        unpack_one if "out" in arguments else plan_one,
        pending,
        # Nothing here is a model's work.
        config=dataclasses.replace(config, runner=dataclasses.replace(config.runner, device="cpu")),
        wishes=wishes,
        news=news.path if news else Path(os.devnull),
        **arguments,
    )
    with news or contextlib.nullcontext(), contextlib.closing(work):  # which ends the workers
        for row in work:
            if news:
                news.catch_up()  # what was told before its end
            yield row


def _totals(rows: Mapping[str, Row], sources: Sequence[Source], began: float) -> dict[str, Any]:
    ended = [rows[str(source.relative)] for source in sources]
    return {
        "videos": len(ended),
        "states": {state: sum(row["state"] == state for row in ended) for state in STATES},
        "seconds": round(time.monotonic() - began, 3),
        "media_seconds": round(sum(row.get("duration_s", 0.0) for row in ended), 3),
        "failures": [
            {key: row[key] for key in ("path", "stage", "error", "remedy")}
            for row in ended
            if row["state"] == "failed"
        ],
        "rows": ended,
    }
