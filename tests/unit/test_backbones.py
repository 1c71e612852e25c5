"""Image networks by name: the same figures as torchvision and timm give themselves."""

from __future__ import annotations

import contextlib
import csv
import re
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import models
from torchvision.transforms import CenterCrop, Compose, Resize

import families
import synth
from triptych.errors import UsageError, WeightsError
from triptych.extract.pictures import fitted
from triptych.extract.registry import Extractor, entry, load
from triptych.extract.sources import source_of
from triptych.extract.tensors import weights_of

SIZES = [(90, 120), (256, 341), (300, 17), (224, 224), (455, 256)]


def rows_of(extractor: Extractor, pictures: list[np.ndarray]) -> np.ndarray:
    coroutine = extractor()
    next(coroutine)
    coroutine.send(synth.frames(pictures))
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    (track,) = done.value.value.values()
    return np.asarray(track.values)


def by_hand(network: nn.Module, transform: Callable[[Any], Any], pictures: Any) -> np.ndarray:
    with torch.inference_mode():
        batch = torch.stack([transform(Image.fromarray(each)) for each in pictures])
        return np.asarray(network.eval()(batch).numpy())


def assert_near(found: np.ndarray, wanted: np.ndarray) -> None:
    """Engines differ in the last bits."""
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=1e-5 * max(1.0, float(np.abs(wanted).max())))


