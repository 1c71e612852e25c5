"""What is read of a container: streams, sizes as displayed, what it claims."""

from __future__ import annotations

import gc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image

import synth
from triptych.decode import open_media
from triptych.errors import DecodeError, NotMediaError
from triptych.records import Frames, Luma

H264 = {"codec": "libx264", "pixels": "yuv420p"}


def first_picture(path: Path) -> np.ndarray:
    with open_media(path) as media:
        return next(c for c in media.stream() if isinstance(c, Frames)).rgb[0]


def corners(picture: np.ndarray) -> list[tuple[int, int, int]]:
    """Top left, top right, bottom left, bottom right: the nearest of the four colours."""
    height, width = picture.shape[:2]
    found = []
    for y, x in ((0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75)):
        pixel = picture[int(y * height), int(x * width)].astype(int)
        found.append(min(synth.COLOURS, key=lambda c: np.abs(pixel - c).sum()))
    return found


R, G, B, Y = synth.COLOURS


@pytest.mark.parametrize(
    ("matrix", "shown", "rotation"),
    [
        ((1, 0, 0, 1), [R, G, B, Y], 0),
        ((0, 1, -1, 0), [B, R, Y, G], -90),  # a telephone held upright: a quarter turn clockwise
        ((-1, 0, 0, -1), [Y, B, G, R], 180),
        ((0, -1, 1, 0), [G, Y, R, B], 90),
    ],
)
def test_pictures_are_upright(
    tmp_path: Path, matrix: tuple[int, ...], shown: list[tuple[int, int, int]], rotation: int
) -> None:
    path = synth.turned_mp4(tmp_path / "turned.mp4", matrix)
    picture = first_picture(path)
    assert corners(picture) == shown
    with open_media(path) as media:
        assert abs(media.info.rotation) == abs(rotation)
        assert (media.info.rotation - rotation) % 360 == 0
        assert (media.info.width, media.info.height) == (picture.shape[1], picture.shape[0])
        assert picture.shape[:2] == ((96, 64) if rotation % 180 else (64, 96))


def test_rotation_that_pyav_writes_is_read_back(tmp_path: Path) -> None:
    path = synth.write(
        tmp_path / "film.mp4",
        times=synth.steady(0.2),
        picture=lambda _: synth.quarters(),
        rotation=90,
        **H264,
    )
    assert corners(first_picture(path)) == [G, Y, R, B]  # counter-clockwise


@pytest.mark.parametrize("angle", [0, 44, 90, -90, 180, -180, 270, 359])
@pytest.mark.parametrize("mirrored", [False, True])
def test_upright_takes_the_nearest_quarter_turn(tmp_path: Path, angle: int, mirrored: bool) -> None:
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv444p"
        stream.set_display_rotation(angle, hflip=mirrored)
        out.mux(stream.encode(av.VideoFrame.from_ndarray(synth.quarters(), "rgb24")))
        out.mux(stream.encode(None))
    expected = np.rot90(synth.quarters(), round(angle / 90) % 4)
    expected = expected[:, ::-1] if mirrored else expected
    assert corners(first_picture(path)) == corners(expected)


def test_a_look_at_the_matrix_keeps_no_frame(tmp_path: Path) -> None:
    """Not even until the garbage is collected: 3 MB each, in an hour of 1080p some 10 GB."""
    path = synth.turned_mp4(tmp_path / "turned.mp4", (-1, 0, 0, 1))
    gc.collect()
    gc.disable()
    before = kept_frames()
    try:
        with open_media(path) as media:
            shown = sum(len(c.pts_s) for c in media.stream(fps=25.0) if isinstance(c, Frames))
            kept = kept_frames() - before
    finally:
        gc.enable()
    assert shown == 10 and kept <= 2


def kept_frames() -> int:
    """Those of other tests, too."""
    return sum(type(o) is av.VideoFrame for o in gc.get_objects())


