"""Thousands of damaged files through the real decode: none may harm the process that asked.

Ten files of ten containers are damaged at random (bits flipped, ranges zeroed or made noise,
ends cut off, blocks moved, said twice or taken out, numbers made huge) and read as a run reads
them, each in a child process that is killed at its limit of CPU time or memory (or of waiting,
which a busy machine must not reach). A damage is known by
its number alone, so that one can be looked at again:

    python bench/mutate.py ../shared/data --json bench/out/mutate.json
    python bench/mutate.py ../shared/data --replay 1234 --keep damaged.mkv
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from measure import machine, versions

from triptych.decode import open_media
from triptych.errors import TriptychError
from triptych.records import Cue, Frames, Glances, Luma, Sound, Spectrogram

SEEDS = (
    "hard_inputs/torchcodec/nasa_13013.mp4",  # two films, two sounds, mov_text
    "hard_inputs/decord/video_90.mov",
    "hard_inputs/hachoir/flashmob.mkv",  # h264, vorbis, attachments
    "hard_inputs/moviepy/no_duration.webm",  # vp9, opus
    "hard_inputs/opencv/Megamind.avi",  # mpeg4, ac3
    "hard_inputs/hachoir/sample.ts",  # mpeg2, mp3
    "hard_inputs/hachoir/breakdance.flv",
    "hard_inputs/torchcodec/nasa_13013.mp4.audio.mp3",
    "hard_inputs/torchcodec/sine_16ch_s16.wav",
    "grid_s1/video/bbaszn.mpg",  # mpeg1, mp2
)
_LOOK_S = 0.05
_PATIENCE = 60  # seconds of waiting for each second of CPU time that a child may take
_NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
_ADDRESSES_GB = 8  # a child that wants more is refused, lest it take the machine with it


def damaged(data: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """One to three kinds of damage to a file, and their names."""
    out, said = bytearray(data), []
    for _ in range(int(rng.integers(1, 4))):
        if not out:
            break
        said.append(_harmed(out, rng))
    return bytes(out), " + ".join(said)


def _place(size: int, rng: np.random.Generator) -> int:
    """Where to strike: half of the time at an end, where headers and tables are."""
    where = rng.random()
    reach = size if where < 0.5 else min(size, 1024 if where < 0.75 else 32_768)
    at = int(rng.integers(0, reach))
    return size - 1 - at if where > 0.9 else at


def _harmed(out: bytearray, rng: np.random.Generator) -> str:
    size = len(out)
    at, length = _place(size, rng), int(10 ** rng.uniform(0, 4))
    there = slice(at, min(at + length, size))
    match int(rng.integers(0, 9)):
        case 0 | 1:
            for _ in range(int(10 ** rng.uniform(0, 3))):
                out[_place(size, rng)] ^= 1 << int(rng.integers(0, 8))
            return "bits flipped"
        case 2:
            out[there] = bytes(there.stop - there.start)
            return "range zeroed"
        case 3:
            out[there] = rng.bytes(there.stop - there.start)
            return "range of noise"
        case 4:
            del out[int(size * rng.uniform(0.0, 1.0)) :]
            return "end cut off"
        case 5:
            out[at:at] = rng.bytes(length) if rng.random() < 0.5 else out[there]
            return "block inserted"
        case 6:
            del out[there]
            return "block taken out"
        case 7:
            other = _place(size, rng)
            block = slice(other, min(other + there.stop - there.start, size))
            here, far = bytes(out[there]), bytes(out[block])
            out[there.start : there.start + len(far)] = far
            out[block.start : block.start + len(here)] = here
            return "blocks swapped"
        case _:
            for _ in range(int(rng.integers(1, 5))):
                at, width = _place(size, rng), int(rng.choice([1, 2, 4, 8]))
                value = int(_NUMBERS[rng.integers(0, len(_NUMBERS))]) & ((1 << 8 * width) - 1)
                order = "big" if rng.random() < 0.5 else "little"
                out[at : at + width] = value.to_bytes(width, order)
            return "numbers changed"


def made(number: int, *, seed: int, data: list[bytes]) -> tuple[int, bytes, str]:
    """Damage of this number: which file it is done to, the bytes, and what was done."""
    rng = np.random.default_rng((seed, number))
    which = number % len(data)
    return which, *damaged(data[which], rng)


def read(path: Path) -> dict[str, Any]:
    """Everything that a run could read of a file, and whether it makes sense."""
    heard_s, shown = 0.0, -np.inf
    try:
        with open_media(path) as media:
            media.plan(fps=2.0)
            for chunk in media.stream(fps=2.0, dense_fps=10.0, glance_fps=4.0):
                match chunk:
                    case Frames():
                        assert chunk.pts_s[0] > shown and (np.diff(chunk.pts_s) > 0).all()
                        shown = chunk.pts_s[-1]
                    case Glances() | Luma() | Cue():
                        pass
                    case Sound():
                        assert np.isfinite(chunk.samples).all() and np.isfinite(chunk.start_s)
                        heard_s += len(chunk.samples) / chunk.rate_hz
                    case Spectrogram():
                        assert np.isfinite(chunk.log_mel).all()
            assert media.info.width >= 0
            ended = "partial" if media.report.partial else "read"
            return {"ended": ended, "errors": media.report.errors, "heard_s": round(heard_s)}
    except TriptychError as err:
        assert err.path == str(path) and err.remedy, repr(err)
        return {"ended": "refused", "error": f"{type(err).__name__}: {err.message}"}


def child(path: Path, pipe: int, limit_s: int) -> None:
    """Read, report and end; whatever is raised beyond our own errors is a finding."""
    resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s + 1))
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES_GB << 30, _ADDRESSES_GB << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        found = read(path)
    except BaseException as err:  # noqa: BLE001 - whatever it is, it is the finding
        found = {"ended": "unexpected", "error": f"{type(err).__name__}: {err}"}
    os.write(pipe, json.dumps(found).encode()[:4096])
    os._exit(0)


def watched(path: Path, *, limit_s: int, limit_mb: float) -> dict[str, Any]:
    """Read a file in a child process; says how that ended and what it took."""
    out, pipe = os.pipe()
    began = time.perf_counter()
    if not (pid := os.fork()):
        child(path, pipe, limit_s)
    os.close(pipe)
    handle, stopped = os.pidfd_open(pid), ""
    looker = select.poll()
    looker.register(handle, select.POLLIN)
    while not looker.poll(_LOOK_S * 1000):
        over_time = time.perf_counter() - began > limit_s * _PATIENCE
        if over_time or _resident_mb(pid) > limit_mb:
            stopped = "over time" if over_time else "over memory"
            os.kill(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    os.close(handle)
    with os.fdopen(out, "rb") as file:
        said = file.read()
    code = os.waitstatus_to_exitcode(status)
    found = json.loads(said) if said else {"ended": "died"}
    if -code in (signal.SIGXCPU, signal.SIGKILL) and not stopped:
        stopped = "over time"  # by its own limit
    elif code < 0 and not stopped:
        found = {"ended": "crashed", "error": signal.Signals(-code).name}
    peak_mb = usage.ru_maxrss / 1024
    if stopped or peak_mb > limit_mb:
        found["ended"] = stopped or "over memory"
    return found | {
        "wall_s": round(time.perf_counter() - began, 3),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
        "peak_mb": round(peak_mb),
    }


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 2**20


def summary(rows: list[dict[str, Any]], whole: list[dict[str, Any]]) -> dict[str, Any]:
    """What came of each file's damages."""
    files = {}
    for which, name in enumerate(SEEDS):
        mine = [row for row in rows if row["file"] == which]
        if mine:
            files[Path(name).name] = {
                "undamaged": whole[which],
                "ends": dict(Counter(row["ended"] for row in mine)),
                "most_cpu_s": max(row["cpu_s"] for row in mine),
                "most_mb": max(row["peak_mb"] for row in mine),
            }
    return {
        "damages": len(rows),
        "ends": dict(Counter(row["ended"] for row in rows)),
        "crashes": dict(Counter(row["error"] for row in rows if row["ended"] == "crashed")),
        "most_wall_s": max(row["wall_s"] for row in rows),
        "most_cpu_s": max(row["cpu_s"] for row in rows),
        "most_mb": max(row["peak_mb"] for row in rows),
        "files": files,
    }


