"""What people said of videos, from the layouts that there are.

film.csv                     start,end,score,... in seconds; `film` is the video's name
film.jsonl, film.json        the same: {"start": 0, "end": 2, "score": [1, 3, 2]}, ...
tvsum.jsonl                  TVSum: a video a line, `label` (shots of 2 s, people)
*.h5                         vsumm and PGL-SUM: gtscore, user_summary, picks, change_points, ...
"""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from triptych.errors import UsageError
from triptych.learn.agreement import Annotation
from triptych.manifest import manifest_rows, text_in

__all__ = ["ENDINGS", "is_manifest", "read_annotations"]

ENDINGS = (".csv", ".jsonl", ".json", ".h5", ".hdf5")
_TVSUM_SHOT_S = 2.0
_BEGINS = ("start", "time")
_NO_SCORES = ("end", *_BEGINS)
_SHAPES = (
    "give a table with the columns start, end and score, TVSum's JSON lines, or an h5 file with "
    "gtscore or user_summary"
)

_GROUP = "each video needs n_frames, and gtscore at the frames picks, or user_summary"


def is_manifest(path: Path) -> bool:
    """Whether a table names videos, so that it says itself where each one is."""
    if path.suffix.lower() not in (".csv", ".jsonl"):
        return False
    return "path" in next((row for _, row in manifest_rows(path)), {})


def read_annotations(path: Path) -> list[Annotation]:
    """Annotations of one or many videos.

    Raises:
        UsageError: it cannot be read, is in none of the layouts, or a number in it is none.
    """
    if path.suffix.lower() in (".h5", ".hdf5"):
        return _from_h5(path)
    rows = _rows(path)
    if not rows:
        raise UsageError("nobody says anything in it", path=path, remedy=_SHAPES)
    if isinstance(rows[0].get("label"), list):
        return [_of_tvsum(row, path) for row in rows]
    if not any(name in rows[0] for name in _BEGINS):
        raise UsageError("it says nothing of moments of a video", path=path, remedy=_SHAPES)
    return [_of_table(rows, path)]


def _rows(path: Path) -> list[Mapping[str, Any]]:
    if path.suffix.lower() != ".json":
        return [row for _, row in manifest_rows(path)]
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as err:
        raise UsageError(f"cannot read: {err.strerror}", path=path) from err
    except ValueError as err:
        raise UsageError(f"not JSON: {err}", path=path) from err
    if isinstance(data, Mapping) and isinstance(data.get(_begin_of(data)), list):
        data = _in_rows(data, path)
    if not isinstance(data, list) or not all(isinstance(row, Mapping) for row in data):
        raise UsageError("it says nothing of moments of a video", path=path, remedy=_SHAPES)
    return data


def _begin_of(row: Mapping[str, Any]) -> str:
    return next((name for name in _BEGINS if name in row), _BEGINS[0])


def _in_rows(columns: Mapping[str, Any], path: Path) -> list[dict[str, Any]]:
    """Columns of a table as its rows; scores may be of one person or of a list of people."""
    count, rows = len(columns[_begin_of(columns)]), []
    table = {
        name: list(zip(*values, strict=False)) if values and isinstance(values[0], list) else values
        for name, values in columns.items()
        if isinstance(values, list)
    }
    if any(len(values) != count for values in table.values()):
        raise UsageError("its lists have different lengths", path=path)
    for i in range(count):
        rows.append({name: values[i] for name, values in table.items()})
    return rows


def _of_table(rows: Sequence[Mapping[str, Any]], path: Path) -> Annotation:
    """One video, whose name is the file's."""
    begin = _begin_of(rows[0])
    names = [n for n in rows[0] if n not in _NO_SCORES and "score" in n.lower()]
    names = names or [n for n in rows[0] if n not in _NO_SCORES]
    found = []
    for number, row in enumerate(rows, start=1):
        where = f"row {number}"
        said = [v for n in names for v in _listed(row.get(n))]
        end = row.get("end")
        found.append(
            (
                _number(row.get(begin), f"{where}, {begin}", path),
                math.nan if end in (None, "") else _number(end, f"{where}, end", path),
                [_number(v, f"{where}, score", path) for v in said],
            )
        )
    found.sort(key=lambda row: row[0])
    people = {len(scores) for _, _, scores in found}
    if len(people) != 1 or people == {0}:
        raise UsageError("not every row has a score of the same people", path=path, remedy=_SHAPES)
    start_s = np.array([row[0] for row in found])
    if len(start_s) > 1 and (np.diff(start_s) <= 0).any():
        raise UsageError("a time is there twice", path=path, remedy="keep one row of each")
    usual = float(np.median(np.diff(start_s))) if len(start_s) > 1 else 1.0
    following = np.append(start_s[1:], start_s[-1] + usual)
    end_s = np.array([row[1] for row in found])
    if (wrong := np.flatnonzero(end_s <= start_s)).size:
        raise UsageError(
            f"what starts at {start_s[wrong[0]]:g} s ends at {end_s[wrong[0]]:g} s",
            path=path,
            remedy="an end lies after its start",
        )
    return Annotation(
        names=(path.stem,),
        start_s=start_s,
        end_s=np.where(
            np.isnan(end_s), following, np.minimum(end_s, np.append(start_s[1:], math.inf))
        ),
        scores=np.array([row[2] for row in found], np.float64).T,
    )


