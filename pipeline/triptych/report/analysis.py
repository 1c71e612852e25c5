"""analysis.json: everything that is known of one video, as plain data.

The same input, configuration and versions give the same bytes, except under the key `run`.
The keys are listed in docs/schema.md; a change that breaks a reader raises SCHEMA_VERSION.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from triptych import __version__
from triptych.config import Config
from triptych.extract.registry import chosen
from triptych.extract.weights import WEIGHTS
from triptych.records import (
    Analysis,
    Cue,
    FeatureTrack,
    Floats,
    Ground,
    LabelScore,
    Retold,
    Segment,
    Times,
)

__all__ = ["SCHEMA_VERSION", "analysis_data", "analysis_text", "versions"]

SCHEMA_VERSION = 1
_TIMELINE_LABELS = 5  # over time; all labels of the whole video stand under `labels`


def analysis_data(
    analysis: Analysis,
    *,
    config: Config,
    source: Mapping[str, Any],
    run: Mapping[str, Any],
    outputs: Mapping[str, str],
    outputs_keys: Mapping[str, str],
    warnings: Sequence[str],
) -> dict[str, Any]:
    """The content of analysis.json.

    Args:
        analysis: what was found.
        config: the resolved configuration.
        source: where the file is and what identifies it.
        run: whatever may differ between two identical runs.
        outputs: format -> name of the file written for it.
        outputs_keys: format -> digest of what the file was made from.
        warnings: all that should be known about this result.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "source": _source(analysis, source),
        "config": config.recipe(),
        "versions": versions(),
        "weights": _weights(analysis, config),
        "tracks": [_track(analysis, name, t) for name, t in sorted(analysis.tracks.items())],
        "shots": [{"start_s": s.start_s, "end_s": s.end_s} for s in analysis.shots],
        "cues": [_cue(cue) | _words(cue) for cue in analysis.cues],
        "labels": [_label(label) for label in analysis.prediction.ranked],
        "timeline": _timeline(analysis),
        "summary": _summary(analysis),
        "outputs": dict(outputs),
        "outputs_keys": dict(outputs_keys),
        "warnings": list(warnings),
        "run": {**run, "seconds": dict(analysis.seconds), "cached": sorted(analysis.cached)},
    }


def analysis_text(data: Mapping[str, Any]) -> str:
    """JSON with one key a line at the top, lists of figures kept compact.

    A day of video has 86 400 steps: indented, each figure would take a line of its own.
    """
    rows = [f" {_compact(key)}: {_compact(plain(value))}" for key, value in data.items()]
    return "{\n" + ",\n".join(rows) + "\n}\n"


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "), allow_nan=False)


def plain(value: Any) -> Any:
    """Any value as JSON data: figures to six digits, what is no figure as null.

    >>> plain({"a": (0.12345678, float("nan"), -0.0)})
    {'a': [0.123457, None, 0.0]}
    """
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float | np.floating):
        return round(float(value), 6) + 0.0 if math.isfinite(value) else None
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return str(value)


@functools.cache
def _fixed_versions() -> tuple[tuple[str, str], ...]:
    import av

    libraries = {
        name: ".".join(map(str, version)) for name, version in sorted(av.library_versions.items())
    }
    return (
        ("triptych", __version__),
        ("av", av.__version__),
        *libraries.items(),
        ("numpy", np.__version__),
    )


def versions() -> dict[str, str]:
    """Versions of what could change a result's bytes."""
    return dict(_fixed_versions())


def _source(analysis: Analysis, source: Mapping[str, Any]) -> dict[str, Any]:
    media = dataclasses.asdict(analysis.info)
    media.pop("path")  # the given mapping says where the file is
    return {
        **source,
        "sha256": analysis.digest,
        "media": media,
        "duration_s": analysis.duration_s,
        "partial": analysis.partial,
    }


def _weights(analysis: Analysis, config: Config) -> dict[str, Any]:
    """What made each track, and where its weights came from."""
    shipped = {w.sha256: {"kind": "package", "id": w.id} for w in WEIGHTS.values()}
    named = {
        spec.name: entry.source.told()
        for entry in chosen(config.extract)
        if entry.source is not None
        for spec in entry.specs
    }
    return {
        name: {
            "name": track.spec.name,
            "version": track.spec.version,
            "sha256": track.spec.weights,
            "source": named.get(name, shipped.get(track.spec.weights)),
        }
        for name, track in sorted(analysis.tracks.items())
    }


