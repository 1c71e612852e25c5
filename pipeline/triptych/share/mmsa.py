"""`mmsa`: the pkl layout of research on multimodal sentiment, and a reader that trusts no file.

MMSA (github.com/thuiar/MMSA, src/MMSA/data_loader.py) reads it, MMSA-FET
(github.com/thuiar/MMSA-FET, dataset.py) makes it. A pickle may run any code when it is read. The
ones made here name nothing but `numpy.ndarray`, so that they need no more than `read_mmsa`
allows; whoever gets one from elsewhere should read it with that.
"""

from __future__ import annotations

import math
import os
import pickle
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from triptych.errors import InputError, ResourceError, UsageError
from triptych.records import FeatureTrack, Floats, Modality
from triptych.share.collect import Video, printable
from triptych.share.layout import Layout, known_tracks, published

__all__ = ["Mmsa", "read_mmsa"]

_PARTS: dict[Modality, str] = {
    "text": "text",
    "audio": "audio",
    "image": "vision",
    "motion": "vision",
}
_SPLITS = ("train", "valid", "test")
_SPLITS_ELSEWHERE = {"val": "valid", "validation": "valid", "dev": "valid"}
_DTYPES = ("<f4", "<i8")
_PROTOCOL = 5  # the first that knows bytearray: arrays that can be written to, without a function


class Mmsa(Layout):
    """`features.pkl`: a dict of splits, each a dict as `_split` makes it."""

    def tracks(self, asked: Sequence[str] | None) -> Sequence[str]:
        """At most one track for each of text, audio and vision.

        Raises:
            UsageError: two of one kind are asked for.
        """
        modality, taken = known_tracks(), dict[str, str]()
        for name in asked or ("text", "audio", "image"):
            part = _PARTS[modality[name]]
            if taken.setdefault(part, name) != name:
                raise UsageError(
                    f"the layout mmsa holds one track for {part}, not {taken[part]} and {name}",
                    remedy="choose one of them",
                )
        return list(taken.values())

    def unfit(self, video: Video) -> str:
        """Splits have names that the reader expects."""
        return "" if _split_of(video) else f"unknown split {video.split!r}"

    def write(self, videos: Iterable[Video], target: Path) -> Iterator[Path]:
        """One file. The layout is one block of memory, so all videos are held at once.

        Raises:
            ResourceError: padded to the longest, they do not fit into memory.
        """
        every = list(videos)
        path = target / "features.pkl"
        try:
            known, longest = _labels(every), _shapes(every)
            data = {
                split: _split([v for v in every if _split_of(v) == split], longest, known)
                for split in _SPLITS
            }
            with published(path) as scratch, scratch.open("wb") as file:
                _Pickler(file, protocol=_PROTOCOL).dump(data)
        except MemoryError as err:
            raise ResourceError(
                "all videos padded to the longest do not fit into memory",
                path=path,
                remedy="export clips of similar length, or use another layout",
            ) from err
        yield path


def _split_of(video: Video) -> str:
    """Its split; "train" where nobody said, "" for one that the layout does not know."""
    name = video.split.casefold() or "train"
    name = _SPLITS_ELSEWHERE.get(name, name)
    return name if name in _SPLITS else ""


def _track_of(video: Video, part: str) -> FeatureTrack | None:
    tracks = (t for t in video.tracks.values() if _PARTS[t.spec.modality] == part)
    return next(tracks, None)


def _shapes(videos: Sequence[Video]) -> dict[str, tuple[int, int]]:
    """Part -> rows of the longest video and width; the reader wants the same in all splits."""
    found: dict[str, tuple[int, int]] = {}
    for video in videos:
        for part in dict.fromkeys(_PARTS.values()):
            if (track := _track_of(video, part)) is not None:
                rows, _ = found.get(part, (1, 0))
                found[part] = (max(rows, len(track)), track.spec.dim)
    return found


