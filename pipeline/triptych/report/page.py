"""report.html: one file with player, timeline, transcript and key moments."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from triptych.amounts import sized
from triptych.config import Config
from triptych.records import FRAMES, Analysis, LabelScore, ScoreKind
from triptych.report.analysis import plain, versions
from triptych.report.chapters import titled
from triptych.report.lanes import lane_data
from triptych.report.pictures import best_frame, key_frames, small_jpegs
from triptych.report.reel import stretches
from triptych.report.templating import json_script, render
from triptych.report.text import clean, clock, duration_text, href, one_line, score_text
from triptych.report.words import Words, chosen_text, generated_text, parts_text, words_for

__all__ = ["link_to_original", "page_html"]

_FRAMES, _FRAME_PX = 60, 160
_KINDS = ("image", "motion", "audio", "text")


def page_html(
    analysis: Analysis,
    *,
    folder: Path,
    config: Config,
    source: Mapping[str, Any],
    outputs: Mapping[str, str],
    warnings: Sequence[str],
) -> str:
    """The content of report.html.

    Args:
        analysis: what was found.
        folder: where the page will stand; links are relative to it.
        config: the resolved configuration, shown in the details.
        source: as for `write_report`.
        outputs: the files that stand beside the page.
        warnings: what should be known about this result.
    """
    ui = words_for(analysis.summary.language)
    frames = [
        (round(time_s - analysis.info.start_s, 3), _data_uri(jpeg))
        for time_s, jpeg in small_jpegs(analysis.thumbnails, count=_FRAMES, short_side=_FRAME_PX)
    ]
    original, reel = link_to_original(analysis, folder, source), outputs.get("reel", "")
    moments, lanes = _moments(analysis, ui), lane_data(analysis)
    return render(
        "report.html.j2",
        styles=("style.css", "report.css"),
        script="report.js",
        ui={name: getattr(ui, name) for name in ui.__dataclass_fields__},
        title=one_line(Path(str(source.get("relative") or analysis.info.path)).name) or "-",
        facts=_facts(analysis, source, ui),
        labels=[
            _label(label, analysis.prediction.kind, ui) for label in analysis.prediction.ranked[:5]
        ],
        kinds=[k for k in _KINDS if k != "motion" or _moves(analysis)],
        method=_method(analysis, ui),
        summary=one_line(analysis.summary.text),
        pictured=bool(frames),
        player="video" if analysis.info.width else "audio",
        original=original,
        reel=reel,
        cues=_cues(analysis),
        moments=moments,
        chosen=one_line(chosen_text(analysis.prediction, ui)),
        sentences=_sentences(analysis),
        generated=_generated(analysis, ui),
        chapters=_chapters(analysis),
        poster=_poster(analysis),
        warnings=[one_line(warning) for warning in warnings],
        tables=_tables(analysis, config, ui),
        files=[name for name in outputs.values() if name != "report.html"],
        begin=lanes["begin"],
        end=lanes["duration"],
        data=json_script(
            {
                **lanes,
                "frames": frames,
                "pictured": bool(analysis.info.width),
                "original": original,
                "reelFile": reel,
                "reel": _relative(analysis, stretches(analysis.summary.segments)) if reel else [],
                "lang": ui.tag,
                "ui": _script_words(ui),
            }
        ),
    )


def _data_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def _relative(analysis: Analysis, pairs: Sequence[tuple[float, float]]) -> list[list[float]]:
    start_s = analysis.info.start_s
    return [[round(a - start_s, 3), round(b - start_s, 3)] for a, b in pairs]


def link_to_original(analysis: Analysis, folder: Path, source: Mapping[str, Any]) -> str:
    """Link to the video, or nothing where no relative one leads there, or it is a folder."""
    if analysis.info.container == FRAMES:
        return ""
    if source.get("href"):
        return str(source["href"])
    try:
        path = os.path.relpath(str(source.get("path") or analysis.info.path), folder)
    except ValueError:  # another drive
        return ""
    return href(path)


def _facts(analysis: Analysis, source: Mapping[str, Any], ui: Words) -> list[str]:
    info = analysis.info
    facts = [duration_text(analysis.duration_s)]
    if info.width:
        facts.append(f"{info.width}\u00d7{info.height}")
    if info.fps:
        facts.append(f"{info.fps:.4g} fps")
    facts += [codec for codec in (info.video, info.audio) if codec]
    if isinstance(source.get("size"), int):
        facts.append(sized(source["size"]))
    return facts


def _moves(analysis: Analysis) -> bool:
    """Whether motion was looked at, which takes another preset than the default."""
    return any(track.spec.modality == "motion" for track in analysis.tracks.values())


def _method(analysis: Analysis, ui: Words) -> str:
    method = analysis.prediction.method
    return ui.zero_shot if method == "zero-shot" else ui.trained.format(one_line(method))


def _label(label: LabelScore, kind: ScoreKind, ui: Words) -> dict[str, Any]:
    """A chip: its bar is as long as the score, its colours share out what spoke for it."""
    known = {name: label.contributions.get(name, 0.0) for name in _KINDS}
    whole = sum(max(0.0, value) for value in known.values())
    full = 100 * max(0.0, min(1.0, label.score)) if kind != "value" else 0.0
    return {
        "name": one_line(label.label),
        "share": score_text(label.score, kind),
        "why": ", ".join(
            f"{getattr(ui, name)} {value:+.2f}" for name, value in known.items() if value
        ),
        "parts": [
            {"kind": name, "width": round(full * value / whole, 2)}
            for name, value in known.items()
            if value > 0
        ],
    }


def _cues(analysis: Analysis) -> list[dict[str, Any]]:
    start_s = analysis.info.start_s
    return [
        {
            "at": round(cue.start_s - start_s, 3),
            "clock": clock(cue.start_s - start_s),
            "text": clean(cue.text).strip(),
        }
        for cue in analysis.cues
    ]


def _poster(analysis: Analysis) -> str:
    """What the player shows before it plays: many films begin with black."""
    best = key_frames(analysis, 1)
    return _data_uri(analysis.thumbnails.jpeg[best[0].index]) if best else ""


def _chapters(analysis: Analysis) -> list[dict[str, Any]]:
    found = [
        {"at": round(begin, 3), "clock": clock(begin), "title": title}
        for begin, _, title in titled(analysis)
    ]
    return found if len(found) > 1 else []  # one chapter is the film


def _sentences(analysis: Analysis) -> list[dict[str, Any]]:
    """What the text quotes, with the picture that was on screen."""
    cards = []
    for cue in analysis.summary.sentences:
        picture = ""
        if analysis.thumbnails.jpeg:
            picture = _data_uri(analysis.thumbnails.nearest((cue.start_s + cue.end_s) / 2))
        at = cue.start_s - analysis.info.start_s
        cards.append(
            {
                "at": round(at, 3),
                "clock": clock(at),
                "words": one_line(cue.text),
                "picture": picture,
            }
        )
    return cards


def _generated(analysis: Analysis, ui: Words) -> dict[str, Any] | None:
    """What a language model wrote, and where each sentence can be checked."""
    retold, start_s = analysis.summary.retold, analysis.info.start_s
    if retold is None or not retold.claims:
        return None
    rows = []
    for claim in retold.claims:
        sources = [
            {
                "at": round(ground.start_s - start_s, 3),
                "clock": clock(ground.start_s - start_s),
                "text": one_line(ground.text),
            }
            for ground in claim.grounds
        ]
        rows.append({"text": one_line(claim.text), "sources": sources})
    return {"note": one_line(generated_text(retold, ui)), "rows": rows}


def _moments(analysis: Analysis, ui: Words) -> list[dict[str, Any]]:
    cards = []
    for segment in analysis.summary.segments:
        at = segment.start_s - analysis.info.start_s
        picture = ""
        if analysis.thumbnails.jpeg:
            pick = best_frame(analysis.thumbnails, segment.start_s, segment.end_s)
            picture = _data_uri(analysis.thumbnails.jpeg[pick])
        cards.append(
            {
                "at": round(at, 3),
                "clock": f"{clock(at)} – {clock(segment.end_s - analysis.info.start_s)}",
                "label": one_line(segment.label),
                "words": one_line(segment.words),
                "parts": parts_text(segment.parts, ui),
                "picture": picture,
            }
        )
    return cards


def _tables(analysis: Analysis, config: Config, ui: Words) -> list[dict[str, Any]]:
    tracks = [
        (name, f"{len(track)} x {track.spec.dim}", track.spec.modality)
        for name, track in sorted(analysis.tracks.items())
    ]
    weights = [
        (f"{t.spec.name} {t.spec.version}", t.spec.weights or "-")
        for _, t in sorted(analysis.tracks.items())
    ]
    settings = [
        (f"{section}.{key}", ", ".join(value) if isinstance(value, list) else str(value))
        for section, values in plain(config.recipe()).items()
        for key, value in values.items()
    ]
    tables = [
        (ui.tracks, tracks),
        (ui.configuration, settings),
        (ui.weights, weights),
        (ui.versions, [*versions().items(), ("sha256", analysis.digest)]),
    ]
    return [{"title": title, "rows": rows} for title, rows in tables if rows]


def _script_words(ui: Words) -> dict[str, str]:
    return {
        "transcript": ui.transcript,
        "frames": ui.frames,
        "keyMoments": ui.key_moments,
        "shots": ui.shots,
        "loudness": ui.loudness,
        "spoken": ui.spoken,
        "image": ui.image,
        "motion": ui.motion,
        "audio": ui.audio,
        "text": ui.text,
        "fallbackReel": ui.fallback_reel,
        "fallbackFrames": ui.fallback_frames,
    }
