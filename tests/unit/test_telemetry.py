"""The log in JSON, the file for Prometheus, and several listeners on one stream of events."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from triptych.console import Lines, Quiet
from triptych.errors import OutputError
from triptych.prometheus import Metrics
from triptych.telemetry import JsonFormatter, JsonLines, Several, json_log

Row = dict[str, Any]
PATIENCE_S = 20.0
FULL = Path("/dev/full")  # every write says that the disk is full

DONE: Row = {
    "path": "in/电影.mp4",
    "relative": "电影.mp4",
    "state": "done",
    "stage": "",
    "error": "",
    "remedy": "",
    "attempt": 2,
    "duration_s": 12.5,
    "elapsed_s": 1.5,
    "seconds": {"decode": 1.0, "report": 0.25},
    "frames_decoded": 13,
    "from_cache": ["image", "audio"],
    "peak_memory_mb": 300,
    "fresh": True,
}
FAILED: Row = {
    "path": "in/b.mp4",
    "relative": "b.mp4",
    "state": "failed",
    "stage": "open",
    "error": "the file is empty",
    "remedy": "copy it again",
    "fresh": True,
}
CACHED: Row = {k: v for k, v in DONE.items() if k != "fresh"} | {
    "path": "in/c.mp4",
    "relative": "c.mp4",
    "state": "cached",
    "attempt": 1,
}


def utf8() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8")


def text_of(stream: io.TextIOWrapper) -> str:
    return stream.buffer.getvalue().decode(stream.encoding)  # type: ignore[attr-defined]


def events_of(stream: io.TextIOWrapper) -> list[Row]:
    return [json.loads(line) for line in text_of(stream).split("\n") if line]


# The log


def test_each_event_is_a_line_with_its_time() -> None:
    stream = utf8()
    told = JsonLines(stream)
    told.start(3)
    told.note("models first")
    for row in (DONE, FAILED, CACHED):
        told.finished(row)
    told.learned({"epoch": 3, "train_loss": 0.5, "valid_loss": float("nan")})
    told.close()
    events = events_of(stream)
    for event in events:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event.pop("time"))
    shared = {"stage": "", "error": "", "seconds": None, "stages": {}, "attempt": 1}
    assert events == [
        {"event": "start", "videos": 3},
        {"event": "note", "message": "models first"},
        {"event": "finished", "video": "in/电影.mp4", "state": "done", "stage": "", "error": "",
         "attempt": 2, "seconds": 1.5, "stages": {"decode": 1.0, "report": 0.25}},
        {"event": "finished", "video": "in/b.mp4", "state": "failed"}
        | shared | {"stage": "open", "error": "the file is empty"},
        {"event": "finished", "video": "in/c.mp4", "state": "cached"} | shared,
        {"event": "learned", "epoch": 3, "train_loss": 0.5, "valid_loss": None},
        {"event": "end"},
    ]  # fmt: skip
    assert "电影" in text_of(stream)


def test_stages_are_lines_where_they_are_wanted_once_each() -> None:
    first = {"video": "电影.mp4", "relative": "x", "worker": 7, "stage": "decode", "first": True}
    for wanted in (True, False):
        stream = utf8()
        told = Several(JsonLines(stream, stages=wanted))
        told.reached(first)
        told.reached(first | {"first": False})
        events = [{k: v for k, v in e.items() if k != "time"} for e in events_of(stream)]
        said = {"event": "stage", "video": "电影.mp4", "stage": "decode", "worker": 7}
        assert events == ([said] if wanted else [])


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gb18030", "utf-8"])
def test_names_come_through_in_any_encoding(encoding: str) -> None:
    name = "a\nb\x1b[31m é 电影 \U0001f600 \u2028 \udcff.mp4"
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    JsonLines(stream).finished(DONE | {"path": name})
    (line,) = text_of(stream).removesuffix("\n").split("\n")
    assert json.loads(line)["video"] == name
    assert "\x1b" not in line


@given(st.text())
def test_any_text_comes_back(text: str) -> None:
    stream = utf8()
    JsonLines(stream).note(text)
    assert [e["message"] for e in events_of(stream)] == [text]


def test_a_log_in_a_file_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "日志.jsonl"
    for _ in range(2):
        with json_log(path) as told:
            told.finished(DONE)
            assert path.read_text(encoding="utf-8").endswith("\n"), "a line is there at once"
    events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [e["video"] for e in events] == ["in/电影.mp4"] * 2


def test_a_log_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="cannot write the log: No such file"),
        json_log(tmp_path / "nowhere" / "log"),
    ):
        pass


@pytest.mark.skipif(not FULL.exists(), reason=f"no {FULL} on this system")
def test_a_log_on_a_full_disk_says_so() -> None:
    with pytest.raises(OutputError, match="cannot write the log: No space"), json_log(FULL) as told:
        told.start(1)


def test_a_reader_that_has_seen_enough_is_no_full_disk() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w", encoding="utf-8")
    with pytest.raises(BrokenPipeError):
        JsonLines(stream).start(1)
    with pytest.raises(BrokenPipeError):
        stream.close()


def test_log_records_become_lines_of_the_same_kind() -> None:
    stream = utf8()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("triptych.decode")
    logger.addHandler(handler)
    try:
        logger.warning("%s: odd\nindex", "电影")
        try:
            raise ValueError("why")
        except ValueError:
            logger.warning("it went on", exc_info=True)
    finally:
        logger.removeHandler(handler)
    odd, trace = events_of(stream)
    assert odd.pop("time").endswith("Z")
    assert odd == {
        "event": "log",
        "level": "warning",
        "logger": "triptych.decode",
        "message": "电影: odd\nindex",
    }
    assert trace["trace"].endswith("ValueError: why")


# Several listeners


def test_all_are_told_the_same() -> None:
    streams = utf8(), io.StringIO()
    told = Several(JsonLines(streams[0]), Lines(streams[1]), Quiet())
    told.start(1)
    told.note("models first")
    told.finished(DONE)
    told.learned({"epoch": 1, "train_loss": 0.5})
    told.close()
    names = ["start", "note", "finished", "learned", "end"]
    assert [e["event"] for e in events_of(streams[0])] == names
    said = streams[1].getvalue().splitlines()
    assert [line.split(":")[0] for line in said] == ["note", "[1/1] done", "training"]


@pytest.mark.skipif(not FULL.exists(), reason=f"no {FULL} on this system")
def test_all_are_closed_whatever_one_of_them_meets(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path / "a.prom", out="out")
    with pytest.raises(OutputError, match="No space"), json_log(FULL) as log:
        Several(log, metrics).close()
    assert read(tmp_path / "a.prom")["triptych_running", ""] == 0


# Metrics


Figures = dict[tuple[str, str], float]


def read(path: Path) -> Figures:
    """Every sample by its name and its label besides `out`, read by Prometheus's own parser."""
    return parsed(path.read_text(encoding="utf-8"))[1]


