"""Recognised words -> cues that can be read while they are heard.

A recogniser gives the words of half a minute at once. A cue is a sentence of them; one that is
too long to be read is cut where a clause ends or the speaker pauses, as subtitles are.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterable, Iterator, Sequence
from unicodedata import east_asian_width

from triptych.records import Cue, Word

__all__ = ["cues_of", "whole_words"]

_LONGEST_S = 7.0  # that a subtitle stays
_WIDEST = 84.0  # letters of two lines
_WIDE = 2.5  # letters that a Chinese one counts as: 33 of them fill two lines
_SHORT_S = 1.0  # "No." goes with what follows
_APART_S = 1.5  # a pause after which something new begins, whatever the marks say
_SENTENCE, _CLAUSE = ".!?…。！？", ",;:，；：、—"
_CLOSING = "\"'”’)）]』」》"


def whole_words(words: Iterable[Word]) -> list[Word]:
    """Words as people count them: Whisper times " image", "-to" and "-text" apart.

    >>> parts = [Word(start_s=0, end_s=1, text=" 0"), Word(start_s=1, end_s=2, text=".3")]
    >>> whole_words(parts)
    [Word(start_s=0, end_s=2, text=' 0.3')]
    """
    whole: list[Word] = []
    for word in words:
        if whole and word.text[:1] in string.punctuation:
            last = whole.pop()
            word = Word(start_s=last.start_s, end_s=word.end_s, text=last.text + word.text)
        whole.append(word)
    return whole


def cues_of(words: Sequence[Word], *, language: str) -> list[Cue]:
    """Cues of what was heard without a break.

    Args:
        words: by time, none of them empty.
        language: of the cues.
    """
    return [
        Cue(
            start_s=part[0].start_s,
            end_s=part[-1].end_s,
            text=_text(part),
            source="asr",
            language=language,
            words=tuple(part),
        )
        for sentence in _sentences(words)
        for part in _readable(sentence)
    ]


def _sentences(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    begin = 0
    for i, (word, after) in enumerate(itertools.pairwise(words), start=1):
        pause_s = after.start_s - word.end_s
        said = _ends(word, after) and word.end_s - words[begin].start_s >= _SHORT_S
        if said or pause_s >= _APART_S:
            yield words[begin:i]
            begin = i
    if begin < len(words):
        yield words[begin:]


def _ends(word: Word, after: Word) -> bool:
    """Whether a sentence ends between two words: not after "Mr." and not before "etc. and"."""
    text = word.text.strip().rstrip(_CLOSING)
    if text[-1:] not in _SENTENCE or after.text.strip()[:1].islower():
        return False
    return not (text.endswith(".") and text[:-1].istitle() and len(text) <= 4)


def _readable(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    """One part where it can be read; else the best two, and so on."""
    lasts_s = words[-1].end_s - words[0].start_s
    if len(words) < 2 or (lasts_s <= _LONGEST_S and _letters(_text(words)) <= _WIDEST):
        yield words
        return

    def worth(i: int) -> float:
        before_s = words[i - 1].end_s - words[0].start_s
        after_s = words[-1].end_s - words[i].start_s
        mark = words[i - 1].text.strip()[-1:] in _CLAUSE
        pause_s = min(words[i].start_s - words[i - 1].end_s, 1.0)
        return mark + pause_s - abs(before_s - after_s) / max(lasts_s, 1e-9)

    cut = max(range(1, len(words)), key=worth)
    yield from _readable(words[:cut])
    yield from _readable(words[cut:])


def _letters(text: str) -> float:
    return sum(_WIDE if east_asian_width(ch) in "WF" else 1.0 for ch in text)


def _text(words: Sequence[Word]) -> str:
    return "".join(word.text for word in words).strip()
