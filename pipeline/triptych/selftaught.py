"""Videos without labels in, an extractor that was trained on their own pictures out."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triptych.amounts import counted
from triptych.config import Config
from triptych.errors import DecodeError, OutputError, UsageError
from triptych.inputs import Source, find_sources
from triptych.journal import Row, given_up
from triptych.prepare import Listener, Silent

if TYPE_CHECKING:
    from triptych_models.autoencoder import Recipe

__all__ = ["learn", "pictures_of"]

_PICTURES, _OF_ONE = 8192, 64  #: of all videos, and of a single one, at most
_HELD_OUT = 10  # one video of so many is judged by, and not learned from
_DECODED_SIDE = 96  # pixels of the short side, before a picture is fitted into a square
_FEWEST = 16  # pictures
_FILES = ("model.safetensors", "config.json")  # in the order in which they are published


def learn(
    inputs: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    config: Config | None = None,
    listener: Listener | None = None,
) -> dict[str, Any]:
    """Train an autoencoder on the pictures of videos, for `--extract autoencoder=OUT`.

    Args:
        inputs: files, folders, globs and manifests, as of a run; labels are not looked at.
        out: folder for the model; an autoencoder that is there already is replaced.
        config: `train.seed` and `train.epochs` of it, and how many workers read the videos.
        listener: is told of each video and each epoch.

    Returns:
        `model`, `learned` (as in its config.json), `videos`, `used`, `failed`, `states`,
        `failures`, `warnings`, `seconds`. All of it is JSON data.

    Raises:
        InputError: an input does not exist.
        OutputError: `out` cannot be written to.
        UsageError: there is too little to learn from, or `out` holds something else.
    """
    began = time.monotonic()
    out, config, listener = Path(out), config or Config(), listener or Silent()
    _check_target(out)
    sources = find_sources(inputs, out=out, frames_fps=config.runner.frames_fps or None)
    rows = _read(sources, config, listener)
    found = {row["relative"]: row.pop("pictures") for row in rows if "pictures" in row}
    states = Counter(row["state"] for row in rows)
    count = sum(map(len, found.values()))
    if count < _FEWEST:
        raise UsageError(
            f"{counted(count, 'picture')} of {counted(len(sources), 'file')} can be learned from",
            remedy=f"give videos with {_FEWEST} pictures or more",
        )
    recipe, figures = _train(found, out, config, listener)
    return {
        "model": str(out),
        "task": "features",
        "learned": figures,
        "recipe": dataclasses.asdict(recipe),
        "videos": len(sources),
        "used": len(found),
        "failed": states["failed"],
        "states": {s: states[s] for s in ("done", "cached", "partial", "failed", "skipped")},
        "failures": [
            {k: row[k] for k in ("path", "stage", "error", "remedy")}
            for row in rows
            if row["state"] == "failed"
        ],
        "warnings": [],
        "seconds": round(time.monotonic() - began, 3),
    }


def pictures_of(*, source: Source, row: Row, config: Config, count: int) -> Row:
    """Some pictures of one video, evenly spaced, as `pictures` (N, 64, 64, 3) of its row."""
    import numpy as np

    from triptych.decode.media import open_media
    from triptych.decode.sampling import Uniform
    from triptych.extract.autoencoder import fitted
    from triptych.records import Frames

    began = time.monotonic()
    try:
        kept = []
        limit, rate = config.decode.max_pixels, source.frames_fps
        with open_media(source.path, max_pixels=limit, frames_fps=rate) as media:
            start_s, end_s = (
                None if t is None else media.info.start_s + t
                for t in (source.start_s, source.end_s)
            )
            row = row | {"duration_s": media.info.duration_s or 0.0}
            chunks = media.stream(
                sample=Uniform(count),
                short_side=_DECODED_SIDE,
                sound=False,
                text=False,
                start_s=start_s,
                end_s=end_s,
            )
            for chunk in chunks:
                if isinstance(chunk, Frames):
                    kept += [fitted(picture) for picture in chunk.rgb]
        if not kept:
            raise DecodeError("there are no pictures in it", remedy="leave this file out")
    except Exception as err:  # noqa: BLE001 - it becomes the row of this video
        return given_up(row, err, expected=source.expected, stage="decode")
    elapsed_s = round(time.monotonic() - began, 4)
    return row | {"state": "done", "pictures": np.stack(kept), "elapsed_s": elapsed_s}


def _read(sources: Sequence[Source], config: Config, listener: Listener) -> list[Row]:
    from triptych.pool import work_through

    pending = [(source, _row(source)) for source in sources]
    count = min(_OF_ONE, max(1, _PICTURES // max(1, len(pending))))
    listener.start(len(pending))
    rows = []
    for row in work_through(pictures_of, pending, config=config, count=count):
        listener.finished({k: v for k, v in row.items() if k != "pictures"})
        rows.append(row)
    return rows


def _row(source: Source) -> Row:
    try:
        size = source.path.stat().st_size
    except OSError:
        size = 0  # the work on it will say what is wrong
    return {
        "path": str(source.path),
        "relative": str(source.relative),
        "size": size,
        "sha256": "",
        "state": "",
        "stage": "",
        "error": "",
        "remedy": "",
    }


def _train(
    found: Mapping[str, Any], out: Path, config: Config, listener: Listener
) -> tuple[Recipe, dict[str, Any]]:
    """Train on most videos, judge by the others, publish; the order of videos is by name."""
    import numpy as np

    from triptych.fuse.trained import one_thread
    from triptych_models.autoencoder import Recipe, fit, save

    names = sorted(found)
    order = np.random.default_rng(config.train.seed).permutation(len(names))
    judges = {names[i] for i in order[: -(-len(names) // _HELD_OUT)]}
    if len(names) > 1:
        learned = np.concatenate([found[name] for name in names if name not in judges])
        judged = np.concatenate([found[name] for name in names if name in judges])
    else:  # of a single film, pictures beside those that are learned from
        (pictures,) = found.values()
        learned, judged = np.delete(pictures, np.s_[::_HELD_OUT], 0), pictures[::_HELD_OUT]
    recipe = Recipe(seed=config.train.seed)
    if config.train.epochs:
        recipe = dataclasses.replace(recipe, epochs=config.train.epochs)
    with one_thread():
        network, figures = fit(learned, judged, recipe=recipe, on_epoch=_told(listener))
    told: dict[str, Any] = {"videos": len(names), "pictures": len(learned)}
    told |= {"held_out": len(judged), **figures}
    scratch = out / ".part"
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        save(network, scratch, recipe=recipe, learned=told)
        for name in _FILES:
            os.replace(scratch / name, out / name)
        shutil.rmtree(scratch)
    except OSError as err:
        raise OutputError(
            f"the model cannot be written: {err.strerror}", path=out, remedy="choose another folder"
        ) from err
    return recipe, told


def _told(listener: Listener) -> Any:
    return lambda progress: listener.learned(dict(progress))


def _check_target(out: Path) -> None:
    """Refuse to write among what is something else."""
    try:
        held = {path.name for path in out.iterdir()} if os.path.lexists(out) else set()
    except OSError as err:
        raise OutputError(
            f"cannot write here: {err.strerror}", path=out, remedy="choose another folder"
        ) from err
    if held - {*_FILES, ".part"}:
        raise UsageError(
            "this folder holds something else than an autoencoder",
            path=out,
            remedy="choose a new folder, or that of an earlier one",
        )
