"""CPU seconds of the decode stage and of other decoders over the same films, side by side.

    python bench/decode.py --inputs /tmp/films --json bench/out/decode.json --plot bench/out/decode.png

Films are encoded once into --inputs from those of ../shared/data/long_video. Wanted: one frame a
second, 16 frames spread evenly, key frames; each as small RGB, 224 pixels on the short side. Every
run is a process of its own, told to use one thread; candidates take turns, so that a busy minute
meets them all. Who is not installed, or cannot do it, is named. torchcodec and spdl-io need
ffmpeg's shared libraries; --python names an interpreter that has the other libraries.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
from decode_inputs import made
from decode_peers import CANDIDATES
from measure import machine, spread, versions

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared" / "data"
OURS = tuple(name for name in CANDIDATES if name.startswith("triptych"))
PEERS = tuple(name for name in CANDIDATES if name not in OURS)
#: What is wanted -> which of ours are asked for it. Long films only for what is about length.
WANTED = {
    "fps1": OURS,
    "uniform16": ("triptych exact", "triptych near", "triptych keyframe"),
    "keyframes": ("triptych exact",),
}
LONG = "h264-1080p-2min"


def facts_of(path: Path) -> dict[str, Any]:
    """What candidates are told of a film, and what its plans are."""
    from triptych.decode import open_media
    from triptych.decode.precision import Precision

    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        told: dict[str, Any] = {
            "codec": stream.codec_context.name,
            "width": stream.width,
            "height": stream.height,
            "seconds": float(film.duration or 0) / av.time_base,
        }
    with open_media(path) as media:
        told["plans"] = {str(p): media.plan(precision=p).facts() for p in Precision}
    return told


def one(python: str, name: str, wanted: str, path: Path, told: Mapping[str, Any]) -> dict[str, Any]:
    """One process; a crash is a result too."""
    command = [python, str(HERE / "decode_peers.py"), name, wanted, str(path), json.dumps(told)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        return {"failed": f"ended with {done.returncode}: {done.stderr.strip()[-200:]}"}
    found: dict[str, Any] = json.loads(lines[-1])
    return {"failed": "gave no frame"} if found.get("frames") == 0 else found


def compared(
    python: str, wanted: str, path: Path, names: Sequence[str], *, rounds: int
) -> dict[str, Any]:
    """All candidates over one film."""
    told = facts_of(path)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    failed: dict[str, str] = {}
    for _ in range(rounds):
        for name in names:
            if name in failed:
                continue
            found = one(python, name, wanted, path, told)
            if "failed" in found:
                failed[name] = found["failed"]
            else:
                runs[name].append(found)
    return {
        "facts": told,
        "failed": failed,
        "results": {
            name: {
                "cpu_s": spread([r["cpu_s"] for r in each]),
                "wall_s": spread([r["wall_s"] for r in each]),
                "frames": each[-1]["frames"],
            }
            for name, each in runs.items()
            if each
        },
    }


def cpu(found: Mapping[str, Any], name: str) -> float:
    """The median of a candidate."""
    return float(found["results"][name]["cpu_s"]["median"])


def best_peer(found: Mapping[str, Any]) -> str | None:
    """Who of the others took least."""
    able = [name for name in PEERS if name in found["results"]]
    return min(able, key=lambda name: cpu(found, name), default=None)


def of_best(found: Mapping[str, Any], name: str) -> float | None:
    """Our CPU seconds over those of the best peer."""
    best = best_peer(found)
    if best is None or name not in found["results"]:
        return None
    return cpu(found, name) / max(cpu(found, best), 1e-9)


def targets(
    films: Mapping[str, Mapping[str, Any]], h264: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Each thing that was promised, what it came to, and whether that is enough."""

    def said(what: str, limit: float, values: Sequence[float], *, least: bool = False) -> Any:
        got = round(statistics.geometric_mean(values), 3) if values else None
        reached = got is not None and (got >= limit if least else got <= limit)
        sign = "at least" if least else "at most"
        return {"target": f"{what}: {sign} {limit}", "got": got, "reached": reached}

    rate = {name: found["fps1"] for name, found in films.items() if "fps1" in found}
    exact = [r for n in h264 if n in rate and (r := of_best(rate[n], "triptych exact"))]
    near = [r for n in h264 if n in rate and (r := of_best(rate[n], "triptych near"))]
    yield said("exact 1 fps on H.264, of the best peer's CPU, geometric mean", 0.6, exact)
    yield said("the same, the worst film", 0.95, [max(exact)] if exact else [])
    yield said("near 1 fps on H.264, of the best peer's CPU, geometric mean", 0.45, near)
    if "uniform16" in films.get(LONG, {}):
        ratio = of_best(films[LONG]["uniform16"], "triptych exact")
        yield said("16 frames of 2 minutes, of the best peer's CPU", 0.4, [ratio] if ratio else [])
    times = [
        cpu(r, "triptych exact") / max(cpu(r, "triptych keyframe"), 1e-9)
        for r in rate.values()
        if {"triptych exact", "triptych keyframe"} <= r["results"].keys()
    ]
    yield said("keyframe 1 fps, times fewer CPU seconds than exact", 15, times, least=True)


