"""Upkeep of the store: counted, checked and kept small, without costing a run anything."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

import synth
from triptych.errors import ResourceError
from triptych.features import FeatureStore, entry_key, jobs, upkeep
from triptych.features.keys import digest_of
from triptych.features.store import media_of
from triptych.features.upkeep import Total, in_use, prune, stats, verify

HOUR_S, DAY_S = 3600.0, 86400.0
TRACK = synth.track(np.zeros((4, 8)), np.arange(4.0), np.arange(4.0) + 1)
NOTHING = Total()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "features"


def add(root: Path, number: int, *, kind: str = "image", used_s_ago: float = 0.0) -> Path:
    """One entry, last used so long ago; all of one kind are of one size."""
    store, key = FeatureStore(root), entry_key(kind, f"{number:064d}", {})
    store.put(key, TRACK)
    return used(store.path(key), used_s_ago)


def used(path: Path, s_ago: float) -> Path:
    os.utime(path, (time.time() - s_ago,) * 2)
    return path


def scraps(root: Path, *, s_ago: float) -> Path:
    """What a process leaves that is killed while it writes."""
    entry = add(root, 10_000)
    path = entry.rename(entry.with_name(f".part-0123456789ab-{entry.name}"))
    return used(path, s_ago)


def damaged(root: Path, number: int, *, used_s_ago: float = 0.0) -> Path:
    entry = add(root, number, used_s_ago=used_s_ago)
    return entry.rename(entry.with_suffix(".damaged"))


def files(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if path.is_file()}


# What lies in it


def test_a_store_that_is_not_there_is_empty(root: Path) -> None:
    found = stats(root)
    assert found.entries == found.damaged == found.scratch == NOTHING
    assert (found.kinds, found.oldest_use_s, found.newest_use_s) == ({}, None, None)
    assert verify(root, workers=2).entries == NOTHING
    assert prune(root, max_bytes=0).removed == NOTHING
    assert not root.exists()


def test_stats_count_by_kind(root: Path) -> None:
    paths = [add(root, i, used_s_ago=DAY_S * i) for i in range(5)]
    paths.append(add(root, 0, kind="image_labels"))
    broken, part = damaged(root, 7), scraps(root, s_ago=0)
    size = paths[0].stat().st_size
    found = stats(root)
    assert found.entries == Total(files=6, bytes=sum(p.stat().st_size for p in paths))
    assert list(found.kinds) == ["image", "image_labels"]
    assert found.kinds["image"] == Total(files=5, bytes=5 * size)
    assert found.damaged == Total(files=1, bytes=broken.stat().st_size)
    assert found.scratch == Total(files=1, bytes=part.stat().st_size)
    assert found.oldest_use_s == paths[4].stat().st_mtime
    assert found.newest_use_s == max(path.stat().st_mtime for path in paths)
    assert found.running == 0
    assert json.loads(json.dumps(dataclasses.asdict(found)))["kinds"]["image"]["files"] == 5


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need rights there")
def test_what_is_not_the_stores_own_is_neither_counted_nor_touched(root: Path) -> None:
    entry = add(root, 1, used_s_ago=DAY_S)
    others = [
        root / "notes.txt",
        root / "ab" / "notes.txt",
        root / "ab" / "model.safetensors",  # it would lie in `mo`
        root / "ab" / ".part-0123456789ab-mine.txt",
        root / "deep" / entry.name,
        root / "ab" / "cd" / "ab.safetensors",
    ]
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        used(path.write_bytes(b"mine") and path, 9 * DAY_S)
    outside, elsewhere = root.parent / "outside", add(root, 2).parent
    elsewhere.rename(outside)
    elsewhere.symlink_to(outside)
    (root / "ab" / "linked-ab.safetensors").symlink_to(entry)
    assert stats(root).entries.files == 1
    assert verify(root, workers=1).damaged == ()
    assert prune(root, max_bytes=0).removed.files == 1
    assert not entry.exists()
    assert all(path.read_bytes() == b"mine" for path in others)
    assert len(files(outside)) == 1


def test_a_folder_that_cannot_be_listed_is_a_resource_error(root: Path) -> None:
    root.write_text("")
    for ask in (stats, lambda r: verify(r, workers=1), lambda r: prune(r, max_bytes=0)):
        with pytest.raises(ResourceError, match="Not a directory") as caught:
            ask(root)
        assert caught.value.remedy


# Whether it is whole


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_verify_finds_what_is_damaged(root: Path, workers: int) -> None:
    paths = [add(root, i, used_s_ago=DAY_S) for i in range(12)]
    for path in paths[:3]:
        path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    before = {path: path.stat().st_mtime_ns for path in paths[3:]}
    found = verify(root, workers=workers)
    assert found.damaged == tuple(sorted(map(str, paths[:3])))
    assert found.entries.files == 9 and found.unreadable == ()
    assert all(path.with_suffix(".damaged").exists() for path in paths[:3])
    assert {path: path.stat().st_mtime_ns for path in paths[3:]} == before, "it counts as use"
    again = verify(root, workers=workers)
    assert again.damaged == () and again.entries == found.entries
    assert json.loads(json.dumps(dataclasses.asdict(found)))["damaged"] == list(found.damaged)


def test_verify_removes_what_killed_processes_left(root: Path) -> None:
    old = scraps(root, s_ago=25 * HOUR_S)
    size = old.stat().st_size
    assert stats(root).scratch.files == 1
    assert verify(root, workers=1).scratch_removed == Total(files=1, bytes=size)
    for s_ago in (23 * HOUR_S, 0.0, -400 * DAY_S):  # of the future: who knows?
        path = scraps(root, s_ago=s_ago)
        assert verify(root, workers=1).scratch_removed == NOTHING
        assert path.exists()
        path.unlink()


def test_verify_believes_entries_of_other_versions(root: Path) -> None:
    """What is whole but of a kind that this version does not know is no damage."""
    path = add(root, 1)
    from triptych.features import store

    arrays = {"values": np.zeros(3, np.float32)}
    header = {"kind": "hologram", "meta": {}}
    header["sha256"] = store._checksum(header, arrays)
    from safetensors.numpy import save_file

    save_file(arrays, path, metadata={"triptych": json.dumps(header)})
    assert verify(root, workers=1).entries.files == 1


# How much of it is kept


def test_prune_removes_what_was_used_longest_ago(root: Path) -> None:
    paths = [add(root, i, used_s_ago=DAY_S * i) for i in range(10)]
    size = paths[0].stat().st_size
    done = prune(root, max_bytes=4 * size + size // 2)
    assert files(root) == set(paths[:4])
    assert done.removed == Total(files=6, bytes=6 * size) == done.kinds["image"]
    assert done.left == Total(files=4, bytes=4 * size)
    assert (done.needed, done.over_bytes) == (NOTHING, 0)
    assert json.loads(json.dumps(dataclasses.asdict(done)))["left"]["files"] == 4


def test_prune_below_the_limit_does_nothing(root: Path) -> None:
    add(root, 1, used_s_ago=999 * DAY_S)
    damaged(root, 2)
    scraps(root, s_ago=9 * DAY_S)
    held = sum(path.stat().st_size for path in files(root))
    assert prune(root, max_bytes=held).removed == NOTHING
    assert len(files(root)) == 3


def test_scraps_and_damaged_entries_go_first(root: Path) -> None:
    entries = [add(root, i, used_s_ago=99 * DAY_S) for i in range(3)]
    old, fresh = damaged(root, 7), scraps(root, s_ago=HOUR_S)
    stale = used(shutil.copy(fresh, fresh.with_name(".part-ba9876543210-b.safetensors")), 2 * DAY_S)
    size = entries[0].stat().st_size
    prune(root, max_bytes=5 * size)
    assert files(root) == {*entries, old, fresh}
    prune(root, max_bytes=4 * size)
    assert files(root) == {*entries, fresh}
    done = prune(root, max_bytes=0)
    assert files(root) == {fresh}  # somebody may be writing on it
    assert (done.left.bytes, done.over_bytes) == (size, size)
    assert not stale.exists()


def test_reading_keeps_an_entry(root: Path) -> None:
    first, second = (add(root, i, used_s_ago=DAY_S * (9 - i)) for i in range(2))
    FeatureStore(root).get(first.stem)
    prune(root, max_bytes=first.stat().st_size)
    assert files(root) == {first} and not second.exists()


def test_an_entry_that_is_used_after_it_was_listed_stays(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [add(root, i, used_s_ago=DAY_S * (9 - i)) for i in range(3)]
    listed = upkeep._in_order

    def meanwhile(*arguments: object) -> object:
        FeatureStore(root).get(paths[0].stem)
        paths[1].unlink()
        return listed(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(upkeep, "_in_order", meanwhile)
    done = prune(root, max_bytes=2 * paths[2].stat().st_size)
    assert files(root) == {paths[0], paths[2]}
    assert done.removed == NOTHING and done.left.files == 2  # another process removed one


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


def clock_set_back(job: Path, by_s: float) -> None:
    """As if the clock had been `by_s` ahead when this run began."""
    told = json.loads(job.read_text())
    told["began_s"] += by_s
    job.write_text(json.dumps(told))
    used(job, -by_s)


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


def test_entries_say_what_they_are_made_of(root: Path) -> None:
    key = entry_key("image", "ab" * 32, {"fps": 2.0, "window": (0.0, None)})
    store = FeatureStore(root)
    store.put(key, TRACK)
    with safe_open(store.path(key), framework="numpy") as entry:
        about = json.loads(entry.metadata()["triptych"])
    assert about["made_of"]["media"] == media_of(store.path(key)) == "ab" * 32
    assert key == f"image-{digest_of(about['made_of'])[:32]}"
    store.put("image-of-any-name", TRACK)
    plain = store.path("image-of-any-name")
    assert store.get("image-of-any-name") is not None and media_of(plain) == ""
    for damage in (b"", bytes(8), b"\xff" * 64, plain.read_bytes()[:60]):
        plain.write_bytes(damage)
        assert media_of(plain) == ""


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