def parsed(text: str) -> tuple[set[str], Figures]:
    """All values of the label `out`, and the samples."""
    outs, figures = set(), {}
    for family in text_string_to_metric_families(text):
        assert family.name.startswith("triptych_")
        assert family.documentation.endswith(".")
        assert family.type in ("gauge", "counter")
        for sample in family.samples:
            labels = dict(sample.labels)
            outs.add(labels.pop("out"))
            key = sample.name, next(iter(labels.values()), "")
            assert key not in figures, "a series is there twice"
            figures[key] = sample.value
    return outs, figures


@pytest.fixture
def metrics(tmp_path: Path) -> Iterator[Metrics]:
    made = Metrics(tmp_path / "triptych.prom", out=tmp_path / "out")
    yield made
    made.close()


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_file_is_there_from_the_start_and_says_when_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "triptych.prom"
    metrics = Metrics(path, out="out")
    began = read(path)
    assert began["triptych_running", ""] == 1
    assert began["triptych_videos", "failed"] == 0
    assert ("triptych_last_success_timestamp_seconds", "") not in began
    metrics.start(2)
    metrics.finished(DONE)
    metrics.close()
    ended = read(path)
    assert ended["triptych_running", ""] == 0
    assert ended["triptych_videos_pending", ""] == 1
    assert ("triptych_last_success_timestamp_seconds", "") not in ended
    assert [p.name for p in tmp_path.iterdir()] == ["triptych.prom"]


