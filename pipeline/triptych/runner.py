"""A folder of videos to a folder of answers: nothing finished is lost, nothing bad spreads.

Each video is worked on whole in a process of its own pool (pebble), which may crash or hang at
no cost to the others. What is finished stands in `run.jsonl` at once; the next run reads it and
does only the rest.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from triptych.config import Config
from triptych.errors import InputError, OutputError, TriptychError, UsageError
from triptych.extract.registry import preset
from triptych.extract.specs import ASR_VERSION
from triptych.features.keys import digest_of, file_digest
from triptych.fuse.provenance import adopted, model_digest
from triptych.inputs import Source, find_sources
from triptych.journal import Journal, failure
from triptych.prepare import Listener, Silent, make_ready, what_is_missing

__all__ = ["Listener", "exit_code", "run", "run_folder"]

log = logging.getLogger(__name__)

Row = dict[str, Any]
_REPORT_VERSION = 1  # raised when finished folders should be written again


def run(
    inputs: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    config: Config | None = None,
    listener: Listener | None = None,
) -> dict[str, Any]:
    """Work through files, folders, globs and manifests.

    Args:
        inputs: see `triptych.inputs.find_sources`.
        out: folder for the results; each video gets a folder of its own in it.
        config: defaults to the embedded preset.
        listener: is told of each video as it ends.

    Returns:
        The totals, as in `summary.json`, with the rows of `run.jsonl` under "rows".

    Raises:
        InputError: an input does not exist.
        OutputError: `out` cannot be written to.
        UsageError: configuration, labels, a model or a manifest cannot be read, or do not fit.
    """
    out = Path(out)
    sources = find_sources(inputs, out=out)
    return run_folder(sources, out, config=config or Config(), listener=listener or Silent())


def run_folder(
    sources: Sequence[Source], out: Path, *, config: Config, listener: Listener
) -> dict[str, Any]:
    """`run` for sources that were found already."""
    config = adopted(config)
    of_model = model_digest(config.predict.model) if config.predict.model else ""
    from triptych.report.run import write_run

    began = time.monotonic()
    _check_places(sources, out)
    _check_writable(out)
    for note in what_is_missing(config):
        listener.note(note)
    listener.start(len(sources))
    rows: dict[str, Row] = {}
    with Journal(out / "run.jsonl") as journal:
        pending: list[tuple[Source, Row]] = []
        for source in sources:
            row = _identify(source, config, of_model)
            known = None if row["state"] == "failed" else journal.finished(row, out)
            # What was passed over in a folder is a failure when the user names it.
            if known and not (known["state"] == "skipped" and source.expected):
                row = known | {"state": _state_again(known)}
            if row["state"]:
                rows[row["relative"]] = row
                listener.finished(row)
            else:
                pending.append((source, row))
        preparation_s = 0.0
        if pending:
            if not config.predict.model:
                _check_labels(config)
            preparation_s = make_ready(config, listener)
        for row in _work(pending, out, config, listener):
            rows[row["relative"]] = row
            journal.append(row)
            listener.finished(row)
        ordered = [rows[str(s.relative)] for s in sources]
        seconds = time.monotonic() - began - preparation_s
        totals = _totals(ordered, seconds, config) | {
            "preparation_seconds": round(preparation_s, 3)
        }
        if not journal.same_as(ordered):
            write_run(ordered, out, totals=totals, gallery=not journal.same_answers(ordered))
    return totals | {"rows": ordered}


def _check_labels(config: Config) -> None:
    from triptych.predict.vocabulary import load_vocabulary

    load_vocabulary(config.predict.labels)


def _check_places(sources: Sequence[Source], out: Path) -> None:
    for source in sources:
        if os.path.abspath(out / source.relative) == os.path.abspath(source.path):
            raise UsageError(
                "the folder of its results would be the file itself",
                path=source.path,
                remedy="choose another folder for the results",
            )


def _check_writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".part-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as err:
        raise OutputError(
            f"cannot write here: {err.strerror}",
            path=out,
            remedy="choose a folder that you may write to",
        ) from err


def _identify(source: Source, config: Config, of_model: str) -> Row:
    """A row that knows what the file holds; `state` is empty unless it cannot be read."""
    row: Row = {
        "path": str(source.path),
        "state": "",
        "stage": "",
        "error": "",
        "remedy": "",
        "relative": str(source.relative),
        "folder": str(source.relative),
        **dict(source.extra),
    }
    if source.start_s is not None or source.end_s is not None:
        row["window"] = [source.start_s, source.end_s]
    try:
        try:
            status = source.path.stat()
        except OSError as err:
            raise InputError(
                f"cannot read: {err.strerror}",
                path=source.path,
                remedy="check the path and its permissions",
            ) from err
        if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
            raise InputError("not a file", path=source.path, remedy="give files or folders")
        row["size"] = status.st_size
        row["sha256"] = file_digest(source.path)
        row["fingerprint"] = _fingerprint(source, config, row["sha256"], of_model)
    except (TriptychError, OSError) as err:
        failure(row, err, stage="read")
    return row


def _fingerprint(source: Source, config: Config, digest: str, of_model: str) -> str:
    """Digest of everything that could change the answers for one source."""
    from triptych import __version__
    from triptych.decode.sidecar import find_sidecars

    return digest_of(
        {
            "media": digest,
            "window": [source.start_s, source.end_s],
            "sidecars": [[p.name, file_digest(p)] for p in find_sidecars(source.path)],
            "name": source.path.name,
            "extra": dict(source.extra),
            "config": config.recipe(),
            "labels": _labels_content(config.predict.labels),
            "model": of_model,
            "extractors": [
                [spec.recipe() for spec in entry.specs]
                for entry in preset(config.extract.preset)
                if not entry.missing()
            ],
            "asr": importlib.util.find_spec("faster_whisper") is not None and ASR_VERSION,
            "version": [__version__, _REPORT_VERSION],
        }
    )


def _labels_content(labels: str) -> str:
    """Of a file its content, so that editing it counts."""
    path = Path(os.path.expanduser(labels.strip()))
    try:
        return file_digest(path) if path.is_file() else labels
    except (OSError, ValueError):  # too long for a name, or with a zero byte: words, then
        return labels


def _state_again(known: Row) -> str:
    """A video that was done is now cached; one that was partial stays so."""
    return "cached" if known["state"] == "done" else str(known["state"])


def _work(
    pending: Sequence[tuple[Source, Row]], out: Path, config: Config, listener: Listener
) -> Iterator[Row]:
    """Analyse what is pending in worker processes; rows as they end."""
    if not pending:
        return
    from triptych.pool import analyze_one, work_through

    yield from work_through(analyze_one, pending, config=config, out=out)


def _totals(rows: Sequence[Row], seconds: float, config: Config) -> dict[str, Any]:
    """Counts, throughput and failures of a run."""
    states = ("done", "cached", "partial", "failed", "skipped")
    counts = {state: sum(r["state"] == state for r in rows) for state in states}
    fresh = [r for r in rows if r.get("fresh")]
    media_s = sum(r.get("duration_s", 0.0) for r in fresh)
    stages: dict[str, float] = {}
    for row in fresh:
        for name, spent in row.get("seconds", {}).items():
            stages[name] = round(stages.get(name, 0.0) + spent, 4)
    return {
        "videos": len(rows),
        "states": counts,
        "seconds": round(seconds, 3),
        "media_seconds": round(media_s, 3),
        "speed": round(media_s / seconds, 2) if fresh and seconds > 0 else None,
        "videos_decoded": sum(bool(r.get("decoded")) for r in fresh),
        "frames_decoded": sum(r.get("frames_decoded", 0) for r in fresh),
        "tracks_from_cache": sum(len(r.get("from_cache", ())) for r in fresh),
        "stage_seconds": stages,
        "peak_memory_mb": max((r.get("peak_memory_mb", 0) for r in fresh), default=0),
        "failures": [
            {k: r[k] for k in ("path", "stage", "error", "remedy")}
            for r in rows
            if r["state"] == "failed"
        ],
        "config": config.recipe(),
    }


def exit_code(totals: dict[str, Any]) -> int:
    """0 all done, 1 some failed or partial, 3 nothing succeeded."""
    counts = totals["states"]
    if not counts["done"] + counts["cached"] + counts["partial"]:
        return 3
    return 1 if counts["failed"] + counts["partial"] else 0
