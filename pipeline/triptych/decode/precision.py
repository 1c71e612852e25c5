"""How near a frame has to be to the time that it is wanted for, and which one then is cheapest.

The frame on screen at a time may need a hundred others decoded before it; half a second away
there may be one that needs none.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from triptych.decode.sampler import Listed, Wanted
from triptych.decode.sampling import TOLERANCE_S

__all__ = ["Group", "Precision", "Snap", "snapped"]


class Precision(StrEnum):
    """Which frame stands for a wanted time."""

    EXACT = "exact"  #: the one on screen
    NEAR = "near"  #: within a tolerance, the one that is cheapest to decode
    KEYFRAME = "keyframe"  #: the last one before it that decoding may begin at


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Packets that are decoded one after the other, or not at all."""

    pts_s: tuple[float, ...]  #: when their frames appear, in the order of the file
    entries_s: tuple[float, ...] = ()  #: of those at which decoding may begin, increasing
    next_s: float | None = None  #: of the entry after the group


def snapped(
    wanted_s: Sequence[float], group: Group, *, precision: Precision, tolerance_s: float
) -> list[float]:
    """When the frame appears that stands for each wanted time.

    >>> group = Group(pts_s=(0.0, 3.0, 1.0, 2.0), entries_s=(0.0,), next_s=4.0)
    >>> snapped([0.4, 2.2, 3.8], group, precision=Precision.NEAR, tolerance_s=0.9)
    [0.0, 3.0, 4.0]
    >>> snapped([0.4, 2.2, 3.8], group, precision=Precision.KEYFRAME, tolerance_s=0.9)
    [0.0, 0.0, 0.0]

    Args:
        wanted_s: wanted times, from the start of the group to its end.
        group: packets; at least one.
        precision: of the frames.
        tolerance_s: how far from its time a frame may be, if `precision` is `near`.
    """
    order = sorted(group.pts_s)
    return [
        _keyframe(time_s, order, group)
        if precision is Precision.KEYFRAME
        else _near(time_s, order, group, tolerance_s)
        if precision is Precision.NEAR
        else _on_screen(time_s, order)
        for time_s in wanted_s
    ]


def _on_screen(time_s: float, order: Sequence[float]) -> float:
    return order[max(0, bisect.bisect_right(order, time_s + TOLERANCE_S) - 1)]


def _keyframe(time_s: float, order: Sequence[float], group: Group) -> float:
    if not group.entries_s:
        return _on_screen(time_s, order)
    return _on_screen(time_s, group.entries_s)


def _near(time_s: float, order: Sequence[float], group: Group, tolerance_s: float) -> float:
    next_s = () if group.next_s is None else (group.next_s,)
    for pts_s in (*group.entries_s[:1], *next_s, *group.pts_s):
        if abs(pts_s - time_s) <= tolerance_s:
            return pts_s
    return _on_screen(time_s, order)


class Snap:
    """Wanted times, moved to cheaper frames group by group before these are decoded."""

    def __init__(
        self, wanted: Wanted, *, precision: Precision, tolerance_s: float, stop_s: float
    ) -> None:
        self.precision, self.tolerance_s = precision, tolerance_s
        self._wanted, self._stop_s = wanted, stop_s
        self._chosen: set[float] = set()
        self._listed = Listed()
        self._blind = False

    def settle(self, group: Group, until_s: float) -> None:
        """Choose the frames for all wanted times before `until_s` that have none yet."""
        until_s = min(until_s, self._stop_s)
        inside = tuple(t for t in group.pts_s if t < self._stop_s)
        if self._blind or not inside:
            return
        next_s = group.next_s if group.next_s is not None and group.next_s < self._stop_s else None
        due = self._wanted.due(until_s)
        self._wanted.wants(until_s, until_s)
        group = Group(pts_s=inside, entries_s=group.entries_s, next_s=next_s)
        found = snapped(due, group, precision=self.precision, tolerance_s=self.tolerance_s)
        for pts_s in found:
            if pts_s not in self._chosen:
                self._chosen.add(pts_s)
                self._listed.add(pts_s)

    def can_do_without(self, between: Sequence[float], group: Group) -> bool:
        """Whether no frame of `between`, shown between two groups, stands for a wanted time."""
        if self.precision is Precision.KEYFRAME or not between:
            return True
        assert group.next_s is not None
        near = (*group.pts_s, group.next_s)
        return all(
            any(abs(pts_s - time_s) <= self.tolerance_s for pts_s in near)
            for time_s in self._wanted.due(group.next_s)
            if time_s >= min(between) - TOLERANCE_S
        )

    def chosen(self, pts_s: float) -> bool:
        """Whether the frame that appears then stands for a wanted time."""
        return pts_s in self._chosen

    def give_up(self) -> None:
        """Packets have no times any more: from here on take the frames on screen."""
        self._blind = True

    def wants(self, pts_s: float, following_s: float) -> bool:
        """Whether the decoded frame on screen from one time to another is to be taken."""
        listed = self._listed.wants(pts_s, following_s)
        return (self._blind and self._wanted.wants(pts_s, following_s)) or listed

    def may_want(self, pts_s: float, end_s: float) -> bool:
        """Never: which packets are wanted, `chosen` says."""
        return False

    def due(self, until_s: float) -> list[float]:
        """Times of chosen frames before this one that were not taken."""
        return self._listed.due(until_s)
