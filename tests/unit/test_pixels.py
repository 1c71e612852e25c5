"""A known colour comes back, however the film codes it, at its own size and scaled."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import synth
from colours import PATCHES, film, middles, patchwork
from triptych.decode import open_media
from triptych.records import Frames, Luma, Pixels

NEAR = 3  # of 255: eight bits of limited range round by 1 to 2 themselves
GREYS = np.array([[v, v, v] for v in (0, 255, 128, 40, 16, 235, 64, 192)])
R, G, B, Y = synth.COLOURS


def shown(path: Path, short_side: int = 10_000) -> Pixels:
    with open_media(path) as media:
        chunks = list(media.stream(short_side=short_side, sound=False))
    return next(chunk.rgb[0] for chunk in chunks if isinstance(chunk, Frames))


def check(path: Path, colours: np.ndarray = PATCHES, near: int = NEAR) -> None:
    """The colours are right at the film's own size and scaled to 224 pixels."""
    for short_side in (10_000, 224):
        got = middles(shown(path, short_side), colours)
        np.testing.assert_allclose(got, colours, atol=near, err_msg=f"short side {short_side}")


@pytest.mark.parametrize("matrix", ["601", "709", "2020"])
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p10le"])
def test_matrix_and_range(tmp_path: Path, matrix: str, full: bool, pixels: str) -> None:
    check(film(tmp_path / "f.mkv", patchwork(120), matrix=matrix, full=full, pixels=pixels))


@pytest.mark.parametrize(
    "pixels",
    [
        *("yuv422p", "yuv444p", "yuv440p", "yuv411p", "yuv410p"),
        *("yuv420p10le", "yuv422p10le", "yuv420p12le", "yuv422p12le", "yuv444p12le", "yuv420p16le"),
    ],
)
def test_chroma_and_depth(tmp_path: Path, pixels: str) -> None:
    check(film(tmp_path / "f.mkv", patchwork(120), pixels=pixels))


@pytest.mark.parametrize(
    ("ending", "codec", "pixels", "options"),
    [
        ("mp4", "libx264", "yuv420p", {"qp": "0"}),
        ("mov", "libx264", "yuv444p", {"qp": "0"}),
        ("mp4", "libx265", "yuv420p10le", {"x265-params": "lossless=1:log-level=none:pools=none"}),
        ("webm", "libvpx-vp9", "yuv420p", {"lossless": "1"}),
    ],
)
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
def test_what_streams_say_of_their_colours(
    tmp_path: Path, ending: str, codec: str, pixels: str, options: dict[str, str], full: bool
) -> None:
    path = tmp_path / f"f.{ending}"
    for matrix in ("601", "709"):
        film(path, patchwork(96), matrix=matrix, full=full, codec=codec, pixels=pixels,
             options=options, count=10)  # fmt: skip
        got = middles(shown(path))
        np.testing.assert_allclose(got, PATCHES, atol=NEAR, err_msg=matrix)


@pytest.mark.parametrize("pixels", ["gray", "gray10le", "gray12le"])
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
def test_grey_films(tmp_path: Path, pixels: str, full: bool) -> None:
    path = film(tmp_path / "f.mkv", patchwork(120, GREYS), pixels=pixels, full=full)
    check(path, GREYS)


def test_grey_h264_is_limited(tmp_path: Path) -> None:
    """What 4:0:0 H.264 says of itself, as cameras for the night write it."""
    path = film(
        tmp_path / "f.mp4", patchwork(120, GREYS), pixels="gray", codec="libx264",
        options={"qp": "0"},
    )  # fmt: skip
    check(path, GREYS)


@pytest.mark.parametrize(
    ("pixels", "codec", "ending"),
    [("rgb24", "png", "mov"), ("bgr0", "ffv1", "mkv"), ("rgb48be", "png", "mov"),
     ("gbrp10le", "ffv1", "mkv"), ("bgr24", "rawvideo", "avi")],
)  # fmt: skip
def test_films_in_red_green_and_blue(tmp_path: Path, pixels: str, codec: str, ending: str) -> None:
    path = tmp_path / f"f.{ending}"
    picture = patchwork(120).astype(np.uint8)
    synth.write(path, times=[0.0], picture=lambda _: picture, codec=codec, pixels=pixels)
    check(path)


@pytest.mark.parametrize("size", [(321, 241), (97, 65), (35, 17)])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p10le", "yuv444p"])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int], pixels: str) -> None:
    wide, high = size
    for colour in PATCHES[4:8]:
        picture = np.broadcast_to(colour, (high, wide, 3))
        path = film(tmp_path / "f.mkv", picture, pixels=pixels)
        got = shown(path)
        assert got.shape == (high, wide, 3)
        np.testing.assert_allclose(got, picture, atol=NEAR)


@pytest.mark.parametrize("pixels", ["yuva420p", "yuva444p"])
def test_what_is_transparent_lies_over_black(tmp_path: Path, pixels: str) -> None:
    alpha = np.full((360, 480), 255, np.uint8)
    alpha[:, 120:240], alpha[:, 240:360] = 128, 0
    path = film(tmp_path / "f.mkv", patchwork(120), pixels=pixels, alpha=alpha)
    weights = np.tile([1.0, 128 / 255, 0.0, 1.0], 3)[:, None]
    check(path, np.rint(PATCHES * weights).astype(int))


