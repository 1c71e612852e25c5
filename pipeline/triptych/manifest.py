"""Manifests: tables in CSV or JSON lines that name media files and say what is known of each.

They come from spreadsheets and scripts, so that every cell is checked and a bad one is named.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from typing import Any

from triptych.errors import UsageError
from triptych.numbered import FPS_RANGE

__all__ = ["manifest_rows", "rate_in", "seconds_in", "text_in"]

_COLUMNS = ("path", "label", "start", "end", "split", "group", "fps", "importance")


def manifest_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows with the numbers of their lines.

    Raises:
        UsageError: it cannot be read, or names a column that is nearly one of ours.
    """
    text = _content(path)
    if path.suffix.lower() == ".csv":
        reader = csv.DictReader(io.StringIO(text, newline=""))
        try:
            _check_names(reader.fieldnames or (), path)
            yield from ((reader.line_num, row) for row in reader)
        except csv.Error as err:
            raise UsageError(f"line {reader.line_num + 1} is not CSV: {err}", path=path) from err
        return
    # Not splitlines: names and labels may hold line separators that JSON does not escape.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as err:
                raise UsageError(f"line {number} is not JSON: {err}", path=path) from err
            if not isinstance(row, dict):
                raise UsageError(f"line {number} is not a JSON object", path=path)
            _check_names(row, path)
            yield number, row


def text_in(value: object, where: str, path: Path) -> str:
    """A cell as text; a list's items with `|` between them, as a CSV cell would hold them.

    Raises:
        UsageError: it holds something else.
    """
    if value is None:
        return ""
    if isinstance(value, list):
        items = [text_in(item, where, path) for item in value]
        if any("|" in item for item in items):
            raise UsageError(f"{where}: | stands between labels, not within one", path=path)
        return "|".join(item for item in items if item)
    if isinstance(value, dict):
        raise UsageError(f"{where}: {value!r} is no text", path=path, remedy="give text or a list")
    return str(value)


def seconds_in(value: object, where: str, path: Path) -> float | None:
    """A cell as seconds; None if it is empty.

    Raises:
        UsageError: it is none.
    """
    if value is None or value == "":
        return None
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise UsageError(f"{where}: {value!r} is no number of seconds", path=path)
    return seconds


def rate_in(value: object, where: str, path: Path) -> float | None:
    """A cell as pictures a second; None if it is empty.

    Raises:
        UsageError: it is none.
    """
    if value is None or value == "":
        return None
    try:
        rate = float(Fraction(str(value).replace(" ", "")))
    except (ValueError, ZeroDivisionError, OverflowError):
        rate = 0.0
    low, high = FPS_RANGE
    if not low <= rate <= high:
        raise UsageError(
            f"{where}: {value!r} is no number of pictures a second",
            path=path,
            remedy=f"write a number from {low:g} to {high:g}, such as 25 or 30000/1001",
        )
    return rate


def _check_names(names: Iterable[str | None], path: Path) -> None:
    """Refuse a column whose name is nearly one of ours: what it says would go unheard."""
    for name in names:
        meant = (name or "").strip().casefold()
        near = get_close_matches(meant, _COLUMNS, n=1, cutoff=0.8)
        if near and name != near[0]:
            raise UsageError(
                f"an unknown column {name!r}", path=path, remedy=f"did you mean {near[0]!r}?"
            )


def _content(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as err:
        raise UsageError(f"cannot read the manifest: {err.strerror}", path=path) from err
    for encoding in ("utf-8-sig", "gb18030"):  # Chinese spreadsheets save the second one
        with contextlib.suppress(UnicodeDecodeError):
            return content.decode(encoding)
    raise UsageError(
        "cannot read the manifest: it is no text", path=path, remedy="save it as UTF-8 text"
    )
