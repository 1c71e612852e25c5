"""The README's measured figures come from the bench's JSON and from nowhere else."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from pages import ENGLISH, REPOSITORY, text_of

SCRIPT = REPOSITORY / "bench" / "readme_table.py"


def spread(median: float) -> dict[str, float]:
    return {"n": 3, "median": median, "min": median, "max": median}


def found() -> dict[str, Any]:
    sizes = {"plain": 30.0, "cold": 8.0, "warm": 0.05}
    return {
        "files": 8,
        "media_s": 66.9,
        "ratios": {"cold_vs_plain": spread(3.75), "warm_vs_cold": spread(160.0)},
        "same_top_label": {"compared": 7, "same": 6},
        **{k: {"wall_s": spread(s), "peak_mb": spread(1024.0 * s)} for k, s in sizes.items()},
    }


REPORT = {
    "machine": {"cpu": "A", "cores": 2, "memory_gb": 7.7, "load_at_start": [0.1, 0.1, 0.1]},
    "date": "2026-11-22T03:00:00+0000",
    "versions": {"torch": "2.11.0", "openvino": ""},
    "settings": {"repeat": 3, "quick": False},
    "first_run_ever": {"first_run_s": 20.0, "same_prepared_s": 5.0},
    "results": {"same_work": {"demo": found()}},
}


def test_the_readme_has_one_place_for_figures() -> None:
    page = text_of(ENGLISH)
    assert page.count("<!-- bench:begin -->") == page.count("<!-- bench:end -->") == 1


def test_figures_go_between_the_markers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "report.json").write_text(json.dumps(REPORT))
    page = tmp_path / "README.md"
    page.write_text(text_of(ENGLISH), encoding="utf-8")
    arguments = ["readme_table.py", str(tmp_path / "report.json"), "--page", str(page)]
    monkeypatch.setattr(sys, "argv", arguments)
    for _ in range(2):  # a second time changes nothing
        runpy.run_path(str(SCRIPT), run_name="__main__")
        new = page.read_text(encoding="utf-8")
        between = new.partition("<!-- bench:begin -->\n")[2].partition("<!-- bench:end -->")[0]
        assert "| 30.0 s | 8.0 s (3.8x) | 0.05 s (160x) | 30.0 / 8.0 GB | 6 of 7 |" in between
        assert "Medians of 3 runs" in between
        assert "2026-11-22" in between
    old = text_of(ENGLISH)
    assert new.partition("<!-- bench:begin -->")[0] == old.partition("<!-- bench:begin -->")[0]
    assert new.partition("<!-- bench:end -->")[2] == old.partition("<!-- bench:end -->")[2]


def test_a_page_without_markers_is_left_alone() -> None:
    script = runpy.run_path(str(SCRIPT))
    with pytest.raises(ValueError, match="no <!-- bench:begin -->"):
        script["put"]("# a page\n", iter(["x"]))
