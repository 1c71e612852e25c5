"""Encoding cut pictures and sound into one file that every browser plays."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from triptych.decode.container import upright
from triptych.records import Floats, MediaInfo
from triptych.report.cut import RATE_HZ

__all__ = ["FPS", "Mixer", "reel_size"]

FPS = 30.0  #: faster films are thinned out
_SHORT_SIDE, _LONG_SIDE, _LEAST = 720, 1920, 16
_TICKS = 90_000  # a second of the picture track
_BT709, _UNTAGGED, _LIMITED = 1, 2, 1  # as H.264 numbers them


def reel_size(width: int, height: int) -> tuple[int, int]:
    """Even size of the reel for a displayed size: at most 720 pixels on the short side.

    >>> reel_size(1920, 1080), reel_size(321, 241), reel_size(1, 1)
    ((1280, 720), (320, 240), (16, 16))
    """
    width, height = max(1, width), max(1, height)
    short, long = min(width, height), max(width, height)
    scale = min(1.0, _SHORT_SIDE / short, _LONG_SIDE / long)
    even = (int(side * scale / 2 + 0.25) * 2 for side in (width, height))
    wide, high = (max(_LEAST, side) for side in even)
    return wide, high


class Mixer:
    """Encodes pictures and sound into one file."""

    def __init__(
        self,
        output: OutputContainer,
        info: MediaInfo,
        *,
        pictured: bool,
        sounding: bool,
    ) -> None:
        self.packets = 0
        self._output = output
        self._info = info
        self._size = reel_size(info.width, info.height)
        self._reformatter = VideoReformatter()
        self._video: Any = self._add_video() if pictured else None
        self._audio: Any = self._add_audio() if sounding else None
        self._held: tuple[int, av.VideoFrame] | None = None  # its duration is not known yet
        self._lengths: dict[int, int] = {}  # of pictures in the encoder, by their time
        self._fresh = True  # the next picture is the first of a stretch

    def _add_video(self) -> Any:
        rate = Fraction(min(self._info.fps or FPS, FPS)).limit_denominator(1001)
        options = {"preset": "veryfast", "crf": "23", "forced-idr": "1", "a53cc": "0"}
        stream: Any = self._output.add_stream("libx264", rate=rate or 1, options=options)
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

    def picture(self, item: tuple[float, av.VideoFrame], offset: int) -> None:
        """Take a frame `item[0]` seconds into the stretch that begins at `offset` samples."""
        ticks = round((offset / RATE_HZ + item[0]) * _TICKS)
        if self._held is not None and ticks <= self._held[0]:
            return
        self._flush_held(ticks)
        frame = self._converted(item[1])
        frame.pict_type = PictureType.I if self._fresh else 0
        self._fresh = False
        self._held = ticks, frame

    def sound(self, item: tuple[int, Floats], offset: int) -> None:
        """Take samples that begin `item[0]` samples into the stretch."""
        frame = av.AudioFrame.from_ndarray(item[1], format="fltp", layout="stereo")
        frame.sample_rate, frame.time_base = RATE_HZ, Fraction(1, RATE_HZ)
        frame.pts = offset + item[0]
        self._mux(self._audio.encode(frame))

    def end_stretch(self, offset: int) -> None:
        """The stretch ends at `offset` samples: its last picture stays until then."""
        self._flush_held(round(offset / RATE_HZ * _TICKS))
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

    def _converted(self, frame: av.VideoFrame) -> av.VideoFrame:
        """A frame as the reel holds it: scaled, upright, square pixels, BT.709."""
        wide, high = self._size
        turned = bool(self._info.rotation % 180)
        coded = (high, wide) if turned else (wide, high)
        # Untagged film is BT.601 below high definition, by the same guess that players make.
        guess = Colorspace.ITU709 if frame.height >= 720 else Colorspace.ITU601
        source = guess if frame.colorspace == _UNTAGGED else None
        if self._info.rotation % 360:
            flat = self._reformatter.reformat(
                frame, width=coded[0], height=coded[1], format="rgb24", src_colorspace=source
            )
            pixels = upright(np.asarray(flat.to_ndarray(), np.uint8), self._info.rotation)
            frame, source = av.VideoFrame.from_ndarray(pixels, format="rgb24"), None
        return self._reformatter.reformat(
            frame,
            width=wide,
            height=high,
            format="yuv420p",
            src_colorspace=source,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
