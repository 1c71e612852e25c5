"""One video from file to answers: store, decode, extract, fuse, predict.

Whatever the store holds is not made again; if it holds everything, the file is not decoded.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence

import numpy as np

from triptych.amounts import counted
from triptych.config import Config
from triptych.events import stage
from triptych.extract.registry import chosen
from triptych.extract.shots import shots_of
from triptych.extract.specs import Entry
from triptych.features.collect import Collected, collect
from triptych.features.store import FeatureStore
from triptych.fuse.provenance import adopted, gives_labels
from triptych.fuse.timeline import align
from triptych.fuse.trained import explained, reads, trained_model
from triptych.predict.classify import CLAP_LANGUAGES, zero_shot
from triptych.predict.retell import grounds_of, retell
from triptych.predict.summary import summarize, summary_language
from triptych.predict.trained import trained, weighed
from triptych.predict.vocabulary import Vocabulary, load_vocabulary, vocabulary_of
from triptych.records import Analysis, FeatureTrack, Prediction, Retold, Shot, Timeline

__all__ = ["analyze"]

_GUESS_S = 1.0  # pictures that end so long before the timeline last as long as it does


def analyze(
    path: str | os.PathLike[str],
    *,
    config: Config | None = None,
    store: FeatureStore | None = None,
    digest: str | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    frames_fps: float | None = None,
) -> Analysis:
    """Analyse one video or sound file, or a folder of numbered pictures.

    Args:
        path: the file, or the folder; subtitle files beside it are read too.
        config: see `triptych.config`; defaults to the embedded preset at 1 frame a second. What
            a trained model (`predict.model`) needs comes from the model.
        store: where embeddings are kept; defaults to the user's cache folder.
        digest: sha256 of the file's content, when known already.
        start_s: analyse from here, in seconds from the start of the film.
        end_s: analyse up to here.
        frames_fps: pictures a second; needed for a folder, of no use for a file.

    Raises:
        InputError: the file is missing or unreadable.
        DecodeError: it is no media file, or nothing of it can be decoded.
        WeightsError: installed weights are not the pinned ones.
        UsageError: the labels or the model cannot be read, or do not fit the rest.
    """
    config = adopted(config or Config())
    found = collect(
        path,
        config=config,
        store=store,
        digest=digest,
        start_s=start_s,
        end_s=end_s,
        frames_fps=frames_fps,
    )
    start, end, cues, tracks = found.start_s, found.end_s, found.cues, found.tracks
    with stage("fuse", path, found.watch):
        timeline = align(tracks, start_s=start, end_s=end, step_s=_step_s(config))
    text_language = config.predict.language or summary_language(cues)
    with stage("predict", path, found.watch):
        prediction = _predict(found, timeline)
        shots = _within(_shots(tracks), start, end)
        summary = summarize(
            timeline,
            shots=shots,
            cues=cues,
            prediction=prediction,
            budget=config.predict.summary,
            language=text_language,
            origin_s=found.info.start_s,
            names=_names_in(text_language, config),
            text=tracks.get("text"),
            shortest_s=config.predict.shortest_clip_s,
            longest_s=config.predict.longest_clip_s,
        )
    retold = None
    if config.predict.llm:
        with stage("retell", path, found.watch):
            retold = retell(
                config.predict.llm,
                grounds_of(cues, sentences=summary.sentences, segments=summary.segments),
                origin_s=found.info.start_s,
                chinese=text_language.startswith("zh"),
            )
    return Analysis(
        info=found.info,
        digest=found.digest,
        cues=cues,
        shots=shots,
        tracks=tracks,
        thumbnails=found.thumbnails,
        timeline=timeline,
        prediction=prediction,
        summary=dataclasses.replace(summary, retold=retold),
        warnings=(*found.warnings, *_unlabelled(prediction, tracks), *_unfounded(retold)),
        partial=found.partial,
        frames_decoded=found.job.frames_decoded,
        seconds=dict(found.watch),
        cached=tuple(found.job.cached),
        entries=dict(found.job.entries),
    )


def _unfounded(retold: Retold | None) -> tuple[str, ...]:
    if retold is None or retold.claims:
        return ()
    dropped = counted(retold.dropped, "sentence")
    return (f"nothing that {retold.model} wrote names its sources: {dropped} left out",)


def _step_s(config: Config) -> float:
    """Length of the timeline's steps: a second or a frame, unless finer rows are asked for.

    A trained model has steps as long as those that it was trained on.
    """
    if config.predict.model or config.extract.step_s < 1.0:
        return config.extract.step_s
    return max(1.0, 1.0 / config.decode.fps)


def _unlabelled(prediction: Prediction, tracks: Mapping[str, FeatureTrack]) -> tuple[str, ...]:
    # Without the encoder there is another warning, and of a trained model, too.
    if prediction.method != "none" or "text" not in tracks:
        return ()
    return ("no labels: nothing seen, said or heard in it can be compared with them",)


def _shots(tracks: Mapping[str, FeatureTrack]) -> tuple[Shot, ...]:
    """Of the detector that was asked for, where one was."""
    found = next((tracks[name] for name in ("transnet", "shots") if name in tracks), None)
    return () if found is None else shots_of(found)


def _within(shots: Sequence[Shot], start: float, end: float) -> tuple[Shot, ...]:
    """Shots cut to what the timeline covers: the last glance's length is a guess."""
    cut = [Shot(start_s=max(s.start_s, start), end_s=min(s.end_s, end)) for s in shots]
    if cut and end - cut[-1].end_s < _GUESS_S:
        cut[-1] = Shot(start_s=cut[-1].start_s, end_s=max(end, cut[-1].start_s))
    return tuple(s for s in cut if s.end_s > s.start_s)


