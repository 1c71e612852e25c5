"""Damage, kills and crowds: the store never gives back wrong data."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import synth
from command import LIGHT, PATIENCE_S, answers, clip, rows_of, triptych
from triptych.features import FeatureStore, entry_key
from triptych.features.store import Storable
from triptych.features.upkeep import prune, stats, verify
from triptych.records import Cue, FeatureTrack, Sample, Thumbnails

POSIX = pytest.mark.skipif(os.name == "nt", reason="signals and limits are POSIX")
CHANCE = np.random.default_rng(3)
RECORDS: dict[str, Storable] = {
    "track": synth.track(CHANCE.normal(size=(6, 20)), np.arange(6.0), np.arange(6.0) + 1),
    "thumbnails": Thumbnails(jpeg=(CHANCE.bytes(300), b"", CHANCE.bytes(9)), pts_s=np.arange(3.0)),
    "cues": (
        Cue(start_s=0.5, end_s=2.0, text="你好, “world” 🦉", source="embedded", language="zh"),
        Cue(start_s=2.0, end_s=4.0, text="good bye", source="asr"),
    ),
    "note": {"end_s": 12.5, "warnings": ["é"], "info": {"fps": None, "width": 3}, "partial": False},
    "sample": Sample(
        timeline=synth.timeline({"image": (CHANCE.normal(size=(3, 4)), [True, False, True])}),
        words=("don't", "猫"),
        picture=CHANCE.integers(0, 256, (64, 64, 3), np.uint8),
    ),
}


def plain(record: Storable | None) -> object:
    """A record as data that can be compared bit by bit."""
    if isinstance(record, FeatureTrack):
        arrays = (record.values, record.start_s, record.end_s)
        return record.spec, [(a.dtype, a.shape, a.tobytes()) for a in arrays]
    if isinstance(record, Thumbnails):
        return record.jpeg, record.pts_s.tobytes()
    if isinstance(record, Sample):
        line = record.timeline
        arrays = (line.start_s, line.end_s, *line.values.values(), *line.present.values())
        picture = None if record.picture is None else record.picture.tobytes()
        names = (list(line.values), list(line.present))
        return names, [(a.dtype, a.shape, a.tobytes()) for a in arrays], record.words, picture
    return record


# Damage


@pytest.mark.parametrize("kind", RECORDS)
def test_a_flipped_bit_is_never_taken_for_data(tmp_path: Path, kind: str) -> None:
    """100 random flips of each kind of entry, half of them in its header."""
    store, key = FeatureStore(tmp_path), entry_key(kind, "ab" * 32, {})
    wanted, chance = plain(RECORDS[kind]), random.Random(kind)
    store.put(key, RECORDS[kind])
    path = store.path(key)
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    harmless = 0
    for number in range(100):
        data = bytearray(whole)
        at = chance.randrange(header if number % 2 else len(whole))
        data[at] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        found = store.get(key)
        if found is None:
            assert path.with_suffix(".damaged").read_bytes() == data
            assert not path.exists()
            store.put(key, RECORDS[kind])  # as a run does
        else:  # another way to write the same, such as \u4F60 for \u4f60
            harmless += 1
            assert header > at >= 8, f"flip {number}: byte {at} is of an array"
        found = found if found is not None else store.get(key)
        assert plain(found) == wanted, f"flip {number}: byte {at}"
    assert harmless <= 5


@pytest.mark.parametrize("kind", ["track", "note"])
def test_every_byte_of_the_header_is_guarded(tmp_path: Path, kind: str) -> None:
    store, key = FeatureStore(tmp_path), entry_key(kind, "ab" * 32, {})
    wanted, chance = plain(RECORDS[kind]), random.Random(kind)
    store.put(key, RECORDS[kind])
    path = store.path(key)
    whole = path.read_bytes()
    for at in range(8 + int.from_bytes(whole[:8], "little")):
        for bit in chance.sample(range(8), 3):
            data = bytearray(whole)
            data[at] ^= 1 << bit
            path.write_bytes(data)
            found = store.get(key)
            assert found is None or plain(found) == wanted, f"bit {bit} of byte {at}"


@pytest.mark.needs("embedded")
def test_a_run_over_damaged_features_gives_the_same_answers(cold: Path, tmp_path: Path) -> None:
    films = clip(tmp_path / "电影" / "猫.mp4").parent
    first, second = tmp_path / "first", tmp_path / "second"
    assert triptych("run", films, "-o", first, *LIGHT, cache=cold).returncode == 0
    root, chance = cold / "features", random.Random(11)
    entries = sorted(root.rglob("*.safetensors"))
    assert len(entries) > 5
    whole = {path: path.read_bytes() for path in entries}
    for path in entries:
        data = bytearray(whole[path])
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
    done = triptych("run", films, "-o", second, *LIGHT, cache=cold)
    assert done.returncode == 0, done.stderr
    assert rows_of(second)["猫.mp4"]["state"] == "done"
    assert answers(second) == answers(first)
    assert {path: path.read_bytes() for path in root.rglob("*.safetensors")} == whole
    assert stats(root).damaged.files == len(entries)


# Kills and crowds


COMMON = """
import random, sys, time
from pathlib import Path
import numpy as np
from triptych.features import FeatureStore, entry_key
from triptych.features.upkeep import in_use, prune, verify
from triptych.records import FeatureTrack, Spec

root, seed, ROWS = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
store, chance, done = FeatureStore(root), random.Random(seed), 0

def put(number):
    times = np.arange(float(ROWS))
    spec = Spec(name="made", version=number, modality="image", dim=64)
    values = np.full((ROWS, 64), number, np.float32)
    track = FeatureTrack(values=values, start_s=times, end_s=times + 1, spec=spec)
    store.put(entry_key("made", f"{number:064d}", {}), track)
    return 1

