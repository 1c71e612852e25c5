"""Encoding cut pictures and sound into one file that every browser plays."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from triptych.decode.hdr import is_hdr
from triptych.decode.upright import stand_of, upright
from triptych.records import Floats, MediaInfo
from triptych.report.cut import RATE_HZ
from triptych.report.grade import DEEP, Grade, kind_of

__all__ = ["FPS", "Mark", "Mixer", "reel_size"]

FPS = 30.0  #: faster films are thinned out
_SHORT_SIDE, _LONG_SIDE, _LEAST = 720, 1920, 16
_X264 = {
    "preset": "veryfast",
    "crf": "23",
    "forced-idr": "1",
    "a53cc": "0",
    # What it has for AVX-512 reads memory that nobody wrote, and some pictures' bytes differ.
    "x264-params": "cpu-independent=1",
}
_TICKS = 90_000  # a second of the picture track
_BT709, _UNTAGGED, _LIMITED = 1, 2, 1  # as H.264 numbers them


def reel_size(width: int, height: int) -> tuple[int, int]:
    """Even size of the reel for a displayed size: at most 720 pixels on the short side.

    >>> reel_size(1920, 1080), reel_size(321, 241), reel_size(1, 1)
    ((1280, 720), (320, 240), (16, 16))
    """
    width, height = max(1, width), max(1, height)
    short, long = min(width, height), max(width, height)
    return _even(width, height, min(1.0, _SHORT_SIDE / short, _LONG_SIDE / long))


def fitted(width: int, height: int, room: tuple[int, int]) -> tuple[int, int]:
    """Even size, within `room`, of a picture of that displayed size.

    >>> fitted(1080, 1920, (1280, 720)), fitted(64, 64, (1280, 720))
    ((404, 720), (720, 720))
    """
    if reel_size(width, height) == room:
        return room
    width, height = max(1, width), max(1, height)
    wide, high = _even(width, height, min(room[0] / width, room[1] / height))
    return min(wide, room[0]), min(high, room[1])


def _even(width: int, height: int, scale: float) -> tuple[int, int]:
    wide, high = (int(side * scale / 2 + 0.25) * 2 for side in (width, height))
    return max(_LEAST, wide), max(_LEAST, high)


class Mark(NamedTuple):
    """A chapter of the reel, up to the next one."""

    start_s: float
    title: str


class Mixer:
    """Encodes pictures and sound into one file."""

    def __init__(
        self,
        output: OutputContainer,
        *,
        size: tuple[int, int],
        fps: float | None,
        marks: Sequence[Mark],
        length_s: float,
        sounding: bool,
    ) -> None:
        """Make the tracks.

        Args:
            output: the file.
            size: width and height of the pictures; zeros for none.
            fps: of the film, for the encoder's choices: frames keep their own times.
            marks: chapters, in time order, the first at 0.
            length_s: where the last one ends.
            sounding: whether there is sound.
        """
        self.packets = 0
        self._output = output
        self._size = size
        self._reformatter = VideoReformatter()
        self._grade: Grade | None = None
        self._video: Any = self._add_video(fps) if all(size) else None
        self._audio: Any = self._add_audio() if sounding else None
        self._held: tuple[int, av.VideoFrame] | None = None  # its duration is not known yet
        self._lengths: dict[int, int] = {}  # of pictures in the encoder, by their time
        self._fresh = True  # the next picture is the first of a stretch
        self._add_marks(marks, length_s)

    def _add_video(self, fps: float | None) -> Any:
        rate = Fraction(min(fps or FPS, FPS)).limit_denominator(1001)
        stream: Any = self._output.add_stream("libx264", rate=rate or 1, options=dict(_X264))
        context = stream.codec_context
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuv420p"
        context.time_base = Fraction(1, _TICKS)  # frames keep their own times
        # Without reordering there is no delay that players would have to be told of.
        context.max_b_frames = 0
        context.thread_count = 1  # the count changes the bytes
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        return stream

    def _add_audio(self) -> Any:
        stream: Any = self._output.add_stream("aac", rate=RATE_HZ, layout="stereo")
        stream.bit_rate = 128_000
        return stream

    def _add_marks(self, marks: Sequence[Mark], length_s: float) -> None:
        ends = [*(mark.start_s for mark in marks[1:]), length_s]
        self._output.set_chapters(
            [
                {
                    "id": i,
                    "start": round(mark.start_s * 1000),
                    "end": round(end_s * 1000),
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": mark.title},
                }
                for i, (mark, end_s) in enumerate(zip(marks, ends, strict=True))
            ]
        )

    def picture(self, frame: av.VideoFrame, at_s: float, info: MediaInfo) -> None:
        """Take a frame of a film that is shown from `at_s` on."""
        ticks = round(at_s * _TICKS)
        if self._held is not None and ticks <= self._held[0]:
            return
        self._flush_held(ticks)
        frame = self._converted(frame, info)
        frame.pict_type = PictureType.I if self._fresh else PictureType.NONE
        self._fresh = False
        self._held = ticks, frame

    def sound(self, block: Floats, at: int) -> None:
        """Take samples (2, N) of which the first is number `at`."""
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
        frame.sample_rate, frame.time_base = RATE_HZ, Fraction(1, RATE_HZ)
        frame.pts = at
        self._mux(self._audio.encode(frame))

    def end_stretch(self, at_s: float) -> None:
        """A stretch ends at `at_s`: its last picture stays until then."""
        self._flush_held(round(at_s * _TICKS))
        self._fresh = True

    def finish(self) -> None:
        """Write what the encoders hold back."""
        if self._video is not None and self._video.codec_context.is_open:
            self._mux_pictures(self._video.encode(None))
        if self._audio is not None and self._audio.codec_context.is_open:
            self._mux(self._audio.encode(None))

    def _flush_held(self, until: int) -> None:
        if self._held is None:
            return
        ticks, frame = self._held
        frame.pts, frame.time_base, frame.duration = ticks, Fraction(1, _TICKS), until - ticks
        self._held = None
        self._lengths[ticks] = frame.duration
        self._mux_pictures(self._video.encode(frame))

    def _mux_pictures(self, packets: Sequence[av.Packet[Any]]) -> None:
        for packet in packets:  # the encoder forgets durations, and the last one counts
            packet.duration = self._lengths.pop(packet.pts or 0, packet.duration or 0)
        self._mux(packets)

    def _mux(self, packets: Sequence[av.Packet[Any]]) -> None:
        for packet in packets:
            self._output.mux(packet)
            self.packets += 1

    def _converted(self, frame: av.VideoFrame, info: MediaInfo) -> av.VideoFrame:
        """A frame as the reel holds it: scaled, upright, square pixels, BT.709."""
        wide, high = fitted(info.width, info.height, self._size)
        coded = (high, wide) if info.rotation % 180 else (wide, high)
        # Untagged film is BT.601 below high definition, by the same guess that players make.
        guess = Colorspace.ITU709 if frame.height >= 720 else Colorspace.ITU601
        source = guess if frame.colorspace == _UNTAGGED else None
        stand = stand_of(frame)
        if (deep := is_hdr(frame)) or stand != (0, False):
            like = frame
            frame = self._reformatter.reformat(
                frame,
                width=coded[0],
                height=coded[1],
                format=DEEP if deep else "rgb24",
                src_colorspace=source,
                threads=1,
            )
            frame, source = self._graded(frame, like) if deep else frame, None
        if stand != (0, False):
            pixels: Any = frame.to_ndarray()
            frame = av.VideoFrame.from_ndarray(
                upright(pixels, stand), format=DEEP if deep else "rgb24"
            )
        frame = self._reformatter.reformat(
            frame,
            width=wide,
            height=high,
            format="yuv420p",
            src_colorspace=source,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )
        return frame if (wide, high) == self._size else _on_black(frame, self._size)

    def _graded(self, frame: av.VideoFrame, like: av.VideoFrame) -> av.VideoFrame:
        size = (frame.width, frame.height)
        if self._grade is None or (self._grade.kind, self._grade.size) != (kind_of(like), size):
            self._grade = Grade(like, size=size)
        return self._grade.mapped(frame)


def _on_black(frame: av.VideoFrame, size: tuple[int, int]) -> av.VideoFrame:
    """A picture in the middle of a larger one; both have even sides."""
    wide, high = size
    left, top = (wide - frame.width) // 4 * 2, (high - frame.height) // 4 * 2
    whole = av.VideoFrame(wide, high, "yuv420p")
    for number, (into, plane) in enumerate(zip(whole.planes, frame.planes, strict=True)):
        shrink = 2 if number else 1
        rows = np.ndarray((into.height, into.line_size), np.uint8, buffer=memoryview(into))
        held = np.ndarray((plane.height, plane.line_size), np.uint8, buffer=memoryview(plane))
        rows[:] = 128 if number else 16
        x, y = left // shrink, top // shrink
        rows[y : y + plane.height, x : x + plane.width] = held[:, : plane.width]
    whole.color_range, whole.colorspace = frame.color_range, frame.colorspace
    return whole
