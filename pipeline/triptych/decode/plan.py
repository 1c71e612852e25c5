"""The decode plan: which packets must be decoded for the frames that are wanted, and why.

A pure function of packet times and marks. Prediction never looks forward in the file, so three
kinds of packets need not be decoded: groups of pictures (from one entry to the next) in which
nothing is wanted, what comes after the last wanted picture of a group, and single pictures that
no other is predicted from. What is not known to be safe is decoded.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from triptych.decode.bitstream import PLAIN, Entry, Mark
from triptych.decode.precision import Group, Snap

__all__ = ["DecodePlan", "Fact", "Judged", "Planner", "Reason", "Wants", "plan"]

#: Whether a frame is wanted that is on screen from one time to another.
Wants: TypeAlias = Callable[[float, float], bool]

# Known codecs reorder at most 16 pictures, so after so many packets it is known what is shown
# next, and which pictures precede an entry on screen though they follow it in the file.
_DEPTH = 20
# A longer group is decoded as if all that follows in it were wanted.
_MOST_PACKETS, _MOST_BYTES = 1024, 32_000_000
_SHORTEST_S = 1e-3  # how long a last frame stays of which nothing is said


class Reason(StrEnum):
    """Why a packet is decoded, or is not."""

    WANTED = "wanted"
    REFERENCE = "others may be predicted from it"
    GROUP = "nothing of its group of pictures is wanted"
    TAIL = "after the last wanted frame of its group"
    LEADING = "unwanted, shown before its group's first picture"
    SPARE = "unwanted, and no other is predicted from it"

    @property
    def decoded(self) -> bool:
        """Whether such a packet is decoded."""
        return self in (Reason.WANTED, Reason.REFERENCE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """What is known of a packet before it is decoded."""

    pts_s: float | None  #: when its frame appears, if the container says so
    length_s: float = 0.0  #: how long it stays, 0 if the container does not say
    mark: Mark = PLAIN
    shown: bool = True  #: not outside the container's edit list
    needed: bool = False  #: to be decoded whatever is wanted
    size: int = 0  #: bytes


@dataclass(frozen=True, slots=True)
class Judged:
    """A packet and its fate."""

    item: Any
    fact: Fact
    reason: Reason
    end_s: float | None  #: when the next frame appears
    opens: bool  #: first of a group: a fresh decoder may begin here


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodePlan:
    """How many packets of a film are decoded for the frames that are wanted."""

    reasons: dict[Reason, int] = field(default_factory=dict)

    @property
    def packets(self) -> int:
        """All of them."""
        return sum(self.reasons.values())

    @property
    def decoded(self) -> int:
        """Those that are decoded."""
        return sum(n for reason, n in self.reasons.items() if reason.decoded)

    @property
    def skipped(self) -> int:
        """Those that are not."""
        return self.packets - self.decoded

    @property
    def wanted(self) -> int:
        """Those whose frames are wanted."""
        return self.reasons.get(Reason.WANTED, 0)

    def facts(self) -> dict[str, Any]:
        """The counts, as `triptych decode --plan --json` prints them."""
        return {
            "frames_wanted": self.wanted,
            "packets": self.packets,
            "packets_decoded": self.decoded,
            "packets_skipped": self.skipped,
            "reasons": {r.name.lower(): self.reasons.get(r, 0) for r in Reason},
        }

    def lines(self) -> Iterator[str]:
        """The same for people."""
        yield f"{self.wanted:8} frames wanted"
        yield f"{self.decoded:8} packets decoded of {self.packets}"
        yield f"{self.skipped:8} packets skipped"
        for reason in Reason:
            if not reason.decoded and reason in self.reasons:
                yield f"{self.reasons[reason]:12} {reason}"


def plan(facts: Iterable[Fact], *, wants: Wants, snap: Snap | None = None) -> DecodePlan:
    """The plan of a whole film.

    >>> key = Mark(entry=Entry.CLOSED)
    >>> film = [Fact(pts_s=t, length_s=1, mark=PLAIN if t % 4 else key) for t in range(12)]
    >>> for reason, n in plan(film, wants=lambda t, end: t <= 9 < end).reasons.items():
    ...     print(n, reason)
    8 nothing of its group of pictures is wanted
    1 others may be predicted from it
    1 wanted
    2 after the last wanted frame of its group

    Args:
        facts: of all packets, in the order of the file.
        wants: which frames on screen are wanted.
        snap: wanted times that need not be met exactly.
    """
    planner = Planner(wants, snap=snap)
    judged = itertools.chain(
        itertools.chain.from_iterable(planner.feed(None, fact) for fact in facts), planner.rest()
    )
    return DecodePlan(reasons=dict(Counter(j.reason for j in judged)))


class Planner:
    """Holds packets until their group of pictures is known, then judges them in file order."""

    def __init__(self, wants: Wants, *, snap: Snap | None = None) -> None:
        self._wants, self._snap = wants, snap
        self._held: deque[tuple[Any, Fact]] = deque()
        self._bytes = 0
        self._entries: deque[int] = deque()  # where groups may begin, counted from the first packet
        self._gone = 0  # packets judged
        self._passed: deque[float] = deque(maxlen=_DEPTH)  # times of the latest of them
        self._begun = False  # part of the group in hand was judged before
        self._sets = False  # parameters came with the pictures
        self._blind = False  # a packet had no time: nothing about the order of display is certain

    def feed(self, item: Any, fact: Fact) -> Iterator[Judged]:
        """Take a packet in; give those whose fate is known."""
        self._sets |= fact.mark.sets
        # Parameters that came with a picture may be missed where it is passed over.
        if fact.mark.entry and (fact.mark.sets or not self._sets):
            self._entries.append(self._gone + len(self._held))
        self._held.append((item, fact))
        self._bytes += fact.size
        if fact.pts_s is None and not self._blind:
            self._blind = True
            if self._snap:
                self._snap.give_up()
        while (count := self._boundary(final=False)) and not self._blind:
            yield from self._judge(count, whole=True)
        if self._blind:
            yield from self._all()
        elif len(self._held) > _MOST_PACKETS or self._bytes > _MOST_BYTES:
            yield from self._judge(len(self._held) - _DEPTH, whole=False)

    def rest(self) -> Iterator[Judged]:
        """What is still held at the end of the film."""
        while count := self._boundary(final=True):
            yield from self._judge(count, whole=True)
        yield from self._judge(len(self._held), whole=True, final=True)

    def _boundary(self, *, final: bool) -> int:
        """How many packets are held of a group that is complete; 0 while none is."""
        while self._entries:
            count = self._entries[0] - self._gone
            if count > 0 and not final and len(self._held) - count <= _DEPTH:
                return 0
            if count > 0 and self._may_enter(count):
                return count
            self._entries.popleft()
        return 0

    def _may_enter(self, at: int) -> bool:
        """Whether nothing of the group that begins at a held packet needs the one before."""
        key = self._held[at][1]
        if key.mark.entry is Entry.CLOSED:
            return True
        after = [fact for _, fact in itertools.islice(self._held, at + 1, at + 1 + _DEPTH)]
        leading = [fact for fact in after if _precedes(fact, key)]
        times = self._times()
        if any(self._is_wanted(fact, _end(fact, times)) for fact in leading):
            return False
        between = [f.pts_s for f in leading if f.shown and f.pts_s is not None]
        return not self._snap or self._snap.can_do_without(between, self._group(at))

    def _group(self, count: int) -> Group:
        """The first of the held packets, and the entry after them."""
        facts = [fact for _, fact in itertools.islice(self._held, count)]
        key = facts[0] if facts and facts[0].mark.entry is Entry.OPEN and not self._begun else None
        shown = [f for f in facts if f.shown and f.pts_s is not None]
        # What is shown before the first of them may need the group before, which may be left out.
        kept = [f for f in shown if key is None or not _precedes(f, key)]
        return Group(
            pts_s=tuple(f.pts_s for f in kept if f.pts_s is not None),
            entries_s=tuple(sorted(f.pts_s for f in kept if f.mark.entry and f.pts_s is not None)),
            next_s=self._held[count][1].pts_s if count < len(self._held) else None,
        )

    def _settle(self, count: int, *, whole: bool) -> None:
        """Choose frames for what is wanted before the end of the first of the held packets."""
        group = self._group(count)
        after = [fact for _, fact in itertools.islice(self._held, count, None)]
        if self._snap is None or not group.pts_s:
            return
        if whole and after:
            until = group.next_s
        elif after:
            group = dataclasses.replace(group, next_s=None)
            until = min((f.pts_s for f in after if f.pts_s is not None), default=None)
        else:
            last = max((f for _, f in self._held if f.shown and f.pts_s is not None), key=_appears)
            until = _appears(last) + max(last.length_s, _SHORTEST_S)
        if until is not None:
            self._snap.settle(group, until)

    def _times(self) -> list[float]:
        """Known times of frames, sorted."""
        held = (f.pts_s for _, f in self._held if f.shown and f.pts_s is not None)
        return sorted({*self._passed, *held})

    def _is_wanted(self, fact: Fact, end_s: float | None) -> bool:
        if not fact.shown or fact.pts_s is None:
            return False
        if self._snap and self._snap.chosen(fact.pts_s):
            return True
        return self._wants(fact.pts_s, math.inf if end_s is None else end_s)

    def _judge(self, count: int, *, whole: bool, final: bool = False) -> Iterator[Judged]:
        """Judge the first of the held packets.

        Args:
            count: of packets.
            whole: these end their group; else any of them may be referred to by what follows.
            final: these end the film.
        """
        if self._snap and count and not self._blind:
            self._settle(count, whole=whole)
        times = self._times()
        group = [self._held.popleft() for _ in range(count)]
        ends = [_end(fact, times, final=final) for _, fact in group]
        wanted = [self._is_wanted(f, end) for (_, f), end in zip(group, ends, strict=True)]
        kept = [i for i, (_, f) in enumerate(group) if wanted[i] or f.needed]
        last = (kept[-1] if kept else -1) if whole else count
        top = max((f.mark.layer or 0 for _, f in group), default=0) if whole else None
        past = Reason.TAIL if kept or self._begun else Reason.GROUP
        key = None if self._begun or not group else group[0][1]
        for at, (item, fact) in enumerate(group):
            self._gone += 1
            self._bytes -= fact.size
            if fact.shown and fact.pts_s is not None:
                self._passed.append(fact.pts_s)
            if at > last:
                reason = past
            elif wanted[at]:
                reason = Reason.WANTED
            elif fact.needed or not fact.shown:
                reason = Reason.REFERENCE
            elif key and key.mark.entry is Entry.OPEN and _precedes(fact, key):
                reason = Reason.LEADING
            else:
                reason = Reason.SPARE if _is_spare(fact.mark, top) else Reason.REFERENCE
            yield Judged(item, fact, reason, ends[at], at == 0 and not self._begun)
        self._begun = not whole

    def _all(self) -> Iterator[Judged]:
        while self._held:
            item, fact = self._held.popleft()
            self._gone += 1
            yield Judged(item, fact, Reason.WANTED, None, not self._begun)
            self._begun = True


def _end(fact: Fact, times: list[float], *, final: bool = False) -> float | None:
    """When the next frame appears; None where that is not known."""
    if fact.pts_s is None:
        return None
    after = bisect.bisect_right(times, fact.pts_s)
    if after < len(times):
        return times[after]
    return fact.pts_s + fact.length_s if final and fact.length_s > 0 else None


def _appears(fact: Fact) -> float:
    return -math.inf if fact.pts_s is None else fact.pts_s


def _precedes(fact: Fact, key: Fact) -> bool:
    return fact.pts_s is not None and key.pts_s is not None and fact.pts_s < key.pts_s


def _is_spare(mark: Mark, top: int | None) -> bool:
    if mark.layer is None:
        return mark.spare
    return mark.spare and top is not None and mark.layer >= top
