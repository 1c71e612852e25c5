"""Words with a time: subtitle files and embedded subtitle tracks become cues."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import av

from triptych.decode.encodings import decode_text
from triptych.decode.sidecar import language_tag
from triptych.decode.subtitles import Event, parse_subtitles, plain_lines, plain_text
from triptych.decode.ttml import is_ttml, parse_ttml
from triptych.errors import DecodeError
from triptych.records import Cue

__all__ = [
    "READABLE_CODECS",
    "CueReader",
    "SidecarCues",
    "is_text_codec",
    "merge_cues",
    "plain_text",
    "read_sidecar",
]

log = logging.getLogger(__name__)

# Subtitle codecs that hold words and that containers carry. The others hold pictures of words
# (hdmv_pgs_subtitle, dvd_subtitle, dvb_subtitle, xsub) or have no decoder in PyAV (ttml).
READABLE_CODECS = frozenset({"ass", "mov_text", "srt", "ssa", "subrip", "text", "webvtt"})

_UNTIMED_S = 4.0  # how long words stay that nobody timed: two short lines at a reader's pace
_TOUCHING_S = 0.002  # cues nearer than this follow at once; the finest of the formats count in ms
_MAX_BYTES = 64 << 20  # a film's subtitles take 0.2 MB, elaborate karaoke some 20 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarCues:
    """What a subtitle file holds."""

    cues: tuple[Cue, ...]  #: by time
    encoding: str  #: Python's name of the encoding it was read in
    dropped: int  #: malformed cues that were left out


def is_text_codec(name: str) -> bool:
    """Whether a subtitle codec holds words that can be read (and not pictures of words)."""
    return name in READABLE_CODECS


def read_sidecar(path: Path, *, language: str = "und", offset_s: float = 0.0) -> SidecarCues:
    """Cues of a subtitle file: SubRip, WebVTT, SubStation Alpha, TTML or SBV, in any usual
    encoding.

    Styling is stripped and white space folded. Rolling captions, which repeat the line before,
    say it once. Entries without words or times are left out; of those that end before they
    start, the end is set to the next start, or to 4 s. A file without cues is no error.

    Args:
        path: the file; its ending names the format where the content leaves it open.
        language: tag for all cues.
        offset_s: added to all times: the container's start.

    Raises:
        DecodeError: the file cannot be read, or is far too large for subtitles.
    """
    text, encoding = decode_text(_bytes_of(path))
    parsed = parse_ttml(text) if is_ttml(text) else parse_subtitles(text, path.suffix.lower())
    events, dropped = parsed
    cues = (
        Cue(
            start_s=event.start_s + offset_s,
            end_s=event.end_s + offset_s,
            text=" ".join(event.lines),
            source="sidecar",
            language=language,
        )
        for event in _unrolled(_mended(events))
    )
    return SidecarCues(cues=merge_cues(cues), encoding=encoding, dropped=dropped)


def merge_cues(cues: Iterable[Cue]) -> tuple[Cue, ...]:
    """Cues by time, with equal words that overlap or follow at once made one.

    SubStation files layer the same words for outline and shadow, and split them for every step
    of an animation; a side-car may repeat an embedded track. The first cue lends its source and
    language.
    """
    merged: list[Cue] = []
    latest: dict[str, int] = {}  # words -> their last place in `merged`
    for cue in sorted(cues, key=attrgetter("start_s", "end_s", "text", "source", "language")):
        at = latest.get(cue.text)
        if at is not None and cue.start_s <= merged[at].end_s + _TOUCHING_S:
            merged[at] = replace(merged[at], end_s=max(merged[at].end_s, cue.end_s))
        else:
            latest[cue.text] = len(merged)
            merged.append(cue)
    return tuple(sorted(merged, key=attrgetter("start_s", "end_s", "text")))


class CueReader:
    """Turns the packets of one embedded text track into cues.

    Args:
        codec: name of the track's codec, for the log.
        language: tag or three-letter code, as the container gives it.
    """

    def __init__(self, codec: str, *, language: str = "und") -> None:
        self.codec = codec
        self.language = language_tag(language)
        self.dropped = 0  #: packets that could not be decoded or have no time
        self._open: list[Event] = []  # words that wait for their end
        self._rolling = _Rolling()

    def feed(self, packet: av.Packet[Any]) -> list[Cue]:
        """Cues that a packet completes, times in seconds on the container's clock.

        Words are held back until the next packet shows whether it repeats them, and where they
        have no duration, how long they stay.
        """
        if packet.size == 0 and packet.pts is None:
            return []  # the demuxer's sign of the end; `finish` does the rest
        try:
            shown = [lines for rect in packet.decode() if (lines := _lines(rect))]
        except (av.FFmpegError, ValueError) as err:
            log.debug("%s packet at %s: %s", self.codec, packet.pts, err)
            self.dropped += 1
            return []
        if packet.pts is None or packet.time_base is None:
            self.dropped += bool(shown)
            return []
        start_s = float(packet.pts * packet.time_base)
        end_s = float((packet.pts + max(0, packet.duration or 0)) * packet.time_base)
        done = self._close(start_s)
        events = [Event(start_s, end_s, lines) for lines in shown]
        if end_s > start_s:
            done += events
        else:
            self._open += events
        return self._cues(said for event in done for said in self._rolling.feed(event))

    def finish(self) -> list[Cue]:
        """Cues that were held back when the track ended."""
        return self._cues(
            [
                *(said for e in self._close(float("inf")) for said in self._rolling.feed(e)),
                *self._rolling.finish(),
            ]
        )

    def _cues(self, events: Iterable[Event]) -> list[Cue]:
        return [
            Cue(
                start_s=event.start_s,
                end_s=event.end_s,
                text=" ".join(event.lines),
                source="embedded",
                language=self.language,
            )
            for event in events
        ]

    def _close(self, next_s: float) -> list[Event]:
        """End what is open where the next words begin; words that start together stay together."""
        closed = [event for event in self._open if event.start_s != next_s]
        self._open = [event for event in self._open if event.start_s == next_s]
        return [replace(event, end_s=_end(event.start_s, next_s)) for event in closed]


def _lines(rect: object) -> tuple[str, ...]:
    """Lines of what ffmpeg decoded; its text decoders all give one line of SubStation Alpha."""
    line = getattr(rect, "ass", b"").decode("utf-8", "replace")
    if line:
        return plain_lines(line.split(",", 8)[-1], ass=True)
    return plain_lines(getattr(rect, "text", b"").decode("utf-8", "replace"))


def _end(start_s: float, next_s: float) -> float:
    longest = start_s + _UNTIMED_S
    return min(next_s, longest) if next_s > start_s else longest


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as err:
        raise DecodeError(
            f"subtitles cannot be read: {err.strerror or err}",
            path=path,
            remedy="check that the file exists and may be read, or move it away from the video",
        ) from err
    if len(data) > _MAX_BYTES:
        raise DecodeError(
            f"more than {_MAX_BYTES >> 20} MiB, which is too much for subtitles",
            path=path,
            remedy="move the file away from the video, or rename it",
        )
    return data


def _mended(events: Iterable[Event]) -> list[Event]:
    """Events by time, none without a length."""
    ordered = sorted(events, key=attrgetter("start_s", "end_s"))
    nexts = [*(event.start_s for event in ordered[1:]), float("inf")]
    return [
        event if event.end_s > event.start_s else replace(event, end_s=_end(event.start_s, next_s))
        for event, next_s in zip(ordered, nexts, strict=False)
    ]


def _unrolled(events: Iterable[Event]) -> Iterator[Event]:
    """Events whose lines say only what is new on the screen."""
    rolling = _Rolling()
    for event in events:
        yield from rolling.feed(event)
    yield from rolling.finish()


class _Rolling:
    """Takes events by time; gives them with only those lines that are new on the screen.

    Rolling captions show the line before above the new one. An event that says nothing new
    lengthens the one before, so each is held until the next.
    """

    def __init__(self) -> None:
        self._seen: Event | None = None  # as it is in the file
        self._said: Event | None = None  # what is new of it

    def feed(self, event: Event) -> list[Event]:
        repeated = 0
        if (seen := self._seen) is not None:
            follows = seen.start_s <= event.start_s <= seen.end_s + _TOUCHING_S
            repeated = _overlap(seen.lines, event.lines) if follows else 0
        self._seen = event
        if self._said is not None and repeated == len(event.lines):
            self._said = replace(self._said, end_s=max(self._said.end_s, event.end_s))
            return []
        done = self.finish()
        self._said = replace(event, lines=event.lines[repeated:])
        return done

    def finish(self) -> list[Event]:
        done, self._said = self._said, None
        return [] if done is None else [done]


def _overlap(before: tuple[str, ...], after: tuple[str, ...]) -> int:
    """How many lines at the end of `before` stand at the start of `after`."""
    longest = min(len(before), len(after))
    return next(n for n in range(longest, -1, -1) if n == 0 or before[-n:] == after[:n])
