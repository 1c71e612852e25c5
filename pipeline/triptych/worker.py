"""In a worker process: one source to its folder of answers, and a row that says how it went."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triptych import faults
from triptych.atomic import SCRATCH
from triptych.config import Config
from triptych.inputs import Source
from triptych.journal import Row, given_up

if TYPE_CHECKING:
    from triptych.events import Stopwatch
    from triptych.records import Analysis

__all__ = ["analyze_one", "analyzed"]


def analyze_one(
    *, source: Source, row: Row, out: Path, config: Config, anew: bool, news: Path
) -> Row:
    """Analyse one source and write its folder.

    Args:
        source: the file, or a window of it.
        row: what is known of it.
        out: the run's folder of results.
        config: the resolved configuration.
        anew: keep no file that an earlier run wrote.
        news: the file that stages are told in; see `triptych.events`.
    """
    from triptych.events import Stopwatch, telling

    faults.reached("worker.begun", row["relative"])
    began = time.monotonic()
    watch, folder = Stopwatch(), out / source.relative
    try:
        with telling(news, video=row["path"], relative=row["relative"], worker=os.getpid()):
            analysis = analyzed(source, row, config=config)
            outputs = _reported(
                analysis, source, row, folder, config=config, anew=anew, watch=watch
            )
    except Exception as err:  # noqa: BLE001 - it becomes the row of this video
        return given_up(row, err, expected=source.expected, stage="analyze")
    faults.reached("worker.answered", row["relative"])
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
        "frames_decoded": analysis.frames_decoded,
        "from_cache": list(analysis.cached),
        "entries": dict(analysis.entries),
        "seconds": {k: round(v, 4) for k, v in (dict(analysis.seconds) | dict(watch)).items()},
        "elapsed_s": round(time.monotonic() - began, 4),
        "peak_memory_mb": _peak_memory_mb(),
    }


def analyzed(source: Source, row: Row, *, config: Config) -> Analysis:
    """Analyse a source whose digest is known; errors as of `triptych.video.analyze`."""
    from triptych.video import analyze

    return analyze(
        source.path,
        config=config,
        digest=row["sha256"],
        start_s=source.start_s,
        end_s=source.end_s,
        frames_fps=source.frames_fps,
    )


def _reported(
    analysis: Analysis,
    source: Source,
    row: Row,
    folder: Path,
    *,
    config: Config,
    anew: bool,
    watch: Stopwatch,
) -> dict[str, str]:
    """Write the folder; returns format -> file name."""
    from triptych.events import stage
    from triptych.report.write import FILES, write_report

    for scratch in folder.glob(f"{SCRATCH}*"):  # of a run that was killed
        scratch.unlink(missing_ok=True)
    if anew:  # without it nobody knows what the others were made from
        (folder / FILES["json"]).unlink(missing_ok=True)
    run = {
        "host": socket.gethostname(),
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "worker": os.getpid(),
    }
    with stage("report", source.path, watch):
        told = _source_data(source, row, folder)
        return write_report(analysis, folder, config=config, source=told, run=run)


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
        # A browser plays no folder of pictures.
        "href": "" if source.frames_fps else quote(os.fsencode(Path(link).as_posix())),
    }


def _peak_memory_mb() -> int:
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024))
