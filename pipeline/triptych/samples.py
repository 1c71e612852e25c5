"""What models read of labelled videos: kept samples, and worker processes for those not yet kept.

A file that fails costs no other file anything; it is reported and left out.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from triptych.config import Config, DecodeConfig, ExtractConfig
from triptych.extract.presets import preset_items
from triptych.extract.specs import BUILTIN
from triptych.features.index import DigestIndex
from triptych.features.recipe import features_recipe
from triptych.features.store import FeatureStore
from triptych.journal import Row
from triptych.learn.dataset import Item
from triptych.learn.examples import (
    Names,
    collect_one,
    identify,
    load_sample,
    probe_key,
    probe_one,
    sample_key,
    sample_recipe,
    step_for,
)
from triptych.prepare import Listener, make_ready
from triptych.records import Sample

__all__ = ["Gathered", "fitting_config", "gather_samples", "identify_all"]

_PROBED = 400  # clips whose lengths tell those of all
_MANY = 8  # threads that read files; more than disks answer at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Samples of the videos that could be read, and how all of them ended."""

    items: tuple[Item, ...]
    samples: tuple[Sample, ...]  #: of the items, in their order
    digests: tuple[str, ...]  #: sha256 of the items' content
    rows: tuple[Row, ...]  #: of all videos that were asked for

    @property
    def states(self) -> dict[str, int]:
        """How many videos ended how."""
        states = ("done", "cached", "partial", "failed", "skipped")
        return {state: sum(r["state"] == state for r in self.rows) for state in states}

    @property
    def failures(self) -> list[dict[str, Any]]:
        """The files that are left out, each with stage, error and remedy."""
        shown = ("path", "stage", "error", "remedy")
        return [{k: r[k] for k in shown} for r in self.rows if r["state"] == "failed"]


def identify_all(items: Sequence[Item]) -> list[Row]:
    """What each file holds, by digest; files are read side by side."""
    names = Names()
    with DigestIndex() as digests, ThreadPoolExecutor(min(_MANY, os.cpu_count() or 1)) as threads:
        return list(
            threads.map(lambda item: identify(item.source, names=names, digests=digests), items)
        )


def fitting_config(items: Sequence[Item], rows: Sequence[Row], *, config: Config) -> Config:
    """The configuration with steps and frames as dense as clips of this length need.

    Args:
        items: the videos.
        rows: of `identify_all`.
        config: what it sets to something else than the default is kept.
    """
    train, decode, extract = config.train, config.decode, config.extract
    preset, step_s, fps = train.preset, train.step_s, train.fps
    if not preset:
        preset = extract.preset
        if preset == ExtractConfig.preset:
            new = set(preset_items("full")) - set(preset_items(preset))
            preset = preset if any(BUILTIN[n].missing() for n in new) else "full"
    if not step_s:
        step_s = extract.step_s
        if step_s == ExtractConfig.step_s:
            step_s = step_for(_durations(items, rows, config))
    if not fps:
        fps = decode.fps if decode.fps != DecodeConfig.fps else round(1 / step_s, 6)
    # Where speech or captions cannot be read, the model must not be given any later either.
    made = features_recipe(config)
    asr = extract.asr if made["speech"] else "never"
    ocr = extract.ocr if "captions" in made else "never"
    return replace(
        config,
        decode=replace(decode, fps=fps),
        extract=replace(extract, preset=preset, step_s=step_s, asr=asr, ocr=ocr),
    )


def _durations(items: Sequence[Item], rows: Sequence[Row], config: Config) -> list[float]:
    """Lengths of some of the videos; those that cannot be opened have none."""
    from triptych.pool import work_through

    store = FeatureStore()
    known = [(item.source, row) for item, row in zip(items, rows, strict=True) if not row["state"]]
    known = known[:: max(1, len(known) // _PROBED)]
    found: dict[str, Any] = {}
    for source, row in known:
        note = store.get(probe_key(row))
        if isinstance(note, dict):
            found[str(source.relative)] = note["duration_s"]
    if pending := [(s, dict(r)) for s, r in known if str(s.relative) not in found]:
        for row in work_through(probe_one, pending, config=config):
            found[row["relative"]] = row.get("duration_s")
    lengths = []
    for source, _ in known:
        whole = found.get(str(source.relative))
        end_s = min((t for t in (whole, source.end_s) if t is not None), default=None)
        if end_s is not None and end_s > (source.start_s or 0.0):
            lengths.append(end_s - (source.start_s or 0.0))
    return lengths


def gather_samples(
    items: Sequence[Item], rows: Sequence[Row], *, config: Config, listener: Listener
) -> Gathered:
    """Samples of all videos, from the store as far as it holds them.

    Args:
        items: the videos.
        rows: of `identify_all`.
        config: resolved, see `fitting_config`.
        listener: is told of each video as it ends.
    """
    store, recipe = FeatureStore(), sample_recipe(config)
    samples: dict[str, Sample] = {}
    ended: dict[str, Row] = {}
    pending = []
    listener.start(len(items))
    for item, found in zip(items, rows, strict=True):
        row = dict(found)
        if not row["state"]:
            row["key"] = sample_key(row, item.source, recipe=recipe)
            if (sample := load_sample(store, row["key"])) is None:
                pending.append((item.source, row))
                continue
            samples[row["relative"]] = sample
            row["state"] = "cached"
        ended[row["relative"]] = row
        listener.finished(row)
    if pending:
        from triptych.pool import work_through

        make_ready(config, listener, labels=False)
        for row in work_through(collect_one, pending, config=config):
            if (sample := row.pop("sample", None)) is not None:
                samples[row["relative"]] = sample
            ended[row["relative"]] = row
            listener.finished(row)
    names = [str(item.source.relative) for item in items]
    used = [(i, name) for i, name in enumerate(names) if name in samples]
    return Gathered(
        items=tuple(items[i] for i, _ in used),
        samples=tuple(samples[name] for _, name in used),
        digests=tuple(ended[name]["sha256"] for _, name in used),
        rows=tuple(ended[name] for name in names),
    )
