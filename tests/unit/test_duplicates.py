"""Videos that look nearly the same on both sides of a split are found and named."""

from __future__ import annotations

import csv
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from triptych.errors import UsageError
from triptych.learn import duplicates_warning, near_duplicates
from triptych.learn.duplicates import Pair


def collection(videos: int = 40, *, seed: int = 0, dim: int = 64) -> np.ndarray:
    """Videos that have much in common, as all films of one studio have."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=dim) * 5 + rng.normal(size=(videos, dim))).astype(np.float32)


def test_a_copy_is_found_across_a_split_and_not_within() -> None:
    vectors = collection()
    vectors[31] = vectors[4] * 1.7  # louder, not different
    vectors[12] = vectors[3]
    sides = ["train"] * 20 + ["test"] * 20
    found = near_duplicates(vectors, apart=sides)
    assert [(p.first, p.second) for p in found] == [(4, 31)]
    assert found[0].likeness == pytest.approx(1.0, abs=1e-5)
    every = near_duplicates(vectors, apart=range(40))
    assert [(p.first, p.second) for p in every] == [(3, 12), (4, 31)]
    assert near_duplicates(vectors, apart=["train"] * 40) == []


def test_what_all_videos_share_is_no_likeness() -> None:
    vectors = collection()
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert (units @ units.T).min() > 0.9
    assert near_duplicates(vectors, apart=range(40)) == []


@pytest.mark.parametrize("videos", [2, 3, 4])
def test_all_the_same(videos: int) -> None:
    vectors = np.repeat(collection(1), videos, axis=0)
    assert len(near_duplicates(vectors, apart=range(videos))) == videos * (videos - 1) // 2


def test_two_different_videos() -> None:
    assert near_duplicates(np.eye(2), apart=["a", "b"]) == []


def test_videos_without_pictures_are_like_none() -> None:
    vectors = collection()
    vectors[[1, 39]] = 0.0
    vectors[[2, 38]] = np.nan
    vectors[37] = vectors[5]
    found = near_duplicates(vectors, apart=[*range(40)])
    assert [(p.first, p.second) for p in found] == [(5, 37)]
    assert near_duplicates(np.zeros((3, 4)), apart=range(3)) == []
    assert near_duplicates(np.zeros((0, 4)), apart=[]) == []


def test_blocks_give_what_one_matrix_gives() -> None:
    """More videos than a block, alike within and across blocks."""
    rng = np.random.default_rng(1)
    vectors = collection(1100, seed=1, dim=16)
    vectors[600:] = vectors[:500] + rng.normal(size=(500, 16)) * 0.45
    sides = rng.integers(0, 3, 1100)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    units = units - units.sum(axis=0) / 1101
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    likeness = np.triu(units @ units.T, 1)
    likeness[sides[:, None] == sides] = 0
    expected = {(int(i), int(j)) for i, j in np.argwhere(likeness >= 0.9)}
    found = near_duplicates(vectors, apart=sides, threshold=0.9)
    assert {(p.first, p.second) for p in found} == expected and 100 < len(found) < 1000
    assert [p.likeness for p in found] == sorted((p.likeness for p in found), reverse=True)
    assert found[0].likeness == pytest.approx(likeness.max(), abs=1e-5)


def test_many_videos_need_little_memory_and_give_few_pairs() -> None:
    vectors = np.ones((6000, 8), np.float32)  # all alike: 18 million pairs
    tracemalloc.start()
    found = near_duplicates(vectors, apart=range(6000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 1000
    assert peak < 250e6  # the matrix of likeness alone would be 144 MB, its indices 288 MB
    text = duplicates_warning(found, names=[f"{i}.mp4" for i in range(6000)], apart=range(6000))
    assert text.startswith("1000 pairs or more of videos look")


@pytest.mark.parametrize(
    ("vectors", "apart", "threshold", "reason"),
    [
        (np.eye(3), ["a", "b"], 0.8, "do not fit"),
        (np.ones(3), ["a", "b", "c"], 0.8, "do not fit"),
        (np.eye(3), ["a", "b", "c"], 1.5, "likeness"),
        (np.eye(3), ["a", "b", "c"], -1.0, "likeness"),
    ],
)
def test_what_does_not_fit_is_refused(
    vectors: Any, apart: Any, threshold: float, reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        near_duplicates(vectors, apart=apart, threshold=threshold)


def test_the_warning_names_the_first_pairs() -> None:
    names = ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]
    apart = ["train", "test", "train", "test"]
    pairs = [Pair(0, 1, 0.99), Pair(2, 3, 0.95), Pair(0, 3, 0.9)]
    text = duplicates_warning(pairs, names=names, apart=apart, shown=2)
    assert text.startswith(
        "3 pairs of videos look nearly the same but are kept apart: a.mp4 (train) and "
        "b.mp4 (test); c.mp4 (train) and d.mp4 (test); and others. "
    )
    assert "one group" in text
    assert "others" not in duplicates_warning(pairs, names=names, apart=apart)
    assert duplicates_warning([], names=names, apart=apart) == ""


@pytest.mark.needs("shared", "embedded")
def test_real_clips(shared_data: Path) -> None:
    """A clip is known again by other frames; clips of other sources are not taken for it."""
    from triptych.decode.media import open_media
    from triptych.extract.drive import pump
    from triptych.extract.registry import load

    root = shared_data / "fight_surv"
    with (root / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[::14]
    image = load("image")

    def looks(row: dict[str, str], *, fps: float) -> np.ndarray:
        with open_media(root / row["path"]) as media:
            return pump(media, {"image": image}, fps=fps)["image"].values.mean(axis=0)

    vectors = [looks(row, fps=fps) for fps in (1.5, 2.5) for row in rows]
    count = len(rows)
    found = near_duplicates(np.stack(vectors), apart=["train"] * count + ["test"] * count)
    pairs = {(p.first, p.second - count) for p in found}
    assert pairs >= {(i, i) for i in range(count)}
    assert all(rows[a]["group"] == rows[b]["group"] for a, b in pairs)
