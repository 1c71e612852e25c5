"""CPU seconds of one frame a second at 224 pixels, and how many packets that takes.

Each run is a process of its own, told to use one thread; what is counted is its user and system
time, less that of the same process when it imports everything and reads nothing.

    python bench/decode.py ../shared/data/long_video/*.mp4 --json bench/out/decode.json
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measure import machine, measured, spread, versions

_TRIPTYCH = """
import sys
from triptych.decode import open_media
from triptych.records import Frames
def read(path, every):
    with open_media(path) as film:
        chunks = film.stream(short_side=224, sound=False, text=False, every_frame=every)
        return sum(len(c.pts_s) for c in chunks if isinstance(c, Frames))
"""
_PYAV = """
import sys, av
def read(path, _):
    with av.open(path) as film:
        stream = film.streams.video[0]
        stream.codec_context.thread_count = 1
        taken, due = 0, None
        for frame in film.decode(stream):
            due = frame.time if due is None else due
            if frame.time + 1e-6 >= due:
                scale = 224 / min(frame.width, frame.height)
                size = {"width": round(frame.width * scale), "height": round(frame.height * scale)}
                frame.reformat(format="rgb24", **size).to_ndarray()
                taken, due = taken + 1, due + 1
        return taken
"""
_OPENCV = """
import sys, cv2
cv2.setNumThreads(1)
def read(path, _):
    film = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    taken, due = 0, None
    while film.grab():
        now = film.get(cv2.CAP_PROP_POS_MSEC) / 1000
        due = now if due is None else due
        if now + 1e-6 >= due:
            _, picture = film.retrieve()
            scale = 224 / min(picture.shape[:2])
            cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            taken, due = taken + 1, due + 1
    return taken
"""
_MAIN = "\nif len(sys.argv) > 1: print(read(sys.argv[1], {every}))\n"

#: Name -> the module that it needs, its program, and whether it decodes every frame.
CANDIDATES = {
    "triptych": ("triptych", _TRIPTYCH, False),
    "triptych, every frame": ("triptych", _TRIPTYCH, True),
    "pyav": ("av", _PYAV, True),
    "opencv": ("cv2", _OPENCV, True),
}


def compared(path: Path, names: Sequence[str], *, rounds: int) -> dict[str, Any]:
    """All candidates over one file, in turn, so that a busy minute meets them all."""
    from triptych.decode import open_media

    with open_media(path) as media:
        found: dict[str, Any] = {"file": path.name, "plan": media.plan().facts()}
        found["video"] = [media.info.video, media.info.width, media.info.height]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            _, program, every = CANDIDATES[name]
            command = [sys.executable, "-c", program + _MAIN.format(every=every)]
            idle = measured(command, env={"OMP_NUM_THREADS": "1"}).cpu_s
            busy = measured([*command, str(path)], env={"OMP_NUM_THREADS": "1"}).cpu_s
            seconds[name].append(max(busy - idle, 0.0))
    found["cpu_s"] = {name: spread(taken) for name, taken in seconds.items()}
    base = statistics.median(seconds["triptych"])
    found["of"] = {
        name: round(base / max(statistics.median(taken), 1e-9), 3)
        for name, taken in seconds.items()
        if name != "triptych"
    }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    names = [n for n, (module, *_) in CANDIDATES.items() if importlib.util.find_spec(module)]
    rows = [compared(path, names, rounds=arguments.rounds) for path in arguments.files]
    result = {"machine": machine(), "versions": dict(versions()), "rounds": arguments.rounds}
    text = json.dumps({**result, "files": rows}, indent=1) + "\n"
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
