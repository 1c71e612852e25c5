"""Where a film may be cut without cutting into what is said."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence

from triptych.records import Cue, Word

__all__ = ["Speech"]

_DUST_S = 1e-6


class Speech:
    """Stretches of time that no cut may fall into: cues, those that overlap as one.

    No clip could hold a cue longer than `longest_s`: a cut may fall between its words where their
    times are known, and anywhere else. Where overlapping cues together last longer than that, cuts
    may fall at the start of any of them.

    >>> said = [Cue(start_s=a, end_s=b, text="a", source="asr") for a, b in ((1, 3), (3, 5))]
    >>> speech = Speech(said, longest_s=8)
    >>> [speech.before(t) for t in (0.5, 2.0, 3.0, 4.9, 6.0)]
    [0.5, 1.0, 3.0, 3.0, 6.0]
    >>> [speech.after(t) for t in (0.5, 2.0, 3.0, 4.9, 6.0)]
    [0.5, 3.0, 3.0, 5.0, 6.0]
    """

    def __init__(self, cues: Sequence[Cue], *, longest_s: float) -> None:
        kept = (part for cue in cues for part in _parts(cue, longest_s))
        spans = sorted(
            (float(p.start_s), float(p.end_s))
            for p in kept
            if _DUST_S < p.end_s - p.start_s <= longest_s
        )
        whole = [part for chain in _chains(spans) for part in _bound(chain, longest_s)]
        self.starts: list[float] = [start_s for start_s, _ in whole]
        self.ends: list[float] = [end_s for _, end_s in whole]

    def before(self, time_s: float) -> float:
        """The last time up to this one at which a cut may fall."""
        found = self._around(time_s)
        return time_s if found is None else self.starts[found]

    def after(self, time_s: float) -> float:
        """The first time from this one on at which a cut may fall."""
        found = self._around(time_s)
        return time_s if found is None else self.ends[found]

    def cuts(self, time_s: float) -> bool:
        """Whether a cut here would fall into what is said."""
        return self._around(time_s) is not None

    def pauses(self, least_s: float) -> Iterator[float]:
        """The middle of each pause between two sentences that lasts this long."""
        for end_s, start_s in zip(self.ends, self.starts[1:], strict=False):
            if start_s - end_s >= least_s:
                yield (end_s + start_s) / 2

    def _around(self, time_s: float) -> int | None:
        place = bisect.bisect_right(self.starts, time_s - _DUST_S) - 1
        if place >= 0 and self.ends[place] > time_s + _DUST_S:
            return place
        return None


def _parts(cue: Cue, longest_s: float) -> Sequence[Cue | Word]:
    return cue.words if cue.words and cue.end_s - cue.start_s > longest_s else (cue,)


def _chains(spans: Sequence[tuple[float, float]]) -> Iterator[list[tuple[float, float]]]:
    """Spans that overlap one another, in order; those that only touch are apart."""
    chain: list[tuple[float, float]] = []
    end_s = float("-inf")
    for span in spans:
        if chain and span[0] >= end_s - _DUST_S:
            yield chain
            chain = []
        chain.append(span)
        end_s = max(end_s, span[1]) if len(chain) > 1 else span[1]
    if chain:
        yield chain


def _bound(chain: Sequence[tuple[float, float]], longest_s: float) -> Iterator[tuple[float, float]]:
    end_s = max(end for _, end in chain)
    if end_s - chain[0][0] <= longest_s:
        yield chain[0][0], end_s
        return
    edges = [*sorted({start for start, _ in chain}), end_s]
    for start_s, stop_s in itertools.pairwise(edges):
        if _DUST_S < stop_s - start_s <= longest_s:
            yield start_s, stop_s
