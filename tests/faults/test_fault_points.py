"""A crash at each named place; then the same command, and the answers of a run without any."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from command import COMMAND, LIGHT, PATIENCE_S, answers, environment, rows_of, triptych
from triptych.faults import POINTS
from triptych.features import upkeep

pytestmark = pytest.mark.needs("embedded")

#: Place, and what it is reached with; in the run itself, or in a worker, which is replaced.
RUN = [
    ("run.locked", "*"),
    ("run.surveyed", "*"),
    ("row.begun", "b.mp4"),
    ("row.written", "b.mp4"),
    ("tables.begun", "*"),
    ("file.begun", "predictions.csv"),
    ("file.written", "run.jsonl"),
    ("file.renamed", "run.jsonl"),
    ("file.renamed", "index.html"),
    ("file.written", "summary.json"),
]
WORKER = [
    ("worker.begun", "b.mp4"),
    ("worker.answered", "b.mp4"),
    ("file.begun", "image-*.safetensors"),
    ("file.written", "image-*.safetensors"),
    ("file.renamed", "image-*.safetensors"),
    ("file.written", "analysis.json"),
    ("file.renamed", "analysis.json"),
]


def test_every_place_is_crashed_at() -> None:
    assert {point for point, _ in RUN + WORKER} == set(POINTS)


@pytest.mark.parametrize(("point", "subject"), [*RUN, *WORKER])
def test_after_a_crash_the_same_command_gives_the_same_answers(
    point: str,
    subject: str,
    films: Path,
    undisturbed: dict[str, bytes],
    cold: Path,
    tmp_path: Path,
) -> None:
    out, flag = tmp_path / "out", tmp_path / "flag"
    flag.touch()
    crash = {"TRIPTYCH_CRASH": f"{point} {subject} {flag}"}
    # Beside a worker that dies another is at work; for the run itself one is enough.
    workers = "1" if (point, subject) in RUN else "2"
    run = ("run", str(films), "-o", str(out), "--workers", workers, *LIGHT)
    first = subprocess.run(
        [*COMMAND, *run],
        env=environment(cold) | crash,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )
    assert not flag.exists(), "the place was never reached"
    if (point, subject) in RUN:
        assert first.returncode == -signal.SIGKILL
    else:
        assert first.returncode == 0, first.stderr
        assert sum(row["attempt"] == 2 for row in rows_of(out).values()) == 1
    again = triptych(*run, cache=cold)
    assert again.returncode == 0, again.stderr
    assert answers(out) == undisturbed
    assert not [*out.rglob(".part-*")]
    found = upkeep.verify(cold / "features", workers=2)
    assert found.entries.files and not found.damaged and not found.unreadable