def _track(analysis: Analysis, name: str, track: FeatureTrack) -> dict[str, Any]:
    rows = len(track)
    mask = analysis.timeline.present.get(name)
    return {
        "name": name,
        "modality": track.spec.modality,
        "rows": rows,
        "dim": track.spec.dim,
        "start_s": float(track.start_s[0]) if rows else None,
        "end_s": float(track.end_s.max()) if rows else None,
        "spec": track.spec.recipe(),
        "present_share": float(mask.mean()) if mask is not None and len(mask) else 0.0,
    }


def _cue(cue: Cue) -> dict[str, Any]:
    return {
        "start_s": cue.start_s,
        "end_s": cue.end_s,
        "text": cue.text,
        "source": cue.source,
        "language": cue.language,
    }


def _words(cue: Cue) -> dict[str, Any]:
    said = [{"start_s": w.start_s, "end_s": w.end_s, "text": w.text.strip()} for w in cue.words]
    return {"words": said} if said else {}


def _label(label: LabelScore) -> dict[str, Any]:
    parts = dict(sorted(label.contributions.items()))
    found = {"label": label.label, "score": label.score, "contributions": parts}
    return found if label.holds is None else found | {"holds": label.holds}


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "start_s": segment.start_s,
        "end_s": segment.end_s,
        "score": segment.score,
        "words": segment.words,
        "label": segment.label,
        "parts": dict(segment.parts),
    }


def _summary(analysis: Analysis) -> dict[str, Any]:
    summary, prediction = analysis.summary, analysis.prediction
    return {
        "method": summary.method,
        "budget_s": summary.budget_s,
        "text": summary.text,
        "language": summary.language,
        "segments": [_segment(s) for s in summary.segments],
        "sentences": [_sentence(analysis, cue) for cue in summary.sentences],
        "chapters": [
            {"start_s": c.start_s, "end_s": c.end_s, "title": c.title} for c in summary.chapters
        ],
        "keyphrases": list(summary.keyphrases),
        "generated": None if summary.retold is None else _retold(analysis, summary.retold),
        "importance": None
        if prediction.importance is None
        else {
            "model": prediction.judged_by or prediction.method,
            "learned_from": "people" if prediction.judged_by else "labels",
        },
    }


def _retold(analysis: Analysis, retold: Retold) -> dict[str, Any]:
    """What a language model wrote; each sentence with the cues and pictures it rests on."""
    return {
        "model": retold.model,
        "text": retold.text,
        "dropped": retold.dropped,
        "sentences": [
            {"text": claim.text, "sources": [_ground(analysis, g) for g in claim.grounds]}
            for claim in retold.claims
        ],
    }


def _ground(analysis: Analysis, ground: Ground) -> dict[str, Any]:
    return {
        "kind": ground.kind,
        "start_s": ground.start_s,
        "end_s": ground.end_s,
        "text": ground.text,
        "cue": ground.cue,
        "frame_s": _frame_s(analysis, ground.start_s, ground.end_s),
    }


def _frame_s(analysis: Analysis, start_s: float, end_s: float) -> float | None:
    """The time of the picture kept of a moment."""
    shown = analysis.thumbnails
    return float(shown.pts_s[shown.index((start_s + end_s) / 2)]) if shown.jpeg else None


def _sentence(analysis: Analysis, cue: Cue) -> dict[str, Any]:
    """A cue that the text quotes: which one it is, and the picture that was on screen."""
    return {
        **_cue(cue),
        "cue": analysis.cues.index(cue) if cue in analysis.cues else None,
        "frame_s": _frame_s(analysis, cue.start_s, cue.end_s),
    }


def top_steps(analysis: Analysis, top: int = _TIMELINE_LABELS) -> tuple[list[str], Floats]:
    """The video's best labels, and how each does at every step.

    Returns:
        Names, best first, and scores (T, len(names)).
    """
    prediction = analysis.prediction
    column = {name: i for i, name in enumerate(prediction.labels)}
    names = [score.label for score in prediction.ranked if score.label in column][:top]
    steps = prediction.steps[:, [column[name] for name in names]]
    return names, np.asarray(steps, np.float32).reshape(len(prediction.steps), len(names))


def _timeline(analysis: Analysis) -> dict[str, Any]:
    timeline = analysis.timeline
    names, scores = top_steps(analysis)
    return {
        "start_s": _times(timeline.start_s),
        "end_s": _times(timeline.end_s),
        "labels": names,
        "method": analysis.prediction.method,
        "kind": analysis.prediction.kind,
        "scores": [[round(float(x), 6) for x in row] for row in scores],
        "scored": np.asarray(analysis.prediction.step_present, np.uint8).tolist(),
        "present": {
            name: np.asarray(mask, np.uint8).tolist()
            for name, mask in sorted(timeline.present.items())
        },
    }


def _times(times: Times) -> list[float]:
    return [round(float(t), 6) for t in times]
