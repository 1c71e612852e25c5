"""The header of a QuickTime film whose pictures are coded one by one.

As the QuickTime File Format Specification says (Apple, 2016-09-13). Only what a demuxer asks for.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import groupby

__all__ = ["film_header"]

_LONGEST = 2**31 - 1  #: ticks that a picture may stay
_UNITY = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def film_header(
    codec: bytes,
    *,
    size: tuple[int, int],
    sizes: Sequence[int],
    stays: Sequence[int],
    ticks_a_second: int,
) -> bytes:
    """All of a film up to the first byte of its first picture; the pictures follow, end to end.

    Args:
        codec: of all pictures, in four characters.
        size: width and height.
        sizes: bytes of each picture.
        stays: ticks for which each is shown.
        ticks_a_second: the film's clock.

    Raises:
        ValueError: a picture would stay for longer than the format can say.
    """
    if max(stays, default=0) > _LONGEST:
        raise ValueError("a picture stays for too long")
    kind = _box(b"ftyp", b"qt  ", bytes(4), b"qt  ")
    data = struct.pack(">I4sQ", 1, b"mdat", 16 + sum(sizes))
    offset = 0
    for _ in range(2):  # offsets have a fixed length: the second time they are right
        film = _film(codec, size, sizes, stays, ticks_a_second, offset)
        offset = len(kind) + len(film) + len(data)
    return kind + film + data


def _film(
    codec: bytes,
    size: tuple[int, int],
    sizes: Sequence[int],
    stays: Sequence[int],
    ticks_a_second: int,
    offset: int,
) -> bytes:
    length = sum(stays)
    width, height = (min(side, 0xFFFF) for side in size)
    # Version 1 of each box: times of 64 bits.
    clock = struct.pack(">B3xQQIQ", 1, 0, 0, ticks_a_second, length)
    movie = _box(
        b"mvhd", clock, struct.pack(">iH10x", 0x10000, 0x100), _UNITY, bytes(24), b"\0\0\0\2"
    )
    track = _box(
        b"tkhd", struct.pack(">B3BQQI4xQ", 1, 0, 0, 3, 0, 0, 1, length), bytes(16), _UNITY,
        struct.pack(">II", width << 16, height << 16),
    )  # fmt: skip
    media = _box(
        b"mdia",
        _box(b"mdhd", clock, bytes(4)),
        _box(b"hdlr", bytes(4), b"mhlrvide", bytes(13)),
        _box(
            b"minf",
            _box(b"vmhd", b"\0\0\0\1", bytes(8)),
            _box(b"dinf", _box(b"dref", bytes(4), _one(_box(b"url ", b"\0\0\0\1")))),
            _table(codec, (width, height), sizes, stays, offset),
        ),
    )
    return _box(b"moov", movie, _box(b"trak", track, media))


def _table(
    codec: bytes,
    size: tuple[int, int],
    sizes: Sequence[int],
    stays: Sequence[int],
    offset: int,
) -> bytes:
    picture = _box(
        codec, struct.pack(">6xH16xHHII4xH32xHh", 1, *size, 0x480000, 0x480000, 1, 24, -1)
    )
    runs = [(len(list(run)), stay) for stay, run in groupby(stays)]
    offsets = []
    for length in sizes:
        offsets.append(offset)
        offset += length
    count = len(sizes)
    return _box(
        b"stbl",
        _box(b"stsd", bytes(4), _one(picture)),
        _box(b"stts", bytes(4), _numbers("I", [len(runs), *(n for run in runs for n in run)])),
        _box(b"stsc", bytes(4), _numbers("I", [1, 1, 1, 1])),
        _box(b"stsz", bytes(8), _numbers("I", [count, *sizes])),
        _box(b"co64", bytes(4), _numbers("I", [count]), _numbers("Q", offsets)),
    )


def _box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), name) + body


def _one(box: bytes) -> bytes:
    return struct.pack(">I", 1) + box


def _numbers(kind: str, numbers: Sequence[int]) -> bytes:
    return struct.pack(f">{len(numbers)}{kind}", *numbers)
