"""The decode stage at work: all that is in a file at once, and a folder of files on all cores.

    python bench/decode_folder.py --inputs /tmp/films --json bench/out/decode_folder.json

*together*: frames, sound, spectrogram and cues of a film in one pass, beside the floor: its
pictures decoded by PyAV's plain loop, on one thread, and thrown away. CPU seconds.

*folder*: 100 real files of many sizes, one frame a second of each. Ours by one worker process and
by one a core; every peer in one process that takes as many threads as it likes. Wall seconds,
without imports and starts. See `bench/decode.py` for --inputs and --python.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import decode_peers
from decode_inputs import made
from measure import machine, spread, versions

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared" / "data"
FILES, FILMS = 100, 10  # of which so many are films of 20 s and more; the rest are clips
OURS = ("triptych 1 worker", "triptych 2 workers")
PEERS = tuple(name for name in decode_peers.CANDIDATES if not name.startswith("triptych"))


# Together


def floor(path: str) -> int:
    with av.open(path) as film:
        stream = film.streams.video[0]
        stream.codec_context.thread_count = 1
        return sum(1 for _ in film.decode(stream))


def everything(path: str) -> int:
    from triptych.decode import open_media
    from triptych.records import Frames, Spectrogram

    columns = frames = 0
    with open_media(path) as media:
        for chunk in media.stream(fps=1.0, short_side=256):
            frames += len(chunk.pts_s) if isinstance(chunk, Frames) else 0
            columns += len(chunk.log_mel) if isinstance(chunk, Spectrogram) else 0
    assert frames and columns, f"{path} has no sound or no pictures"
    return frames


def together(films: Sequence[Path], *, rounds: int) -> dict[str, Any]:
    """Both in turns, each in a process of its own."""
    found = {}
    for film in films:
        spent: dict[str, list[float]] = {"floor": [], "everything": []}
        for _ in range(rounds):
            for name, each in spent.items():
                each.append(_alone(["--one", name, str(film)])["cpu_s"])
        pairs = zip(spent["everything"], spent["floor"], strict=True)
        found[film.name] = {
            **{f"{name}_cpu_s": spread(each) for name, each in spent.items()},
            "of_floor": spread([ours / low for ours, low in pairs]),
        }
    return found


def one(name: str, path: str) -> dict[str, Any]:
    """In a process of its own: CPU seconds without imports."""
    read = {"floor": floor, "everything": everything}[name]
    if name == "everything":
        import triptych.decode.media  # noqa: F401 - what it imports is not counted
        from triptych.decode.spectrogram import LogMel

        LogMel()
    cpu_s = decode_peers.spent()
    count = read(path)
    return {"frames": count, "cpu_s": decode_peers.spent() - cpu_s}


# A folder


def mixed(inputs: Path, shared: Path) -> list[Path]:
    films = [path for name, path, _ in made(inputs, shared) if name != "h264-1080p-2min"]
    clips = sorted((shared / "fight_surv").rglob("*.mp4"))
    spoken = sorted((shared / "grid_s1").rglob("*.mpg"))
    few = films[:FILMS]
    rest = FILES - len(few)
    third = min(len(spoken), rest // 3)
    return [*few, *spoken[:third], *clips[: rest - third]]


def read_one(*, source: Any, row: dict[str, Any], config: Any) -> dict[str, Any]:
    """Task of a worker."""
    import triptych.decode.media  # noqa: F401 - imports are not counted

    began = time.monotonic()
    frames = decode_peers.CANDIDATES["triptych exact"]()(str(source.path), "fps1")
    return row | {"state": "done", "began": began, "ended": time.monotonic(), "frames": frames}


def ours(files: Sequence[Path], workers: int) -> dict[str, Any]:
    from dataclasses import replace

    from triptych.config import Config, RunnerConfig
    from triptych.inputs import find_sources
    from triptych.pool import work_through

    sources = find_sources(files, out=HERE / "out")
    pending = [(s, _row(s)) for s in sources]
    config = replace(Config(), runner=RunnerConfig(workers=workers))
    rows = list(work_through(read_one, pending, config=config))
    bad = [row for row in rows if row["state"] != "done"]
    assert not bad, bad
    wall_s = max(r["ended"] for r in rows) - min(r["began"] for r in rows)
    return {"frames": sum(r["frames"] for r in rows), "wall_s": wall_s}


def _row(source: Any) -> dict[str, Any]:
    name = str(source.relative)
    return {"path": str(source.path), "relative": name, "folder": name, "state": "",
            "size": source.path.stat().st_size}  # fmt: skip


def theirs(name: str, told: dict[str, Any]) -> dict[str, Any]:
    """In a process of its own: one peer over all files, with threads as it likes."""
    decode_peers.THREADS = 0
    decode_peers.TOLD |= told
    read = decode_peers.CANDIDATES[name]()
    cpu_s, wall_s = decode_peers.spent(), time.perf_counter()
    frames = sum(read(path, "fps1") for path in told)
    wall_s = time.perf_counter() - wall_s
    return {"frames": frames, "cpu_s": decode_peers.spent() - cpu_s, "wall_s": wall_s}


def folder(files: Sequence[Path], python: str, *, rounds: int) -> dict[str, Any]:
    """All candidates in turns."""
    told = {str(path): _facts(path) for path in files}
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in (*OURS, *PEERS)}
    failed: dict[str, str] = {}
    for _ in range(rounds):
        for name, each in runs.items():
            if name in failed:
                continue
            if name in OURS:
                each.append(ours(files, OURS.index(name) + 1))
                continue
            found = _alone(["--peer", name], told, python=python)
            if "failed" in found:
                failed[name] = found["failed"]
            else:
                each.append(found)
    results = {
        name: {"wall_s": spread([r["wall_s"] for r in each]), "frames": each[-1]["frames"]}
        for name, each in runs.items()
        if each
    }
    return {"files": len(files), "results": results, "failed": failed}


def _facts(path: Path) -> dict[str, Any]:
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        seconds = float(film.duration or 0) / av.time_base
        return {"width": stream.width, "height": stream.height, "seconds": seconds}


def _alone(
    arguments: Sequence[str], told: Any = None, *, python: str = sys.executable
) -> dict[str, Any]:
    done = subprocess.run(
        [python, __file__, *arguments],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        said = (done.stderr.strip().splitlines() or [""])[-1]
        return {"failed": f"ended with {done.returncode}: {said[-200:]}"}
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def wall(found: dict[str, Any], name: str) -> float:
    """The median of a candidate."""
    return float(found["results"][name]["wall_s"]["median"])


def targets(report: dict[str, Any]) -> list[dict[str, Any]]:
    """What was promised, what it came to."""
    shares = [film["of_floor"]["median"] for film in report["together"].values()]
    found = report["folder"]
    peers = [name for name in PEERS if name in found["results"]]
    two = wall(found, OURS[1])
    said = [
        ("all of a film over the raw decode of its pictures, the worst: at most 1.3",
         max(shares), max(shares) <= 1.3),
        ("the same, geometric mean", statistics.geometric_mean(shares), True),
        ("100 files by 2 workers, times as fast as by 1: at least 1.8",
         wall(found, OURS[0]) / two, wall(found, OURS[0]) / two >= 1.8),
    ]  # fmt: skip
    if peers:
        best = min(peers, key=lambda name: wall(found, name))
        times = wall(found, best) / two
        said.append((f"the same, as the best peer ({best}): at least 1.8", times, times >= 1.8))
    return [{"target": t, "got": round(got, 3), "reached": ok} for t, got, ok in said]


def main() -> None:
    """Measure, judge, write."""
    command = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    command.add_argument("--inputs", type=Path, default=HERE / "out" / "decode_inputs")
    command.add_argument("--shared", type=Path, default=SHARED, help="the folder of real films")
    command.add_argument("--python", default=sys.executable, help="interpreter of the peers")
    command.add_argument("--rounds", type=int, default=3)
    command.add_argument("--json", type=Path)
    command.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    command.add_argument("--peer", help=argparse.SUPPRESS)
    options = command.parse_args()
    if options.one or options.peer:
        told = json.loads(sys.stdin.read())
        found = one(*options.one) if options.one else theirs(options.peer, told)
        sys.stdout.write(json.dumps(found) + "\n")
        return
    films = sorted((options.shared / "long_video").glob("*.mp4"))
    report: dict[str, Any] = {
        "machine": machine(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": dict(versions()),
        "rounds": options.rounds,
        "together": together(films, rounds=options.rounds),
        "folder": folder(
            mixed(options.inputs, options.shared), options.python, rounds=options.rounds
        ),
    }
    report["targets"] = targets(report)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for part in ("together", "folder", "targets"):
        sys.stdout.write(f"{part}: {json.dumps(report[part], indent=1)}\n")


if __name__ == "__main__":
    main()