@pytest.mark.parametrize("aspect", [Fraction(64, 45), Fraction(1, 2), Fraction(4, 3)])
@pytest.mark.parametrize("rotation", [0, 90])
def test_pixels_become_square(tmp_path: Path, aspect: Fraction, rotation: int) -> None:
    path = synth.write(
        tmp_path / "film.mp4",
        times=synth.steady(0.2),
        picture=lambda _: synth.plain(synth.RED, (90, 72)),
        aspect=aspect,
        rotation=rotation,
        **H264,
    )
    size = (round(90 * aspect), 72)
    picture = first_picture(path)
    with open_media(path) as media:
        info = media.info
    assert (info.width, info.height) == (size[::-1] if rotation else size)
    assert (picture.shape[1], picture.shape[0]) == (info.width, info.height)


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((640, 360), (228, 128)),
        ((360, 640), (128, 228)),  # portrait
        ((1000, 8), (512, 4)),  # a banner: the long side is bounded too
        ((96, 64), (96, 64)),  # never enlarged
        ((1, 1), (1, 1)),
    ],
)
def test_pictures_are_scaled_by_their_short_side(
    tmp_path: Path, size: tuple[int, int], shown: tuple[int, int]
) -> None:
    path = synth.write(
        tmp_path / "film.mkv", times=[0.0], picture=lambda _: synth.plain(synth.GREEN, size)
    )
    with open_media(path) as media:
        (chunk,) = media.stream(short_side=128)
        assert (media.info.width, media.info.height) == size
    assert (chunk.rgb.shape[2], chunk.rgb.shape[1]) == shown
    assert np.abs(chunk.rgb.astype(int) - synth.GREEN).max() <= 2


@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
@pytest.mark.parametrize("start_s", [0.0, 3.5, 100.0])
def test_a_film_that_begins_late_is_whole(tmp_path: Path, ending: str, start_s: float) -> None:
    times = synth.steady(4.0, 10, start_s)
    options = {} if ending == ".mkv" else H264
    path = synth.write(tmp_path / f"film{ending}", times=times, fps=10, **options)
    with open_media(path) as media:
        chunks = list(media.stream())
        assert media.info.start_s == pytest.approx(start_s)
        assert media.info.duration_s == pytest.approx(4.0, abs=0.11)
        assert media.report.end_s == pytest.approx(start_s + 4.0, abs=0.01)
        assert not media.report.partial and media.report.warnings == []
    assert chunks[0].pts_s[0] == pytest.approx(start_s)


def test_the_largest_picture_and_the_default_sound_are_read(tmp_path: Path) -> None:
    path = tmp_path / "many.mkv"
    with av.open(str(path), "w") as out:
        for size in ((32, 24), (64, 48)):
            stream = out.add_stream("ffv1", rate=10)
            stream.width, stream.height, stream.pix_fmt = *size, "bgr0"
            stream.disposition = Disposition(0)
        for hz, default in ((300, 0), (900, 1)):
            stream = out.add_stream("pcm_s16le", rate=16_000, layout="mono")
            stream.disposition = Disposition.default if default else Disposition(0)
            stream.metadata["language"] = "eng" if default else "ger"
            stream.metadata["title"] = str(hz)
        for stream in out.streams.video:
            for n in range(5):
                picture = synth.plain(synth.RED, (stream.width, stream.height))
                frame = av.VideoFrame.from_ndarray(picture, "rgb24")
                frame.pts, frame.time_base = n, Fraction(1, 10)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        for stream in out.streams.audio:
            wave = synth.tone(float(stream.metadata["title"]), 0.5)
            block = synth.audio_frame(wave, rate=16_000, format="s16")
            out.mux(stream.encode(block))
            out.mux(stream.encode(None))
    with open_media(path) as media:
        assert media.info.width == 64
        assert media.streams.audio is not None
        assert media.streams.audio.metadata["title"] == "900"
        assert media.info.ignored == ("video stream 0 (ffv1)", "audio stream 2 (pcm_s16le)")
    with open_media(path, language="ger") as media:
        assert media.streams.audio is not None
        assert media.streams.audio.metadata["title"] == "300"


