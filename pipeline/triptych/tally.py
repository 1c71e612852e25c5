"""What a run counts: how its videos ended, what that took, and how many failures are too many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from triptych.amounts import counted
from triptych.config import Config, parse_failures
from triptych.journal import Row

__all__ = ["STATES", "Budget", "exit_code", "totals_of"]

STATES = ("done", "cached", "partial", "failed", "skipped")
_SOME = 20  # a share of fewer videos says nothing yet


class Budget:
    """How many videos may fail before a run is plainly broken."""

    def __init__(self, allowed: str) -> None:
        self._allowed = allowed
        self._limit = parse_failures(allowed)
        self._ended = 0
        self._failures: Counter[str] = Counter()

    def count(self, row: Row) -> None:
        """Count a video that this run worked on."""
        self._ended += 1
        if row["state"] == "failed":
            self._failures[f"{row['stage']}: {row['error']}"] += 1

    @property
    def exceeded(self) -> str:
        """Why the run should stop; empty while it should not."""
        failed = self._failures.total()
        kind, limit = self._limit
        if kind == "share":
            limit = limit * self._ended if self._ended >= _SOME else float("inf")
        if failed <= limit:
            return ""
        words, times = self._failures.most_common(1)[0]
        return (
            f"{failed} of {counted(self._ended, 'video')} failed, more than --max-failures "
            f"{self._allowed} allows; {times} of them with: {words}"
        )


def totals_of(
    rows: Sequence[Row], *, videos: int, seconds: float, stopped: str, config: Config
) -> dict[str, Any]:
    """What `summary.json` holds, see docs/schema.md.

    Args:
        rows: of the videos that ended; what this run worked on is marked `fresh`.
        videos: how many were asked for.
        seconds: since the run began.
        stopped: why it ended before its time; empty if it did not.
        config: of the run.
    """
    fresh = [r for r in rows if r.get("fresh")]
    media_s = sum(r.get("duration_s", 0.0) for r in fresh)
    return {
        "videos": videos,
        "states": {state: sum(r["state"] == state for r in rows) for state in STATES},
        "waiting": videos - len(rows),
        "stopped": stopped,
        "seconds": round(seconds, 3),
        "media_seconds": round(media_s, 3),
        "speed": round(media_s / seconds, 2) if media_s and seconds > 0 else None,
        "videos_decoded": sum(bool(r.get("decoded")) for r in fresh),
        "frames_decoded": sum(r.get("frames_decoded", 0) for r in fresh),
        "cache_hits": sum(len(r.get("from_cache", ())) for r in fresh),
        "retried": sum(r.get("attempt", 1) > 1 for r in fresh),
        "waiting_seconds": round(sum(r.get("waited_s", 0.0) for r in fresh), 3),
        **_stages(fresh),
        "peak_memory_mb": max((r.get("peak_memory_mb", 0) for r in fresh), default=0),
        "failures": [
            {k: r[k] for k in ("path", "stage", "error", "remedy")}
            for r in rows
            if r["state"] == "failed"
        ],
        "config": config.recipe(),
    }


def _stages(fresh: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Seconds spent in each stage, and seconds of video that one second of it does."""
    spent: dict[str, float] = {}
    media: dict[str, float] = {}
    for row in fresh:
        for name, seconds in row.get("seconds", {}).items():
            spent[name] = spent.get(name, 0.0) + seconds
            media[name] = media.get(name, 0.0) + row.get("duration_s", 0.0)
    return {
        "stage_seconds": {name: round(seconds, 4) for name, seconds in spent.items()},
        "stage_speed": {name: round(media[name] / s, 1) for name, s in spent.items() if s},
    }


def exit_code(totals: dict[str, Any]) -> int:
    """0 all done, 1 some failed or partial, 3 nothing succeeded."""
    counts = Counter(totals["states"])
    if not counts["done"] + counts["cached"] + counts["partial"]:
        return 3
    return 1 if counts["failed"] + counts["partial"] else 0
