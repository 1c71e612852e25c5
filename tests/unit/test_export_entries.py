"""Which features a finished video rests on, and what is said of those that are gone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from command import LIGHT, answers, clip, triptych
from exported import OTHER, PART, SAME, TALK, Finished
from triptych import keeping
from triptych.features.upkeep import prune
from triptych.records import FeatureTrack
from triptych.share import export

pytestmark = pytest.mark.needs("embedded")


def test_a_video_whose_track_was_pruned_is_named(finished: Finished) -> None:
    (entry,) = (
        path
        for path in (finished.cache / "features").rglob("audio-*.safetensors")
        if holds(path, finished.tracks[TALK]["audio"])
    )
    entry.unlink()
    told = export(finished.out, finished.target, layout="npz")
    gone = told["skipped"][0]
    assert gone["video"] == TALK
    assert gone["reason"] == "its features are no longer in the store"
    assert "--overwrite" in gone["remedy"]
    assert [v["video"] for v in told["videos"]] == [SAME, OTHER, PART]
    others = export(finished.out, finished.target / "i", layout="npz", tracks=["image"])
    assert len(others["videos"]) == 4


def holds(path: Path, made: FeatureTrack) -> bool:
    return made.values.tobytes() in path.read_bytes()


def test_an_empty_store_leaves_nothing_to_write(finished: Finished) -> None:
    shutil.rmtree(finished.cache)
    told = export(finished.out, finished.target, layout="parquet")
    assert told["files"] == told["videos"] == []
    assert len(told["skipped"]) == 5
    assert not finished.target.exists()


def test_results_that_are_damaged_are_named(finished: Finished) -> None:
    (finished.out / TALK / "analysis.json").write_text("{")
    (finished.out / SAME / "analysis.json").write_text('{"tracks": 3}')
    (finished.out / OTHER / "analysis.json").unlink()
    told = export(finished.out, finished.target, layout="npz")
    assert [v["video"] for v in told["videos"]] == [PART]
    assert {s["reason"] for s in told["skipped"][:3]} == {"its analysis.json is missing or damaged"}


def test_the_last_row_of_a_video_counts_and_a_line_cut_short_does_not(finished: Finished) -> None:
    path = finished.out / "run.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    first = json.loads(lines[0])
    earlier = first | {"state": "failed", "error": "was lost", "remedy": ""}
    text = first | {"state": "skipped", "relative": "notes.txt"}  # which is no video
    rows = [json.dumps(earlier), json.dumps(text), *lines, lines[0][:30]]
    path.write_text("\n".join(rows), encoding="utf-8", newline="\n")
    told = export(finished.out, finished.target, layout="npz")
    assert len(told["videos"]) == 4 and len(told["skipped"]) == 1


def rewritten(finished: Finished, change: Callable[[dict[str, Any]], None]) -> None:
    """Change every row of `run.jsonl`."""
    path = finished.out / "run.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        change(row)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_entries_of_another_run_of_the_same_films_are_not_taken(finished: Finished) -> None:
    """A run that was killed before it wrote a row leaves the row of the run before it."""
    path = finished.out / TALK / "analysis.json"
    analysis = json.loads(path.read_text(encoding="utf-8"))
    for track in analysis["tracks"]:
        track["rows"] += 1
    path.write_text(json.dumps(analysis), encoding="utf-8")
    told = export(finished.out, finished.target, layout="npz")
    assert [v["video"] for v in told["videos"]] == [SAME, OTHER, PART]


def test_keys_that_leave_the_store_are_not_followed(finished: Finished) -> None:
    film = finished.out.parent / "film-ab.safetensors"
    film.write_text("mine")
    rewritten(finished, lambda row: row.update(entries={"image": "../../film-ab"}))
    told = export(finished.out, finished.target, layout="npz", tracks=["image"])
    assert told["videos"] == []
    assert film.read_text() == "mine"


def test_rows_of_an_older_version_are_told_of_once(finished: Finished) -> None:
    rewritten(finished, lambda row: row.pop("entries", None))
    told, lines, status = keeping.export(
        str(finished.out), str(finished.target), layout="npz", tracks=None
    )
    assert (told["videos"], status) == ([], 3)
    (line,) = (line for line in lines if "did not note" in line)
    assert line.startswith(f"skipped: 4 videos, {TALK} the first: ")
    assert "`triptych run`" in line and "--overwrite" not in line


def test_what_was_pruned_is_told_of_once_and_one_run_brings_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIPTYCH_CACHE", str(tmp_path / "cache"))
    for i in range(3):
        clip(tmp_path / "films" / f"电影{i}.mp4", seed=i)
    run = ("run", tmp_path / "films", "-o", tmp_path / "out", *LIGHT)
    assert triptych(*run).returncode == 0
    before = answers(tmp_path / "out")
    prune(tmp_path / "cache" / "features", max_bytes=0)
    export_it = ("cache", "export", tmp_path / "out", tmp_path / "npz", "--layout", "npz")
    done = triptych(*export_it)
    assert done.returncode == 3
    assert done.stdout.splitlines()[0] == (
        "skipped: 3 videos, 电影0.mp4 the first: its features are no longer in the store "
        "(the same `triptych run` with --overwrite makes them again, once for all videos)"
    )
    assert len(done.stdout.splitlines()) == 2
    assert triptych(*run).returncode == 0  # what is finished is finished
    assert triptych(*export_it).returncode == 3
    assert triptych(*run, "--overwrite").returncode == 0
    assert triptych(*export_it).returncode == 0
    assert answers(tmp_path / "out") == before
