"""Which frames `triptych decode` writes, what it says of them, and what it would decode."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from synth import number_of, numbered_film, scenes, steady, swinging, textured, write
from triptych.config import Config
from triptych.decode.sampling import nearest_frames
from triptych.errors import UsageError
from triptych.inputs import find_sources
from triptych.unpack import Wishes
from triptych.unpack.wishes import check_sample
from triptych.unpack.work import plan_one
from unpacking import table, unpacked


@pytest.mark.parametrize(
    "wrong",
    [
        {"frames": "gif"}, {"sound": "mp3"}, {"start_s": 2.0, "end_s": 2.0}, {"start_s": -1.0},
        {"start_s": float("nan")}, {"tolerance_s": -0.1}, {"precision": "roughly"},
    ],
)  # fmt: skip
def test_wishes_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        Wishes(**wrong)
    assert str(caught.value)


def test_numbers_are_read_from_the_pictures(tmp_path: Path) -> None:
    clip = numbered_film(tmp_path / "n.mkv", swinging(3.0))
    unpacked(clip.path, tmp_path / "place", frames="png", sample="fps:2")
    for row in table(tmp_path / "place"):
        picture = np.asarray(Image.open(tmp_path / "place" / row["file"]))
        assert clip.times[number_of(picture)] == pytest.approx(float(row["time_s"]))


@pytest.mark.parametrize(
    ("sample", "wanted"),
    [
        ("fps:2", np.arange(0, 8, 0.5)),
        ("every:3", [0, 3, 6]),
        ("uniform:4", [1, 3, 5, 7]),
        ("times:0.05,3,3.01", [0.05, 3]),
        ("windows:4/2/2", [1, 3, 5, 7]),
        ("shots:1", [1, 3, 5, 7]),
    ],
)
def test_every_way_to_sample(sample: str, wanted: list[float], tmp_path: Path) -> None:
    clip = scenes(tmp_path / "f.mkv", start_s=3.0, fps=10, sound=False)
    unpacked(clip.path, tmp_path / "place", sample=sample)
    rows = table(tmp_path / "place")
    np.testing.assert_allclose([float(r["wanted_s"]) - 3.0 for r in rows], wanted, atol=0.001)
    shown = nearest_frames(np.array(clip.times), 3.0 + np.array(wanted, np.float64))
    np.testing.assert_allclose([float(r["time_s"]) for r in rows], np.array(clip.times)[shown])
    assert {r["key"] for r in rows} <= ({""} if sample[0] in "fet" else {"0", "1"})


@pytest.mark.parametrize("precision", ["exact", "near", "keyframe"])
def test_key_frames_are_told_apart(tmp_path: Path, precision: str) -> None:
    path = write(
        tmp_path / "f.mp4", times=steady(4.0), picture=lambda i: textured(i // 10),
        codec="libx264", pixels="yuv420p", options={"g": "25", "sc_threshold": "0"},
    )  # fmt: skip
    unpacked(path, tmp_path / "a", sample="keyframes")
    assert [(r["time_s"], r["key"]) for r in table(tmp_path / "a")] == [
        (f"{second}.0", "1") for second in range(4)
    ]
    unpacked(path, tmp_path / "b", sample="uniform:4", precision=precision, tolerance_s=0.2)
    rows = table(tmp_path / "b")
    assert len(rows) == 4
    assert {r["key"] for r in rows} == ({"1"} if precision == "keyframe" else {"0"})
    assert {bool(r["wanted_s"]) for r in rows} == {precision == "exact"}
    for row, wanted_s in zip(rows, (0.5, 1.5, 2.5, 3.5), strict=True):
        assert abs(float(row["time_s"]) - wanted_s) <= {"exact": 0.04, "near": 0.2}.get(
            precision, 1
        )


def test_a_plan_says_what_would_be_decoded(tmp_path: Path) -> None:
    path = write(
        tmp_path / "f.mp4", times=steady(8.0), picture=lambda i: textured(i // 10),
        codec="libx264", pixels="yuv420p", options={"g": "25", "bf": "0"},
    )  # fmt: skip
    (source,) = find_sources([path], out=tmp_path)
    row = {"path": str(path), "relative": path.name, "state": "", "stage": ""}
    row = plan_one(
        source=source, row=row, config=Config(), news=tmp_path / "none",
        wishes=Wishes(sample="times:2,6.5", start_s=1.0),
    )  # fmt: skip
    assert row["state"] == "done", row
    plan = row["plan"]
    assert (plan["frames_wanted"], plan["packets"]) == (2, 200)
    assert plan["packets_decoded"] + plan["packets_skipped"] == 200
    assert 2 <= plan["packets_decoded"] < 30 and row["duration_s"] == 7.0
    assert sum(plan["reasons"].values()) == 200
    assert os.listdir(tmp_path) == ["f.mp4"]


def test_shots_cannot_be_planned() -> None:
    with pytest.raises(UsageError, match="only from the pictures"):
        check_sample("shots:2", planned=True)
    check_sample("shots:2")
    with pytest.raises(UsageError, match="no way to sample"):
        check_sample("sometimes")
