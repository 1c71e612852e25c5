"""bfloat16 is used where the CPU has it and a network bears it, and what hangs on it is made again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import synth
from triptych.extract import mixed
from triptych.extract.batches import Rows
from triptych.extract.engine import Engine, engine_name, load_engine
from triptych.extract.mixed import cpu_features, has_bfloat16, is_unfit
from triptych.records import Mask

able = pytest.mark.skipif(not has_bfloat16(), reason="this CPU has no instructions for bfloat16")
pytestmark = pytest.mark.needs("openvino")

SHAPE = (32, 32, 3)
PICTURES = np.stack([synth.textured(n, (32, 32)) for n in range(12)])


class Block(nn.Module):
    """An inverted residual and a classifier, as mobile networks have them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.stem, self.expand = nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 64, 1)
        self.depthwise = nn.Conv2d(64, 64, 3, padding=1, groups=64)
        self.project, self.out = nn.Conv2d(64, 16, 1), nn.Linear(16, 5)
        self.act = nn.ReLU6()

    def forward(self, rgb: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.stem(rgb.permute(0, 3, 1, 2).float() / 255)
        wide = self.act(self.expand(x))
        x = x + self.project(self.act(self.depthwise(wide)))
        embedding = x.mean(dim=(2, 3))
        return embedding, torch.softmax(self.out(embedding), dim=1)


class Cancelling(Block):
    """What is left of the difference of large sums, which bfloat16 does not keep."""

    def forward(self, rgb: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.stem(rgb.permute(0, 3, 1, 2).float() / 255)
        large = nn.functional.relu6(self.expand(x + 1000))
        embedding = (self.project(large) - self.project(large + 1e-4)).mean(dim=(2, 3)) * 1e4
        return embedding, torch.softmax(self.out(embedding), dim=1)


def never(rows: Rows) -> Mask:
    return np.zeros(len(rows[0]), bool)


def always(rows: Rows) -> Mask:
    return np.ones(len(rows[0]), bool)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIPTYCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "prepared"


def engine(build: type[nn.Module], doubt: mixed.Doubt | None) -> Engine:
    return load_engine(build, key=build.__name__, shape=SHAPE, doubt=doubt)


@able
def test_rows_are_nearly_those_of_float32_and_not_the_same(cache: Path) -> None:
    rows, exact = engine(Block, never)(PICTURES), engine(Block, None)(PICTURES)
    assert 0 < np.abs(rows[0] - exact[0]).max() < 0.02 * np.abs(exact[0]).max()
    assert rows[0].dtype == np.float32


@able
def test_what_is_doubted_is_float32_and_nothing_else(cache: Path) -> None:
    def every_other(rows: Rows) -> Mask:
        return np.arange(len(rows[0])) % 2 == 0

    rows, low, exact = (engine(Block, d)(PICTURES) for d in (every_other, never, None))
    for found, rough, fine in zip(rows, low, exact, strict=True):
        assert found[::2].tobytes() == fine[::2].tobytes()
        assert found[1::2].tobytes() == rough[1::2].tobytes()


@able
def test_it_is_prepared_once(cache: Path) -> None:
    first = engine(Block, never)(PICTURES)
    made = {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert made.keys() == {
        f"Block{name}" for name in (".xml", ".bin", "-bfloat16.xml", "-bfloat16.bin")
    }
    again = engine(Block, never)(PICTURES)
    assert {path.name: path.stat().st_mtime_ns for path in cache.iterdir()} == made
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, again, strict=True))


@able
def test_a_network_that_loses_too_much_stays_in_float32(cache: Path) -> None:
    rows, exact = engine(Cancelling, never)(PICTURES), engine(Cancelling, None)(PICTURES)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(rows, exact, strict=True))
    assert is_unfit("Cancelling") and not (cache / "Cancelling-bfloat16.xml").exists()


def test_a_cpu_without_bfloat16_does_not_try(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixed, "cpu_features", lambda: ("avx2", "avx512f"))
    assert engine_name(mixed=True) == engine_name() == "openvino"
    engine(Block, always)(PICTURES)
    assert {path.name for path in cache.iterdir()} == {"Block.xml", "Block.bin"}


def test_the_name_says_what_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixed, "cpu_features", lambda: ("avx2", "amx_bf16"))
    assert (engine_name(), engine_name(mixed=True)) == ("openvino", "openvino-bfloat16")
    assert set(cpu_features()) <= {"avx2", "avx512f", "avx512_bf16", "amx_bf16"}
