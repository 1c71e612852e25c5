"""A model process that is killed, under real workers and a real command: all videos are done."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import psutil
import pytest

from command import (
    COMMAND,
    LIGHT,
    PATIENCE_S,
    answers,
    environment,
    rows_of,
    started,
    states_of,
    totals_of,
    triptych,
    until,
    workers_of,
)
from networks import BREAK, DIE, ask
from triptych.config import Config, RunnerConfig
from triptych.inputs import Source
from triptych.journal import Row
from triptych.pool import work_through

SHARED = ("--set", "runner.device=cpu-shared")


def asked(workers: int = 1, **levels: int) -> dict[str, Row]:
    """Rows of sources whose workers have the model process look at one picture each."""
    pending: list[tuple[Source, Row]] = []
    for name, level in levels.items():
        row: Row = {"path": name, "relative": name, "state": "", "stage": "", "size": 1}
        source = Source(path=Path(name), relative=PurePosixPath(name))
        pending.append((source, row | {"level": level}))
    config = Config(runner=RunnerConfig(workers=workers, device="cpu-shared"))
    return {row["relative"]: row for row in work_through(ask, pending, config=config)}


def test_workers_get_their_rows_from_the_model_process() -> None:
    rows = asked(2, a=1, b=2, c=3)
    assert {n: (r["state"], r["mean"]) for n, r in rows.items()} == {
        "a": ("done", 1.0), "b": ("done", 2.0), "c": ("done", 3.0)
    }  # fmt: skip
    assert {r["engine"] for r in rows.values()} == {"torch-cpu-shared"}


@pytest.mark.parametrize(
    ("level", "words"),
    [(DIE, "the model process died"), (BREAK, "the model process failed: ValueError: a bug")],
)
def test_a_video_that_ends_it_twice_fails_and_no_other(level: int, words: str) -> None:
    rows = asked(a=1, bad=level, b=2)
    assert {n: r["state"] for n, r in rows.items()} == {"a": "done", "bad": "failed", "b": "done"}
    assert rows["bad"]["error"] == f"{words} (twice)"
    assert (rows["bad"]["attempt"], rows["bad"]["stage"]) == (2, "image")
    assert rows["bad"]["retryable"] and "runner.device=cpu" in rows["bad"]["remedy"]


def model_process_of(command: subprocess.Popen[str]) -> psutil.Process | None:
    """The one that listens for workers, when it does."""
    assert command.poll() is None, "the command ended before anything could be done to it"
    for child in workers_of(command):
        with contextlib.suppress(psutil.NoSuchProcess):
            places = [str(line.laddr) for line in child.net_connections(kind="unix")]
            if any(place.endswith("/models") for place in places):
                return child
    return None


def busy(command: subprocess.Popen[str]) -> psutil.Process | None:
    """The model process, when a worker is connected with it: the socket and one line at least."""
    if (found := model_process_of(command)) is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            return found if len(found.net_connections(kind="unix")) > 2 else None
    return None


@pytest.fixture
def unbroken(films: Path, cold: Path, tmp_path: Path) -> Iterator[dict[str, bytes]]:
    """What a run with a model process to which nothing happens says of these films."""
    out = tmp_path / "unbroken"
    done = triptych("run", films, "-o", out, "--workers", 1, *SHARED, *LIGHT, cache=cold)
    assert done.returncode == 0, done.stderr
    yield answers(out)


@pytest.mark.needs("embedded")
class TestCommand:
    """The command as users run it."""

    def test_killing_it_costs_nothing_but_time(
        self, films: Path, unbroken: dict[str, bytes], tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        run = ("run", films, "-o", out, "--workers", 2, *SHARED, *LIGHT)
        with started(*run, cache=tmp_path / "cold again") as command:
            first = until(lambda: busy(command))
            first.kill()
            until(lambda: model_process_of(command) not in (None, first))
            said = command.communicate(timeout=PATIENCE_S)
        assert command.returncode == 0, said
        assert set(states_of(out).values()) == {"done"}
        assert all(row["attempt"] <= 2 for row in rows_of(out).values())
        # With other workers and other neighbours in the batches, and after a death.
        assert answers(out) == unbroken

    def test_killing_a_worker_does_not_disturb_it(
        self, films: Path, cold: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        run = ("run", films, "-o", out, "--workers", 2, *SHARED, *LIGHT)
        with started(*run, cache=cold) as command:
            models = until(lambda: busy(command))
            next(w for w in workers_of(command) if w.pid != models.pid).kill()
            said = command.communicate(timeout=PATIENCE_S)
        assert command.returncode == 0, said
        assert set(states_of(out).values()) == {"done"}
        assert totals_of(out)["retried"] <= 1
        assert "model process" not in said[1]

    def test_it_does_not_outlive_the_command(self, films: Path, cold: Path, tmp_path: Path) -> None:
        run = ("run", films, "-o", tmp_path / "out", "--workers", 1, *SHARED, *LIGHT)
        with started(*run, cache=cold) as command:
            models = until(lambda: model_process_of(command))
            lines = models.net_connections(kind="unix")
            (address,) = {str(x.laddr) for x in lines if str(x.laddr).endswith("/models")}
            assert Path(address).is_socket()
            command.kill()
            until(lambda: not models.is_running() or models.status() == psutil.STATUS_ZOMBIE)
            assert not Path(address).parent.exists()

    def test_its_rows_are_not_taken_for_those_of_the_workers(
        self, films: Path, unbroken: dict[str, bytes], cold: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        assert triptych("run", films / "c.mp4", "-o", out, *LIGHT, cache=cold).returncode == 0
        (row,) = rows_of(out).values()
        assert "audio" in row["from_cache"] and "image" not in row["from_cache"]

    def test_a_gpu_that_is_not_there_ends_the_run_at_once(
        self, films: Path, cold: Path, tmp_path: Path
    ) -> None:
        for command in (["run"], ["run", "--dry-run"], ["watch", "--once"]):
            ended = subprocess.run(
                [*COMMAND, *command, films, "-o", tmp_path / "out", *LIGHT,
                 "--set", "runner.device=cuda"],
                capture_output=True, encoding="utf-8", timeout=PATIENCE_S, check=False,
                env=environment(cold) | {"CUDA_VISIBLE_DEVICES": ""},
            )  # fmt: skip
            assert ended.returncode == 2
            assert "runner.device is cuda, but torch finds no GPU" in ended.stderr
            assert "Traceback" not in ended.stderr
            assert not (tmp_path / "out").exists()
