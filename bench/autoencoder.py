"""What an autoencoder's codes are worth: a linear probe on clips that have labels.

    triptych train ../shared/data/fight_surv -o MODEL --task features
    python bench/extract.py codes --model MODEL

Fight or no fight, five folds by recording (labels.csv); a clip is the mean and the spread of its
frames' rows. The autoencoder saw the pictures of all clips, the test clips' among them, but no label.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from triptych.decode import open_media
from triptych.extract.drive import pump
from triptych.extract.registry import load

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FPS = 4.0


def clips(data: Path) -> list[dict[str, str]]:
    """Rows of labels.csv: path, label, group, fold."""
    with (data / "fight_surv" / "labels.csv").open() as file:
        return list(csv.DictReader(file))


def rows_of(data: Path, found: Sequence[dict[str, str]], items: Sequence[str]) -> list[np.ndarray]:
    """One matrix (clips, features) for each extractor."""
    extractors = {item.partition("=")[0]: load(item) for item in items}
    rows: list[list[np.ndarray]] = [[] for _ in items]
    for clip in found:
        with open_media(data / "fight_surv" / clip["path"]) as media:
            tracks = pump(media, extractors, fps=FPS)
        for into, name in zip(rows, extractors, strict=True):
            values = tracks[name].values
            into.append(np.concatenate([values.mean(axis=0), values.std(axis=0)]))
    return [np.stack(each) for each in rows]


def accuracy(features: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> float:
    """Share of clips that a probe gets right that learned from the other folds."""
    right = 0
    for fold in np.unique(folds):
        test = folds == fold
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
        right += int((probe.fit(features[~test], labels[~test]).predict(features[test])
                      == labels[test]).sum())  # fmt: skip
    return right / len(labels)


def add_parser(commands: Any) -> None:
    """The sub-command `codes`."""
    parser = commands.add_parser("codes", help="a linear probe on an autoencoder's codes")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--model", required=True, help="folder of the autoencoder")
    parser.set_defaults(run=codes)


def codes(asked: argparse.Namespace) -> dict[str, float]:
    """Accuracy of a probe on its codes, on colours and on EfficientNet's embedding."""
    found = clips(asked.data)
    labels = np.array([clip["label"] for clip in found])
    folds = np.array([clip["fold"] for clip in found])
    items = (f"autoencoder={asked.model}", "colour", "image")
    shares = {"commoner label": max(float((labels == name).mean()) for name in np.unique(labels))}
    for item, features in zip(items, rows_of(asked.data, found, items), strict=True):
        shares[item.partition("=")[0]] = accuracy(features, labels, folds)
    return {"clips": len(found), **shares}