def _labels(videos: Sequence[Video]) -> dict[str, dict[str, Any]]:
    """Names of the label lists that can be written -> what each video, by key, has in them.

    None is written of which any video's is unknown: an empty place would be read as a label.
    """
    if not all(video.labels for video in videos):
        return {}
    found: dict[str, dict[str, Any]] = {"annotations": {v.key: "|".join(v.labels) for v in videos}}
    if any(len(video.labels) > 1 for video in videos):
        return found
    said = {video.key: video.labels[0] for video in videos}
    numbers = {key: _number(label) for key, label in said.items()}
    if all(math.isfinite(number) for number in numbers.values()):
        return found | {"regression_labels": numbers}
    order = {label: i for i, label in enumerate(sorted(set(said.values())))}
    return found | {"classification_labels": {key: order[label] for key, label in said.items()}}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _split(
    videos: Sequence[Video],
    longest: dict[str, tuple[int, int]],
    known: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """One split: lists of texts, arrays padded with zeros at their ends, lengths, labels."""
    found: dict[str, Any] = {
        "id": [video.name for video in videos],
        "raw_text": [
            " ".join(printable(cue["text"]) for cue in video.analysis["cues"]) for video in videos
        ],
    }
    for part, (rows, dim) in longest.items():
        padded: Floats = np.zeros((len(videos), rows, dim), np.float32)
        lengths = []
        for i, video in enumerate(videos):
            track = _track_of(video, part)
            lengths.append(0 if track is None else len(track))
            if track is not None:
                padded[i, : len(track)] = track.values
        found |= {part: padded, f"{part}_lengths": lengths}
    for name, by_key in known.items():
        values = [by_key[video.key] for video in videos]
        found[name] = values if name == "annotations" else _array(values, name)
    return found


def _array(values: Sequence[float], name: str) -> npt.NDArray[Any]:
    return np.array(values, np.int64 if name == "classification_labels" else np.float32)


class _Pickler(pickle.Pickler):
    """Writes an array as a call of `numpy.ndarray` with its shape, its type's name and its bytes.

    numpy's own way names functions that have moved between its versions, and is more to trust.
    """

    def reducer_override(self, obj: Any) -> Any:
        if obj is np.ndarray:
            return NotImplemented  # by name
        if type(obj) is not np.ndarray or obj.dtype.str not in _DTYPES:
            raise TypeError(f"{type(obj).__name__} has no place in this layout")
        content = bytearray(np.ascontiguousarray(obj).data) if obj.size else bytearray()
        return np.ndarray, (obj.shape, obj.dtype.str, content)


class _Arrays:
    """Stands for `numpy.ndarray` when a file is read; nothing can be set on it."""

    __slots__ = ()

    def __call__(self, shape: Any, dtype: Any, content: Any) -> npt.NDArray[Any]:
        # Of bytes that stand for objects numpy would make pointers.
        if dtype not in _DTYPES or not isinstance(content, bytearray):
            raise pickle.UnpicklingError(f"an array of {dtype!r}")
        return np.ndarray(shape, dtype, content)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "ndarray"):
            return _Arrays()
        raise pickle.UnpicklingError(f"it refers to {module}.{name}")


def read_mmsa(path: str | os.PathLike[str]) -> dict[str, dict[str, Any]]:
    """Read what the layout mmsa wrote; a file that asks for anything else is refused.

    Returns:
        Split -> name -> list or array, as docs/schema.md says.

    Raises:
        InputError: the file is missing or may not be read.
        UsageError: it is damaged, or another program made it, perhaps to run code here.
    """
    try:
        with Path(path).open("rb") as file:
            data = _Unpickler(file).load()
    except OSError as err:
        raise InputError(
            f"cannot read: {err.strerror}", path=path, remedy="check the path and its permissions"
        ) from err
    except Exception as err:  # whatever a made-up file makes the parser raise
        raise UsageError(
            f"no features that Triptych exported: {err}",
            path=path,
            remedy="do not open it with pickle unless you trust who made it",
        ) from err
    if not isinstance(data, dict) or set(data) != set(_SPLITS):
        raise UsageError("it has not the splits of this layout", path=path)
    return data
