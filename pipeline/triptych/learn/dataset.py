"""Which video has which label: from folders named after classes, or from a manifest.

clips/cat/1.mp4                     folder = label, given as clips, or as clips/cat clips/dog
clips/train/cat/1.mp4               the first folders are all names of splits
path,label,split,group              a manifest; several labels with | between them
"""

from __future__ import annotations

import math
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from triptych.amounts import counted
from triptych.errors import UsageError
from triptych.inputs import Source

if TYPE_CHECKING:
    from triptych.learn.agreement import Annotation

__all__ = [
    "Dataset",
    "Item",
    "Split",
    "Task",
    "check_classes",
    "empty_classes",
    "group_of",
    "listed",
    "name_in",
    "read_dataset",
    "split_in",
    "target_of",
]

Task = Literal["single", "multi", "regression", "importance"]
Split = Literal["train", "valid", "test", ""]

_SPLITS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "valid",
    "valid": "valid",
    "validation": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
    "训练": "train",
    "训练集": "train",
    "验证": "valid",
    "验证集": "valid",
    "测试": "test",
    "测试集": "test",
}
_SHAPES = (
    "make one folder for each class, or give a manifest (.csv, .jsonl) with the columns "
    "path and label"
)
_LISTED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A video and what is known to be true of it."""

    source: Source
    labels: tuple[str, ...] = ()  #: for regression, none
    value: float | None = None  #: for regression
    people: Annotation | None = None  #: for importance: what they said of its moments
    split: Split = ""  #: "" where nobody said
    group: str = ""  #: videos that must not be parted, "" where nobody said


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Videos with labels."""

    task: Task
    items: tuple[Item, ...]
    warnings: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels in a stable order; one name for the value of a regression."""
        if self.task == "regression":
            return ("value",)
        if self.task == "importance":
            return ()
        found = {label for item in self.items for label in item.labels}
        counted = all(label.isdecimal() for label in found)
        return tuple(sorted(found, key=lambda t: (int(t), t) if counted else (0, t)))

    def counts(self) -> Counter[str]:
        """Videos of each label."""
        return Counter(label for item in self.items for label in item.labels)


def target_of(item: Item, labels: Sequence[str], *, task: Task) -> int | float | list[float]:
    """What a model should say of a video: an index, a 0 or 1 for each label, or a number.

    Raises:
        ValueError: a label that is not among `labels`.
    """
    if task == "importance":  # is of steps; videos as wholes are all alike
        return 0.0
    if task == "regression":
        if item.value is None:
            raise ValueError(f"{item.source.path} has no value")
        return item.value
    columns = [labels.index(label) for label in item.labels]
    if task == "single":
        return columns[0]
    return [float(i in columns) for i in range(len(labels))]


def group_of(item: Item, digest: str) -> str:
    """What keeps videos together: their group, else their content.

    Args:
        item: the video.
        digest: sha256 of its content; windows of one film share it.
    """
    return f"group {item.group}" if item.group else digest


def read_dataset(
    sources: Sequence[Source], *, task: Literal["auto", "single", "multi", "regression"] = "auto"
) -> Dataset:
    """Labels, splits and groups of the files that were found.

    Args:
        sources: see `triptych.inputs.find_sources`.
        task: "auto" is "multi" when any video has several labels, else "single".

    Raises:
        UsageError: no labels, labels that do not fit the task, or an unknown split.
    """
    if not sources:
        raise UsageError("no videos were found", remedy=_SHAPES)
    if _are_classes_themselves(sources):
        sources = [replace(s, inside=_given(s).name / s.inside) if s.inside.name else s
                   for s in sources]  # fmt: skip
    depth = 1 if _begins_with_splits(sources) else 0
    items, nameless = [], []
    for source in sources:
        item = _item(source, depth)
        if item.labels:
            items.append(item)
        elif source.expected:  # what is no media by its name needs no label
            nameless.append(source)
    if not items:
        alone = len({_given(s) for s in sources if s.inside.name}) == 1
        above = "give the folder above if this folder is a class; else " if alone else ""
        raise UsageError("no video has a label", path=sources[0].path, remedy=above + _SHAPES)
    warnings = []
    if nameless:
        names = listed([str(s.inside if s.inside.name else s.path) for s in nameless])
        warnings.append(
            f"{counted(len(nameless), 'video')} without a label had to be left out: {names}"
        )
    if task == "regression":
        return Dataset(task=task, items=tuple(map(_valued, items)), warnings=tuple(warnings))
    several = [item for item in items if len(item.labels) > 1]
    if task == "single" and several:
        raise UsageError(
            f"{counted(len(several), 'video has', 'videos have')} several labels, the first {listed(several[0].labels)}",
            path=several[0].source.path,
            remedy="use --task multi, or give each one label",
        )
    if task == "auto":
        task = "multi" if several else "single"
        if several:
            warnings.append(
                f"several labels in {len(several)} of {counted(len(items), 'video')}, so each label is "
                "judged by itself (--task multi)"
            )
    found = Dataset(task=task, items=tuple(items))
    return replace(found, warnings=(*warnings, *_near_twins(found.labels)))


def check_classes(dataset: Dataset) -> None:
    """Refuse what nothing can be learnt from.

    Raises:
        UsageError: fewer than two classes, or a class with a single video.
    """
    if dataset.task == "importance":
        if len(dataset.items) < 2:
            raise UsageError(
                "there is only one video that people judged",
                path=dataset.items[0].source.path,
                remedy="at least two are needed, one to learn from and one to check with",
            )
        return
    if dataset.task == "regression":
        if len({item.value for item in dataset.items}) < 2:
            raise UsageError("all values are the same", remedy="there is nothing to learn")
        return
    # Whether a file that is no media by its name is one shows when it is opened.
    sure = replace(dataset, items=tuple(i for i in dataset.items if i.source.expected))
    counts = sure.counts() if sure.items else dataset.counts()
    if len(counts) < 2 and dataset.task == "single":
        raise UsageError(
            f"there is only one label: {listed(counts)}",
            remedy="a model learns to tell classes apart: give at least two",
        )
    if lonely := sorted(label for label, count in counts.items() if count < 2):
        raise UsageError(
            f"labels with a single video: {listed(lonely)}",
            remedy="at least two of each are needed, one to learn from and one to check with; "
            "add videos or remove the label",
        )


def empty_classes(folders: Iterable[Path], dataset: Dataset) -> list[str]:
    """Names of folders that stand beside those of the classes, and hold no video.

    Args:
        folders: see `triptych.inputs.find_folders`.
        dataset: what could be read.
    """
    sources = [item.source for item in dataset.items]
    depth = 2 if _begins_with_splits(sources) else 1
    named = [s for s in sources if len(s.inside.parts) > depth and "label" not in dict(s.extra)]
    full = {_given(s, below=depth) for s in named}
    beside = {folder.parent for folder in full}
    empty = [f.name for f in folders if f.parent in beside and f not in full]
    return [name for name in dict.fromkeys(empty) if name_in(name) not in dataset.labels]


def listed(names: Iterable[str]) -> str:
    """The first few names.

    >>> listed("abcdefgh")
    'a, b, c, d, e and 3 more'
    """
    names = [str(name) for name in names]
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _given(source: Source, *, below: int = 0) -> Path:
    """The folder in which a file was found: what was given, or so many folders below that."""
    return Path(os.path.abspath(source.path)).parents[len(source.inside.parts) - 1 - below]


def _are_classes_themselves(sources: Sequence[Source]) -> bool:
    """Whether several folders were given that hold videos and no folders of videos.

    Folders that are all called train, test and so on are splits whose classes are missing.
    """
    found = [s for s in sources if s.expected and s.inside.name]
    flat = all(len(s.inside.parts) == 1 and "label" not in dict(s.extra) for s in found)
    given = {_given(s) for s in found}
    are_splits = all(name_in(folder.name).casefold() in _SPLITS for folder in given)
    return flat and len(given) > 1 and not are_splits


def _begins_with_splits(sources: Sequence[Source]) -> bool:
    """Whether the folders just below what was given are all named train, test and so on."""
    deep = [s for s in sources if len(s.inside.parts) > 1]
    deep = [s for s in deep if s.expected] or deep
    return bool(deep) and all(name_in(s.inside.parts[0]).casefold() in _SPLITS for s in deep)


def _item(source: Source, depth: int) -> Item:
    extra, folders = dict(source.extra), source.inside.parts[:-1]
    if depth and folders and name_in(folders[0]).casefold() not in _SPLITS:
        folders = ()  # beside train and test, of something that is no media by its name
    split = extra.get("split", folders[0] if depth and folders else "")
    labels = extra["label"].split("|") if "label" in extra else folders[depth : depth + 1]
    return Item(
        source=source,
        labels=tuple(dict.fromkeys(name for label in labels if (name := name_in(label)))),
        split=split_in(split, source),
        group=name_in(extra.get("group", "")),
    )


def name_in(text: str) -> str:
    """A name as it is compared: composed accents, single blanks.

    >>> name_in("  caf\\u0065\\u0301\\u3000 noir ")
    'café noir'
    """
    whole = text.encode("utf-8", "backslashreplace").decode()  # half characters of old systems
    return " ".join(unicodedata.normalize("NFC", whole).split())


def split_in(text: str, source: Source) -> Split:
    name = name_in(text).casefold()
    if name and name not in _SPLITS:
        raise UsageError(
            f"unknown split {text!r}", path=source.path, remedy=f"known: {', '.join(_SPLITS)}"
        )
    return _SPLITS.get(name, "")


def _valued(item: Item) -> Item:
    try:
        (text,) = item.labels
        value = float(text)
        if not math.isfinite(value):
            raise ValueError("not finite")
    except ValueError as err:
        raise UsageError(
            f"{'|'.join(item.labels)!r} is no number",
            path=item.source.path,
            remedy="regression needs a manifest whose column label holds one number each",
        ) from err
    return replace(item, labels=(), value=value)


def _near_twins(labels: Sequence[str]) -> list[str]:
    """A warning for each set of labels that look like one label typed in several ways."""
    alike: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        key = unicodedata.normalize("NFKC", label).casefold()
        alike["".join(c for c in key if not c.isspace() and c not in "_-")].append(label)
    return [
        f"these are different labels, but look like one: {listed(map(repr, same))}"
        for same in alike.values()
        if len(same) > 1
    ]
