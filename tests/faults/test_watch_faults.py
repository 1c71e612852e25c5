"""Watching a folder while files arrive slowly, are bad, or everything is killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from command import (
    LIGHT,
    PATIENCE_S,
    Row,
    analysis_of,
    answers,
    clip,
    environment,
    rows_of,
    states_of,
    triptych,
    until,
    workers_of,
)

pytestmark = pytest.mark.needs("embedded")

POLL_S, SETTLE_S = 0.1, 1.0
_WATCH = """
import json, sys
from triptych.config import load_config
from triptych.telemetry import JsonLines
from triptych.watch import watch

folder, out, times = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
options = {"extract": {"preset": "light", "asr": "never"}, "report": {"formats": "json"},
           "runner": {"workers": 1}}
config = load_config(None, options=options)
totals = watch(folder, out, config=config, listener=JsonLines(sys.stdout), **times)
print(json.dumps({"event": "totals", "totals": totals}))
"""


class Watching:
    """A process that watches a folder, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.events: list[Row] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def finished(self, name: str = "") -> list[str]:
        """States in which videos were told to have ended, of one video or all."""
        return [
            event["state"]
            for event in list(self.events)
            if event["event"] == "finished" and event["video"].endswith(name)
        ]

    def notes(self, words: str) -> int:
        """How often something was said."""
        said = [e["message"] for e in list(self.events) if e["event"] == "note"]
        return sum(words in message for message in said)

    def until(self, what: Callable[[], Any]) -> None:
        """Wait for something, or for the end of the process, which should not come first."""
        until(lambda: what() or self.process.poll() is not None)
        if not what():
            assert self.process.stderr is not None
            raise AssertionError(f"it ended first: {self.process.stderr.read()}")

    def ended(self) -> int:
        """Wait for the end and for all that was said; returns the exit code."""
        self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return self.process.returncode


