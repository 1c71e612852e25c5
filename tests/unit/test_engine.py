"""A prepared network answers as torch does, is made once, and needs no writable cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import synth
from triptych.extract import engine
from triptych.extract.engine import Engine, engine_name, load_engine

PICTURES = np.stack([synth.textured(n, (224, 224)) for n in range(3)])


class Small(nn.Module):
    """Two outputs, as the image network has."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.convolution = nn.Conv2d(3, 4, 3, stride=2)
        self.out = nn.Linear(4, 5)

    def forward(self, rgb: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.convolution(rgb.permute(0, 3, 1, 2).float() / 255).mean(dim=(2, 3))
        return x, torch.softmax(self.out(x), dim=1)


def torch_engine(monkeypatch: pytest.MonkeyPatch, build: Callable[[], nn.Module]) -> Engine:
    monkeypatch.setattr(engine, "engine_name", lambda: "torch")
    return load_engine(build, key="unused", shape=(224, 224, 3))


def assert_alike(one: Engine, other: Engine, atol: float) -> None:
    for pictures in (PICTURES, PICTURES[:1]):
        for a, b in zip(one(pictures), other(pictures), strict=True):
            assert a.dtype == b.dtype == np.float32
            np.testing.assert_allclose(a, b, atol=atol)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIPTYCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_torch_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    run = torch_engine(monkeypatch, Small)
    expected = Small().eval()(torch.from_numpy(PICTURES))
    for got, wanted in zip(run(PICTURES), expected, strict=True):
        np.testing.assert_allclose(got, wanted.detach().numpy(), atol=1e-6)


class Branching(nn.Module):
    """What tracing cannot follow: one picture goes another way than several."""

    def forward(self, rgb: torch.Tensor) -> tuple[torch.Tensor, ...]:
        mean = rgb.float().mean(dim=(1, 2, 3))
        return (mean if len(rgb) == 1 else -mean,)


@pytest.mark.needs("openvino")
class TestOpenVino:
    """The converted network."""

    def test_is_chosen_where_it_is_installed(self) -> None:
        assert engine_name() == "openvino"

    def test_answers_as_torch_does(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        converted = load_engine(Small, key="small", shape=(224, 224, 3))
        assert_alike(converted, torch_engine(monkeypatch, Small), 1e-5)

    def test_is_made_once_and_loaded_after(self, cache: Path) -> None:
        built = []

        def build() -> nn.Module:
            built.append(1)
            return Small()

        first = load_engine(build, key="small", shape=(224, 224, 3))
        files = {p.name: p.read_bytes() for p in (cache / "prepared").iterdir()}
        second = load_engine(build, key="small", shape=(224, 224, 3))
        assert built == [1] and files.keys() == {"small.xml", "small.bin"}
        assert_alike(first, second, 0)
        load_engine(build, key="other", shape=(224, 224, 3))
        assert built == [1, 1]

    def test_a_network_that_it_does_otherwise_than_torch_is_left_to_torch(
        self, cache: Path
    ) -> None:
        for _ in range(2):
            run = load_engine(Branching, key="branching", shape=(224, 224, 3), proven=False)
            assert [len(out) for out in run(PICTURES)] == [3]
            assert run(PICTURES)[0].max() <= 0
            assert {p.name for p in (cache / "prepared").iterdir()} == {"branching.torch"}
        load_engine(Small, key="small", shape=(224, 224, 3), proven=False)
        assert (cache / "prepared" / "small.xml").exists()

    def test_goes_on_where_the_cache_cannot_be_written(
        self, cache: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        cache.write_text("a file where the folder should be")
        run = load_engine(Small, key="small", shape=(224, 224, 3))
        assert run(PICTURES)[1].shape == (3, 5)
        assert "the prepared network cannot be kept" in caplog.text
        assert cache.read_text().startswith("a file")

    def test_a_failed_save_leaves_nothing_half_done(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        import os

        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", fail)
            load_engine(Small, key="small", shape=(224, 224, 3))
        assert "No space left" in caplog.text
        assert list((cache / "prepared").iterdir()) == []

    @pytest.mark.needs("embedded")
    def test_the_image_network_answers_as_torch_does(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from triptych.extract.image import ImageExtractor, _network

        converted = ImageExtractor()._engine
        assert_alike(converted, torch_engine(monkeypatch, _network), 1e-4)
