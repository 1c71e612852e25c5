"""High dynamic range: what an ordinary screen shows of PQ and HLG, and that it is said."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from hdr_films import BT709, BT2020, HLG, PQ, film, patches
from triptych.decode import open_media
from triptych.decode.hdr import tone_mapped
from triptych.records import Frames, Luma

TO_2020 = np.array(  # linear BT.709 to linear BT.2020, ITU-R BT.2087
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)


def linear(rgb: np.ndarray) -> np.ndarray:
    """Light of sRGB values."""
    v = rgb / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def pq(nits: np.ndarray | float) -> np.ndarray:
    """SMPTE ST 2084, from light to signal."""
    y = (np.asarray(nits) / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def frame_of(transfer: int, primaries: int = BT2020) -> av.VideoFrame:
    frame = av.VideoFrame(2, 2, "rgb48le")
    frame.color_trc, frame.color_primaries = transfer, primaries
    return frame


def shown(signal: np.ndarray | list[float], transfer: int, primaries: int = BT2020) -> np.ndarray:
    """What is made of RGB signals (N, 3) from 0 to 1."""
    codes = np.rint(np.asarray(signal)[None] * 65535).astype(np.uint16)
    return tone_mapped(codes, frame_of(transfer, primaries))[0].astype(int)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_grey_stays_grey_and_in_order(transfer: int) -> None:
    ramp = np.linspace(0, 1, 256)
    got = shown(np.repeat(ramp[:, None], 3, axis=1), transfer)
    assert (got.max(axis=1) - got.min(axis=1)).max() <= 1
    assert (np.diff(got[:, 0]) >= 0).all()
    assert got[0, 0] == 0 and got[-1, 0] == 255


def test_white_of_both_is_one_and_leaves_room_for_highlights() -> None:
    """ITU-R BT.2408: white paper is 58 % of PQ and 75 % of HLG."""
    (in_pq,), (in_hlg,) = shown([[0.5807] * 3], PQ), shown([[0.75] * 3], HLG)
    assert abs(in_pq - in_hlg).max() <= 2
    assert (in_pq > 200).all() and (in_pq < 235).all()


def test_what_is_no_brighter_than_an_ordinary_picture_keeps_its_colours() -> None:
    colours = np.array([[0, 0, 0], [60, 60, 60], [140, 30, 30], [30, 140, 60], [20, 40, 145]])
    light = linear(colours) @ TO_2020.T
    got = shown(pq(203 * light), PQ)
    np.testing.assert_allclose(got, colours, atol=1)
    as_709 = shown(pq(203 * linear(colours)), PQ, BT709)
    np.testing.assert_allclose(as_709, colours, atol=1)


def test_highlights_keep_their_hue() -> None:
    (got,) = shown(pq(np.array([[900.0, 300.0, 300.0]])), PQ, BT709)
    light = linear(got)
    assert light[0] / light[1] == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize(
    ("transfer", "name", "ending", "codec"),
    [(PQ, "PQ", ".mp4", "libx265"), (HLG, "HLG", ".mkv", "ffv1")],
)
def test_films_are_tone_mapped_and_say_so(
    tmp_path: Path, transfer: int, name: str, ending: str, codec: str
) -> None:
    colours = np.array([[0.1, 0.1, 0.1], [0.5, 0.2, 0.2], [0.3, 0.6, 0.3], [0.75, 0.75, 0.75]])
    path = film(tmp_path / f"film{ending}", patches(colours), transfer=transfer, codec=codec)
    with open_media(path) as media:
        chunks = list(media.stream(fps=1.0, short_side=32, dense_fps=5.0))
        assert [w for w in media.report.warnings if f"({name})" in w and "tone-mapped" in w]
    (frames,) = (chunk for chunk in chunks if isinstance(chunk, Frames))
    assert frames.rgb.dtype == np.uint8
    centres = frames.rgb[0, 16, 16::32].astype(int)
    np.testing.assert_allclose(centres, shown(colours, transfer), atol=4)
    assert any(isinstance(chunk, Luma) for chunk in chunks)


def test_ordinary_films_are_left_alone(tmp_path: Path) -> None:
    colours = np.array([[0.1, 0.1, 0.1], [0.5, 0.2, 0.2], [0.3, 0.6, 0.3], [0.75, 0.75, 0.75]])
    path = film(
        tmp_path / "film.mkv", patches(colours), transfer=BT709, primaries=BT709, codec="ffv1"
    )
    with open_media(path) as media:
        (frames,) = (chunk for chunk in media.stream(short_side=32) if isinstance(chunk, Frames))
        assert media.report.warnings == []
    np.testing.assert_allclose(frames.rgb[0, 16, 16::32], np.rint(colours * 255), atol=3)
