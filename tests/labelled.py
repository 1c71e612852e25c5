"""Small sets of labelled clips, for the tests of training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from synth import BLUE, RED, plain, steady, textured, tone, write

#: Label -> colour and tone of its clips.
KINDS = {"红": (RED, 300.0), "蓝": (BLUE, 1800.0)}


def coloured(path: Path, label: str, *, seed: int, seconds: float = 1.0) -> Path:
    """A film of its label's colour and tone that no other seed gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colour, hz = KINDS[label]
    picture = plain(colour) // 4 * 3 + textured(seed) // 4
    return write(
        path,
        times=steady(seconds, 5),
        picture=lambda _: picture,
        codec="mpeg4",
        pixels="yuv420p",
        fps=5,
        wave=tone(hz + 10 * seed, seconds),
        sound_codec="aac",
    )


def sounding(path: Path, label: str, *, seed: int, seconds: float = 1.0) -> Path:
    """Sound alone, of its label's tone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 0.01, round(seconds * 16_000)).astype(np.float32)
    return write(path, times=(), wave=tone(KINDS[label][1], seconds) + noise)


def labelled_folder(root: Path, *, each: int = 6, first_seed: int = 0) -> Path:
    """A folder for each label with so many films."""
    for label in KINDS:
        for i in range(each):
            coloured(root / label / f"片段 {i}.mp4", label, seed=first_seed + i)
    return root
