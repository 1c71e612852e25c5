"""The state of one pass over a container: packets in, records out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import av
import av.error
from av.container import InputContainer
from av.stream import Stream

from triptych.amounts import counted
from triptych.decode.ahead import Feeder, mark_reader
from triptych.decode.container import Streams, demuxed, pixel_aspect
from triptych.decode.cues import CueReader
from triptych.decode.landing import LEAD_S, Landing
from triptych.decode.lane import Lane, Pictures
from triptych.decode.memory import check_memory
from triptych.decode.picture import PictureStream
from triptych.decode.plan import DecodePlan
from triptych.decode.sampler import Wanted
from triptych.decode.sound import MonoStream
from triptych.decode.spectrogram import RATE_HZ, LogMel
from triptych.records import Cue, Frames, Sound, Spectrogram

__all__ = ["Chunk", "DecodeReport", "OnePass"]

log = logging.getLogger(__name__)

Chunk: TypeAlias = Pictures | Sound | Spectrogram | Cue

_MAX_ERRORS = 1000  # broken packets in a row are one broken file


@dataclass(slots=True)
class DecodeReport:
    """What one pass over a file found."""

    frames_decoded: int = 0  #: that the decoder gave out, which depends on its threads
    frames_sampled: int = 0
    plan: DecodePlan = field(default_factory=DecodePlan)  #: empty where all must be decoded
    packets_unread: int = 0  #: of pictures, that no decoder was given
    errors: int = 0  #: packets that could not be decoded
    end_s: float = 0.0  #: time up to which something was decoded
    partial: bool = False  #: clearly less was read than the container claims
    warnings: list[str] = field(default_factory=list)


class OnePass:
    """A picture stream, a sound stream and cue readers over one demuxer.

    `lanes` has the wanted times and the pixels of the short side of each kind of pictures,
    `rates_hz` at which sound is wanted.
    """

    def __init__(
        self,
        container: InputContainer,
        streams: Streams,
        report: DecodeReport,
        *,
        lanes: Mapping[type[Pictures], tuple[Wanted, int]],
        start_s: float,
        end_s: float,
        turned: Callable[[int], None],
        every_frame: bool = False,
        landing: Landing | None = None,
        rates_hz: Sequence[int] = (RATE_HZ,),
    ) -> None:
        self.container, self.report = container, report
        self.start_s, self.stop_s = start_s, end_s
        # Pictures that are predicted from what was not read are none.
        self._keyless = landing is not None and landing.stream >= 0
        self._lead_s = LEAD_S if landing else 0.0
        self.found = False  #: pictures or sound were decoded
        video = streams.video
        aspect = pixel_aspect(video) if video else 1.0
        made = [
            Lane(kind, sampler=sampler, short_side=short_side, aspect=aspect)
            for kind, (sampler, short_side) in lanes.items()
        ]
        self._picture = PictureStream(made, end_s=end_s, turned=turned)
        self._every_frame = every_frame
        self._feeder: Feeder | None = None
        # Who takes other frames than those on screen has them chosen by the plan.
        if video is not None and lanes and (self._picture.snap or not every_frame):
            read = mark_reader(video)
            self._feeder = Feeder(video, read, self._picture) if read else None
            if self._feeder:
                self._feeder.damaged = every_frame
        self._sounds = [
            MonoStream(
                rate_hz=rate_hz,
                file_bytes=container.size,
                begin=landing.sound if landing else None,
                start_s=start_s if landing else float("-inf"),
                end_s=end_s,
            )
            for rate_hz in rates_hz
        ]
        self._log_mel = LogMel()
        self._cues = {
            s.index: CueReader(s.codec_context.name, language=s.language or "und")
            for s in streams.text
        }
        self._past: set[int] = set()

    @property
    def end_s(self) -> float:
        """Time up to which pictures or sound were decoded."""
        heard = [min(sound.end_s or 0.0, self.stop_s) for sound in self._sounds]
        return max([self._picture.end_s, *heard])

    @property
    def stopped(self) -> bool:
        """Whether something came that is past the end of what was asked for."""
        return bool(self._past)

    @property
    def no_picture(self) -> bool:
        """Whether not one frame was decoded."""
        return self.report.frames_decoded == 0

    @property
    def no_sound(self) -> bool:
        """Whether not one sample was decoded."""
        return all(sound.end_s is None for sound in self._sounds)

    def complaints(self) -> list[str]:
        """Oddities worth a warning."""
        said = list(self._picture.complaints())
        for sound in self._sounds[:1]:  # all rates hear the same
            if sound.overlaps:
                said.append(f"{sound.overlaps} sound frames overlap others in time")
            if sound.disbelieved_s:
                said.append(
                    f"holes of {sound.disbelieved_s:.0f} s in the sound were closed: there is "
                    "too little in this file for its times to be true"
                )
        dropped = sum(reader.dropped for reader in self._cues.values())
        if dropped:
            said.append(f"{counted(dropped, 'embedded cue')} could not be read")
        return said

    def chunks(self, wanted: Sequence[Stream]) -> Iterator[Chunk]:
        """Demux, decode, and pass on."""
        report, in_a_row = self.report, 0
        timed = {s.index for s in wanted if s.type != "subtitle"}
        packets = demuxed(self.container, *wanted)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, EOFError):
                break
            except av.error.FFmpegError as err:
                _check_memory()
                report.errors += 1
                report.warnings.append(f"reading stopped early: {err.strerror}")
                break
            if packet.stream.index in self._past:
                continue
            if self._keyless and packet.stream.type == "video":
                if not packet.is_keyframe:
                    continue
                self._keyless = False
            for ready in self._in_turn(packet):
                try:
                    for chunk in self._decode(ready):
                        self.found = self.found or not isinstance(chunk, Cue)
                        yield chunk
                    in_a_row = 0
                except av.error.FFmpegError as err:
                    _check_memory(ready.stream)
                    log.debug("%s: packet at %s: %s", self.container.name, ready.pts, err)
                    report.errors += not self._is_early(ready)
                    in_a_row += 1
            if in_a_row >= _MAX_ERRORS or (timed and timed <= self._past):
                break
        if self._feeder is not None:
            report.plan, report.packets_unread = self._feeder.plan, self._feeder.unread
        yield from self._finish()

    def _in_turn(self, packet: av.Packet[Any]) -> Iterator[av.Packet[Any]]:
        """Packets to decode now; those of pictures are held until it is known who wants them."""
        feeder = self._feeder
        if feeder is None or packet.stream.type != "video":
            yield packet
            return
        flush = packet.dts is None and packet.size == 0
        for ready in feeder.rest() if flush else feeder.feed(packet):
            yield ready
            feeder.damaged = self._every_frame or self.report.errors > 0
            if packet.stream.index in self._past:
                break
        if flush:
            yield packet

    def _decode(self, packet: av.Packet[Any]) -> Iterator[Chunk]:
        kind, index = packet.stream.type, packet.stream.index
        if kind == "subtitle":
            for cue in self._cues[index].feed(packet):
                if cue.end_s > self.start_s and cue.start_s < self.stop_s:
                    yield cue
            return
        decoded: list[Any] = packet.decode()
        for frame in decoded:
            if isinstance(frame, av.VideoFrame):
                self.report.frames_decoded += 1
                for pictures in self._picture.feed(frame):
                    yield self._counted(pictures)
                if self._picture.past:
                    self._past.add(index)
                    return
            else:
                if self._after_stop(frame):
                    self._past.add(index)
                    return
                if not self._before_start(frame):
                    yield from self._heard(frame)

    def _after_stop(self, frame: av.AudioFrame) -> bool:
        return frame.time is not None and frame.time >= self.stop_s + LEAD_S

    def _before_start(self, frame: av.AudioFrame) -> bool:
        length = frame.samples / frame.sample_rate if frame.sample_rate else 0.0
        return frame.time is not None and frame.time + length <= self.start_s - self._lead_s

    def _is_early(self, packet: av.Packet[Any]) -> bool:
        """Whether a packet is only read to have the decoder ready for the window."""
        ticks, tick = packet.pts, packet.time_base
        return (
            ticks is not None and bool(tick) and float(ticks * tick) < self.start_s - self._lead_s
        )

    def _heard(self, frame: av.AudioFrame) -> Iterator[Chunk]:
        pts = frame.pts
        for stream in self._sounds:
            frame.pts = pts  # each takes it off
            for sound in stream.feed(frame):
                yield from self._with_log_mel(sound)

    def _with_log_mel(self, sound: Sound) -> Iterator[Chunk]:
        yield sound
        if sound.rate_hz == RATE_HZ and (columns := self._log_mel.feed(sound)):
            yield columns

    def _counted(self, pictures: Pictures) -> Pictures:
        if isinstance(pictures, Frames):
            self.report.frames_sampled += len(pictures.pts_s)
        return pictures

    def _finish(self) -> Iterator[Chunk]:
        for pictures in self._picture.finish():
            self.found = True
            yield self._counted(pictures)
        for stream in self._sounds:
            for sound in stream.finish():
                self.found = True
                yield from self._with_log_mel(sound)
        if columns := self._log_mel.finish():
            yield columns
        for reader in self._cues.values():
            for cue in reader.finish():
                if cue.end_s > self.start_s and cue.start_s < self.stop_s:
                    yield cue


def _check_memory(stream: Stream | None = None) -> None:
    check_memory(getattr(stream, "width", 0) * getattr(stream, "height", 0))
