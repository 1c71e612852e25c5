"""Lines of text that were read in single pictures -> cues with a beginning and an end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from operator import attrgetter

from triptych.records import Cue

__all__ = ["Box", "Captions", "Line", "overlap"]

_SAME_BOX, _SAME_TEXT = 0.7, 0.75  # one line that was read twice, and not alike
_MISSED = 1  # pictures that a line may be overlooked in
_SIGHTINGS = 2  # fewer are what the reader believed to see
_TOGETHER_S = 0.3  # lines that come and go so near each other are one caption


@dataclass(frozen=True, slots=True)
class Box:
    """Where a line stands, in pixels."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Line:
    """What was read in one picture."""

    box: Box
    text: str
    score: float  #: 0..1, how sure the reader is


@dataclass(slots=True)
class _Shown:
    """A line for as long as it is on screen."""

    box: Box
    start_s: float
    end_s: float = 0.0  #: of the first picture without it
    sightings: int = 0
    missed: int = 0
    texts: Counter[str] = field(default_factory=Counter)

    @property
    def text(self) -> str:
        """What it was read as most often; of as many, the longest."""
        return max(self.texts, key=lambda text: (self.texts[text], len(text), text))


class Captions:
    """Follows lines from picture to picture.

    Args:
        longest_s: what stays longer is no caption: a logo, a banner.
    """

    def __init__(self, *, longest_s: float = float("inf")) -> None:
        self._longest_s = longest_s
        self._open: list[_Shown] = []
        self._done: list[_Shown] = []
        self._pictures = 0

    def see(self, lines: Sequence[Line], time_s: float) -> None:
        """Lines of the next picture."""
        self._pictures += 1
        waiting = list(self._open)
        for line in lines:
            shown = max(waiting, key=lambda known: _likeness(known, line), default=None)
            if shown is not None and _likeness(shown, line) > 0:
                waiting.remove(shown)
            else:
                shown = _Shown(box=line.box, start_s=time_s)
                self._open.append(shown)
            shown.box, shown.missed = line.box, 0
            shown.sightings += 1
            shown.texts[line.text] += line.score  # type: ignore[assignment]
        for shown in waiting:
            if not shown.missed:
                shown.end_s = time_s
            shown.missed += 1
            if shown.missed > _MISSED:
                self._open.remove(shown)
                self._done.append(shown)

    def finish(self, end_s: float) -> tuple[Cue, ...]:
        """Cues by time, when nothing follows after `end_s`."""
        for shown in self._open:
            if not shown.missed:
                shown.end_s = end_s
        least = min(_SIGHTINGS, self._pictures)
        kept = [
            shown
            for shown in (*self._done, *self._open)
            if shown.sightings >= least and shown.end_s - shown.start_s <= self._longest_s
        ]
        language = _language("".join(shown.text for shown in kept))
        return tuple(
            Cue(
                start_s=min(s.start_s for s in group),
                end_s=max(s.end_s for s in group),
                text=" ".join(s.text for s in _in_order(group)),
                source="ocr",
                language=language,
            )
            for group in _together(kept)
        )


def overlap(one: Box, other: Box) -> float:
    """Area that both cover over the area that either covers.

    >>> overlap(Box(0, 0, 2, 2), Box(1, 0, 3, 2))
    0.3333333333333333
    """
    wide = min(one.right, other.right) - max(one.left, other.left)
    high = min(one.bottom, other.bottom) - max(one.top, other.top)
    both = max(0.0, wide) * max(0.0, high)
    return both / (_area(one) + _area(other) - both) if both else 0.0


def _area(box: Box) -> float:
    return (box.right - box.left) * (box.bottom - box.top)


def _likeness(shown: _Shown, line: Line) -> float:
    """0 for another line."""
    covered = overlap(shown.box, line.box)
    if line.text in shown.texts:
        return 1.0 + covered if covered else 0.0
    if covered < _SAME_BOX:  # captions that follow each other seldom are of one width
        return 0.0
    alike = SequenceMatcher(None, shown.text, line.text, autojunk=False).ratio()
    return alike if alike >= _SAME_TEXT else 0.0


def _together(lines: Iterable[_Shown]) -> list[list[_Shown]]:
    """Lines that come and go at once, by time."""
    groups: list[list[_Shown]] = []
    for line in sorted(lines, key=attrgetter("start_s", "end_s", "box.top", "box.left")):
        for group in reversed(groups):
            first = group[0]
            if line.start_s - first.start_s > _TOGETHER_S:
                continue
            if abs(line.end_s - first.end_s) <= _TOGETHER_S:
                group.append(line)
                break
        else:
            groups.append([line])
    return groups


def _in_order(lines: Sequence[_Shown]) -> list[_Shown]:
    """From top to bottom, and what stands in one row from left to right."""
    rows: list[list[_Shown]] = []
    for line in sorted(lines, key=attrgetter("box.top", "box.left")):
        first = rows[-1][0].box if rows else None
        if first is not None and line.box.top < (first.top + first.bottom) / 2:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=attrgetter("box.left"))]


def _language(text: str) -> str:
    """Chinese where it can be nothing else; of Latin letters the language is not known.

    >>> _language("你好 world"), _language("Hello 好, all of you"), _language("ひらがな漢字")
    ('zh', 'und', 'und')
    """
    han = sum("\u4e00" <= ch <= "\u9fff" for ch in text)
    kana = any("\u3040" <= ch <= "\u30ff" for ch in text)
    return "zh" if han > 0.2 * len(text) and not kana else "und"
