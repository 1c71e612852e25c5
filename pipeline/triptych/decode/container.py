"""Opening a file safely, and choosing what to read from it.

Input is hostile. ffmpeg may open exactly the file it was given: formats that point to other
files or addresses (playlists, concat scripts, session descriptions) are not on the list of
formats it may use, and `file` is the only protocol.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream

from triptych.decode.cues import is_text_codec
from triptych.decode.filmfile import FilmFile
from triptych.decode.hdr import hdr_name
from triptych.decode.memory import check_memory
from triptych.decode.series import film_of_folder
from triptych.decode.sidecar import language_tag
from triptych.decode.webp import film_of_webp, is_webp
from triptych.errors import (
    DecodeError,
    InputError,
    NotMediaError,
    ResourceError,
    TriptychError,
)
from triptych.numbered import are_numbered, is_picture, names_in, not_said, still_picture
from triptych.records import MediaInfo

__all__ = [
    "Streams",
    "choose_streams",
    "demuxed",
    "describe",
    "displayed_size",
    "open_container",
    "pixel_aspect",
    "remarks",
]

# Formats that read other files or addresses, still pictures, and text that ffmpeg would
# gladly draw as a film ("tty").
_REFUSED = frozenset(
    (
        *("avisynth", "concat", "dash", "dvdvideo", "hls", "imf", "lavfi", "rtp", "rtsp", "sap"),
        *("sdp", "tty", "vapoursynth", "vobsub", "webm_dash_manifest"),
    )
)
_MOST_STREAMS = 200
# First bytes of still pictures: JPEG, PNG, BMP, TIFF, JPEG 2000, JPEG XL, Photoshop's.
_STILL = (
    *(b"\xff\xd8\xff", b"\x89PNG", b"BM", b"II*\0", b"MM\0*"),
    *(b"\0\0\0\x0cjP", b"\0\0\0\x0cJXL", b"\xff\x0a", b"8BPS"),
)
_STILL_BRANDS = (b"avif", b"heic", b"heix", b"mif1")


@functools.cache
def _format_whitelist() -> str:
    return ",".join(
        name
        for name in sorted(av.formats_available)
        if name not in _REFUSED
        and not name.startswith("image2")
        and (name == "gif_pipe" or not name.endswith("_pipe"))
    )


def open_container(
    path: str | os.PathLike[str], *, frames_fps: float | None = None
) -> InputContainer:
    """Open a media file for reading, and nothing but that file.

    Args:
        path: the file, or a folder of numbered pictures.
        frames_fps: pictures a second of such a folder.

    Raises:
        InputError: the file is missing or may not be read.
        NotMediaError: no format that ffmpeg reads, or one that is refused; or a folder of
            pictures that nobody called a film.
        DecodeError: a media file too damaged to open, or with too many streams; or pictures
            that are no film.
        ResourceError: memory ran out.
    """
    if os.path.isdir(path) and (frames_fps is not None or are_numbered(names_in(path))):
        return _open_pictures(Path(path), frames_fps)
    name = os.path.abspath(path)
    try:
        with open(name, "rb") as file:
            head = file.read(12)
    except OSError as err:
        raise InputError(
            f"cannot read: {err.strerror}", path=path, remedy="check the path and its permissions"
        ) from err
    if not head:
        raise NotMediaError("the file is empty", path=path, remedy="copy or download it again")
    if is_webp(head):
        return _opened(film_of_webp(Path(name)), path)
    try:
        container = av.open(
            f"file:{name}",
            metadata_errors="replace",
            options={"protocol_whitelist": "file", "format_whitelist": _format_whitelist()},
        )
    except av.error.FFmpegError as err:
        if head.startswith(_STILL):
            raise still_picture(path) from err
        raise _cannot_open(err, path, head) from err
    if _is_still(container, head):
        container.close()
        raise still_picture(path)
    return _with_few_streams(container, path)


def _open_pictures(folder: Path, fps: float | None) -> InputContainer:
    if fps is None:
        raise not_said(folder, sum(map(is_picture, names_in(folder))))
    return _opened(film_of_folder(folder, fps=fps), folder)


def _opened(film: FilmFile, path: str | os.PathLike[str]) -> InputContainer:
    """A film that is made while it is read."""
    try:
        return av.open(film, "r", format="mov", options={"protocol_whitelist": "file"})
    except av.error.FFmpegError as err:
        raise _cannot_open(err, path, b"\0\0\0\0ftyp") from err


def _cannot_open(
    err: av.error.FFmpegError, path: str | os.PathLike[str], head: bytes
) -> TriptychError:
    """What to tell of a file that ffmpeg does not open."""
    if err.errno == errno.ENOMEM:
        check_memory()  # a file that lies may ask for more than any machine has
    if err.errno in (errno.EMFILE, errno.ENFILE):
        return ResourceError(
            f"cannot open: {err.strerror}", path=path, remedy="run again with --workers 1"
        )
    if _looks_like_media(head):
        return DecodeError(
            f"damaged: {err.strerror}",
            path=path,
            remedy="the file may be truncated; copy or download it again",
        )
    return NotMediaError(
        "not a video or sound file",
        path=path,
        remedy="give files that ffmpeg can play; playlists and scripts are refused",
    )


def _is_still(container: InputContainer, head: bytes) -> bool:
    """Whether a file of a kind that may hold an animation holds a single picture."""
    if head[4:8] == b"ftyp":
        return head[8:] in _STILL_BRANDS
    if container.format.name not in ("apng", "gif"):
        return False
    try:
        packets = list(itertools.islice((p for p in container.demux(video=0) if p.size), 2))
        container.seek(0)
    except av.error.FFmpegError:
        return False  # who reads it will be told what is wrong
    return len(packets) < 2


def _with_few_streams(container: InputContainer, path: str | os.PathLike[str]) -> InputContainer:
    """The container, unless it holds more streams than any film: each costs memory and time."""
    if (count := len(container.streams)) > _MOST_STREAMS:
        container.close()
        raise DecodeError(
            f"{count} streams are over the limit of {_MOST_STREAMS}",
            path=path,
            remedy="copy the streams that are wanted into a file of their own",
        )
    return container


def _looks_like_media(head: bytes) -> bool:
    """Whether the first bytes are those of a well-known container."""
    return (
        head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip")
        or head[:4] in (b"\x1aE\xdf\xa3", b"RIFF", b"OggS", b"fLaC", b"FLV\x01", b"0&\xb2u")
        or head[:3] in (b"ID3",)
    )


def demuxed(container: InputContainer, *streams: Stream) -> Iterator[av.Packet[Any]]:
    """Packets of some streams, and at the end an empty one of each, which flushes its decoder.

    Of a stream that was not there when the file was opened PyAV knows nothing, and says so at the
    end, after the last packet.
    """
    with contextlib.suppress(IndexError):
        yield from container.demux(*streams)


@dataclass(frozen=True, slots=True)
class Streams:
    """The streams of a container that are read; the others are named in `ignored`."""

    video: VideoStream | None
    audio: AudioStream | None
    text: tuple[SubtitleStream, ...]
    ignored: tuple[str, ...]

    @property
    def all(self) -> tuple[Stream, ...]:
        """Those chosen, pictures first."""
        return tuple(s for s in (self.video, self.audio, *self.text) if s is not None)


def choose_streams(container: InputContainer, *, language: str = "") -> Streams:
    """The default stream of each kind, else the largest picture and the first sound.

    Cover art is never taken for the film. Text tracks that are bitmaps are named, not read.

    Args:
        container: an open file.
        language: code or tag that a sound track is preferred by, if present ("chi" is "zho").
    """
    videos = [s for s in container.streams.video if _readable(s) and not _is_cover(s)]
    sounds = [s for s in container.streams.audio if _readable(s) and _is_sound(s)]
    texts = [
        s for s in container.streams.subtitles if _readable(s) and is_text_codec(_codec_name(s))
    ]
    video = max(
        videos,
        # A track of a single picture is a cover that nobody marked as one.
        key=lambda s: (s.frames != 1, _is_default(s), s.width * s.height, -s.index),
        default=None,
    )
    audio = max(
        sounds,
        key=lambda s: (_is_spoken(s, language), _is_default(s), -s.index),
        default=None,
    )
    text = tuple(s for s in texts if _is_default(s))[:1] or tuple(texts[:1])
    chosen = {s.index for s in (video, audio, *text) if s is not None}
    ignored = tuple(
        f"{s.type} stream {s.index} ({_codec_name(s) or 'unknown codec'})"
        for s in container.streams
        if s.index not in chosen
    )
    return Streams(video, audio, text, ignored)


def remarks(container: InputContainer, streams: Streams) -> list[str]:
    """What should be known of a file's streams before its answers are believed."""
    said = []
    transfer = streams.video.codec_context.color_trc if streams.video else 0
    if name := hdr_name(int(transfer)):
        said.append(
            f"high dynamic range ({name}): tone-mapped for analysis, so colours are approximate"
        )
    pictured = [
        f"stream {s.index} ({s.codec_context.codec.canonical_name})"
        for s in container.streams.subtitles
        if _readable(s) and s.codec_context.codec.bitmap_sub
    ]
    if pictured:
        said.append(f"subtitles that are pictures are not read: {', '.join(pictured)}")
    return said


