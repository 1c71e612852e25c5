"""Whole runs under bad luck, as real processes: bad files, lost processes, lost files.

Whatever happens, each video ends in exactly one state, nothing finished is lost, and what is
resumed equals what was never disturbed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import psutil
import pytest

from command import (
    COMMAND,
    LIGHT,
    PATIENCE_S,
    Row,
    answers,
    clip,
    environment,
    rows_of,
    started,
    states_of,
    triptych,
    until,
    workers_of,
)
from synth import noise, numbered, plain, steady, swinging, tone, truncated, turned_mp4, write

pytestmark = pytest.mark.needs("embedded")

WORDS = "你好，世界。这是一只猫。"
BYTES = os.fsdecode(b"no \xff text.mp4")
CONTROLS = "two\nlines \x1b[31m 电影 \U0001f600.mp4"


def totals_of(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return found


def analysis_of(out: Path, name: str) -> dict[str, Any]:
    text = (out / name / "analysis.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.fixture
def cold(scratch_cache: Path, tmp_path: Path) -> Path:
    """A cache without any features, in which the models are prepared."""
    if not (scratch_cache / "prepared").is_dir():
        warm_up = clip(tmp_path / "warm-up" / "a.mp4")
        assert triptych("run", warm_up, "-o", tmp_path / "warm-up" / "out", *LIGHT).returncode == 0
    cache = tmp_path / "cold"
    shutil.copytree(scratch_cache / "prepared", cache / "prepared")
    return cache


# Bad input: one folder of everything, run once


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
    "gone.mp4": ("failed", "read", "No such file", "check the path"),
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


def test_a_mixed_folder_again_tries_the_failures_and_nothing_else(
    mixed: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    out, _ = mixed
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    again = triptych(
        "run", out.parent / "in", "-o", copy, "--preset", "light", "--asr", "never", "--json"
    )
    assert again.returncode == 1
    totals = json.loads(again.stdout)
    assert totals["states"] == {"done": 0, "cached": 10, "partial": 1, "failed": 6, "skipped": 1}
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


# Lost processes


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Two short films and a longer one, which is worked on first."""
    folder = tmp_path / "films"
    clip(folder / "long.mp4", seed=1, seconds=8.0)
    clip(folder / "b.mp4", seed=2, seconds=2.0)
    clip(folder / "c.mp4", seed=3)
    assert (folder / "long.mp4").stat().st_size > (folder / "b.mp4").stat().st_size
    return folder


@pytest.fixture
def undisturbed(films: Path, tmp_path: Path) -> Iterator[dict[str, bytes]]:
    """What a run to which nothing happens says of these films."""
    out = tmp_path / "undisturbed"
    assert triptych("run", films, "-o", out, *LIGHT).returncode == 0
    return answers(out)


def worker_on(process: subprocess.Popen[str], film: Path) -> psutil.Process | None:
    """The worker that has this film open now."""
    assert process.poll() is None, "the command ended before anything could be done to it"
    for worker in workers_of(process):
        try:
            if any(file.path == str(film) for file in worker.open_files()):
                return worker
        except psutil.NoSuchProcess:
            continue
    return None


def one_row_is_written(out: Path) -> bool:
    path = out / "run.jsonl"
    return path.exists() and path.read_bytes().count(b"\n") == 1


