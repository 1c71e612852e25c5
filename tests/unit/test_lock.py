"""One run in a folder: a live one keeps others out, a dead one does not."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from command import until
from triptych.errors import OutputError, UsageError
from triptych.lock import held

HOLD = "import sys, time, pathlib; from triptych.lock import held\n" \
       "with held(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"  # fmt: skip


def left_behind(path: Path, *, age_s: float, **more: Any) -> None:
    """A lock file whose process is gone, or on another machine."""
    words = {"pid": 12345, "host": "elsewhere", "machine": "another", "since": "2026-01-02 03:04"}
    path.write_text(json.dumps(words | more))
    then = time.time() - age_s
    os.utime(path, (then, then))


def test_a_lock_is_held_and_let_go(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    for _ in range(2):
        with held(path) as words:
            assert words == ""
            assert json.loads(path.read_text())["pid"] == os.getpid()
        assert path.read_text() == ""


def test_a_second_holder_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with held(path):
        with pytest.raises(UsageError) as caught, held(path):
            pass
        assert f"process {os.getpid()} on " in caught.value.message
        assert ", since 2" in caught.value.message
        assert caught.value.path == str(tmp_path)
        assert json.loads(path.read_text())["pid"] == os.getpid()  # the refused wiped nothing out
    with held(path):
        pass


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_lock_of_a_process_that_was_killed_is_taken_over_at_once(
    tmp_path: Path, how: signal.Signals
) -> None:
    path = tmp_path / ".lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(UsageError, match=f"process {process.pid} "), held(path):
            pass
        process.send_signal(how)
        process.wait()
    with held(path) as words:
        assert words.startswith(f"process {process.pid} on ")
        assert "ended without a word" in words
    with held(path) as words:
        assert words == ""


def test_another_machine_s_lock_counts_while_it_is_touched(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    left_behind(path, age_s=20)
    with (
        pytest.raises(UsageError, match="process 12345 on elsewhere, since 2026-01-02"),
        held(path),
    ):
        pass
    left_behind(path, age_s=200)
    with held(path) as words:
        assert "process 12345 on elsewhere" in words


def test_where_the_file_system_has_no_locks_the_age_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    path = tmp_path / ".lock"
    with held(path), pytest.raises(UsageError, match=f"process {os.getpid()}"), held(path):
        pass
    left_behind(path, age_s=20, machine=_machine(tmp_path))
    with pytest.raises(UsageError, match="process 12345"), held(path):
        pass
    left_behind(path, age_s=200)
    with held(path):
        pass


def _machine(folder: Path) -> str:
    with held(folder / "other"):
        return str(json.loads((folder / "other").read_text())["machine"])


def test_a_lock_that_is_held_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triptych.lock._BEAT_S", 0.01)
    path = tmp_path / ".lock"
    with held(path):
        os.utime(path, (1e9, 1e9))
        until(lambda: path.stat().st_mtime > 1e9, patience_s=10)


@pytest.mark.parametrize("words", ["not json", "[1]", "{}", '{"pid": 3}', "\0\0"])
def test_words_that_make_no_sense_keep_nobody_out(tmp_path: Path, words: str) -> None:
    path = tmp_path / ".lock"
    path.write_text(words)
    os.utime(path, (1e9, 1e9))
    with held(path):
        pass


def test_a_lock_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()
    with pytest.raises(OutputError, match="cannot write here"), held(tmp_path / ".lock"):
        pass