def _codec_name(stream: Stream) -> str:
    return getattr(stream.codec_context, "name", "") or ""


def _readable(stream: Stream) -> bool:
    return getattr(stream, "codec_context", None) is not None and bool(_codec_name(stream))


def _is_sound(stream: AudioStream) -> bool:
    """Whether the rate is one of sound; a false one takes gigabytes to resample."""
    return not stream.rate or 1_000 <= stream.rate <= 1_000_000


def _is_spoken(stream: Stream, language: str) -> bool:
    """Whether a track is in a language, by whatever code each is named."""
    said = stream.language or ""
    tags = {language_tag(name).split("-")[0] for name in (language, said)}
    return bool(language) and (said == language or (len(tags) == 1 and "und" not in tags))


def _is_cover(stream: Stream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _is_default(stream: Stream) -> bool:
    return bool(stream.disposition & Disposition.default)


def describe(container: InputContainer, streams: Streams, path: Path, rotation: int) -> MediaInfo:
    """What the container says of itself, sizes as displayed."""
    video, audio = streams.video, streams.audio
    width, height = displayed_size(video, rotation) if video else (0, 0)
    return MediaInfo(
        path=str(path),
        container=container.format.name,
        start_s=max(container.start_time or 0, 0) / av.time_base,
        duration_s=_duration(container, streams),
        width=width,
        height=height,
        fps=float(video.average_rate) if video and video.average_rate else None,
        video=_codec_name(video) if video else None,
        audio=_codec_name(audio) if audio else None,
        text=tuple(_codec_name(s) for s in streams.text),
        rotation=rotation,
        ignored=streams.ignored,
    )


def _duration(container: InputContainer, streams: Streams) -> float | None:
    """The claimed duration in seconds, of the file or else of its longest stream."""
    if container.duration and container.duration > 0:
        claim = float(container.duration / av.time_base)
        start_s = max(container.start_time or 0, 0) / av.time_base
        # ffmpeg's own Matroska writer counts from zero, whenever the film begins.
        return claim - start_s if "matroska" in container.format.name and claim > start_s else claim
    claims = [float(s.duration * s.time_base) for s in streams.all if s.duration and s.time_base]
    return max(claims, default=0.0) or None


def pixel_aspect(stream: VideoStream) -> float:
    """Width over height of one coded pixel."""
    aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    return float(aspect) if aspect and aspect > 0 else 1.0


def displayed_size(stream: VideoStream, rotation: int) -> tuple[int, int]:
    """Width and height in square pixels, upright."""
    width = max(1, round(stream.codec_context.width * pixel_aspect(stream)))
    height = max(1, stream.codec_context.height)
    return (height, width) if rotation % 180 else (width, height)
