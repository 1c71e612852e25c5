"""Worker processes: a whole video each, with a time limit, replaceable."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, TimeoutError, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from types import TracebackType
from typing import Any, Self

from pebble import ProcessExpired, ProcessPool

from triptych.children import check_caller, limit_memory, model_process, set_up, setting
from triptych.config import Config, Device
from triptych.errors import ResourceError
from triptych.inputs import Source
from triptych.journal import Row, failure
from triptych.predict.vocabulary import Vocabulary

__all__ = ["check_device", "prepare", "work_through"]

log = logging.getLogger(__name__)

_GRACE_S, _PER_MEGABYTE_S, _PER_SECOND_S = 600.0, 5.0, 2.0  # time limit of a video
_SILENCE_S = 120.0  # this long after its time limit it is the pool that hangs
_LOOK_S = 5.0
_ATTEMPTS = 2
_BREAKS = 3  # of the pool, one after the other, without a video ending in between
_LOST = ("worker", "time limit")  # stages of videos whose worker gave no answer
_RECYCLE = 200  # videos after which a worker is replaced: what libraries leak stays bounded


def prepare(extractors: Sequence[str], *, labels: Vocabulary | None = None, llm: str = "") -> None:
    """Make the models of these extractors ready for this machine.

    In a process of its own, which takes torch's memory with it when it ends.

    Args:
        extractors: as they are selected.
        labels: to embed with a model of pictures and words, where one is among them.
        llm: a language model that must be one.

    Raises:
        UsageError: it is none.
    """
    with _pool(workers=1) as pool:
        pool.schedule(_prepare, args=[list(extractors), labels, llm]).result()


def check_device(device: Device) -> None:
    """Refuse a device that is not there, in a process of its own as well.

    Raises:
        UsageError: it is not there; or a script called this while a worker imported it.
    """
    check_caller()
    if device == "cuda":
        with _pool(workers=1) as pool:
            pool.schedule(_check_device, args=[device]).result()


def work_through(
    task: Callable[..., Row],
    pending: Sequence[tuple[Source, Row]],
    *,
    config: Config,
    lengths: Mapping[str, float] | None = None,
    **arguments: Any,
) -> Generator[Row, None, None]:
    """Do one task for each source; yield each one's row as it ends, whatever way it ends.

    A failure that the machine may be to blame for gets one more attempt, after all others.

    Args:
        task: a function of a module, called in a worker with `source`, `row`, `config` and
            `arguments`; returns the row, completed.
        pending: sources and what is known of them, their `size` among it.
        config: how many workers, and for how long each may work on one source.
        lengths: seconds of those whose length is known, by `relative`.
        arguments: plain data for the task.

    Raises:
        ResourceError: worker processes, or the model process, cannot be kept alive.
        UsageError: `runner.device` names a device that is not there; a script called this while
            a worker imported it.
    """
    if not pending:
        return
    check_caller()
    workers = min(config.runner.workers or os.cpu_count() or 1, len(pending))
    arguments |= {"config": config}
    queue = deque(_longest_first(pending, lengths or {}, config))
    with (
        model_process(config.runner.device) as models,
        _Crew(
            workers,
            task,
            arguments,
            place=models.place if models else None,
            memory_mb=config.runner.memory_limit_mb,
        ) as crew,
    ):
        while queue or crew.busy:
            if models:
                models.keep()
            while crew.free and (job := _next(queue, crew)):
                queue.remove(job)
                crew.give(job)
            for job, row in crew.ended():
                if models and row and row["state"] != "failed":
                    models.worked()
                if row is None:
                    queue.appendleft(job)
                elif job.fails_once(row):
                    queue.append(job)
                else:
                    yield job.with_words_of_both(row)


def _next(queue: deque[_Job], crew: _Crew) -> _Job | None:
    """The next job that is no copy of what is being worked on: a copy waits, and finds all made."""
    going = crew.contents
    return next((job for job in queue if job.content not in going), None)


@dataclass(slots=True, kw_only=True, eq=False)
class _Job:
    """One source on its way through a worker, or two."""

    source: Source
    row: Row
    limit_s: float
    patient: bool  #: the limit is a guess, and doubled for the second attempt
    attempt: int = 1
    waited_s: float = 0.0  #: workers that stood idle before they had it
    free_since: float = 0.0
    given: float = 0.0
    first: Row | None = None  #: what the first attempt ended with

    @property
    def content(self) -> str:
        """What it is about, whatever its name."""
        known = self.row.get("sha256") or self.row["relative"]
        return f"{known} {self.source.start_s} {self.source.end_s}"

    @property
    def told(self) -> Row:
        """The row that the worker gets."""
        return self.row | {"attempt": self.attempt}

    @property
    def overdue(self) -> bool:
        """Whether it should have been ended long ago."""
        return time.monotonic() - self.given > self.limit_s + _SILENCE_S

    def fails_once(self, row: Row) -> bool:
        """Whether there should be another attempt."""
        if self.attempt >= _ATTEMPTS or row["state"] != "failed" or not row.get("retryable"):
            return False
        log.info("%s: tried once more after: %s", row["path"], row["error"])
        self.attempt, self.first = self.attempt + 1, row
        self.limit_s *= 2 if self.patient else 1
        return True

    def with_words_of_both(self, row: Row) -> Row:
        """The last attempt's row; of a second failure, with what happened the first time."""
        if row["state"] != "failed" or self.first is None:
            return row
        first, second = self.first["error"], row["error"]
        said = f"{second} (twice)" if first == second else f"{second} (the first time: {first})"
        lost = self.first["stage"] in _LOST and row["stage"] in _LOST
        return row | {"error": said, "retryable": not lost}


