"""Which packets need not become frames: known before they are decoded, from packet times alone.

Most frames of a film are not wanted (24 of 25 at one a second), and in H.264 about half of those
are not referred to by any other. A decoder that is told so skips them at next to no cost, and
every frame that is wanted comes out bit for bit as in a full decode (tested).
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Iterator
from typing import Any

from av.video.stream import VideoStream

__all__ = ["LookAhead", "can_skip"]

# Packets held before one is judged. H.264 reorders at most 16 frames, so the next frame in the
# order of display is among them or was seen just before.
_DEPTH = 20


def can_skip(stream: VideoStream) -> bool:
    """Whether unwanted frames of this stream may be skipped without changing the others.

    H.264 marks each frame that no other refers to. HEVC's mark holds within one temporal layer
    only. Interlaced material may put two fields, referred to or not, into one frame.
    """
    context = stream.codec_context
    return context.name == "h264" and int(context.field_order) in (0, 1)


class LookAhead:
    """Delays packets until it is known how long each one's frame stays on screen.

    >>> from types import SimpleNamespace as P
    >>> ahead = LookAhead()
    >>> packets = [P(pts=t, time_base=1) for t in (0, 3, 1, 2)]
    >>> [(p.pts, end) for q in packets for p, end in ahead.feed(q)]
    []
    >>> [(p.pts, end) for p, end in ahead.rest()]
    [(0, 1.0), (3, None), (1, 2.0), (2, 3.0)]
    """

    def __init__(self) -> None:
        self._waiting: deque[Any] = deque()
        self._passed: deque[float] = deque(maxlen=_DEPTH)
        self._times: list[float] = []  # of both, sorted
        self._timeless = False

    def feed(self, packet: Any) -> Iterator[tuple[Any, float | None]]:
        """Take a packet in; give those that are ready, each with the end of its frame's time.

        The end is None where it cannot be known: such a packet must be decoded.
        """
        if packet.pts is None or not packet.time_base:
            self._timeless = True  # from here on nothing about the order of display is certain
        else:
            bisect.insort(self._times, float(packet.pts * packet.time_base))
        self._waiting.append(packet)
        if self._timeless:
            yield from self.rest()
        elif len(self._waiting) > _DEPTH:
            yield self._judged()

    def rest(self) -> Iterator[tuple[Any, float | None]]:
        """What is still held."""
        while self._waiting:
            yield self._judged()

    def _judged(self) -> tuple[Any, float | None]:
        packet = self._waiting.popleft()
        if self._timeless:
            return packet, None
        begin = float(packet.pts * packet.time_base)
        after = bisect.bisect_right(self._times, begin)
        end = self._times[after] if after < len(self._times) else None
        if len(self._passed) == _DEPTH:
            del self._times[bisect.bisect_left(self._times, self._passed[0])]
        self._passed.append(begin)
        return packet, end
