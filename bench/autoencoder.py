"""What an autoencoder's codes are worth: a linear probe on clips that have labels.

    triptych train ../shared/data/fight_surv -o MODEL --task features
    python bench/autoencoder.py --data ../shared/data --model MODEL

Fight or no fight, five folds by recording (labels.csv); a clip is the mean and the spread of its
frames' rows. The autoencoder saw the pictures of all clips, the test clips' among them, but no label.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from triptych.decode import open_media
from triptych.extract.drive import pump
from triptych.extract.registry import load

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


def table(data: Path, model: str) -> Iterator[str]:
    """As Markdown."""
    found = clips(data)
    labels = np.array([clip["label"] for clip in found])
    folds = np.array([clip["fold"] for clip in found])
    items = (f"autoencoder={model}", "colour", "image")
    yield f"| features | columns | accuracy, {len(found)} clips |"
    yield "|---|---|---|"
    most = max((labels == name).mean() for name in np.unique(labels))
    yield f"| none: the commoner label | 0 | {most:.3f} |"
    for item, features in zip(items, rows_of(data, found, items), strict=True):
        name, share = item.partition("=")[0], accuracy(features, labels, folds)
        yield f"| `{name}` | {features.shape[1]} | {share:.3f} |"
        print(f"{name}: {share:.3f}", file=sys.stderr, flush=True)


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model", required=True, help="folder of the autoencoder")
    given = parser.parse_args()
    print("\n".join(table(given.data, given.model)))


if __name__ == "__main__":
    main()
