"""The files of a run: table, log, totals and gallery."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from triptych.report import write_run
from triptych.report.run import predictions_text

DONE: dict[str, Any] = {
    "path": "cats/猫 & <b>.mp4",
    "relative": "cats/猫 & <b>.mp4",
    "folder": "cats/猫 & <b>.mp4",
    "state": "done",
    "labels": [["动物", 0.41], ['sport, "team"', 0.2]],
    "duration_s": 65.2,
    "outputs": {"html": "report.html", "poster": "poster.jpg", "json": "analysis.json"},
    "text": "</script><script>alert(1)</script>",
    "warnings": ["one", "two"],
}
FAILED: dict[str, Any] = {
    "path": "=cmd|'/c calc'!A1.mp4",
    "state": "failed",
    "stage": "decode",
    "error": "damaged <img src=x onerror=alert(1)>",
    "remedy": "copy it again",
    "labels": [],
}


def rows_of(folder: Path) -> list[list[str]]:
    raw = (folder / "predictions.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")))


def test_the_table_has_a_row_for_every_video(tmp_path: Path) -> None:
    write_run([DONE, FAILED], tmp_path, totals={})
    assert rows_of(tmp_path) == [
        ["path", "status", "label", "score", "label_2", "score_2"],
        ["cats/猫 & <b>.mp4", "done", "动物", "0.410000", 'sport, "team"', "0.200000"],
        ["./=cmd|'/c calc'!A1.mp4", "failed", "", "", "", ""],
    ]


def test_a_table_without_labels_still_has_its_columns() -> None:
    assert predictions_text([]) == "path,status,label,score\r\n"


def test_the_log_keeps_the_order_and_the_first_keys(tmp_path: Path) -> None:
    write_run([FAILED, DONE], tmp_path, totals={})
    lines = [json.loads(x) for x in (tmp_path / "run.jsonl").read_text("utf-8").splitlines()]
    assert [line["path"] for line in lines] == [FAILED["path"], DONE["path"]]
    assert list(lines[1])[:5] == ["path", "state", "stage", "error", "remedy"]
    assert lines[1]["labels"] == DONE["labels"]


def test_totals_are_kept(tmp_path: Path) -> None:
    totals = {"videos": 2, "words": "猫"}
    write_run([], tmp_path, totals=totals)
    assert json.loads((tmp_path / "summary.json").read_text("utf-8")) == totals


def test_the_gallery_escapes_and_links(tmp_path: Path) -> None:
    write_run([DONE, FAILED], tmp_path, totals={})
    page = (tmp_path / "index.html").read_text("utf-8")
    folder = "cats/%E7%8C%AB%20%26%20%3Cb%3E.mp4"
    assert f'href="{folder}/report.html"' in page
    assert f'src="{folder}/poster.jpg"' in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    for words in ("damaged &lt;img", "copy it again", "1:05", "动物"):
        assert words in page


def test_the_gallery_speaks_chinese(tmp_path: Path) -> None:
    write_run([DONE], tmp_path, totals={"language": "zh"})
    assert "筛选" in (tmp_path / "index.html").read_text("utf-8")


def test_no_scraps_are_left(tmp_path: Path) -> None:
    write_run([DONE], tmp_path, totals={})
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"predictions.csv", "run.jsonl", "summary.json", "index.html"}


def test_a_name_that_is_no_unicode(tmp_path: Path) -> None:
    write_run([DONE | {"path": "\udcff.mp4", "relative": "\udcff.mp4"}], tmp_path, totals={})
    line = (tmp_path / "run.jsonl").read_text("utf-8").splitlines()[0]
    assert json.loads(line)["path"] == "\udcff.mp4"
