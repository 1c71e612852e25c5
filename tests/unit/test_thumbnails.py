"""Pictures for reports: small, evenly spaced, bounded in number."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import synth
from triptych.extract import thumbnails
from triptych.extract.thumbnails import ThumbnailExtractor
from triptych.records import Frames, Thumbnails


def made(batches: list[Frames]) -> Thumbnails:
    coroutine = ThumbnailExtractor()()
    next(coroutine)
    for batch in batches:
        coroutine.send(batch)
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    return done.value.value["thumbnails"]


def test_a_picture_of_each_frame() -> None:
    colours = [synth.plain(c, (455, 256)) for c in synth.COLOURS]
    got = made([synth.frames(colours[:3], start_s=8.3), synth.frames(colours[3:], start_s=11.3)])
    np.testing.assert_allclose(got.pts_s, 8.3 + np.arange(4))
    for jpeg, colour in zip(got.jpeg, synth.COLOURS, strict=True):
        picture = Image.open(io.BytesIO(jpeg))
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (455, 256))
        assert np.abs(np.asarray(picture).mean(axis=(0, 1)) - colour).max() < 6


def test_no_frames_are_no_pictures() -> None:
    assert made([]).jpeg == ()


@pytest.mark.parametrize("count", [1, 9, 10, 11, 39, 100])
def test_the_number_is_bounded_and_the_spacing_even(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(thumbnails, "_MOST", 10)
    tiny = synth.plain(synth.RED, (2, 2))
    got = made([synth.frames([tiny] * count)])
    assert min(count, 5) <= len(got.jpeg) <= 10
    assert got.pts_s[0] == 0
    gaps = set(np.diff(got.pts_s).tolist())
    assert len(gaps) <= 1 and got.pts_s[-1] + max(gaps, default=1) >= count


def test_the_nearest_is_the_one_on_screen() -> None:
    pictures = Thumbnails(jpeg=(b"a", b"b", b"c"), pts_s=np.array([1.0, 2.0, 5.0]))
    assert [pictures.nearest(t) for t in (0.0, 1.0, 1.9, 2.0, 4.9, 99.0)] == [
        b"a", b"a", b"a", b"b", b"b", b"c",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="no pictures"):
        Thumbnails(jpeg=(), pts_s=np.zeros(0)).nearest(1.0)
