"""What several modules of unit tests start from."""

from __future__ import annotations

import functools
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from encodes import Encoded, film
from exported import Finished, ran_over_films


@pytest.fixture(scope="session")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Encoded:
    """A film by its name in `encodes.CLIPS` and its times; each is encoded once."""

    @functools.cache
    def made(name: str, times: tuple[float, ...]) -> Path:
        return film(tmp_path_factory.mktemp(name), name, times)

    return lambda name, times: made(name, tuple(times))


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