def _longest_first(
    pending: Sequence[tuple[Source, Row]], lengths: Mapping[str, float], config: Config
) -> list[_Job]:
    """Jobs, the longest first: the work does not end with one worker on one long film."""
    known = [(row["size"], lengths[row["relative"]]) for _, row in pending
             if row["relative"] in lengths]  # fmt: skip
    seconds_a_byte = (sum(s for _, s in known) / max(1, sum(b for b, _ in known))) or 1.0

    def expected_s(row: Row) -> float:
        return lengths.get(row["relative"], row["size"] * seconds_a_byte)

    jobs = []
    for source, row in sorted(pending, key=lambda pair: -expected_s(pair[1])):
        bounds = (row["size"] / 1e6 * _PER_MEGABYTE_S,
                  lengths.get(row["relative"], 0.0) * _PER_SECOND_S)  # fmt: skip
        given = config.runner.time_limit_s
        limit_s = given or _GRACE_S + max(bounds)
        jobs.append(_Job(source=source, row=row, limit_s=limit_s, patient=not given))
    return jobs


class _Crew:
    """A pool with one job for each worker; built anew when it breaks."""

    def __init__(
        self,
        workers: int,
        task: Callable[..., Row],
        arguments: Mapping[str, Any],
        *,
        place: Mapping[str, Any] | None,
        memory_mb: int,
    ) -> None:
        self._workers, self._task, self._arguments = workers, task, arguments
        self._place, self._memory_mb = place, memory_mb
        self._jobs: dict[Future[Row], _Job] = {}
        self._breaks = 0
        self._begin()

    def _begin(self) -> None:
        self._pool = _pool(
            workers=self._workers,
            recycle=_RECYCLE,
            place=self._place,
            memory_mb=self._memory_mb,
        )
        self._free = [time.monotonic()] * self._workers

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._jobs:  # the others' unfinished work is lost, what is finished is written
            self._pool.stop()  # type: ignore[no-untyped-call]
        else:
            self._pool.close()  # type: ignore[no-untyped-call]
        self._pool.join()

    @property
    def busy(self) -> bool:
        """Whether a worker has a job."""
        return bool(self._jobs)

    @property
    def contents(self) -> set[str]:
        """What workers are at."""
        return {job.content for job in self._jobs.values()}

    @property
    def free(self) -> bool:
        """Whether a worker has none."""
        return bool(self._free)

    def give(self, job: _Job) -> None:
        """Give a job to a free worker."""
        job.free_since, job.given = self._free.pop(0), time.monotonic()
        told = {"source": job.source, "row": job.told, **self._arguments}
        future: Future[Row]
        try:
            future = self._pool.schedule(self._task, kwargs=told, timeout=job.limit_s)
        except RuntimeError as err:  # the pool broke since the last look
            future = Future()
            future.set_exception(BrokenProcessPool(str(err)))
        self._jobs[future] = job

    def ended(self) -> Iterator[tuple[_Job, Row | None]]:
        """Jobs that ended, with their rows; None where the pool broke and not the video.

        Raises:
            ResourceError: the pool breaks again and again.
        """
        broken = False
        for future in wait(self._jobs, timeout=_LOOK_S, return_when=FIRST_COMPLETED).done:
            job = self._jobs.pop(future)
            self._free.append(time.monotonic())
            if isinstance(future.exception(), BrokenProcessPool):
                broken = True
                yield job, None
            else:
                self._breaks = 0
                yield job, _timed(job, _outcome(future, job))
        # A pool that broke while a job was given may know nothing of that job: it never ends.
        if broken or not self._pool.active or any(job.overdue for job in self._jobs.values()):
            yield from self._renewed()

    def _renewed(self) -> Iterator[tuple[_Job, Row | None]]:
        """Another pool in place of this one; the jobs that it had."""
        self._breaks += 1
        if self._breaks > _BREAKS:
            raise ResourceError(
                "worker processes die before they have done anything",
                remedy="read what they said above; look at the free memory, and run again with "
                "--workers 1",
            )
        log.warning("the worker processes are replaced")
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()
        jobs = list(self._jobs.values())
        self._jobs.clear()
        self._begin()
        for job in jobs:
            yield job, _timed(job, _too_late(job)) if job.overdue else None


