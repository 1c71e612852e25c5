"""What is known of one file: from the store, and from one decode for what the store lacks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from triptych.config import Config
from triptych.decode.cues import merge_cues
from triptych.decode.media import Media, open_media
from triptych.errors import DecodeError
from triptych.events import Stopwatch, stage
from triptych.extract.drive import pump
from triptych.extract.engine import engine_name
from triptych.extract.registry import Extraction, Extractor, chosen, load
from triptych.extract.sources import Source
from triptych.extract.specs import Entry
from triptych.extract.thumbnails import ThumbnailExtractor
from triptych.features.keys import DECODE_VERSION, digest_of, entry_key
from triptych.features.store import FeatureStore, Storable
from triptych.features.words import next_source, word_extractor, word_recipe, word_sources
from triptych.records import Cue, FeatureTrack, Frames, Sound

__all__ = ["Job", "embed_cues", "gather"]

_LOADED: dict[tuple[str, Source | None], Extractor] = {}  # models are loaded once a process


@dataclass(slots=True)
class Job:
    """One file on its way through the stages."""

    path: Path
    config: Config
    store: FeatureStore
    digest: str
    window: tuple[float | None, float | None]
    watch: Stopwatch = field(default_factory=Stopwatch)
    found: dict[str, Any] = field(default_factory=dict)
    cached: list[str] = field(default_factory=list)
    entries: dict[str, str] = field(default_factory=dict)  #: what was found or made -> its key
    warnings: list[str] = field(default_factory=list)
    frames_decoded: int = 0  #: in this pass; 0 if all came from the store
    frames_fps: float | None = None  #: of a folder of numbered pictures
    extractors: dict[str, Entry] = field(init=False)  #: by name; what is missing the run has told

    def __post_init__(self) -> None:
        found = chosen(self.config.extract)
        self.extractors = {entry.name: entry for entry in found if not entry.missing()}

    def key(self, name: str, recipe: Mapping[str, Any]) -> str:
        """Store key of what `name` makes of this file."""
        decode = self.config.decode
        limits = {"max_pixels": decode.max_pixels, "max_duration_s": decode.max_duration_s}
        whole = {"decode": limits, "window": self.window, "version": DECODE_VERSION}
        return entry_key(name, self.digest, {**whole, **recipe})

    def keep(self, key: str, record: Storable) -> None:
        """Store a record; a store that cannot be written to costs only the next run's time."""
        try:
            with stage("store", self.path, self.watch):
                self.store.put(key, record)
        except OSError as err:
            message = f"features are not kept: {err}"
            if message not in self.warnings:
                self.warnings.append(message)


class _CueCollector:
    """Keeps the cues of embedded text tracks."""

    takes: ClassVar[tuple[type, ...]] = (Cue,)

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        cues: list[Cue] = []
        while (cue := (yield)) is not None:
            cues.append(cue)
        return {"cues": merge_cues(cues)}


class _Witness:
    """Takes everything and keeps nothing, so that the whole file is read once and described."""

    takes: ClassVar[tuple[type, ...]] = (Frames, Sound, Cue)

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        while (yield) is not None:
            pass
        return {}


#: What is made of every file besides the tracks.
_ALWAYS: Mapping[str, Callable[[], Extractor]] = {
    "media": _Witness,
    "cues": _CueCollector,
    "thumbnails": ThumbnailExtractor,
}


def _loaded(wanted: Entry) -> Extractor:
    key = (wanted.name, wanted.source)
    if key not in _LOADED:
        _LOADED[key] = load(wanted)
    return _LOADED[key]


def _recipes(job: Job) -> dict[str, dict[str, dict[str, Any]]]:
    """Extractor -> names of what it makes -> what goes into their keys."""
    step_s = job.config.extract.step_s
    decode = job.config.decode
    frames = {"frames": {"fps": decode.fps, "short_side": decode.short_side}}
    wanted: dict[str, dict[str, dict[str, Any]]] = {
        "media": {"media": frames},
        "cues": {"cues": {}},
        "thumbnails": {"thumbnails": {"version": ThumbnailExtractor.version, **frames}},
    }
    for entry in job.extractors.values():
        if entry.from_cues:
            continue  # see `embed_cues`
        more: dict[str, Any] = {}
        if entry.networks:
            more["engine"] = engine_name(mixed=entry.mixed)
        if entry.sampled:
            more |= frames
        if entry.stepped and step_s != 1.0:  # keys of rows of a second stay what they were
            more["step_s"] = step_s
        wanted[entry.name] = {s.name: {"spec": s.recipe(), **more} for s in entry.specs}
    return wanted


