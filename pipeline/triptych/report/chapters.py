"""chapters.vtt and chapters.ffmetadata, and the chapters within the reel."""

from __future__ import annotations

import re
from collections.abc import Sequence

from triptych.records import Analysis, Chapter, Cue
from triptych.report.captions import vtt_text
from triptych.report.text import clock, one_line
from triptych.report.words import words_for

__all__ = ["chapters_ffmetadata", "chapters_vtt", "reel_marks", "titled"]

_LONGEST = 80  # characters of a title: players show one line, and MP4 has room for 255 bytes
_MARK_LONGEST = 60


def titled(analysis: Analysis) -> list[tuple[float, float, str]]:
    """(start, end, title) of each chapter, on the player's clock; those without words numbered."""
    origin_s, words = analysis.info.start_s, words_for(analysis.summary.language)
    return [
        (
            max(0.0, chapter.start_s - origin_s),
            chapter.end_s - origin_s,
            _short(chapter.title, _LONGEST) or words.chapter.format(number),
        )
        for number, chapter in enumerate(analysis.summary.chapters, 1)
        if chapter.end_s > origin_s
    ]


def _short(title: str, longest: int) -> str:
    title = one_line(title)
    return title if len(title) <= longest else title[: longest - 1].rstrip() + "…"


def chapters_vtt(analysis: Analysis) -> str:
    """Chapters as WebVTT, which players and browsers take for a chapter track; empty without."""
    cues = [Cue(start_s=a, end_s=b, text=t, source="") for a, b, t in titled(analysis)]
    return vtt_text(cues, 0.0)


def chapters_ffmetadata(analysis: Analysis, *, name: str) -> str:
    """Chapters as `ffmpeg -i FILM -i chapters.ffmetadata -map_metadata 1` reads them."""
    chapters = titled(analysis)
    if not chapters:
        return ""
    blocks = [f";FFMETADATA1\ntitle={_escaped(one_line(name))}\n"]
    for start_s, end_s, title in chapters:
        blocks.append(
            f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={round(start_s * 1000)}\n"
            f"END={round(end_s * 1000)}\ntitle={_escaped(title)}\n"
        )
    return "\n".join(blocks)


def _escaped(text: str) -> str:
    r"""Text in which nothing has a meaning to ffmpeg.

    >>> print(_escaped("a=b; #1 \\ c"))
    a\=b\; \#1 \\ c
    """
    return re.sub(r"([=;#\\])", r"\\\1", text)


def reel_marks(analysis: Analysis, cuts: Sequence[tuple[float, float]]) -> list[tuple[float, str]]:
    """(start within the reel, title) of the reel's chapters, the first at 0.

    One for each stretch, with the time that it has in the film; stretches of one chapter that
    follow each other make one.

    Args:
        analysis: what was found.
        cuts: what the reel shows, as (start, end) in the film.
    """
    marks: list[tuple[float, str]] = []
    chapters = [c for c in analysis.summary.chapters if c.end_s > analysis.info.start_s]
    titles = [title for _, _, title in titled(analysis)]
    at_s, latest = 0.0, -1
    for start_s, end_s in cuts:
        mine = _chapter_of(chapters, start_s, end_s)
        if mine < 0 or mine != latest:
            title = titles[mine] if mine >= 0 else _label_of(analysis, start_s, end_s)
            shown = f"{clock(start_s - analysis.info.start_s)} {_short(title, _MARK_LONGEST)}"
            marks.append((round(at_s, 6), shown.strip()))
        at_s, latest = at_s + end_s - start_s, mine
    return marks


def _chapter_of(chapters: Sequence[Chapter], start_s: float, end_s: float) -> int:
    """The chapter that most of a stretch lies in; -1 for none."""
    shared = [min(end_s, c.end_s) - max(start_s, c.start_s) for c in chapters]
    best = max(range(len(shared)), key=shared.__getitem__, default=-1)
    return best if best >= 0 and shared[best] > 0 else -1


def _label_of(analysis: Analysis, start_s: float, end_s: float) -> str:
    """What stands for the best key moment of a stretch."""
    held = [s for s in analysis.summary.segments if s.start_s < end_s and s.end_s > start_s]
    best = max(held, key=lambda s: s.score, default=None)
    return best.label if best is not None else ""
