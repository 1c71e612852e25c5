"""What belongs to a whole run: a table, a log, the totals and a gallery.

Standard library only, so that a run in which every video is cached starts at once; Jinja
loads when the gallery is drawn.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from triptych.report.files import write_text

__all__ = ["predictions_text", "run_text", "write_run"]

Row = Mapping[str, Any]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_FIRST_KEYS = ("path", "state", "stage", "error", "remedy")


def write_run(
    rows: Sequence[Row], folder: Path, *, totals: Mapping[str, Any], gallery: bool = True
) -> None:
    """Write `predictions.csv`, `run.jsonl`, `summary.json` and `index.html`.

    Args:
        rows: one a video, in the order to show. Keys: `path`, `relative`, `folder` (of its
            report, relative to `folder`), `state` (done, cached, partial, failed, skipped),
            `stage`, `error`, `remedy`, `labels` ([name, score] pairs, best first), `kind` (of
            the scores: a `ScoreKind`; absent for shares),
            `duration_s`, `outputs` (as `write_report` returned them), `text` (the
            summary), `warnings`, `entries` (by which the gallery groups what looks alike). Any but `path` and `state` may be absent.
        folder: the run's output folder; made if it is not there.
        totals: what `summary.json` holds; `language` chooses the gallery's.
        gallery: draw `index.html` anew; it costs more than all else in a warm run.

    Raises:
        OutputError: the disk is full or read-only.
    """
    write_text(folder / "predictions.csv", predictions_text(rows), bom=True)
    write_text(folder / "run.jsonl", run_text(rows), errors="backslashreplace")
    if gallery:
        from triptych.report.alike import look_alikes
        from triptych.report.gallery import gallery_html

        alike = look_alikes(rows, folder)
        write_text(folder / "index.html", gallery_html(rows, totals=totals, alike=alike))
    summary = json.dumps(totals, ensure_ascii=False, indent=1)
    write_text(folder / "summary.json", summary + "\n", errors="backslashreplace")


def predictions_text(rows: Sequence[Row]) -> str:
    """The table: `path,status,label,score,label_2,score_2,...`, one row a video.

    Two more columns, `start_s,end_s`, when a manifest asked for windows of films.

    A relative path that a spreadsheet would take for a formula gets "./" in front, which
    leaves it the same path; other text is kept as it is and quoted.
    """
    width = max((len(row.get("labels") or ()) for row in rows), default=0) or 1
    header = ["path", "status", "label", "score"]
    for i in range(2, width + 1):
        header += [f"label_{i}", f"score_{i}"]
    windows = any(row.get("window") for row in rows)
    header += ["start_s", "end_s"] if windows else []
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")  # RFC 4180, and what Excel expects
    writer.writerow(header)
    for row in rows:
        path = str(row["path"])
        cells = [f"./{path}" if path.startswith(_FORMULA) else path, str(row["state"])]
        for label, score in row.get("labels") or ():
            cells += [str(label), f"{float(score):.6f}"]
        cells += [""] * (width * 2 + 2 - len(cells))
        if windows:
            cells += ["" if t is None else f"{t:g}" for t in row.get("window") or (None, None)]
        writer.writerow(cells)
    return buffer.getvalue()


def run_text(rows: Sequence[Row]) -> str:
    """One JSON object a video, the keys that every reader needs first."""
    lines = []
    for row in rows:
        first = {key: row.get(key, "") for key in _FIRST_KEYS}
        rest = {key: value for key, value in row.items() if key not in first}
        lines.append(json.dumps({**first, **rest}, ensure_ascii=False) + "\n")
    return "".join(lines)