def _timed(job: _Job, row: Row) -> Row:
    """A row with the seconds that it took, and those that workers waited for it."""
    now = time.monotonic()
    took = row.setdefault("elapsed_s", round(now - job.given, 4))
    job.waited_s += max(0.0, now - job.free_since - took)
    return row | {"waited_s": round(job.waited_s, 4)}


def _outcome(future: Future[Row], job: _Job) -> Row:
    """What a job ended with, whatever way it ended."""
    try:
        result: Row = future.result()
        return result
    except TimeoutError:
        return _too_late(job)
    except ProcessExpired as gone:
        code = gone.exitcode
        how = signal.Signals(-code).name if code and code < 0 else f"exit code {code}"
        err = ResourceError(
            f"its worker process died ({how})",
            remedy="SIGKILL often means that memory ran out: run again with --retry-failed "
            "--workers 1; if it dies again, please report it with the file",
        )
        return failure(job.told, err, stage="worker")
    except Exception as bug:  # noqa: BLE001 - it becomes the row of this video
        return failure(job.told, bug, stage="worker")


def _too_late(job: _Job) -> Row:
    err = ResourceError(
        f"gave no answer within {job.limit_s:g} s",
        remedy="raise runner.time_limit_s if the video is very long",
    )
    return failure(job.told, err, stage="time limit")


def _pool(
    *,
    workers: int,
    recycle: int = 0,
    place: Mapping[str, Any] | None = None,
    memory_mb: int = 0,
) -> ProcessPool:
    return ProcessPool(
        max_workers=workers,
        max_tasks=recycle,
        initializer=_start,
        initargs=[place, memory_mb, setting()],
        # Not forked: a fork copies locks that numerical libraries' threads may hold.
        context=get_context("spawn"),
    )


def _start(place: Mapping[str, Any] | None, memory_mb: int, arguments: Sequence[Any]) -> None:
    """Set a worker up; its networks run at `place` where there is one."""
    set_up(*arguments)
    limit_memory(memory_mb)
    if place is not None:
        from triptych.extract.engine import send_to
        from triptych.extract.serving import Place

        send_to(Place(**place))


def _check_device(device: Device) -> None:
    from triptych.extract.serving import check_device

    check_device(device)


def _prepare(extractors: Sequence[str], labels: Vocabulary | None, llm: str) -> None:
    from triptych.extract.registry import entry, load

    if llm:
        from triptych.predict.retell import check

        check(llm)

    for found in map(entry, extractors):
        if found.name == "image" or found.source:
            load(found)  # which converts it, or says once for all videos what is wrong with it
        if found.name == "clip" and labels is not None:
            from triptych.predict.classify import prepare_labels

            prepare_labels(labels, found)
    if "text" in extractors:
        from triptych.predict.classify import prepare_words

        prepare_words()
