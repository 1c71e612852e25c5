"""What the index of digests says is always what the file holds; most of the time without reading."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from indexed import FUTURE_S, ask, change_rows, make_aged_files, rows, watched
from triptych.errors import InputError
from triptych.features import file_digest, index
from triptych.features.index import DigestIndex


@pytest.fixture(scope="module")
def aged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that nobody has touched for longer than the grain of any clock."""
    folder = tmp_path_factory.mktemp("aged")
    make_aged_files(folder)
    return folder


@pytest.fixture
def file(aged: Path) -> Path:
    """One that must stay as it is."""
    return aged / "00.bin"


@pytest.fixture
def spare(aged: Path) -> Iterator[Path]:
    """One to do anything with."""
    path = min((aged / "spare").iterdir())
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "digests.sqlite"


def test_a_file_that_has_not_changed_is_read_once(place: Path, file: Path) -> None:
    with watched(file) as opened:
        assert [ask(place, file) for _ in range(3)] == [file_digest(file)] * 3
        assert len(opened) == 2  # by the first of them, and by `file_digest`
        with DigestIndex(place) as digests:
            status = file.stat()
            assert digests.digest(os.path.relpath(file), status=status) == file_digest(file)
        assert len(opened) == 3


def test_it_is_known_at_once_in_the_same_run(place: Path, file: Path) -> None:
    with DigestIndex(place) as digests, watched(file) as opened:
        assert len({digests.digest(file, status=file.stat()) for _ in range(5)}) == 1
        assert len(opened) == 1


def test_the_default_place_is_the_cache_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRIPTYCH_CACHE", str(tmp_path / "缓存"))
    assert DigestIndex().path == tmp_path / "缓存" / "digests.sqlite"


def _replace(path: Path) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes()[::-1])
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)


def _overwrite(path: Path) -> None:
    before = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


@pytest.mark.parametrize("change", [_replace, _overwrite, _append])
def test_a_change_is_seen_even_where_size_and_time_are_set_back(
    place: Path, spare: Path, change: Callable[[Path], None]
) -> None:
    before = ask(place, spare)
    change(spare)
    assert before != ask(place, spare) == file_digest(spare)


@pytest.mark.parametrize("is_dated_back", [False, True])
def test_a_young_file_is_read_again(place: Path, tmp_path: Path, is_dated_back: bool) -> None:
    young = tmp_path / "young.bin"
    young.write_bytes(b"first")
    if is_dated_back:  # as a file is that was copied with its times
        os.utime(young, (1e9, 1e9))
    with watched(young) as opened:
        assert ask(place, young) == ask(place, young)
        assert len(opened) == 2
    assert rows(place) == {}
    # As if the clock of the file system had not moved on since.
    status = young.stat()
    with DigestIndex(place) as digests:
        digests.digest(young, status=status)
        young.write_bytes(b"other")
        assert digests.digest(young, status=status) == hashlib.sha256(b"other").hexdigest()


def test_a_file_of_the_future_is_read_again(place: Path, aged: Path) -> None:
    future = aged / "odd" / "future.bin"
    with watched(future) as opened:
        assert ask(place, future) == ask(place, future)
        assert len(opened) == 2


def test_a_row_of_a_clock_that_was_ahead_is_not_believed(
    place: Path, aged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    future = aged / "odd" / "future.bin"
    with monkeypatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: int((FUTURE_S + 3600) * 1e9))
        ask(place, future)
    assert list(rows(place)) == [str(future)]
    with watched(future) as opened:
        assert ask(place, future) == file_digest(future)
        assert len(opened) == 2


def test_a_file_that_changes_while_it_is_read_is_not_kept(place: Path, spare: Path) -> None:
    status = spare.stat()
    with DigestIndex(place) as digests:
        with watched(spare, lambda: os.utime(spare)):
            digests.digest(spare, status=status)
        with watched(spare) as opened:
            digests.digest(spare, status=status)
            assert len(opened) == 1
    assert rows(place) == {}


def test_a_file_that_another_takes_the_place_of_is_not_kept(place: Path, spare: Path) -> None:
    other, status = spare.with_suffix(".new"), spare.stat()
    other.write_bytes(b"other")
    with DigestIndex(place) as digests:
        with watched(spare, spare.unlink), pytest.raises(InputError):
            digests.digest(spare, status=status)
        with watched(spare, lambda: os.replace(other, spare)):
            found = digests.digest(spare, status=status)
    assert found == hashlib.sha256(b"other").hexdigest()
    assert rows(place) == {}


def test_verify_reads_in_any_case_and_mends_the_index(
    place: Path, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    right = ask(place, file)
    wrong = hashlib.sha256(b"another").hexdigest()
    name = os.fsencode(file)
    seal = index._seal(name, index.state_of(file.stat()), wrong)
    change_rows(place, "UPDATE digests SET sha256 = ?, seal = ?", wrong, seal)
    assert ask(place, file) == wrong
    assert caplog.messages == []
    assert ask(place, file, verify=True) == right
    assert "its content changed, but neither its size nor its times" in caplog.text
    with watched(file) as opened:
        assert ask(place, file) == right
        assert opened == []
        assert ask(place, file, verify=True) == right
        assert len(opened) == 1


@pytest.mark.parametrize("verify", [False, True])
def test_what_cannot_be_read_is_an_input_error(
    place: Path, file: Path, tmp_path: Path, verify: bool
) -> None:
    with DigestIndex(place) as digests:
        with pytest.raises(InputError, match="No such file") as caught:
            digests.digest(tmp_path / "none.mp4", status=file.stat(), verify=verify)
        assert caught.value.remedy and caught.value.path == str(tmp_path / "none.mp4")
        with pytest.raises(InputError):
            digests.digest(tmp_path, status=tmp_path.stat(), verify=verify)


def test_names_in_any_script_and_none(place: Path, aged: Path) -> None:
    files = [p for p in (aged / "odd").iterdir() if p.suffix == ".mp4"]
    assert len(files) == 3
    with DigestIndex(place) as digests:
        for path in files:
            found = digests.digest(path, status=path.stat())
            assert found == hashlib.sha256(os.fsencode(path.name)).hexdigest()
    assert rows(place).keys() == {str(path) for path in files}
    for path in files:
        with watched(path) as opened:
            ask(place, path)
            assert opened == []


def test_what_is_new_is_written_now_and_then(
    place: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_FLUSH_S", 0.0)
    with DigestIndex(place) as digests:
        digests.digest(file, status=file.stat())
        assert str(file) in rows(place)  # where it is safe from a kill


def test_rows_that_nobody_asks_for_are_dropped(place: Path, aged: Path, file: Path) -> None:
    gone, late, fresh, new = sorted(aged.glob("*.bin"))[-4:]
    for path in (gone, late, fresh):
        ask(place, path)
    now = int(time.time())
    for path, days in ((gone, 366), (late, 8), (fresh, 6)):
        seen_s = now - days * 86400
        change_rows(
            place, "UPDATE digests SET seen_s = ? WHERE path = ?", seen_s, os.fsencode(path)
        )
    for path in (late, fresh, new):
        with watched(path) as opened:
            ask(place, path)
            assert bool(opened) == (path == new)
    found = {path: seen_s for path, (_, seen_s) in rows(place).items()}
    assert found.keys() == {str(late), str(fresh), str(new)}
    assert found[str(late)] >= now and found[str(fresh)] == now - 6 * 86400


def test_importing_it_loads_nothing_heavy() -> None:
    script = (
        "import sys, triptych.features.index, triptych.features.upkeep\n"
        "print(sorted({'numpy', 'torch', 'safetensors'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
