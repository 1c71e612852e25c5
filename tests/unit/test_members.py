"""Members that are trained side by side: the same model, whatever happens to a process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from fits import OF, QUICK, fitted, videos
from toys import state_of
from triptych.errors import UsageError
from triptych.learn import members

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "_WORTH", 0)


@pytest.mark.parametrize("task", sorted(OF))
def test_processes_train_the_same_members(task: str, tmp_path: Path) -> None:
    told: list[list[dict[str, Any]]] = []
    found = []
    for workers in (1, 2):
        told.append([])
        found.append(
            fitted(
                OF[task](24),
                task=task,
                options=replace(QUICK, folds=3),
                workers=workers,
                work=tmp_path / str(workers),
                on_epoch=told[-1].append,
            )
        )
    alone, beside = found
    for one, other in zip(alone.model.members, beside.model.members, strict=True):
        assert state_of(one) == state_of(other)
    for metrics in (alone.metrics, beside.metrics):
        for row in (metrics["training"], *metrics["history"]):
            row.pop("seconds")
    assert alone.metrics == beside.metrics

    def seen(rows: list[dict[str, Any]]) -> list[tuple[int, int]]:
        return sorted((row["member"], row["epoch"]) for row in rows)

    assert seen(told[1]) == seen(told[0]) and len(told[0]) == 12
    assert not (tmp_path / "2" / "examples").exists()


def test_tracks_that_only_some_videos_have_arrive_as_they_were(tmp_path: Path) -> None:
    some = [*videos(5), *videos(3, tracks={"text": 4}), *videos(2, tracks={"image": 6})]
    layout = members._share(some, tmp_path)
    for before, after in zip(some, members._shared(layout, tmp_path), strict=True):
        assert (after.name, after.target, after.words) == (before.name, before.target, before.words)
        assert after.values.keys() == before.values.keys()
        for track, values in before.values.items():
            assert np.array_equal(after.values[track], values, equal_nan=True)
            assert np.array_equal(after.present[track], before.present[track])


@pytest.fixture
def trainers() -> Callable[[], list[psutil.Process]]:
    """Children of this process that were not there when the test began."""
    before = set(psutil.Process().children())
    return lambda: [child for child in psutil.Process().children() if child not in before]


def test_a_process_that_dies_costs_nothing_but_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, trainers: Callable[[], list[psutil.Process]]
) -> None:
    killed: list[int] = []

    def kill(_: dict[str, Any]) -> None:
        for child in trainers() if not killed else ():
            os.kill(child.pid, signal.SIGKILL)
            killed.append(child.pid)

    options = replace(QUICK, folds=2, epochs=40)
    found = fitted(videos(24), options=options, workers=2, work=tmp_path, on_epoch=kill)
    assert len(killed) == 2 and "ended with code -9" in caplog.text
    whole = fitted(videos(24), options=options)
    for one, other in zip(found.model.members, whole.model.members, strict=True):
        assert state_of(one) == state_of(other)


def test_what_is_wrong_is_said_here_and_processes_end(
    tmp_path: Path, trainers: Callable[[], list[psutil.Process]]
) -> None:
    with pytest.raises(UsageError, match="no model type"):
        fitted(videos(24), options=replace(QUICK, model_type="nonsense"), workers=2)
    assert not trainers()

    def interrupt(_: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(videos(24), workers=2, work=tmp_path, on_epoch=interrupt)
    assert not trainers()
    assert torch.get_num_threads() == 1
