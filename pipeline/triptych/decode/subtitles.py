"""The text of SubRip, WebVTT, SubStation Alpha and SBV files, read as players read it.

pysubs2 1.8 was tried for this. It takes WebVTT for SubRip, so that notes, style sheets and cue
identifiers become spoken words, and drops times such as `0:0:3.540`; one malformed line of an
ASS file costs the whole file; and it does not tell what it left out. The formats' grammar for
times and text is small, so it is here; pysubs2 checks it in the tests.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Event", "clean_lines", "parse_subtitles", "plain_lines", "plain_text"]


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a subtitle file; times in seconds, as written."""

    start_s: float
    end_s: float
    lines: tuple[str, ...]  #: plain text as it is stacked on the screen; never empty


# Hours may be absent, the fraction too. Machine translators leave spaces and full-width signs.
_TIME = r"(?:(\d{1,4})\s?[:：]\s?)?(\d{1,3})\s?[:：]\s?(\d{1,2})(?:\s?[.,:，]\s?(\d{1,9}))?"
_CLOCK = re.compile(_TIME)
_TIMING = re.compile(rf"\s{{0,9}}{_TIME}\s{{0,9}}-{{2,3}}\s?>\s{{0,9}}{_TIME}(?:\s.*)?")
_SBV_TIMING = re.compile(rf"\s{{0,9}}{_TIME}\s{{0,9}},\s{{0,9}}{_TIME}\s*")
_ASS_SECTION = re.compile(r"^\[(?:Script Info|Events)\]", re.IGNORECASE | re.MULTILINE)
_ASIDE = ("NOTE", "STYLE", "REGION", "X-TIMESTAMP-MAP")

# Only names that subtitles use: `x<y and z>w` and `<3` are words. `[^<>]` keeps it linear.
_TAG = re.compile(
    r"</?(?:i|b|u|s|c|v|em|strong|font|span|div|p|lang|ruby|rt|rp|sub|sup|big|small|center)"
    r"(?:[\s.][^<>]*|/)?>|<\d[\d:.]*>",
    re.IGNORECASE,
)
_BREAK = re.compile(r"<br\s?/?>|\\[Nn]|[\r\n\v\f\x85\u2028\u2029]", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]\w{1,30});")
_OVERRIDE = re.compile(r"(?<!\\)\{\\[^{}]*\}")  # SubRip's braces are words unless they hold a tag
_BRACES = re.compile(r"(?<!\\)\{[^{}]*\}")  # SubStation's are tags or comments
_DRAWING = re.compile(r"\\p\s?(\d)")
# Unseen: control characters, directions, zero-width spaces and marks. Joiners stay: emoji and
# Indic words need them.
_UNSEEN = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e"
                     r"\u2060\u2066-\u2069\ufeff\ufffc]")  # fmt: skip


def plain_lines(raw: str, *, ass: bool = False) -> tuple[str, ...]:
    """Lines that a viewer reads of one subtitle, without styling and blank lines.

    Args:
        raw: text as the file or the decoder gives it.
        ass: whether all braces are markup, as in SubStation Alpha (and in ffmpeg's output for
            every text codec). Otherwise only `{\\an8}` and the like are.
    """
    text = _undrawn(raw) if ass else _OVERRIDE.sub("", raw)
    text = _TAG.sub("", _BREAK.sub("\n", text)).replace("\\h", " ")
    text = text.replace("\\{", "{").replace("\\}", "}")
    # Entities last: `&lt;i&gt;` stands for those four signs, not for italics.
    return clean_lines(_ENTITY.sub(lambda match: html.unescape(match[0]), text))


def clean_lines(text: str) -> tuple[str, ...]:
    """Lines of a text without markup: white space folded, unseen signs and blank lines gone."""
    lines = (" ".join(_UNSEEN.sub("", line).split()) for line in text.split("\n"))
    return tuple(line for line in lines if line)


def plain_text(raw: str, *, ass: bool = False) -> str:
    """What a viewer reads of one subtitle, on one line. See `plain_lines`.

    >>> plain_text("<i>Tom</i> &amp;\\n {\\\\an8}Jerry")
    'Tom & Jerry'
    """
    return " ".join(plain_lines(raw, ass=ass))


def parse_subtitles(text: str, ending: str) -> tuple[list[Event], int]:
    """Events of a subtitle file, in file order.

    The content decides over the ending where it is plain: a `.srt` that opens with `WEBVTT` or
    holds SubStation events is read as what it is.

    Args:
        text: the file's text.
        ending: `.srt`, `.vtt`, `.ass`, `.ssa` or `.sbv`.

    Returns:
        Events that show words, and the number of malformed entries that were left out. An
        event may end before it starts: that is for the caller to mend.
    """
    text = text.lstrip("\ufeff \t\r\n")
    lines = re.split(r"\r\n|\r|\n", text)
    if _ASS_SECTION.search(text) or (ending in {".ass", ".ssa"} and "-->" not in text):
        return _parse_ass(lines)
    if _SBV_TIMING.fullmatch(lines[0]) or (ending == ".sbv" and "-->" not in text):
        return _parse_sbv(lines)
    if ending == ".vtt" or text.startswith("WEBVTT"):
        return _parse_blocks(lines, vtt=True)
    return _parse_blocks([line.rstrip() for line in lines], vtt=False)


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float:
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    # As a decimal, so that ".5" is half a second and equal digits give equal floats.
    return float(f"{whole}.{int(fraction):0{len(fraction)}d}") if fraction else float(whole)


