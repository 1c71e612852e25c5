"""Runs that meet: with an earlier one that was killed, with each other, with a broken folder."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from command import (
    COMMAND,
    LIGHT,
    PATIENCE_S,
    Row,
    answers,
    clip,
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


@pytest.fixture
def busy(cold: Path) -> tuple[Path, tuple[object, ...]]:
    """The cache of a run that is slow enough to be met, and what starts it."""
    return cold, ("--workers", 1, *LIGHT)


def fresh(out: Path) -> dict[str, Row]:
    """Rows of what the latest run worked on."""
    return {name: row for name, row in rows_of(out).items() if row.get("fresh")}


def has_rows(out: Path) -> bool:
    path = out / "run.jsonl"
    return path.exists() and b"\n" in path.read_bytes()


# A lock


def test_a_killed_run_s_lock_is_stale_and_the_same_command_goes_on(
    films: Path, undisturbed: dict[str, bytes], cold: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run = ("run", films, "-o", out, "--workers", 2, *LIGHT)
    with started(*run, cache=cold) as process:
        until(lambda: has_rows(out))
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)
        finished = set(rows_of(out))
        assert json.loads((out / ".lock").read_text())["pid"] == process.pid
        # Its workers may still be ending: they are no reason to wait.
        done = triptych(*run, cache=cold)
    assert done.returncode == 0, done.stderr
    assert f"process {process.pid} on " in done.stderr
    assert "ended without a word" in done.stderr
    assert {n for n, s in states_of(out).items() if s == "cached"} == finished
    assert answers(out) == undisturbed
    assert not list(out.rglob(".part-*"))
    assert triptych(*run, cache=cold).stderr == ""


def test_a_second_run_on_a_folder_is_refused(
    films: Path, undisturbed: dict[str, bytes], busy: tuple[Path, tuple[object, ...]],
    tmp_path: Path,
) -> None:  # fmt: skip
    cache, how = busy
    out = tmp_path / "out"
    run = ("run", films, "-o", out, *how)
    with started(*run, cache=cache) as process:
        until(lambda: workers_of(process))
        second = triptych(*run, cache=cache)
        elsewhere = triptych("run", films / "c.mp4", "-o", tmp_path / "other", *how, cache=cache)
        said = process.communicate(timeout=PATIENCE_S)
    assert second.returncode == 2
    assert f"another run is working on this folder: process {process.pid} on " in second.stderr
    assert ", since 20" in second.stderr
    assert elsewhere.returncode == 0, elsewhere.stderr
    assert process.returncode == 0, said
    assert answers(out) == undisturbed


# A full disk


def test_a_full_disk_costs_no_more_than_the_same_command_again(
    films: Path, undisturbed: dict[str, bytes], cold: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run = ("run", films, "-o", out, "--workers", 2, *LIGHT)
    # No file may grow beyond 4 KiB: for the programs that write them that is a full disk.
    full = subprocess.run(
        ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", *COMMAND, *map(str, run)],
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        env=environment(cold),
        check=False,
    )
    assert full.returncode == 2  # not even the gallery could be written
    assert full.stderr.count("cannot write: File too large (twice)") == 3
    assert "free some space, then run again" in full.stderr
    assert not list(out.rglob("analysis.json"))
    assert (out / ".lock").read_text() == ""
    again = triptych(*run, cache=cold)
    assert again.returncode == 0, again.stderr
    assert set(states_of(out).values()) == {"done"}
    assert answers(out) == undisturbed
    assert not list(out.rglob(".part-*"))


# A failure budget


def bad_folder(folder: Path, *, good: int, bad: int) -> Path:
    folder.mkdir()
    for i in range(good):
        clip(folder / f"good-{i}.mp4", seed=i)
    for i in range(bad):
        (folder / f"bad-{i}.mp4").write_bytes(b"no film " * 4000 + bytes([i]))
    (folder / "空.mp4").touch()
    return folder


def test_a_plainly_broken_run_ends_and_says_why(tmp_path: Path) -> None:
    folder, out = bad_folder(tmp_path / "in", good=1, bad=8), tmp_path / "out"
    run = ("run", folder, "-o", out, "--workers", 1, *LIGHT)
    done = triptych(*run, "--max-failures", 3)
    assert done.returncode == 3  # nothing had succeeded yet
    assert (
        "triptych: stopped: 4 of 4 videos failed, more than --max-failures 3 allows; "
        "4 of them with: open: not a video or sound file\n"
    ) in done.stderr
    assert "10 inputs: 4 failed, 6 not reached" in done.stdout
    totals = totals_of(out)
    assert totals["stopped"].startswith("4 of 4 videos failed")
    assert (totals["videos"], totals["waiting"], totals["states"]["failed"]) == (10, 6, 4)
    assert {p.name for p in out.iterdir()} >= {"index.html", "predictions.csv", "run.jsonl"}
    assert len(rows_of(out)) == 4
    # The same command goes on with the rest; failures of another run are not counted again.
    again = triptych(*run, "--max-failures", 20)
    assert again.returncode == 1
    assert len(fresh(out)) == 6
    assert totals_of(out)["states"] == {
        "done": 1, "cached": 0, "partial": 0, "failed": 9, "skipped": 0
    }  # fmt: skip
    assert totals_of(out)["waiting"] == 0


def test_a_share_of_failures_is_told_even_when_quiet(tmp_path: Path) -> None:
    folder = bad_folder(tmp_path / "in", good=0, bad=24)
    run = ("run", folder, "-o", tmp_path / "out", "--workers", 1, *LIGHT, "--quiet")
    done = triptych(*run, "--max-failures", "50%")
    assert done.returncode == 3
    assert done.stdout == ""
    assert "stopped: 20 of 20 videos failed, more than --max-failures 50% allows" in done.stderr
    assert totals_of(tmp_path / "out")["waiting"] == 5


def test_files_that_are_missing_count_before_anything_is_decoded(tmp_path: Path) -> None:
    clip(tmp_path / "good.mp4")
    (tmp_path / "list.csv").write_text("path\ngone-1.mp4\ngone-2.mp4\ngood.mp4\n")
    run = ("run", tmp_path / "list.csv", "-o", tmp_path / "out", *LIGHT)
    assert triptych(*run, "--max-failures", 1).returncode == 3
    assert totals_of(tmp_path / "out")["waiting"] == 1
    assert triptych(*run, "--max-failures", 2).returncode == 1
    assert states_of(tmp_path / "out")["good.mp4"] == "done"


# What is done again, and what is not


def test_the_results_of_other_inputs_stay_finished(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("乙", 2)):
        clip(tmp_path / name / f"{name}.mp4", seed=seed)
    out = tmp_path / "out"
    for name, state in (("a", "done"), ("乙", "done"), ("a", "cached"), ("乙", "cached")):
        done = triptych("run", tmp_path / name, "-o", out, *LIGHT)
        assert done.returncode == 0, done.stderr
        assert states_of(out) == {f"{name}.mp4": state}
        assert f"{name}.mp4" in (out / "predictions.csv").read_text("utf-8")
    both = triptych("run", tmp_path / "a", tmp_path / "乙", "-o", out, *LIGHT)
    assert "2 cached" in both.stdout
    # Results that somebody removed are made again.
    shutil.rmtree(out / "a.mp4")
    assert triptych("run", tmp_path / "a", "-o", out, *LIGHT).returncode == 0
    assert states_of(out) == {"a.mp4": "done"}


def test_overwrite_writes_everything_again_and_decodes_nothing(tmp_path: Path) -> None:
    clip(tmp_path / "in" / "a.mp4", seconds=4.0)
    out = tmp_path / "out"
    run = ("run", tmp_path / "in", "-o", out, "--preset", "light", "--asr", "never")
    assert triptych(*run).returncode == 0
    before = answers(out)
    files = {p: p.stat().st_mtime_ns for p in (out / "a.mp4").iterdir()}
    assert {"analysis.json", "highlights.mp4", "report.html"} <= {p.name for p in files}
    assert triptych(*run, "--overwrite").returncode == 0
    assert states_of(out) == {"a.mp4": "done"}
    assert totals_of(out)["frames_decoded"] == 0
    assert totals_of(out)["cache_hits"] > 0
    assert answers(out) == before
    assert all(p.stat().st_mtime_ns > then for p, then in files.items())


def test_a_bad_file_that_is_replaced_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    film, out = tmp_path / "in" / "a.mp4", tmp_path / "out"
    film.write_text("no film")
    run = ("run", tmp_path / "in", "-o", out, *LIGHT)
    for _ in range(2):
        assert triptych(*run).returncode == 3
    assert fresh(out) == {}
    clip(film)
    assert triptych(*run).returncode == 0
    assert states_of(out) == {"a.mp4": "done"}


# The plan


def test_a_plan_names_what_would_be_done_and_writes_nothing(
    cold: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIPTYCH_CACHE", str(cold))  # in which no run has left how long it took
    folder, out = tmp_path / "in", tmp_path / "out"
    for i in range(3):
        clip(folder / f"{i}.mp4", seed=20 + i, seconds=2.0)
    (folder / "bad.mp4").write_text("no film")
    (folder / "信.txt").write_text("no film, and nobody said so")
    run = ("run", folder, "-o", out, *LIGHT)

    def written() -> list[tuple[Path, int]]:
        return [(p, p.stat().st_mtime_ns) for f in (folder, out) for p in sorted(f.rglob("*"))]

    def plan(*more: object, code: int = 1) -> Row:
        before = written()
        done = triptych(*run, *more, "--dry-run", "--json")
        assert done.returncode == code, done.stderr
        assert written() == before
        planned: Row = json.loads(done.stdout)
        return planned

    first = plan()
    bad = {"skipped": 1, "failed": 1}
    assert first["counts"] == {"decode": 3, "report": 0, "finished": 0, **bad}
    assert first["states"] == {"done": 3, **bad}
    told = {r["relative"]: (r["plan"], r["state"], r["stage"]) for r in first["rows"]}
    assert told["bad.mp4"] == ("failed", "failed", "open")
    assert told["信.txt"] == ("skipped", "skipped", "open")
    assert first["estimate"]["media_s"] == pytest.approx(6.0, rel=0.2)  # as the files say
    assert first["estimate"]["seconds"] > 0 and first["estimate"]["bytes"] > 1000
    said = triptych(*run, "--dry-run").stdout
    assert "5 inputs: 3 to decode, 1 no video or sound file, 1 failed\n" in said
    assert f"failed: {folder / 'bad.mp4'}: open: not a video or sound file\n" in said
    assert "of results, judging by another machine; nothing was done like this on yours" in said
    assert triptych(*run).returncode == 1
    elsewhere = triptych("run", folder, "-o", tmp_path / "new", *LIGHT, "--dry-run").stdout
    assert "of results, judging by earlier runs on this machine\n" in elsewhere
    assert plan()["counts"] == {"decode": 0, "report": 0, "finished": 3, **bad}
    assert plan("--retry-failed")["counts"] == plan()["counts"]
    clip(folder / "新.mp4", seed=30, seconds=2.0)
    new = plan()
    assert [r["relative"] for r in new["rows"] if r["plan"] == "decode"] == ["新.mp4"]
    assert new["estimate"]["seconds"] > 0
    assert new["estimate"]["judged_by"] == "these results"
    assert new["estimate"]["media_s"] == pytest.approx(2.0, rel=0.5)
    assert new["estimate"]["bytes"] > 1000
    other = plan("--labels", "cat,dog")
    assert other["counts"] == {"decode": 1, "report": 3, "finished": 0, **bad}
    assert plan("--overwrite")["counts"] == other["counts"]
    (folder / "bad.mp4").unlink()
    assert plan(code=0)["states"] == {"done": 1, "cached": 3, "skipped": 1}


def test_a_plan_loads_no_model(tmp_path: Path) -> None:
    clip(tmp_path / "in" / "a.mp4")
    done = triptych(
        "run", tmp_path / "in", "-o", tmp_path / "out", *LIGHT, "--dry-run",
        cache=tmp_path / "cache",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "cache" / "prepared").exists()
