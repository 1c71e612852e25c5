"""How fast this machine works, remembered from run to run, so that a plan can say how long."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from triptych.cache import cache_dir, published
from triptych.config import Config
from triptych.errors import ResourceError
from triptych.features.keys import digest_of
from triptych.features.recipe import features_recipe

__all__ = ["Basis", "Rates", "measured", "recalled", "remember"]

log = logging.getLogger(__name__)

Row = dict[str, Any]
Basis: TypeAlias = Literal["these results", "this machine", "another machine"]
_REPORTING = ("store", "fuse", "predict", "report")  # stages of a video that is not decoded
_FILE = "rates.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What a second of film costs."""

    decode: float  #: seconds of a worker, all stages
    report: float  #: the same where all features are kept
    size: float  #: bytes of results
    bitrate: float  #: bytes of its file


#: Five films of 30 to 123 s with all defaults: AMD EPYC, a core a worker, 2026-11-22.
_ELSEWHERE = Rates(decode=0.3, report=0.07, size=22_000.0, bitrate=64_000.0)


def measured(rows: Iterable[Row]) -> Rates | None:
    """What these videos took; None where none of them tells."""
    known = [r for r in rows if r.get("duration_s") and r.get("seconds") and r.get("size")]
    decoded = [r for r in known if r.get("decoded")]
    if not decoded:
        return None
    media_s = sum(r["duration_s"] for r in known)
    stages = sum(r["seconds"].get(name, 0.0) for r in known for name in _REPORTING)
    return Rates(
        decode=sum(r["elapsed_s"] for r in decoded) / sum(r["duration_s"] for r in decoded),
        report=stages / media_s,
        size=sum(sum(r.get("sizes", {}).values()) for r in known) / media_s,
        bitrate=sum(r["size"] for r in known) / media_s,
    )


def remember(rows: Iterable[Row], config: Config) -> None:
    """Keep what the videos of a run took; a disk that is full costs an estimate, no more."""
    if (rates := measured(r for r in rows if r.get("fresh"))) is None:
        return
    try:
        with published(cache_dir() / _FILE) as scratch:
            text = json.dumps(_kept() | {_work(config): asdict(rates)})
            scratch.write_text(text, encoding="utf-8")
    except ResourceError as err:
        log.info("how long it took is not remembered: %s", err)


def recalled(rows: Iterable[Row], config: Config) -> tuple[Rates, Basis]:
    """The best that is known of work with this configuration, and what it is known from.

    Args:
        rows: of earlier runs with the same results.
        config: of the work.
    """
    if here := measured(rows):
        return here, "these results"
    try:
        return Rates(**_kept()[_work(config)]), "this machine"
    except (KeyError, TypeError):
        return _ELSEWHERE, "another machine"


def _kept() -> dict[str, Any]:
    try:
        kept = json.loads((cache_dir() / _FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _work(config: Config) -> str:
    """What decides how long a video takes, as a name."""
    recipe = features_recipe(config)
    work = {"features": recipe, "formats": config.report.formats, "device": config.runner.device}
    return digest_of(work)[:16]
