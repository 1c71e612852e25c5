"""Entries come back byte for byte, or not at all."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import synth
from triptych import cache
from triptych.errors import ResourceError
from triptych.extract.specs import AUDIO
from triptych.features import FeatureStore, entry_key
from triptych.features.store import DamagedEntry, _set_aside, check_entry
from triptych.records import Cue, FeatureTrack, Sample, Thumbnails, Word

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "schema.md"
KEY = entry_key("image", "ab" * 32, {"fps": 1.0})
RNG = np.random.default_rng(7)
TRACK = synth.track(
    RNG.normal(size=(5, AUDIO.dim)), 8.3 + np.arange(5), 9.3 + np.arange(5), spec=AUDIO
)
THUMBNAILS = Thumbnails(jpeg=(b"\xff\xd8one", b"\xff\xd8second"), pts_s=np.array([0.0, 1.5]))
CUES = (
    Cue(start_s=0.1, end_s=2.0, text="你好 “world”\n🦉", source="embedded", language="zh"),
    Cue(start_s=2.0, end_s=2.0, text="", source="asr"),
)
SAID = (
    Cue(
        start_s=0.1,
        end_s=2.0,
        text="Hi, 你好",
        source="asr",
        words=(
            Word(start_s=0.1, end_s=0.1, text=" Hi,"),
            Word(start_s=1.3, end_s=1.7, text=" 你"),
            Word(start_s=1.7, end_s=2.0, text="好"),
        ),
    ),
    *CUES,
    Cue(start_s=3, end_s=4, text="a", source="asr", words=(Word(start_s=3, end_s=4, text="a"),)),
)
# The last character is what Python makes of a file name that is no valid UTF-8.
NOTE = {
    "end_s": 12.5,
    "warnings": ["a", "é", "\udcff"],
    "info": {"fps": None, "width": 3},
    "partial": False,
}
SAMPLE = Sample(
    timeline=synth.timeline(
        {
            "image": (RNG.normal(size=(3, 4)), [True, False, True]),
            "text": (np.ones((3, 2)), [1] * 3),
        },
        start_s=8.3,
    ),
    words=("don't", "猫"),
    picture=RNG.integers(0, 256, (64, 64, 3), np.uint8),
)
RECORDS = {
    "track": TRACK,
    "thumbnails": THUMBNAILS,
    "cues": CUES,
    "speech": SAID,
    "note": NOTE,
    "sample": SAMPLE,
    "silent sample": dataclasses.replace(SAMPLE, words=(), picture=None),
}


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "features")


def assert_same(got: object, wanted: object) -> None:
    if isinstance(wanted, FeatureTrack):
        assert isinstance(got, FeatureTrack) and got.spec == wanted.spec
        for name in ("values", "start_s", "end_s"):
            a, b = getattr(got, name), getattr(wanted, name)
            assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    elif isinstance(wanted, Thumbnails):
        assert isinstance(got, Thumbnails) and got.jpeg == wanted.jpeg
        assert got.pts_s.tobytes() == wanted.pts_s.tobytes()
    elif isinstance(wanted, Sample):
        assert isinstance(got, Sample) and got.words == wanted.words
        mine, theirs = got.timeline, wanted.timeline
        pairs = [(mine.start_s, theirs.start_s), (mine.end_s, theirs.end_s)]
        for a, b in ((mine.values, theirs.values), (mine.present, theirs.present)):
            assert a.keys() == b.keys()
            pairs += [(a[name], b[name]) for name in a]
        assert (got.picture is None) == (wanted.picture is None)
        if got.picture is not None and wanted.picture is not None:
            pairs.append((got.picture, wanted.picture))
        assert all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)
    else:
        assert got == wanted


@pytest.mark.parametrize("kind", RECORDS)
def test_everything_comes_back(store: FeatureStore, kind: str) -> None:
    assert store.get(KEY) is None
    store.put(KEY, RECORDS[kind])
    assert_same(store.get(KEY), RECORDS[kind])


@pytest.mark.parametrize(
    "empty",
    [
        synth.track(np.zeros((0, 4)), [], []),
        Thumbnails(jpeg=(), pts_s=np.zeros(0)),
        (),
        {},
        Thumbnails(jpeg=(b"",), pts_s=np.zeros(1)),
    ],
)
def test_emptiness_comes_back(store: FeatureStore, empty: object) -> None:
    store.put(KEY, empty)  # type: ignore[arg-type]
    assert_same(store.get(KEY), empty)


def test_odd_numbers_and_layouts_come_back(store: FeatureStore) -> None:
    values = np.array([[0.0, -0.0, np.nan], [np.inf, 1e-45, 3.4e38]], np.float32)
    sliced = np.asfortranarray(np.tile(values, (2, 1)))[::2]
    track = synth.track(sliced, [1e-9, 1e9], [1e-9, 1e9 + 1e-6])
    store.put(KEY, track)
    assert_same(store.get(KEY), track)


def test_the_same_record_is_the_same_file(tmp_path: Path) -> None:
    files = []
    for name in "ab":
        store = FeatureStore(tmp_path / name)
        store.put(KEY, TRACK)
        files.append(store.path(KEY).read_bytes())
    assert files[0] == files[1]


def test_entries_can_be_read_without_this_project(store: FeatureStore) -> None:
    store.put(KEY, TRACK)
    arrays = load_file(store.path(KEY))
    np.testing.assert_array_equal(arrays["values"], TRACK.values)
    np.testing.assert_array_equal(arrays["start_s"], TRACK.start_s)
    content = store.path(KEY).read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["triptych"])
    assert header["kind"] == "track" and header["meta"]["spec"]["name"] == "audio"
    assert header["meta"]["columns"] == list(AUDIO.columns)


def test_entries_lie_in_folders_by_digest(store: FeatureStore) -> None:
    assert store.path(KEY) == store.root / KEY[-32:-30] / f"{KEY}.safetensors"


def test_the_default_place_is_the_cache_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRIPTYCH_CACHE", str(tmp_path / "here"))
    assert FeatureStore().root == tmp_path / "here" / "features"
    monkeypatch.delenv("TRIPTYCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr("sys.platform", "linux")
    assert FeatureStore().root == tmp_path / "xdg" / "triptych" / "features"


def test_a_later_record_replaces_an_earlier_one(store: FeatureStore) -> None:
    store.put(KEY, NOTE)
    store.put(KEY, CUES)
    assert store.get(KEY) == CUES


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_entry_is_set_aside(
    store: FeatureStore, share: float, caplog: pytest.LogCaptureFixture
) -> None:
    store.put(KEY, TRACK)
    path = store.path(KEY)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert store.get(KEY) is None
    assert "is damaged and will be made again" in caplog.text
    assert not path.exists() and path.with_suffix(".damaged").exists()
    store.put(KEY, TRACK)
    assert_same(store.get(KEY), TRACK)


def test_an_entry_of_another_program_is_set_aside(store: FeatureStore) -> None:
    from safetensors.numpy import save_file

    store.path(KEY).parent.mkdir(parents=True)
    save_file({"values": np.zeros((2, 2), np.float32)}, store.path(KEY))
    assert store.get(KEY) is None


def test_a_folder_in_the_way_is_no_entry(
    store: FeatureStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.path(KEY).mkdir(parents=True)
    assert store.get(KEY) is None
    assert "cannot read" in caplog.text


HOUR_S = 3600.0


@pytest.mark.parametrize("age_s", [2 * HOUR_S, 400 * 24 * HOUR_S, -5 * HOUR_S])
def test_reading_an_entry_marks_it_as_used(store: FeatureStore, age_s: float) -> None:
    store.put(KEY, NOTE)
    path = store.path(KEY)
    content = path.read_bytes()
    began = time.time()
    os.utime(path, (began - age_s,) * 2)
    assert store.get(KEY) == NOTE
    assert began - 1 <= path.stat().st_mtime <= time.time() + 1
    assert path.read_bytes() == content


def test_an_entry_is_marked_once_an_hour(store: FeatureStore) -> None:
    store.put(KEY, NOTE)
    path, lately = store.path(KEY), time.time() - 0.9 * HOUR_S
    os.utime(path, (lately, lately))
    assert store.get(KEY) == NOTE
    assert path.stat().st_mtime == pytest.approx(lately, abs=1e-3)


def test_checking_an_entry_does_not_mark_it(store: FeatureStore) -> None:
    store.put(KEY, TRACK)
    path, then = store.path(KEY), time.time() - 9 * HOUR_S
    os.utime(path, (then, then))
    check_entry(path)
    assert path.stat().st_mtime == pytest.approx(then, abs=1e-3)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedEntry):
        check_entry(path)
    assert not path.exists() and path.with_suffix(".damaged").exists()
    with pytest.raises(FileNotFoundError):
        check_entry(path)


def test_an_entry_that_was_made_again_meanwhile_is_not_set_aside(store: FeatureStore) -> None:
    """Two processes find the same damage; the slower one must not undo the mending."""
    store.put(KEY, NOTE)
    path = store.path(KEY)
    path.write_bytes(b"damaged")
    status = path.stat()
    store.put(KEY, TRACK)
    _set_aside(path, status)
    assert_same(store.get(KEY), TRACK)


def test_a_lack_of_memory_is_no_damage(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(*_: object) -> None:
        raise MemoryError

    store.put(KEY, TRACK)
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr("safetensors.numpy.load", short)
        store.get(KEY)
    assert_same(store.get(KEY), TRACK)


def test_the_example_of_the_documentation_reads_an_entry(tmp_path: Path) -> None:
    section = SCHEMA.read_text(encoding="utf-8").split("## Entries of the feature store")[1]
    example = section.split("```text\n")[1].split("```")[0]
    name = "image-0123456789abcdef0123456789abcdef.safetensors"
    assert example.count(name) == 1
    store = FeatureStore(tmp_path)
    store.put(KEY, TRACK)
    store.path(KEY).rename(tmp_path / name)
    alone = "\nimport sys; assert 'triptych' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", example + alone],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"track audio (5, {AUDIO.dim}) 8.3\n", "")


class Crash(BaseException):
    """As a kill would, it passes every `except Exception`."""


@pytest.mark.parametrize("point", ["write", "fsync", "replace"])
@pytest.mark.parametrize("before", [None, NOTE])
def test_a_crash_leaves_the_old_entry_or_none(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch, point: str, before: object
) -> None:
    if before is not None:
        store.put(KEY, before)  # type: ignore[arg-type]

    def crash(*_: object, **__: object) -> None:
        raise Crash(point)

    with monkeypatch.context() as patch:
        if point == "write":
            whole = Path.write_bytes
            patch.setattr(
                Path, "write_bytes", lambda self, data: (whole(self, data[:40]), crash())[0]
            )
        elif point == "fsync":
            patch.setattr(os, "fsync", crash)
        else:
            patch.setattr(Path, "replace", crash)
        with pytest.raises(Crash):
            store.put(KEY, TRACK)
    assert store.get(KEY) == before
    left = [p.name for p in store.root.rglob("*") if p.is_file()]
    assert left == ([] if before is None else [f"{KEY}.safetensors"])


@pytest.mark.skipif(os.name == "nt", reason="folders cannot be synchronised there")
@pytest.mark.parametrize("is_refused", [False, True])
def test_the_folder_is_synchronised_after_the_file(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch, is_refused: bool
) -> None:
    synced, whole = [], os.fsync

    def fsync(handle: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(handle).st_mode))
        if synced[-1] and is_refused:
            raise OSError(22, "not on this file system")
        whole(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        store.put(KEY, TRACK)
    assert synced == [False, True]
    assert_same(store.get(KEY), TRACK)


def test_a_full_disk_is_a_resource_error(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ResourceError, match="No space left") as caught:
        store.put(KEY, TRACK)
    assert caught.value.retryable and "TRIPTYCH_CACHE" in caught.value.remedy
    assert caught.value.path == str(store.path(KEY).parent)
    assert list(store.root.rglob("*.*")) == []


def test_a_file_where_the_folder_should_be_is_a_resource_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ResourceError):
        FeatureStore(tmp_path / "taken").put(KEY, TRACK)


def test_a_resource_error_inside_keeps_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="mine"), cache.published(tmp_path / "x"):
        raise ResourceError("mine")