def check(number):
    found = store.get(entry_key("made", f"{number:064d}", {}))
    if found is not None:
        assert found.spec.version == number and found.values.shape == (ROWS, 64)
        assert (found.values == number).all()
    return found is not None

told, stop = False, root.with_name("stop")

def going():
    global told  # until all have done something, however slow the machine is
    if done and not told:
        told = True
        print("worked", flush=True)
    return not stop.exists()

print("ready", flush=True)
sys.stdin.readline()
"""
PARTS = {
    "write": "while going(): done += put(chance.randrange(30))",
    "read": "while going(): done += check(chance.randrange(30))",
    "prune": "while going(): done += prune(root, max_bytes=10**6).removed.files",
    "empty": "while going(): done += prune(root, max_bytes=0).removed.files",
    "verify": """while going():
    found = verify(root, workers=2)
    assert not found.damaged and not found.unreadable, found
    done += found.entries.files""",
    "run": """with in_use(root):
    put(99)
    while going():
        assert check(99)
        done += 1""",
}


@contextlib.contextmanager
def member(part: str, root: Path, *, seed: int, rows: int) -> Iterator[subprocess.Popen[str]]:
    """A process that is ready to do its part."""
    code = f"{COMMON}{PARTS[part]}"
    with subprocess.Popen(
        [sys.executable, "-c", code, *map(str, (root, seed, rows))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as started:
        try:
            assert started.stdout is not None and started.stdout.readline() == "ready\n"
            yield started
        finally:
            started.kill()


def go(started: subprocess.Popen[str]) -> None:
    assert started.stdin is not None
    started.stdin.write("go\n")
    started.stdin.flush()


@POSIX
def test_writers_that_are_killed_leave_no_damage(tmp_path: Path) -> None:
    root, chance = tmp_path / "store", random.Random(17)
    for number in range(12):
        with member("write", root, seed=number, rows=8000) as writer:
            go(writer)
            time.sleep(chance.uniform(0.01, 0.4))
            writer.kill()
            writer.wait()
        found = verify(root, workers=1)
        assert found.damaged == found.unreadable == ()
        store = FeatureStore(root)
        for version in range(30):
            track = store.get(entry_key("made", f"{version:064d}", {}))
            if track is not None:
                assert isinstance(track, FeatureTrack) and track.spec.version == version
                assert (track.values == version).all()
    found, scratch = stats(root), sorted(root.rglob(".part-*"))
    assert found.entries.files > 0, "no kill came after something was written"
    assert found.scratch.files == len(scratch) > 0, "no kill came while something was written"
    for path in scratch[1:]:
        os.utime(path, (time.time() - 2 * 86400,) * 2)
    assert verify(root, workers=1).scratch_removed.files == len(scratch) - 1
    assert list(root.rglob(".part-*")) == scratch[:1]


@pytest.mark.parametrize(
    "parts",
    [
        ("write", "write", "read", "read", "prune", "verify"),
        ("run", "write", "read", "empty"),  # what the run needs stays
    ],
    ids=["a crowd", "a run that another prunes"],
)
def test_many_processes_on_one_store(tmp_path: Path, parts: tuple[str, ...]) -> None:
    root = tmp_path / "store"
    for number in range(30):  # which nobody has used for long
        store, key = FeatureStore(root), entry_key("old", f"{number:064d}", {})
        store.put(key, RECORDS["track"])
        os.utime(store.path(key), (1e9, 1e9))
    with contextlib.ExitStack() as stack:
        crowd = [
            stack.enter_context(member(part, root, seed=seed, rows=500))
            for seed, part in enumerate(parts)
        ]
        for started in crowd:  # only now, so that they are at work at the same time
            go(started)
        worked = [started.stdout.readline() for started in crowd if started.stdout]
        time.sleep(2)  # all of them at once
        (tmp_path / "stop").touch()
        told = [started.communicate(timeout=PATIENCE_S) for started in crowd]
    assert [err for _, err in told] == [""] * len(parts)
    assert worked == ["worked\n"] * len(parts)
    found = stats(root)
    assert found.damaged.files == found.scratch.files == found.running == 0
    assert prune(root, max_bytes=0).left.files == 0


WRITER = """
import sys
import numpy as np
from triptych.features import FeatureStore
from triptych.records import FeatureTrack, Spec
root, key, value = sys.argv[1], sys.argv[2], float(sys.argv[3])
times = np.arange(200.0)
track = FeatureTrack(
    values=np.full((200, 64), value, np.float32), start_s=times, end_s=times + 1,
    spec=Spec(name="made", version=1, modality="image", dim=64),
)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(80):
    FeatureStore(root).put(key, track)
"""


def test_two_processes_writing_one_key_never_mix(tmp_path: Path) -> None:
    store, key = FeatureStore(tmp_path / "features"), entry_key("image", "ab" * 32, {"fps": 1.0})
    with contextlib.ExitStack() as stack:
        writers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", WRITER, str(store.root), key, str(value)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for value in (1, 2)
        ]
        for writer in writers:
            assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
        for writer in writers:  # only now, so that they write at the same time
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        while any(writer.poll() is None for writer in writers):
            if (found := store.get(key)) is not None:
                assert isinstance(found, FeatureTrack) and len(np.unique(found.values)) == 1
        assert [writer.returncode for writer in writers] == [0, 0]
    assert store.get(key) is not None
    assert [p.name for p in store.root.rglob("*") if p.is_file()] == [f"{key}.safetensors"]
