"""How fast a folder becomes answers: Triptych against the plain script, side by side.

Two comparisons, each repeated with the order turned round every time:

- same work: the preset `light`, no speech, analysis.json only; against `plain_script.py`.
- everything: all defaults (speech recognition, reel, storyboard, page); against
  `plain_script.py --speech`.

Wall times are of whole processes, from outside. *cold*: no features, no results, but the
models prepared (once a machine; measured by itself as the first run ever). *warm*: the same
command again. *warm, new folder*: the features are there, the results are not.

    python bench/end_to_end.py --json bench/out/end_to_end.json
    python bench/end_to_end.py my/videos --repeat 5
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import Run, figures, machine, measured, ratios, spread, versions

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = Path(os.environ.get("TRIPTYCH_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
PLAIN = (sys.executable, str(Path(__file__).with_name("plain_script.py")))
TRIPTYCH = (sys.executable, "-m", "triptych", "run")
#: Comparison -> options of Triptych, options of the plain script.
COMPARISONS: dict[str, tuple[list[str], list[str]]] = {
    "same_work": (["--preset", "light", "--asr", "never", "--format", "json"], []),
    "everything": ([], ["--speech"]),
}
#: Target -> the comparison that it is of, the least it should be.
TARGETS: dict[str, tuple[str, float]] = {
    "cold_vs_plain": ("same_work", 2.5),
    "same_top_label": ("same_work", 1.0),
    "warm_vs_cold": ("everything", 100.0),
}


@dataclass(slots=True)
class Bench:
    """A scratch folder with prepared models and label words."""

    scratch: Path
    workers: int = 0

    def prepare(self, clip: Path) -> dict[str, Any]:
        """Make the models ready; what that takes is the first run ever."""
        os.environ["TRIPTYCH_CACHE"] = str(self.scratch / "prepared")
        light = COMPARISONS["same_work"][0]
        command = [*TRIPTYCH, str(clip), "-o", str(self.scratch / "first"), *light]
        for program in (PLAIN, TRIPTYCH):  # compiled Python files, libraries in the page cache
            measured([*program, "--help"])
        first = measured(command, env=self._cache("prepared"))
        shutil.rmtree(self.scratch / "prepared" / "features")
        shutil.rmtree(self.scratch / "first")
        again = measured(command, env=self._cache("prepared"))
        shutil.rmtree(self.scratch / "prepared" / "features")
        self._write_words()
        return {"first_run_s": round(first.wall_s, 3), "same_prepared_s": round(again.wall_s, 3)}

    def _write_words(self) -> None:
        """The same label words for both, embedded once, as points in the sentence space."""
        import numpy as np

        from triptych.predict.seen import likeness_to_classes
        from triptych.predict.vocabulary import load_vocabulary

        vocabulary = load_vocabulary("everyday", language="en")
        np.savez(
            self.scratch / "words.npz",
            likeness=likeness_to_classes(vocabulary),
            names=np.array(vocabulary.names),
        )

    def _cache(self, name: str) -> dict[str, str]:
        return {"TRIPTYCH_CACHE": str(self.scratch / name)}

    def compare(self, name: str, folder: Path, *, repeat: int) -> dict[str, Any]:
        """One comparison on one folder: the plain script, and Triptych cold and warm."""
        files = media_files(folder)
        _read_through(files)
        runs: dict[str, list[Run]] = {k: [] for k in ("plain", "cold", "warm", "warm_new_folder")}
        plain_work_s: list[float] = []
        for turn in range(repeat):
            sides = [lambda: self._plain(name, files, runs), lambda: self._ours(name, folder, runs)]
            for side in sides if turn % 2 == 0 else reversed(sides):
                side()
            theirs = json.loads((self.scratch / "plain" / "seconds.json").read_text())
            plain_work_s.append(sum(theirs.values()) - theirs["load"])
        rows = read_rows(self.scratch / "out")
        media_s = sum(row.get("duration_s", 0.0) for row in rows)
        labels = top_labels(self.scratch / "plain", self.scratch / "out", folder)
        compared = [row for row in labels if row["plain"] and row["triptych"]]
        summary = json.loads((self.scratch / "cold.json").read_text(encoding="utf-8"))
        return {
            "files": len(files),
            "states": summary["states"],
            "media_s": round(media_s, 3),
            **{key: figures(value, media_s) for key, value in runs.items()},
            "ratios": {
                "cold_vs_plain": ratios(runs["plain"], runs["cold"]),
                # As if the other script had started and loaded its models in no time.
                "cold_vs_plain_without_its_start": spread(
                    [s / r.wall_s for s, r in zip(plain_work_s, runs["cold"], strict=True)]
                ),
                "warm_vs_cold": ratios(runs["cold"], runs["warm"]),
                "warm_new_folder_vs_cold": ratios(runs["cold"], runs["warm_new_folder"]),
                "warm_vs_plain": ratios(runs["plain"], runs["warm"]),
            },
            "seconds_by_stage": {
                "plain": theirs | {"imports": runs["plain"][-1].wall_s - sum(theirs.values())},
                "triptych_all_workers": summary["stage_seconds"],
            },
            "top_labels": labels,
            "same_top_label": {
                "compared": len(compared),
                "same": sum(row["plain"] == row["triptych"] for row in compared),
            },
        }

    def _plain(self, name: str, files: Sequence[Path], runs: dict[str, list[Run]]) -> None:
        out = self.scratch / "plain"
        shutil.rmtree(out, ignore_errors=True)
        command = [*PLAIN, *map(str, files), "-o", str(out)]
        command += ["--words", str(self.scratch / "words.npz"), *COMPARISONS[name][1]]
        runs["plain"].append(measured(command))

    def _ours(self, name: str, folder: Path, runs: dict[str, list[Run]]) -> None:
        for left in ("cold", "out", "out2"):
            shutil.rmtree(self.scratch / left, ignore_errors=True)
        shutil.copytree(self.scratch / "prepared", self.scratch / "cold")
        options = [*COMPARISONS[name][0], "--lang", "en"]
        if self.workers:
            options += ["--workers", str(self.workers)]
        for key, out in (("cold", "out"), ("warm", "out"), ("warm_new_folder", "out2")):
            command = [*TRIPTYCH, str(folder), "-o", str(self.scratch / out), *options]
            runs[key].append(measured(command, env=self._cache("cold")))
            if key == "cold":
                shutil.copy(self.scratch / "out" / "summary.json", self.scratch / "cold.json")


def read_rows(out: Path) -> list[dict[str, Any]]:
    """The rows of a run."""
    lines = (out / "run.jsonl").read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line]


def media_files(folder: Path) -> list[Path]:
    """What both are given, in one order; Triptych finds the same by itself."""
    from triptych.inputs import find_sources

    found = find_sources([str(folder)], out=folder / "none")
    return [source.path for source in found if source.expected]


def _read_through(files: Sequence[Path]) -> None:
    """Into the page cache: the disk is not what is compared."""
    for path in files:
        path.read_bytes()


def top_labels(plain: Path, out: Path, folder: Path) -> list[dict[str, Any]]:
    """The best label of each file by its pictures alone; empty where there are none.

    Where the two differ, `gap` says by how much (in logits) Triptych prefers its own.
    """
    with (plain / "labels.csv").open(encoding="utf-8", newline="") as file:
        theirs = {row["path"]: row["label"] for row in csv.DictReader(file)}
    found = []
    for row in read_rows(out):
        best, scores = "", {}
        path = out / row["folder"] / "analysis.json"
        if path.is_file():
            labels = json.loads(path.read_text(encoding="utf-8"))["labels"]
            seen = {x["label"]: x["contributions"].get("image") for x in labels}
            scores = {label: score for label, score in seen.items() if score is not None}
            best = max(scores, key=lambda label: scores[label], default="")
        if row["path"] in theirs:
            name, other = Path(row["path"]).relative_to(folder).as_posix(), theirs[row["path"]]
            gap = round(scores[best] - scores[other], 4) if best and other in scores else None
            found.append({"file": name, "plain": other, "triptych": best, "gap": gap})
    return found


def known_sets(scratch: Path, *, clips: int) -> dict[str, Path]:
    """Name -> folder: the demo's clips, and of the shared data long films and short clips."""
    found = {"demo": REPOSITORY / "demo" / "media"}
    if SHARED_DATA.is_dir():
        with (SHARED_DATA / "fight_surv" / "labels.csv").open(encoding="utf-8") as file:
            listed = [SHARED_DATA / "fight_surv" / row["path"] for row in csv.DictReader(file)]
        step = max(1, len(listed) // clips)  # from all over the list, always the same
        found["films"] = SHARED_DATA / "long_video"
        found["clips"] = scratch / "clips"
        found["clips"].mkdir()
        talking = sorted((SHARED_DATA / "grid_s1" / "video").iterdir())
        for number, path in enumerate([*listed[::step][:clips], *talking]):
            (found["clips"] / f"{number:03}-{path.name}").symlink_to(path)
    return found


def against_targets(results: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What was promised, and what was found."""
    rows = []
    for target, (comparison, wanted) in TARGETS.items():
        for name, found in results.get(comparison, {}).items():
            if target == "same_top_label":
                same = found[target]
                value = same["same"] / same["compared"] if same["compared"] else None
            else:
                value = found["ratios"][target]["median"]
            row = {"target": target, "comparison": comparison, "folder": name, "wanted": wanted}
            rows.append({**row, "got": value, "held": value is not None and value >= wanted})
    return rows


def tables(report: Mapping[str, Any]) -> Iterator[str]:
    """The main figures in words."""
    yield f"{report['machine']['cpu']}, {report['machine']['cores']} cores, {report['date']}"
    ever = report["first_run_ever"]
    yield f"first run ever {ever['first_run_s']} s, prepared {ever['same_prepared_s']} s"
    for comparison, folders in report["results"].items():
        for name, found in folders.items():
            yield f"\n{comparison}, {name}: {found['files']} files, {found['media_s']:.0f} s"
            for key in ("plain", "cold", "warm", "warm_new_folder"):
                wall, peak = found[key]["wall_s"], found[key]["peak_mb"]
                rate = found[key]["video_s_per_wall_s"]["median"]
                yield (
                    f"  {key:16} {wall['median']:8.2f} s ({wall['min']:.2f} to {wall['max']:.2f},"
                    f" n={wall['n']}) {rate:9.1f} x real time {peak['median']:7.0f} MB"
                )
            for key, ratio in found["ratios"].items():
                yield f"  {key:32} {ratio['median']:8.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"
            same = found["same_top_label"]
            yield f"  same top label                   {same['same']} of {same['compared']}"
    for row in report["targets"]:
        verdict = "held" if row["held"] else "MISSED"
        what = f"{row['target']} of {row['comparison']}, {row['folder']}"
        yield f"target {what} >= {row['wanted']}: {row['got'] or 0:.3g} {verdict}"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, write JSON, print the main figures."""
    command = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("folders", nargs="*", type=Path, help="instead of the known sets")
    command.add_argument("--json", type=Path, help="where the figures go; default: not kept")
    command.add_argument("--repeat", type=int, default=3, help="of each comparison (3)")
    command.add_argument(
        "--set", action="append", choices=("demo", "films", "clips"), help="some known sets only"
    )
    command.add_argument("--clips", type=int, default=60, help="of fight_surv in clips (60)")
    command.add_argument("--workers", type=int, default=0, help="of Triptych (one a core)")
    command.add_argument("--only", choices=tuple(COMPARISONS), help="one comparison")
    command.add_argument("--quick", action="store_true", help="the demo folder, once")
    options = command.parse_args(argv)
    repeat = 1 if options.quick else options.repeat
    with tempfile.TemporaryDirectory(prefix="triptych-bench-") as name:
        scratch = Path(name)
        folders = {path.name: path.resolve() for path in options.folders}
        if not folders:
            wanted = ["demo"] if options.quick else options.set
            sets = known_sets(scratch, clips=options.clips)
            folders = {k: v for k, v in sets.items() if not wanted or k in wanted}
        for folder in folders.values():
            if not media_files(folder):
                sys.exit(f"no media in {folder}: run `make demo` first, or name a folder")
        bench = Bench(scratch=scratch, workers=options.workers)
        clips = [path for folder in folders.values() for path in media_files(folder)]
        report: dict[str, Any] = {
            "machine": machine(),
            "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "versions": dict(versions()),
            "settings": {"repeat": options.repeat, "quick": options.quick, "clips": options.clips},
            "first_run_ever": bench.prepare(min(clips, key=lambda p: (p.stat().st_size, p.name))),
            "results": {},
        }
        for comparison in [options.only] if options.only else COMPARISONS:
            for label, folder in folders.items():
                found = bench.compare(comparison, folder, repeat=repeat)
                report["results"].setdefault(comparison, {})[label] = found
                report["targets"] = against_targets(report["results"])
                _keep(report, options.json)  # an hour may pass; what is measured is kept
                print(f"measured: {comparison}, {label}", file=sys.stderr, flush=True)
    print(*tables(report), sep="\n")


def _keep(report: Mapping[str, Any], path: Path | None) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
