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
from triptych.survey import Redo, Survey, check_sources

__all__ = ["PLANS", "dry_run", "open_one"]

PLANS = ("decode", "report", "finished", "skipped", "failed")
_PATIENCE_S = 60.0  # for opening a file; if it takes longer, the run will see
_REPORTING = ("store", "fuse", "predict", "report")  # stages of a video that is not decoded


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
        "estimate": _estimate(rows, journal.rows, workers=workers),
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
    ended = {r["relative"]: r for r in work if r["state"] and r["stage"] == "open"}
    return [
        (row | ended[row["relative"]], ended[row["relative"]]["state"])
        if row["relative"] in ended
        else (row, plan)
        for row, plan in found
    ]


def open_one(*, source: Source, row: Row, config: Config) -> Row:
    """Look whether one source can be opened; if not, its row is as a run's would be."""
    from triptych.decode.media import open_media

    try:
        limit = config.decode.max_pixels
        open_media(source.path, max_pixels=limit, frames_fps=source.frames_fps).close()
    except Exception as err:  # noqa: BLE001 - it becomes the row of this video
        return given_up(row, err, expected=source.expected, stage="open")
    return row


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
        gather(job, hear=not find_sidecars(source.path))
    except Missing:
        return False
    return True


def _estimate(rows: Sequence[Row], known: Sequence[Row], *, workers: int) -> dict[str, Any]:
    """Time and room that the work would take, by what earlier videos took; None: unknown."""
    known = [r for r in known if r.get("duration_s") and r.get("seconds")]
    media_s = sum(r["duration_s"] for r in known)
    seconds_a_byte = _ratio(media_s, sum(r["size"] for r in known))
    decoded = [r for r in known if r.get("decoded")]
    stages = sum(r["seconds"].get(name, 0.0) for r in known for name in _REPORTING)
    rates = {
        "decode": _ratio(
            sum(r["elapsed_s"] for r in decoded), sum(r["duration_s"] for r in decoded)
        ),
        "report": _ratio(stages, media_s),
    }
    results = _ratio(sum(sum(r.get("sizes", {}).values()) for r in known), media_s)
    work = [r for r in rows if r["plan"] in rates]
    lengths = [r["duration_s"] or _times(r["size"], seconds_a_byte) for r in work]
    spent = [_times(rates[r["plan"]], s) for r, s in zip(work, lengths, strict=True)]
    seconds = _times(_total(spent), 1 / max(1, min(workers, len(work))))
    size = _total([_times(results, s) for s in lengths])
    return {"seconds": seconds, "media_s": _total(lengths), "bytes": size}


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _times(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a * b


def _total(parts: Sequence[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return round(sum(known), 1) if len(known) == len(parts) else None
