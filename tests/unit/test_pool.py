"""Worker processes that break, hang and die: each source gets a row, whatever happens to it."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from pebble import ProcessPool

from command import until
from tasks import die, obey
from triptych.config import Config, RunnerConfig
from triptych.errors import ResourceError
from triptych.inputs import Source
from triptych.journal import Row
from triptych.pool import work_through

Pending = list[tuple[Source, Row]]


def pending(**orders: str | list[str]) -> Pending:
    """Sources by name, and what their worker is told to do at the first and second attempt."""
    made = []
    for name, order in orders.items():
        row: Row = {"path": name, "relative": name, "state": "", "stage": "", "size": 1000}
        row["orders"] = [order] if isinstance(order, str) else order
        made.append((Source(path=Path(name), relative=PurePosixPath(name)), row))
    return made


def ended(
    sources: Pending,
    marks: Path,
    *,
    workers: int = 1,
    limit_s: float = 0.0,
    lengths: Mapping[str, float] | None = None,
) -> dict[str, Row]:
    config = Config(runner=RunnerConfig(workers=workers, time_limit_s=limit_s))
    rows = list(work_through(obey, sources, config=config, lengths=lengths, marks=marks))
    assert len(rows) == len(sources)
    return {row["relative"]: row for row in rows}


def order_of(marks: Path) -> list[str]:
    """Names and attempts in the order in which they were begun."""
    began = sorted((int(p.name.split()[0]), p.name.split(" ", 1)[1]) for p in marks.iterdir())
    return [what for _, what in began]


def test_nothing_to_do_starts_no_worker(tmp_path: Path) -> None:
    assert ended([], tmp_path) == {}


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("SIGKILL", "its worker process died (SIGKILL)"),
        ("SIGSEGV", "its worker process died (SIGSEGV)"),
        ("full", "OSError: [Errno 28] No space left on device"),
        ("memory", "MemoryError: no more"),
    ],
)
def test_what_the_machine_may_be_to_blame_for_is_tried_twice(
    tmp_path: Path, order: str, words: str
) -> None:
    sources = pending(once=[order, "well"], twice=order, good="well")
    rows = ended(sources, tmp_path)
    assert {n: (r["state"], r["attempt"]) for n, r in rows.items()} == {
        "once": ("done", 2), "twice": ("failed", 2), "good": ("done", 1)
    }  # fmt: skip
    assert rows["twice"]["error"] == f"{words} (twice)"
    assert rows["twice"]["remedy"]
    # Second attempts come after all others.
    assert order_of(tmp_path) == ["once 1", "twice 1", "good 1", "once 2", "twice 2"]


def test_what_the_file_is_to_blame_for_is_tried_once(tmp_path: Path) -> None:
    rows = ended(pending(damaged="damaged", bug="bug"), tmp_path)
    assert {(r["state"], r["attempt"], r["retryable"]) for r in rows.values()} == {
        ("failed", 1, False)
    }
    assert rows["damaged"]["error"] == "it is damaged"


def test_a_video_that_kills_two_workers_is_to_blame_itself(tmp_path: Path) -> None:
    rows = ended(pending(a=["SIGKILL", "SIGSEGV"], b=["SIGSEGV", "full"]), tmp_path)
    assert rows["a"]["error"] == (
        "its worker process died (SIGSEGV) (the first time: its worker process died (SIGKILL))"
    )
    assert rows["a"]["retryable"] is False
    assert rows["b"]["retryable"] is True


def test_a_source_that_hangs_is_ended_and_tried_once_more(tmp_path: Path) -> None:
    rows = ended(pending(a="hang", b=["hang", "well"], c="well"), tmp_path, limit_s=0.3)
    assert (rows["a"]["state"], rows["a"]["stage"]) == ("failed", "time limit")
    assert rows["a"]["error"] == "gave no answer within 0.3 s (twice)"
    assert rows["a"]["retryable"] is False
    assert (rows["b"]["state"], rows["b"]["attempt"]) == ("done", 2)
    assert (rows["c"]["state"], rows["c"]["attempt"]) == ("done", 1)


def test_an_answer_that_cannot_be_sent_is_a_failure_of_its_source(tmp_path: Path) -> None:
    rows = ended(pending(a="unpicklable", b="well"), tmp_path)
    assert (rows["a"]["state"], rows["a"]["stage"]) == ("failed", "worker")
    assert rows["b"]["state"] == "done"


def test_the_longest_come_first(tmp_path: Path) -> None:
    sources = pending(small="well", big="well", long="well", middle="well")
    for (_, row), size in zip(sources, (10, 1000, 100, 500), strict=True):
        row["size"] = size
    ended(sources, tmp_path)
    assert order_of(tmp_path) == ["big 1", "middle 1", "long 1", "small 1"]


def test_what_is_known_of_lengths_counts_and_says_something_of_the_rest(tmp_path: Path) -> None:
    sources = pending(small="well", big="well", long="well", middle="well")
    for (_, row), size in zip(sources, (10, 1000, 100, 500), strict=True):
        row["size"] = size
    # 3300 s in 1100 bytes: 500 bytes may be 1500 s.
    lengths = {"long": 3200.0, "big": 100.0}
    ended(sources, tmp_path, lengths=lengths)
    assert order_of(tmp_path) == ["long 1", "middle 1", "big 1", "small 1"]


def test_workers_that_wait_are_counted(tmp_path: Path) -> None:
    sources = pending(a="well", b="well", c="well")
    for _, row in sources:
        row["sleep_s"] = 0.2
    rows = ended(sources, tmp_path)
    waited = [rows[name]["waited_s"] for name in "abc"]
    assert all(w >= 0 for w in waited)
    assert waited[0] > max(waited[1:])  # the process had to start


def test_a_worker_that_dies_before_it_has_work_costs_nothing(tmp_path: Path) -> None:
    """The pool gives up when its only worker dies unasked; another one takes its place."""

    def kill_the_first() -> None:
        until(lambda: multiprocessing.active_children())[0].kill()

    killer = threading.Thread(target=kill_the_first)
    killer.start()
    rows = ended(pending(a="well", b="well"), tmp_path)
    killer.join()
    assert {r["state"] for r in rows.values()} == {"done"}


def test_a_job_that_a_broken_pool_has_forgotten_is_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the pool breaks between its check and its queue: it says nothing of the job."""
    lost = [Future[Row]()]
    schedule = ProcessPool.schedule

    def forgetful(self: ProcessPool, *args: Any, **more: Any) -> Future[Row]:
        if not lost:
            return schedule(self, *args, **more)
        assert self.active
        self.stop()  # type: ignore[no-untyped-call]
        return lost.pop()

    monkeypatch.setattr(ProcessPool, "schedule", forgetful)
    rows = ended(pending(a="well", b="well"), tmp_path)
    assert {r["state"] for r in rows.values()} == {"done"}


def test_a_pool_that_breaks_again_and_again_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("triptych.pool._start", die)
    with pytest.raises(ResourceError, match="die before they have done anything"):
        ended(pending(a="well"), tmp_path)


def test_workers_are_gone_when_nobody_asks_for_more(tmp_path: Path) -> None:
    config = Config(runner=RunnerConfig(workers=2))
    sources = pending(a="well", b="hang", c="hang", d="hang")
    with contextlib.closing(work_through(obey, sources, config=config, marks=tmp_path)) as rows:
        assert next(rows)["relative"] == "a"
    until(lambda: not multiprocessing.active_children(), patience_s=20)
