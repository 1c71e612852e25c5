"""A clock that is set back by an hour while a run is at work, and a run before its files' time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from command import (
    COMMAND,
    LIGHT,
    PATIENCE_S,
    a_row_is_written,
    answers,
    environment,
    rows_of,
    states_of,
    totals_of,
    triptych,
    until,
)
from triptych.features.upkeep import stats, verify

pytestmark = pytest.mark.needs("embedded")

#: Python imports it as each process starts, workers among them.
_SET_BACK = """
import os, time

_right, _flag = time.time, os.environ["CLOCK_IS_BACK"]
time.time = lambda: _right() - 3600.0 * os.path.exists(_flag)
"""


@pytest.fixture
def clock(tmp_path: Path) -> tuple[dict[str, str], Path]:
    """Environment in which the clock is set back as soon as a file is there; and this file."""
    flag, folder = tmp_path / "back", tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_SET_BACK)
    env = {"PYTHONPATH": str(folder), "CLOCK_IS_BACK": str(flag)}
    told = subprocess.run(
        [sys.executable, "-c", "import time; print(time.time())"],
        env=os.environ | env | {"CLOCK_IS_BACK": str(folder)},
        capture_output=True,
        check=True,
    )
    assert float(told.stdout) < folder.stat().st_mtime - 3500
    return env, flag


def run_through(command: list[str], env: dict[str, str], *, code: int = 0) -> None:
    done = subprocess.run(
        command, env=env, capture_output=True, encoding="utf-8", timeout=PATIENCE_S, check=False
    )
    assert done.returncode == code, done.stderr
    assert "ended without a word" not in done.stderr


def test_a_clock_that_is_set_back_during_a_run_changes_nothing(
    films: Path,
    undisturbed: dict[str, bytes],
    cold: Path,
    tmp_path: Path,
    clock: tuple[dict[str, str], Path],
) -> None:
    wrong, flag = clock
    out, env = tmp_path / "out", environment(cold) | wrong
    run = [*COMMAND, "run", str(films), "-o", str(out), "--workers", "1", *LIGHT]
    with subprocess.Popen(
        run, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        try:
            until(lambda: a_row_is_written(out) or process.poll() is not None)
            process.send_signal(signal.SIGSTOP)  # so that it is at work until all this is done
            assert process.poll() is None, "it ended before the clock was set back"
            flag.touch()
            # What the run used is not pruned, neither by the right clock nor by the wrong one.
            used = {*(cold / "features").rglob("image-*.safetensors")}
            assert used
            for clocks in ({}, wrong):
                prune = [*COMMAND, "cache", "prune", "--max-size", "0"]
                run_through(prune, environment(cold) | clocks, code=1)  # more than 0 is left
            assert used <= {*(cold / "features").rglob("image-*.safetensors")}
            process.send_signal(signal.SIGCONT)
            said = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    assert process.returncode == 0, said
    assert set(states_of(out).values()) == {"done"}
    assert answers(out) == undisturbed
    seconds = [row[key] for row in rows_of(out).values() for key in ("elapsed_s", "waited_s")]
    assert min([totals_of(out)["seconds"], *seconds]) >= 0
    # An hour before its own results, and by the right clock again: nothing is done anew.
    for clocks in (wrong, {}):
        run_through(run, environment(cold) | clocks)
        assert set(states_of(out).values()) == {"cached"}
        assert answers(out) == undisturbed
    assert (out / ".lock").read_text() == ""
    left = stats(cold / "features")
    assert (left.running, left.scratch.files, left.damaged.files) == (0, 0, 0)
    assert not verify(cold / "features", workers=1).damaged


def test_a_run_at_work_is_met_by_one_whose_clock_is_behind(
    films: Path, cold: Path, tmp_path: Path, clock: tuple[dict[str, str], Path]
) -> None:
    """Whose clock says that the lock is of the future, or, afterwards, that it is long stale."""
    wrong, flag = clock
    flag.touch()
    out = tmp_path / "out"
    run = ["run", str(films), "-o", str(out), "--workers", "1", *LIGHT]
    for first, second in ((wrong, {}), ({}, wrong)):
        command = [*COMMAND, *run, "--overwrite"]
        with subprocess.Popen(
            command,
            env=environment(cold) | first,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                until(lambda: (out / ".lock").exists() and (out / ".lock").read_text())
                process.send_signal(signal.SIGSTOP)  # it is at work until it was met
                met = subprocess.run(
                    [*COMMAND, *run],
                    env=environment(cold) | second,
                    capture_output=True,
                    encoding="utf-8",
                    timeout=PATIENCE_S,
                    check=False,
                )
                process.send_signal(signal.SIGCONT)
                assert process.wait(PATIENCE_S) == 0
            finally:
                process.kill()
        assert met.returncode == 2
        assert "another run is working on this folder" in met.stderr
    assert triptych(*run, cache=cold).returncode == 0
    assert set(states_of(out).values()) == {"cached"}
