"""What a second run does: nothing that was done, all that changed, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from command import (
    COMMAND,
    LIGHT,
    PATIENCE_S,
    Row,
    analysis_of,
    answers,
    clip,
    environment,
    rows_of,
    states_of,
    totals_of,
    triptych,
)

pytestmark = pytest.mark.needs("embedded")


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


def test_another_rate_of_frames_makes_no_sound_anew(
    finished: tuple[tuple[object, ...], Path],
) -> None:
    run, out = finished
    assert triptych(*run, "--fps", "2").returncode == 0
    assert set(states_of(out).values()) == {"done"}
    for row in rows_of(out).values():
        assert {"cues", "shots", "audio"} <= set(row["from_cache"])
        assert not {"media", "image", "image_labels", "thumbnails"} & set(row["from_cache"])
        assert "audio" not in row["seconds"]


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
    done = triptych(*run)
    assert done.returncode == 0
    told = "1 film has another name or place now; what was found under the old one stays in OUT"
    assert f"note: {told} until you remove it, in b.mp4\n" in done.stderr
    assert (out / "b.mp4" / "analysis.json").exists()
    assert fresh(out).keys() == {new}
    row = rows_of(out)[new]
    assert row["state"] == "done"
    assert row["frames_decoded"] == 0
    assert (out / new / "analysis.json").is_file()
    assert told not in triptych(*run).stderr


def test_copies_in_one_folder_are_decoded_once(cold: Path, tmp_path: Path) -> None:
    first = clip(tmp_path / "films" / "a.mp4", seed=1)
    for name in ("b", "c", "d"):
        shutil.copy(first, tmp_path / "films" / f"{name}.mp4")
    run = ("run", tmp_path / "films", "-o", tmp_path / "out", "--workers", 2, *LIGHT)
    assert triptych(*run, cache=cold).returncode == 0
    assert totals_of(tmp_path / "out")["videos_decoded"] == 1


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
