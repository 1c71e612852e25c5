"""What a run prints: lines in a log, a bar on a terminal, nothing when quiet."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from triptych.closing import print_closing, print_plan
from triptych.console import Bar, Lines, Quiet, Row, describe, listener, shown
from triptych.plan import PLANS


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        """What is read on the screen: without colours and cursor movements."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.getvalue())


@pytest.fixture(autouse=True)
def _wide_and_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def row(name: str = "a.mp4", state: str = "done", **more: Any) -> Row:
    return {
        "path": f"in/{name}",
        "relative": name,
        "state": state,
        "stage": "",
        "error": "",
        "remedy": "",
        "duration_s": 12.0,
        "elapsed_s": 1.5,
        "fresh": True,
        "labels": [["cats", 0.5], ["dogs", 0.25], ["birds", 0.2], ["fish", 0.05]],
        **more,
    }


DONE = row()
FAILED = row(
    "b.mp4", "failed", stage="open", error="the file is empty", remedy="copy it again", labels=[]
)
PARTIAL = row("c.mp4", "partial", warnings=["only 1.0 s of the claimed 9.0 s could be read"])
SKIPPED = row("d.txt", "skipped", stage="open", error="not a video or sound file", labels=[])
CACHED = row("e.mp4", "cached")
ROWS = [DONE, FAILED, PARTIAL, SKIPPED, CACHED]


def totals(*rows: Row, **more: Any) -> dict[str, Any]:
    states = ("done", "cached", "partial", "failed", "skipped")
    return {
        "rows": list(rows),
        "videos": len(rows),
        "states": {s: sum(r["state"] == s for r in rows) for s in states},
        "waiting": 0,
        "stopped": "",
        "seconds": 2.0,
        "media_seconds": 24.0,
        "speed": 12.0,
        "videos_decoded": 2,
        "failures": [r for r in rows if r["state"] == "failed"],
        **more,
    }


def said(what: type[Lines | Bar], *rows: Row, notes: tuple[str, ...] = ()) -> str:
    stream = Terminal() if what is Bar else io.StringIO()
    told = what(stream)
    for note in notes:
        told.note(note)
    told.start(len(rows))
    for each in rows:
        told.finished(each)
    told.close()
    return stream.text() if isinstance(stream, Terminal) else stream.getvalue()


def closing(stream: io.StringIO, *rows: Row, **more: Any) -> str:
    print_closing(totals(*rows, **more), "results", stream)
    return stream.getvalue()


def test_the_stream_decides() -> None:
    assert isinstance(listener(quiet=False, stream=Terminal()), Bar)
    assert isinstance(listener(quiet=False, stream=io.StringIO()), Lines)
    assert type(listener(quiet=True, stream=Terminal())) is Quiet


def test_lines_say_how_each_video_ended_and_count_those_found_finished() -> None:
    assert said(Lines, *ROWS, notes=("models first",)).splitlines() == [
        "note: models first",
        "[1/5] done: in/a.mp4 (12.0 s in 1.5 s): cats 50%, dogs 25%, birds 20%",
        "[2/5] failed: in/b.mp4: open: the file is empty (copy it again)",
        "[3/5] partial: in/c.mp4: only 1.0 s of the claimed 9.0 s could be read",
        "[4/5] skipped: in/d.txt: not a video or sound file",
    ]


EPOCH = {"member": 1.0, "epoch": 7.0, "train_loss": 0.25, "valid_loss": 0.5}


def test_lines_tell_of_a_training_now_and_then() -> None:
    stream = io.StringIO()
    told = Lines(stream)
    for _ in range(100):
        told.learned(EPOCH)
    assert stream.getvalue() == "training: member 2, epoch 7: loss 0.250, validation 0.500\n"


def test_a_bar_tells_of_a_training() -> None:
    stream = Terminal()
    told = Bar(stream)
    told.start(1)
    told.finished(DONE)
    told.learned(EPOCH)
    told.close()
    assert "member 2, epoch 7: loss 0.250, validation 0.500" in stream.text()


