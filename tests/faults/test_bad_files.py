"""One folder of everything that is bad, and places that cannot be written to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import av
import pytest

from command import (
    LIGHT,
    analysis_of,
    answers,
    clip,
    rows_of,
    states_of,
    totals_of,
    triptych,
)
from synth import noise, numbered, plain, steady, swinging, tone, truncated, turned_mp4, write

pytestmark = pytest.mark.needs("embedded")

WORDS = "你好，世界。这是一只猫。"
BYTES = os.fsdecode(b"no \xff text.mp4")
CONTROLS = "two\nlines \x1b[31m 电影 \U0001f600.mp4"


def _bad_inputs(folder: Path) -> None:
    clip(folder / "one" / "clip.mp4", seed=1)
    clip(folder / "two" / "clip.mp4", seed=2)
    clip(folder / CONTROLS, seed=3)
    clip(folder / BYTES, seed=4)
    clip(folder / "silent.mp4", seed=5, sound=False)
    clip(folder / "talk.mp4", seed=6, seconds=3.0)
    cue = f"1\r\n00:00:00,500 --> 00:00:02,000\r\n{WORDS}\r\n\r\n"
    (folder / "talk.zh.srt").write_bytes(cue.encode("utf-16"))
    write(folder / "sound.wav", wave=tone(440, 2.0) + noise(2.0))
    write(folder / "vfr.mkv", times=swinging(), picture=numbered)
    write(folder / "1x1.mkv", times=steady(1.0, 5), picture=lambda _: plain((9, 9, 9), (1, 1)))
    turned_mp4(folder / "rotated.mp4", (0, 1, -1, 0))
    truncated(clip(folder.parent / "whole.mp4", seed=7), folder / "truncated.mp4", 0.6)
    whole = write(folder.parent / "whole.mkv", times=steady(4.0, 5), picture=numbered)
    truncated(whole, folder / "cut.mkv", 0.5)
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("This is a letter, not a film.\n" * 50)
    (folder / "notes.txt").write_text("milk, eggs")
    (folder / "playlist.mp4").write_text("#EXTM3U\n#EXTINF:1,\none/clip.mp4\n#EXT-X-ENDLIST\n")
    (folder / "script.mp4").write_text("ffconcat version 1.0\nfile one/clip.mp4\n")
    (folder / "gone.mp4").symlink_to(folder / "nowhere.mp4")


@pytest.fixture(scope="module")
def mixed(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Results of a folder of everything, and what the command said."""
    root = tmp_path_factory.mktemp("mixed")
    _bad_inputs(root / "in")
    said = triptych("run", root / "in", "-o", root / "out", "--preset", "light", "--asr", "never")
    return root / "out", said


GOOD = (
    "1x1.mkv",
    BYTES,
    CONTROLS,
    "one/clip.mp4",
    "rotated.mp4",
    "silent.mp4",
    "sound.wav",
    "talk.mp4",
    "two/clip.mp4",
    "vfr.mkv",
)
NOT_MEDIA = ("not a video or sound file", "playlists and scripts are refused")
BAD = {
    "truncated.mp4": ("failed", "open", "damaged", "copy or download it again"),
    "empty.mp4": ("failed", "open", "the file is empty", "copy or download it again"),
    "text.mp4": ("failed", "open", *NOT_MEDIA),
    "playlist.mp4": ("failed", "open", *NOT_MEDIA),
    "script.mp4": ("failed", "open", *NOT_MEDIA),
    "gone.mp4": ("failed", "read", "a link that leads nowhere", "mend the link"),
    "notes.txt": ("skipped", "open", "not a video or sound file", ""),
}


