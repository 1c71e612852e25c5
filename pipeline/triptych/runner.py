"""A folder of videos to a folder of answers: nothing finished is lost, nothing bad spreads.

Each video is worked on whole in a process of its own pool (pebble), which may crash or hang at
no cost to the others. What is finished stands in `run.jsonl` at once; the next run reads it and
does only the rest.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from triptych import faults
from triptych.amounts import bytes_of, counted, sized
from triptych.atomic import SCRATCH
from triptych.children import check_caller
from triptych.config import Config
from triptych.errors import OutputError, ResourceError, TriptychError
from triptych.events import News
from triptych.extract.registry import chosen
from triptych.features.index import DigestIndex
from triptych.features.jobs import Job, in_use
from triptych.features.layout import default_root
from triptych.fuse.language import llm_folder
from triptych.fuse.provenance import adopted, gives_labels
from triptych.inputs import Source, find_sources
from triptych.journal import Journal, Row, seen_again
from triptych.lock import held
from triptych.predict.vocabulary import vocabulary_of
from triptych.prepare import Listener, Silent, check_device, make_ready, what_is_missing
from triptych.rates import remember
from triptych.survey import Redo, Survey, check_sources
from triptych.tally import Budget, exit_code, totals_of

__all__ = ["Listener", "exit_code", "run", "run_folder"]


def run(
    inputs: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    config: Config | None = None,
    listener: Listener | None = None,
    redo: Redo = "nothing",
) -> dict[str, Any]:
    """Work through files, folders, globs and manifests.

    Args:
        inputs: see `triptych.inputs.find_sources`.
        out: folder for the results; each video gets a folder of its own in it.
        config: defaults to the embedded preset.
        listener: is told of each video as it ends.
        redo: what of that which ended before is done again: "nothing", "failed" (what failed
            or could be read only in part), or "all".

    Returns:
        The totals, as in `summary.json`, with the rows of `run.jsonl` under "rows".

    Raises:
        InputError: an input does not exist, or there is nothing in it.
        OutputError: `out` cannot be written to.
        ResourceError: worker processes cannot be kept alive.
        UsageError: configuration, labels, a model or a manifest cannot be read, or do not fit;
            `runner.device` is not there; another run is working on `out`; or a script calls this
            whenever it is imported.
        WeightsError: a model that is named is nowhere.
    """
    out, config = Path(out), config or Config()
    sources = find_sources(inputs, out=out, frames_fps=config.runner.frames_fps or None)
    check_device(config)
    return run_folder(sources, out, config=config, listener=listener or Silent(), redo=redo)


def run_folder(
    sources: Sequence[Source],
    out: Path,
    *,
    config: Config,
    listener: Listener,
    redo: Redo = "nothing",
    standing: Mapping[str, Row] | None = None,
) -> dict[str, Any]:
    """`run` for sources that were found, and a device that is there.

    Args:
        sources: from `find_sources`.
        out: as for `run`, and so are the others.
        config: see there.
        listener: see there.
        redo: see there.
        standing: rows by `relative` that an earlier run returned, and that are known to hold
            still; nobody looks at these files again.
    """
    check_caller()
    config = adopted(config)
    chosen(config.extract)  # a wrong name or a model that is nowhere ends it here
    if config.predict.llm:
        llm_folder(config.predict.llm)
    if not gives_labels(config.predict.model):
        vocabulary_of(config.predict)
    check_sources(sources, out)
    _check_writable(out)
    with (
        held(out / ".lock") as left_behind,
        in_use(default_root()) as job,
        Journal(out / "run.jsonl") as journal,
    ):
        if left_behind:
            listener.note(left_behind)
            for scratch in out.glob(f"{SCRATCH}*"):
                scratch.unlink(missing_ok=True)
        for note in what_is_missing(config):
            listener.note(note)
        going = _Run(sources, out, config=config, listener=listener, journal=journal, job=job)
        totals = going.through(redo, standing or {})
    _shrink_store(config, listener)  # when this run needs nothing of it any more
    return totals


class _Run:
    """A run while it goes: what has ended so far, and what is written of it."""

    def __init__(
        self,
        sources: Sequence[Source],
        out: Path,
        *,
        config: Config,
        listener: Listener,
        journal: Journal,
        job: Job,
    ) -> None:
        self._sources, self._out, self._config = sources, out, config
        self._listener, self._journal, self._job = listener, journal, job
        self._rows: dict[str, Row] = {}
        self._budget = Budget(config.runner.max_failures)
        self._began = time.monotonic()
        self._preparation_s = 0.0
        self._news = News(out / f"{SCRATCH}news", lambda news: listener.reached(news))

    def through(self, redo: Redo, standing: Mapping[str, Row]) -> dict[str, Any]:
        """Do all of it; returns the totals with the rows."""
        faults.reached("run.locked")
        self._listener.start(len(self._sources))
        pending = self._surveyed(redo, standing)
        self._job.will_read(row["sha256"] for _, row in pending)
        faults.reached("run.surveyed")
        if pending and not self._budget.exceeded:
            self._preparation_s = make_ready(self._config, self._listener)
            try:
                self._work(pending, anew=redo == "all")
            except BaseException as err:
                # What is finished can be looked at; what went wrong is more important.
                with contextlib.suppress(TriptychError, OSError):
                    self._published(_why(err))
                raise
        reached_all = len(self._rows) == len(self._sources)
        return self._published("" if reached_all else self._budget.exceeded)

    def _surveyed(self, redo: Redo, standing: Mapping[str, Row]) -> list[tuple[Source, Row]]:
        """What is to be worked on; the rest has ended."""
        pending = []
        with DigestIndex() as digests:
            survey = Survey(
                config=self._config,
                journal=self._journal,
                out=self._out,
                redo=redo,
                digests=digests,
            )
            for source in self._sources:
                known = standing.get(str(source.relative))
                row = seen_again(known) if known else survey.row_of(source)
                if row["state"]:
                    self._ended(row)
                else:
                    pending.append((source, row))
        return pending

    def _work(self, pending: Sequence[tuple[Source, Row]], *, anew: bool) -> None:
        """Work through what is pending, until too much of it fails."""
        from triptych.pool import work_through
        from triptych.worker import analyze_one

        lengths = {
            row["relative"]: length
            for _, row in pending
            if (length := self._journal.length_of(row)) is not None
        }
        limit_s = self._config.runner.time_limit_s
        work = work_through(
            analyze_one,
            pending,
            config=self._config,
            lengths=lengths,
            out=self._out,
            anew=anew,
            news=self._news.path,
        )
        with self._news, contextlib.closing(work):  # which ends the workers
            for row in work:
                row["fresh"] = True
                if row["stage"] == "time limit":
                    row["time_limit_s"] = limit_s
                # First: an end that comes between the two must not forget a finished video.
                self._rows[row["relative"]] = row
                self._journal.append(row)
                self._ended(row)
                if self._budget.exceeded:
                    break

    def _ended(self, row: Row) -> None:
        self._rows[row["relative"]] = row
        if row.get("fresh"):
            self._budget.count(row)
            self._news.catch_up()  # which comes before the end of its video
        with self._news.lock:
            self._listener.finished(row)

    def _published(self, stopped: str) -> dict[str, Any]:
        """Write the files of the whole run; returns the totals with the rows."""
        from triptych.report.run import write_run

        faults.reached("tables.begun")
        names = [str(source.relative) for source in self._sources]
        rows = [self._rows[name] for name in names if name in self._rows]
        totals = totals_of(
            rows,
            videos=len(names),
            seconds=time.monotonic() - self._began - self._preparation_s,
            stopped=stopped,
            config=self._config,
        ) | {"preparation_seconds": round(self._preparation_s, 3)}
        remember(rows, self._config)
        if stopped or not self._journal.same_as(rows):
            if moved := _moved(self._journal.keep_others(rows), rows):
                self._listener.note(moved)
            same = self._journal.same_answers(rows)
            write_run(rows, self._out, totals=totals, gallery=not same)
        return totals | {"rows": rows}


def _moved(aside: Sequence[Row], rows: Sequence[Row]) -> str:
    """What to say once of results whose films have another name or place now; mostly nothing.

    Args:
        aside: rows of earlier runs that this one was not asked about.
        rows: of this run.
    """
    here = {(r.get("sha256"), str(r.get("window"))) for r in rows if r.get("fresh")}
    moved = [
        row["folder"]
        for row in aside
        if row.get("outputs")
        and (row["sha256"], str(row.get("window"))) in here
        and not os.path.lexists(row["path"])
    ]
    if not moved:
        return ""
    films = counted(len(moved), "film has", "films have")
    first = "in" if len(moved) == 1 else "the first in"
    return (
        f"{films} another name or place now; what was found under the old one stays in OUT until "
        f"you remove it, {first} {moved[0]}"
    )


def _why(err: BaseException) -> str:
    """Why a run ended before its time."""
    if isinstance(err, KeyboardInterrupt):
        return "interrupted"
    return err.message if isinstance(err, TriptychError) else f"{type(err).__name__}: {err}"


def _shrink_store(config: Config, listener: Listener) -> None:
    if not config.runner.cache_limit:
        return
    from triptych.features.upkeep import prune

    try:
        pruned = prune(default_root(), max_bytes=bytes_of(config.runner.cache_limit))
    except ResourceError as err:
        listener.note(f"the feature store is not made smaller: {err}")
        return
    if pruned.removed.files:
        removed, left = sized(pruned.removed.bytes), sized(pruned.left.bytes)
        listener.note(f"the feature store gave up {removed}, used longest ago; {left} are left")
    if pruned.over_bytes:
        more = sized(pruned.over_bytes)
        listener.note(f"the feature store is {more} over its limit: other runs need what it holds")


def _check_writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f"{SCRATCH}{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as err:
        raise OutputError.of_folder(out, err) from err
