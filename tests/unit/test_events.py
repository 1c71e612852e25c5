"""What workers tell while they work: whole lines or none, and nobody waits for anybody."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from command import LIGHT, clip, environment, started, triptych, until
from triptych import events
from triptych.events import News, Stopwatch, stage, telling

Row = dict[str, Any]


class Told(list[Row]):
    """A listener of news; it may be told to fail."""

    fails = False

    def __call__(self, news: Row) -> None:
        self.append(news)
        if self.fails:
            raise OSError("the disk is full")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "新闻"


def stages(told: Told) -> list[str]:
    return [news["stage"] for news in told]


def test_each_stage_is_told_when_it_is_first_reached(path: Path) -> None:
    told = Told()
    with News(path, told) as news:
        with telling(path, video="电影\udcff.mp4", worker=7):
            for name in ("open", "decode", "image", "decode", "image", "report"):
                with stage(name, "a.mp4"):
                    pass
        with stage("fuse", "a.mp4"):  # nobody is telling any more
            pass
        news.catch_up()
    assert stages(told) == ["open", "decode", "image", "report"]
    assert told[0] == {"video": "电影\udcff.mp4", "worker": 7, "stage": "open", "first": True}
    assert not path.exists()


def test_a_stage_that_is_come_back_to_is_told_now_and_then(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_TELL_EVERY_S", 0.0)
    told = Told()
    with News(path, told) as news:
        with telling(path):
            for _ in range(2):
                with stage("decode", "a.mp4"):
                    pass
        news.catch_up()
    assert [n["first"] for n in told] == [True, False, False, False]  # begun and ended, twice


def test_nothing_is_told_where_nobody_listens(path: Path) -> None:
    with telling(path), stage("open", "a.mp4", watch := Stopwatch()):
        pass
    assert "open" in watch
    assert not path.exists()


def test_news_is_passed_on_while_nothing_ends(path: Path) -> None:
    told = Told()
    with News(path, told), telling(path), stage("decode", "a.mp4"):
        until(lambda: told, patience_s=10)


def test_lines_that_are_cut_short_or_senseless_are_passed_over(path: Path) -> None:
    told = Told()
    with News(path, told) as news:
        path.write_bytes(b'{"stage": "a"}\nsense{"less\n\xff\n{"stage": "b"}\n{"stage": "c"')
        news.catch_up()
        assert stages(told) == ["a", "b"]
        with path.open("ab") as file:
            file.write(b"}\n")
        news.catch_up()
    assert stages(told) == ["a", "b", "c"]


def test_a_listener_that_fails_ends_nothing(path: Path) -> None:
    told = Told()
    told.fails = True
    with News(path, told) as news, telling(path):
        for name in ("open", "decode"):
            with stage(name, "a.mp4"):
                pass
        news.catch_up()
    assert stages(told) == ["open", "decode"]


def test_what_nobody_reads_is_bounded_and_what_is_read_makes_room(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_MOST_BYTES", 400)
    told = Told()
    news = News(path, told)
    path.touch()
    for turn in range(1, 4):
        with telling(path):
            for i in range(100):
                with stage(f"stage {i}", "a.mp4"):
                    pass
        assert 400 <= path.stat().st_size < 500
        before = len(told)
        news.catch_up()
        assert path.stat().st_size == 0
        assert stages(told)[before:] == [f"stage {i}" for i in range(len(told) - before)], turn
        assert len(told) > before


TELLER = """
import sys
from pathlib import Path
from triptych.events import stage, telling
i = 0
while True:
    with telling(Path(sys.argv[1]), teller=sys.argv[2], i=i, much="x" * 300), stage("a", "b"):
        i += 1
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")
def test_tellers_that_are_killed_leave_the_others_whole(path: Path) -> None:
    told = Told()
    with News(path, told) as news:
        tellers = [
            subprocess.Popen([sys.executable, "-c", TELLER, str(path), str(i)], env=environment())
            for i in range(3)
        ]
        try:
            for i, teller in enumerate(tellers):
                seen = len(told)
                until(lambda i=i, seen=seen: {n["teller"] for n in told[seen:]} >= {*"012"[i:]})
                teller.send_signal(signal.SIGKILL)
                teller.wait()
        finally:
            for teller in tellers:
                teller.kill()
                teller.wait()
        news.catch_up()
    for i in range(3):
        counts = [n["i"] for n in told if n["teller"] == str(i)]
        assert counts == sorted(set(counts)), "a line was read twice, or out of order"
    assert "triptych-news" not in {thread.name for thread in threading.enumerate()}


# Of a whole run


with_models = pytest.mark.needs("embedded")


@with_models
def test_stages_come_before_the_end_of_their_video(tmp_path: Path, scratch_cache: Path) -> None:
    films, out, log = tmp_path / "films", tmp_path / "out", tmp_path / "log.jsonl"
    for i in range(3):
        clip(films / f"电影{i}.mp4", seed=70 + i)
    run = ("run", films, "-o", out, *LIGHT, "--overwrite", "--log-file", log)
    assert triptych(*run, "--verbose").returncode == 0
    told = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    for i in range(3):
        of = [e for e in told if e.get("video") == str(films / f"电影{i}.mp4")]
        assert [e["event"] for e in of[:-1]] == ["stage"] * (len(of) - 1)
        assert of[-1]["event"] == "finished"
        names = [e["stage"] for e in of[:-1]]
        assert names[-1] == "report" and len(set(names)) == len(names)
        assert {"fuse", "predict"} <= set(names) and set(names) <= of[-1]["stages"].keys()
        assert len({e["worker"] for e in of[:-1]}) == 1
    assert not list(out.glob(".part-*"))
    log.unlink()
    assert triptych(*run).returncode == 0
    assert '"stage"' in log.read_text(encoding="utf-8")  # of `finished`
    assert '"event": "stage"' not in log.read_text(encoding="utf-8")


@with_models
def test_a_run_whose_news_nobody_can_write_is_a_run(tmp_path: Path, scratch_cache: Path) -> None:
    film, out = clip(tmp_path / "a.mp4", seed=80), tmp_path / "out"
    with started("run", film, "-o", out, *LIGHT) as process:
        news = until(lambda: next(iter(out.glob(".part-news")), None))
        news.unlink()
        news.mkdir()
        said = process.communicate(timeout=120)
    assert process.returncode == 0, said
