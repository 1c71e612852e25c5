"""Colours of frames."""

from __future__ import annotations

import numpy as np
import pytest

import synth
from triptych.extract.colour import colours, lab
from triptych.extract.specs import COLOUR, HUES, LEVELS


def row(picture: np.ndarray) -> dict[str, float]:
    return dict(zip(COLOUR.columns, colours(picture).tolist(), strict=True))


@pytest.mark.parametrize(
    ("colour", "column"),
    [((255, 0, 0), "hue_0"), ((0, 255, 0), "hue_120"), ((0, 0, 255), "hue_240"),
     ((90, 90, 90), "grey"), ((5, 0, 0), "grey")],
)  # fmt: skip
def test_a_plain_picture_is_in_one_bin(colour: tuple[int, int, int], column: str) -> None:
    found = row(synth.plain(colour))
    assert found[column] == 1.0
    assert found["lightness_std"] == pytest.approx(0.0, abs=1e-4)


def test_histograms_are_shares() -> None:
    values = colours(synth.textured(1, (200, 120)))
    ends = np.cumsum([HUES + 1, LEVELS, LEVELS])
    for a, b in zip([0, *ends[:-1]], ends, strict=True):
        assert values[a:b].sum() == pytest.approx(1.0, abs=1e-5)
    assert (values[: ends[-1]] >= 0).all() and np.isfinite(values).all()


def test_moments_are_those_of_all_pixels() -> None:
    picture = synth.textured(2, (60, 60))
    points = lab(picture).reshape(-1, 3).astype(np.float64) / 100
    found = row(picture)
    for i, channel in enumerate(("lightness", "a", "b")):
        assert found[f"{channel}_mean"] == pytest.approx(points[:, i].mean(), abs=1e-4)
        assert found[f"{channel}_std"] == pytest.approx(points[:, i].std(), abs=1e-4)
        third = np.cbrt(((points[:, i] - points[:, i].mean()) ** 3).mean())
        assert found[f"{channel}_skew"] == pytest.approx(third, abs=1e-3)


def test_greys_have_no_colour_in_lab() -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    found = lab(greys)
    assert np.abs(found[:, 1:]).max() < 0.02
    assert (np.diff(found[:, 0]) > 0).all() and found[-1, 0] == pytest.approx(100.0, abs=1e-3)
