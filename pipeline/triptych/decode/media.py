"""One pass over a container: frames, sound, spectrogram and cues for every consumer at once."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

import av
import av.error
from av.container import InputContainer
from av.stream import Stream

from triptych.decode.container import (
    Streams,
    choose_streams,
    describe,
    open_container,
    pixel_aspect,
)
from triptych.decode.cues import CueReader
from triptych.decode.picture import PictureStream
from triptych.decode.sound import MonoStream
from triptych.decode.spectrogram import RATE_HZ, LogMel
from triptych.errors import DecodeError
from triptych.records import Cue, Frames, MediaInfo, Sound, Spectrogram

__all__ = ["Chunk", "DecodeReport", "Media", "open_media"]

log = logging.getLogger(__name__)

Chunk: TypeAlias = Frames | Sound | Spectrogram | Cue

_MAX_ERRORS = 1000  # broken packets in a row are one broken file
_COMPLETE = 0.95  # a claimed duration is rarely exact


@dataclass(slots=True)
class DecodeReport:
    """What one pass over a file found."""

    frames_decoded: int = 0
    frames_sampled: int = 0
    errors: int = 0  #: packets that could not be decoded
    end_s: float = 0.0  #: time up to which something was decoded
    partial: bool = False  #: clearly less was read than the container claims
    warnings: list[str] = field(default_factory=list)


def open_media(
    path: str | os.PathLike[str],
    *,
    threads: int = 1,
    language: str = "",
    max_pixels: int = 8192 * 8192,
) -> Media:
    """Open a video or sound file.

    Args:
        path: the file.
        threads: decoder threads; a folder is worked through faster with one a file.
        language: three-letter code of the preferred sound track.
        max_pixels: larger pictures are refused.

    Raises:
        InputError: the file is missing or unreadable.
        NotMediaError: it is no media file, or has neither pictures nor sound.
        DecodeError: it is damaged beyond opening, or larger than `max_pixels`.
    """
    return Media(Path(path), threads=threads, language=language, max_pixels=max_pixels)


class Media:
    """An open media file; use it as a context manager."""

    def __init__(self, path: Path, *, threads: int, language: str, max_pixels: int) -> None:
        self.path = path
        self.report = DecodeReport()
        self._container: InputContainer = open_container(path)
        try:
            self.streams: Streams = choose_streams(self._container, language=language)
            self._check(max_pixels)
            self._info = describe(self._container, self.streams, path, rotation=0)
            self._rotation_known = self.streams.video is None
            if self.streams.video is not None:
                self.streams.video.codec_context.thread_count = threads
                self.streams.video.thread_type = "AUTO" if threads != 1 else "SLICE"
                # A picture may grow midway; the decoder refuses it before memory is taken.
                self.streams.video.codec_context.options = {"max_pixels": str(max_pixels)}
        except BaseException:
            self._container.close()
            raise

    def _check(self, max_pixels: int) -> None:
        video = self.streams.video
        if video is None and self.streams.audio is None:
            holds = "; ".join(self.streams.ignored) or "nothing"
            raise DecodeError(
                f"no pictures and no sound that could be read: it holds {holds}",
                path=self.path,
                remedy="if it should hold a film, it may be truncated; copy or download it again",
            )
        if video is not None and video.width * video.height > max_pixels:
            raise DecodeError(
                f"pictures of {video.width}x{video.height} are over the limit",
                path=self.path,
                remedy=f"raise decode.max_pixels (now {max_pixels})",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the decoders and the file."""
        self._container.close()

    @property
    def info(self) -> MediaInfo:
        """What the container says of itself; the rotation needs a look at the first frame."""
        if not self._rotation_known:
            with open_container(self.path) as probe:
                frame = _first_frame(probe, self.streams.video)
            self._turned(frame.rotation if frame else 0)
        return self._info

    def _turned(self, rotation: int) -> None:
        self._rotation_known = True
        self._info = dataclasses.replace(
            describe(self._container, self.streams, self.path, rotation), rotation=rotation
        )

    def stream(
        self,
        *,
        fps: float = 1.0,
        short_side: int = 256,
        pictures: bool = True,
        sound: bool = True,
        text: bool = True,
        start_s: float | None = None,
        end_s: float | None = None,
        max_duration_s: float = float("inf"),
    ) -> Iterator[Chunk]:
        """Decode once; yield what is found in the order in which it is stored.

        Frames come at `fps` by presentation time, scaled so that the short side has
        `short_side` pixels (never enlarged), upright; sound as mono at 16 kHz in chunks of
        10 s, each followed by the log-mel columns it completes; cues one by one.

        Args:
            fps: sampled frames a second.
            short_side: pixels.
            pictures: whether to decode pictures; likewise `sound` and `text`.
            start_s: begin here, in seconds on the container's clock.
            end_s: stop before this time.
            max_duration_s: stop, with a warning, after this much of the file.

        Raises:
            DecodeError: nothing at all could be decoded.
        """
        chosen = self.streams
        wanted: list[Stream] = []
        if pictures and chosen.video is not None:
            wanted.append(chosen.video)
        if sound and chosen.audio is not None:
            wanted.append(chosen.audio)
        if text:
            wanted.extend(chosen.text)
        if not wanted:
            return
        begin = self._info.start_s if start_s is None else start_s
        limit = begin + max_duration_s
        stop = min(limit, float("inf") if end_s is None else end_s)
        run = _Pass(self, fps=fps, short_side=short_side, start_s=begin, end_s=stop)
        if start_s is not None and start_s > self._info.start_s:
            self._container.seek(int(start_s * av.time_base), backward=True, any_frame=False)
        yield from run.chunks(wanted)
        self._conclude(run, wanted, begin, min(stop, begin + self._claimed(begin)), limit)

    def _claimed(self, begin: float) -> float:
        duration = self._info.duration_s
        return max(0.0, self._info.start_s + duration - begin) if duration else 0.0

    def _conclude(
        self, run: _Pass, wanted: Sequence[Stream], begin: float, claimed_end: float, limit: float
    ) -> None:
        """Say plainly what was not read."""
        report = self.report
        report.end_s = max(report.end_s, run.end_s)
        if not run.found and any(s.type != "subtitle" for s in wanted):
            raise DecodeError(
                f"nothing could be decoded ({report.errors} broken packets)",
                path=self.path,
                remedy="the file may be truncated; copy or download it again",
            )
        for stream, missing in (
            (self.streams.video, run.no_picture),
            (self.streams.audio, run.no_sound),
        ):
            if stream is not None and stream in wanted and missing:
                report.partial = True
                report.warnings.append(f"nothing of the {stream.type} stream could be decoded")
        if report.errors:
            report.warnings.append(f"{report.errors} packets could not be decoded")
        report.warnings.extend(run.complaints())
        read, claimed = report.end_s - begin, claimed_end - begin
        if claimed >= limit - begin and limit != float("inf"):
            report.warnings.append(f"stopped at decode.max_duration_s: {limit - begin:.0f} s")
        elif read < _COMPLETE * claimed and claimed - read > 0.5:
            report.partial = True
            report.warnings.append(
                f"only {read:.1f} s of the claimed {claimed:.1f} s could be read"
            )


