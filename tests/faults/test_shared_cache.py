"""Caches that others use, take away, fill up or keep from being written, while a run is at work."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from command import (
    COMMAND,
    LIGHT,
    PATIENCE_S,
    a_row_is_written,
    analysis_of,
    answers,
    clip,
    environment,
    rows_of,
    started,
    states_of,
    totals_of,
    triptych,
    until,
)
from triptych.features.upkeep import prune, stats, verify

pytestmark = pytest.mark.needs("embedded")

PARTS = ("labels", "timeline", "shots", "summary")  # of an analysis: what was found
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
_SMALL = 'mkdir -p "$0" && mount -t tmpfs -o size=64k none "$0" && exec "$@"'
_READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'


def _may_mount() -> bool:
    try:
        mount = [*NAMESPACE, "mount -t tmpfs none /mnt"]
        return not subprocess.run(mount, capture_output=True, check=False).returncode
    except OSError:
        return False


MOUNTS = pytest.mark.skipif(not _may_mount(), reason="this system lets nobody mount a disk")


def mounted(
    how: str, place: Path, *arguments: object, cache: Path
) -> subprocess.CompletedProcess[str]:
    """Run the command where only it sees what is mounted at `place`."""
    return subprocess.run(
        [*NAMESPACE, how, str(place), *COMMAND, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        env=environment(cache),
        check=False,
    )


def test_two_runs_over_the_same_films_at_the_same_time(
    films: Path, undisturbed: dict[str, bytes], cold: Path, tmp_path: Path
) -> None:
    outs = [tmp_path / "甲", tmp_path / "乙"]
    with contextlib.ExitStack() as stack:
        racing = [
            stack.enter_context(started("run", films, "-o", out, *LIGHT, cache=cold))
            for out in outs
        ]
        told = [process.communicate(timeout=PATIENCE_S) for process in racing]
    assert [process.returncode for process in racing] == [0, 0], told
    for out, (_, said) in zip(outs, told, strict=True):
        assert set(states_of(out).values()) == {"done"}
        assert answers(out) == undisturbed
        assert all(line.startswith(("[", "models: ")) for line in said.splitlines()), said
        assert not list(out.rglob(".part-*"))
    found, kept = verify(cold / "features", workers=2), stats(cold / "features")
    assert found.entries.files and not found.damaged and not found.unreadable
    assert kept.damaged.files == kept.scratch.files == kept.running == 0
    third = tmp_path / "third"
    assert triptych("run", films, "-o", third, *LIGHT, cache=cold).returncode == 0
    assert totals_of(third)["videos_decoded"] == 0
    assert answers(third) == undisturbed


def test_a_cache_that_is_deleted_during_a_run(
    films: Path, undisturbed: dict[str, bytes], cold: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run = ("run", films, "-o", out, "--workers", 1, *LIGHT)
    with started(*run, cache=cold) as process:
        until(lambda: a_row_is_written(out))
        before = set(cold.rglob("*.safetensors"))
        cold.rename(tmp_path / "away")  # at once: nothing new can come into it meanwhile
        shutil.rmtree(tmp_path / "away")
        said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    assert set(states_of(out).values()) == {"done"}
    assert all(row["attempt"] == 1 for row in rows_of(out).values())
    assert answers(out) == undisturbed
    # What was made later is kept as before, and what is gone is missed by nobody.
    after = set(cold.rglob("*.safetensors"))
    assert before and after and not before & after
    assert not verify(cold / "features", workers=2).damaged
    assert triptych(*run, cache=cold).returncode == 0
    assert set(states_of(out).values()) == {"cached"}


def test_what_a_run_has_still_to_read_is_not_pruned(
    films: Path, undisturbed: dict[str, bytes], cold: Path, tmp_path: Path
) -> None:
    other = clip(tmp_path / "another.mp4", seed=9)
    assert triptych("run", films, other, "-o", tmp_path / "x", *LIGHT, cache=cold).returncode == 0
    for entry in cold.rglob("*.safetensors"):
        os.utime(entry, (0, 0))  # in use neither today nor yesterday
    out, jobs = tmp_path / "out", cold / "features" / ".jobs"
    with started("run", films, "-o", out, "--workers", 1, *LIGHT, cache=cold) as process:
        until(lambda: any('"media"' in job.read_text() for job in jobs.glob("*.json")))
        pruned = prune(cold / "features", max_bytes=0)
        said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    assert pruned.needed.files and pruned.removed.files  # of the other film
    assert totals_of(out)["videos_decoded"] == 0
    assert answers(out) == undisturbed


def test_a_limit_of_the_store_is_kept_after_each_run(
    films: Path, undisturbed: dict[str, bytes], cold: Path, tmp_path: Path
) -> None:
    out, limit = tmp_path / "out", ("--set", "runner.cache_limit=30kB")
    done = triptych("run", films, "-o", out, *LIGHT, *limit, cache=cold)
    assert done.returncode == 0, done.stderr
    assert "the feature store gave up" in done.stderr
    held = stats(cold / "features").entries
    assert held.files and held.bytes <= 30_000
    assert answers(out) == undisturbed
    wrong = triptych("run", films, "-o", out, "--set", "runner.cache_limit=a lot", cache=cold)
    assert wrong.returncode == 2 and "'a lot' is no size" in wrong.stderr


@MOUNTS
def test_a_disk_under_the_cache_that_is_full(
    films: Path, undisturbed: dict[str, bytes], cold: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run = ("run", films, "-o", out, *LIGHT)
    done = mounted(_SMALL, cold / "features", *run, cache=cold)
    assert done.returncode == 0, done.stderr
    assert set(states_of(out).values()) == {"done"}
    told = {n: [analysis_of(out, n)[part] for part in PARTS] for n in states_of(out)}
    unkept = [n for n in states_of(out) if "are not kept" in str(analysis_of(out, n)["warnings"])]
    assert unkept
    assert triptych(*run, "--overwrite", cache=cold).returncode == 0
    assert {n: [analysis_of(out, n)[part] for part in PARTS] for n in told} == told
    assert answers(out) == undisturbed


@MOUNTS
def test_a_cache_that_may_only_be_read_saves_what_it_holds(
    films: Path, undisturbed: dict[str, bytes], cold: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert triptych("run", films, "-o", tmp_path / "x", *LIGHT, cache=cold).returncode == 0
    before = {p: p.stat().st_mtime_ns for p in cold.rglob("*")}
    clip(films / "新.mp4", seed=9)
    done = mounted(_READ_ONLY, cold, "run", films, "-o", out, *LIGHT, cache=cold)
    assert done.returncode == 0, done.stderr
    assert {n for n, row in rows_of(out).items() if row["decoded"]} == {"新.mp4"}
    assert any("are not kept" in w for w in analysis_of(out, "新.mp4")["warnings"])
    assert done.stderr.count("nothing is kept for the next run") == 1
    assert "Traceback" not in done.stderr
    found = answers(out)
    del found["新.mp4/analysis.json"]
    assert found == undisturbed
    assert {p: p.stat().st_mtime_ns for p in cold.rglob("*")} == before
