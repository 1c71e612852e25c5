"""The benchmark runs, and what it says it compares is what it compares. No timings here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from command import PATIENCE_S, clip
from synth import noise, write

BENCH = Path(__file__).resolve().parents[2] / "bench"

pytestmark = pytest.mark.needs("embedded")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One short round over two films, a sound and a file that is none."""
    folder = tmp_path_factory.mktemp("bench")
    films = folder / "films"
    clip(films / "a.mp4", seed=1, seconds=3.0)
    clip(films / "deep" / "b.mp4", seed=2, sound=False)
    write(films / "c.wav", wave=noise(2.0))
    (films / "notes.txt").write_text("milk")
    command = [sys.executable, str(BENCH / "end_to_end.py"), str(films), "--repeat", "1"]
    done = subprocess.run(
        [*command, "--only", "same_work", "--json", str(folder / "out" / "figures.json")],
        capture_output=True,
        encoding="utf-8",
        timeout=3 * PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "same_work, films: 3 files, 6 s" in done.stdout
    found: dict[str, Any] = json.loads((folder / "out" / "figures.json").read_text("utf-8"))
    return found


def test_the_figures_say_where_and_with_what_they_were_taken(report: dict[str, Any]) -> None:
    assert report["machine"]["cores"] >= 1
    assert report["versions"]["triptych"]
    assert report["date"]
    assert report["first_run_ever"]["first_run_s"] > 0


def test_every_figure_comes_with_its_spread(report: dict[str, Any]) -> None:
    found = report["results"]["same_work"]["films"]
    for side in ("plain", "cold", "warm", "warm_new_folder"):
        for name in ("wall_s", "cpu_s", "video_s_per_wall_s", "peak_mb"):
            figure = found[side][name]
            assert figure["n"] == 1
            assert 0 < figure["min"] <= figure["median"] <= figure["max"], (side, name)
    for ratio in found["ratios"].values():
        assert ratio["n"] == 1


def test_both_worked_on_the_same_files_and_agree(report: dict[str, Any]) -> None:
    found = report["results"]["same_work"]["films"]
    assert (found["files"], found["media_s"]) == (3, pytest.approx(6.0, abs=0.1))
    assert found["states"] == {"done": 3, "cached": 0, "partial": 0, "failed": 0, "skipped": 1}
    labels = {row["file"]: row for row in found["top_labels"]}
    assert labels.keys() == {"a.mp4", "deep/b.mp4", "c.wav"}
    assert labels["c.wav"]["plain"] == labels["c.wav"]["triptych"] == ""
    assert found["same_top_label"] == {"compared": 2, "same": 2}
    targets = {row["target"]: row for row in report["targets"]}
    assert targets["same_top_label"]["held"]


def test_warm_runs_were_warm(report: dict[str, Any]) -> None:
    """Not how much faster: that they loaded nothing, which shows in their size."""
    found = report["results"]["same_work"]["films"]
    assert found["warm"]["peak_mb"]["max"] < 100 < found["cold"]["peak_mb"]["min"]
    assert found["cold"]["peak_mb"]["max"] < found["plain"]["peak_mb"]["max"]


def test_the_plain_script_is_no_part_of_the_library() -> None:
    source = (BENCH / "plain_script.py").read_text(encoding="utf-8")
    assert "import triptych" not in source
    assert "from triptych" not in source
