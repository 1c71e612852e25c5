"""The log of finished videos: what an earlier run left is trusted as far as it can be."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from triptych.errors import (
    DecodeError,
    InputError,
    NotMediaError,
    OutputError,
    ResourceError,
    TriptychError,
    WeightsError,
)
from triptych.journal import Journal, Row, failure


def row(name: str = "a.mp4", state: str = "done", **more: Any) -> Row:
    return {
        "path": f"in/{name}",
        "state": state,
        "relative": name,
        "folder": name,
        "fingerprint": f"print of {name}",
        "outputs": {},
        **more,
    }


def written(path: Path, *rows: Row) -> Path:
    with Journal(path) as journal:
        for each in rows:
            journal.append(each)
    return path


def finished(out: Path, wanted: Row) -> Row | None:
    with Journal(out / "run.jsonl") as journal:
        return journal.finished(wanted, out)


def test_what_was_appended_is_found_by_the_next_run(tmp_path: Path) -> None:
    written(tmp_path / "run.jsonl", row("a.mp4"), row("b.mp4", "partial"))
    assert finished(tmp_path, row("a.mp4")) == row("a.mp4")
    assert finished(tmp_path, row("b.mp4")) == row("b.mp4", "partial")
    assert finished(tmp_path, row("c.mp4")) is None


def test_a_row_stands_in_the_file_as_soon_as_it_is_appended(tmp_path: Path) -> None:
    with Journal(tmp_path / "run.jsonl") as journal:
        journal.append(row())
        assert json.loads((tmp_path / "run.jsonl").read_text()) == row()


def test_no_file_is_made_when_there_is_nothing_to_say(tmp_path: Path) -> None:
    written(tmp_path / "run.jsonl")
    assert not (tmp_path / "run.jsonl").exists()


def test_a_failure_is_remembered_and_the_latest_row_of_a_video_counts(tmp_path: Path) -> None:
    written(tmp_path / "run.jsonl", row(), row(state="failed"))
    assert finished(tmp_path, row()) == row(state="failed")


def test_what_other_answers_took_the_place_of_is_not_finished(tmp_path: Path) -> None:
    written(tmp_path / "run.jsonl", row(fingerprint="first"), row(fingerprint="second"))
    assert finished(tmp_path, row(fingerprint="first")) is None
    assert finished(tmp_path, row(fingerprint="second")) is not None


def test_a_file_that_changed_is_not_finished(tmp_path: Path) -> None:
    written(tmp_path / "run.jsonl", row())
    assert finished(tmp_path, row(fingerprint="another")) is None


def test_a_file_that_moved_is_not_finished_but_one_whose_path_is_said_differently_is(
    tmp_path: Path,
) -> None:
    written(tmp_path / "run.jsonl", row())
    assert finished(tmp_path, row(folder="sub/a.mp4")) is None
    again = finished(tmp_path, row(path="/abs/in/a.mp4"))
    assert again is not None
    assert again["path"] == "/abs/in/a.mp4"


def test_two_copies_of_one_file_are_both_remembered(tmp_path: Path) -> None:
    first, second = (row(folder=f, fingerprint="same") for f in ("x/a.mp4", "y/a.mp4"))
    written(tmp_path / "run.jsonl", first, second)
    assert finished(tmp_path, first) == first
    assert finished(tmp_path, second) == second


def test_a_file_that_was_deleted_from_the_results_is_made_again(tmp_path: Path) -> None:
    outputs = {"json": "analysis.json", "html": "report.html"}
    done = row(outputs=outputs, sizes=dict.fromkeys(outputs.values(), 0))
    written(tmp_path / "run.jsonl", done)
    (tmp_path / "a.mp4").mkdir()
    (tmp_path / "a.mp4/analysis.json").touch()
    assert finished(tmp_path, row()) is None
    (tmp_path / "a.mp4/report.html").touch()
    assert finished(tmp_path, row()) == done
    (tmp_path / "a.mp4/report.html").write_text("damaged")
    assert finished(tmp_path, row()) is None


def test_a_file_that_could_not_be_written_is_tried_again(tmp_path: Path) -> None:
    written(tmp_path / "run.jsonl", row(warnings=["highlights.mp4 was not written: full"]))
    assert finished(tmp_path, row()) is None


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_line_that_was_cut_short_costs_only_itself(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path / "run.jsonl", row("a.mp4"), row("b.mp4", text="电影"))
    path.write_bytes(path.read_bytes()[: -1 - cut])
    assert finished(tmp_path, row("a.mp4")) == row("a.mp4")
    assert finished(tmp_path, row("b.mp4")) is None


def test_a_line_that_was_cut_short_within_a_character_costs_only_itself(tmp_path: Path) -> None:
    path = written(tmp_path / "run.jsonl", row("a.mp4"), row("b.mp4", text="电影"))
    data = path.read_bytes()
    path.write_bytes(data[: data.index("影".encode()) + 1])
    assert finished(tmp_path, row("a.mp4")) == row("a.mp4")


def test_writing_goes_on_after_a_line_that_was_cut_short(tmp_path: Path) -> None:
    path = written(tmp_path / "run.jsonl", row("a.mp4"), row("b.mp4"))
    path.write_bytes(path.read_bytes()[:-9])
    written(path, row("c.mp4"))
    assert finished(tmp_path, row("a.mp4")) == row("a.mp4")
    assert finished(tmp_path, row("c.mp4")) == row("c.mp4")


@pytest.mark.parametrize(
    "junk", [b"not json\n", b"[1]\n", b"3\n", b'{"no": "state"}\n', b"\0\xff\xfe\n", b"\n\n"]
)
def test_lines_that_mean_nothing_are_passed_over(tmp_path: Path, junk: bytes) -> None:
    path = written(tmp_path / "run.jsonl", row("a.mp4"))
    path.write_bytes(junk + path.read_bytes() + junk)
    assert finished(tmp_path, row("a.mp4")) == row("a.mp4")


@pytest.mark.parametrize(
    "text",
    ["one\u2028line", "one\u0085line", "one\x1cline", "two\nlines", os.fsdecode(b"no \xff text")],
)
def test_any_text_comes_back(tmp_path: Path, text: str) -> None:
    odd = row(text, text=text, path=text)
    written(tmp_path / "run.jsonl", odd, row("after.mp4"))
    assert finished(tmp_path, odd) == odd
    assert finished(tmp_path, row("after.mp4")) == row("after.mp4")


def test_a_log_that_cannot_be_read_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").mkdir()
    assert finished(tmp_path, row()) is None


def test_a_log_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        Journal(tmp_path / "file" / "run.jsonl") as journal,
        pytest.raises(OutputError) as caught,
    ):
        journal.append(row())
    assert caught.value.path == str(tmp_path / "file" / "run.jsonl")
    assert caught.value.remedy


def test_a_run_with_nothing_new_is_known_by_its_rows_and_files(tmp_path: Path) -> None:
    path = written(tmp_path / "run.jsonl", row())
    assert not Journal(path).same_as([row()])  # its files are not there
    for name in ("predictions.csv", "index.html"):
        (tmp_path / name).touch()
    for summary in ("", "half", "null", '{"stopped": "interrupted"}'):
        (tmp_path / "summary.json").write_text(summary)
        assert not Journal(path).same_as([row()])
    (tmp_path / "summary.json").write_text('{"stopped": ""}')
    assert Journal(path).same_as([row()])
    assert not Journal(path).same_as([row(state="cached")])
    assert not Journal(path).same_as([row(), row("b.mp4")])


def test_rows_of_other_inputs_are_kept_until_they_are_asked_for(tmp_path: Path) -> None:
    outputs = {"outputs": {"json": "analysis.json"}, "sizes": {"analysis.json": 0}}
    there, gone = row("there.mp4", **outputs), row("gone.mp4", **outputs)
    failed = row("电影.mp4", "failed")
    path = written(tmp_path / "run.jsonl", there, gone, failed)
    (tmp_path / "there.mp4").mkdir()
    (tmp_path / "there.mp4/analysis.json").touch()
    Journal(path).keep_others([row("new.mp4")])
    path.write_text(json.dumps(row("new.mp4")) + "\n")
    assert finished(tmp_path, row("there.mp4")) == there
    assert finished(tmp_path, failed) == failed
    assert finished(tmp_path, row("gone.mp4")) is None
    assert [r["relative"] for r in Journal(path).rows] == ["there.mp4", "电影.mp4", "new.mp4"]
    # Asked about, they stand in run.jsonl again, and only there.
    Journal(path).keep_others([there, failed])
    kept = (tmp_path / ".earlier.jsonl").read_text("utf-8")
    assert [json.loads(line)["relative"] for line in kept.splitlines()] == ["new.mp4"]


def test_rows_that_cannot_be_kept_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "run.jsonl", row("a.mp4"))
    (tmp_path / ".earlier.jsonl").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        Journal(path).keep_others([])


def test_a_length_is_known_of_the_same_content_only(tmp_path: Path) -> None:
    known = row(sha256="one", duration_s=7.5) | {"fingerprint": "of other settings"}
    journal = Journal(written(tmp_path / "run.jsonl", known))
    assert journal.length_of(row(sha256="one")) == 7.5
    assert journal.length_of(row(sha256="two")) is None
    assert journal.length_of(row(sha256="one", window=[0.0, 2.0])) is None
    assert journal.length_of(row("b.mp4", sha256="one")) is None


def test_a_known_failure_keeps_its_stage_and_remedy() -> None:
    err = DecodeError("broken", path="a.mp4", remedy="mend it", stage="decode")
    failed = failure(row(), err, stage="analyze")
    assert (failed["state"], failed["stage"]) == ("failed", "decode")
    assert (failed["error"], failed["remedy"]) == ("broken", "mend it")


def test_an_unknown_failure_asks_for_a_report() -> None:
    failed = failure(row(), ZeroDivisionError("division by zero"), stage="analyze")
    assert failed["error"] == "ZeroDivisionError: division by zero"
    assert "report it" in failed["remedy"]


@pytest.mark.parametrize(
    ("err", "may_pass"),
    [
        (DecodeError("damaged"), False),
        (NotMediaError("text"), False),
        (ZeroDivisionError(), False),
        (ResourceError("died"), True),
        (OutputError("full"), True),
        (InputError("away"), True),
        (WeightsError("absent"), True),
        (OSError(5, "Input/output error"), True),
        (MemoryError(), True),
    ],
)
def test_a_failure_knows_whether_it_may_pass_another_time(err: Exception, may_pass: bool) -> None:
    failed = failure(row(), err, stage="analyze")
    assert failed["retryable"] is may_pass
    assert isinstance(err, TriptychError) or failed["remedy"]
