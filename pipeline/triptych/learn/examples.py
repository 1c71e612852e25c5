"""Videos -> what a model reads of each, kept as one record a video.

A thousand such records are read in about a second; the tracks that they are made from, and the
videos, are then not touched.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from triptych.config import Config
from triptych.decode.sidecar import SIDECAR_ENDINGS, find_sidecars
from triptych.errors import DecodeError, TriptychError
from triptych.events import Stopwatch, stage
from triptych.features.index import DigestIndex
from triptych.features.keys import entry_key, file_digest
from triptych.features.recipe import features_recipe
from triptych.features.store import FeatureStore
from triptych.inputs import Source
from triptych.journal import Row, failure, given_up
from triptych.records import Sample

__all__ = [
    "Names",
    "collect_one",
    "identify",
    "load_sample",
    "probe_key",
    "probe_one",
    "sample_key",
    "sample_recipe",
    "step_for",
]

_STEPS, _SHORTEST_STEP_S, _LONGEST_STEP_S = 12, 0.25, 1.0
_VERSION = 1  # raised when samples are made differently of the same features


class Names(dict[Path, list[str]]):
    """Names of subtitle files by folder; a folder is listed once."""

    def __missing__(self, folder: Path) -> list[str]:
        try:
            found = [n for n in os.listdir(folder) if n.lower().endswith(SIDECAR_ENDINGS)]
        except OSError:  # the video in it will say what is wrong
            found = []
        self[folder] = found
        return found


def identify(source: Source, *, names: Names, digests: DigestIndex, verify: bool = False) -> Row:
    """A row that knows what the file holds; its `state` is set if it cannot be read."""
    row: Row = {
        "path": str(source.path),
        "relative": str(source.relative),
        "state": "",
        "stage": "",
        "error": "",
        "remedy": "",
    }
    try:
        row["size"], row["sha256"] = digests.identity(source, verify=verify)
        beside = find_sidecars(source.path, names[source.path.parent])
        row["sidecars"] = [[path.name, file_digest(path)] for path in beside]
        if beside:  # which of them belongs to it, and in which language, its own name says
            row["sidecars"].append(source.path.name)
    except (TriptychError, OSError) as err:
        return given_up(row, err, expected=source.expected, stage="read")
    return row


def sample_recipe(config: Config) -> dict[str, Any]:
    """All that could change a sample, but for the files that it is made of."""
    device = config.runner.device
    return {
        **({"device": device} if device != "cpu" else {}),
        "features": features_recipe(config),
        "engine": importlib.util.find_spec("openvino") is not None,
        "language": config.predict.language,  # of the subtitles that are preferred
        "version": _VERSION,
    }


def sample_key(row: Row, source: Source, *, recipe: Mapping[str, Any]) -> str:
    """Store key of a sample: what `identify` found, made by `sample_recipe`."""
    files = {"sidecars": row["sidecars"], "window": [source.start_s, source.end_s]}
    return entry_key("sample", row["sha256"], {**recipe, **files})


def load_sample(store: FeatureStore, key: str) -> Sample | None:
    """The sample that is kept under `key`, if there is one."""
    record = store.get(key)
    return record if isinstance(record, Sample) else None


def collect_one(*, source: Source, row: Row, config: Config) -> Row:
    """Make and keep the sample of one source; the row gets it as `sample`."""
    from triptych.features.collect import collect
    from triptych.fuse.sample import sample_of
    from triptych.fuse.timeline import align

    began = time.monotonic()
    watch = Stopwatch()
    try:
        found = collect(
            source.path,
            config=config,
            digest=row["sha256"],
            start_s=source.start_s,
            end_s=source.end_s,
            frames_fps=source.frames_fps,
        )
        with stage("fuse", source.path, watch):
            timeline = align(
                found.tracks,
                start_s=found.start_s,
                end_s=found.end_s,
                step_s=config.extract.step_s,
            )
            sample = sample_of(timeline, cues=found.cues, thumbnails=found.thumbnails)
            if not sample.timeline.values:
                raise DecodeError(
                    "nothing was seen, heard or said in it", remedy="leave this file out"
                )
        found.job.keep(row["key"], sample)
    except Exception as err:  # noqa: BLE001 - it becomes the row of this video
        return given_up(row, err, expected=source.expected, stage="features")
    decoded = "decode" in found.watch
    return row | {
        "state": "partial" if found.partial else "done",
        "sample": sample,
        "duration_s": round(found.end_s - found.start_s, 3),
        "warnings": list(found.warnings),
        "fresh": True,
        "decoded": decoded,
        "seconds": {k: round(v, 4) for k, v in (dict(found.watch) | dict(watch)).items()},
        "elapsed_s": round(time.monotonic() - began, 4),
    }


def step_for(durations_s: Sequence[float]) -> float:
    """Length of steps that lets a middling clip have a dozen, 0.25 to 1 s.

    >>> step_for([2.0, 3.1, 60.0]), step_for([600.0]), step_for([])
    (0.25, 1.0, 1.0)
    >>> step_for([6.6])
    0.55
    """
    if not durations_s:
        return _LONGEST_STEP_S
    wanted = statistics.median(durations_s) / _STEPS
    return round(min(max(wanted, _SHORTEST_STEP_S), _LONGEST_STEP_S) * 20) / 20


def probe_one(*, source: Source, row: Row, config: Config) -> Row:
    """Length of one source as its container claims it, as `duration_s`; None if it does not."""
    from triptych.decode.container import choose_streams, describe, open_container

    try:
        with open_container(source.path, frames_fps=source.frames_fps) as container:
            streams = choose_streams(container, language="")
            claimed = describe(container, streams, source.path, rotation=0).duration_s
    except DecodeError:
        claimed = None  # the work on it will say what is wrong
    except Exception as err:  # noqa: BLE001 - it becomes the row of this video
        return failure(row, err, stage="open")
    with contextlib.suppress(OSError):  # then it is opened again the next time
        FeatureStore().put(probe_key(row), {"duration_s": claimed})
    return row | {"duration_s": claimed}


def probe_key(row: Row) -> str:
    """Store key of what `probe_one` found."""
    return entry_key("probe", row["sha256"], {"version": _VERSION})
