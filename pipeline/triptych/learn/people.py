"""Annotations and the videos that they are of, which lie beside them or in folders given, too."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from triptych.amounts import counted
from triptych.errors import InputError, UsageError
from triptych.inputs import Source, find_sources
from triptych.learn.agreement import Annotation
from triptych.learn.annotations import ENDINGS, is_manifest, read_annotations
from triptych.learn.dataset import Dataset, Item, listed, name_in, split_in

__all__ = ["read_judged"]

_COLUMN = "importance"
_REMEDY = (
    "give annotations (a table of times and scores beside each video, TVSum's JSON lines, an h5 "
    "file), or a manifest with the columns path and importance"
)


def read_judged(
    inputs: Sequence[str | os.PathLike[str]], *, out: Path, frames_fps: float | None = None
) -> Dataset:
    """Videos whose moments people judged.

    Args:
        inputs: annotations; manifests with a column `importance` that names the annotations of
            each video; folders, in which videos are found, and annotations, too, where none are
            named.
        out: folder for results, nothing in which is an input.
        frames_fps: see `find_sources`.

    Raises:
        InputError: an input does not exist.
        UsageError: no annotations, or none of a video that is here.
    """
    found: list[Item] = []
    strays: list[str] = []
    spoken: list[Annotation] = []
    places: list[Path] = []
    named = any(not os.path.isdir(given) for given in inputs)
    for given in map(Path, inputs):
        if given.is_dir():
            places.append(given)
            files = [] if named else [p for p in sorted(given.iterdir()) if _may_be_one(p)]
        elif given.suffix.lower() in ENDINGS:
            if not given.is_file():
                raise InputError("no such file", path=given)
            files = [given]
        else:
            raise UsageError("neither annotations nor a folder", path=given, remedy=_REMEDY)
        for file in files:
            if is_manifest(file):
                items, without = _of_manifest(file, out=out, frames_fps=frames_fps)
                found += items
                strays += without
            else:
                spoken += read_annotations(file)
                places.append(file.parent)
    by_name, lost = _matched(spoken, places, out=out, frames_fps=frames_fps)
    found = _each_once([*by_name, *found])
    if not found:
        missing = f": {listed(a.names[0] for a in lost)}" if lost else ""
        raise UsageError(
            f"no video that anybody judged{missing}",
            path=Path(inputs[0]),
            remedy="put the videos beside the annotations, under the names that those have"
            if lost
            else _REMEDY,
        )
    warnings = []
    if lost:
        warnings.append(
            f"annotations of {counted(len(lost), 'video')} that are not here: "
            f"{listed(a.names[0] for a in lost)}"
        )
    if strays:
        warnings.append(
            f"{counted(len(strays), 'video')} without annotations had to be left out: "
            f"{listed(strays)}"
        )
    return Dataset(task="importance", items=tuple(found), warnings=tuple(warnings))


def _each_once(items: Sequence[Item]) -> list[Item]:
    """The videos, none of which two files may say different things of."""
    known: dict[tuple[str, float | None, float | None], Item] = {}
    for item in items:
        place = os.path.abspath(item.source.path)
        first = known.setdefault((place, item.source.start_s, item.source.end_s), item)
        if first is not item:
            raise UsageError(
                "there are two annotations of this video",
                path=item.source.path,
                remedy="give one; several people's scores stand in one file",
            )
    return list(known.values())


def _may_be_one(path: Path) -> bool:
    """Whether a file in a folder is meant: one of another kind there is no mistake."""
    if path.suffix.lower() not in ENDINGS or path.name.startswith(".") or not path.is_file():
        return False
    try:
        if is_manifest(path):
            return any(_COLUMN in dict(s.extra) for s in _listed_in(path, out=path.parent))
        return bool(read_annotations(path))
    except UsageError:
        return False


def _of_manifest(
    path: Path, *, out: Path, frames_fps: float | None
) -> tuple[list[Item], list[str]]:
    """Videos of a manifest that somebody judged, and names of the others."""
    items, without = [], []
    known: dict[str, list[Annotation]] = {}
    for source in _listed_in(path, out=out, frames_fps=frames_fps):
        named = dict(source.extra).get(_COLUMN, "")
        if not named:
            without.append(str(source.relative))
            continue
        file = path.parent / named
        if not file.is_file():
            raise UsageError("the annotations are missing", path=file, remedy=f"see {path}")
        if named not in known:
            known[named] = read_annotations(file)
        said = known[named]
        own = said if len(said) == 1 else [a for a in said if _keys(a) & _names_of(source)]
        if len(own) != 1:
            raise UsageError(
                f"{counted(len(own), 'annotation')} of this video in {named}",
                path=source.path,
                remedy="name it there by its file's name",
            )
        items.append(_item(source, own[0]))
    return items, without


def _listed_in(path: Path, *, out: Path, frames_fps: float | None = None) -> list[Source]:
    columns = (_COLUMN, "split", "group")
    return find_sources([path], out=out, frames_fps=frames_fps, columns=columns)


def _item(source: Source, people: Annotation) -> Item:
    extra = dict(source.extra)
    return Item(
        source=source,
        people=people,
        split=split_in(extra.get("split", ""), source),
        group=name_in(extra.get("group", "")),
    )


def _matched(
    spoken: Sequence[Annotation],
    places: Iterable[Path],
    *,
    out: Path,
    frames_fps: float | None,
) -> tuple[list[Item], list[Annotation]]:
    """Videos of annotations, by name, and annotations whose video is not here."""
    if not spoken:
        return [], []
    folders = list(dict.fromkeys(places))
    sources = [s for s in find_sources(folders, out=out, frames_fps=frames_fps) if s.expected]
    by_name: dict[str, dict[str, Source]] = {}
    for source in sources:
        for name in _names_of(source):
            by_name.setdefault(name, {})[os.path.abspath(source.path)] = source
    items, lost = [], []
    for people in spoken:
        candidates = {p: s for name in _keys(people) for p, s in by_name.get(name, {}).items()}
        if len(candidates) > 1:
            raise UsageError(
                f"several videos are called {people.names[0]}: {listed(sorted(candidates))}",
                remedy="say which is meant in a manifest with the columns path and importance",
            )
        if candidates:
            (source,) = candidates.values()
            items.append(_item(source, people))
        else:
            lost.append(people)
    return items, lost


def _keys(people: Annotation) -> set[str]:
    return {_folded(name) for name in people.names}


def _names_of(source: Source) -> set[str]:
    """What annotations may call a video: its name or path, with or without its ending."""
    inside = source.inside if source.inside.name else source.relative
    paths = (inside, inside.with_suffix(""))
    return {_folded(t) for p in paths for t in (p.name, p.as_posix())}


def _folded(name: str) -> str:
    whole = name.encode("utf-8", "backslashreplace").decode()
    return unicodedata.normalize("NFC", whole).casefold()
