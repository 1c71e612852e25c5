"""SIGTERM, which services and job schedulers end a command with, is an end like Ctrl-C."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from command import (
    LIGHT,
    PATIENCE_S,
    a_row_is_written,
    answers,
    clip,
    rows_of,
    started,
    states_of,
    totals_of,
    triptych,
    until,
    workers_of,
)

pytestmark = pytest.mark.needs("embedded")


@pytest.mark.parametrize("send", [os.kill, os.killpg])  # systemd tells the workers, too
def test_sigterm_is_143_and_the_same_command_goes_on(
    films: Path,
    undisturbed: dict[str, bytes],
    cold: Path,
    tmp_path: Path,
    send: Callable[[int, int], None],
) -> None:
    out = tmp_path / "out"
    more = [clip(films / f"又{i}.mp4", seed=30 + i, seconds=8.0).name for i in range(3)]
    run = ("run", films, "-o", out, "--workers", 1, *LIGHT)
    with started(*run, cache=cold) as process:
        until(lambda: a_row_is_written(out))
        left = workers_of(process)
        send(process.pid, signal.SIGTERM)
        said = process.communicate(timeout=PATIENCE_S)
        until(lambda: not any(w.is_running() for w in left))
    assert process.returncode == 143, said
    assert "interrupted; the same command goes on where it stopped" in said[1]
    assert "Traceback" not in said[1]
    finished = states_of(out)
    assert set(finished.values()) == {"done"}, "a worker that was ended is no failure"
    totals = totals_of(out)
    assert totals["stopped"] == "interrupted"
    assert totals["waiting"] == 3 + len(more) - len(finished) > 0
    assert all(name in (out / "index.html").read_text("utf-8") for name in finished)
    assert (out / "predictions.csv").read_text("utf-8").count("done") == len(finished)
    assert not list(out.glob(".part-*"))
    assert triptych(*run, cache=cold).returncode == 0
    assert {n for n, s in states_of(out).items() if s == "cached"} == set(finished)
    assert rows_of(out).keys() == {"b.mp4", "c.mp4", "long.mp4", *more}
    found = answers(out)
    assert {name: found[name] for name in undisturbed} == undisturbed
