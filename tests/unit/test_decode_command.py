"""The command `triptych decode`: places, exit codes, and what it says."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from command import clip, triptych
from triptych.cli import main

EVERYTHING = {
    "frames", "frames.csv", "spectrogram.npz", "spectrogram.png", "sound.wav", "media.json",
}  # fmt: skip


def names(folder: Path) -> set[str]:
    return {name for name in os.listdir(folder) if name != ".lock"}


def test_a_film_becomes_files_once(tmp_path: Path) -> None:
    film = clip(tmp_path / "film.mp4")
    done = triptych("decode", film, "-o", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    assert names(tmp_path / "out") == EVERYTHING
    totals = json.loads(done.stdout)
    assert totals["states"]["done"] == totals["videos"] == 1
    assert totals["rows"][0]["folder"] == str(tmp_path / "out")
    before = (tmp_path / "out" / "media.json").stat()
    again = triptych("decode", film, "-o", tmp_path / "out")
    assert again.returncode == 2
    assert "would be replaced (--overwrite" in again.stderr
    assert (tmp_path / "out" / "media.json").stat() == before
    over = triptych("decode", film, "-o", tmp_path / "out", "--overwrite", "--sound", "none")
    assert over.returncode == 0, over.stderr
    assert f"see {tmp_path / 'out'}" in over.stdout
    assert names(tmp_path / "out") == EVERYTHING - {"sound.wav"}


def test_several_films_have_places_of_their_own(tmp_path: Path) -> None:
    films = tmp_path / "films"
    clip(films / "-dash.mp4", sound=False)
    clip(films / "下" / "电影 一.mp4")
    (films / "bad.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + b"\0" * 100)
    (films / "notes.txt").write_text("no film")
    out = tmp_path / "out"
    done = triptych("decode", "-o", out, "--frames", "png", ".", "--", "-dash.mp4", cwd=films)
    assert done.returncode == 1, done.stderr
    assert names(out) == {"-dash.mp4", "下"}
    assert names(out / "-dash.mp4") == {"frames", "frames.csv", "media.json"}
    assert names(out / "下" / "电影 一.mp4") == EVERYTHING
    assert "failed: bad.mp4: open: " in done.stdout
    assert "bad.mp4" in done.stderr and "(" in done.stderr  # with its remedy
    again = triptych("decode", "-o", out, films)
    assert again.returncode == 3
    assert again.stdout.count("would be replaced") == 2
    alone = triptych("decode", "-o", tmp_path / "alone", "--", "-dash.mp4", cwd=films)
    assert alone.returncode == 0, alone.stderr
    assert names(tmp_path / "alone") == {"frames", "frames.csv", "media.json"}


def test_a_plan_writes_nothing(tmp_path: Path) -> None:
    film = clip(tmp_path / "电影.mp4")
    (tmp_path / "bad.mp4").write_text("no film")
    told = triptych("decode", tmp_path, "--plan")
    assert told.returncode == 1
    assert "1 frames wanted" in told.stdout and "packets skipped" in told.stdout
    assert f"failed: {tmp_path / 'bad.mp4'}: open: " in told.stdout
    data = json.loads(triptych("decode", film, "--plan", "--json").stdout)
    assert data["rows"][0]["plan"]["packets"] == 5
    assert sorted(os.listdir(tmp_path)) == ["bad.mp4", "电影.mp4"]


def test_a_bad_film_alone_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no film")
    done = triptych("decode", tmp_path / "bad.mp4", "-o", tmp_path / "out")
    assert done.returncode == 3
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["film.mp4"],
        ["missing.mp4", "-o", "out"],
        ["film.mp4", "-o", "film.mp4"],
        ["film.mp4", "-o", "long" * 100],
        ["film.mp4", "-o", "film.mp4/below"],
        ["film.mp4", "-o", "out", "--start", "3", "--end", "2"],
        ["film.mp4", "-o", "out", "--short-side", "0"],
        ["film.mp4", "-o", "out", "--sample", "sometimes"],
        ["film.mp4", "--plan", "--sample", "shots:2"],
    ],
)
def test_a_wrong_command_is_refused(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip(tmp_path / "film.mp4")
    monkeypatch.chdir(tmp_path)
    assert main(["decode", *arguments]) == 2
    assert os.listdir(tmp_path) == ["film.mp4"]
