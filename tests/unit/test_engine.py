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
    monkeypatch.setattr(engine, "engine_name", lambda **_: "torch")
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
    def test_the_image_network_answers_as_torch_does(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from triptych.extract.image import _network

        converted = load_engine(_network, key="lite0", shape=(224, 224, 3))
        assert_alike(converted, torch_engine(monkeypatch, _network), 1e-4)


@pytest.mark.needs("embedded")
class TestImageNetwork:
    """What this machine runs for `image`, whatever it is, beside plain torch in float32."""

    @pytest.mark.needs("shared")
    def test_it_says_the_same_of_real_frames(self, shared_data: Path) -> None:
        from triptych.extract.image import _network, load_lite0

        shown = real_frames(shared_data)
        with torch.inference_mode():
            wanted, labels = (out.numpy() for out in plain(_network(), shown))
        rows, shares = load_lite0()(shown)
        norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(wanted, axis=1)
        assert len(shown) > 50 and ((rows * wanted).sum(axis=1) / norms).min() >= 0.999
        np.testing.assert_array_equal(shares.argmax(axis=1), labels.argmax(axis=1))

    def test_rows_do_not_depend_on_the_pictures_beside_them(self) -> None:
        from triptych.extract.image import load_lite0

        run, shown = load_lite0(), np.stack([synth.textured(n, (224, 224)) for n in range(7)])
        together = run(shown)
        for first, last in ((0, 1), (2, 5), (6, 7)):
            for rows, all_rows in zip(run(shown[first:last]), together, strict=True):
                assert rows.tobytes() == all_rows[first:last].tobytes()


def real_frames(shared_data: Path) -> np.ndarray:
    """One frame in five seconds of the long films."""
    from triptych.decode import open_media
    from triptych.extract.image import centre_crop
    from triptych.records import Frames

    found = []
    for path in sorted((shared_data / "long_video").glob("*.mp4")):
        with open_media(path) as media:
            for chunk in media.stream(fps=0.2, precision="keyframe", sound=False, text=False):
                if isinstance(chunk, Frames):
                    found.append(centre_crop(chunk.rgb))
    return np.concatenate(found)


def plain(network: nn.Module, shown: np.ndarray) -> tuple[torch.Tensor, ...]:
    parts = [network.eval()(torch.from_numpy(picture[None])) for picture in shown]
    return tuple(torch.cat(each) for each in zip(*parts, strict=True))