def test_a_bar_shows_what_each_worker_is_at_until_its_video_ends() -> None:
    stream = Terminal()
    told = Bar(stream)
    told.start(2)
    for name, stage in (("a.mp4", "decode"), ("电影[b]\n.mp4", "open"), ("a.mp4", "report")):
        told.reached({"video": f"in/{name}", "relative": name, "stage": stage})

    def screen() -> str:
        stream.seek(0)
        stream.truncate()
        told._progress.refresh()
        return stream.text()

    assert re.search(r"report  in/a\.mp4\s+open  in/电影\[b\]\\n\.mp4", screen())
    told.finished(DONE)
    assert "a.mp4" not in screen() and "open  in/电影" in screen()
    told.close()
    assert "open" not in stream.text().split("open  in/电影")[-1]


@pytest.mark.parametrize("what", [Lines, Bar])
def test_several_models_may_go_through_the_videos(what: type[Lines | Bar]) -> None:
    stream = Terminal() if what is Bar else io.StringIO()
    told = what(stream)
    for _ in range(2):
        told.start(1)
        told.finished(FAILED)
    told.close()
    assert "2/1" not in stream.getvalue()


def test_videos_without_labels_of_their_own_say_nothing_of_labels() -> None:
    features = {k: v for k, v in DONE.items() if k != "labels"}
    assert said(Lines, features) == "[1/1] done: in/a.mp4 (12.0 s in 1.5 s)\n"


def test_the_value_of_a_regression_is_no_share() -> None:
    assert "value 12.5\n" in said(Lines, row(labels=[["value", 12.5]], kind="value"))


def test_lines_hold_no_terminal_codes() -> None:
    assert "\x1b" not in said(Lines, *ROWS)


def test_quiet_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    told = Quiet()
    told.note("models first")
    told.start(5)
    for each in ROWS:
        told.finished(each)
    told.close()
    assert capsys.readouterr() == ("", "")


def test_the_bar_shows_progress_and_rate_and_what_went_wrong() -> None:
    text = said(Bar, *ROWS, notes=("models first",))
    assert "5/5" in text
    assert "x real time" in text
    assert "note: models first" in text
    assert "failed: in/b.mp4: open: the file is empty (copy it again)" in text
    assert "partial: in/c.mp4" in text
    assert "in/a.mp4" not in text  # a line for each failure, not for each video
    assert text.index("models first") < text.index("failed: in/b.mp4")


def test_the_bar_claims_no_speed_when_nothing_was_worked_on() -> None:
    assert "x real time" not in said(Bar, row("e.mp4", "cached", fresh=False))


def test_a_bar_that_never_started_can_be_closed() -> None:
    stream = Terminal()
    told = Bar(stream)
    told.note("never seen")
    told.close()
    assert stream.getvalue() == ""


def test_the_bar_does_not_read_names_as_markup() -> None:
    odd = FAILED | {"path": "in/[red]b[/red]:cat:.mp4"}
    assert "in/[red]b[/red]:cat:.mp4" in said(Bar, odd)


def test_closing_lines() -> None:
    assert closing(io.StringIO(), *ROWS).splitlines() == [
        "5 inputs: 1 done, 1 cached, 1 partial, 1 failed, 1 skipped, in 2.00 s",
        "speed: 24.0 s of video, 12.0 times as fast as real time",
        "failed: in/b.mp4: open: the file is empty",
        "open results/index.html",
    ]


def test_closing_says_that_nothing_was_decoded() -> None:
    text = closing(io.StringIO(), CACHED, speed=None, videos_decoded=0)
    assert "nothing was decoded: the answers were there already" in text
    assert "speed" not in text
    text = closing(io.StringIO(), CACHED, DONE, videos_decoded=0)
    assert "nothing was decoded: the features were there already" in text
    assert "nothing was decoded" not in closing(io.StringIO(), CACHED, DONE, videos_decoded=1)
    assert "nothing was decoded" not in closing(io.StringIO(), FAILED, videos_decoded=0)


def test_closing_of_a_folder_without_videos() -> None:
    text = closing(io.StringIO(), SKIPPED, speed=None, videos_decoded=0)
    assert text == (
        "1 input: 1 skipped, in 2.00 s\nno video: none of these files is a video or sound file\n"
    )


