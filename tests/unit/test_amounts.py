"""Sizes as people read them."""

from __future__ import annotations

import pytest

from triptych.amounts import sized


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_940, "99.9 kB"),
        (99_960, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (20 * 10**9, "20.0 GB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_sizes_are_decimal_and_short(size: int, said: str) -> None:
    assert sized(size) == said
