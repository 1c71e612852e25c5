"""Which of several picture streams is the film; covers never are."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

import synth
from triptych.decode import open_media
from triptych.records import Frames

COVER = synth.png(synth.plain(synth.RED, (200, 200)))  # larger than the film


def add_cover(out: av.container.OutputContainer) -> av.VideoStream:
    stream = out.add_stream("png", rate=1)
    stream.width, stream.height, stream.pix_fmt = 200, 200, "rgb24"
    stream.disposition = Disposition.attached_pic
    return stream


def add_film(out: av.container.OutputContainer, size: tuple[int, int] = (96, 64)) -> av.VideoStream:
    stream = out.add_stream("mpeg4", rate=10)
    stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
    return stream


def show(
    out: av.container.OutputContainer, stream: av.VideoStream, colour: tuple[int, ...]
) -> None:
    for index in range(5):
        picture = synth.plain(colour, (stream.width, stream.height))
        frame = av.VideoFrame.from_ndarray(picture, "rgb24")
        frame.pts, frame.time_base = index, Fraction(1, 10)
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def show_cover(out: av.container.OutputContainer, stream: av.VideoStream) -> None:
    packet = av.Packet(COVER)
    packet.stream, packet.pts, packet.dts, packet.is_keyframe = stream, 0, 0, True
    packet.time_base = Fraction(1, 10)
    out.mux(packet)


def sing(out: av.container.OutputContainer, stream: av.AudioStream) -> None:
    for at in range(0, 24_000, 1200):
        wave = synth.tone(440, 0.05, 24_000)
        out.mux(stream.encode(synth.audio_frame(wave, rate=24_000, format="s16", at=at)))
    out.mux(stream.encode(None))


@pytest.mark.parametrize("first", [True, False], ids=["cover first", "film first"])
@pytest.mark.parametrize("ending", ["mp4", "mov", "m4v"])
def test_a_cover_beside_a_film(tmp_path: Path, first: bool, ending: str) -> None:
    path = tmp_path / f"film.{ending}"
    with av.open(str(path), "w", format="mov" if ending == "mov" else "mp4") as out:
        if first:
            cover, film = add_cover(out), add_film(out)
        else:
            film, cover = add_film(out), add_cover(out)
        show_cover(out, cover)
        show(out, film, synth.GREEN)
    check_film(path, synth.GREEN, (96, 64))


def test_a_cover_attached_to_matroska(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as out:
        film = add_film(out)
        out.add_attachment("cover.png", "image/png", COVER)
        show(out, film, synth.GREEN)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 2  # or nothing is tested here
    check_film(path, synth.GREEN, (96, 64))


def check_film(path: Path, colour: tuple[int, ...], size: tuple[int, int]) -> None:
    with open_media(path) as media:
        frames = [c for c in media.stream(fps=10.0) if isinstance(c, Frames)]
        assert (media.info.width, media.info.height) == size
    assert sum(len(c.pts_s) for c in frames) == 5
    np.testing.assert_allclose(frames[0].rgb[0, 32, 48], colour, atol=12)


@pytest.mark.parametrize(
    ("ending", "codec"), [("mp3", "libmp3lame"), ("m4a", "aac"), ("flac", "flac")]
)
@pytest.mark.parametrize("first", [True, False], ids=["cover first", "sound first"])
def test_a_song_with_a_cover_has_no_pictures(
    tmp_path: Path, ending: str, codec: str, first: bool
) -> None:
    path = tmp_path / f"song.{ending}"
    with av.open(str(path), "w", format="mp4" if ending == "m4a" else ending) as out:
        if first:
            cover = add_cover(out)
            sound = out.add_stream(codec, rate=24_000, layout="mono")
        else:
            sound = out.add_stream(codec, rate=24_000, layout="mono")
            cover = add_cover(out)
        show_cover(out, cover)
        sing(out, sound)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    with open_media(path) as media:
        assert media.info.video is None and media.info.audio
        assert not any(isinstance(c, Frames) for c in media.stream())


@pytest.mark.parametrize("default", [0, 1, None])
def test_the_default_film_else_the_largest(tmp_path: Path, default: int | None) -> None:
    path = tmp_path / "films.mkv"
    with av.open(str(path), "w") as out:
        films = [add_film(out, (96, 64)), add_film(out, (192, 128))]
        for index, film in enumerate(films):
            film.disposition = Disposition.default if index == default else Disposition(0)
        show(out, films[0], synth.GREEN)
        show(out, films[1], synth.BLUE)
    with open_media(path) as media:
        assert media.info.width == (96 if default == 0 else 192)


def test_a_single_large_picture_is_not_the_film(tmp_path: Path) -> None:
    """A cover that somebody put in as an ordinary track of one picture."""
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as out:
        cover, film = add_cover(out), add_film(out)
        cover.disposition = Disposition.default
        show_cover(out, cover)
        show(out, film, synth.GREEN)
    with av.open(str(path)) as container:
        assert [s.frames for s in container.streams.video] == [1, 5]
    check_film(path, synth.GREEN, (96, 64))