@contextlib.contextmanager
def watching(folder: Path, out: Path, *, cache: Path, once: bool = False) -> Iterator[Watching]:
    """Watch in a process of its own; nothing of it is left afterwards."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    times = json.dumps({"poll_s": POLL_S, "settle_s": SETTLE_S, "once": once})
    with subprocess.Popen(
        [sys.executable, "-c", _WATCH, str(folder), str(out), times],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=environment(cache),
        start_new_session=True,
    ) as process:
        family = [psutil.Process(process.pid)]
        try:
            yield Watching(process)
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                family += family[0].children(recursive=True)
            for member in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()


def published(out: Path, name: str) -> bool:
    """Whether a pass has come to its end, and the files of the run tell of a video."""
    rows, totals = out / "run.jsonl", out / "summary.json"  # written last
    if not totals.exists() or totals.stat().st_mtime_ns < rows.stat().st_mtime_ns:
        return False
    return name in states_of(out)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "收件箱"
    folder.mkdir()
    return folder


def test_a_slow_copy_is_left_alone_until_it_is_complete(
    inbox: Path, cold: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    content = clip(tmp_path / "long.mp4", seed=1, seconds=8.0).read_bytes()
    clip(inbox / "早.mp4", seed=2)
    with watching(inbox, out, cache=cold) as watch, (inbox / "慢.mp4").open("wb") as slow:
        pieces = iter([content[i : i + 50] for i in range(0, len(content) - 2000, 50)])
        until_early_is_done = time.monotonic() + PATIENCE_S
        while not watch.finished("早.mp4"):
            assert time.monotonic() < until_early_is_done
            slow.write(next(pieces))
            slow.flush()
            time.sleep(0.05)
        for _ in range(60):  # three times as long as a file must be left alone
            slow.write(next(pieces))
            slow.flush()
            time.sleep(0.05)
        assert watch.finished("慢.mp4") == []
        slow.write(content[slow.tell() :])
        slow.flush()
        watch.until(lambda: watch.finished("慢.mp4"))
        watch.until(lambda: published(out, "慢.mp4"))
        watch.process.terminate()
        assert watch.ended() == 0
    assert watch.finished() == ["done", "done"], watch.events
    assert analysis_of(out, "慢.mp4")["source"]["duration_s"] == pytest.approx(8.0, abs=0.3)


def test_a_bad_file_does_not_stop_it_and_is_tried_again_when_it_changes(
    inbox: Path, cold: Path, tmp_path: Path
) -> None:
    out = inbox / "结果"  # within the folder: its pictures and films are nothing new
    bad = inbox / "坏.mp4"
    bad.write_bytes(b"no film" * 1000)
    with watching(inbox, out, cache=cold) as watch:
        watch.until(lambda: watch.finished("坏.mp4"))
        part = clip(tmp_path / "好.mp4", seed=1).replace(inbox / "好.mp4.part")
        time.sleep(2 * SETTLE_S)
        part.rename(inbox / "好.mp4")
        watch.until(lambda: watch.finished("好.mp4"))
        assert watch.finished("坏.mp4") == ["failed"]
        bad.write_bytes(clip(tmp_path / "b.mp4", seed=2).read_bytes())
        watch.until(lambda: len(watch.finished("坏.mp4")) == 2)
        watch.until(lambda: published(out, "坏.mp4"))
        time.sleep(2 * SETTLE_S)
        watch.process.terminate()
        assert watch.ended() == 0
    assert watch.finished() == ["failed", "done", "done"], watch.events
    assert states_of(out) == {"坏.mp4": "done", "好.mp4": "cached"}
    assert not any("part" in p.name for p in out.iterdir())


def test_what_is_removed_or_renamed_leaves_the_totals(
    films: Path, cold: Path, tmp_path: Path
) -> None:
    out, away = tmp_path / "out", tmp_path / "away"
    (films / "long.mp4").unlink()
    with watching(films, out, cache=cold) as watch:
        watch.until(lambda: len(watch.finished()) == 2)
        watch.until(lambda: published(out, "b.mp4"))
        (films / "b.mp4").rename(away)
        watch.until(lambda: states_of(out) == {"c.mp4": "cached"})
        assert (out / "b.mp4" / "analysis.json").exists()
        away.rename(films / "新.mp4")
        watch.until(lambda: watch.notes("stays in OUT until you remove it, in b.mp4"))
        watch.until(lambda: states_of(out) == {"c.mp4": "cached", "新.mp4": "done"})
        for name in ("c.mp4", "新.mp4"):  # as when a disk is no longer mounted
            (films / name).unlink()
        time.sleep(2 * SETTLE_S)
        watch.process.terminate()
        assert watch.ended() == 0
    assert watch.finished() == ["done"] * 3, watch.events
    assert states_of(out).keys() == {"c.mp4", "新.mp4"}
    assert watch.notes("stays in OUT") == 1


def test_results_are_those_of_a_run(
    films: Path, undisturbed: dict[str, bytes], cold: Path, tmp_path: Path
) -> None:
    """Whatever comes first, and however many passes it takes."""
    out, late = tmp_path / "out", tmp_path / "late.mp4"
    (films / "b.mp4").rename(late)
    (films / "note.txt").write_text("no film")
    with watching(films, out, cache=cold) as watch:
        watch.until(lambda: len(watch.finished()) == 3)
        late.rename(films / "b.mp4")
        watch.until(lambda: watch.finished("b.mp4"))
        watch.until(lambda: published(out, "b.mp4"))
        watch.process.terminate()
        assert watch.ended() == 0
    assert answers(out) == undisturbed
    assert triptych("run", films, "-o", out, *LIGHT, cache=cold).returncode == 0
    again = states_of(out)
    assert again.pop("note.txt") == "skipped"
    assert set(again.values()) == {"cached"}
    assert set(again) == {"b.mp4", "c.mp4", "long.mp4"}


def test_killed_and_started_again_it_goes_on(
    films: Path, undisturbed: dict[str, bytes], cold: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with watching(films, out, cache=cold) as watch:
        watch.until(watch.finished)
        left = workers_of(watch.process)
        watch.process.kill()
        watch.ended()
        until(lambda: not any(w.is_running() for w in left), patience_s=60)
    before = set(rows_of(out))
    assert 0 < len(before) < 3
    with watching(films, out, cache=cold, once=True) as watch:
        assert watch.ended() == 0
    assert watch.events[-1]["totals"]["states"]["done"] == 3 - len(before)
    assert {name for name, state in states_of(out).items() if state == "cached"} == before
    assert answers(out) == undisturbed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_in_the_middle_of_its_work(
    number: signal.Signals, films: Path, cold: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for seed in range(3):  # so that there is a middle, however late this process is told
        clip(films / f"又{seed}.mp4", seed=30 + seed, seconds=8.0)
    with watching(films, out, cache=cold) as watch:
        watch.until(watch.finished)
        left = workers_of(watch.process)
        assert left
        os.killpg(watch.process.pid, number)  # as terminals and service managers do
        code = watch.ended()
        until(lambda: not any(w.is_running() for w in left))
        assert watch.process.stderr is not None
        said = watch.process.stderr.read()
    assert code == (0 if number == signal.SIGTERM else -signal.SIGINT), said
    assert "KeyboardInterrupt" in said if number == signal.SIGINT else said == ""
    assert "failed" not in states_of(out).values()
    before = set(rows_of(out))
    assert triptych("run", films, "-o", out, *LIGHT, cache=cold).returncode == 0
    assert {name for name, state in states_of(out).items() if state == "cached"} == before


def test_a_folder_that_vanishes_is_waited_for_and_that_is_said_once(
    inbox: Path, cold: Path, tmp_path: Path
) -> None:
    out, away = tmp_path / "out", tmp_path / "away"
    clip(inbox / "a.mp4", seed=1)
    with watching(inbox, out, cache=cold) as watch:
        watch.until(lambda: watch.finished("a.mp4"))
        inbox.rename(away)
        watch.until(lambda: watch.notes("waiting for it"))
        clip(away / "b.mp4", seed=2)
        time.sleep(10 * POLL_S)
        away.rename(inbox)
        watch.until(lambda: watch.finished("b.mp4"))
        watch.until(lambda: published(out, "b.mp4"))
        watch.process.terminate()
        assert watch.ended() == 0
    assert watch.notes("waiting for it") == watch.notes("is back") == 1
    assert watch.finished() == ["done", "done"], watch.events
    assert states_of(out) == {"a.mp4": "cached", "b.mp4": "done"}


def test_once_does_what_is_complete_and_leaves_what_grows(
    inbox: Path, cold: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    clip(inbox / "深" / "电影.mp4", seed=1)
    with watching(inbox, out, cache=cold, once=True) as watch:
        with (inbox / "grows.mp4").open("wb") as growing:
            while watch.process.poll() is None:
                growing.write(b"0")
                growing.flush()
                time.sleep(0.05)
        assert watch.ended() == 0
    assert states_of(out) == {"深/电影.mp4": "done"}
    assert watch.events[-1]["totals"]["videos"] == 1


def test_results_that_cannot_be_written_for_a_while_are_written_later(
    inbox: Path, cold: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    clip(inbox / "a.mp4", seed=1)
    with watching(inbox, out, cache=cold) as watch:
        watch.until(lambda: watch.finished("a.mp4"))
        watch.until(lambda: published(out, "a.mp4"))
        out.rename(tmp_path / "kept")
        out.write_text("a file is in the way")
        clip(inbox / "b.mp4", seed=2)
        watch.until(lambda: watch.notes("it is tried again"))
        time.sleep(10 * POLL_S)
        out.unlink()
        (tmp_path / "kept").rename(out)
        watch.until(lambda: watch.finished("b.mp4"))
        watch.until(lambda: published(out, "b.mp4"))
        watch.process.terminate()
        assert watch.ended() == 0
    assert watch.notes("it is tried again") == 1
    assert states_of(out) == {"a.mp4": "cached", "b.mp4": "done"}
