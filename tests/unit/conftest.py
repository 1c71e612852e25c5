"""What several modules of unit tests start from."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from exported import Finished, ran_over_films


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run whose films are gone."""
    return ran_over_films(tmp_path_factory.mktemp("export"))


@pytest.fixture
def finished(ran: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Finished:
    """The run, for a test that may do with it what it likes."""
    shutil.copytree(ran.out, tmp_path / "out")
    shutil.copytree(ran.cache / "features", tmp_path / "cache" / "features")
    monkeypatch.setenv("TRIPTYCH_CACHE", str(tmp_path / "cache"))
    return replace(ran, out=tmp_path / "out", cache=tmp_path / "cache", target=tmp_path / "target")
