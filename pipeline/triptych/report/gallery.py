"""index.html: all videos of a run at a glance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from triptych.report.templating import render
from triptych.report.text import clock, href, one_line, score_text
from triptych.report.words import Words, words_for

if TYPE_CHECKING:
    from triptych.report.alike import Alike

__all__ = ["gallery_html"]

_STATES = ("done", "cached", "partial", "failed", "skipped")
_SHOWN = frozenset(("done", "cached", "partial"))
_MOST_GROUPS, _MOST_PICTURES = 12, 4
_MOST_SETS, _MOST_TWINS = 20, 12  # near-duplicates: more are no help to anybody


def gallery_html(
    rows: Sequence[Mapping[str, Any]], *, totals: Mapping[str, Any], alike: Alike | None = None
) -> str:
    """The content of index.html.

    Args:
        rows: as for `write_run`.
        totals: `language` chooses the page's language, otherwise English.
        alike: which of the rows look alike.
    """
    groups = alike.groups[:_MOST_GROUPS] if alike else ()
    group_of = {i: number for number, group in enumerate(groups) for i in group}
    ui = words_for(str(totals.get("language") or ""))
    counts = {state: sum(row["state"] == state for row in rows) for state in _STATES}
    seconds = sum(float(row.get("duration_s") or 0.0) for row in rows)
    return render(
        "index.html.j2",
        styles=("style.css", "index.css"),
        script="index.js",
        ui={name: getattr(ui, name) for name in ui.__dataclass_fields__},
        title=f"Triptych · {len(rows)}",
        counts=[(state, getattr(ui, state), n) for state, n in counts.items() if n],
        total=clock(seconds),
        videos=len(rows),
        cards=[
            _card(i, row, ui) | {"group": group_of.get(i, "")}
            for i, row in enumerate(rows)
            if row["state"] in _SHOWN
        ],
        groups=[_group([rows[i] for i in group]) for group in groups],
        twins=[
            {
                "videos": [_mention(rows[i]) for i in twins[:_MOST_TWINS]],
                "more": max(0, len(twins) - _MOST_TWINS),
            }
            for twins in (alike.duplicates[:_MOST_SETS] if alike else ())
        ],
        failures=[_failure(row, ui) for row in rows if row["state"] not in _SHOWN],
    )


def _name(row: Mapping[str, Any]) -> str:
    return one_line(str(row.get("relative") or row["path"])) or "-"


def _link(row: Mapping[str, Any], *formats: str) -> str:
    """Link to the first of a video's files that was written, empty without any."""
    outputs = row.get("outputs") or {}
    file = next((outputs[name] for name in formats if name in outputs), "")
    folder = str(row.get("folder") or "")
    return href(f"{folder}/{file}" if folder else str(file)) if file else ""


def _card(order: int, row: Mapping[str, Any], ui: Words) -> dict[str, Any]:
    labels = [(one_line(str(name)), float(score)) for name, score in row.get("labels") or ()]
    name, text = _name(row), one_line(str(row.get("text") or ""))
    folder, _, file = name.replace("\\", "/").rpartition("/")
    seconds = row.get("duration_s")
    warnings = [one_line(str(warning)) for warning in row.get("warnings") or ()]
    return {
        "order": order,
        "file": file or name,
        "inside": folder,
        "link": _link(row, "html", "md", "json"),
        "poster": _link(row, "poster", "storyboard"),
        "moving": _link(row, "preview"),
        "seconds": float(seconds or 0.0),
        "clock": "" if seconds is None else clock(float(seconds)),
        "labels": [
            (label, score_text(score, str(row.get("kind", "")))) for label, score in labels[:3]
        ],
        "state": str(row["state"]),
        "state_name": getattr(ui, str(row["state"]), str(row["state"])),
        "text": text,
        "warnings": warnings,
        "search": " ".join((name, text, *(label for label, _ in labels))).lower(),
        "path": name,
    }


def _group(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A group: what most of its videos are about, and pictures of the first ones."""
    best = Counter(one_line(str(row["labels"][0][0])) for row in rows if row.get("labels"))
    posters = [poster for row in rows if (poster := _link(row, "poster", "storyboard"))]
    return {
        "videos": len(rows),
        "label": best.most_common(1)[0][0] if best else "",
        "posters": posters[:_MOST_PICTURES],
    }


def _mention(row: Mapping[str, Any]) -> dict[str, str]:
    """A video in a list of others."""
    return {
        "name": _name(row),
        "link": _link(row, "html", "md", "json"),
        "poster": _link(row, "poster", "storyboard"),
    }


def _failure(row: Mapping[str, Any], ui: Words) -> dict[str, Any]:
    state = str(row["state"])
    return {
        "name": _name(row),
        "state": state,
        "state_name": getattr(ui, state, state),
        "stage": one_line(str(row.get("stage") or "")),
        "error": one_line(str(row.get("error") or "")),
        "remedy": one_line(str(row.get("remedy") or "")),
    }
