"""Whatever is wrong with the index of digests, what it says is what the file holds."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from command import PATIENCE_S
from indexed import ask, change_rows, make_aged_files, rows, watched
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
def place(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "digests.sqlite"


GARBAGE = {
    "text": b"not a database at all" * 400,
    "empty": b"",
    "head only": b"SQLite format 3\0",
    "noise": random.Random(1).randbytes(20_000),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_made_anew(
    place: Path, file: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    place.parent.mkdir()
    place.write_bytes(GARBAGE[kind])
    assert ask(place, file) == file_digest(file)
    assert str(file) in rows(place)
    if kind != "empty":  # which is a database without tables
        assert caplog.text.count("is damaged and will be made anew") == 1
        assert place.with_suffix(".damaged").read_bytes() == GARBAGE[kind]


@pytest.mark.parametrize(
    "table", ["digests (path PRIMARY KEY, other)", "digests (path, state, sha256, seal)"]
)
def test_a_table_of_another_shape_is_made_anew(place: Path, file: Path, table: str) -> None:
    place.parent.mkdir()
    change_rows(place, f"CREATE TABLE {table}")
    assert ask(place, file) == file_digest(file)
    assert str(file) in rows(place)


def test_a_journal_of_the_damaged_database_is_not_applied_to_the_new_one(
    place: Path, file: Path
) -> None:
    place.parent.mkdir()
    place.write_bytes(GARBAGE["noise"])
    journal = place.with_name("digests.sqlite-journal")
    journal.write_bytes(GARBAGE["noise"])
    assert ask(place, file) == file_digest(file)
    assert not journal.exists() and str(file) in rows(place)


def test_no_flipped_bit_makes_an_answer_wrong(place: Path, aged: Path) -> None:
    files = sorted(aged.rglob("*.bin"))
    truth = {path: file_digest(path) for path in files}
    for path in files:
        ask(place, path)
    whole = place.read_bytes()
    chance = random.Random(5)
    # Most of the bytes are zeros that mean nothing: half of the flips go where something is.
    filled = [at for at, byte in enumerate(whole) if byte]
    for number in range(150):
        data = bytearray(whole)
        at = chance.choice(filled) if number % 2 else chance.randrange(len(data))
        data[at] ^= 1 << chance.randrange(8)
        place.write_bytes(data)
        with DigestIndex(place) as digests:
            found = {path: digests.digest(path, status=path.stat()) for path in files}
        assert found == truth, f"flip {number}: byte {at}"


@pytest.mark.parametrize("column", ["state", "sha256", "seal", "seen_s"])
@pytest.mark.parametrize("value", [None, 3, 2.5, b"\xff\xfe", "猫", "", "0" * 64])
def test_no_damaged_row_makes_an_answer_wrong(
    place: Path, file: Path, column: str, value: object
) -> None:
    truth = ask(place, file)
    change_rows(place, f"UPDATE digests SET {column} = ?", value)
    assert ask(place, file) == truth


def test_a_folder_in_its_place(place: Path, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    place.mkdir(parents=True)
    with DigestIndex(place) as digests:
        for _ in range(3):
            assert digests.digest(file, status=file.stat()) == file_digest(file)
    assert caplog.text.count("digests are not kept, files are read again") == 1


def test_a_file_in_the_place_of_its_folder(
    place: Path, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place.parent.write_text("")
    assert ask(place, file) == file_digest(file)
    assert len(caplog.messages) == 1


def test_a_locked_one_is_waited_for_once(
    place: Path, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ask(place, file)
    monkeypatch.setattr(index, "_PATIENCE_S", 0.3)
    with contextlib.closing(sqlite3.connect(place, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        with DigestIndex(place) as digests:
            for path in file.parent.glob("*.bin"):
                assert digests.digest(path, status=path.stat()) == file_digest(path)
        assert time.monotonic() - began < 10 * 0.3
        other.execute("ROLLBACK")
    assert caplog.text.count("database is locked") == 1
    with watched(file) as opened:
        ask(place, file)
        assert opened == []


# Threads and processes


def test_threads_may_share_one(
    place: Path, aged: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(index, "_FLUSH_S", 0.0)
    files = sorted(aged.glob("*.bin")) * 10
    with DigestIndex(place) as digests, ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda p: digests.digest(p, status=p.stat()), files))
    assert found == [file_digest(path) for path in files]
    assert caplog.messages == []
    assert rows(place).keys() == {str(path) for path in files}


ASKER = """
import sys
from pathlib import Path
from triptych.features import index
index._FLUSH_S = 0.0
place, folder = map(Path, sys.argv[1:])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(5):
    with index.DigestIndex(place) as digests:
        for path in sorted(folder.glob("*.bin")):
            print(path, digests.digest(path, status=path.stat()))
"""


@pytest.mark.parametrize("damaged", [False, True])
def test_processes_may_share_one(place: Path, aged: Path, damaged: bool) -> None:
    if damaged:
        place.parent.mkdir()
        place.write_bytes(GARBAGE["noise"])
    with contextlib.ExitStack() as stack:
        askers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", ASKER, str(place), str(aged)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    encoding="utf-8",
                )
            )
            for _ in range(3)
        ]
        for asker in askers:
            assert asker.stdout is not None and asker.stdout.readline() == "ready\n"
        for asker in askers:
            assert asker.stdin is not None
            asker.stdin.write("go\n")
            asker.stdin.flush()
        told = [asker.communicate(timeout=PATIENCE_S) for asker in askers]
    truth = "".join(f"{path} {file_digest(path)}\n" for path in sorted(aged.glob("*.bin"))) * 5
    assert [out for out, _ in told] == [truth] * 3, told
    assert [asker.returncode for asker in askers] == [0] * 3
    assert rows(place).keys() == {str(path) for path in aged.glob("*.bin")}
    if not damaged:
        assert [err for _, err in told] == [""] * 3