def test_a_worker_that_is_killed_costs_only_its_own_video(
    films: Path, undisturbed: dict[str, bytes], cold: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run = ("run", films, "-o", out, "--workers", 1, *LIGHT)
    with started(*run, cache=cold) as process:
        until(lambda: worker_on(process, films / "long.mp4")).kill()
        said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1, said
    assert states_of(out) == {"b.mp4": "done", "c.mp4": "done", "long.mp4": "failed"}
    row = rows_of(out)["long.mp4"]
    assert (row["stage"], row["error"]) == ("worker", "its worker process died (SIGKILL)")
    assert "--workers 1" in row["remedy"]
    assert "long.mp4: worker: its worker process died (SIGKILL)" in said[1]
    assert triptych(*run, cache=cold).returncode == 0
    assert states_of(out) == {"b.mp4": "cached", "c.mp4": "cached", "long.mp4": "done"}
    assert answers(out) == undisturbed


def test_a_worker_that_hangs_is_ended_by_the_time_limit(
    films: Path, cold: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    limit = ("--set", "runner.time_limit_s=12")
    with started("run", films, "-o", out, "--workers", 1, *limit, *LIGHT, cache=cold) as process:
        hanging = until(lambda: worker_on(process, films / "long.mp4"))
        hanging.suspend()
        said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1, said
    assert states_of(out) == {"b.mp4": "done", "c.mp4": "done", "long.mp4": "failed"}
    row = rows_of(out)["long.mp4"]
    assert (row["stage"], row["error"]) == ("time limit", "gave no answer within 12 s")
    assert "runner.time_limit_s" in row["remedy"]
    until(lambda: not hanging.is_running(), patience_s=10)


def test_a_time_limit_that_nothing_can_meet(films: Path, cold: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = ("run", films, "-o", out, *LIGHT)
    done = triptych(*run, "--set", "runner.time_limit_s=0.01", cache=cold)
    assert done.returncode == 3
    assert {(r["state"], r["stage"]) for r in rows_of(out).values()} == {("failed", "time limit")}
    assert triptych(*run, cache=cold).returncode == 0
    assert set(states_of(out).values()) == {"done"}


def test_a_run_that_is_killed_goes_on_where_it_stopped(
    films: Path, undisturbed: dict[str, bytes], cold: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run = ("run", films, "-o", out, "--workers", 1, *LIGHT)
    with started(*run, cache=cold) as process:
        until(lambda: one_row_is_written(out))
        left = workers_of(process)
        process.kill()
        process.wait(PATIENCE_S)
        assert left
        # Nobody is there to take their answers: they must not live on.
        until(lambda: not any(w.is_running() for w in left), patience_s=60)
    assert not (out / "summary.json").exists()
    finished = set(rows_of(out))
    assert len(finished) == 1
    done = triptych(*run, cache=cold)
    assert done.returncode == 0, done.stderr
    assert {n for n, s in states_of(out).items() if s == "cached"} == finished
    assert states_of(out).keys() == {"b.mp4", "c.mp4", "long.mp4"}
    assert answers(out) == undisturbed
    assert {"summary.json", "index.html", "predictions.csv"} <= {p.name for p in out.iterdir()}


def test_ctrl_c_is_130_and_the_same_command_goes_on(
    films: Path, undisturbed: dict[str, bytes], cold: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run = ("run", films, "-o", out, "--workers", 1, *LIGHT)
    with started(*run, cache=cold) as process:
        until(lambda: one_row_is_written(out))
        left = workers_of(process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers, too
        said = process.communicate(timeout=PATIENCE_S)
        until(lambda: not any(w.is_running() for w in left), patience_s=10)
    assert process.returncode == 130, said
    assert "interrupted; the same command goes on where it stopped" in said[1]
    assert "Traceback" not in said[1]
    finished = set(rows_of(out))
    assert triptych(*run, cache=cold).returncode == 0
    assert {n for n, s in states_of(out).items() if s == "cached"} == finished
    assert answers(out) == undisturbed


# The same input gives the same answers; what is there is not made again


def test_any_number_of_workers_gives_the_same_bytes(
    films: Path, undisturbed: dict[str, bytes], cold: Path, tmp_path: Path
) -> None:
    for workers in (1, 2):
        out, cache = tmp_path / f"by-{workers}", tmp_path / f"cache-{workers}"
        shutil.copytree(cold, cache)
        done = triptych("run", films, "-o", out, "--workers", workers, *LIGHT, cache=cache)
        assert done.returncode == 0
        assert totals_of(out)["frames_decoded"] > 0
        assert answers(out) == undisturbed


@pytest.mark.needs("asr", "shared")
def test_any_number_of_workers_gives_the_same_bytes_for_speech(
    shared_data: Path, cold: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    for path in sorted((shared_data / "grid_s1" / "video").iterdir())[:2]:
        shutil.copy(path, folder)
    found = []
    for workers in (1, 2):
        out, cache = tmp_path / f"by-{workers}", tmp_path / f"cache-{workers}"
        shutil.copytree(cold, cache)
        done = triptych(
            "run", folder, "-o", out, "--workers", workers, "--format", "json", cache=cache
        )
        assert done.returncode == 0, done.stderr
        found.append(answers(out))
    assert found[0] == found[1]
    assert len(found[0]) == 2
    assert any(b'"source": "asr"' in text for text in found[0].values())


def fresh(out: Path) -> dict[str, Row]:
    """Rows of the videos that the latest run worked on."""
    return {name: row for name, row in rows_of(out).items() if row["state"] != "cached"}


@pytest.fixture
def finished(films: Path, tmp_path: Path) -> tuple[tuple[object, ...], Path]:
    """A command that was run once, and its results."""
    out = tmp_path / "out"
    run = ("run", films, "-o", out, *LIGHT)
    assert triptych(*run).returncode == 0
    return run, out


def test_a_second_run_decodes_nothing_and_says_so(
    finished: tuple[tuple[object, ...], Path],
) -> None:
    run, out = finished
    before = {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in out.rglob("*/*")}
    done = triptych(*run)
    assert done.returncode == 0
    assert "3 cached" in done.stdout
    assert "nothing was decoded" in done.stdout
    assert fresh(out) == {}
    assert totals_of(out)["videos_decoded"] == totals_of(out)["frames_decoded"] == 0
    assert {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in out.rglob("*/*")} == before


def test_new_labels_decode_nothing(finished: tuple[tuple[object, ...], Path]) -> None:
    run, out = finished
    before = answers(out)
    assert triptych(*run, "--labels", "cat,dog").returncode == 0
    assert set(states_of(out).values()) == {"done"}
    assert totals_of(out)["videos_decoded"] == totals_of(out)["frames_decoded"] == 0
    for row in rows_of(out).values():
        assert {label for label, _ in row["labels"]} == {"cat", "dog"}
        assert {"media", "image", "image_labels", "audio"} <= set(row["from_cache"])
        assert "decode" not in row["seconds"]
    assert answers(out) != before
    assert triptych(*run).returncode == 0
    assert answers(out) == before


def test_many_labels_on_the_command_line(finished: tuple[tuple[object, ...], Path]) -> None:
    run, out = finished
    many = ",".join(f"thing number {i}" for i in range(40))  # longer than any file's name
    assert triptych(*run, "--labels", many).returncode == 0
    assert set(states_of(out).values()) == {"done"}


def test_an_edited_file_of_labels_counts(
    finished: tuple[tuple[object, ...], Path], tmp_path: Path
) -> None:
    run, out = finished
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\ndog\n")
    assert triptych(*run, "--labels", labels).returncode == 0
    assert triptych(*run, "--labels", labels).returncode == 0
    assert fresh(out) == {}
    labels.write_text("cat\nbird\n")
    assert triptych(*run, "--labels", labels).returncode == 0
    assert {label for label, _ in rows_of(out)["b.mp4"]["labels"]} == {"cat", "bird"}


def test_a_deleted_result_is_made_again_for_that_video_only(
    finished: tuple[tuple[object, ...], Path],
) -> None:
    run, out = finished
    before = answers(out)
    (out / "b.mp4" / "analysis.json").unlink()
    assert triptych(*run).returncode == 0
    assert fresh(out).keys() == {"b.mp4"}
    assert totals_of(out)["frames_decoded"] == 0
    assert answers(out) == before


def test_a_changed_byte_makes_that_video_again_and_no_other(
    films: Path, finished: tuple[tuple[object, ...], Path]
) -> None:
    run, out = finished
    before = answers(out)
    data = bytearray((films / "b.mp4").read_bytes())
    at = data.rindex(b"Lavf")  # the name of the program that wrote it: still a good film
    data[at] ^= 1
    (films / "b.mp4").write_bytes(data)
    assert triptych(*run).returncode == 0
    assert fresh(out).keys() == {"b.mp4"}
    assert rows_of(out)["b.mp4"]["frames_decoded"] > 0
    after = answers(out)
    assert {n for n in after if after[n] != before[n]} == {"b.mp4/analysis.json"}


def test_a_new_subtitle_makes_that_video_again_and_decodes_nothing(
    films: Path, finished: tuple[tuple[object, ...], Path]
) -> None:
    run, out = finished
    (films / "b.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nA cat sits there.\n")
    assert triptych(*run).returncode == 0
    assert fresh(out).keys() == {"b.mp4"}
    assert totals_of(out)["frames_decoded"] == 0
    assert analysis_of(out, "b.mp4")["cues"][0]["text"] == "A cat sits there."


@pytest.mark.parametrize("new", ["renamed.mp4", "deep/er/b.mp4"])
def test_a_file_that_moved_is_not_decoded_again(
    films: Path, finished: tuple[tuple[object, ...], Path], new: str
) -> None:
    run, out = finished
    (films / new).parent.mkdir(parents=True, exist_ok=True)
    (films / "b.mp4").rename(films / new)
    assert triptych(*run).returncode == 0
    assert fresh(out).keys() == {new}
    row = rows_of(out)[new]
    assert row["state"] == "done"
    assert row["frames_decoded"] == 0
    assert (out / new / "analysis.json").is_file()


def test_damaged_features_are_made_again(
    films: Path, undisturbed: dict[str, bytes], cold: Path, tmp_path: Path
) -> None:
    (films / "long.mp4").unlink()
    undisturbed.pop("long.mp4/analysis.json")
    run = ("run", films, *LIGHT)
    assert triptych(*run, "-o", tmp_path / "first", cache=cold).returncode == 0
    kinds = {p.name.rpartition("-")[0] for p in (cold / "features").rglob("*.safetensors")}
    assert {"media", "cues", "thumbnails", "image", "image_labels", "shots", "audio"} <= kinds
    for kind in ("media", "cues", "image", "text"):
        entry, *others = sorted((cold / "features").rglob(f"{kind}-*.safetensors"))
        whole = entry.read_bytes()
        entry.write_bytes(whole[:-1])
        out = tmp_path / f"without-{kind}"
        assert triptych(*run, "-o", out, cache=cold).returncode == 0
        assert totals_of(out)["videos_decoded"] == (kind != "text"), kind
        assert answers(out) == undisturbed, kind
        assert entry.read_bytes() == whole, kind
        assert others or kind == "text"


def test_windows_of_one_film_by_a_manifest(films: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "窗口.csv"
    rows = ["path,start,end,label", "films/long.mp4,0,2,前", "films/long.mp4,2,4.5,后"]
    manifest.write_text("\n".join(rows), encoding="utf-8-sig")
    out = tmp_path / "out"
    assert triptych("run", manifest, "-o", out, *LIGHT).returncode == 0
    lengths = {name: row["duration_s"] for name, row in rows_of(out).items()}
    assert lengths == {"films/long.mp4@0-2": 2.0, "films/long.mp4@2-4.5": 2.5}
    assert rows_of(out)["films/long.mp4@2-4.5"]["label"] == "后"


def test_a_mistake_in_a_manifest_costs_only_its_row(films: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    rows = ["path", "films/c.mp4", "films", "missing.mp4", "pipe"]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    done = triptych("run", tmp_path / "list.csv", "-o", tmp_path / "out", *LIGHT)
    assert done.returncode == 1
    states = {n: (r["state"], r["stage"]) for n, r in rows_of(tmp_path / "out").items()}
    assert states.pop("films/c.mp4") == ("done", "")
    assert states == {name: ("failed", "read") for name in rows[2:]}


def test_the_library_s_environment_is_not_needed(tmp_path: Path) -> None:
    """A service often runs with next to no environment, from a folder it cannot write to."""
    film = clip(tmp_path / "film.mp4")
    env = environment()
    bare = {k: env[k] for k in ("TRIPTYCH_CACHE", "PATH")}
    done = subprocess.run(
        [*COMMAND, "run", str(film), "-o", str(tmp_path / "out"), *LIGHT],
        cwd="/proc",
        env=bare,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_one_more_track_reads_the_file_again_and_says_so(
    films: Path, cold: Path, tmp_path: Path
) -> None:
    """Features of an earlier run with fewer extractors count, and change no answer."""
    whole, cache = tmp_path / "whole", tmp_path / "cache"
    shutil.copytree(cold, cache)
    run = ("run", films / "b.mp4", "--asr", "never", "--format", "json")
    assert triptych(*run, "-o", whole, cache=cold).returncode == 0
    assert (
        triptych(*run, "-o", tmp_path / "light", "--preset", "light", cache=cache).returncode == 0
    )
    more = triptych(*run, "-o", tmp_path / "more", cache=cache)
    assert more.returncode == 0
    assert "nothing was decoded" not in more.stdout
    row = rows_of(tmp_path / "more")["b.mp4"]
    assert row["decoded"]
    assert {"image", "audio", "media"} <= set(row["from_cache"])
    assert answers(tmp_path / "more") == answers(whole)
