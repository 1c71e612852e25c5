"""A thousand short clips: how fast, how evenly, and what a second look costs.

Clips are real ones, made different by a few bytes behind them that no player reads.

    python bench/batch.py ../shared/data/fight_surv --json bench/out/batch.json --plot bench/out
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from measure import machine, spread, versions

SETTINGS = ("--preset", "light", "--asr", "never", "--format", "json", "--quiet")
_BARE = """
import sys, time
from pathlib import Path
from triptych.config import load_config
from triptych.features.keys import file_digest
from triptych.report.write import write_report
from triptych.video import analyze
config = load_config(assignments=("extract.preset=light", "extract.asr=never", "report.formats=json"))
out, began = Path(sys.argv[1]), None
for path in sys.argv[2:]:
    analysis = analyze(path, config=config, digest=file_digest(path))
    write_report(analysis, out / Path(path).name, config=config, source={"path": path}, run={})
    began = began or time.perf_counter()  # the first one loads libraries and models
print(time.perf_counter() - began)
"""


def copies(clips: Sequence[Path], folder: Path, count: int) -> list[Path]:
    """Clips of one content each: an empty box of MP4 with a number in it at the end."""
    folder.mkdir(parents=True)
    made = []
    for number in range(count):
        clip = clips[number % len(clips)]
        path = folder / f"{number:04d}-{clip.name}"
        path.write_bytes(clip.read_bytes() + b"\0\0\0\x10free" + number.to_bytes(8, "big"))
        made.append(path)
    return made


class Run:
    """`triptych run` over a folder, and how much memory all its processes hold as it goes."""

    def __init__(self, clips: Path, out: Path, *, cache: Path, workers: int) -> None:
        self.samples: list[tuple[int, float]] = []  #: videos ended, MB
        self._over = threading.Event()
        command = [sys.executable, "-m", "triptych", "run", str(clips), "-o", str(out), *SETTINGS]
        began = time.perf_counter()
        with subprocess.Popen(
            [*command, "--workers", str(workers)],
            env=os.environ | {"TRIPTYCH_CACHE": str(cache)},
        ) as process:
            watcher = threading.Thread(target=self._watch, args=(process.pid, out))
            watcher.start()
            status = process.wait()
            self.wall_s = time.perf_counter() - began
            self._over.set()
            watcher.join()
        if status:
            sys.exit(f"exit code {status}: {' '.join(command)}")
        self.totals = json.loads((out / "summary.json").read_text(encoding="utf-8"))
        lines = (out / "run.jsonl").read_text(encoding="utf-8").splitlines()
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def _watch(self, pid: int, out: Path) -> None:
        rows = out / "run.jsonl"
        while not self._over.wait(0.5):
            ended = rows.read_bytes().count(b"\n") if rows.exists() else 0
            total = 0.0
            try:
                for member in (p := psutil.Process(pid), *p.children(recursive=True)):
                    total += member.memory_info().rss / 2**20
            except psutil.NoSuchProcess:
                continue
            self.samples.append((ended, total))


def flatness(samples: Sequence[tuple[int, float]], count: int) -> dict[str, float]:
    """Memory around the first tenth and the last tenth of the videos, in MB."""
    early = [mb for ended, mb in samples if 0.1 * count <= ended < 0.2 * count]
    late = [mb for ended, mb in samples if ended >= 0.9 * count]
    first, last = sum(early) / len(early), sum(late) / len(late)
    return {"early_mb": round(first), "late_mb": round(last), "ratio": round(last / first, 3)}


def plot(samples: Sequence[tuple[int, float]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([ended for ended, _ in samples], [mb for _, mb in samples])
    axes.set(xlabel="videos ended", ylabel="resident memory, MB", ylim=(0, None))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def compared(clips: Sequence[Path], scratch: Path, prepared: Path, count: int) -> dict[str, Any]:
    """One worker, two workers and the bare stages, side by side, three times."""
    copies(clips, scratch / "some", count)
    walls: dict[str, list[float]] = {"1": [], "2": [], "bare": []}
    inside: list[float] = []
    for turn in range(3):
        for kind in ("1", "2"):
            cache, out = scratch / f"cache-{turn}-{kind}", scratch / f"out-{turn}-{kind}"
            shutil.copytree(prepared, cache)
            run = Run(scratch / "some", out, cache=cache, workers=int(kind))
            walls[kind].append(run.wall_s)
            if kind == "1":  # without the start of the worker, which loads what _BARE loads
                first = max(r["elapsed_s"] for r in run.rows)
                inside.append(run.totals["seconds"] - first - run.totals["waiting_seconds"])
        cache = scratch / f"cache-{turn}-bare"
        shutil.copytree(prepared, cache)
        names = [str(p) for p in sorted((scratch / "some").iterdir())]
        done = subprocess.run(
            [sys.executable, "-c", _BARE, str(scratch / f"bare-{turn}"), *names],
            env=os.environ | {"TRIPTYCH_CACHE": str(cache), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        walls["bare"].append(float(done.stdout))
    return {
        "clips": count,
        "one_worker_s": spread(walls["1"]),
        "two_workers_s": spread(walls["2"]),
        "two_over_one": spread([a / b for a, b in zip(walls["1"], walls["2"], strict=True)]),
        "bare_s": spread(walls["bare"]),
        "waiting_for_workers_left_out_s": spread(inside),
        "runner_over_bare": spread([a / b for a, b in zip(inside, walls["bare"], strict=True)]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--some", type=int, default=300, help="clips for the comparisons")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, help="folder for memory.png")
    options = parser.parse_args()
    clips = sorted(options.folder.rglob("*.mp4"))
    report: dict[str, Any] = {
        "machine": machine(),
        "versions": dict(versions()),
        "date": time.strftime("%Y-%m-%d"),
    }
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        copies(clips, scratch / "first", 2)
        Run(scratch / "first", scratch / "first-out", cache=scratch / "prepared", workers=1)
        shutil.rmtree(scratch / "prepared" / "features")
        report["side_by_side"] = compared(clips, scratch, scratch / "prepared", options.some)
        copies(clips, scratch / "many", options.count)
        shutil.copytree(scratch / "prepared", scratch / "cache")
        many = [scratch / "many", scratch / "out"]
        cold = Run(*many, cache=scratch / "cache", workers=2)
        warm = [Run(*many, cache=scratch / "cache", workers=2) for _ in range(3)]
        report["cold"] = {"clips": options.count, "wall_s": round(cold.wall_s, 1)}
        report["memory"] = flatness(cold.samples, options.count)
        report["warm"] = {
            "ms_a_file": spread([1000 * r.wall_s / options.count for r in warm]),
            "decoded": sum(r.totals["videos_decoded"] for r in warm),
        }
        if options.plot:
            plot(cold.samples, options.plot / "memory.png")
    print(json.dumps(report, indent=1))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
