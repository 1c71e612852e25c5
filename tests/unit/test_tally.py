"""What a run counts, and when it has failed too often."""

from __future__ import annotations

from typing import Any

import pytest

from triptych.config import Config, RunnerConfig, load_config
from triptych.errors import UsageError
from triptych.journal import Row
from triptych.tally import Budget, exit_code, totals_of


def row(state: str = "done", **more: Any) -> Row:
    return {
        "path": "电影.mp4",
        "state": state,
        "stage": "open" if state == "failed" else "",
        "error": "empty" if state == "failed" else "",
        "remedy": "",
        "fresh": True,
        **more,
    }


def counted(allowed: str, *states: str) -> list[bool]:
    """Whether the budget is exceeded after each video."""
    budget = Budget(allowed)
    found = []
    for state in states:
        budget.count(row(state))
        found.append(bool(budget.exceeded))
    return found


def test_without_a_budget_everything_may_fail() -> None:
    assert not any(counted("", *["failed"] * 100))


def test_a_number_of_failures_is_allowed_and_one_more_is_not() -> None:
    assert counted("2", "failed", "done", "failed", "done", "failed") == [False] * 4 + [True]
    assert counted("0", "done", "partial", "skipped", "failed") == [False, False, False, True]


def test_a_share_counts_from_twenty_videos_on() -> None:
    assert counted("10%", *["failed"] * 20) == [False] * 19 + [True]
    ended = counted("10%", *["done"] * 18, "failed", "failed", "failed")
    assert ended == [False] * 20 + [True]


def test_the_most_frequent_failure_is_named() -> None:
    budget = Budget("2")
    for error in ("empty", "damaged", "damaged"):
        budget.count(row("failed", error=error))
    assert budget.exceeded == (
        "3 of 3 videos failed, more than --max-failures 2 allows; 2 of them with: open: damaged"
    )


@pytest.mark.parametrize("text", ["-1", "1.5", "many", "%", "101%", "-1%", "nan%", "5 %%"])
def test_a_budget_that_cannot_be_read_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="--max-failures"):
        load_config(assignments=(f"runner.max_failures={text}",))


@pytest.mark.parametrize("text", ["0", "20", "10%", "0.5%", ""])
def test_a_budget_changes_no_answer(text: str) -> None:
    config = Config(runner=RunnerConfig(max_failures=text))
    assert config.recipe() == Config().recipe()


def test_totals() -> None:
    worked = row(
        duration_s=10.0, decoded=True, frames_decoded=50, from_cache=["image"], attempt=2,
        seconds={"decode": 2.0, "report": 0.5}, waited_s=0.25, peak_memory_mb=300,
    )  # fmt: skip
    again = row(duration_s=20.0, seconds={"report": 1.0}, from_cache=["image", "text"])
    before = row("cached", duration_s=99.0, seconds={"decode": 9.0}, from_cache=["image"])
    del before["fresh"]
    rows = [worked, again, before, row("failed", waited_s=0.5)]
    totals = totals_of(rows, videos=6, seconds=6.0, stopped="enough", config=Config())
    assert totals["states"] == {"done": 2, "cached": 1, "partial": 0, "failed": 1, "skipped": 0}
    assert sum(totals["states"].values()) + totals["waiting"] == totals["videos"] == 6
    assert (totals["media_seconds"], totals["speed"]) == (30.0, 5.0)
    assert totals["stage_seconds"] == {"decode": 2.0, "report": 1.5}
    assert totals["stage_speed"] == {"decode": 5.0, "report": 20.0}
    assert totals["cache_hits"] == 3
    assert totals["waiting_seconds"] == 0.75
    assert totals["retried"] == 1
    assert totals["peak_memory_mb"] == 300
    assert totals["stopped"] == "enough"
    assert [f["error"] for f in totals["failures"]] == ["empty"]


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (["done", "cached", "skipped"], 0),
        (["done", "failed"], 1),
        (["cached", "partial"], 1),
        (["failed", "skipped"], 3),
        (["skipped"], 3),
        ([], 3),
    ],
)
def test_exit_codes(states: list[str], code: int) -> None:
    rows = [row(state) for state in states]
    assert exit_code(totals_of(rows, videos=9, seconds=1, stopped="", config=Config())) == code