def test_figures(metrics: Metrics) -> None:
    metrics.start(4)
    for row in (DONE, CACHED, FAILED, DONE | {"relative": "d.mp4", "peak_memory_mb": 200}):
        metrics.finished(row)
    outs, figures = parsed(metrics.text())
    assert len(outs) == 1
    assert {name.removeprefix("triptych_") + (label and f" {label}"): value
            for (name, label), value in figures.items()} == {
        "running": 1,
        "videos done": 2,
        "videos cached": 1,
        "videos partial": 0,
        "videos failed": 1,
        "videos skipped": 0,
        "videos_pending": 0,
        "failures_total open": 1,
        "media_seconds_total": 25.0,
        "stage_seconds_total decode": 2.0,
        "stage_seconds_total report": 0.5,
        "frames_decoded_total": 26,
        "cache_hits_total": 4,
        "worker_peak_memory_bytes": 300 * 1024**2,
    }  # fmt: skip


def test_a_video_that_is_done_later_failed_no_more(metrics: Metrics) -> None:
    metrics.start(1)
    metrics.finished(FAILED)
    metrics.start(1)
    metrics.finished(FAILED | {"state": "done", "stage": ""})
    _, figures = parsed(metrics.text())
    assert figures["triptych_videos", "failed"] == 0
    assert figures["triptych_videos", "done"] == 1
    assert figures["triptych_failures_total", "open"] == 1
    assert figures["triptych_last_success_timestamp_seconds", ""] > 0


def test_success_is_when_all_went_well_and_outlives_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "triptych.prom"
    key = "triptych_last_success_timestamp_seconds", ""
    before = time.time()
    partial = DONE | {"state": "partial"}
    jobs = [([DONE, CACHED], "out"), ([FAILED], "out"), ([partial], "out"), ([FAILED], "other")]
    for rows, out in jobs:
        metrics = Metrics(path, out=out)
        metrics.start(len(rows))
        for row in rows:
            metrics.finished(row)
        metrics.close()
        if out == "out":
            assert before <= read(path)[key] <= time.time()
            before = read(path)[key]
        else:
            assert key not in read(path), "another job's success"


def test_a_folder_without_videos_is_no_success(metrics: Metrics) -> None:
    metrics.start(0)
    assert not any("success" in name for name, _ in parsed(metrics.text())[1])


def test_the_file_lives_while_a_video_takes_long(tmp_path: Path) -> None:
    path = tmp_path / "triptych.prom"
    metrics = Metrics(path, out="out", every_s=0.02)
    try:
        metrics.start(1)
        until(lambda: read(path)["triptych_videos_pending", ""] == 1)
        first = path.stat().st_ino, path.stat().st_mtime_ns
        until(lambda: (path.stat().st_ino, path.stat().st_mtime_ns) != first)
    finally:
        metrics.close()


def test_a_reader_never_sees_half_a_file_nor_one_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "triptych.prom"
    metrics = Metrics(path, out="out", every_s=0.0001)
    try:
        for i in range(300):
            metrics.finished(DONE | {"seconds": {f"stage {i}": 1.0}})
            assert path.read_bytes().endswith(b"\n")
            assert read(path)["triptych_running", ""] == 1
            assert [p.name for p in tmp_path.iterdir() if p.suffix == ".prom"] == [path.name]
    finally:
        metrics.close()


@pytest.mark.parametrize("name", ['电影 "a"\\b\nc', "back\\n", "\r\t{}=,#", "a\u2028b", "é"])
def test_labels_come_back_as_they_were(name: str, tmp_path: Path) -> None:
    path = tmp_path / "triptych.prom"
    metrics = Metrics(path, out=tmp_path / name)
    metrics.finished(FAILED | {"stage": name})
    metrics.close()
    outs, figures = parsed(path.read_bytes().decode())
    assert outs == {str(tmp_path / name)}
    assert figures["triptych_failures_total", name] == 1


def test_a_name_that_is_no_text_is_no_end(tmp_path: Path) -> None:
    path = tmp_path / "triptych.prom"
    Metrics(path, out="out-\udcff").close()
    assert parsed(path.read_bytes().decode())[0] == {os.path.abspath("out-?")}


def test_metrics_that_cannot_be_written_are_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write the metrics: No such file"):
        Metrics(tmp_path / "nowhere" / "a.prom", out="out")


def test_metrics_that_cannot_be_written_later_end_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "textfile"
    folder.mkdir()
    metrics = Metrics(folder / "a.prom", out="out")
    (folder / "a.prom").unlink()
    folder.rmdir()
    with caplog.at_level(logging.WARNING):
        metrics.finished(DONE)
        metrics.close()
    assert "cannot write the metrics" in caplog.text
