"""The finished videos of a run with their tracks, one at a time; what is missing is named."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.errors import InputError, TriptychError, UsageError
from triptych.features.store import FeatureStore
from triptych.records import FeatureTrack

__all__ = ["Video", "Videos", "printable", "safe_key"]

Row = dict[str, Any]

_FINISHED = ("done", "cached", "partial")
_GONE = (
    "its features are no longer in the store",
    "the same `triptych run` with --overwrite makes them again, once for all videos",
)
_UNTOLD = (
    "it was finished by a version that did not note where its features are",
    "the same `triptych run` notes it, once for all videos, without decoding what is kept",
)
_KEY_BYTES = 48  # so that KEY.TRACK.npy fits the 100 bytes that every tar reader knows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Video:
    """A finished video and what is known of it."""

    key: str  #: unique in the run, without dots and slashes
    name: str  #: its path below OUT
    sha256: str  #: of the file's content
    tracks: Mapping[str, FeatureTrack]
    analysis: Mapping[str, Any]  #: of its analysis.json
    labels: tuple[str, ...] = ()  #: that the manifest gave it, none where it gave none
    split: str = ""  #: of the manifest
    group: str = ""  #: of the manifest

    def __repr__(self) -> str:
        return f"Video({self.name}, {', '.join(self.tracks)})"


class Videos:
    """Iterates over the finished videos of a run, and remembers those that it had to leave out.

    Args:
        out: folder of a finished run.
        tracks: names of those that are wanted, in this order; None for all.
        unfit: why a layout cannot hold a video; empty when it can.

    Raises:
        UsageError: nothing was run there.
    """

    def __init__(
        self,
        out: Path,
        *,
        tracks: Sequence[str] | None = None,
        unfit: Callable[[Video], str] = lambda _: "",
    ) -> None:
        self.out, self.tracks, self.unfit = out, tracks, unfit
        self.skipped: list[dict[str, str]] = []
        self._rows = _rows(out / "run.jsonl")
        self._store = FeatureStore()

    def __iter__(self) -> Iterator[Video]:
        for row in self._rows:
            if row["state"] == "skipped":  # no video: a text file in a folder of films
                continue
            try:
                video = self._video(row)
            except TriptychError as err:
                name = printable(row["relative"])
                said = {"video": name, "reason": err.message, "remedy": printable(err.remedy)}
                self.skipped.append(said)
                continue
            yield video

    def _video(self, row: Row) -> Video:
        if row["state"] not in _FINISHED:
            raise InputError(f"not finished: {row.get('error')}", remedy=row.get("remedy", ""))
        analysis = _json(self.out / row["folder"] / "analysis.json")
        try:
            tracks = self._tracks(row, analysis)
        except (AttributeError, KeyError, TypeError, ValueError) as err:
            if isinstance(err, TriptychError):
                raise
            raise InputError(
                "its analysis.json is missing or damaged", remedy="run the same command again"
            ) from err
        told = {name: printable(row.get(name, "")) for name in ("label", "split", "group")}
        video = Video(
            key=safe_key(row["relative"]),
            name=printable(row["relative"]),
            sha256=row["sha256"],
            tracks=tracks,
            analysis=analysis,
            labels=tuple(name for part in told["label"].split("|") if (name := part.strip())),
            split=told["split"].strip(),
            group=told["group"].strip(),
        )
        if reason := self.unfit(video):
            raise InputError(reason)
        return video

    def _tracks(self, row: Row, analysis: Row) -> dict[str, FeatureTrack]:
        written = {track["name"]: track for track in analysis["tracks"]}
        names = [n for n in (written if self.tracks is None else self.tracks) if n in written]
        if not names:
            raise InputError("it has none of these tracks")
        if "entries" not in row:
            raise InputError(_UNTOLD[0], remedy=_UNTOLD[1])
        tracks = {}
        for name in names:
            key = row["entries"].get(name, "")
            found = self._store.get(key) if Path(key).name == key else None
            shape = (written[name]["rows"], written[name]["dim"])
            if not isinstance(found, FeatureTrack) or found.values.shape != shape:
                raise InputError(_GONE[0], remedy=_GONE[1])
            tracks[name] = found
        return tracks


def _rows(path: Path) -> list[Row]:
    """The last row of each video; a killed run leaves several, or one that is cut short."""
    try:
        lines = path.read_bytes().decode("utf-8", "replace").split("\n")
    except OSError as err:
        raise UsageError(
            "no results of `triptych run`", path=path.parent, remedy="give the folder of a run"
        ) from err
    rows: dict[str, Row] = {}
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and {"state", "relative", "folder", "path"} <= row.keys():
            rows[row["relative"]] = row
    return list(rows.values())


def _json(path: Path) -> Row:
    """A JSON object; empty where there is none to be read."""
    try:
        data = json.loads(path.read_bytes().decode("utf-8", "replace"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def printable(text: str) -> str:
    """Text that is valid Unicode: file names of old systems may not be."""
    return text.encode("utf-8", "replace").decode()


def safe_key(relative: str) -> str:
    """A name for files and groups: readable, without dots, different for different videos.

    >>> safe_key("talks/1.2 终.mp4")
    'talks_1_2_终_mp4-bf7ef336810d'
    """
    words = re.findall(r"\w+", unicodedata.normalize("NFC", relative))
    readable = "_".join(words).encode()[:_KEY_BYTES].decode("utf-8", "ignore").strip("_")
    tag = hashlib.sha256(relative.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{readable}-{tag}" if readable else tag