#: Ends that are faults of this project. A crash is ffmpeg's; it costs the child alone.
FAULTS = ("unexpected", "died", "over time", "over memory")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path, help="the folder of hard_inputs and grid_s1")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="number of the first damage")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit-s", type=int, default=20, help="CPU seconds of a file")
    parser.add_argument("--limit-mb", type=float, default=1024.0)
    parser.add_argument("--replay", type=int, metavar="N", help="this damage alone, in no child")
    parser.add_argument("--keep", type=Path, help="with --replay: write the damaged file here")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    data = [(options.data / name).read_bytes() for name in SEEDS]
    limits = {"limit_s": options.limit_s, "limit_mb": options.limit_mb}
    with tempfile.TemporaryDirectory() as scratch:
        if options.replay is not None:
            which, content, what = made(options.replay, seed=options.seed, data=data)
            path = options.keep or Path(scratch) / f"damaged{Path(SEEDS[which]).suffix}"
            path.write_bytes(content)
            print(f"{SEEDS[which]}: {what}", flush=True)
            print(read(path))
            return
        whole = [watched(options.data / name, **limits) for name in SEEDS]
        rows: list[dict[str, Any]] = []
        for number in range(options.first, options.first + options.count):
            which, content, what = made(number, seed=options.seed, data=data)
            path = Path(scratch) / f"{which}{Path(SEEDS[which]).suffix}"
            path.write_bytes(content)
            row = {"number": number, "file": which, "damage": what} | watched(path, **limits)
            rows.append(row)
            if row["ended"] in (*FAULTS, "crashed"):
                print(json.dumps(row), file=sys.stderr, flush=True)
    found = summary(rows, whole)
    report = {
        "machine": machine(),
        "versions": dict(versions()),
        "date": time.strftime("%Y-%m-%d"),
        "seed": options.seed,
        **limits,
        **found,
    }
    print(json.dumps(found, indent=1))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report | {"rows": rows}) + "\n", encoding="utf-8")
    sys.exit(1 if any(row["ended"] in FAULTS for row in rows) else 0)


if __name__ == "__main__":
    main()