def gather(job: Job, *, subtitled: bool) -> None:
    """Fill `job.found` from the store, and from one decode for what the store lacks.

    Args:
        job: the file.
        subtitled: there are subtitles beside the file.

    Raises:
        DecodeError: the file is no media, or nothing of it can be decoded.
        WeightsError: installed weights are not the pinned ones.
    """
    missing: list[str] = []
    keys: dict[str, str] = {}
    for extractor, made in _recipes(job).items():
        for name, recipe in made.items():
            keys[name] = job.key(name, recipe)
            _look_up(job, name, keys[name])
        if not made.keys() <= job.found.keys():
            missing.append(extractor)
    sources = word_sources(job.config.extract, subtitled=subtitled)
    for name in sources:
        if name != "cues":
            keys[name] = job.key(name, word_recipe(name, job.config.extract))
            if next_source(sources, job.found) == name:
                _look_up(job, name, keys[name])
    if missing or next_source(sources, job.found):
        _decode(job, missing, keys, sources=sources)


def _look_up(job: Job, name: str, key: str) -> None:
    with stage("store", job.path, job.watch):
        record = job.store.get(key)
    if record is not None:
        job.found[name], job.entries[name] = record, key
        job.cached.append(name)


def _decode(
    job: Job, missing: Sequence[str], keys: Mapping[str, str], *, sources: Sequence[str]
) -> None:
    with stage("open", job.path, job.watch):
        media = _open(job)
    with media:
        extractors = {
            name: _ALWAYS[name]() if name in _ALWAYS else _load(job, job.extractors[name])
            for name in missing
        }
        streams = {"ocr": media.streams.video, "asr": media.streams.audio}
        wordless = {name: () for name, stream in streams.items() if stream is None}
        # Whether a text track holds any words is known only after reading it.
        guess = wordless if media.streams.text else {"cues": (), **wordless}
        first = next_source(sources, guess | job.found)
        if first in streams:
            extractors[first] = _word_extractor(job, first)
        made = pump(media, extractors, watch=job.watch, **_pump_options(job, media))
        if "media" in missing:
            made["media"] = _note(media)
        made |= {name: () for name in wordless if name in keys}
        job.frames_decoded = media.report.frames_decoded
    while (name := next_source(sources, job.found | made)) is not None:
        try:
            with _open(job) as again:
                reading = {name: _word_extractor(job, name)}
                made |= pump(again, reading, watch=job.watch, **_pump_options(job, again))
        except DecodeError as err:  # the rest of the file could be read
            job.warnings.append(f"its words are not known: {err.message}")
            break
    for name, record in made.items():
        job.found[name], job.entries[name] = record, keys[name]
        job.keep(keys[name], record)


def _note(media: Media) -> dict[str, Any]:
    """What is kept of a file so that it need not be opened again."""
    report = media.report
    return {
        "info": dataclasses.asdict(media.info),
        "end_s": report.end_s,
        "frames_sampled": report.frames_sampled,
        "partial": report.partial,
        "warnings": report.warnings,
    }


def _load(job: Job, wanted: Entry) -> Extractor:
    with stage("load", job.path, job.watch):
        return _loaded(wanted)


def _word_extractor(job: Job, name: str) -> Extractor:
    with stage("load", job.path, job.watch):
        return word_extractor(name, job.config.extract)


def _open(job: Job) -> Media:
    decode = job.config.decode
    return open_media(
        job.path,
        max_pixels=decode.max_pixels,
        frames_fps=job.frames_fps,
    )


def _pump_options(job: Job, media: Media) -> dict[str, Any]:
    decode = job.config.decode
    origin = media.info.start_s
    start_s, end_s = (None if t is None else origin + t for t in job.window)
    return {
        "step_s": job.config.extract.step_s,
        "fps": decode.fps,
        "short_side": decode.short_side,
        "max_duration_s": decode.max_duration_s,
        "start_s": start_s,
        "end_s": end_s,
    }


def embed_cues(job: Job, cues: Sequence[Cue]) -> dict[str, FeatureTrack]:
    """Tracks of what the words say, by name; of the encoders that are installed."""
    said = digest_of({"cues": [[c.start_s, c.end_s, c.text] for c in cues]})
    tracks: dict[str, FeatureTrack] = {}
    for entry in job.extractors.values():
        if not entry.from_cues:
            continue
        specs = {spec.name: spec.recipe() for spec in entry.specs}
        keys = {name: job.key(name, {"spec": r, "cues": said}) for name, r in specs.items()}
        for name, key in keys.items():
            _look_up(job, name, key)
        if not keys.keys() <= job.found.keys():
            for name, track in _embedded(job, entry, cues).items():
                job.found[name], job.entries[name] = track, keys[name]
                job.keep(keys[name], track)
        tracks |= {name: job.found[name] for name in keys}
    return tracks


def _embedded(job: Job, entry: Entry, cues: Sequence[Cue]) -> dict[str, FeatureTrack]:
    coroutine = _load(job, entry)()
    next(coroutine)
    with stage(entry.name, job.path, job.watch):
        for cue in cues:
            coroutine.send(cue)
        try:
            coroutine.send(None)
        except StopIteration as end:
            tracks: dict[str, FeatureTrack] = end.value
            return tracks
    raise RuntimeError(f"the extractor {entry.name!r} did not return when told to")
