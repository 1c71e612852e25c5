"""Logs that machines read: every line, whichever process wrote it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command import LIGHT, clip, triptych

pytestmark = pytest.mark.needs("embedded")


def test_workers_log_in_the_format_that_was_asked_for(tmp_path: Path) -> None:
    clip(tmp_path / "in" / "猫.mp4")
    (tmp_path / "in" / "坏.mp4").write_bytes(b"no film")
    run = ("run", tmp_path / "in", "-o", tmp_path / "out", *LIGHT)
    done = triptych(*run, "--log-format", "json", "--verbose")
    assert done.returncode == 1
    said = [json.loads(line) for line in done.stderr.splitlines()]
    logged = [line for line in said if line["event"] == "log"]
    assert any(str(tmp_path / "in" / "猫.mp4") in line["message"] for line in logged)
    assert {"start", "finished", "end"} <= {line["event"] for line in said}