def test_cover_art_is_not_the_film(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    with av.open(str(path), "w") as out:
        sound = out.add_stream("libmp3lame", rate=16_000, layout="mono")
        cover = out.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "rgb24"
        cover.disposition = Disposition.attached_pic
        picture = av.Packet(synth.png(synth.plain(synth.RED, (32, 32))))
        picture.stream, picture.pts, picture.dts = cover, 0, 0
        out.mux(picture)
        out.mux(sound.encode(synth.audio_frame(synth.tone(440, 1.0), rate=16_000, format="s16")))
        out.mux(sound.encode(None))
    with open_media(path) as media:
        assert media.info.video is None and (media.info.width, media.info.height) == (0, 0)
        assert media.info.ignored == ("video stream 1 (png)",)
        assert not any(isinstance(c, Frames) for c in media.stream())


def test_a_picture_over_the_limit_is_refused(tmp_path: Path) -> None:
    path = synth.write(tmp_path / "film.mkv", times=[0.0])
    with pytest.raises(DecodeError, match="96x64 are over the limit") as caught:
        open_media(path, max_pixels=96 * 64 - 1)
    assert "decode.max_pixels (now 6143)" in caught.value.remedy
    assert caught.value.path == str(path)
    open_media(path, max_pixels=96 * 64).close()


def test_bitmap_subtitles_are_named_and_not_read(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as out:
        video = out.add_stream("ffv1", rate=10)
        video.width, video.height, video.pix_fmt = 32, 32, "bgr0"
        video.codec_context.time_base = Fraction(1, 10)
        kinds = ("hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle")
        for kind in kinds:
            out.add_mux_stream(kind, time_base=Fraction(1, 1000))
        for index in range(10):
            frame = av.VideoFrame.from_ndarray(synth.plain(synth.RED, (32, 32)), "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    with open_media(path) as media:
        assert len([c for c in media.stream() if isinstance(c, Frames)]) == 1
        assert media.streams.text == ()
        (warning,) = media.report.warnings
    named = [f"stream {i} ({kind})" for i, kind in enumerate(kinds, 1)]
    assert warning == f"subtitles that are pictures are not read: {', '.join(named)}"


@pytest.mark.parametrize(
    ("ending", "codec"), [("gif", "gif"), ("png", "apng"), ("apng", "apng"), ("webp", "rawvideo")]
)
def test_animated_images_are_films(tmp_path: Path, ending: str, codec: str) -> None:
    """Each picture stays for a time of its own."""
    path = tmp_path / f"film.{ending}"
    pictures = [Image.fromarray(synth.plain(colour)) for colour in synth.COLOURS]
    lasting = [500, 1000, 500, 500]
    more = {"lossless": True} if ending == "webp" else {}
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=lasting, loop=0, **more
    )
    with open_media(path) as media:
        (frames,) = (chunk for chunk in media.stream(fps=4) if isinstance(chunk, Frames))
        assert media.info.video == codec
        assert media.report.end_s == pytest.approx(2.5)
        assert media.report.warnings == []
    assert frames.pts_s.tolist() == [0.0, 0.5, 1.5, 2.0]
    np.testing.assert_allclose(frames.rgb[:, 5, 5], synth.COLOURS, atol=3)


@pytest.mark.parametrize("ending", ["png", "gif", "webp", "jpg", "bmp", "tif", "avif"])
def test_a_still_picture_is_no_film(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"picture.{ending}"
    Image.fromarray(synth.quarters()).save(path)
    with pytest.raises(NotMediaError, match="a still picture") as caught:
        open_media(path)
    assert "--frames-fps" in caught.value.remedy


@pytest.mark.parametrize("ending", ["png", "gif", "webp"])
def test_transparent_places_are_black_and_pictures_build_on_those_before(
    tmp_path: Path, ending: str
) -> None:
    first = Image.new("RGBA", (96, 64))
    first.paste(synth.RED, (0, 0, 48, 32))
    second = Image.new("RGBA", (96, 64))
    second.paste(synth.GREEN, (48, 32, 96, 64))
    both = first.copy()
    both.alpha_composite(second)
    path = tmp_path / f"film.{ending}"
    options = {"lossless": True} if ending == "webp" else {"disposal": 0}
    first.save(path, save_all=True, append_images=[both], duration=[500, 1000], loop=2, **options)
    with open_media(path) as media:
        chunks = list(media.stream(fps=2, dense_fps=2))
        assert media.report.end_s == pytest.approx(1.5)
    (frames,) = (chunk for chunk in chunks if isinstance(chunk, Frames))
    assert frames.pts_s.tolist() == [0.0, 0.5]
    np.testing.assert_array_equal(frames.rgb[:, 5, 90], 0)  # where nothing was painted
    np.testing.assert_array_equal(frames.rgb[0, 60, 90], 0)
    np.testing.assert_allclose(frames.rgb[:, 5, 5], [synth.RED] * 2, atol=3)
    np.testing.assert_allclose(frames.rgb[1, 60, 90], synth.GREEN, atol=3)
    (lumas,) = (chunk for chunk in chunks if isinstance(chunk, Luma))
    assert lumas.gray[0, 60, 90] == 0 < lumas.gray[1, 60, 90]


def test_a_damaged_animation_says_so(tmp_path: Path) -> None:
    path = tmp_path / "film.webp"
    pictures = [Image.fromarray(synth.textured(n)) for n in range(5)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], lossless=True)
    content = path.read_bytes()
    for keep in (13, 60, len(content) // 2):
        path.write_bytes(content[:keep])
        with pytest.raises(DecodeError) as caught, open_media(path) as media:
            list(media.stream())
        assert caught.value.path == str(path) and caught.value.remedy
