"""The plan of a run that is not made: what would be decoded, how long it would take."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from triptych.config import Config
from triptych.features.index import DigestIndex
from triptych.fuse.provenance import adopted
from triptych.inputs import Source, find_sources
from triptych.journal import Journal, Row, given_up
from triptych.prepare import check_device
from triptych.rates import recalled
from triptych.survey import Redo, Survey, check_sources

__all__ = ["PLANS", "dry_run", "open_one"]

PLANS = ("decode", "report", "finished", "skipped", "failed")
_PATIENCE_S = 60.0  # for opening a file; if it takes longer, the run will see


def dry_run(
    inputs: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    config: Config | None = None,
    redo: Redo = "nothing",
) -> dict[str, Any]:
    """What `run` would do with the same arguments; nothing is written in `out`.

    Returns:
        As docs/schema.md says: `counts` of each plan, `states` as far as they are known,
        `estimate`, `rows`.

    Raises:
        InputError: an input does not exist, or there is nothing in it.
        UsageError: configuration, a model or a manifest cannot be read, or do not fit; or
            `runner.device` is not there.
    """
    from triptych.extract.engine import rows_of

    out, config = Path(out), adopted(config or Config())
    sources = find_sources(inputs, out=out, frames_fps=config.runner.frames_fps or None)
    check_sources(sources, out)
    check_device(config)
    journal = Journal(out / "run.jsonl")
    with DigestIndex() as digests, rows_of(config.runner.device):
        survey = Survey(config=config, journal=journal, out=out, redo=redo, digests=digests)
        found = [_planned(source, survey) for source in sources]
    found = _opened(sources, found, config)
    rows = [_told(row, plan, journal) for row, plan in found]
    workers = config.runner.workers or os.cpu_count() or 1
    return {
        "videos": len(rows),
        "counts": {plan: sum(r["plan"] == plan for r in rows) for plan in PLANS},
        "states": dict(Counter(row["state"] or "done" for row in rows)),
        "workers": workers,
        "estimate": _estimate(rows, journal.rows, workers=workers, config=config),
        "rows": rows,
    }


def _planned(source: Source, survey: Survey) -> tuple[Row, str]:
    """What is known of one source, and what would be done with it."""
    row = survey.row_of(source)
    if row["state"]:
        return row, row["state"] if row["state"] in PLANS else "finished"
    return row, "report" if _features_are_kept(source, row, survey.config) else "decode"


def _told(row: Row, plan: str, journal: Journal) -> Row:
    told = {key: row[key] for key in ("path", "relative", "state", "stage", "error", "remedy")}
    length = row.get("duration_s") or journal.length_of(row)
    return told | {"plan": plan, "size": row.get("size"), "duration_s": length}


def _opened(
    sources: Sequence[Source], found: Sequence[tuple[Row, str]], config: Config
) -> list[tuple[Row, str]]:
    """The same, with those that cannot even be opened as what they would end as."""
    from triptych.pool import work_through

    known = zip(sources, found, strict=True)
    pending = [(source, row) for source, (row, plan) in known if plan == "decode"]
    runner = replace(
        config.runner, device="cpu", time_limit_s=config.runner.time_limit_s or _PATIENCE_S
    )
    # By workers: what is hostile to a decoder must not end the plan.
    work = work_through(open_one, pending, config=replace(config, runner=runner))
    looked = {r["relative"]: r for r in work}
    planned = []
    for row, plan in found:
        seen = looked.get(row["relative"], row)
        ended = seen["state"] and seen["stage"] == "open"
        if ended:
            row, plan = row | seen, seen["state"]
        elif seen.get("duration_s"):
            row["duration_s"] = seen["duration_s"]
        planned.append((row, plan))
    return planned


def open_one(*, source: Source, row: Row, config: Config) -> Row:
    """Look whether one source can be opened, and how long it says it is.

    If it cannot, its row is as a run's would be.
    """
    from triptych.decode.media import open_media

    try:
        limit = config.decode.max_pixels
        with open_media(source.path, max_pixels=limit, frames_fps=source.frames_fps) as media:
            length = media.info.duration_s
    except Exception as err:  # noqa: BLE001 - it becomes the row of this video
        return given_up(row, err, expected=source.expected, stage="open")
    ends = [end for end in (length, source.end_s) if end]
    return row | {"duration_s": max(0.0, min(ends) - (source.start_s or 0.0)) if ends else None}


def _features_are_kept(source: Source, row: Row, config: Config) -> bool:
    """Whether the file need not be decoded.

    The code that would decode it is asked, with a store in which nothing may be missing.
    """
    from triptych.decode.sidecar import find_sidecars
    from triptych.features.gather import Job, gather
    from triptych.features.store import FeatureStore, Storable

    class Missing(Exception):
        pass

    class Complete(FeatureStore):
        def get(self, key: str) -> Storable | None:
            if (record := super().get(key)) is None:
                raise Missing
            return record

    window = (source.start_s, source.end_s)
    job = Job(
        path=source.path,
        config=config,
        store=Complete(),
        digest=row["sha256"],
        window=window,
        frames_fps=source.frames_fps,
    )
    try:
        gather(job, subtitled=bool(find_sidecars(source.path)))
    except Missing:
        return False
    return True


def _estimate(
    rows: Sequence[Row], known: Sequence[Row], *, workers: int, config: Config
) -> dict[str, Any]:
    """Time and room that the work would take, by what earlier videos took."""
    rates, basis = recalled(known, config)
    work = [row for row in rows if row["plan"] in ("decode", "report")]
    lengths = [row["duration_s"] or row["size"] / rates.bitrate for row in work]
    spent = [getattr(rates, row["plan"]) * s for row, s in zip(work, lengths, strict=True)]
    return {
        "seconds": round(sum(spent) / max(1, min(workers, len(work))), 1),
        "media_s": round(sum(lengths), 1),
        "bytes": round(sum(lengths) * rates.size),
        "judged_by": basis,
    }
