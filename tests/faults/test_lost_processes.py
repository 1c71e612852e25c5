"""Workers and runs that are killed, hang or are interrupted: nothing finished is lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from command import (
    LIGHT,
    PATIENCE_S,
    a_row_is_written,
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

pytestmark = pytest.mark.needs("embedded")


def worker_on(process: subprocess.Popen[str], film: Path) -> psutil.Process | None:
    """The worker that has this film open now."""
    assert process.poll() is None, "the command ended before anything could be done to it"
    for worker in workers_of(process):
        try:
            if any(file.path == str(film) for file in worker.open_files()):
                return worker
        except psutil.NoSuchProcess:
            continue
    return None


def test_a_worker_that_is_killed_costs_nothing_but_time(
    films: Path, undisturbed: dict[str, bytes], cold: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run = ("run", films, "-o", out, "--workers", 1, *LIGHT)
    with started(*run, cache=cold) as process:
        until(lambda: worker_on(process, films / "long.mp4")).kill()
        said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    assert {n: (r["state"], r["attempt"]) for n, r in rows_of(out).items()} == {
        "b.mp4": ("done", 1), "c.mp4": ("done", 1), "long.mp4": ("done", 2)
    }  # fmt: skip
    assert totals_of(out)["retried"] == 1
    assert answers(out) == undisturbed


def test_a_video_whose_worker_dies_twice_is_failed_until_asked_for(
    films: Path, undisturbed: dict[str, bytes], cold: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run = ("run", films, "-o", out, "--workers", 1, *LIGHT)
    with started(*run, cache=cold) as process:
        first = until(lambda: worker_on(process, films / "long.mp4"))
        first.kill()
        first.wait(30)  # it is the same one until it is gone
        second = until(lambda: worker_on(process, films / "long.mp4"))
        assert second.pid != first.pid
        second.send_signal(signal.SIGSEGV)
        said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1, said
    assert states_of(out) == {"b.mp4": "done", "c.mp4": "done", "long.mp4": "failed"}
    row = rows_of(out)["long.mp4"]
    assert (row["stage"], row["attempt"]) == ("worker", 2)
    assert row["error"] == (
        "its worker process died (SIGSEGV) (the first time: its worker process died (SIGKILL))"
    )
    assert "--retry-failed --workers 1" in row["remedy"]
    assert "long.mp4: worker: its worker process died (SIGSEGV)" in said[1]
    assert triptych(*run, cache=cold).returncode == 1
    assert states_of(out) == {"b.mp4": "cached", "c.mp4": "cached", "long.mp4": "failed"}
    assert triptych(*run, "--retry-failed", cache=cold).returncode == 0
    assert states_of(out) == {"b.mp4": "cached", "c.mp4": "cached", "long.mp4": "done"}
    assert answers(out) == undisturbed


def test_a_worker_that_hangs_is_ended_by_the_time_limit(
    films: Path, cold: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    limit = ("--set", "runner.time_limit_s=12")
    with started("run", films, "-o", out, "--workers", 1, *limit, *LIGHT, cache=cold) as process:
        hanging = until(lambda: worker_on(process, films / "long.mp4"))
        hanging.suspend()
        said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    assert {n: (r["state"], r["attempt"]) for n, r in rows_of(out).items()} == {
        "b.mp4": ("done", 1), "c.mp4": ("done", 1), "long.mp4": ("done", 2)
    }  # fmt: skip
    until(lambda: not hanging.is_running(), patience_s=10)


def test_a_time_limit_that_nothing_can_meet(films: Path, cold: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = ("run", films, "-o", out, *LIGHT)
    limit = ("--set", "runner.time_limit_s=0.01")
    for _ in range(2):  # the second run has no more time than the first, and does not try
        done = triptych(*run, *limit, cache=cold)
        assert done.returncode == 3
        told = {(r["state"], r["stage"], r["error"]) for r in rows_of(out).values()}
        assert told == {("failed", "time limit", "gave no answer within 0.01 s (twice)")}
        assert all("runner.time_limit_s" in row["remedy"] for row in rows_of(out).values())
    assert "failed before, and not tried again: 3" in done.stdout
    assert triptych(*run, cache=cold).returncode == 0
    assert set(states_of(out).values()) == {"done"}


def test_a_run_that_is_killed_goes_on_where_it_stopped(
    films: Path, undisturbed: dict[str, bytes], cold: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run = ("run", films, "-o", out, "--workers", 1, *LIGHT)
    with started(*run, cache=cold) as process:
        until(lambda: a_row_is_written(out))
        left = workers_of(process)
        process.kill()
        process.wait(PATIENCE_S)
        assert left
        # Nobody is there to take their answers: they must not live on.
        until(lambda: not any(w.is_running() for w in left), patience_s=10)
    assert not (out / "summary.json").exists()
    finished = set(rows_of(out))
    assert len(finished) == 1
    done = triptych(*run, cache=cold)
    assert done.returncode == 0, done.stderr
    assert {n for n, s in states_of(out).items() if s == "cached"} == finished
    assert states_of(out).keys() == {"b.mp4", "c.mp4", "long.mp4"}
    assert answers(out) == undisturbed
    assert {"summary.json", "index.html", "predictions.csv"} <= {p.name for p in out.iterdir()}


def test_ctrl_c_is_130_and_the_same_command_goes_on(
    films: Path, undisturbed: dict[str, bytes], cold: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run = ("run", films, "-o", out, "--workers", 1, *LIGHT)
    with started(*run, cache=cold) as process:
        until(lambda: a_row_is_written(out))
        left = workers_of(process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers, too
        said = process.communicate(timeout=PATIENCE_S)
        until(lambda: not any(w.is_running() for w in left), patience_s=10)
    assert process.returncode == 130, said
    assert "interrupted; the same command goes on where it stopped" in said[1]
    assert "Traceback" not in said[1]
    finished = set(rows_of(out))
    # What is finished can be looked at.
    totals = totals_of(out)
    assert totals["stopped"] == "interrupted"
    assert totals["waiting"] == 3 - len(finished)
    assert all(name in (out / "index.html").read_text("utf-8") for name in finished)
    assert (out / "predictions.csv").read_text("utf-8").count("done") == len(finished)
    assert triptych(*run, cache=cold).returncode == 0
    assert totals_of(out)["stopped"] == ""
    assert {n for n, s in states_of(out).items() if s == "cached"} == finished
    assert answers(out) == undisturbed


# The same input gives the same answers; what is there is not made again


def test_any_number_of_workers_gives_the_same_bytes(
    films: Path, undisturbed: dict[str, bytes], cold: Path, tmp_path: Path
) -> None:
    for workers in (1, 2):
        out, cache = tmp_path / f"by-{workers}", tmp_path / f"cache-{workers}"
        shutil.copytree(cold, cache)
        done = triptych("run", films, "-o", out, "--workers", workers, *LIGHT, cache=cache)
        assert done.returncode == 0
        assert totals_of(out)["frames_decoded"] > 0
        assert answers(out) == undisturbed


@pytest.mark.needs("asr", "shared")
def test_any_number_of_workers_gives_the_same_bytes_for_speech(
    shared_data: Path, cold: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    for path in sorted((shared_data / "grid_s1" / "video").iterdir())[:2]:
        shutil.copy(path, folder)
    found = []
    for workers in (1, 2):
        out, cache = tmp_path / f"by-{workers}", tmp_path / f"cache-{workers}"
        shutil.copytree(cold, cache)
        done = triptych(
            "run", folder, "-o", out, "--workers", workers, "--format", "json", cache=cache
        )
        assert done.returncode == 0, done.stderr
        found.append(answers(out))
    assert found[0] == found[1]
    assert len(found[0]) == 2
    assert any(b'"source": "asr"' in text for text in found[0].values())


@pytest.mark.parametrize("guarded", [False, True])
def test_a_script_that_runs_when_it_is_imported_is_told_so(
    films: Path, cold: Path, guarded: bool
) -> None:
    """Workers import the script of their parent: without a guard, that starts another run."""
    script, out = films.parent / "脚本.py", films.parent / "out"
    guard = 'if __name__ == "__main__":' if guarded else "if True:"
    config = 'triptych.load_config(assignments=["extract.preset=light", "extract.asr=never"])'
    script.write_text(
        f"import triptych\n{guard}\n"
        f"    triptych.run([{str(films)!r}], {str(out)!r}, config={config})\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        encoding="utf-8",
        env=environment(cold),
        timeout=PATIENCE_S,
        check=False,
    )
    if guarded:
        assert (done.returncode, done.stderr) == (0, "")
        assert set(states_of(out).values()) == {"done"}
        return
    assert done.returncode == 1
    assert 'put its calls under `if __name__ == "__main__":`' in done.stderr
    assert "worker processes die before they have done anything" in done.stderr