def film(size: tuple[int, int]) -> list[np.ndarray]:
    return [synth.textured(n, size) for n in range(3)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("resize", [256, 232, [224, 224], [240, 240]])
def test_frames_are_cut_as_torchvision_cuts_them(size: tuple[int, int], resize: Any) -> None:
    options = {"resize": resize, "crop": 224, "interpolation": "bilinear"}
    cut = Compose([Resize(resize), CenterCrop(224)])
    found = fitted(np.stack(film(size)), options)
    wanted = np.stack([np.asarray(cut(Image.fromarray(each))) for each in film(size)])
    if size == (300, 17):  # so long that only the part is made, whose borders Pillow rounds
        assert np.abs(found.astype(int) - wanted.astype(int)).max() <= 2
        assert (found == wanted).mean() > 0.9
    else:
        assert np.array_equal(found, wanted)


class TestTorchvision:
    """By name, with weights of one's own or of torch's hub."""

    def test_the_table_is_torchvision_s_own(self) -> None:
        text = (files("triptych.extract.families") / "torchvision_models.tsv").read_text("utf-8")
        rows = csv.DictReader([x for x in text.splitlines() if x[0] != "#"], delimiter="\t")
        table = {row["name"]: row for row in rows}
        left_out = {n for n in models.list_models(module=models) if n not in table}
        assert left_out == {"googlenet", "inception_v3", "squeezenet1_0", "squeezenet1_1"}
        for name, row in table.items():
            weights = models.get_model_weights(name).DEFAULT
            cut = weights.transforms()
            assert weights.url.endswith(f"/{row['file']}")
            assert [int(row["resize"])] == cut.resize_size and [int(row["crop"])] == cut.crop_size
            assert row["interpolation"] == cut.interpolation.value
            assert [float(x) for x in row["mean"].split(",")] == cut.mean
            assert [float(x) for x in row["std"].split(",")] == cut.std

    def test_its_rows_are_what_the_classifier_reads(self, tmp_path: Path) -> None:
        source = families.torchvision(tmp_path)
        network = models.mobilenet_v3_small(weights=None, num_classes=7)
        network.load_state_dict(torch.load(source.partition(":")[2], weights_only=True))
        network.classifier[3] = nn.Identity()
        transform = models.MobileNet_V3_Small_Weights.DEFAULT.transforms()
        found = rows_of(load(f"torchvision={source}"), film((256, 341)))
        assert_near(found, by_hand(network, transform, film((256, 341))))

    @pytest.mark.parametrize(
        "name", ["resnet18", "efficientnet_b0", "vit_b_16", "swin_t", "convnext_tiny"]
    )
    def test_rows_of_every_kind_are_those_of_torchvision(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By torch: OpenVINO is compared with it above."""
        monkeypatch.setitem(sys.modules, "openvino", None)
        torch.manual_seed(3)
        network, read = models.get_model(name, weights=None, num_classes=5), []
        if name in ("resnet18", "efficientnet_b0"):  # the others need no statistics
            families.settle(network, torch.randn(4, 3, 64, 64))
            network.eval()
        torch.save(network.state_dict(), tmp_path / "权重.pth")
        last = [m for m in network.modules() if isinstance(m, nn.Linear)][-1]
        last.register_forward_pre_hook(lambda _, given: read.append(given[0].numpy()))
        transform = models.get_model_weights(name).DEFAULT.transforms()
        found = rows_of(load(f"torchvision={name}:{tmp_path / '权重.pth'}"), film((256, 341))[:2])
        by_hand(network, transform, film((256, 341))[:2])
        np.testing.assert_allclose(found, read[0], atol=1e-5)
        assert np.ptp(found) > 1e-2

    def test_the_classifier_of_each_kind_reads_what_the_table_says(self) -> None:
        """The first of each, built without memory; RegNet reckons with tensors before it is built."""
        text = (files("triptych.extract.families") / "torchvision_models.tsv").read_text("utf-8")
        rows = csv.DictReader([x for x in text.splitlines() if x[0] != "#"], delimiter="\t")
        firsts: dict[str, dict[str, str]] = {}
        for row in rows:
            firsts.setdefault(re.split(r"[_\d]", row["name"])[0], row)
        assert len(firsts) >= 12
        for row in firsts.values():
            meta = contextlib.nullcontext() if "regnet" in row["name"] else torch.device("meta")
            with meta:
                network = models.get_model(row["name"], weights=None)
            last = [m for m in network.modules() if isinstance(m, nn.Linear)][-1]
            assert last.in_features == int(row["dim"]), row["name"]

    def test_the_cache_of_torch_s_hub_is_looked_in(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        with pytest.raises(WeightsError, match="are not in") as caught:
            entry("torchvision=resnet18")
        assert caught.value.remedy == "triptych models fetch torchvision=resnet18"
        assert torch.hub.get_dir() == str(tmp_path / "hub")
        place = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
        place.parent.mkdir(parents=True)
        place.write_bytes(b"half of it")
        with pytest.raises(WeightsError, match="the file is damaged"):
            entry("torchvision=resnet18")

    @pytest.mark.parametrize("name", ["resnet5", "squeezenet1_0", ""])
    def test_an_unknown_network_lists_the_known_ones(self, name: str) -> None:
        with pytest.raises(UsageError, match="no image network") as caught:
            entry(f"torchvision={name}:/models/x.pth")
        assert "resnet50" in caught.value.remedy

    def test_weights_of_another_network_are_refused(self, tmp_path: Path) -> None:
        path = families.torchvision(tmp_path).partition(":")[2]
        with pytest.raises(WeightsError, match="no weights of 'resnet18'"):
            load(f"torchvision=resnet18:{path}")

    def test_a_pickle_is_not_read(self, tmp_path: Path) -> None:
        torch.save(nn.Linear(1, 1), tmp_path / "whole.pth")
        with pytest.raises(WeightsError, match="without risk") as caught:
            weights_of(source_of(tmp_path / "whole.pth", given=""))
        assert "safetensors" in caught.value.remedy

    @pytest.mark.parametrize("content", [b"hello this is no weights", b"\x80garbage", b"", b"{}"])
    def test_what_holds_no_weights_is_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "text.pth").write_bytes(content)
        with pytest.raises(WeightsError, match="without risk"):
            weights_of(source_of(tmp_path / "text.pth", given=""))

    def test_weights_of_a_failed_training_are_refused(self, tmp_path: Path) -> None:
        torch.save({"a": torch.ones(2), "b": torch.tensor([1, torch.inf])}, tmp_path / "w.pth")
        with pytest.raises(WeightsError, match="'b' hold figures that are no numbers"):
            weights_of(source_of(tmp_path / "w.pth", given=""))


class _Features(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: torch.Tensor) -> Any:
        return self.network.forward_features(pictures)


@pytest.mark.needs("hub")
class TestTimm:
    """The folder says which network, and how pictures are cut."""

    @pytest.mark.parametrize("name", ["test_vit", "mobilenetv3_small_050"])
    def test_its_rows_are_timm_s_features_pooled(self, name: str, tmp_path: Path) -> None:
        import timm

        torch.manual_seed(3)
        made = timm.create_model(name, pretrained=False, num_classes=5)
        timm.models.save_for_hf(made, str(tmp_path), safe_serialization=True)
        (spec,) = entry(f"timm={tmp_path}").specs
        transform = timm.data.create_transform(**timm.data.resolve_model_data_config(made))
        made.reset_classifier(0)
        found = rows_of(load(f"timm={tmp_path}"), film((256, 341)))
        assert found.shape == (3, spec.dim) and spec.dim == made.num_features
        if made.head_hidden_size == made.num_features:
            assert_near(found, by_hand(made, transform, film((256, 341))))
        else:  # a layer between the features and the classifier is left out
            features = by_hand(_Features(made), transform, film((256, 341)))
            assert_near(found, features.mean(axis=(2, 3)))

    def test_weights_without_a_description_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "model.safetensors").write_bytes(b"")
        with pytest.raises(WeightsError, match=r"config\.json beside the weights does not say"):
            entry(f"timm={tmp_path}")

    def test_a_name_alone_is_one_of_timm_s(self) -> None:
        with pytest.raises(WeightsError) as caught:
            entry("timm=resnet50.a1_in1k")
        assert caught.value.remedy == "triptych models fetch timm/resnet50.a1_in1k"
