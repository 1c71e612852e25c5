"""One file to everything that is known before its modalities meet: tracks, cues, pictures."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.amounts import counted
from triptych.config import Config
from triptych.decode.cues import read_sidecar
from triptych.decode.sidecar import find_sidecars, language_of
from triptych.errors import TriptychError
from triptych.events import Stopwatch, stage
from triptych.features.gather import Job, embed_cues, gather
from triptych.features.keys import media_digest
from triptych.features.store import FeatureStore
from triptych.features.words import word_sources
from triptych.records import Cue, FeatureTrack, MediaInfo, Thumbnails

__all__ = ["Collected", "collect"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Collected:
    """What is known of one file; `start_s` to `end_s` could be read of what was asked for."""

    job: Job
    info: MediaInfo
    start_s: float
    end_s: float
    cues: tuple[Cue, ...]
    tracks: Mapping[str, FeatureTrack]  #: by name, the sentences' track among them
    thumbnails: Thumbnails
    partial: bool
    noted: tuple[str, ...]  #: what decoding had to say; later warnings stand in the job

    @property
    def digest(self) -> str:
        """sha256 of the file's content."""
        return self.job.digest

    @property
    def watch(self) -> Stopwatch:
        """Seconds spent in each stage so far."""
        return self.job.watch

    @property
    def warnings(self) -> tuple[str, ...]:
        """What should be known about this file, so far."""
        return (*self.noted, *self.job.warnings)


def collect(
    path: str | os.PathLike[str],
    *,
    config: Config,
    store: FeatureStore | None = None,
    digest: str | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    frames_fps: float | None = None,
) -> Collected:
    """Embeddings, words and pictures of one file, from the store as far as that holds them.

    Args:
        path: the file, or a folder of numbered pictures; subtitle files beside it are read too.
        config: its sections `decode` and `extract`, and the wanted language.
        store: where embeddings are kept; defaults to the user's cache folder.
        digest: sha256 of the file's content, when known already.
        start_s: from here, in seconds from the start of the film.
        end_s: up to here.
        frames_fps: pictures a second of a folder.

    Raises:
        InputError: the file is missing or unreadable.
        DecodeError: it is no media file, or nothing of it can be decoded.
        WeightsError: installed weights are not the pinned ones.
    """
    source = Path(path)
    watch = Stopwatch()
    if digest is None:
        with stage("digest", source, watch):
            digest = media_digest(source, frames_fps=frames_fps)
    job = Job(
        path=source,
        config=config,
        store=store or FeatureStore(),
        digest=digest,
        window=(start_s, end_s),
        watch=watch,
        frames_fps=frames_fps,
    )
    sidecar = _sidecar_cues(job)
    gather(job, subtitled=bool(sidecar))
    note = job.found["media"]
    info = _media_info(note, source)
    start, end = _span(job, info, note)
    cues = _cues(job, _shifted(sidecar, info, start, end), end)
    tracks = {k: v for k, v in job.found.items() if isinstance(v, FeatureTrack)}
    tracks |= embed_cues(job, cues)
    return Collected(
        job=job,
        info=info,
        start_s=start,
        end_s=end,
        cues=cues,
        tracks=tracks,
        thumbnails=job.found["thumbnails"],
        partial=note["partial"],
        noted=tuple(note["warnings"]),
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


def _cues(job: Job, sidecar: tuple[Cue, ...], end: float) -> tuple[Cue, ...]:
    """The words to use: those of the first source that has any."""
    sources = word_sources(job.config.extract, subtitled=bool(sidecar))
    found = {**job.found, "cues": sidecar or job.found["cues"]}
    cues: tuple[Cue, ...] = next((found[name] for name in sources if found.get(name)), ())
    return tuple(_until(c, end) for c in cues if c.start_s < end)


def _until(cue: Cue, end: float) -> Cue:
    words = tuple(
        dataclasses.replace(w, end_s=min(w.end_s, end)) for w in cue.words if w.start_s < end
    )
    return dataclasses.replace(cue, end_s=min(cue.end_s, end), words=words)


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
            dropped = counted(read.dropped, "malformed cue was", "malformed cues were")
            job.warnings.append(f"{file.name}: {dropped} left out")
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
