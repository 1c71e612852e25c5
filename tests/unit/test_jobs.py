"""Runs that are at work: what they need is not pruned, whatever clocks say and whoever dies."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from entries import DAY_S, HOUR_S, add, clock_set_back, damaged, files, used
from triptych.features import FeatureStore, jobs
from triptych.features.upkeep import Total, in_use, prune, stats, verify

NOTHING = Total()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "features"


# Clocks


def test_entries_of_the_future_go_last(root: Path) -> None:
    future = add(root, 1, used_s_ago=-3 * DAY_S)
    now = add(root, 2)
    prune(root, max_bytes=future.stat().st_size)
    assert files(root) == {future}
    FeatureStore(root).get(future.stem)  # reading sets it right
    assert abs(future.stat().st_mtime - time.time()) < 60
    now = add(root, 2, used_s_ago=-60)
    prune(root, max_bytes=now.stat().st_size)
    assert files(root) == {now}


@pytest.mark.parametrize("by_s", [60.0, 5 * HOUR_S, 4000 * DAY_S])
def test_a_clock_that_was_set_back_during_a_run_costs_it_nothing(root: Path, by_s: float) -> None:
    before = add(root, 1, used_s_ago=-by_s + 1)  # by the clock as it was
    since = add(root, 2)
    with in_use(root):
        clock_set_back(*(root / ".jobs").iterdir(), by_s)
        done = prune(root, max_bytes=0)
    assert {before, since} <= files(root) and done.needed.files == 2


def test_a_run_elsewhere_that_begins_in_the_future_keeps_all(root: Path) -> None:
    entry = add(root, 1, used_s_ago=99 * DAY_S)
    with in_use(root):
        (job,) = (root / ".jobs").iterdir()
        job.write_text(job.read_text().replace('"host": "', '"host": "not '))
        clock_set_back(job, DAY_S)
        assert prune(root, max_bytes=0).needed.files == 1
    assert prune(root, max_bytes=0).removed.files == 1
    assert not entry.exists()


# Runs


def test_what_a_run_uses_is_not_pruned(root: Path) -> None:
    # The second is not marked again by the run, since it was used so shortly before.
    old, lately, unused = (
        add(root, i, used_s_ago=s) for i, s in ((1, DAY_S), (2, 3000), (3, DAY_S))
    )
    with in_use(root):
        for path in (old, lately):
            assert FeatureStore(root).get(path.stem) is not None
        made, broken = add(root, 4), damaged(root, 5)
        assert stats(root).running == 1
        done = prune(root, max_bytes=0)
        assert not (unused.exists() or broken.exists()) and {old, lately, made} <= files(root)
        assert done.needed.files == done.left.files == 3
        assert done.over_bytes == done.left.bytes
    assert stats(root).running == 0
    assert prune(root, max_bytes=0).left == NOTHING
    assert files(root) == set()


def test_what_a_run_will_read_is_not_pruned(root: Path) -> None:
    wanted, also, other = (add(root, i, kind=k, used_s_ago=9 * DAY_S)
                           for i, k in ((1, "image"), (1, "audio"), (2, "image")))  # fmt: skip
    with in_use(root) as job, in_use(root):
        job.will_read([f"{1:064d}", f"{3:064d}"])
        done = prune(root, max_bytes=0)
        assert files(root) >= {wanted, also} and not other.exists()
        assert (done.needed.files, done.removed.files) == (2, 1)
    assert prune(root, max_bytes=0).left == NOTHING


def test_what_an_entry_is_made_of_is_part_of_its_checksum(root: Path) -> None:
    path = add(root, 1)
    path.write_bytes(path.read_bytes().replace(f"{1:064d}".encode(), f"{2:064d}".encode()))
    assert verify(root, workers=1).damaged == (str(path),)


def test_the_oldest_run_counts(root: Path) -> None:
    entry = add(root, 1, used_s_ago=5 * HOUR_S)
    with in_use(root):
        (job,) = (root / ".jobs").iterdir()
        clock_set_back(job, -4.5 * HOUR_S)  # it began so long ago
        with in_use(root):
            assert stats(root).running == 2
            assert prune(root, max_bytes=0).left.files == 1
    assert entry.exists()


def test_a_run_that_fails_is_over(root: Path) -> None:
    with pytest.raises(ZeroDivisionError), in_use(root):
        raise ZeroDivisionError
    assert stats(root).running == 0


RUN = """
import sys
from pathlib import Path
from triptych.features.jobs import in_use
with in_use(Path(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.readline()
"""


@contextlib.contextmanager
def run_of_another_process(root: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", RUN, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not asked for there")
@pytest.mark.parametrize("is_waited_for", [True, False])
def test_a_run_that_was_killed_is_over(root: Path, is_waited_for: bool) -> None:
    entry = add(root, 1)
    with run_of_another_process(root) as process:
        prune(root, max_bytes=0)
        assert entry.exists()
        process.send_signal(signal.SIGKILL)
        if is_waited_for:
            process.wait()
        else:  # a zombie, but of no use to anybody
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert prune(root, max_bytes=0).removed.files == 1
        assert list((root / ".jobs").iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux tells when one started")
def test_another_process_of_the_same_number_is_no_run(root: Path) -> None:
    entry = add(root, 1)
    with in_use(root):
        (job,) = (root / ".jobs").iterdir()
        told = json.loads(job.read_text())
        assert told["pid"] == os.getpid() and int(told["born"]) > 0
        job.write_text(json.dumps(told | {"born": str(int(told["born"]) - 1)}))
        prune(root, max_bytes=0)
        assert not entry.exists() and not job.exists()


@pytest.mark.parametrize("days", [6.9, 7.1])
def test_a_run_on_another_machine_counts_for_a_week(root: Path, days: float) -> None:
    entry = add(root, 1)
    with in_use(root):
        (job,) = (root / ".jobs").iterdir()
        told = json.loads(job.read_text()) | {"host": "another", "pid": 1, "born": "1"}
        job.write_text(json.dumps(told))
        clock_set_back(job, -days * DAY_S)
        prune(root, max_bytes=0)
        assert entry.exists() == job.exists() == (days < 7)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"host": 3}', "\ud800"])
def test_a_job_that_cannot_be_read_may_be_a_run(root: Path, text: str) -> None:
    entry = add(root, 1)
    job = root / ".jobs" / "0123.json"
    job.parent.mkdir()
    job.write_bytes(text.encode("utf-8", "surrogatepass"))
    prune(root, max_bytes=0)
    assert entry.exists() and job.exists()
    used(job, 8 * DAY_S)
    prune(root, max_bytes=0)
    assert not entry.exists() and not job.exists()


def test_a_store_that_cannot_be_written_to_can_be_used(tmp_path: Path) -> None:
    root = tmp_path / "taken"
    root.write_text("")
    with in_use(root):
        assert jobs.running(root) == 0
    assert root.read_text() == ""
