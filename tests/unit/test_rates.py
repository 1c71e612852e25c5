"""What work takes, remembered for plans."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from triptych.config import Config, ReportConfig
from triptych.rates import measured, recalled, remember

ROW: dict[str, Any] = {
    "duration_s": 10.0,
    "size": 5000,
    "elapsed_s": 4.0,
    "seconds": {"decode": 3.0, "report": 0.5, "store": 0.5},
    "sizes": {"analysis.json": 300, "report.html": 700},
    "decoded": True,
    "fresh": True,
}
CACHED = ROW | {"decoded": False, "elapsed_s": 0.5, "seconds": {"report": 0.5, "store": 0.5}}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIPTYCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_second_of_film() -> None:
    rates = measured([ROW, CACHED, {"state": "failed"}])
    assert rates is not None
    assert (rates.decode, rates.report, rates.size, rates.bitrate) == (0.4, 0.1, 100.0, 500.0)
    assert measured([CACHED]) is None  # who knows what decoding takes?
    assert measured([]) is None


def test_what_is_nearest_counts(cache: Path) -> None:
    config = Config()
    usual, basis = recalled([], config)
    assert basis == "another machine" and usual.decode > usual.report > 0
    remember([ROW], config)
    here, basis = recalled([], config)
    assert basis == "this machine" and here.decode == 0.4
    slower = ROW | {"elapsed_s": 8.0}
    assert recalled([slower], config)[0].decode == 0.8
    assert recalled([slower], config)[1] == "these results"
    other = replace(config, report=ReportConfig(formats=("json",)))
    assert recalled([], other)[1] == "another machine"
    remember([slower], other)
    assert recalled([], config)[0].decode == 0.4  # one beside the other
    assert recalled([], other)[0].decode == 0.8


def test_what_cannot_be_kept_or_read_is_missed_by_nobody(cache: Path) -> None:
    cache.mkdir()
    for text in ("", "[1]", '{"x": 3}', "{"):
        (cache / "rates.json").write_text(text)
        assert recalled([], Config())[1] == "another machine"
    remember([ROW], Config())
    assert recalled([], Config())[1] == "this machine"
    (cache / "rates.json").unlink()
    (cache / "rates.json").mkdir()
    remember([ROW], Config())
    assert recalled([], Config())[1] == "another machine"
