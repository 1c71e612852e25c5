"""What looks alike in a run: groups and near-duplicates in the gallery, each mean read once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synth import track
from triptych.features.store import FeatureStore
from triptych.report.alike import Alike, look_alikes
from triptych.report.gallery import gallery_html


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    """A store of its own, which `look_alikes` reads."""
    monkeypatch.setenv("TRIPTYCH_CACHE", str(tmp_path / "cache"))
    return FeatureStore()


def run_of(store: FeatureStore, kinds: str) -> list[dict[str, Any]]:
    """Rows of as many videos; those of one letter look alike, those of a capital nearly the same.

    A dot has no pictures.
    """
    rng = np.random.default_rng(0)
    bases = {letter: rng.normal(size=64) for letter in sorted(set(kinds.lower()))}
    rows = []
    for i, kind in enumerate(kinds):
        row: dict[str, Any] = {"path": f"{i}.mp4", "state": "done", "folder": f"{i}.mp4"}
        row |= {"labels": [[f"<b>{kind.lower()}", 0.5]], "outputs": {"html": "report.html"}}
        if kind != ".":
            noise = rng.normal(size=(5, 64)) * (0.02 if kind.isupper() else 0.6)
            values = bases[kind.lower()] + noise.mean(axis=0) * 1.5
            key = f"image-{i:032x}"
            times = np.arange(5.0)
            store.put(key, track(np.repeat(values[None], 5, axis=0), times, times + 1))
            row["entries"] = {"image": key}
        rows.append(row)
    return rows


def test_groups_and_near_duplicates(store: FeatureStore, tmp_path: Path) -> None:
    rows = run_of(store, "aAbA.cAbb")
    found = look_alikes(rows, tmp_path)
    assert found.groups[0] == (0, 1, 3, 6)
    assert found.groups[1] == (2, 7, 8)
    assert (1, 3, 6) in [tuple(i for i in twins if i != 0) for twins in found.duplicates]


def test_means_are_read_once(store: FeatureStore, tmp_path: Path) -> None:
    rows = run_of(store, "aabb")
    first = look_alikes(rows, tmp_path)
    for path in store.root.rglob("*.safetensors"):
        path.unlink()
    assert look_alikes(rows, tmp_path) == first
    (tmp_path / ".looks.npy").write_bytes(b"cut sh")
    assert look_alikes(rows, tmp_path) == Alike()


def test_what_is_gone_or_strange_is_no_error(store: FeatureStore, tmp_path: Path) -> None:
    rows = run_of(store, "aabbc")
    for key in ("", "../../etc/passwd", "image-none", "a/b"):
        rows.append({"path": "x", "state": "failed", "entries": {"image": key}})
    rows.append({"path": "y", "state": "failed"})
    assert look_alikes(rows, tmp_path).groups == ((0, 1), (2, 3))
    assert look_alikes([], tmp_path) == look_alikes(rows[:1], tmp_path) == Alike()


def test_the_gallery_shows_them(store: FeatureStore, tmp_path: Path) -> None:
    rows = run_of(store, "aabc")
    page = gallery_html(rows, totals={}, alike=Alike(((0, 1),), ((0, 3),)))
    assert '<button type="button" data-group="0"' in page
    assert page.count('data-group="0"') == 3  # its button, and its two videos
    assert "&lt;b&gt;a</b> 2" in page
    assert "Nearly the same" in page and 'href="3.mp4/report.html"' in page
    plain = gallery_html(rows, totals={})
    assert "Similar videos" not in plain and "Nearly the same" not in plain
