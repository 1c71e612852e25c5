"""Write the measured figures of `bench/end_to_end.py` into the README.

    python bench/end_to_end.py --json bench/out/end_to_end.json
    python bench/readme_table.py bench/out/end_to_end.json

Only what stands between the markers `<!-- bench:begin -->` and `<!-- bench:end -->` changes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
WORK = {"same_work": "same work", "everything": "everything"}
HEADER = (
    "| work | videos | plain script | Triptych | again | peak memory, script / Triptych | same top label |",
    "|---|---|---|---|---|---|---|",
)


def table(report: Mapping[str, Any]) -> Iterator[str]:
    """The lines between the markers."""
    yield from HEADER
    for comparison, folders in report["results"].items():
        for name, found in folders.items():
            yield row(WORK.get(comparison, comparison), name, found)
    machine, versions, repeat = report["machine"], report["versions"], report["settings"]["repeat"]
    runs = 1 if report["settings"]["quick"] else repeat
    yield ""
    yield (
        "*plain script*: [what people write today](bench/plain_script.py): a PyAV loop, PIL, torch "
        "in float32 with the same weights, librosa, one file after another. *same work*: no "
        "speech, no pictures or films written. *everything*: all defaults, speech recognition in "
        "both. *again*: the same command a second time, which decodes nothing. In brackets: how "
        "many times as fast as the column before."
    )
    yield ""
    yield (
        f"{_median_of(runs)} of whole processes, {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_gb']:.0f} GB, load {machine['load_at_start'][0]:.1f} before, "
        f"{report['date'][:10]}, torch {versions['torch']}, "
        f"OpenVINO {versions.get('openvino') or 'none'}. The first run ever on a machine prepares "
        f"the models, which took {_preparing(report):.0f} s. Measure again: "
        "`python bench/end_to_end.py --json bench/out/end_to_end.json`."
    )


def row(work: str, name: str, found: Mapping[str, Any]) -> str:
    """One comparison on one folder."""
    ratios, same = found["ratios"], found["same_top_label"]
    wall = {key: found[key]["wall_s"]["median"] for key in ("plain", "cold", "warm")}
    peak = {key: found[key]["peak_mb"]["median"] / 1024 for key in ("plain", "cold")}
    cells = [
        work,
        f"{name}: {found['files']} files, {_clock(found['media_s'])}",
        _seconds(wall["plain"]),
        f"{_seconds(wall['cold'])} ({_times(ratios['cold_vs_plain'])})",
        f"{_seconds(wall['warm'])} ({_times(ratios['warm_vs_cold'])})",
        f"{peak['plain']:.1f} / {peak['cold']:.1f} GB",
        f"{same['same']} of {same['compared']}",
    ]
    return f"| {' | '.join(cells)} |"


def _median_of(runs: int) -> str:
    return "One run" if runs == 1 else f"Medians of {runs} runs"


def _preparing(report: Mapping[str, Any]) -> float:
    ever = report["first_run_ever"]
    return max(0.0, float(ever["first_run_s"]) - float(ever["same_prepared_s"]))


def _clock(seconds: float) -> str:
    """Length of the videos.

    >>> _clock(66.9), _clock(3725)
    ('1:07', '62:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def _seconds(seconds: float) -> str:
    """Three digits are as much as such figures bear.

    >>> _seconds(0.0812), _seconds(8.449), _seconds(123.4)
    ('0.08 s', '8.4 s', '123 s')
    """
    digits = 0 if seconds >= 100 else 1 if seconds >= 1 else 2
    return f"{seconds:.{digits}f} s"


def _times(ratio: Mapping[str, Any]) -> str:
    value = float(ratio["median"])
    return f"{value:.0f}x" if value >= 10 else f"{value:.1f}x"


def put(page: str, lines: Iterator[str]) -> str:
    """The page with other lines between its markers.

    >>> put(f"a\\n{BEGIN}\\nold\\n{END}\\nb", iter(["new"])) == f"a\\n{BEGIN}\\nnew\\n{END}\\nb"
    True
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} with a {END} after it")
    return "\n".join([before + begin, *lines, end + after])


def main() -> None:
    """Read the JSON, write the page."""
    command = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    command.add_argument("json", type=Path, help="what bench/end_to_end.py --json wrote")
    command.add_argument("--page", type=Path, default=REPOSITORY / "README.md")
    options = command.parse_args()
    report = json.loads(options.json.read_text(encoding="utf-8"))
    page = put(options.page.read_text(encoding="utf-8"), table(report))
    options.page.write_text(page, encoding="utf-8")
    print(f"{options.page}: {', '.join(report['results'])}")


if __name__ == "__main__":
    main()
