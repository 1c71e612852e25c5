"""One pass over a container: frames, sound, spectrogram and cues for every consumer at once."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.error
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from triptych.amounts import counted
from triptych.decode.ahead import facts_of, film_of, mark_reader
from triptych.decode.container import Streams, choose_streams, describe, open_container, remarks
from triptych.decode.landing import find_landing
from triptych.decode.lane import Pictures
from triptych.decode.onepass import Chunk, DecodeReport, OnePass
from triptych.decode.parameters import RATE_HZ
from triptych.decode.plan import DecodePlan, plan
from triptych.decode.precision import Precision, Snap
from triptych.decode.sampler import Listed, Sampler, Wanted
from triptych.decode.sampling import TOLERANCE_S, Every, Film, Fps, Policy, Times
from triptych.errors import DecodeError
from triptych.records import FRAMES, Frames, Glances, Luma, MediaInfo

__all__ = ["Chunk", "DecodeReport", "Media", "open_media"]

# Times may lie. A film is believed to last ten minutes, and a second more for each so many bytes:
# less than a picture of a few kB every ten minutes.
_TRUSTED_S, _TRUSTED_BYTES = 600.0, 10
_COMPLETE = 0.95  # a claimed duration is rarely exact


def open_media(
    path: str | os.PathLike[str],
    *,
    threads: int = 1,
    language: str = "",
    max_pixels: int = 8192 * 8192,
    frames_fps: float | None = None,
) -> Media:
    """Open a video or sound file, or a folder of numbered pictures.

    Args:
        path: the file, or the folder.
        threads: decoder threads. With more than one, damaged pictures are not always alike.
        language: three-letter code of the preferred sound track.
        max_pixels: larger pictures are refused.
        frames_fps: pictures a second; needed for a folder, of no use for a file.

    Raises:
        InputError: the file is missing or unreadable.
        NotMediaError: it is no media file, or has neither pictures nor sound.
        DecodeError: it is damaged beyond opening, or larger than `max_pixels`.
    """
    return Media(
        Path(path),
        threads=threads,
        language=language,
        max_pixels=max_pixels,
        frames_fps=frames_fps,
    )


class Media:
    """An open media file; use it as a context manager."""

    def __init__(
        self,
        path: Path,
        *,
        threads: int,
        language: str,
        max_pixels: int,
        frames_fps: float | None = None,
    ) -> None:
        self.path = path
        self.report = DecodeReport()
        self._open = partial(open_container, path, frames_fps=frames_fps)
        self._container: InputContainer = self._open()
        try:
            self.streams: Streams = choose_streams(self._container, language=language)
            self._check(max_pixels)
            self.report.warnings += remarks(self._container, self.streams)
            self._info = describe(self._container, self.streams, path, rotation=0)
            if path.is_dir():
                self._info = dataclasses.replace(self._info, container=FRAMES, fps=frames_fps)
            self._rotation_known = self.streams.video is None
            self._video_index = self.streams.video.index if self.streams.video else -1
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
            with self._open() as probe:
                frame = _first_frame(probe, self._video_index)
            self._turned(frame.rotation if frame else 0)
        return self._info

    def _turned(self, rotation: int) -> None:
        if self._rotation_known:
            return
        self._rotation_known = True
        size = (self._info.width, self._info.height)
        width, height = size[::-1] if rotation % 180 else size
        self._info = dataclasses.replace(self._info, width=width, height=height, rotation=rotation)

    def stream(
        self,
        *,
        fps: float = 1.0,
        sample: Policy | None = None,
        precision: Precision = Precision.EXACT,
        tolerance_s: float = 0.5,
        short_side: int = 256,
        pictures: bool = True,
        sound: bool = True,
        text: bool = True,
        dense_fps: float | None = None,
        dense_side: int = 128,
        glance_fps: float | None = None,
        glance_side: int = 36,
        also: Mapping[type[Pictures], tuple[float, int]] | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
        max_duration_s: float = float("inf"),
        every_frame: bool = False,
        rates_hz: Sequence[int] = (RATE_HZ,),
    ) -> Iterator[Chunk]:
        """Decode once; yield what is found in the order in which it is stored.

        Frames come at `fps`, or as `sample` says, by presentation time, scaled so that the short
        side has `short_side` pixels (never enlarged), upright; sound as mono at 16 kHz in chunks of
        10 s, each followed by the log-mel columns it completes; cues one by one. With
        `dense_fps`, small grey frames come too; with `glance_fps`, tiny coloured ones. Frames
        that none of them wants and no wanted one is predicted from are not decoded, where the
        codec is known well enough.

        Args:
            fps: sampled frames a second: short for `sample=Fps(fps)`.
            sample: which frames; see `triptych.decode.sampling`.
            precision: which frame stands for a wanted time; where too little is known of a codec,
                the one on screen, with a warning. Frames carry their own times.
            tolerance_s: how far from its time a frame may be, if `precision` is `near`.
            short_side: pixels.
            pictures: whether to decode pictures; likewise `sound` and `text`.
            dense_fps: grey frames a second, also without `pictures`; None for none of them.
            dense_side: pixels of their short side.
            glance_fps: tiny pictures a second, also without `pictures`; None for none of them.
            glance_side: pixels of their short side.
            also: more kinds of pictures -> how many a second, and pixels of their short side.
            start_s: begin here, in seconds on the container's clock.
            end_s: stop before this time.
            max_duration_s: stop, with a warning, after this much of the file.
            every_frame: decode also what nobody needs; what comes out is the same, later.
            rates_hz: of sound; each comes in chunks of its own, and 16 kHz with its log-mel.

        Raises:
            DecodeError: nothing at all could be decoded.
        """
        chosen = self.streams
        wanted: list[Stream] = []
        some = pictures or also or dense_fps is not None or glance_fps is not None
        if some and chosen.video is not None:
            wanted.append(chosen.video)
        if sound and chosen.audio is not None:
            wanted.append(chosen.audio)
        if text:
            wanted.extend(chosen.text)
        if not wanted:
            return
        begin = self._info.start_s if start_s is None else start_s
        duration = self._info.duration_s
        if start_s is not None and duration and start_s >= self._info.start_s + duration:
            raise DecodeError(
                f"the window begins after the end: the film lasts {duration:.1f} s",
                path=self.path,
                remedy="correct start and end in the manifest",
            )
        limit = begin + max_duration_s
        stop = min(limit, float("inf") if end_s is None else end_s)
        lanes: dict[type[Pictures], tuple[Wanted, int]] = {}
        if pictures and chosen.video is not None:
            times = self._wanted(sample or Fps(fps), begin, stop)
            lanes[Frames] = (self._snapped(times, precision, tolerance_s, stop), short_side)
        if dense_fps is not None:
            lanes[Luma] = (Sampler(fps=dense_fps, start_s=begin), dense_side)
        if glance_fps is not None:
            lanes[Glances] = (Sampler(fps=glance_fps, start_s=begin), glance_side)
        for kind, (rate, side) in (also or {}).items():
            lanes[kind] = (Sampler(fps=rate, start_s=begin), side)
        believed = self._believed_until()
        landing = None
        if start_s is not None and start_s > self._info.start_s:
            landing = find_landing(self._open, wanted, start_s=start_s)
            landing.reach(self._container)
        run = OnePass(
            self._container,
            chosen,
            self.report,
            lanes=lanes,
            start_s=begin,
            end_s=min(stop, believed),
            turned=self._turned,
            every_frame=every_frame,
            landing=landing,
            rates_hz=rates_hz,
        )
        yield from run.chunks(wanted)
        if run.stopped and believed < stop:
            self.report.partial = True
            self.report.warnings.append(
                f"what is said to come after {believed - self._info.start_s:.0f} s was left out: "
                "there is too little in this file for its times to be true"
            )
        self._conclude(run, wanted, begin, min(stop, begin + self._claimed(begin)), limit)

    def plan(
        self,
        *,
        fps: float = 1.0,
        sample: Policy | None = None,
        precision: Precision = Precision.EXACT,
        tolerance_s: float = 0.5,
        dense_fps: float | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
    ) -> DecodePlan:
        """Which packets of the pictures `stream` would decode: a look at their headers alone.

        Until the first frame has come out of the decoder `stream` leaves out nothing, so that it
        decodes a few more.

        Args:
            fps: as in `stream`; likewise `sample`, `precision` and `tolerance_s`.
            dense_fps: grey frames a second, None for none of them.
            start_s: the window begins here.
            end_s: the window ends before this time.
        """
        if self.streams.video is None:
            return DecodePlan()
        begin = self._info.start_s if start_s is None else start_s
        stop = float("inf") if end_s is None else end_s
        times = self._wanted(sample or Fps(fps), begin, stop)
        samplers = [self._snapped(times, precision, tolerance_s, stop)]
        if dense_fps is not None:
            samplers.append(Sampler(fps=dense_fps, start_s=begin))
        with self._probe() as (probe, stream):
            return plan(
                facts_of(probe, stream),
                wants=lambda pts_s, until_s: (
                    pts_s < stop and any(s.may_want(pts_s, until_s) for s in samplers)
                ),
                snap=next((s for s in samplers if isinstance(s, Snap)), None),
            )

    def film(self, *, start_s: float | None = None, end_s: float | None = None) -> Film:
        """What the times of the packets of pictures say: where they begin and end.

        Raises:
            DecodeError: there are no pictures.
        """
        if self.streams.video is None:
            raise DecodeError(
                "no pictures, so that none can be sampled", path=self.path, remedy="give a film"
            )
        begin = self._info.start_s if start_s is None else start_s
        return self._film(begin, float("inf") if end_s is None else end_s)

    def _film(self, begin: float, stop: float) -> Film:
        with self._probe() as (probe, stream):
            if begin > self._info.start_s:
                find_landing(self._open, [stream], start_s=begin).reach(probe)
            return film_of(probe, stream, start_s=begin, stop_s=stop, origin_s=self._info.start_s)

    @contextlib.contextmanager
    def _probe(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        with self._open() as probe:
            stream = probe.streams[self._video_index]
            assert isinstance(stream, VideoStream)
            yield probe, stream

    def _wanted(self, policy: Policy, begin: float, stop: float) -> Wanted:
        if isinstance(policy, Fps):
            return Sampler(fps=policy.fps, start_s=begin)
        if isinstance(policy, Every):
            return Sampler(fps=1 / policy.seconds, start_s=begin)
        if isinstance(policy, Times):  # these need no look at the film
            film = Film(start_s=begin, end_s=stop, origin_s=self._info.start_s)
        else:
            film = self._film(begin, stop)
        return Listed([t for t in policy.times(film) if t >= begin - TOLERANCE_S])

    def _snapped(
        self, times: Wanted, precision: Precision, tolerance_s: float, stop: float
    ) -> Wanted:
        precision = Precision(precision)
        if precision is Precision.EXACT or self.streams.video is None:
            return times
        if mark_reader(self.streams.video) is None:
            said = f"{self._info.video}: too little is known to take any frame but that on screen"
            if said not in self.report.warnings:
                self.report.warnings.append(said)
            return times
        return Snap(times, precision=precision, tolerance_s=tolerance_s, stop_s=stop)

    def _believed_until(self) -> float:
        """The latest time that a film of so few bytes may speak of."""
        if self._info.container == FRAMES:  # whoever gave the rate knows
            return float("inf")
        return self._info.start_s + _TRUSTED_S + self._container.size / _TRUSTED_BYTES

    def _claimed(self, begin: float) -> float:
        duration = self._info.duration_s
        return max(0.0, self._info.start_s + duration - begin) if duration else 0.0

    def _conclude(
        self, run: OnePass, wanted: Sequence[Stream], begin: float, claimed_end: float, limit: float
    ) -> None:
        """Say plainly what was not read."""
        report = self.report
        report.end_s = max(report.end_s, run.end_s)
        if not run.found and any(s.type != "subtitle" for s in wanted):
            raise DecodeError(
                f"nothing could be decoded ({counted(report.errors, 'broken packet')})",
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
            report.warnings.append(f"{counted(report.errors, 'packet')} could not be decoded")
        report.warnings.extend(run.complaints())
        read, claimed = report.end_s - begin, claimed_end - begin
        if claimed >= limit - begin and limit != float("inf"):
            report.warnings.append(f"stopped at decode.max_duration_s: {limit - begin:.0f} s")
        elif read < _COMPLETE * claimed and claimed - read > 0.5:
            report.partial = True
            report.warnings.append(
                f"only {read:.1f} s of the claimed {claimed:.1f} s could be read"
            )


def _first_frame(container: InputContainer, index: int) -> av.VideoFrame | None:
    try:
        return next(container.decode(container.streams[index]), None)  # type: ignore[return-value]
    except av.error.FFmpegError:
        return None  # the pass over the file will count and report the same error
