"""What was said, shortened: sentences that tell most, words that stand out, names of chapters.

Nothing is made up: sentences are cues, phrases are words of cues as they were said.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TypeAlias

import numpy as np

from triptych.records import Cue, FeatureTrack, Floats

__all__ = ["Phrases", "best_sentences", "keyphrases", "phrases_of", "vectors_of"]

Phrase: TypeAlias = tuple[str, ...]

_BALANCE = 0.6  # of telling much and of saying something else than what was chosen
_PIECE = 0.7  # of what a sentence is worth: a piece of one, which the next cue goes on with
_ENDS, _CLOSING = ".!?…。！？", "\"'”’)）]』」》"
_SHORT = 12  # letters, or a third as many Chinese characters; less says little by itself
_MOST, _HAN_MOST = 3, 6  # words, or Chinese characters, of a phrase
_WORD = re.compile(
    r"[\u3400-\u9fff]+|[^\W\d_\u3400-\u9fff]+(?:['’\-][^\W\d_]+)*|\d+(?:[.,:]\d+)*%?|[^\w\s]"
)
_HAN = re.compile(r"[\u3400-\u9fff]+")


def vectors_of(cues: Sequence[Cue], track: FeatureTrack | None) -> Floats:
    """A unit vector for each cue: its sentence embedding, or else counts of its words.

    Args:
        cues: N, in any order.
        track: the sentences' track, a row a cue in order of time.
    """
    if track is not None and len(track) == len(cues):
        order = sorted(range(len(cues)), key=lambda i: (cues[i].start_s, cues[i].end_s))
        rows = np.empty_like(track.values)
        rows[order] = track.values
    else:
        said = [[w for w in map(str.casefold, _words(c.text)) if not _is_stop(w)] for c in cues]
        places = {w: i for i, w in enumerate(sorted({w for words in said for w in words}))}
        rows = np.zeros((len(cues), max(1, len(places))), np.float32)
        for row, words in zip(rows, said, strict=True):
            for word in words:
                row[places[word]] += 1.0
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return np.asarray(rows / lengths, np.float32)


def best_sentences(
    cues: Sequence[Cue], vectors: Floats, *, most: int, favoured: Sequence[bool] = ()
) -> tuple[Cue, ...]:
    """Cues that together tell most, by maximal marginal relevance; in time order.

    Carbonell and Goldstein, SIGIR 1998: each is near to all that is said, and far from those
    that were chosen before it.

    Args:
        cues: N.
        vectors: (N, D), of length 1.
        most: how many.
        favoured: which of them are within key moments.
    """
    first: dict[str, int] = {}
    for i, cue in enumerate(cues):
        if said := "".join(ch for ch in cue.text.casefold() if ch.isalnum()):
            first.setdefault(said, i)
    left = sorted(first.values())
    if not left:
        return ()
    centre = vectors[left].mean(axis=0)
    telling = (vectors @ (centre / max(float(np.linalg.norm(centre)), 1e-9))).round(4)
    telling = telling * [_fullness(c.text) * (1.0 if _is_ended(c.text) else _PIECE) for c in cues]
    telling += 0.1 * np.asarray(favoured if len(favoured) else [False] * len(cues), np.float32)
    nearest = np.zeros(len(cues))
    chosen: list[int] = []
    while left and len(chosen) < most:
        best = max(left, key=lambda i: (_BALANCE * telling[i] - (1 - _BALANCE) * nearest[i], -i))
        left.remove(best)
        chosen.append(best)
        nearest = np.maximum(nearest, (vectors @ vectors[best]).round(4))
    return tuple(sorted((cues[i] for i in chosen), key=lambda c: (c.start_s, c.end_s)))


@dataclass(frozen=True, slots=True)
class Phrases:
    """Phrases of one to three words, or two to six Chinese characters, of some texts."""

    counts: Counter[Phrase]  #: how often each was said
    shown: dict[Phrase, str]  #: as it was said first


def keyphrases(
    said: Phrases, *, most: int, elsewhere: Sequence[Phrases] = (), least: int = 2
) -> tuple[str, ...]:
    """Phrases that stand out, best first, as they were said.

    TF-IDF: often in these texts and in few of all. A phrase within a longer one that is said as
    often is left out.

    Args:
        said: in some texts.
        most: how many.
        elsewhere: in other texts, such as other chapters; `said` may be among them.
        least: how often a phrase must be said.
    """
    others = [phrases for phrases in elsewhere if phrases is not said]
    scores: dict[Phrase, float] = {}
    for phrase, count in said.counts.items():
        if count >= least:
            known = sum(phrase in phrases.counts for phrases in others)
            rare = math.log((1 + len(others)) / (1 + known)) + 1
            size = (1 + 0.6 * (len(phrase) - 1)) * min(1.0, _width(phrase) / 4)
            scores[phrase] = count * rare * size
    chosen: list[Phrase] = []
    for phrase in sorted(scores, key=lambda p: (-scores[p], -len(p), p)):
        if any(_within(phrase, c) or _within(c, phrase) for c in chosen):
            continue
        chosen.append(phrase)
        if len(chosen) == most:
            break
    return tuple(said.shown[phrase] for phrase in chosen)


def _words(text: str) -> list[str]:
    """Words and marks of punctuation as they stand; each Chinese character by itself.

    >>> _words("It's 12:30, Tom 好!")
    ["It's", '12:30', ',', 'Tom', '好', '!']
    """
    return [w for run in _WORD.findall(text) for w in (run if _HAN.match(run) else (run,))]


def phrases_of(texts: Sequence[str]) -> Phrases:
    """All phrases of some texts whose words all say something."""
    counts: Counter[Phrase] = Counter()
    shown: dict[Phrase, str] = {}
    beside: dict[Phrase, tuple[set[object], set[object]]] = {}
    for number, text in enumerate(texts):
        words = _words(text)
        small = [w.casefold() for w in words]
        for start, end in _runs(small):
            phrase = tuple(small[start:end])
            counts[phrase] += 1
            shown.setdefault(
                phrase, ("" if _HAN.match(words[start]) else " ").join(words[start:end])
            )
            if _HAN.match(words[start]):
                left, right = beside.setdefault(phrase, (set(), set()))
                # The edge of a text is another neighbour each time.
                left.add(small[start - 1] if start else (number, start))
                right.add(small[end] if end < len(small) else (number, end))
    # Chinese has no blanks between words: what always stands beside the same character is a part
    # of a longer word (accessor variety, Feng et al., 2004).
    for phrase, sides in beside.items():
        if counts[phrase] > 1 and min(map(len, sides)) < 2:
            del counts[phrase]
    return Phrases(counts, shown)


def _runs(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """First word and end of each phrase: words that follow each other and all say something."""
    for start, first in enumerate(words):
        chinese = bool(_HAN.match(first))
        for end in range(start + 1, min(len(words), start + (_HAN_MOST if chinese else _MOST)) + 1):
            last = words[end - 1]
            if bool(_HAN.match(last)) != chinese or _is_stop(last):
                break
            if not chinese or (end - start > 1 and not _has_stop("".join(words[start:end]))):
                yield start, end


def _is_stop(word: str) -> bool:
    """Whether a word, in small letters, says nothing by itself, or is none."""
    if _HAN.match(word):
        return word in _stopwords("zh")
    said_nothing = word.replace("’", "'") in _stopwords("en")
    return len(word) < 3 or said_nothing or not any(ch.isalpha() for ch in word)


def _has_stop(phrase: str) -> bool:
    """Whether Chinese words that say nothing are in a phrase."""
    pairs = (phrase[i : i + size] for size in (2, 3) for i in range(len(phrase) - size + 1))
    return any(pair in _stopwords("zh") for pair in pairs)


@functools.cache
def _stopwords(language: str) -> frozenset[str]:
    folder = files("triptych.predict") / "vocabularies"
    return frozenset((folder / f"stopwords.{language}.txt").read_text("utf-8").split())


def _within(part: Phrase, whole: Phrase) -> bool:
    return any(part == whole[i : i + len(part)] for i in range(len(whole) - len(part) + 1))


def _width(phrase: Sequence[str]) -> int:
    """Letters; a Chinese character says as much as two of them."""
    return sum(len(w) + bool(_HAN.match(w)) for w in phrase)


def _is_ended(text: str) -> bool:
    """Whether a sentence ends here, as far as it has marks."""
    return text.rstrip().rstrip(_CLOSING).endswith(tuple(_ENDS))


def _fullness(text: str) -> float:
    """Near 1 for a sentence, less for a word or two."""
    width = sum(ch.isalnum() for ch in text) + 2 * sum(map(len, _HAN.findall(text)))
    return min(1.0, 0.4 + 0.6 * width / (2 * _SHORT))
