"""The image network is the published one: timm's, with the same weights."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
import torch

import synth
from triptych_models import EfficientNetLite0

pytestmark = pytest.mark.needs("embedded")

_BLOCK = {  # Google's names -> timm's; the first block has no expansion
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_FIRST = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_WHOLE = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_REPEATS = (1, 2, 2, 3, 3, 4, 1)


def timm_name(key: str) -> str:
    match = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key)
    if match is None:
        part, leaf = key.split(".")
        return f"{_WHOLE[part]}.{leaf}"
    number, part, leaf = int(match[1]), match[2], match[3]
    stage = 0
    while number >= _REPEATS[stage]:
        number, stage = number - _REPEATS[stage], stage + 1
    names = _FIRST if stage == 0 else _BLOCK
    return f"blocks.{stage}.{number}.{names[part]}.{leaf}"


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    from triptych.extract.weights import read_weights

    content = read_weights("efficientnet-lite0")
    return torch.load(io.BytesIO(content), weights_only=True)


@pytest.fixture(scope="module")
def network(published: dict[str, torch.Tensor]) -> EfficientNetLite0:
    made = EfficientNetLite0()
    made.load_published(published)
    return made.eval()


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    found = [synth.textured(n, (224, 224)) for n in range(3)] + [synth.plain((0, 0, 0), (224, 224))]
    noise = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    return torch.from_numpy(np.concatenate([np.stack(found), noise]))


def test_equal_to_timm(
    network: EfficientNetLite0, published: dict[str, torch.Tensor], pictures: torch.Tensor
) -> None:
    import timm

    reference = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    reference.load_state_dict({timm_name(k): v for k, v in published.items()}, strict=True)
    reference.eval()
    with torch.inference_mode():
        embedding, probabilities = network(pictures)
        x = (pictures.permute(0, 3, 1, 2).float() - 127.0) / 128.0
        pooled = reference.forward_head(reference.forward_features(x), pre_logits=True)
        expected = torch.softmax(reference(x), dim=1)
    # The embedding's values reach 6 (ReLU6); the probabilities add up to 1.
    torch.testing.assert_close(embedding, pooled, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(probabilities, expected, atol=1e-5, rtol=1e-5)


def test_the_outputs_have_the_shapes_they_are_said_to_have(
    network: EfficientNetLite0, pictures: torch.Tensor
) -> None:
    with torch.inference_mode():
        embedding, probabilities = network(pictures)
    assert embedding.shape == (6, 1280) and probabilities.shape == (6, 1000)
    assert embedding.dtype == probabilities.dtype == torch.float32
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(6))


def test_a_batch_is_its_pictures_one_by_one(
    network: EfficientNetLite0, pictures: torch.Tensor
) -> None:
    with torch.inference_mode():
        together, _ = network(pictures)
        alone = torch.cat([network(pictures[i : i + 1])[0] for i in range(len(pictures))])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_a_missing_or_strange_key_is_refused(published: dict[str, torch.Tensor]) -> None:
    fewer = dict(published)
    del fewer["_fc.bias"]
    with pytest.raises(RuntimeError, match=r"classifier\.bias"):
        EfficientNetLite0().load_published(fewer)
    with pytest.raises((KeyError, RuntimeError)):
        EfficientNetLite0().load_published({**published, "_swish.weight": torch.zeros(1)})


def test_the_number_of_parameters_is_the_published_one() -> None:
    assert sum(p.numel() for p in EfficientNetLite0().parameters()) == 4_652_008
