"""Two hundred files of which every tenth is bad in a way of its own: the others never notice."""

from __future__ import annotations

import csv
import os
import random
import socket
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from command import LIGHT, analysis_of, clip, rows_of, states_of, totals_of, triptych
from synth import RED, huge_avi, numbered, plain, png, steady, truncated, write

pytestmark = pytest.mark.needs("embedded")

GOOD, KINDS = 180, 3
LONG = "长" * 83 + ".mp4"  # 253 bytes
ODD = (
    "-rf.mp4",
    " .mp4",
    "a'b\"c%20&?#*.mp4",
    "two\nlines \x1b[31m 电影 \U0001f600.mp4",
    os.fsdecode(b"no \xff text.mp4"),
    "电影/深/" + LONG,
    "a folder.mp4/film.mp4",
    "without an ending",
)
NO_MEDIA = ("failed", "open", "not a video or sound file")
DAMAGED = ("failed", "open", "damaged: ")
HOSTILE = {
    "空.mp4": ("failed", "open", "the file is empty"),
    "信\n.mp4": NO_MEDIA,
    "page.mp4": NO_MEDIA,
    "playlist.mp4": NO_MEDIA,
    "script.mp4": NO_MEDIA,
    "noise.mp4": NO_MEDIA,
    "zeros.mp4": NO_MEDIA,
    "picture.mp4": (*NO_MEDIA[:2], "a still picture"),
    "head.mp4": DAMAGED,
    "noise with a head.mp4": DAMAGED,
    "一半.mp4": DAMAGED,
    "huge.avi": ("failed", "decode", "nothing could be decoded"),
    "pipe.mp4": ("failed", "read", "a pipe, not a file"),
    "zero.mp4": ("failed", "read", "a device, not a file"),
    "door.mp4": ("failed", "read", "a socket, not a file"),
    "ring-a.mp4": ("failed", "read", "Too many levels of symbolic links"),
    "ring-b.mp4": ("failed", "read", "Too many levels of symbolic links"),
    "gone.mp4": ("failed", "read", "a link that leads nowhere: to nowhere.mp4: No such file"),
    "unreadable.mp4": ("failed", "read", "Input/output error"),
    "cut.mkv": ("partial", "", "could be read"),
    "hole.mkv": ("partial", "", "could not be decoded"),
    "hole.mp4": ("done", "", "could not be decoded"),
    "notes.txt": ("skipped", "open", "not a video or sound file"),
    "pipe": ("skipped", "read", "a pipe, not a file"),
    "a stale link": ("skipped", "read", "a link that leads nowhere: to nowhere: No such file"),
}
STATES = {"done": GOOD + 1, "cached": 0, "partial": 2, "failed": 19, "skipped": 3}


def good_files(folder: Path) -> dict[str, int]:
    """Films that no two of are the same bytes, with the number of what is shown in each."""
    folder.mkdir()
    sources = [clip(folder.parent / f"{seed}.mp4", seed=seed, sound=seed > 0)
               for seed in range(KINDS)]  # fmt: skip
    names = [*ODD, *(f"{number:03}.mp4" for number in range(GOOD - len(ODD)))]
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = sources[number % KINDS].read_bytes()
        path.write_bytes(content + struct.pack(">I4sI", 12, b"free", number))  # an unused box
    return {name: number % KINDS for number, name in enumerate(names)}


def hostile_files(folder: Path) -> None:
    """Everything of `HOSTILE`, and what is no file to look at."""
    chance = random.Random(4)
    film = clip(folder.parent / "whole.mp4", seed=7)
    long = write(folder.parent / "whole.mkv", times=steady(4.0, 5), picture=numbered)
    contents = {
        "空.mp4": b"",
        "信\n.mp4": "这不是电影。\n".encode() * 50,
        "page.mp4": b"<!doctype html><title>404</title>",
        "playlist.mp4": b"#EXTM3U\n#EXTINF:1,\n000.mp4\n#EXT-X-ENDLIST\n",
        "script.mp4": b"ffconcat version 1.0\nfile 000.mp4\n",
        "noise.mp4": chance.randbytes(3000),
        "zeros.mp4": b"",
        "picture.mp4": png(plain(RED)),
        "head.mp4": film.read_bytes()[:40],
        "noise with a head.mp4": film.read_bytes()[:32] + chance.randbytes(3000),
        "notes.txt": b"milk, eggs",
        "hole.mp4": with_hole(film.read_bytes(), chance),
        "hole.mkv": with_hole(long.read_bytes(), chance),
        ".hidden.mp4": b"no film",
        "alone.srt": b"1\n00:00:00,000 --> 00:00:01,000\n",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    os.truncate(folder / "zeros.mp4", 32 << 20)  # a download that never came
    truncated(film, folder / "一半.mp4", 0.6)
    truncated(long, folder / "cut.mkv", 0.5)
    huge_avi(folder / "huge.avi", 60_000, 60_000)
    links = {
        "ring-a.mp4": "ring-b.mp4",
        "ring-b.mp4": "ring-a.mp4",
        "gone.mp4": "nowhere.mp4",
        "unreadable.mp4": "/proc/self/mem",  # by root, too
        "zero.mp4": "/dev/zero",
        "a stale link": "nowhere",
        "a folder.mp4/again": "..",
    }
    for name, target in links.items():
        (folder / name).symlink_to(target)
    for name in ("pipe.mp4", "pipe", "000.srt"):
        os.mkfifo(folder / name)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(folder / "door.mp4"))


