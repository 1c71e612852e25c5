"""Words as points in the sentence encoder's space, made once a machine and kept."""

from __future__ import annotations

import functools

from triptych.extract.text import kept_vectors
from triptych.features.keys import digest_of
from triptych.records import Floats

__all__ = ["phrase_vectors"]


@functools.lru_cache(maxsize=8)
def phrase_vectors(phrases: tuple[tuple[str, ...], ...]) -> Floats:
    """Unit vectors (L, 512): each row is the mean of its texts."""
    name = f"labels-{digest_of({'phrases': phrases})[:16]}"
    rows = [(text, row) for row, texts in enumerate(phrases) for text in texts]
    return kept_vectors(
        name, lambda: ([t for t, _ in rows], [r for _, r in rows], [1.0] * len(rows))
    )
