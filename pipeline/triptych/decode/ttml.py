"""Timed text in XML: TTML and its older name, DFXP.

expat reads it as a stream, so that no tree of a hostile file is ever built, and nothing outside
the file is ever opened. A document that declares entities is read up to there: subtitles need
none, and a few hundred bytes of them can stand for gigabytes.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from xml.parsers import expat

from triptych.decode.subtitles import Event, clean_lines

__all__ = ["is_ttml", "parse_ttml"]

_ROOT = re.compile(r"<(?:[\w.-]{1,40}:)?tt[\s>]")
_ROOT_WITHIN = 4096  # characters; only a declaration and comments may stand before it
_PARAGRAPH = re.compile(r"<(?:[\w.-]{1,40}:)?p[\s/>]")
_BLANK = "\ufeff \t\r\n"  # may stand before a document, although XML does not allow it
_DEEPEST = 100  # elements within each other; real files have about six

# What XML forbids but files hold: control characters, a bare `&`, names that only HTML knows.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9a-fA-F]{1,6});)(?:\w{2,31};)?")
_SPACE = re.compile(r"[ \t\r\n]+")

_CLOCK = re.compile(
    r"(?:(\d{1,4}):)?(\d{1,3}):(\d{1,2})(?:(\.\d{1,9})|[:;](\d{1,4}(?:\.\d{1,4})?))?"
)
_OFFSET = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(h|ms|m|s|f|t)?")
_TIMED = frozenset({"body", "div", "p", "span"})
_ASIDE = frozenset({"head", "metadata", "title", "desc"})  # their text is not on the screen


def is_ttml(text: str) -> bool:
    """Whether a text is a TTML document, whatever its name."""
    head = text[:_ROOT_WITHIN].lstrip(_BLANK)
    return head.startswith("<") and _ROOT.search(head) is not None


def parse_ttml(text: str) -> tuple[list[Event], int]:
    """Events of a TTML document, in the order in which they end in the file.

    Times nest: an element's count from where the one around it begins, and one without an end
    lasts as long as that one. A paragraph that says when it begins and ends is one event,
    whatever the times of its spans; of another one, each span with a time is an event. Styling,
    regions and pictures are left out. A broken document is read up to where it breaks.

    Returns:
        Events that show words, and the number of malformed ones that were left out. Where
        nobody states an end it is the start: that is for the caller to mend.
    """
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.words
    parser.EntityDeclHandler = _no_entities
    try:
        parser.Parse(_AMPERSAND.sub(_as_xml, _FORBIDDEN.sub("", text)).lstrip(_BLANK), True)
    except (expat.ExpatError, _RefusedError):
        # At least what is broken is lost, and all paragraphs after it.
        paragraphs = sum(1 for _ in _PARAGRAPH.finditer(text))
        reader.dropped += max(1, paragraphs - reader.paragraphs)
    return reader.events, reader.dropped


class _RefusedError(ValueError):
    """A document that is not read any further."""


def _no_entities(*_: object) -> None:
    raise _RefusedError


def _as_xml(match: re.Match[str]) -> str:
    return html.escape(html.unescape(match[0]))


def _local(name: str) -> str:
    """A name without its prefix, which files often forget to declare."""
    return name.rpartition(":")[2]


class _Clock:
    """Reads a document's times; frames and ticks are as long as its root says."""

    def __init__(self, root: Mapping[str, str]) -> None:
        nominal = _number(root, "frameRate") or Fraction(30)
        over, _, under = root.get("frameRateMultiplier", "").replace(":", " ").partition(" ")
        ratio = Fraction(int(over), int(under)) if _positive(over) and _positive(under) else 1
        self._nominal, self._frames = nominal, nominal * ratio
        per_frame = _number(root, "subFrameRate") or 1
        stated = nominal * per_frame if "frameRate" in root else Fraction(1)
        self._ticks = _number(root, "tickRate") or stated
        self._counts_frames = root.get("timeBase") == "smpte"
        self._drops = root.get("dropMode") == "dropNTSC"

    def read(self, stated: str) -> Fraction:
        """Seconds.

        Raises:
            ValueError: it is no time.
        """
        stated = stated.strip()
        if match := _CLOCK.fullmatch(stated):
            return self._clock_time(*match.groups())
        if match := _OFFSET.fullmatch(stated):
            return Fraction(match[1]) * self._unit(match[2] or "s")
        raise ValueError(stated)

    def _clock_time(
        self, hours: str | None, minutes: str, seconds: str, part: str | None, frames: str | None
    ) -> Fraction:
        whole_minutes = int(hours or 0) * 60 + int(minutes)
        whole = Fraction(whole_minutes * 60 + int(seconds))
        if self._counts_frames and part is None:
            # A time code numbers frames, and 29.97 of them a second make its hour 3.6 s longer.
            numbered = whole * self._nominal + Fraction(frames or 0)
            if self._drops:
                numbered -= 2 * (whole_minutes - whole_minutes // 10)
            return numbered / self._frames
        return whole + Fraction(part or 0) + Fraction(frames or 0) / self._frames

    def _unit(self, name: str) -> Fraction:
        units = {"h": Fraction(3600), "m": Fraction(60), "s": Fraction(1), "ms": Fraction(1, 1000)}
        return units.get(name) or 1 / (self._frames if name == "f" else self._ticks)


def _positive(digits: str) -> bool:
    return digits.isascii() and digits.isdecimal() and len(digits) < 16 and int(digits) > 0


def _number(root: Mapping[str, str], name: str) -> Fraction | None:
    return Fraction(digits) if _positive(digits := root.get(name, "").strip()) else None


@dataclass(slots=True)
class _Element:
    """An element that is open."""

    name: str
    begin: Fraction = Fraction(0)
    end: Fraction | None = None
    origin: Fraction = Fraction(0)  #: what the times of those within count from
    timed: bool = False  #: it, or one around it, says when it begins
    malformed: bool = False  #: likewise, but that is no time
    preserve: bool = False  #: line ends in the text are line breaks
    sequence: bool = False  #: those within follow one another
    speaks: bool = False  #: the words within it become an event
    whole: bool = False  #: all of them do, whatever times stand within
    words: list[str] = field(default_factory=list)


class _Reader:
    """What expat calls: a stack of open elements, and the events that closed ones gave."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.dropped = 0
        self.paragraphs = 0  #: that were read to their end
        self._clock = _Clock({})
        self._absolute = False  # times count from the start of the film, however they nest
        self._stack: list[_Element] = []
        self._aside = 0  # depth within what is not shown

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Open an element."""
        if len(self._stack) + self._aside >= _DEEPEST:
            raise _RefusedError
        name = _local(tag)
        if self._aside or name in _ASIDE:
            self._aside += 1
            return
        given = {_local(key): value for key, value in attributes.items()}
        if not self._stack:
            self._clock = _Clock(given)
            # Apple's lyrics: the times of a line do not count from those of its verse.
            self._absolute = "itunes:timing" in attributes
        if name == "br":
            self._say("\n")
        self._stack.append(self._opened(name, given))

    def end(self, _: str) -> None:
        """Close the innermost element."""
        if self._aside:
            self._aside -= 1
            return
        done = self._stack.pop()
        self.paragraphs += done.name == "p"
        if self._stack and self._stack[-1].sequence and done.end is not None:
            self._stack[-1].origin = done.end
        if not done.speaks or not (lines := clean_lines("".join(done.words))):
            return
        if done.malformed or not done.timed:
            self.dropped += 1
            return
        end = done.begin if done.end is None else done.end
        self.events.append(Event(float(done.begin), float(end), lines))

    def words(self, text: str) -> None:
        """Note words for the event that they belong to."""
        if not self._aside and self._stack:
            self._say(text if self._stack[-1].preserve else _SPACE.sub(" ", text))

    def _say(self, text: str) -> None:
        for element in reversed(self._stack):
            if element.speaks:
                element.words.append(text)
                return

    def _opened(self, name: str, given: Mapping[str, str]) -> _Element:
        around = self._stack[-1] if self._stack else _Element("")
        begins, ends = "begin" in given, not given.keys().isdisjoint({"end", "dur"})
        element = _Element(
            name,
            begin=around.origin,
            end=around.end,
            origin=around.origin,
            timed=around.timed,
            malformed=around.malformed,
            preserve=given["space"] == "preserve" if "space" in given else around.preserve,
            sequence=given.get("timeContainer") == "seq",
            speaks=name == "p" or (name == "span" and begins and not around.whole),
            whole=around.whole or (name == "p" and begins and ends),
        )
        if name in _TIMED and (begins or ends):
            try:
                self._set_times(element, given)
            except ValueError:
                element.malformed = True
        return element

    def _set_times(self, element: _Element, given: Mapping[str, str]) -> None:
        stated = {k: self._clock.read(given[k]) for k in ("begin", "end", "dur") if k in given}
        since = Fraction(0) if self._absolute else element.origin
        element.timed = True
        element.begin = element.origin = since + stated.get("begin", Fraction(0))
        ends = []
        if "end" in stated:
            ends.append(since + stated["end"])
        if "dur" in stated:
            ends.append(element.begin + stated["dur"])
        if ends:
            element.end = min(ends)
