"""Worker processes: a whole video each, with a time limit, replaceable."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, TimeoutError, wait
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pebble import ProcessExpired, ProcessPool

from triptych.config import Config
from triptych.errors import NotMediaError, ResourceError
from triptych.inputs import Source
from triptych.journal import Row, failure

if TYPE_CHECKING:
    from triptych.records import Analysis

__all__ = ["analyze_one", "prepare", "work_through"]

log = logging.getLogger(__name__)

_GRACE_S, _PER_MEGABYTE_S = 600.0, 5.0  # time limit of a video whose length is not yet known
_RECYCLE = 200  # videos after which a worker is replaced: what libraries leak stays bounded


def prepare(extractors: Sequence[str]) -> None:
    """Make the models of these extractors ready for this machine.

    In a process of its own, which takes torch's memory with it when it ends.
    """
    with _pool(workers=1) as pool:
        pool.schedule(_prepare, args=[list(extractors)]).result()


def work_through(
    task: Callable[..., Row],
    pending: Sequence[tuple[Source, Row]],
    *,
    config: Config,
    **arguments: Any,
) -> Iterator[Row]:
    """Do one task for each source; yield each one's row as it ends, whatever way it ends.

    Args:
        task: a function of a module, called in a worker with `source`, `row`, `config`,
            `threads` and `arguments`; returns the row, completed.
        pending: sources and what is known of them, their `size` among it.
        config: how many workers, and for how long each may work on one source.
        arguments: plain data for the task.
    """
    cores = os.cpu_count() or 1
    workers = min(config.runner.workers or cores, len(pending))
    arguments |= {"config": config, "threads": max(1, cores // workers)}
    # Largest first: the work does not end with one worker on one long film.
    largest_first = sorted(pending, key=lambda pair: -pair[1]["size"])
    with _pool(workers=workers, recycle=_RECYCLE) as pool:
        try:
            futures: dict[Future[Row], tuple[Row, float]] = {}
            for source, row in largest_first:
                limit_s = config.runner.time_limit_s or _GRACE_S + _PER_MEGABYTE_S * (
                    row["size"] / 1e6
                )
                told = {"source": source, "row": row, **arguments}
                futures[pool.schedule(task, kwargs=told, timeout=limit_s)] = (row, limit_s)
            waiting: set[Future[Row]] = set(futures)
            while waiting:
                ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in ended:
                    yield _outcome(future, *futures[future])
        except BaseException:
            # The others' unfinished work is lost, what is finished is written.
            pool.stop()  # type: ignore[no-untyped-call]
            raise


def _pool(*, workers: int, recycle: int = 0) -> ProcessPool:
    return ProcessPool(
        max_workers=workers,
        max_tasks=recycle,
        initializer=_start,
        initargs=[[p for p in sys.path if p], logging.getLogger().getEffectiveLevel()],
        # Not forked: a fork copies locks that numerical libraries' threads may hold.
        context=get_context("spawn"),
    )


def _outcome(future: Future[Row], row: Row, limit_s: float) -> Row:
    try:
        result: Row = future.result()
        return result
    except TimeoutError:
        err: Exception = ResourceError(
            f"gave no answer within {limit_s:g} s",
            remedy="raise runner.time_limit_s if the video is very long",
        )
        return failure(row, err, stage="time limit")
    except ProcessExpired as gone:
        code = gone.exitcode
        how = signal.Signals(-code).name if code and code < 0 else f"exit code {code}"
        err = ResourceError(
            f"its worker process died ({how})",
            remedy="run again with --workers 1; if it dies again, please report it with the file",
        )
        return failure(row, err, stage="worker")
    except Exception as bug:  # noqa: BLE001 - it becomes the row of this video
        return failure(row, bug, stage="worker")


def _start(path: list[str], log_level: int) -> None:
    """Set a worker up: one inference thread, Ctrl-C left to the parent, the parent's log level."""
    sys.path[:] = path
    logging.basicConfig(level=log_level, format="%(levelname)s %(name)s: %(message)s")
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    os.environ["MKL_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _prepare(extractors: Sequence[str]) -> None:
    from triptych.extract.registry import load

    if "image" in extractors:  # the only network that is converted
        load("image")
    if "text" in extractors:
        from triptych.predict.classify import prepare_words

        prepare_words()


def analyze_one(*, source: Source, row: Row, out: Path, config: Config, threads: int) -> Row:
    """Analyse one source and write its folder."""
    from triptych.events import Stopwatch, stage
    from triptych.report.write import write_report
    from triptych.video import analyze

    began = time.monotonic()
    watch = Stopwatch()
    try:
        analysis = analyze(
            source.path,
            config=config,
            digest=row["sha256"],
            start_s=source.start_s,
            end_s=source.end_s,
            threads=threads,
        )
        folder = out / source.relative
        with stage("report", source.path, watch):
            outputs = write_report(
                analysis,
                folder,
                config=config,
                source=_source_data(source, row, folder),
                run={
                    "host": socket.gethostname(),
                    "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                    "worker": os.getpid(),
                },
            )
    except NotMediaError as err:
        if source.expected:
            return failure(row, err, stage="open")
        return row | {"state": "skipped", "stage": "open", "error": err.message}
    except Exception as err:  # noqa: BLE001 - it becomes the row of this video
        log.debug("%s", traceback.format_exc())
        return failure(row, err, stage="analyze")
    warnings = _warnings_of(folder, analysis)
    decoded = "decode" in analysis.seconds  # for one missing track the file is read again
    return row | {
        "state": "partial" if analysis.partial else "done",
        "labels": [
            [p.label, round(p.score, 6)] for p in analysis.prediction.ranked[: config.predict.top]
        ],
        "kind": analysis.prediction.kind,
        "duration_s": round(analysis.duration_s, 3),
        "outputs": outputs,
        "text": analysis.summary.text,
        "sizes": {name: (folder / name).stat().st_size for name in outputs.values()},
        "warnings": warnings,
        "fresh": True,
        "decoded": decoded,
        "frames_decoded": analysis.frames_decoded if decoded else 0,
        "from_cache": list(analysis.cached),
        "seconds": {k: round(v, 4) for k, v in (dict(analysis.seconds) | dict(watch)).items()},
        "elapsed_s": round(time.monotonic() - began, 4),
        "peak_memory_mb": _peak_memory_mb(),
    }


def _warnings_of(folder: Path, analysis: Analysis) -> list[str]:
    """All warnings, those of files that could not be written among them."""
    path = folder / "analysis.json"
    written: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return list(written.get("warnings", analysis.warnings))


def _source_data(source: Source, row: Row, folder: Path) -> dict[str, Any]:
    from urllib.parse import quote

    link = os.path.relpath(os.path.abspath(source.path), os.path.abspath(folder))
    return {
        "path": str(source.path),
        "relative": row["relative"],
        "sha256": row["sha256"],
        "size": row["size"],
        "window": [source.start_s, source.end_s],
        "manifest": dict(source.extra),
        "href": quote(os.fsencode(Path(link).as_posix())),
    }


def _peak_memory_mb() -> int:
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024))