def drawn(report: Mapping[str, Any], path: Path) -> None:
    """A bar for each candidate over each film, one row of plots for what is wanted."""
    import matplotlib.pyplot as plt

    rows = [w for w in WANTED if any(w in found for found in report["films"].values())]
    figure, axes = plt.subplots(len(rows), 1, figsize=(14, 4 * len(rows)), squeeze=False)
    for axis, wanted in zip(axes[:, 0], rows, strict=True):
        films = {n: f[wanted] for n, f in report["films"].items() if wanted in f}
        names = [c for c in CANDIDATES if any(c in f["results"] for f in films.values())]
        for place, name in enumerate(names):
            at = [i + place * 0.8 / len(names) for i in range(len(films))]
            each = [f["results"].get(name, {}).get("cpu_s") for f in films.values()]
            height = [e["median"] if e else 0 for e in each]
            low = [e["median"] - e["min"] if e else 0 for e in each]
            high = [e["max"] - e["median"] if e else 0 for e in each]
            hatch = "//" if name in OURS else ""
            axis.bar(at, height, 0.8 / len(names), yerr=[low, high], label=name, hatch=hatch)
        axis.set_xticks(range(len(films)), films, rotation=20)
        axis.set_ylabel("CPU seconds")
        axis.set_title(wanted)
        axis.set_yscale("log")
        axis.legend(ncols=6, fontsize="x-small")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)


def main() -> None:
    """Measure, judge, write."""
    command = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    command.add_argument("--inputs", type=Path, default=HERE / "out" / "decode_inputs")
    command.add_argument("--shared", type=Path, default=SHARED, help="the folder of real films")
    command.add_argument("--python", default=sys.executable, help="interpreter of the candidates")
    command.add_argument("--only", action="append", help="a film by its name; may be repeated")
    command.add_argument("--wanted", action="append", choices=WANTED)
    command.add_argument("--candidate", action="append", choices=CANDIDATES, help="of all")
    command.add_argument("--rounds", type=int, default=5)
    command.add_argument("--json", type=Path)
    command.add_argument("--plot", type=Path)
    options = command.parse_args()
    films: dict[str, Any] = {}
    h264: list[str] = []
    began = machine()
    for name, path, is_h264 in made(options.inputs, options.shared, only=options.only):
        h264 += [name] if is_h264 else []
        films[name] = {}
        for wanted in options.wanted or WANTED:
            names = [*WANTED[wanted], *PEERS]
            if options.candidate:
                names = [name for name in names if name in options.candidate]
            if wanted == "uniform16" and name != LONG:
                continue
            films[name][wanted] = compared(
                options.python, wanted, path, names, rounds=options.rounds
            )
            sys.stderr.write(f"{name} {wanted}\n")
    report = {
        "machine": began,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": dict(versions()),
        "rounds": options.rounds,
        "targets": list(targets(films, h264)),
        "films": films,
    }
    for path, text in ((options.json, json.dumps(report, indent=1) + "\n"),):
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if options.plot:
        drawn(report, options.plot)
    sys.stdout.writelines(f"{line}\n" for line in lines_of(report))


def lines_of(report: Mapping[str, Any]) -> Iterator[str]:
    """The result for people: medians of CPU seconds, then the targets."""
    for film, each in report["films"].items():
        for wanted, found in each.items():
            took = ", ".join(
                f"{name} {cpu(found, name):.3f} ({found['results'][name]['frames']})"
                for name in found["results"]
            )
            yield f"{film} {wanted}: {took}"
            yield from (f"  {name} failed: {why}" for name, why in found["failed"].items())
    for target in report["targets"]:
        state = "reached" if target["reached"] else "missed"
        yield f"{state}: {target['target']}; got {target['got']}"


if __name__ == "__main__":
    main()
