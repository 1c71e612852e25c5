"""What the first bytes of a coded picture say: whether decoding may begin there, who needs it.

Containers flag key frames, but not all of their flags mean that what came before can be
forgotten (an H.264 recovery point, an intra refresh), and some flags are wrong. So a picture
counts as an entry only if the container and the codec's own headers agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

__all__ = ["HEAD_BYTES", "PLAIN", "Entry", "Mark", "Reader", "reader_of"]

HEAD_BYTES = 4096  # parameter sets and notes of an encoder come before the picture's own header


class Entry(IntEnum):
    """Whether a decoder that knows nothing of what came before may begin at a picture."""

    NONE = 0
    OPEN = 1  #: yes, but pictures after it in the file that are shown before it need the past
    CLOSED = 2  #: yes


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """One coded picture."""

    entry: Entry = Entry.NONE
    spare: bool = False  #: no other picture is predicted from it
    layer: int | None = None  #: if given, `spare` holds only while no higher layer is used
    sets: bool = False  #: it carries parameters that later pictures use


Reader: TypeAlias = Callable[[bytes], Mark]
PLAIN = Mark()


def reader_of(codec: str, *, extradata: bytes = b"") -> Reader | None:
    """The reader of a codec's picture headers; None where too little is known of it.

    >>> reader_of("vp8")(bytes([0x10]))
    Mark(entry=<Entry.CLOSED: 2>, spare=False, layer=None, sets=False)
    >>> reader_of("cinepak") is None
    True

    Args:
        codec: as ffmpeg names it.
        extradata: the stream's, which tells how H.264 and HEVC are packed.
    """
    if codec in ("h264", "hevc"):
        prefix = _prefix(codec, extradata)
        units = _h264 if codec == "h264" else _hevc
        return lambda head: units(head, prefix)
    return _READERS.get(codec)


def _prefix(codec: str, extradata: bytes) -> int:
    """Bytes of the length before each unit; 0 where start codes divide them."""
    at = 4 if codec == "h264" else 21
    return (extradata[at] & 3) + 1 if len(extradata) > at and extradata[0] == 1 else 0


def _units(head: bytes, prefix: int) -> Iterator[int]:
    """Where each unit of H.264 or HEVC begins."""
    at = 0
    if prefix:
        while at + prefix + 1 < len(head):
            length = int.from_bytes(head[at : at + prefix], "big")
            yield at + prefix
            at += prefix + length
    else:
        while (at := head.find(b"\0\0\1", at) + 3) >= 3 and at + 1 < len(head):
            yield at


def _h264(head: bytes, prefix: int) -> Mark:
    sets = False
    for at in _units(head, prefix):
        kind = head[at] & 31
        sets |= kind in (7, 8)
        if kind in (1, 5):
            # A recovery point that is no IDR picture promises too little about what follows it.
            entry = Entry.CLOSED if kind == 5 else Entry.NONE
            return Mark(entry=entry, spare=kind == 1 and not head[at] & 0x60, sets=sets)
        if kind in (2, 3, 4):
            break
    return Mark(sets=sets)


def _hevc(head: bytes, prefix: int) -> Mark:
    sets = False
    for at in _units(head, prefix):
        kind, layer = head[at] >> 1 & 63, (head[at] & 1) << 5 | head[at + 1] >> 3
        if layer:
            continue
        sets |= kind in (32, 33, 34)
        if kind < 32:
            entry = Entry.OPEN if kind == 21 else Entry.CLOSED if 16 <= kind <= 20 else Entry.NONE
            spare = kind < 16 and kind % 2 == 0
            return Mark(entry=entry, spare=spare, layer=(head[at + 1] & 7) - 1, sets=sets)
    return Mark(sets=sets)


def _mpeg4(head: bytes) -> Mark:
    sets = b"\0\0\1\x20" in head
    at = head.find(b"\0\0\1\xb6") + 4
    if not 4 <= at < len(head):
        return Mark(sets=sets)
    kind = head[at] >> 6
    return Mark(entry=Entry.NONE if kind else Entry.OPEN, spare=kind == 2, sets=sets)


def _mpeg2(head: bytes) -> Mark:
    sets = b"\0\0\1\xb3" in head
    at = head.find(b"\0\0\1\0") + 4
    if not 4 <= at < len(head) - 1:
        return Mark(sets=sets)
    kind = head[at + 1] >> 3 & 7
    return Mark(entry=Entry.OPEN if kind == 1 else Entry.NONE, spare=kind == 3, sets=sets)


def _vp8(head: bytes) -> Mark:
    return Mark(entry=Entry.CLOSED) if head and not head[0] & 1 else PLAIN


def _vp9(head: bytes) -> Mark:
    if not head or head[0] >> 6 != 2:
        return PLAIN
    bits = (head[0] << 8 | (head[1] if len(head) > 1 else 0xFF)) >> 4
    above = head[0] >> 4 & 3 == 3  # profile 3 has one more bit before what is looked at
    shows_another, not_key = (bits >> 6 & 1, bits >> 5 & 1) if above else (bits >> 7, bits >> 6)
    return PLAIN if shows_another & 1 or not_key & 1 else Mark(entry=Entry.CLOSED)


def _av1(head: bytes) -> Mark:
    at, sets = 0, False
    while at + 2 < len(head):
        kind, extended, sized = head[at] >> 3 & 15, head[at] >> 2 & 1, head[at] >> 1 & 1
        at += 1 + extended
        size, shift = 0, 0
        while sized and at < len(head):
            size |= (head[at] & 127) << shift
            shift += 7
            at += 1
            if head[at - 1] < 128:
                break
        sets |= kind == 1
        if kind in (3, 6) and at < len(head):
            key = head[at] >> 4 == 1  # not shown before, a key frame, shown now
            return Mark(entry=Entry.CLOSED if key else Entry.NONE, sets=sets)
        if not sized:
            break
        at += size
    return Mark(sets=sets)


def _mjpeg(head: bytes) -> Mark:
    whole = b"\xff\xdb" in head and b"\xff\xc4" in head  # its own tables, not an earlier picture's
    return Mark(entry=Entry.CLOSED) if whole else PLAIN


def _alone(_: bytes) -> Mark:
    return Mark(entry=Entry.CLOSED)


_READERS: dict[str, Reader] = {
    "mpeg4": _mpeg4,
    "mpeg1video": _mpeg2,
    "mpeg2video": _mpeg2,
    "vp8": _vp8,
    "vp9": _vp9,
    "av1": _av1,
    "libdav1d": _av1,
    "mjpeg": _mjpeg,
    "prores": _alone,
    "dnxhd": _alone,
    "png": _alone,
}
