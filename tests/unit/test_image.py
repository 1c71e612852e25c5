"""Pictures are cropped as the image model was tested, and seen for what they are."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import synth
from triptych.extract.image import centre_crop, frame_spans


@pytest.mark.parametrize(
    "size", [(256, 256), (455, 256), (256, 455), (96, 64), (1, 1), (1024, 3), (224, 224), (2, 900)]
)
def test_a_crop_of_any_size_has_the_models_size(size: tuple[int, int]) -> None:
    crop = centre_crop(np.stack([synth.textured(1, size), synth.textured(2, size)]))
    assert crop.shape == (2, 224, 224, 3) and crop.dtype == np.uint8
    assert crop.flags["C_CONTIGUOUS"]


def test_the_middle_is_kept() -> None:
    picture = synth.textured(1, (455, 256))
    np.testing.assert_array_equal(centre_crop(picture[None])[0], picture[16:240, 115 : 115 + 224])


@pytest.mark.parametrize("size", [(640, 360), (300, 400), (90, 64), (128, 500)])
def test_other_sizes_are_scaled_to_256_and_cropped(size: tuple[int, int]) -> None:
    picture = synth.textured(3, size)
    scale = 256 / min(size)
    whole = Image.fromarray(picture).resize(
        (round(size[0] * scale), round(size[1] * scale)), Image.Resampling.BICUBIC
    )
    left, top = (whole.width - 224) // 2, (whole.height - 224) // 2
    expected = np.asarray(whole)[top : top + 224, left : left + 224].astype(int)
    # Rounding of the scaled size moves the crop by up to half a pixel.
    assert np.abs(centre_crop(picture[None])[0].astype(int) - expected).mean() < 1.0


def test_frames_last_until_the_next() -> None:
    start_s, end_s = frame_spans([np.array([0.0, 1.0]), np.array([3.0])])
    assert start_s.tolist() == [0, 1, 3] and end_s.tolist() == [1, 3, 5]
    assert [a.tolist() for a in frame_spans([np.array([8.3])])] == [[8.3], [9.3]]
    assert [len(a) for a in frame_spans([])] == [0, 0]


def drawn(kind: str) -> np.ndarray:
    """A schoolbook drawing of a thing that ImageNet knows."""
    from PIL import ImageDraw

    picture = Image.new("RGB", (256, 256), (90, 140, 200))
    draw = ImageDraw.Draw(picture)
    if kind == "traffic light":
        draw.rectangle((96, 24, 160, 216), fill=(30, 30, 30))
        for n, colour in enumerate([(230, 30, 30), (90, 80, 20), (20, 80, 30)]):
            draw.ellipse((106, 34 + 60 * n, 150, 78 + 60 * n), fill=colour)
        draw.rectangle((122, 216, 134, 256), fill=(60, 60, 60))
    else:
        picture.paste((245, 245, 245), (0, 0, 256, 256))
        draw.ellipse((28, 28, 228, 228), fill=(255, 255, 255), outline=(20, 20, 20), width=8)
        for n in range(12):
            x, y = np.sin(n * np.pi / 6), -np.cos(n * np.pi / 6)
            draw.line(
                (128 + 78 * x, 128 + 78 * y, 128 + 92 * x, 128 + 92 * y), fill=(0, 0, 0), width=6
            )
        draw.line((128, 128, 128, 60), fill=(0, 0, 0), width=7)
        draw.line((128, 128, 180, 150), fill=(0, 0, 0), width=9)
    return np.asarray(picture)


@pytest.mark.needs("embedded")
@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("traffic light", {"traffic light"}),
        ("clock", {"analog clock", "wall clock", "stopwatch"}),
    ],
)
def test_a_drawing_is_recognised(kind: str, names: set[str]) -> None:
    from torchvision.models import EfficientNet_B0_Weights

    from triptych.extract.registry import load

    coroutine = load("image")()
    next(coroutine)
    coroutine.send(synth.frames([drawn(kind)]))
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    track = done.value.value["image_labels"]
    categories = EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]
    best = [categories[i] for i in np.argsort(-track.values[0])[:3]]
    assert names & set(best), best
    assert track.values[0].sum() == pytest.approx(1.0, abs=1e-4)