def test_transparent_pictures_in_rgb_lie_over_black(tmp_path: Path) -> None:
    picture = np.concatenate(
        [patchwork(120), np.full((360, 480, 1), 255)], axis=2
    ).astype(np.uint8)  # fmt: skip
    picture[:, 120:240, 3] = 0
    with av.open(str(tmp_path / "f.mov"), "w") as out:
        stream = out.add_stream("png", rate=10)
        stream.width, stream.height, stream.pix_fmt = 480, 360, "rgba"
        frame = av.VideoFrame.from_ndarray(picture, "rgba")
        frame.pts, frame.time_base = 0, Fraction(1, 10)
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    weights = np.tile([1, 0, 1, 1], 3)[:, None]
    check(tmp_path / "f.mov", PATCHES * weights)


@pytest.mark.parametrize(
    ("matrix", "corners"),
    [
        ((-1, 0, 0, 1), [G, R, Y, B]),  # left and right changed: a camera for oneself
        ((1, 0, 0, -1), [B, Y, R, G]),  # upside down
        ((0, 1, 1, 0), [R, B, G, Y]),  # mirrored at one diagonal
        ((0, -1, -1, 0), [Y, G, B, R]),  # and at the other
    ],
)
def test_mirrored_films(
    tmp_path: Path, matrix: tuple[int, ...], corners: list[tuple[int, int, int]]
) -> None:
    path = synth.turned_mp4(tmp_path / "turned.mp4", matrix)
    with open_media(path) as media:
        chunks = list(media.stream(dense_fps=5.0))
        size = (media.info.height, media.info.width)
    colour = next(c for c in chunks if isinstance(c, Frames)).rgb[0]
    grey = next(c for c in chunks if isinstance(c, Luma)).gray[0]
    assert colour.shape[:2] == grey.shape == size == ((96, 64) if matrix[1] else (64, 96))
    for index, wanted in enumerate(corners):
        at = tuple(round(side * (0.25 + 0.5 * half)) for side, half in
                   zip(size, divmod(index, 2), strict=True))  # fmt: skip
        np.testing.assert_allclose(colour[at], wanted, atol=NEAR)
        luma = np.dot(wanted, (0.299, 0.587, 0.114))
        assert abs(int(grey[at]) - luma) <= NEAR


def interlaced(path: Path, top: int, bottom: int, size: tuple[int, int] = (96, 64)) -> Path:
    """A film whose two fields show different greys, as when something moves between them."""
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[::2], picture[1::2] = top, bottom
    options = {"qp": "0", "flags": "+ildct+ilme", "x264-params": "tff=1"}
    return film(path, picture, codec="libx264", pixels="yuv420p", options=options)


def test_interlaced_films_keep_their_colours(tmp_path: Path) -> None:
    options = {"qp": "0", "flags": "+ildct+ilme", "x264-params": "tff=1"}
    path = film(tmp_path / "f.mp4", patchwork(120), codec="libx264", options=options)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).interlaced_frame
    check(path)


def test_fields_are_blended_where_pictures_are_made_smaller(tmp_path: Path) -> None:
    """Combs at full size would look like fine stripes to whoever looks at the small picture."""
    path = interlaced(tmp_path / "f.mp4", 60, 180)
    got = shown(path, 16).astype(int)
    np.testing.assert_allclose(got[2:-2], 120, atol=6)


@pytest.mark.parametrize("aspect", [Fraction(16, 11), Fraction(1, 2)])
def test_oblong_pixels_keep_their_colours(tmp_path: Path, aspect: Fraction) -> None:
    path = film(tmp_path / "f.mp4", patchwork(120), codec="libx264", options={"qp": "0"},
                sample_aspect_ratio=aspect)  # fmt: skip
    got = shown(path)
    assert got.shape == (360, round(480 * aspect), 3)
    check(path)


def test_neighbours_of_other_colours_share_none(tmp_path: Path) -> None:
    """Scaled to an even width, a column still has a colour of its own."""
    colours = np.array([(255, 0, 0), (0, 0, 255)])
    stripes = np.tile(colours.repeat(7, axis=0), (16, 1))  # of seven pixels, then one each
    picture = np.broadcast_to(stripes, (112, *stripes.shape))
    path = film(tmp_path / "f.mkv", picture, pixels="yuv444p")
    got = shown(path, 16)
    assert got.shape == (16, 32, 3)
    # The filter's own blur leaves 160 of 255; a shared colour would leave nothing.
    redder = got[8, :, 0].astype(int) - got[8, :, 2]
    assert (redder[0::2] > 120).all() and (redder[1::2] < -120).all()


def test_the_other_way_to_the_same_colours(tmp_path: Path) -> None:
    """Scaled straight from the film's own colours or after them: the same within rounding."""
    path = film(tmp_path / "f.mkv", synth.textured(1, (480, 360)), pixels="yuv420p10le")
    large = av.VideoFrame.from_ndarray(shown(path), "rgb24")
    small = large.reformat(width=299, height=224, interpolation="BICUBIC").to_ndarray()
    np.testing.assert_allclose(shown(path, 224).astype(int), small.astype(int), atol=NEAR)
