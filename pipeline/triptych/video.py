"""One video from file to answers: store, decode, extract, fuse, predict.

Whatever the store holds is not made again; if it holds everything, the file is not decoded.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triptych.config import Config
from triptych.decode.cues import read_sidecar
from triptych.decode.sidecar import find_sidecars, language_of
from triptych.errors import TriptychError
from triptych.events import Stopwatch, stage
from triptych.extract.shots import shots_of
from triptych.features.gather import Job, embed_cues, gather
from triptych.features.keys import file_digest
from triptych.features.store import FeatureStore
from triptych.fuse.timeline import align
from triptych.predict.classify import zero_shot
from triptych.predict.summary import summarize, summary_language
from triptych.predict.vocabulary import Vocabulary, load_vocabulary
from triptych.records import Analysis, Cue, FeatureTrack, MediaInfo, Prediction, Shot, Timeline

__all__ = ["analyze"]


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
    job = Job(
        path=source,
        config=config,
        store=store or FeatureStore(),
        digest=digest,
        window=(start_s, end_s),
        watch=watch,
        threads=threads,
    )
    sidecar = _sidecar_cues(job)
    gather(job, hear=not sidecar)
    note = job.found["media"]
    info = _media_info(note, source)
    start, end = _span(job, info, note)
    cues = _shifted(sidecar, info, start, end) or job.found["cues"]
    if not cues or config.extract.asr == "always":
        cues = job.found.get("asr") or cues
    cues = tuple(dataclasses.replace(c, end_s=min(c.end_s, end)) for c in cues if c.start_s < end)
    tracks = {k: v for k, v in job.found.items() if isinstance(v, FeatureTrack)}
    if (text := embed_cues(job, cues)) is not None:
        tracks["text"] = text
    with stage("fuse", source, watch):
        timeline = align(tracks, start_s=start, end_s=end, step_s=max(1.0, 1.0 / config.decode.fps))
    text_language = config.predict.language or summary_language(cues)
    with stage("predict", source, watch):
        prediction = _predict(job, timeline)
        shots = _within(shots_of(tracks["shots"]), start, end) if "shots" in tracks else ()
        summary = summarize(
            timeline,
            shots=shots,
            cues=cues,
            prediction=prediction,
            budget=config.predict.summary,
            language=text_language,
            origin_s=info.start_s,
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
        warnings=(*note["warnings"], *job.warnings, *_unlabelled(prediction, tracks)),
        partial=note["partial"],
        frames_decoded=note["frames_decoded"],
        seconds=dict(watch),
        cached=tuple(job.cached),
    )


def _media_info(note: Mapping[str, Any], path: Path) -> MediaInfo:
    info = dict(note["info"])
    for name in ("text", "ignored"):  # JSON has no tuples
        info[name] = tuple(info[name])
    # The store knows content: where it was first seen may hold another film by now.
    return MediaInfo(**info | {"path": str(path)})


def _span(job: Job, info: MediaInfo, note: Mapping[str, Any]) -> tuple[float, float]:
    """What the timeline covers: what was asked for, as far as it could be read."""
    start = info.start_s + (job.window[0] or 0.0)
    return start, max(start, float(note["end_s"]))


def _sidecar_cues(job: Job) -> tuple[Cue, ...]:
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


def _unlabelled(prediction: Prediction, tracks: Mapping[str, FeatureTrack]) -> tuple[str, ...]:
    if prediction.ranked or "text" not in tracks:  # without the encoder there is another warning
        return ()
    return ("no labels: nothing seen, said or heard in it can be compared with them",)


def _within(shots: Sequence[Shot], start: float, end: float) -> tuple[Shot, ...]:
    """Shots cut to what the timeline covers: the last frame's length is a guess."""
    cut = (Shot(start_s=max(s.start_s, start), end_s=min(s.end_s, end)) for s in shots)
    return tuple(s for s in cut if s.end_s > s.start_s)


def _names_in(language: str, config: Config) -> dict[str, str]:
    """Labels -> their names in the language of the summary's text, where there are such."""
    labels = config.predict.labels
    asked, spoken = (_vocabulary(labels, each) for each in (config.predict.language, language))
    return dict(zip(asked.names, spoken.names, strict=True))


def _vocabulary(labels: str, language: str) -> Vocabulary:
    return load_vocabulary(labels, language="zh" if language.startswith("zh") else "en")


def _predict(job: Job, timeline: Timeline) -> Prediction:
    # One language for a whole run, so that predictions.csv can be sorted and joined.
    vocabulary = _vocabulary(job.config.predict.labels, job.config.predict.language)
    if "text" not in timeline.values:  # no sentence encoder, no shared space
        job.warnings.append(
            'no labels: the sentence encoder is missing (pip install "triptych[embedded]")'
        )
        return Prediction(
            method="none",
            ranked=(),
            labels=vocabulary.names,
            steps=np.zeros((len(timeline), len(vocabulary.names)), np.float32),
            step_present=np.zeros(len(timeline), bool),
        )
    return zero_shot(timeline, vocabulary)
