"""highlights.edl and highlights.otio: the key moments as cuts of the film itself, for editors.

Frames are counted from the film's first one. The film's own timecode is taken where it has one;
without one timecodes begin at zero, at 29.97 and 59.94 frames a second as drop frame.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.decode.container import open_container
from triptych.errors import TriptychError
from triptych.records import Analysis, MediaInfo
from triptych.report.reel import stretches
from triptych.report.text import one_line
from triptych.report.timecode import Timecode, editing_rate

__all__ = ["edl_text", "otio_text"]

log = logging.getLogger(__name__)

_TITLE_LENGTH = 70  # of an EDL


@dataclass(frozen=True, slots=True)
class _Cut:
    """A stretch of a film, in frames since its first one; `end` is the first one not shown."""

    begin: int
    end: int
    words: str


def _cuts(analysis: Analysis, code: Timecode) -> list[_Cut]:
    origin_s = analysis.info.start_s
    found = []
    for start_s, end_s in stretches(analysis.summary.segments):
        begin = max(0, code.frame(start_s - origin_s))
        end = code.frame(end_s - origin_s)
        held = [s for s in analysis.summary.segments if start_s <= s.start_s < end_s]
        best = max(held, key=lambda s: s.score)
        if end > begin:
            found.append(_Cut(begin, end, one_line(best.words or best.label)))
    return found


def _timecode_of(info: MediaInfo) -> Timecode:
    return Timecode.of(editing_rate(info.fps), _own_timecode(Path(info.path)))


def _own_timecode(media: Path) -> str:
    """What cameras write of it, in the container or beside one of its streams; else nothing."""
    try:
        with open_container(media) as container:
            tagged = (container.metadata, *(stream.metadata for stream in container.streams))
            return next((tags["timecode"] for tags in tagged if "timecode" in tags), "")
    except TriptychError as err:
        log.debug("%s: no timecode: %s", media, err)
        return ""


def edl_text(analysis: Analysis, *, name: str) -> str:
    """The key moments as an edit decision list in the form of CMX 3600; empty without any.

    Args:
        analysis: what was found.
        name: the film's file name, by which editing systems find it.
    """
    info, code = analysis.info, _timecode_of(analysis.info)
    cuts = _cuts(analysis, code)
    if not cuts:
        return ""
    what = "B" if info.video and info.audio else "V" if info.video else "A"
    lines = [
        f"TITLE: {one_line(name)[:_TITLE_LENGTH]}",
        f"FCM: {'DROP FRAME' if code.drop else 'NON-DROP FRAME'}",
    ]
    at = 0
    for number, cut in enumerate(cuts, 1):
        length = cut.end - cut.begin
        times = (code.first + cut.begin, code.first + cut.end, at, at + length)
        lines += [
            "",
            f"{number:03}  AX       {what:5} C        {' '.join(map(code.text, times))}",
            f"* FROM CLIP NAME: {one_line(name)}",
        ]
        lines += [f"* COMMENT: {cut.words}"] if cut.words else []
        at += length
    return "\n".join(lines) + "\n"


def otio_text(analysis: Analysis, *, name: str, url: str) -> str:
    """The key moments as a timeline of OpenTimelineIO; empty without any.

    Args:
        analysis: what was found.
        name: the film's file name.
        url: where it lies, from the timeline's folder.

    Raises:
        ImportError: opentimelineio is not installed.
    """
    import opentimelineio as otio

    info, code = analysis.info, _timecode_of(analysis.info)
    rate = float(code.rate)

    def span(begin: int, length: int) -> Any:
        return otio.opentime.TimeRange(
            otio.opentime.RationalTime(code.first + begin, rate),
            otio.opentime.RationalTime(length, rate),
        )

    cuts = _cuts(analysis, code)
    if not cuts:
        return ""
    timeline = otio.schema.Timeline(name=one_line(name))
    timeline.metadata["triptych"] = {"sha256": analysis.digest}
    last = max(cut.end for cut in cuts)
    whole = span(0, max(last, code.frame(info.duration_s or 0.0)))
    for present, kind, title in (
        (info.video, otio.schema.TrackKind.Video, "V1"),
        (info.audio, otio.schema.TrackKind.Audio, "A1"),
    ):
        if not present:
            continue
        track = otio.schema.Track(name=title, kind=kind)
        for cut in cuts:
            clip = otio.schema.Clip(
                name=one_line(name),
                media_reference=otio.schema.ExternalReference(
                    target_url=url, available_range=whole
                ),
                source_range=span(cut.begin, cut.end - cut.begin),
            )
            clip.metadata["triptych"] = {"words": cut.words}
            track.append(clip)
        timeline.tracks.append(track)
    return otio.adapters.write_to_string(timeline, "otio_json") + "\n"