def _parse_blocks(lines: list[str], *, vtt: bool) -> tuple[list[Event], int]:
    """SubRip and WebVTT: a line of times, then words up to the next entry."""
    starts = [i for i, line in enumerate(lines) if _looks_timed(line)]
    bounds = [*starts, len(lines)]
    events: list[Event] = []
    _, dropped = _words(lines[: _without_id(lines, 0, bounds[0], vtt=vtt)], vtt=vtt, timed=False)
    for at, following in pairwise(bounds):
        stop = _without_id(lines, at + 1, following, vtt=vtt)
        words, malformed = _words(lines[at + 1 : stop], vtt=vtt)
        dropped += malformed
        match = _TIMING.fullmatch(lines[at])
        if match is None:
            dropped += 1
        elif shown := plain_lines("\n".join(words)):
            start, end = match.groups()[:4], match.groups()[4:]
            events.append(Event(_seconds(*start), _seconds(*end), shown))
    return events, dropped


def _looks_timed(line: str) -> bool:
    """Whether a line is meant for times; an arrow in a sentence is none."""
    return _TIMING.fullmatch(line) is not None or (
        "-->" in line and line.lstrip()[:1] in set("0123456789-:")
    )


def _without_id(lines: list[str], first: int, stop: int, *, vtt: bool) -> int:
    """Where an entry's words end, as the line before the next times may be that entry's name."""
    if first < stop < len(lines) and (name := lines[stop - 1].strip()):
        after_gap = stop - 1 > first and not lines[stop - 2].strip()
        if name.isdecimal() or (vtt and after_gap):
            return stop - 1
    return stop


def _paragraphs(lines: list[str]) -> list[list[str]]:
    """Runs of lines between empty ones.

    A line of spaces is not empty: YouTube's WebVTT has such lines within a cue.
    """
    found: list[list[str]] = [[]]
    for line in lines:
        if line:
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [p for p in found if any(line.strip() for line in p)]


def _words(lines: list[str], *, vtt: bool, timed: bool = True) -> tuple[list[str], int]:
    """An entry's words among the lines after its times, and malformed entries among the rest.

    Without times before them (`timed`), the lines are what opens the file.
    """
    first, *rest = _paragraphs(lines) or [[]]
    if vtt:
        if timed and first and first[0].startswith(_ASIDE):
            return [], _untimed(rest)
        return first, _untimed(rest)
    if timed and lines and lines[0]:
        kept = list(first)
    else:
        kept, rest = [], [first, *rest]
    # In SubRip an empty line may stand within the words. A number on a line of its own begins
    # an entry, though, and one that begins here has no times.
    for at, paragraph in enumerate(rest):
        if _is_entry(paragraph):
            return kept, sum(map(_is_entry, rest[at:]))
        kept += paragraph
    return kept, 0


def _is_entry(paragraph: list[str]) -> bool:
    return len(paragraph) > 1 and paragraph[0].strip().isdecimal()


def _untimed(paragraphs: list[list[str]]) -> int:
    """Paragraphs of WebVTT that are neither cue, note, style sheet nor region."""
    return sum(not p[0].lstrip().startswith(_ASIDE) for p in paragraphs)


def _parse_sbv(lines: list[str]) -> tuple[list[Event], int]:
    """SBV, as YouTube gives it: a line of two times, then words up to an empty line."""
    times = {at: match for at, line in enumerate(lines) if (match := _SBV_TIMING.fullmatch(line))}
    bounds = [*times, len(lines)]
    events: list[Event] = []
    dropped = len(_paragraphs(lines[: bounds[0]]))
    for at, following in pairwise(bounds):
        entry = [line.strip() for line in lines[at + 1 : following]]
        paragraphs = _paragraphs(entry)
        words = paragraphs.pop(0) if paragraphs and entry[0] else []
        dropped += len(paragraphs)  # without times
        if shown := plain_lines("\n".join(words)):
            start, end = times[at].groups()[:4], times[at].groups()[4:]
            events.append(Event(_seconds(*start), _seconds(*end), shown))
    return events, dropped


_ASS_FORMAT = "layer,start,end,style,name,marginl,marginr,marginv,effect,text"


def _parse_ass(lines: list[str]) -> tuple[list[Event], int]:
    """SubStation Alpha: `Dialogue:` lines, whose columns a `Format:` line may rearrange."""
    columns, events, dropped = _ASS_FORMAT.split(","), [], 0
    for line in lines:
        kind, _, rest = line.partition(":")
        kind = kind.strip().casefold()
        if kind == "format":
            names = [name.strip().casefold() for name in rest.split(",")]
            if {"start", "end"} < set(names) and names[-1] == "text":
                columns = names
        elif kind == "dialogue":
            fields = rest.split(",", len(columns) - 1)
            row = dict(zip(columns, fields, strict=False))
            start, end = (_CLOCK.fullmatch(row.get(c, "").strip()) for c in ("start", "end"))
            if len(fields) < len(columns) or start is None or end is None:
                dropped += 1
            elif shown := plain_lines(row["text"], ass=True):
                events.append(Event(_seconds(*start.groups()), _seconds(*end.groups()), shown))
    return events, dropped


def _undrawn(raw: str) -> str:
    """SubStation text without braces, and without what stands where `\\p1` draws shapes."""
    kept, drawing, at = [], False, 0
    for match in _BRACES.finditer(raw):
        if not drawing:
            kept.append(raw[at : match.start()])
        if modes := _DRAWING.findall(match[0]):
            drawing = modes[-1] != "0"
        at = match.end()
    return "".join(kept) + ("" if drawing else raw[at:])