def _listed(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _of_tvsum(row: Mapping[str, Any], path: Path) -> Annotation:
    names = tuple(text_in(row.get(n), n, path) for n in ("vid", "qid", "video", "name"))
    try:
        scores = np.array(row["label"], np.float64)
    except (KeyError, TypeError, ValueError) as err:
        raise UsageError(f"{names[0]}: label is no table of numbers", path=path) from err
    if scores.ndim != 2 or not scores.size or not np.isfinite(scores).all():
        raise UsageError(f"{names[0]}: label is no table of numbers", path=path)
    edges = np.arange(len(scores) + 1, dtype=np.float64) * _TVSUM_SHOT_S
    return Annotation(
        names=tuple(dict.fromkeys(n for n in names if n)),
        start_s=edges[:-1],
        end_s=edges[1:],
        scores=scores.T,
    )


def _number(value: Any, where: str, path: Path) -> float:
    try:
        number = float(value)
        if isinstance(value, bool) or not math.isfinite(number):
            raise ValueError("not finite")
    except (TypeError, ValueError) as err:
        raise UsageError(f"{where}: {value!r} is no number", path=path, remedy=_SHAPES) from err
    return number


def _from_h5(path: Path) -> list[Annotation]:
    if importlib.util.find_spec("h5py") is None:
        raise UsageError("h5 files need h5py", path=path, remedy='pip install "triptych[export]"')
    h5py: Any = import_module("h5py")
    try:
        with h5py.File(path, "r") as file:
            groups = {key: {name: file[key][name][()] for name in file[key]} for key in file}
    except (OSError, KeyError, TypeError, AttributeError) as err:
        raise UsageError(f"no h5 file of videos: {err}", path=path, remedy=_SHAPES) from err
    found = []
    for key, group in groups.items():
        if "gtscore" in group or "user_summary" in group:
            try:
                found.append(_of_group(key, group))
            except KeyError as err:
                lacks = f"{key}: {err.args[0]} is missing"
                raise UsageError(lacks, path=path, remedy=_GROUP) from err
            except (TypeError, ValueError, IndexError) as err:
                raise UsageError(f"{key}: {err}", path=path, remedy=_GROUP) from err
    if not found:
        raise UsageError(
            "what people said is not in it: no gtscore, no user_summary", path=path, remedy=_SHAPES
        )
    return found


def _of_group(key: str, group: Mapping[str, Any]) -> Annotation:
    """A video of the layout; its times are shares where the frame rate is not said."""
    frames = int(group["n_frames"])
    if frames < 1:
        raise ValueError(f"n_frames is {frames}")
    fps = float(group.get("fps", 0.0))
    unit = 1 / fps if fps > 0 else 1 / frames
    chosen = np.asarray(group["user_summary"]) > 0 if "user_summary" in group else None
    if chosen is not None and (chosen.ndim != 2 or not chosen.size):
        raise ValueError("user_summary is no table")
    if chosen is not None and not chosen.any():
        raise ValueError("nobody chose anything in user_summary")
    if "gtscore" in group:
        picks = np.asarray(group["picks"], np.float64)
        scores = np.atleast_2d(np.asarray(group["gtscore"], np.float64))
    else:  # what people chose is all that is known of what they thought
        assert chosen is not None
        picks = np.arange(chosen.shape[1], dtype=np.float64)
        scores = chosen.astype(np.float64)
    if scores.shape[1] != len(picks) or not np.isfinite(scores).all():
        raise ValueError(f"{scores.shape[1]} scores of {len(picks)} picks")
    if (np.diff(picks) < 0).any():
        raise ValueError("picks are in no order")
    # Some files have several picks at the last frame: those without length say nothing.
    pieces = np.asarray(group.get("change_points", np.zeros((0, 2))), np.float64).reshape(-1, 2)
    name = group.get("video_name", b"")
    text = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
    return Annotation(
        names=tuple(dict.fromkeys(n for n in (text, key) if n)),
        start_s=picks * unit,
        end_s=np.maximum(np.append(picks[1:], frames), picks) * unit,
        scores=scores,
        pieces=tuple((float(a) * unit, float(b + 1) * unit) for a, b in pieces),
        chosen=chosen,
        frames_s=0.0 if chosen is None else chosen.shape[1] * unit,
        in_shares=fps <= 0,
    )
