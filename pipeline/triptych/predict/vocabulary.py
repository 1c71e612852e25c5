"""Which labels a video may get: the built-in list, a file, or words on the command line."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from triptych.config import PredictConfig
from triptych.decode.encodings import decode_text
from triptych.errors import UsageError

__all__ = ["BUILT_IN", "Vocabulary", "load_vocabulary", "vocabulary_of"]

BUILT_IN = ("everyday",)

_BETWEEN_WORDS = re.compile(r"[,;，、；\r\n]")
_TABLES = (".tsv", ".csv")
_FILES = (*_TABLES, ".txt", ".list", ".labels", ".json", ".xlsx", ".yaml")
_REMEDY = "give words with commas between them, a text file with one label a line, or `everyday`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Labels, and the texts that say what each one means."""

    ids: tuple[str, ...]  #: stable names for files and scripts; no two are equal
    names: tuple[str, ...]  #: as shown to people
    phrases: tuple[tuple[str, ...], ...]  #: texts to embed for each label: its name and words

    def __len__(self) -> int:
        return len(self.ids)


class _Label(NamedTuple):
    id: str
    name: str
    words: tuple[str, ...]


def load_vocabulary(spec: str, *, language: str = "en") -> Vocabulary:
    """Labels from what a user typed.

    Args:
        spec: the built-in list's name (`everyday`); or a file, in any usual encoding: text with
            one label a line, or `.tsv` and `.csv` with the label first and words that describe
            it after; lines that begin with `#` are comments; or words between commas
            (`,` `;` `，` `、` `；`).
        language: "zh..." gives the built-in names in Chinese, anything else in English. The
            user's own labels stay as they were typed.

    Raises:
        UsageError: no labels, a label twice, or a file that is missing or cannot be read.

    >>> load_vocabulary("猫,狗，汽车").names
    ('猫', '狗', '汽车')
    >>> load_vocabulary("everyday", language="zh-CN").names[2]
    '美食'
    """
    typed = spec.strip()
    if typed in BUILT_IN:
        return _checked(_built_in(typed, chinese=language.lower().startswith("zh")), source=typed)
    path = Path(os.path.expanduser(typed))  # unlike Path's own, it lets `~nobody` stand
    if typed and _is_file(path):
        return _checked(_from_file(path), source=typed)
    if _looks_like_path(typed):
        raise UsageError("no such file of labels", path=typed, remedy=_REMEDY)
    return _checked([_Label(w, w, ()) for w in _split(typed)], source=typed)


def vocabulary_of(config: PredictConfig) -> Vocabulary:
    """The labels of a run; their names are in one language for all of its videos.

    Raises:
        UsageError: as of `load_vocabulary`.
    """
    return load_vocabulary(config.labels, language=config.language)


def _built_in(name: str, *, chinese: bool) -> list[_Label]:
    text = (files("triptych.predict") / "vocabularies" / f"{name}.tsv").read_text("utf-8")
    labels = []
    for line in text.splitlines()[1:]:
        id_, en, zh, en_words, zh_words = line.split("\t")
        # Both languages always: what is said in a video may be in either.
        other = en if chinese else zh
        labels.append(
            _Label(id_, zh if chinese else en, (other, *_split(en_words), *_split(zh_words)))
        )
    return labels


def _from_file(path: Path) -> list[_Label]:
    try:
        text, _ = decode_text(path.read_bytes())
    except OSError as err:
        raise UsageError(
            f"labels cannot be read: {err.strerror or err}",
            path=path,
            remedy="check that the file may be read",
        ) from err
    if "\0" in text or text.count("\ufffd") > 1 + len(text) // 100:
        raise UsageError("this is no text file of labels", path=path, remedy=_REMEDY)
    lines = [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    if path.suffix.lower() not in _TABLES:
        return [_Label(name, name, ()) for line in lines if (name := _folded(line))]
    return _from_table(lines, path, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")


def _from_table(lines: list[str], path: Path, *, delimiter: str) -> list[_Label]:
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
    except csv.Error as err:
        raise UsageError(f"this is no table of labels: {err}", path=path, remedy=_REMEDY) from err
    labels = []
    for row in rows:
        name = _folded(row[0])
        labels.append(_Label(name, name, tuple(w for cell in row[1:] for w in _split(cell))))
    return labels


def _split(text: str) -> list[str]:
    return [word for part in _BETWEEN_WORDS.split(text) if (word := _folded(part))]


def _folded(text: str) -> str:
    return " ".join(text.split())


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long for a name, or with a zero byte: words, then
        return False


def _looks_like_path(typed: str) -> bool:
    """Whether someone who typed this meant a file."""
    if _BETWEEN_WORDS.search(typed):
        return False
    return typed.lower().endswith(_FILES) or typed.startswith(("./", "../", "/", "~", ".\\"))


def _checked(labels: list[_Label], *, source: str) -> Vocabulary:
    if not labels:
        raise UsageError(f"no labels in {source!r}", remedy=_REMEDY)
    if not all(label.name for label in labels):
        raise UsageError(f"a row of {source!r} has words but no label", remedy=_REMEDY)
    counts = Counter(label.name.casefold() for label in labels)
    if twice := sorted({label.name for label in labels if counts[label.name.casefold()] > 1}):
        raise UsageError(
            f"labels given more than once: {', '.join(twice)}", remedy="keep one of each"
        )
    return Vocabulary(
        ids=tuple(label.id for label in labels),
        names=tuple(label.name for label in labels),
        phrases=tuple(tuple(dict.fromkeys((label.name, *label.words))) for label in labels),
    )