def _names_in(language: str, config: Config) -> dict[str, str]:
    """Labels -> their names in the language of the summary's text, where there are such."""
    if gives_labels(config.predict.model):
        return {}
    labels = config.predict.labels
    asked, spoken = (_vocabulary(labels, each) for each in (config.predict.language, language))
    return dict(zip(asked.names, spoken.names, strict=True))


def _vocabulary(labels: str, language: str) -> Vocabulary:
    return load_vocabulary(labels, language="zh" if language.startswith("zh") else "en")


def _predict(found: Collected, timeline: Timeline) -> Prediction:
    job = found.job
    if gives_labels(job.config.predict.model):
        return _by_model(found, timeline)
    if job.config.predict.model:
        return _weighed(found, timeline, _by_words(found, timeline))
    return _by_words(found, timeline)


def _by_words(found: Collected, timeline: Timeline) -> Prediction:
    job = found.job
    # One language for a whole run, so that predictions.csv can be sorted and joined.
    vocabulary = vocabulary_of(job.config.predict)
    clip, clap = (job.extractors.get(name) for name in ("clip", "clap"))
    if clip is not None and clip.source is not None:
        job.warnings.extend(_unread(vocabulary, clip, clip.specs[0].options["languages"]))
    if clap is not None:
        job.warnings.extend(_unread(vocabulary, clap, CLAP_LANGUAGES))
    if not (clip or clap or "text" in timeline.values):  # no sentence encoder, no shared space
        missing = 'the sentence encoder is missing (pip install "triptych[embedded]")'
        wanted = any(e.name == "text" for e in chosen(job.config.extract))
        job.warnings.append(
            f"no labels: {missing if wanted else 'neither text nor clip is chosen'}"
        )
        return Prediction(
            method="none",
            ranked=(),
            labels=vocabulary.names,
            steps=np.zeros((len(timeline), len(vocabulary.names)), np.float32),
            step_present=np.zeros(len(timeline), bool),
        )
    return zero_shot(timeline, vocabulary, clip=clip, clap=clap)


def _unread(vocabulary: Vocabulary, model: Entry, languages: Sequence[str]) -> tuple[str, ...]:
    """What should be known of labels in a language that the model was not taught."""
    from triptych.predict.contrast import unread_labels

    unread = unread_labels(vocabulary, languages=languages)
    if not unread:
        return ()
    some = ", ".join(unread[:3]) + (", ..." if len(unread) > 3 else "")
    taught = " and ".join(languages)
    return (f"{model.name} was taught {taught} alone: what it says of {some} is a guess",)


def _by_model(found: Collected, timeline: Timeline) -> Prediction:
    model = trained_model(found.job.config.predict.model)
    explanation = explained(model, timeline, cues=found.cues, thumbnails=found.thumbnails)
    if not explanation.present.any():
        found.job.warnings.append(
            f"no labels: nothing that the model reads ({reads(model)}) is in this file"
        )
    return trained(timeline, explanation, model=model)


def _weighed(found: Collected, timeline: Timeline, labels: Prediction) -> Prediction:
    """Labels, and what a model of importance says of the steps."""
    model = trained_model(found.job.config.predict.model)
    explanation = explained(model, timeline, cues=found.cues, thumbnails=found.thumbnails)
    if not explanation.present.any():
        found.job.warnings.append(
            f"chosen without the model: nothing that it reads ({reads(model)}) is in this file"
        )
    return weighed(labels, explanation, model=model)
