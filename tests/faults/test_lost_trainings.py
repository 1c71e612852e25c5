"""Trainings that are interrupted, and files that hang or crash their worker."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from command import PATIENCE_S, started, triptych, until, workers_of
from labelled import labelled_folder

pytestmark = pytest.mark.needs("embedded")

QUICK = ("--preset", "light", "--asr", "never", "--epochs", "2", "--folds", "2", "--workers", "1")


def kept(cache: Path) -> int:
    return len(list((cache / "features").rglob("sample-*.safetensors")))


def test_ctrl_c_is_130_and_the_same_command_goes_on(tmp_path: Path, cold: Path) -> None:
    clips = labelled_folder(tmp_path / "clips", each=5)
    train = ("train", clips, "-o", tmp_path / "model", *QUICK)
    with started(*train, cache=cold) as process:
        until(lambda: kept(cold) >= 2)
        left = workers_of(process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers, too
        said = process.communicate(timeout=PATIENCE_S)
        until(lambda: not any(w.is_running() for w in left), patience_s=10)
    assert process.returncode == 130, said
    assert "interrupted; the same command goes on where it stopped" in said[1]
    assert "Traceback" not in said[1]
    finished = kept(cold)
    assert 2 <= finished < 10
    done = triptych(*train, "--json", cache=cold)
    assert done.returncode == 0, done.stderr
    states = json.loads(done.stdout)["states"]
    assert (states["cached"], states["done"]) == (finished, 10 - finished)


def test_files_that_no_worker_can_finish_are_left_out(tmp_path: Path, cold: Path) -> None:
    clips = labelled_folder(tmp_path / "clips", each=2)
    train = ("train", clips, "-o", tmp_path / "model", *QUICK)
    done = triptych(*train, "--set", "runner.time_limit_s=0.01", cache=cold)
    assert done.returncode == 2
    assert done.stderr.count("time limit: gave no answer within 0.01 s") == 4
    assert "none of 4 videos could be read" in done.stderr
    assert not (tmp_path / "model").exists()
    assert triptych(*train, cache=cold).returncode == 0