def _first_frame(container: InputContainer, like: Stream | None) -> av.VideoFrame | None:
    assert like is not None
    try:
        return next(container.decode(container.streams[like.index]), None)  # type: ignore[return-value]
    except av.error.FFmpegError:
        return None  # the pass over the file will count and report the same error


class _Pass:
    """State of one pass: a picture stream, a sound stream, cue readers."""

    def __init__(
        self, media: Media, *, fps: float, short_side: int, start_s: float, end_s: float
    ) -> None:
        self.media = media
        self.start_s, self.stop_s = start_s, end_s
        self.found = False
        video = media.streams.video
        self._picture = PictureStream(
            fps=fps,
            short_side=short_side,
            aspect=pixel_aspect(video) if video else 1.0,
            start_s=start_s,
            end_s=end_s,
            turned=media._turned,
        )
        self._sound = MonoStream(rate_hz=RATE_HZ)
        self._log_mel = LogMel()
        self._cues = {
            s.index: CueReader(s.codec_context.name, language=s.language or "und")
            for s in media.streams.text
        }
        self._past: set[int] = set()

    @property
    def end_s(self) -> float:
        """Time up to which pictures or sound were decoded."""
        ends = [self._picture.end_s, min(self._sound.end_s or 0.0, self.stop_s)]
        return max(ends)

    @property
    def no_picture(self) -> bool:
        """Whether not one frame was decoded."""
        return self.media.report.frames_decoded == 0

    @property
    def no_sound(self) -> bool:
        """Whether not one sample was decoded."""
        return self._sound.end_s is None

    def complaints(self) -> list[str]:
        """Oddities worth a warning."""
        said = list(self._picture.complaints())
        if self._sound.overlaps:
            said.append(f"{self._sound.overlaps} sound frames overlap others in time")
        dropped = sum(reader.dropped for reader in self._cues.values())
        if dropped:
            said.append(f"{dropped} embedded cues could not be read")
        return said

    def chunks(self, wanted: Sequence[Stream]) -> Iterator[Chunk]:
        """Demux, decode, and pass on."""
        report, in_a_row = self.media.report, 0
        timed = {s.index for s in wanted if s.type != "subtitle"}
        packets = self.media._container.demux(*wanted)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, EOFError):
                break
            except av.error.FFmpegError as err:
                report.errors += 1
                report.warnings.append(f"reading stopped early: {err.strerror}")
                break
            if packet.stream.index in self._past:
                continue
            try:
                for chunk in self._decode(packet):
                    self.found = self.found or not isinstance(chunk, Cue)
                    yield chunk
                in_a_row = 0
            except av.error.FFmpegError as err:
                log.debug("%s: packet at %s: %s", self.media.path, packet.pts, err)
                report.errors += 1
                in_a_row += 1
                if in_a_row >= _MAX_ERRORS:
                    break
            if timed and timed <= self._past:
                break
        yield from self._finish()

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
                self.media.report.frames_decoded += 1
                if frames := self._picture.feed(frame):
                    yield from self._count(frames)
                if self._picture.past:
                    self._past.add(index)
                    return
            else:
                if self._after_stop(frame):
                    self._past.add(index)
                    return
                if not self._before_start(frame):
                    for sound in self._sound.feed(frame):
                        yield from self._with_log_mel(sound)

    def _after_stop(self, frame: av.AudioFrame) -> bool:
        return frame.time is not None and frame.time >= self.stop_s

    def _before_start(self, frame: av.AudioFrame) -> bool:
        length = frame.samples / frame.sample_rate if frame.sample_rate else 0.0
        return frame.time is not None and frame.time + length <= self.start_s

    def _with_log_mel(self, sound: Sound) -> Iterator[Chunk]:
        yield sound
        if columns := self._log_mel.feed(sound):
            yield columns

    def _count(self, frames: Frames) -> Iterator[Frames]:
        self.media.report.frames_sampled += len(frames.pts_s)
        yield frames

    def _finish(self) -> Iterator[Chunk]:
        for frames in self._picture.finish():
            self.found = True
            yield from self._count(frames)
        for sound in self._sound.finish():
            self.found = True
            yield from self._with_log_mel(sound)
        if columns := self._log_mel.finish():
            yield columns
        for reader in self._cues.values():
            for cue in reader.finish():
                if cue.start_s < self.stop_s:
                    yield cue