def with_hole(content: bytes, chance: random.Random) -> bytes:
    """The same, but for noise in the middle."""
    at, size = len(content) // 3, len(content) // 8
    return content[:at] + chance.randbytes(size) + content[at + size :]


class Hostile(NamedTuple):
    """Results of the folder, what the command said, and the good files with their kinds."""

    out: Path
    said: subprocess.CompletedProcess[str]
    kinds: dict[str, int]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Hostile:
    root = tmp_path_factory.mktemp("hostile")
    kinds = good_files(root / "in")
    hostile_files(root / "in")
    said = triptych("run", root / "in", "-o", root / "out", *LIGHT)
    return Hostile(root / "out", said, kinds)


def test_each_of_two_hundred_files_ends_in_its_state(hostile: Hostile) -> None:
    out, said, kinds = hostile
    assert len(kinds) == GOOD and len(HOSTILE) == 25
    expected = dict.fromkeys(kinds, "done") | {n: state for n, (state, *_) in HOSTILE.items()}
    assert states_of(out) == expected
    assert said.returncode == 1, said.stderr
    assert "Traceback" not in said.stderr


def test_the_good_ones_have_the_same_answers_as_each_other(hostile: Hostile) -> None:
    out, _, kinds = hostile
    found: dict[int, list[object]] = {kind: [] for kind in range(KINDS)}
    rows = rows_of(out)
    for name, kind in kinds.items():
        row, data = rows[name], analysis_of(out, name)
        assert (row["attempt"], row["error"], row["warnings"]) == (1, "", []), name
        assert row["outputs"] == {"json": "analysis.json", "poster": "poster.jpg"}, name
        for file in row["outputs"].values():
            assert (out / name / file).stat().st_size == row["sizes"][file] > 0
        assert data["source"]["sha256"] == row["sha256"]
        found[kind].append([data[k] for k in ("labels", "timeline", "shots", "tracks")])
    for same in found.values():
        assert all(one == same[0] for one in same)
    assert found[0][0] != found[1][0] != found[2][0]


def test_the_bad_ones_are_named_with_reason_and_remedy(hostile: Hostile) -> None:
    out, said, _ = hostile
    rows = rows_of(out)
    for name, (state, stage, reason) in HOSTILE.items():
        row = rows[name]
        assert row["stage"] == stage, name
        told = row["error"] if stage else " ".join(row["warnings"])
        assert reason in told, (name, told)
        assert bool(row["remedy"]) == (state == "failed"), name
        assert (out / name / "analysis.json").exists() == (state in ("done", "partial")), name
    assert said.stdout.count("\nfailed: ") == STATES["failed"]


def test_the_tables_tell_the_same(hostile: Hostile) -> None:
    out, said, kinds = hostile
    totals = totals_of(out)
    assert (totals["videos"], totals["waiting"], totals["stopped"]) == (205, 0, "")
    assert totals["states"] == STATES
    assert totals["videos_decoded"] == STATES["done"] + STATES["partial"]
    assert sorted(Path(f["path"]).name for f in totals["failures"]) == sorted(
        name for name, (state, *_) in HOSTILE.items() if state == "failed"
    )
    first = said.stdout.splitlines()[0]
    assert first.startswith("205 inputs: 181 done, 2 partial, 19 failed, 3 skipped, in ")
    text = (out / "predictions.csv").read_bytes().decode("utf-8-sig", "surrogateescape")
    listed = [*csv.DictReader(text.splitlines(keepends=True))]
    assert [row["status"] for row in listed].count("done") == STATES["done"]
    assert all(bool(row["label"]) == (row["status"] in ("done", "partial")) for row in listed)
    assert {n for n in kinds if n.isascii() and n.isprintable()} <= {
        row["path"].removeprefix(f"{out.parent / 'in'}/") for row in listed
    }