def test_each_video_of_a_mixed_folder_ends_in_one_state(
    mixed: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    out, said = mixed
    assert states_of(out) == (
        {name: "done" for name in GOOD}
        | {name: expected[0] for name, expected in BAD.items()}
        | {"cut.mkv": "partial"}
    )
    assert said.returncode == 1
    assert "Traceback" not in said.stderr
    assert totals_of(out)["states"] == {
        "done": 10, "cached": 0, "partial": 1, "failed": 6, "skipped": 1
    }  # fmt: skip


@pytest.mark.parametrize("name", list(BAD))
def test_a_bad_file_is_named_with_stage_reason_and_remedy(
    mixed: tuple[Path, subprocess.CompletedProcess[str]], name: str
) -> None:
    out, said = mixed
    row = rows_of(out)[name]
    state, stage, reason, remedy = BAD[name]
    assert (row["state"], row["stage"]) == (state, stage)
    assert reason in row["error"]
    assert remedy in row["remedy"]
    assert bool(row["remedy"]) == (state == "failed")
    assert any(name in line and reason in line for line in said.stderr.splitlines())
    assert not (out / name).exists()


def test_a_good_file_beside_bad_ones_has_all_its_files(
    mixed: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    out, _ = mixed
    for name in GOOD:
        row = rows_of(out)[name]
        made = row["outputs"]
        assert {"json", "md", "html", "reel"} <= made.keys(), name
        assert ("vtt" in made) == (name == "talk.mp4")
        for file in made.values():
            assert (out / row["folder"] / file).stat().st_size
        with av.open(str(out / row["folder"] / made["reel"])) as reel:
            assert next(reel.decode(reel.streams[0]), None) is not None


def test_what_was_odd_about_a_good_file_was_understood(
    mixed: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    out, _ = mixed
    rotated = analysis_of(out, "rotated.mp4")["source"]["media"]
    assert rotated["rotation"] % 180 == 90
    assert (rotated["width"], rotated["height"]) == (64, 96)
    words = analysis_of(out, "talk.mp4")["cues"]
    assert [(c["start_s"], c["end_s"], c["text"]) for c in words] == [(0.5, 2.0, WORDS)]
    tracks = {
        name: {t["name"]: t["rows"] for t in analysis_of(out, name)["tracks"]}
        for name in ("sound.wav", "silent.mp4", "vfr.mkv")
    }
    assert (tracks["sound.wav"]["image"], tracks["sound.wav"]["audio"]) == (0, 2)
    assert (tracks["silent.mp4"]["image"] > 0, tracks["silent.mp4"]["audio"]) == (True, 0)
    # The frame on screen at each second; one that stands for longer has one row.
    times = swinging()
    on_screen = {max(t for t in times if t <= second) for second in range(int(times[-1]) + 1)}
    assert tracks["vfr.mkv"]["image"] == len(on_screen)


def test_what_was_read_only_in_part_says_so(
    mixed: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    out, said = mixed
    row = rows_of(out)["cut.mkv"]
    assert any("could be read" in w or "stopped early" in w for w in row["warnings"])
    assert row["labels"]
    assert "partial: " in said.stderr
    assert analysis_of(out, "cut.mkv")["source"]["partial"] is True


def test_a_mixed_folder_again_does_nothing_until_failures_are_asked_for(
    mixed: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    out, _ = mixed
    copy = out.with_name("copy")  # where the links to the films are the same
    shutil.copytree(out, copy)
    run = ("run", out.parent / "in", "-o", copy, "--preset", "light", "--asr", "never", "--json")
    for more, tried in (
        ([], {"gone.mp4"}),  # whether a file can be read is asked each time
        (["--retry-failed"], {n for n, b in BAD.items() if b[0] == "failed"} | {"cut.mkv"}),
    ):
        again = triptych(*run, *more)
        assert again.returncode == 1
        totals = json.loads(again.stdout)
        assert {r["relative"] for r in totals["rows"] if r.get("fresh")} == tried
        assert totals["states"] == {
            "done": 0, "cached": 10, "partial": 1, "failed": 6, "skipped": 1
        }  # fmt: skip
        assert totals["frames_decoded"] == 0
        assert answers(copy) == answers(out)


def test_two_folders_with_a_file_of_one_name(tmp_path: Path) -> None:
    clip(tmp_path / "x" / "clip.mp4", seed=1)
    clip(tmp_path / "y" / "clip.mp4", seed=2)
    shutil.copytree(tmp_path / "x", tmp_path / "z")
    folders = [tmp_path / name for name in "xyz"]
    for state in ("done", "cached"):
        assert triptych("run", *folders, "-o", tmp_path / "out", *LIGHT).returncode == 0
        places = {f"{name}/clip.mp4": state for name in "xyz"}
        assert states_of(tmp_path / "out") == places
        folders.reverse()
    shown = {n: analysis_of(tmp_path / "out", n)["source"]["sha256"] for n in places}
    assert shown["x/clip.mp4"] == shown["z/clip.mp4"] != shown["y/clip.mp4"]


# Folders that cannot be written to


@pytest.mark.parametrize("out", ["/proc/triptych-out", "/sys/triptych-out", "{file}/out", "{file}"])
def test_results_that_cannot_be_written_anywhere_end_the_run_at_once(
    tmp_path: Path, out: str
) -> None:
    film = clip(tmp_path / "film.mp4")
    (tmp_path / "file").touch()
    done = triptych("run", film, "-o", out.format(file=tmp_path / "file"), *LIGHT)
    assert done.returncode == 2
    assert "cannot write here" in done.stderr
    assert "choose a folder that you may write to" in done.stderr
    assert done.stdout == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="permission bits do not bind root")
def test_a_read_only_output_folder_ends_the_run_at_once(tmp_path: Path) -> None:
    film = clip(tmp_path / "film.mp4")
    (tmp_path / "out").mkdir(mode=0o555)
    done = triptych("run", film, "-o", tmp_path / "out", *LIGHT)
    assert done.returncode == 2
    assert "out: cannot write here: Permission denied" in done.stderr


def test_one_video_whose_results_cannot_be_written_costs_only_itself(tmp_path: Path) -> None:
    clip(tmp_path / "in" / "a.mp4", seed=1)
    clip(tmp_path / "in" / "b.mp4", seed=2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.mp4").write_text("in the way")
    run = ("run", tmp_path / "in", "-o", tmp_path / "out", *LIGHT)
    assert triptych(*run).returncode == 1
    assert states_of(tmp_path / "out") == {"a.mp4": "failed", "b.mp4": "done"}
    row = rows_of(tmp_path / "out")["a.mp4"]
    assert row["stage"] == "report"
    assert "cannot write" in row["error"]
    assert row["remedy"]
    (tmp_path / "out" / "a.mp4").unlink()
    assert triptych(*run).returncode == 0
    assert states_of(tmp_path / "out") == {"a.mp4": "done", "b.mp4": "cached"}


def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    film = clip(tmp_path / "film.mp4")
    (tmp_path / "file").touch()
    cache = tmp_path / "file" / "cache"
    done = triptych("run", film, "-o", tmp_path / "out", *LIGHT, cache=cache)
    assert done.returncode == 0
    assert states_of(tmp_path / "out") == {"film.mp4": "done"}
    (note,) = (line for line in done.stderr.splitlines() if str(cache) in line)
    assert note.startswith("note: nothing is kept for the next run")
    assert "set TRIPTYCH_CACHE" in note
    assert any("are not kept" in w for w in analysis_of(tmp_path / "out", "film.mp4")["warnings"])
