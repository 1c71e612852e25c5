"""`parquet`: one table of all rows of all tracks, for Arrow, DuckDB, Polars, pandas, Spark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from triptych.records import FeatureTrack
from triptych.share.collect import Video
from triptych.share.layout import Layout, published

__all__ = ["Parquet"]

_GROUP_BYTES = 32 * 1024 * 1024  # of a row group: all that is held in memory besides a video


class Parquet(Layout):
    """`features.parquet`: a row a step, columns as in `_schema`."""

    package = "pyarrow"

    def write(self, videos: Iterable[Video], target: Path) -> Iterator[Path]:
        """One file, written group by group."""
        arrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
        path = target / "features.parquet"
        with (
            published(path) as scratch,
            parquet.ParquetWriter(scratch, _schema(arrow)) as writer,
        ):
            for group in _groups(arrow, videos):
                writer.write_table(group)
        yield path


def _schema(arrow: Any) -> Any:
    text = arrow.string()
    return arrow.schema(
        [
            arrow.field("video", text, nullable=False),
            arrow.field("sha256", text, nullable=False),
            arrow.field("track", text, nullable=False),
            arrow.field("start_s", arrow.float64(), nullable=False),
            arrow.field("end_s", arrow.float64(), nullable=False),
            arrow.field("values", arrow.list_(arrow.float32()), nullable=False),
            arrow.field("labels", arrow.list_(text)),
            arrow.field("split", text),
            arrow.field("group", text),
        ]
    )


def _groups(arrow: Any, videos: Iterable[Video]) -> Iterator[Any]:
    """Tables of about `_GROUP_BYTES`, each a row group."""
    held: list[Any] = []
    size = 0
    for video in videos:
        for name, track in video.tracks.items():
            rows = max(1, _GROUP_BYTES // (track.spec.dim * 4))
            for first in range(0, len(track), rows):
                piece = _batch(arrow, video, name, track, slice(first, first + rows))
                held.append(piece)
                size += piece.nbytes
                if size >= _GROUP_BYTES:
                    yield arrow.Table.from_batches(held)
                    held, size = [], 0
    if held:
        yield arrow.Table.from_batches(held)


def _batch(arrow: Any, video: Video, name: str, track: FeatureTrack, span: slice) -> Any:
    values = np.ascontiguousarray(track.values[span])
    count, dim = values.shape
    offsets = np.arange(count + 1, dtype=np.int32) * dim
    text = arrow.string()

    def same(value: object, kind: Any) -> Any:
        return arrow.repeat(arrow.scalar(value, kind), count)

    columns = [
        same(video.name, text),
        same(video.sha256, text),
        same(name, text),
        arrow.array(track.start_s[span]),
        arrow.array(track.end_s[span]),
        arrow.ListArray.from_arrays(arrow.array(offsets), arrow.array(values.ravel())),
        same(list(video.labels) or None, arrow.list_(text)),
        same(video.split or None, text),
        same(video.group or None, text),
    ]
    return arrow.RecordBatch.from_arrays(columns, schema=_schema(arrow))
