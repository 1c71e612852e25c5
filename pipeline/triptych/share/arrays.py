"""`npz` and `webdataset`: plain arrays, one archive a video or many videos an archive."""

from __future__ import annotations

import io
import itertools
import json
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from triptych.share.collect import Video
from triptych.share.layout import Layout, published

__all__ = ["Npz", "WebDataset"]

_SHARD_BYTES = 256 * 1024 * 1024


class Npz(Layout):
    """`KEY.npz`: `TRACK` (T, D) float32, `TRACK_start_s` and `TRACK_end_s` (T,) float64."""

    def write(self, videos: Iterable[Video], target: Path) -> Iterator[Path]:
        """One file a video."""
        for video in videos:
            arrays: dict[str, Any] = {}
            for name, track in video.tracks.items():
                arrays[name] = track.values
                arrays[f"{name}_start_s"] = track.start_s
                arrays[f"{name}_end_s"] = track.end_s
            path = target / f"{video.key}.npz"
            with published(path) as scratch, scratch.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
            yield path


class WebDataset(Layout):
    """`shard-000000.tar`, ...: a sample a video, `KEY.json` and a `KEY.TRACK.npy` for each track.

    The package webdataset (github.com/webdataset/webdataset) parts a name at its first dot into
    the sample's key and the field's name; neighbours of one key are one sample.
    """

    def write(self, videos: Iterable[Video], target: Path) -> Iterator[Path]:
        """Shards, each closed by the sample that makes it large enough."""
        left = iter(videos)
        for number in itertools.count():
            if (first := next(left, None)) is None:
                return
            path = target / f"shard-{number:06d}.tar"
            with published(path) as scratch:
                _fill(scratch, itertools.chain([first], left))
            yield path


def _fill(path: Path, videos: Iterable[Video]) -> None:
    # GNU's headers hold any name as it is; POSIX's would put a file of its own before each
    # name that is not ASCII, which some readers take for data.
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="utf-8") as shard:
        for video in videos:
            _add(shard, f"{video.key}.json", json.dumps(_facts(video)).encode())
            for name, track in video.tracks.items():
                buffer = io.BytesIO()
                np.save(buffer, track.values, allow_pickle=False)
                _add(shard, f"{video.key}.{name}.npy", buffer.getvalue())
            if shard.offset >= _SHARD_BYTES:
                return


def _add(shard: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # its time is 0: the same features give the same bytes
    member.size, member.mode = len(content), 0o644
    shard.addfile(member, io.BytesIO(content))


def _facts(video: Video) -> dict[str, Any]:
    """What `KEY.json` says."""
    told = video.analysis
    return {
        "video": video.name,
        "sha256": video.sha256,
        "duration_s": told["source"]["duration_s"],
        "labels": list(video.labels) or None,
        "split": video.split or None,
        "group": video.group or None,
        "predicted": [[found["label"], found["score"]] for found in told["labels"]],
        "summary": told["summary"]["text"],
        "cues": told["cues"],
        "shots": told["shots"],
        "tracks": {
            name: {
                "modality": track.spec.modality,
                "spec": track.spec.recipe(),
                "start_s": track.start_s.tolist(),
                "end_s": track.end_s.tolist(),
            }
            for name, track in video.tracks.items()
        },
    }
