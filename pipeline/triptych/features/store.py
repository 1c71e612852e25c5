"""Embeddings on disk: content-addressed, published whole or not at all, verified on read.

An entry is one safetensors file, `<root>/<2 hex>/<key>.safetensors`. Its tensors hold the
arrays; the metadata field "triptych" holds JSON: `kind`, `meta`, `made_of` (the content and the
recipe that the key is a digest of) and `sha256` over all (see docs/schema.md). It can be read with
numpy and safetensors alone:

    from safetensors.numpy import load_file
    load_file("image-0123.safetensors")["values"]      # (T, D) float32

| kind | tensors | meta |
| --- | --- | --- |
| track | values (T, D) float32, start_s (T,), end_s (T,) float64 | spec |
| thumbnails | jpeg (bytes,) uint8, ends (T,) int64, pts_s (T,) float64 | |
| cues | start_s (N,), end_s (N,) float64; of speech words_in (N,) int64: how many words each has, and of each of these word_start_s, word_end_s (W,) float64 | texts, sources, languages; of speech words |
| note | | any JSON data |
| sample | start_s, end_s (T,) float64, picture (64, 64, 3) uint8 if there is one; for each track `values/NAME` (T, D) float32, `present/NAME` (T,) bool | words |
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import safetensors.numpy

from triptych.cache import published
from triptych.features.keys import EntryKey
from triptych.features.layout import DAMAGED, default_root, entry_path, mark_used
from triptych.records import Cue, FeatureTrack, Sample, Spec, Thumbnails, Timeline, Word

__all__ = ["DamagedEntry", "FeatureStore", "Storable", "check_entry", "media_of"]

log = logging.getLogger(__name__)

Storable: TypeAlias = FeatureTrack | Thumbnails | tuple[Cue, ...] | Sample | Mapping[str, Any]
Arrays: TypeAlias = dict[str, "np.ndarray[Any, Any]"]


class DamagedEntry(ValueError):
    """The bytes of an entry are not those that were written."""


class FeatureStore:
    """A folder of entries; any number of processes may share it."""

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        self.root = Path(root) if root is not None else default_root()

    def path(self, key: str) -> Path:
        """Where the entry `key` is, or would be."""
        return entry_path(self.root, key)

    def get(self, key: str) -> Storable | None:
        """Read an entry, which then counts as used; None when there is none.

        A damaged entry is moved aside (`.damaged`) and counts as absent: it will be made again.
        """
        path = self.path(key)
        try:
            content, status = _read(path)
        except FileNotFoundError:
            return None
        except OSError as err:
            log.warning("cannot read %s: %s", path, err)
            return None
        try:
            record = _unpack(*_opened(content))
        except MemoryError:  # says nothing about the entry
            raise
        except Exception as err:  # noqa: BLE001 - whatever damage makes the parsers raise
            log.warning("%s is damaged and will be made again: %s", path, err)
            _set_aside(path, status)
            return None
        mark_used(path, status)
        return record

    def put(self, key: str, record: Storable) -> None:
        """Store an entry.

        Args:
            key: of `entry_key`, which also says what the entry is made of; or any other name.
            record: what it holds.

        Raises:
            ResourceError: the disk is full or may not be written to.
        """
        made_of = key.made_of if isinstance(key, EntryKey) else None
        content = _encode(record, made_of)
        with published(self.path(key)) as scratch:
            scratch.write_bytes(content)


def check_entry(path: Path) -> None:
    """Read an entry, whatever its kind, without marking it as used.

    Raises:
        OSError: it is gone, or cannot be read.
        DamagedEntry: it was damaged; it is moved aside.
    """
    content, status = _read(path)
    try:
        _opened(content)
    except DamagedEntry:
        _set_aside(path, status)
        raise


def _read(path: Path) -> tuple[bytes, os.stat_result]:
    with path.open("rb") as file:
        return file.read(), os.fstat(file.fileno())


def _set_aside(path: Path, status: os.stat_result) -> None:
    try:
        if os.path.samestat(path.stat(), status):  # else another process has made it again
            path.replace(path.with_suffix(DAMAGED))
    except FileNotFoundError:  # another process was faster
        pass
    except OSError as err:
        log.warning("cannot move it aside: %s", err)


def media_of(path: Path) -> str:
    """sha256 of the file that an entry was made of, without reading more than its header.

    Empty where it does not say, or can no longer be read.
    """
    try:
        with path.open("rb") as file:
            header = file.read(int.from_bytes(file.read(8), "little"))
        return str(_about(header)["made_of"]["media"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError):
        return ""


def _encode(record: Storable, made_of: Mapping[str, Any] | None) -> bytes:
    kind, arrays, meta = _pack(record)
    arrays = {name: np.ascontiguousarray(a) for name, a in arrays.items()}
    header = {"kind": kind, "meta": meta} | ({} if made_of is None else {"made_of": made_of})
    header["sha256"] = _checksum(header, arrays)
    # All ASCII: a file name that is no valid Unicode must come through, too.
    text = json.dumps(header, sort_keys=True, allow_nan=False)
    return safetensors.numpy.save(arrays, metadata={"triptych": text})


def _opened(content: bytes) -> tuple[str, Arrays, dict[str, Any]]:
    """Kind, arrays and meta of an entry, none of them changed since it was written.

    Raises:
        DamagedEntry: they were.
    """
    size = int.from_bytes(content[:8], "little")
    try:
        header = _about(content[8 : 8 + size])
        arrays = safetensors.numpy.load(content)
        same = header["sha256"] == _checksum(header, arrays)
    except MemoryError:  # says nothing about the entry
        raise
    except Exception as err:  # whatever damage makes the parsers raise
        what = "was cut short or overwritten" if content else "is empty"
        raise DamagedEntry(f"the file {what}") from err
    if not same:
        raise DamagedEntry("its content is not what was written")
    return header["kind"], arrays, header["meta"]


def _about(header: bytes) -> dict[str, Any]:
    """What an entry says of itself."""
    about: dict[str, Any] = json.loads(json.loads(header)["__metadata__"]["triptych"])
    return about


def _checksum(header: Mapping[str, Any], arrays: Arrays) -> str:
    said = [header[name] for name in ("kind", "meta", "made_of") if name in header]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.data if array.size else b"")
    return digest.hexdigest()


def _pack(record: Storable) -> tuple[str, Arrays, dict[str, Any]]:
    if isinstance(record, FeatureTrack):
        arrays: Arrays = {
            "values": record.values,
            "start_s": record.start_s,
            "end_s": record.end_s,
        }
        return "track", arrays, {"spec": record.spec.recipe(), "columns": [*record.spec.columns]}
    if isinstance(record, Thumbnails):
        joined = np.frombuffer(b"".join(record.jpeg), np.uint8)
        ends = np.cumsum([len(j) for j in record.jpeg], dtype=np.int64)
        return "thumbnails", {"jpeg": joined, "ends": ends, "pts_s": record.pts_s}, {}
    if isinstance(record, tuple):
        return "cues", *_packed_cues(record)
    if isinstance(record, Sample):
        return "sample", _sample_arrays(record), {"words": [*record.words]}
    return "note", {}, dict(record)


def _unpack(kind: str, arrays: Arrays, meta: dict[str, Any]) -> Storable:
    if kind == "track":
        spec = Spec(**meta["spec"], columns=tuple(meta["columns"]))
        return FeatureTrack(**arrays, spec=spec)
    if kind == "thumbnails":
        joined, ends = arrays["jpeg"].tobytes(), arrays["ends"].tolist()
        parts = zip([0, *ends[:-1]], ends, strict=True) if ends else ()
        return Thumbnails(jpeg=tuple(joined[a:b] for a, b in parts), pts_s=arrays["pts_s"])
    if kind == "cues":
        return _cues(arrays, meta)
    if kind == "note":
        return meta
    if kind == "sample":
        return _sample(arrays, meta)
    raise ValueError(f"unknown kind {kind!r}")


def _packed_cues(cues: tuple[Cue, ...]) -> tuple[Arrays, dict[str, Any]]:
    arrays: Arrays = {
        "start_s": np.array([c.start_s for c in cues], np.float64),
        "end_s": np.array([c.end_s for c in cues], np.float64),
    }
    meta = {
        "texts": [c.text for c in cues],
        "sources": [c.source for c in cues],
        "languages": [c.language for c in cues],
    }
    words = [word for c in cues for word in c.words]
    if not words:  # subtitles and captions
        return arrays, meta
    arrays["words_in"] = np.array([len(c.words) for c in cues], np.int64)
    arrays["word_start_s"] = np.array([w.start_s for w in words], np.float64)
    arrays["word_end_s"] = np.array([w.end_s for w in words], np.float64)
    return arrays, meta | {"words": [w.text for w in words]}


def _cues(arrays: Arrays, meta: Mapping[str, Any]) -> tuple[Cue, ...]:
    words: list[tuple[Word, ...]] = [()] * len(meta["texts"])
    if "words" in meta:
        times = arrays["word_start_s"].tolist(), arrays["word_end_s"].tolist()
        said = iter(zip(*times, meta["words"], strict=True))
        words = [
            tuple(Word(start_s=s, end_s=e, text=text) for s, e, text in islice(said, count))
            for count in arrays["words_in"].tolist()
        ]
    rows = zip(
        arrays["start_s"].tolist(),
        arrays["end_s"].tolist(),
        *(meta[k] for k in ("texts", "sources", "languages")),
        words,
        strict=True,
    )
    names = ("start_s", "end_s", "text", "source", "language", "words")
    return tuple(Cue(**dict(zip(names, row, strict=True))) for row in rows)


def _sample_arrays(record: Sample) -> Arrays:
    timeline = record.timeline
    arrays: Arrays = {"start_s": timeline.start_s, "end_s": timeline.end_s}
    arrays |= {f"values/{name}": values for name, values in timeline.values.items()}
    arrays |= {f"present/{name}": present for name, present in timeline.present.items()}
    return arrays if record.picture is None else arrays | {"picture": record.picture}


def _sample(arrays: Arrays, meta: Mapping[str, Any]) -> Sample:
    parts: dict[str, Arrays] = {"values": {}, "present": {}}
    for name in sorted(arrays):  # a file has them in no order
        part, slash, track = name.partition("/")
        if slash:
            parts[part][track] = arrays[name]
    return Sample(
        timeline=Timeline(start_s=arrays["start_s"], end_s=arrays["end_s"], **parts),
        words=tuple(meta["words"]),
        picture=arrays.get("picture"),
    )
