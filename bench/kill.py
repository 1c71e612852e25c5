"""kill -9 of the run or of one of its workers, at random moments, over and over.

A cycle is a folder of clips, an empty cache and an empty OUT. Its run is killed and started again
until it comes to its end; every kill is a round. After each one: no entry of the store is
damaged, and no video that stood in run.jsonl is gone from it. At the end of a cycle all answers
are those of a run that nobody disturbed, byte for byte but for the block `run`.

    python bench/kill.py ../shared/data/fight_surv --clips 40 --rounds 100 --json bench/out/kill.json
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from measure import machine, versions

from triptych.features import upkeep
from triptych.inputs import find_sources

COMMAND = (sys.executable, "-m", "triptych", "run")
SETTINGS = ("--preset", "light", "--asr", "never", "--format", "json,vtt", "--quiet")


def started(clips: Path, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, str(clips), "-o", str(folder / "out"), *SETTINGS],
        env=os.environ | {"TRIPTYCH_CACHE": str(folder / "cache")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finished(out: Path) -> set[str]:
    """Videos that run.jsonl says are done; its last line may be cut short."""
    names = set()
    path = out / "run.jsonl"
    for line in path.read_bytes().split(b"\n") if path.is_file() else ():
        with contextlib.suppress(ValueError):
            row = json.loads(line)
            if row["state"] in ("done", "cached"):
                names.add(row["relative"])
    return names


def answers(out: Path) -> dict[str, str]:
    """What users read, without what only this run could say."""
    found = {}
    for path in sorted(out.rglob("*")):
        name = str(path.relative_to(out))
        if path.name == "analysis.json":
            data = json.loads(path.read_text(encoding="utf-8"))
            data.pop("run")
            found[name] = json.dumps(data, ensure_ascii=False)
        elif path.suffix in (".vtt", ".csv") and path.is_file():
            rows = [*csv.reader(path.read_text(encoding="utf-8").splitlines())]
            found[name] = json.dumps([[c for c in r if c not in ("done", "cached")] for r in rows])
    return found


def killed(process: subprocess.Popen[bytes], after_s: float, *, worker: bool) -> str:
    """Kill the run or one of its workers after a while; says what was killed."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(after_s)
        return "nothing"
    with contextlib.suppress(psutil.NoSuchProcess):
        workers = psutil.Process(process.pid).children()
        if worker and workers:
            random.choice(workers).kill()
            return "worker"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return "run"


def cycle(
    clips: Path, folder: Path, *, expected: dict[str, str], longest_s: float, rounds: int
) -> list[dict[str, Any]]:
    """Kill until the run comes to its end, at most `rounds` times; says what was found."""
    found = []
    seen: set[str] = set()
    while True:
        process = started(clips, folder)
        what = "nothing"
        if len(found) < rounds:
            after_s = random.uniform(0.2, longest_s)
            what = killed(process, after_s, worker=random.random() < 0.5)
        if what != "run":  # it goes on with a new worker, or ends by itself
            process.wait()
        damaged = upkeep.verify(folder / "cache" / "features", workers=2).damaged
        now = finished(folder / "out")
        if what != "nothing":
            found.append({"killed": what, "damaged": len(damaged), "lost": sorted(seen - now)})
        seen |= now
        if what == "nothing" or (what == "worker" and process.returncode == 0):
            break
    got = answers(folder / "out")
    same = process.returncode == 0 and got == expected
    differ = [k for k in {*expected, *got} if got.get(k) != expected.get(k)]
    if found:
        found[-1] |= {"end": "same" if same else "different", "differ": sorted(differ)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("clips", type=Path)
    parser.add_argument("--clips", type=int, default=40, dest="count")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    random.seed(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        clips = Path(scratch) / "clips"
        clips.mkdir()
        media = (".mp4", ".mpg", ".mkv", ".avi", ".mov", ".webm", ".ogg", ".wav")
        files = [s.path for s in find_sources([options.clips], out=Path(scratch) / "none")]
        for number, path in enumerate(p for p in files if p.suffix.lower() in media):
            if number < options.count:
                (clips / f"{number:02d}-{path.name}").symlink_to(path.resolve())
        calm, prepared = Path(scratch) / "calm", Path(scratch) / "prepared" / "cache"
        started(clips, calm).wait()
        # Networks are converted for a machine once; that is not what is killed here.
        shutil.move(calm / "cache", prepared)
        shutil.rmtree(prepared / "features")
        expected = answers(calm / "out")
        shutil.copytree(prepared, Path(scratch) / "timed" / "cache")
        began = time.monotonic()
        started(clips, Path(scratch) / "timed").wait()
        longest_s = time.monotonic() - began
        rounds: list[dict[str, Any]] = []
        for number in itertools.count():
            if len(rounds) >= options.rounds:
                break
            folder = Path(scratch) / f"cycle-{number}"
            left = options.rounds - len(rounds)
            shutil.copytree(prepared, folder / "cache")
            rounds += cycle(
                clips, folder, expected=expected, longest_s=longest_s * 0.7, rounds=left
            )
            shutil.rmtree(folder)
            sys.stderr.write(f"\r{len(rounds)} ")
    ends = [r["end"] for r in rounds if "end" in r]
    report = {
        "machine": machine(),
        "versions": dict(versions()),
        "date": time.strftime("%Y-%m-%d"),
        "clips": len(expected),
        "undisturbed_s": round(longest_s, 1),
        "kills": {w: sum(r["killed"] == w for r in rounds) for w in ("run", "worker")},
        "damaged_entries": sum(r["damaged"] for r in rounds),
        "finished_videos_lost": sum(len(r["lost"]) for r in rounds),
        "ends": {e: ends.count(e) for e in ("same", "different")},
        "rounds": rounds,
    }
    print(json.dumps({k: v for k, v in report.items() if k != "rounds"}, indent=1))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    failed = report["damaged_entries"] or report["finished_videos_lost"] or "different" in ends
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
