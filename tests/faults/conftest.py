"""Folders and caches for whole runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from command import (
    LIGHT,
    answers,
    clip,
    triptych,
)


@pytest.fixture(scope="session")
def calm(scratch_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `films` and `out`: what a run to which nothing happens says of them."""
    root = tmp_path_factory.mktemp("calm")
    folder = root / "films"
    clip(folder / "long.mp4", seed=1, seconds=8.0)
    clip(folder / "b.mp4", seed=2, seconds=2.0)
    clip(folder / "c.mp4", seed=3)
    assert (folder / "long.mp4").stat().st_size > (folder / "b.mp4").stat().st_size
    done = triptych("run", folder, "-o", root / "out", *LIGHT, cache=scratch_cache)
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def cold(calm: Path, scratch_cache: Path, tmp_path: Path) -> Path:
    """A cache without any features, in which the models are prepared."""
    cache = tmp_path / "cold"
    shutil.copytree(scratch_cache / "prepared", cache / "prepared")
    return cache


@pytest.fixture
def films(calm: Path, tmp_path: Path) -> Path:
    """Two short films and a longer one, which is worked on first."""
    return Path(shutil.copytree(calm / "films", tmp_path / "films"))


@pytest.fixture
def undisturbed(calm: Path, films: Path) -> dict[str, bytes]:
    """What a run to which nothing happens says of these films, in a folder beside them."""
    there, here = os.fsencode(calm / "films"), os.fsencode(films)
    return {name: text.replace(there, here) for name, text in answers(calm / "out").items()}
