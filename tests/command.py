"""The command `triptych` as a process of its own, and what it left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psutil

from synth import steady, textured, tone, write

COMMAND = (sys.executable, "-m", "triptych")
#: Quick settings, for tests that are not about extractors or reels.
LIGHT = ("--preset", "light", "--asr", "never", "--format", "json")
PATIENCE_S = 120.0  # far more than anything here takes, even on a busy machine

Row = dict[str, Any]
T = TypeVar("T")


def triptych(
    *arguments: object, cache: Path | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        cwd=cwd,
        env=environment(cache),
        check=False,
    )


@contextlib.contextmanager
def started(*arguments: object, cache: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """The command in a session of its own; nothing of it is left afterwards."""
    # In a shell's background Ctrl-C is ignored, and a child inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=environment(cache),
        start_new_session=True,
    ) as process:
        family = [psutil.Process(process.pid)]
        try:
            yield process
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                family += family[0].children(recursive=True)
            for member in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()


def environment(cache: Path | None = None) -> dict[str, str]:
    """This process's environment, in English, in UTF-8, with a cache folder of its own."""
    env = os.environ | {"PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    env.pop("COVERAGE_PROCESS_START", None)
    return env | ({"TRIPTYCH_CACHE": str(cache)} if cache is not None else {})


def until(what: Callable[[], T], *, patience_s: float = PATIENCE_S) -> T:
    """Poll until `what` gives something true; give that back."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.005)
    raise AssertionError(f"{what} gave nothing within {patience_s:.0f} s")


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The worker processes of a running command."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if any("spawn_main" in part for part in child.cmdline())
        ]
    return []


def rows_of(out: Path) -> dict[str, Row]:
    """The rows of `run.jsonl` by the path below OUT."""
    lines = (out / "run.jsonl").read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    assert len({row["relative"] for row in rows}) == len(rows), "a video has two rows"
    return {row["relative"]: row for row in rows}


def a_row_is_written(out: Path) -> bool:
    """Whether a run that is going on has finished a video."""
    path = out / "run.jsonl"
    return path.exists() and b"\n" in path.read_bytes()


def states_of(out: Path) -> dict[str, str]:
    """How each video ended."""
    return {name: row["state"] for name, row in rows_of(out).items()}


def answers(out: Path) -> dict[str, bytes]:
    """Every analysis.json without the one line that may differ between identical runs."""
    found = {}
    for path in sorted(out.rglob("analysis.json")):
        lines = path.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith(b' "run": ')]
        assert len(kept) == len(lines) - 1, f"{path} has no line of its own for `run`"
        found[path.relative_to(out).as_posix()] = b"".join(kept)
    return found


def clip(path: Path, *, seed: int = 0, seconds: float = 1.0, sound: bool = True) -> Path:
    """A small film that no other seed gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = [textured(seed * 100 + i) for i in range(4)]
    return write(
        path,
        times=steady(seconds, 5),
        picture=lambda i: pictures[i // 3 % 4],
        codec="mpeg4",
        pixels="yuv420p",
        fps=5,
        wave=tone(300.0 + 50 * seed, seconds) if sound else None,
        sound_codec="aac",
    )


def totals_of(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return found


def analysis_of(out: Path, name: str) -> dict[str, Any]:
    text = (out / name / "analysis.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