def test_closing_of_a_run_that_was_stopped() -> None:
    text = closing(io.StringIO(), FAILED, waiting=7, videos_decoded=0)
    assert "1 failed, 7 not reached, in" in text
    assert "the same command goes on with those that were not reached" in text


def test_closing_tells_failures_that_were_not_tried_again() -> None:
    before = {k: v for k, v in FAILED.items() if k != "fresh"}
    assert "(--retry-failed" in closing(io.StringIO(), before, FAILED)
    assert "(--retry-failed" not in closing(io.StringIO(), FAILED)


def test_a_plan_is_told_in_words() -> None:
    def plan(seconds: float, *rows: Row, basis: str = "these results") -> str:
        stream = io.StringIO()
        counts = {p: sum(r["plan"] == p for r in rows) for p in PLANS}
        estimate = {"seconds": seconds, "media_s": 9.0, "bytes": 2.5e6, "judged_by": basis}
        planned = {"videos": len(rows), "counts": counts, "estimate": estimate, "rows": rows}
        print_plan(planned, stream)
        return stream.getvalue()

    rows = [row(f"{i}.mp4", plan="decode") for i in range(50)]
    bad = FAILED | {"plan": "failed"}
    text = plan(600.0, *rows, row("猫.mp4", plan="report"), bad)
    assert "52 inputs: 50 to decode, 1 to report again, without decoding, 1 failed\n" in text
    assert "decode: in/39.mp4\n" in text
    assert "decode: in/40.mp4\n" not in text
    assert "decode: and 10 more (--json)" in text
    assert "report: in/猫.mp4\n" in text
    assert "failed: in/b.mp4: open: the file is empty\n" in text
    assert "about 10 min and 2.5 MB of results" in text
    assert "judging by another machine" in plan(1.0, *rows, basis="another machine")
    assert "about" not in plan(0.0, row(plan="finished"))


def test_closing_says_why_there_are_no_labels() -> None:
    why = "no labels: nothing that the model reads (audio) is in this file"
    mute = row("无声.mp4", labels=[], warnings=["something else", why])
    for stream in (io.StringIO(), Terminal()):
        text = closing(stream, DONE, mute, mute)
        assert f"{why} (2 videos)" in text
    assert text.count(why) == 3
    assert describe(mute).endswith(f": {why}")


def test_the_closing_table_on_a_terminal() -> None:
    text = closing(Terminal(), *ROWS)
    for word in ("a.mp4", "12.0 s", "cats 50%", "the file is empty", "partial"):
        assert word in text
    assert "d.txt" not in text  # what is no media is counted, not listed
    assert "5 inputs" in text


def test_a_long_closing_table_is_cut_and_says_so() -> None:
    text = closing(Terminal(), *(row(f"{i:03}.mp4") for i in range(60)))
    assert "049.mp4" in text
    assert "050.mp4" not in text
    assert "and 10 more in predictions.csv" in text


@pytest.mark.parametrize("what", [Lines, Bar])
def test_names_cannot_command_the_terminal(what: type[Lines | Bar]) -> None:
    evil = "two\nlines \x1b]0;title\x07 \u202egnp.exe \udcff\u2028.mp4"
    text = said(what, FAILED | {"path": evil})
    assert "two\\nlines \\x1b]0;title\\x07 \\u202egnp.exe \\udcff\\u2028.mp4" in text
    text.encode("utf-8")


def test_names_cannot_command_the_terminal_at_the_end() -> None:
    evil = FAILED | {"path": "\x1b[2J", "relative": "\x1b[2J", "error": "a\nb"}
    for stream in (io.StringIO(), Terminal()):
        text = closing(stream, evil)
        assert "\x1b[2J" not in text
        assert "\\x1b[2J" in text
        assert "a\\nb" in text


def test_ordinary_text_is_shown_as_it_is() -> None:
    text = "电影 é e\u0301 \U0001f468\u200d\U0001f469 «ok» \\n"
    assert shown(text) == text
