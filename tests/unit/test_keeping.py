"""`triptych cache`: what it says of the store, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from triptych.amounts import bytes_of
from triptych.cli import main
from triptych.errors import UsageError
from triptych.features.store import FeatureStore

KEYS = [f"note-{i:032x}" for i in range(3)]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    monkeypatch.setenv("TRIPTYCH_CACHE", str(tmp_path / "缓存"))
    made = FeatureStore()
    for key in KEYS:
        made.put(key, {"words": key})
    return made


@pytest.mark.parametrize(
    ("size", "count"), [("0", 0), ("7", 7), ("7b", 7), ("2K", 2000), ("1.5gb", 1_500_000_000)]
)
def test_sizes_in_words(size: str, count: int) -> None:
    assert bytes_of(size) == count


@pytest.mark.parametrize("size", ["", "-1", "much", "1 PB", "1e3"])
def test_what_is_no_size_is_refused(size: str) -> None:
    with pytest.raises(UsageError, match="is no size"):
        bytes_of(size)


def test_stats_verify_and_prune(
    store: FeatureStore,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert main(["cache", "stats", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["entries"]["files"] == 3
    assert main(["cache", "stats"]) == 0
    size = sum(store.path(key).stat().st_size for key in KEYS)
    assert 100 < size < 1000  # so the unit is not MB
    assert f"\n3 files, {size} B of features\n" in capsys.readouterr().out
    assert main(["cache", "verify"]) == 0
    assert "3 files" in capsys.readouterr().out
    store.path(KEYS[2]).unlink()
    path = store.path(KEYS[0])
    path.write_bytes(path.read_bytes()[:-1])
    assert main(["cache", "verify"]) == 1
    said = capsys.readouterr()
    assert f"damaged, and moved aside: {path}" in said.out
    assert "\n1 file, " in said.out
    assert str(path) not in said.err + caplog.text, "it is told twice"
    assert main(["cache", "prune", "--max-size", "0"]) == 0
    assert "0 files, 0 B left" in capsys.readouterr().out
    assert store.get(KEYS[1]) is None
