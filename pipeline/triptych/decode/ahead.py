"""Packets of pictures on their way to the decoder, less those that nobody needs.

A decoder that was left out of some packets is emptied and begins anew at the next group of
pictures; every frame that is wanted comes out bit for bit as in a full decode (tested).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from triptych.decode.bitstream import HEAD_BYTES, PLAIN, Reader, reader_of
from triptych.decode.clock import STEP_S
from triptych.decode.container import demuxed
from triptych.decode.picture import PictureStream
from triptych.decode.plan import DecodePlan, Fact, Judged, Planner, Reason
from triptych.decode.sampling import Film

__all__ = ["Feeder", "fact_of", "facts_of", "film_of", "mark_reader"]

# Two fields, referred to or not, may be one frame in two packets or in one.
_PROGRESSIVE = (0, 1)  # or not said


def mark_reader(stream: VideoStream) -> Reader | None:
    """How to tell which packets of a stream are needed; None where all must be decoded."""
    context = stream.codec_context
    if int(context.field_order) not in _PROGRESSIVE:
        return None
    # Elsewhere one packet may hold two pictures, and the next one none.
    if context.name == "mpeg4" and not stream.container.format.name.startswith("mov"):
        return None
    return reader_of(context.name, extradata=bytes(context.extradata or b""))


def fact_of(packet: av.Packet[Any], read: Reader | None, tick: Fraction | None) -> Fact:
    """What is known of a packet before it is decoded.

    Args:
        packet: of pictures.
        read: how to read its headers; None for a codec that must be decoded whole.
        tick: the stream's time base in seconds; a packet's own costs more to ask for.
    """
    pts = packet.pts
    mark = read(bytes(memoryview(packet)[:HEAD_BYTES])) if read and packet.size else PLAIN
    if mark.entry and not packet.is_keyframe:
        mark = PLAIN
    # The same doubles as Fraction arithmetic gives, at a tenth of its cost.
    over, under = (tick.numerator, tick.denominator) if tick else (0, 1)
    return Fact(
        pts_s=pts * over / under if pts is not None and tick else None,
        length_s=(packet.duration or 0) * over / under,
        mark=mark,
        shown=not packet.is_discard,
        needed=read is None or packet.is_corrupt or _carries_parameters(packet),
        size=packet.size,
    )


def _carries_parameters(packet: av.Packet[Any]) -> bool:
    return any(True for _ in packet.iter_sidedata()) and packet.has_sidedata("new_extradata")


def facts_of(container: InputContainer, stream: VideoStream) -> Iterator[Fact]:
    """The same for all packets of a stream, up to the first place that cannot be read."""
    read = mark_reader(stream)
    for packet in _packets(container, stream):
        yield fact_of(packet, read, stream.time_base)


def film_of(
    container: InputContainer,
    stream: VideoStream,
    *,
    start_s: float,
    stop_s: float,
    origin_s: float,
) -> Film:
    """When the pictures of a window begin and end, and which are key frames.

    Args:
        container: from which packets are read on from where it stands.
        stream: the pictures.
        start_s: the window begins here.
        stop_s: and ends before this time.
        origin_s: where players say 0:00.
    """
    first_s, before_s, last_s, stays_s = math.inf, -math.inf, -math.inf, 0.0
    keys_s: set[float] = set()
    tick = stream.time_base
    for packet in _packets(container, stream):
        ticks = packet.dts if packet.pts is None else packet.pts
        time_s = last_s + STEP_S if last_s > -math.inf else 0.0
        if ticks is not None and tick:
            time_s = ticks * tick.numerator / tick.denominator
        if packet.dts is not None and tick and float(packet.dts * tick) >= stop_s:
            break  # no picture is shown before it is decoded
        if packet.is_discard or time_s >= stop_s:
            continue
        length_s = float((packet.duration or 0) * tick) if tick else 0.0
        first_s = min(first_s, time_s)
        if time_s > last_s:
            before_s, last_s, stays_s = last_s, time_s, length_s
        elif time_s < last_s:
            before_s = max(before_s, time_s)
        if packet.is_keyframe:
            keys_s.add(time_s)
    if first_s == math.inf:
        return Film(start_s=start_s, end_s=start_s, origin_s=origin_s)
    end_s = last_s + (stays_s or (last_s - before_s if before_s > -math.inf else STEP_S))
    first_s = max(first_s, start_s)
    return Film(
        start_s=first_s,
        end_s=max(first_s, min(end_s, stop_s)),
        origin_s=origin_s,
        keys_s=tuple(sorted(keys_s)),
    )


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet[Any]]:
    """All up to the first place that cannot be read."""
    try:
        for packet in demuxed(container, stream):
            if packet.size:
                yield packet
    except (EOFError, av.error.FFmpegError):
        return


class Feeder:
    """Between the demuxer and the decoder of pictures."""

    def __init__(self, stream: VideoStream, read: Reader, picture: PictureStream) -> None:
        self.unread = 0  #: packets that the decoder was never given
        self.damaged = False  #: what hides damage depends on all frames: pass over none
        self._stream, self._read, self._picture = stream, read, picture
        self._tick = stream.time_base
        self._planner = Planner(picture.wants, snap=picture.snap)
        self._empty = True  # the decoder holds nothing of earlier packets
        self._reasons: Counter[Reason] = Counter()
        self._lost = False  # it missed packets that those up to the next group may need
        self._anew = False  # it began with this group

    @property
    def plan(self) -> DecodePlan:
        """What was planned so far."""
        return DecodePlan(reasons=dict(self._reasons))

    def feed(self, packet: av.Packet[Any]) -> Iterator[av.Packet[Any]]:
        """Packets to decode now, in order; each must be decoded before the next is asked for."""
        for judged in self._planner.feed(packet, fact_of(packet, self._read, self._tick)):
            yield from self._given(judged)

    def rest(self) -> Iterator[av.Packet[Any]]:
        """The same at the end of the film."""
        for judged in self._planner.rest():
            yield from self._given(judged)

    def _given(self, judged: Judged) -> Iterator[av.Packet[Any]]:
        packet, reason, context = judged.item, judged.reason, self._stream.codec_context
        self._reasons[reason] += 1
        if judged.opens:
            self._anew, self._lost = self._lost, False
        pass_over = not reason.decoded and not self.damaged and self._picture.certain
        if self._lost or (pass_over and reason in (Reason.GROUP, Reason.TAIL)):
            if not self._empty:
                yield self._drain(packet)
                context.flush_buffers()
                self._empty = True
            self._lost = True
            self._leave(judged)
        elif reason is Reason.LEADING and (pass_over or self._anew):
            self._leave(judged)
        else:
            skip = pass_over and reason is Reason.SPARE
            context.skip_frame = "NONREF" if skip else "DEFAULT"
            if skip:
                self._pass_over(judged)
            self._empty = False
            yield packet

    def _drain(self, like: av.Packet[Any]) -> av.Packet[Any]:
        """A packet that makes the decoder give up the frames that it holds back."""
        self._stream.codec_context.skip_frame = "DEFAULT"
        drain: av.Packet[Any] = av.Packet()
        drain.stream, drain.time_base = self._stream, like.time_base
        return drain

    def _leave(self, judged: Judged) -> None:
        self.unread += 1
        self._pass_over(judged)

    def _pass_over(self, judged: Judged) -> None:
        fact = judged.fact
        if fact.shown and fact.pts_s is not None:
            self._picture.pass_over(fact.pts_s, fact.length_s)
