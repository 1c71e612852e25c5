"""What exports are made of: a finished run whose films are gone, and videos made by hand."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command import LIGHT, clip, triptych
from synth import steady, textured, tone, track, write
from triptych.config import Config, DecodeConfig, ExtractConfig
from triptych.features.collect import collect
from triptych.records import FeatureTrack
from triptych.share.collect import Video, safe_key

Tracks = Mapping[str, FeatureTrack]
TALK, SAME, OTHER, PART = (
    "讲座 v1.2.mp4",
    "a/same.mp4",
    "b/same.mp4",
    f"讲座 v1.2.mp4@{1 / 3!r}-1.7",
)
STEP_S, FPS = 0.7, 1 / 0.3  # figures that analysis.json rounds


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished run whose films are gone, and what the store has of each."""

    out: Path
    cache: Path
    tracks: dict[str, Tracks]
    target: Path

    def key(self, name: str) -> str:
        return safe_key(name)


def subtitled(path: Path) -> Path:
    """A film that starts late, with subtitles beside it at odd times, the last one too long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = [textured(7 + i) for i in range(3)]
    start_s = 8.3
    write(
        path,
        times=steady(3.0, 5, start_s),
        picture=lambda i: pictures[i // 5],
        codec="mpeg4",
        pixels="yuv420p",
        fps=5,
        wave=tone(440.0, 2.9),
        sound_start_s=start_s,
    )
    path.with_suffix(".srt").write_text(
        "1\n00:00:00,123 --> 00:00:00,777\n大家好\n\n2\n00:00:01,801 --> 00:00:09,999\nGoodbye\n",
        encoding="utf-8",
    )
    return path


def ran_over_films(root: Path) -> Finished:
    """Run over a manifest of films, note what the store has of each, delete the films."""
    films, cache, out = root / "films", root / "cache", root / "out"
    clip(films / TALK, seed=1, seconds=3.0)
    clip(films / "a" / "same.mp4", seed=2, seconds=2.0, sound=False)
    subtitled(films / "b" / "same.mp4")
    (films / "bad.mp4").write_text("no film")
    with (films / "list.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "split", "start", "end"])
        table.writerow([TALK, "知识|talk", "train", "", ""])
        table.writerow([SAME, "cat", "val", "", ""])
        table.writerow([OTHER, "dog", "test", "", ""])
        table.writerow([TALK, "talk", "", 1 / 3, 1.7])
        table.writerow(["bad.mp4", "cat", "", "", ""])
    settings = ("--fps", repr(FPS), "--set", f"extract.step_s={STEP_S}")
    done = triptych("run", films / "list.csv", "-o", out, *LIGHT, *settings, cache=cache)
    assert done.returncode == 1, done.stderr  # bad.mp4
    config = Config(
        decode=DecodeConfig(fps=FPS),
        extract=ExtractConfig(preset="light", asr="never", step_s=STEP_S),
    )
    tracks = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIPTYCH_CACHE", str(cache))
        for name, film, window in (
            (TALK, TALK, (None, None)),
            (SAME, SAME, (None, None)),
            (OTHER, OTHER, (None, None)),
            (PART, TALK, (1 / 3, 1.7)),
        ):
            found = collect(films / film, config=config, start_s=window[0], end_s=window[1])
            assert "decode" not in found.watch, f"{name} was not in the store"
            tracks[name] = found.tracks
    shutil.rmtree(films)
    return Finished(out=out, cache=cache, tracks=tracks, target=root / "target")


def video(name: str, labels: tuple[str, ...] = (), split: str = "", **analysis: Any) -> Video:
    """A video of two pictures."""
    made = track(np.arange(4.0).reshape(2, 2), [0.0, 1.0], [1.0, 2.0], name="image")
    return Video(
        key=safe_key(name),
        name=name,
        sha256="0" * 64,
        tracks={"image": made},
        analysis={"cues": [], **analysis},
        labels=labels,
        split=split,
    )
