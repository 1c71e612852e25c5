"""Where the store keeps the tracks of a finished video: found from what the run wrote of it.

The file itself is not needed. Keys are made by the code that `run` makes them with, of the recipe
that stands in `analysis.json`, so a newer extractor does not hide what an older one made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from triptych.config import Config, DecodeConfig, ExtractConfig, from_mapping
from triptych.extract.engine import engine_name
from triptych.extract.registry import entry, extractor_names
from triptych.extract.specs import ASR_VERSION, SPEECH
from triptych.features.gather import Job
from triptych.features.keys import digest_of
from triptych.features.store import FeatureStore
from triptych.records import FeatureTrack, Modality

__all__ = ["find_track", "job_of", "known_tracks"]

Data = Mapping[str, Any]

_DIGITS = 6  # of the figures in analysis.json
_MILLISECONDS = 3  # digits of the times in subtitle files
_ENGINES = ("openvino", "torch")


def known_tracks() -> dict[str, Modality]:
    """Names of all tracks that an extractor can make, and what each is about."""
    return {s.name: s.modality for name in extractor_names() for s in entry(name).specs}


def job_of(row: Data, analysis: Data, totals: Data, *, store: FeatureStore) -> Job:
    """The job that the run had with this video.

    Args:
        row: of `run.jsonl`.
        analysis: of the video's `analysis.json`.
        totals: of `summary.json`; empty for none.
        store: where the tracks are kept.

    Raises:
        UsageError: another version of Triptych wrote it, with other settings.
    """
    settings = _settings(analysis, totals)
    config = Config(
        decode=from_mapping(DecodeConfig, settings["decode"]),
        extract=from_mapping(ExtractConfig, settings["extract"]),
    )
    start_s, end_s = row.get("window") or (None, None)
    return Job(
        path=Path(row["path"]),
        config=config,
        store=store,
        digest=row["sha256"],
        window=(start_s, end_s),
    )


def _settings(analysis: Data, totals: Data) -> dict[str, Data]:
    """The sections that features depend on; `summary.json` has their figures unrounded.

    A run that was killed leaves the summary of the run before it, with other settings perhaps.
    """
    written = {name: analysis["config"][name] for name in ("decode", "extract")}
    exact = {name: totals.get("config", {}).get(name, {}) for name in written}
    return exact if {n: _rounded(s) for n, s in exact.items()} == written else written


def _rounded(section: Data) -> dict[str, Any]:
    return {k: round(v, _DIGITS) if isinstance(v, float) else v for k, v in section.items()}


def find_track(job: Job, written: Data, cues: Sequence[Data]) -> FeatureTrack | None:
    """One track of a finished video, or None when the store has it no longer.

    Args:
        job: see `job_of`.
        written: what `analysis.json` says of the track.
        cues: those of `analysis.json`, which sentences were embedded.
    """
    for recipe in _recipes(job, written, cues):
        found = job.store.get(job.key(written["name"], recipe))
        if (
            isinstance(found, FeatureTrack)
            and found.values.shape == (written["rows"], written["dim"])
            and found.spec.recipe() == written["spec"]
        ):
            return found
    return None


def _recipes(job: Job, written: Data, cues: Sequence[Data]) -> Iterator[dict[str, Any]]:
    """What may have gone into the key of a track; see `triptych.features.gather`."""
    recipe: dict[str, Any] = {"spec": written["spec"]}
    if written["name"] == "text":
        yield {**recipe, "cues": digest_of({"cues": _said(job, cues)})}
        return
    step_s = job.config.extract.step_s
    if written["name"] in _stepped() and step_s != 1.0:
        recipe["step_s"] = step_s
    # A network's key names the engine that ran it. Which one did is not written down; the two
    # differ in the last bits only.
    for engine in dict.fromkeys((engine_name(), *_ENGINES)):
        yield {**recipe, "engine": engine}
    yield recipe


def _stepped() -> set[str]:
    entries = [entry(name) for name in extractor_names()]
    return {spec.name for e in entries if e.stepped for spec in e.specs}


def _said(job: Job, cues: Sequence[Data]) -> list[list[Any]]:
    """Start, end and text of each cue, to the last bit: they name the entry of their track."""
    note = job.store.get(job.key("media", {}))
    if not cues or not isinstance(note, dict):
        return [[c["start_s"], c["end_s"], c["text"]] for c in cues]
    origin_s = float(note["info"]["start_s"])
    end_s = max(origin_s + (job.window[0] or 0.0), float(note["end_s"]))
    if cues[0]["source"] in ("embedded", "asr"):
        kept = job.store.get(_key_of_words(job, cues[0]["source"]))
        words = kept if isinstance(kept, tuple) else ()
        return [[c.start_s, min(c.end_s, end_s), c.text] for c in words if c.start_s < end_s]
    times = [[_exact(c[k], origin_s, end_s) for k in ("start_s", "end_s")] for c in cues]
    return [[*span, c["text"]] for span, c in zip(times, cues, strict=True)]


def _key_of_words(job: Job, source: str) -> str:
    if source == "embedded":
        return job.key("cues", {})
    language = job.config.extract.language
    recipe = {"version": ASR_VERSION, "weights": SPEECH.weights, "language": language}
    return job.key("asr", recipe)


def _exact(written_s: float, origin_s: float, end_s: float) -> float:
    """A time of a subtitle file before it was rounded: whole milliseconds, or cut at `end_s`."""
    whole = min(round(written_s - origin_s, _MILLISECONDS) + origin_s, end_s)
    return next((t for t in (whole, end_s) if round(t, _DIGITS) == written_s), written_s)
