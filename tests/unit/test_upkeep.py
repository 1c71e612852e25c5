"""Upkeep of the store: counted, checked and kept small, without costing a run anything."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from entries import DAY_S, HOUR_S, TRACK, add, damaged, files, scraps, used
from triptych.errors import ResourceError
from triptych.features import FeatureStore, entry_key, upkeep
from triptych.features.keys import digest_of
from triptych.features.store import media_of
from triptych.features.upkeep import Total, prune, stats, verify

NOTHING = Total()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "features"


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
