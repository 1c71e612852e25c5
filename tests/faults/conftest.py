"""Folders and caches for whole runs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import (
    LIGHT,
    answers,
    clip,
    triptych,
)


@pytest.fixture
def cold(scratch_cache: Path, tmp_path: Path) -> Path:
    """A cache without any features, in which the models are prepared."""
    if not (scratch_cache / "prepared").is_dir():
        warm_up = clip(tmp_path / "warm-up" / "a.mp4")
        assert triptych("run", warm_up, "-o", tmp_path / "warm-up" / "out", *LIGHT).returncode == 0
    cache = tmp_path / "cold"
    shutil.copytree(scratch_cache / "prepared", cache / "prepared")
    return cache


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Two short films and a longer one, which is worked on first."""
    folder = tmp_path / "films"
    clip(folder / "long.mp4", seed=1, seconds=8.0)
    clip(folder / "b.mp4", seed=2, seconds=2.0)
    clip(folder / "c.mp4", seed=3)
    assert (folder / "long.mp4").stat().st_size > (folder / "b.mp4").stat().st_size
    return folder


@pytest.fixture
def undisturbed(films: Path, tmp_path: Path) -> Iterator[dict[str, bytes]]:
    """What a run to which nothing happens says of these films."""
    out = tmp_path / "undisturbed"
    assert triptych("run", films, "-o", out, *LIGHT).returncode == 0
    return answers(out)
