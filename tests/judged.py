"""Films whose loud moments matter, and what made-up people say of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from synth import steady, textured, tone, write

SHOT_S, SHOTS, PEOPLE = 2.0, 5, 3


def loud_shots(seed: int) -> list[bool]:
    """Which shots of a film are loud: two of five, others in each film."""
    rng = np.random.default_rng(seed)
    loud = np.zeros(SHOTS, bool)
    loud[rng.permutation(SHOTS)[:2]] = True
    return loud.tolist()


def judged_film(path: Path, *, seed: int) -> Path:
    """A film of a single picture in which some shots are loud."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = textured(seed)
    wave = np.concatenate(
        [tone(400.0 + 20 * seed, SHOT_S) * (1.0 if loud else 0.01) for loud in loud_shots(seed)]
    )
    return write(
        path,
        times=steady(SHOT_S * SHOTS, 5),
        picture=lambda _: picture,
        codec="mpeg4",
        pixels="yuv420p",
        fps=5,
        wave=wave,
        sound_codec="aac",
    )


def said_of(seed: int) -> list[list[float]]:
    """TVSum's `label`: what each person gives each shot, 1 to 5."""
    rng = np.random.default_rng(1000 + seed)
    base = np.where(loud_shots(seed), 4.0, 2.0)
    return (base[:, None] + rng.integers(-1, 2, (SHOTS, PEOPLE))).tolist()


def judged_folder(root: Path, *, films: int, first_seed: int = 0, name: str = "片 {}") -> Path:
    """Films, and beside them a file of annotations in TVSum's format."""
    lines = []
    for i in range(films):
        called = name.format(i)
        judged_film(root / f"{called}.mp4", seed=first_seed + i)
        lines.append(json.dumps({"vid": called, "label": said_of(first_seed + i)}))
    (root / "people.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root
