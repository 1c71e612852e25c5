"""Where in a file to begin so that a window of it comes out as it does of the whole file.

Where a seek lands is only a hint: indexes are missing, coarse or wrong, and MPEG-TS has none. So
it is tried on a second opening of the file, by looking at packets alone; what lands too late is
tried from farther back, and in the end the file is read from its start.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Stream

__all__ = ["LEAD_S", "Landing", "SoundStart", "find_landing"]

#: Sound is resampled from so long before a window: far longer than the filter's memory.
LEAD_S = 0.25
# And decoded from so long before it: coded frames build on those before, in MP3 up to ten.
_WARM_UP_S = 1.0
_BACK_S = (0.0, 2.0, 10.0, 60.0)  # how much earlier to try
_MOST_PACKETS = 3000  # looked at after one seek
_ROUNDING = 2  # ticks by which a time may be off


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundStart:
    """Where a sound track begins, and how its samples are parted into frames."""

    start_s: float  #: when its first sample is heard
    rate_hz: int
    first: int  #: samples of its first frame
    size: int  #: of all others; 0 where they differ, or where times are exact by themselves
    rounding_s: float = 0.0  #: by which the times of frames may be off

    def index_of(self, time_s: float) -> int:
        """How many samples precede the frame that is said to begin at `time_s`.

        >>> aac = SoundStart(start_s=0.0, rate_hz=48000, first=1024, size=1024, rounding_s=0.002)
        >>> aac.index_of(0.021), aac.index_of(0.03)
        (1024, 1440)
        """
        stated = (time_s - self.start_s) * self.rate_hz
        if self.size:
            whole = self.first + round((stated - self.first) / self.size) * self.size
            if abs(whole - stated) <= self.rounding_s * self.rate_hz:
                return max(0, whole)
        return max(0, round(stated))


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """How to reach a window."""

    stream: int = -1  #: index of the stream to seek in; -1: read from the start
    ticks: int = 0  #: the time to seek to, in that stream's units
    sound: SoundStart | None = None

    def reach(self, container: InputContainer) -> None:
        """Move a container that nothing was read of yet."""
        if self.stream >= 0:
            container.seek(self.ticks, stream=container.streams[self.stream])


def find_landing(
    opened: Callable[[], InputContainer], wanted: Sequence[Stream], *, start_s: float
) -> Landing:
    """Where to begin so that nothing from `start_s` on is lost.

    Args:
        opened: opens the file once more.
        wanted: streams that will be read.
        start_s: where the window begins.
    """
    timed = [s for s in wanted if s.type != "subtitle"]
    with opened() as probe:
        streams = [probe.streams[s.index] for s in timed]
        sound = next((_sound_start(probe, s) for s in streams if isinstance(s, AudioStream)), None)
        if not streams:
            return Landing()
        main = streams[0]
        lead_s = _WARM_UP_S if any(s.type == "audio" for s in streams) else 0.0
        for back_s in _BACK_S:
            time_s = start_s - lead_s - back_s
            first_s = float((main.start_time or 0) * main.time_base) if main.time_base else 0.0
            if time_s <= first_s or not main.time_base:
                break
            ticks = int(time_s / main.time_base)
            try:
                probe.seek(ticks, stream=main)
                lands = _lands_before(probe, streams, start_s, sound)
            except (EOFError, av.error.FFmpegError):
                break
            if lands:
                return Landing(stream=main.index, ticks=ticks, sound=sound)
    return Landing(sound=sound)


def _lands_before(
    probe: InputContainer, streams: Sequence[Stream], start_s: float, sound: SoundStart | None
) -> bool:
    """Whether what is read from here on holds all that is needed for the window."""
    waiting = {s.index for s in streams}
    heard_s = max(start_s - LEAD_S, sound.start_s if sound else start_s)
    for packet in itertools.islice(probe.demux(*streams), _MOST_PACKETS):
        index, ticks = packet.stream.index, packet.pts if packet.pts is not None else packet.dts
        if index not in waiting or ticks is None or not packet.time_base:
            continue
        at_s = float(ticks * packet.time_base)
        if packet.stream.type == "audio":
            if at_s > heard_s:
                return False
        elif at_s > start_s:
            return False
        elif not packet.is_keyframe:
            continue
        waiting.discard(index)
        if not waiting:
            return True
    return False


def _sound_start(probe: InputContainer, stream: AudioStream) -> SoundStart | None:
    """How the track begins, by its first three frames; None where that cannot be told."""
    frames = list(itertools.islice(_frames(probe, stream), 3))
    if not frames or frames[0].pts is None or not frames[0].time_base:
        return None
    first, *others = frames
    sizes = {frame.samples for frame in others}
    exact = first.time_base * first.sample_rate == 1
    return SoundStart(
        start_s=float(first.pts * first.time_base),
        rate_hz=first.sample_rate,
        first=first.samples,
        size=sizes.pop() if len(others) == 2 and len(sizes) == 1 and not exact else 0,
        rounding_s=float(_ROUNDING * first.time_base),
    )


def _frames(probe: InputContainer, stream: AudioStream) -> Iterator[Any]:
    packets = itertools.islice(probe.demux(stream), _MOST_PACKETS)
    while True:
        try:
            yield from next(packets).decode()
        except (StopIteration, EOFError):
            return
        except av.error.FFmpegError:
            continue
