"""Memory that runs out in a worker is told as that, and is not taken for a damaged film."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from command import (
    LIGHT,
    PATIENCE_S,
    answers,
    clip,
    rows_of,
    started,
    states_of,
    triptych,
    until,
    workers_of,
)
from synth import RED, plain, write

pytestmark = [
    pytest.mark.needs("embedded"),
    pytest.mark.skipif(sys.platform != "linux", reason="limits of other processes are Linux's"),
]


@pytest.fixture(scope="module")
def giant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One picture of 54 MB in a small file."""
    return write(
        tmp_path_factory.mktemp("giant") / "巨大.mp4",
        times=[0.0],
        picture=lambda _: plain(RED, (6000, 6000)),
        codec="libx264",
        pixels="yuv420p",
        options={"preset": "ultrafast"},
    )


_DECODE = """
import resource, sys
from pathlib import Path
from triptych.decode import open_media
from triptych.errors import TriptychError
from triptych.records import Frames

with open_media(Path(sys.argv[1])) as media:
    held = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (held + 20_000_000, resource.RLIM_INFINITY))
    try:
        print("decoded:", sum(len(chunk.pts_s) for chunk in media.stream()
                              if isinstance(chunk, Frames)))
    except TriptychError as err:
        print(type(err).__name__, err.retryable, err.message)
"""


def test_a_decoder_without_memory_does_not_call_the_film_damaged(giant: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", _DECODE, str(giant)],
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )
    assert told.stdout == "ResourceError True memory ran out\n", told.stderr


_LIMITED = """
import numpy as np
from triptych.children import limit_memory

limit_memory(400)
kept = np.ones(20_000_000, np.uint8)
try:
    np.ones(600_000_000, np.uint8)
except MemoryError:
    print("refused")
"""


def test_a_worker_s_memory_can_be_limited() -> None:
    told = subprocess.run(
        [sys.executable, "-c", _LIMITED],
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )
    assert told.stdout == "refused\n", told.stderr


def test_a_film_too_large_for_the_memory_of_a_worker_costs_only_itself(
    giant: Path, cold: Path, tmp_path: Path
) -> None:
    import resource

    folder, out = tmp_path / "films", tmp_path / "out"
    for number in range(5):  # all larger than the other as files, so that it comes last
        film = clip(folder / f"{number}.mp4", seed=number)
        room = giant.stat().st_size
        film.write_bytes(film.read_bytes() + struct.pack(">I4s", room, b"free") + bytes(room - 8))
    (folder / giant.name).write_bytes(giant.read_bytes())
    run = ("run", folder, "-o", out, "--workers", 1, *LIGHT)
    with started(*run, cache=cold) as process:
        # One film is done: the models are loaded, and what a worker needs for films is there.
        until(lambda: (out / "run.jsonl").exists() and rows_of(out))
        (worker,) = workers_of(process)
        limit = worker.memory_info().data + 50_000_000
        resource.prlimit(worker.pid, resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))
        said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1, said
    assert states_of(out) == {f"{n}.mp4": "done" for n in range(5)} | {giant.name: "failed"}
    row = rows_of(out)[giant.name]
    assert (row["stage"], row["attempt"], row["retryable"]) == ("decode", 2, True)
    assert row["error"] == "memory ran out (twice)"
    assert "--workers 1" in row["remedy"]
    assert all(not r["warnings"] for n, r in rows_of(out).items() if n != giant.name)
    # With memory again the same command does what is missing, and all is as if nothing happened.
    assert triptych(*run, cache=cold).returncode == 0
    assert set(states_of(out).values()) == {"cached", "done"}
    calm = tmp_path / "calm"
    assert triptych("run", folder, "-o", calm, *LIGHT, cache=cold).returncode == 0
    assert answers(out) == answers(calm)
