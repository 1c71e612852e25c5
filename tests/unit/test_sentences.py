"""Sentence encoders of one's own: pooling, length and prompts are what their files say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hub_models
import synth
from triptych.errors import WeightsError
from triptych.extract.fetching import wanted_files
from triptych.extract.registry import entry, load
from triptych.records import FeatureTrack

pytestmark = pytest.mark.needs("hub")

TEXTS = ("今天的天气很好！", "A cat sleeps on the warm stove.", "猫", "x" * 200, "")


def embedded(folder: Any, texts: tuple[str, ...] = TEXTS) -> FeatureTrack:
    coroutine = load(f"sentences={folder}")()
    next(coroutine)
    for n, text in reversed(list(enumerate(texts))):
        coroutine.send(synth.cue(2.0 * n, 2.0 * n + 1.5, text))
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    return done.value.value["sentences"]


def states(folder: Any, text: str) -> np.ndarray:
    import torch
    from transformers import AutoModel, AutoTokenizer

    network = AutoModel.from_pretrained(folder).eval()
    tokens = AutoTokenizer.from_pretrained(folder)(
        text, truncation=True, max_length=32, return_tensors="pt"
    )
    with torch.inference_mode():
        return network(**tokens).last_hidden_state[0].numpy()


def rewrite(path: Path, **change: Any) -> None:
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(told | change), encoding="utf-8")


@pytest.mark.parametrize(("pooling", "unit"), [("cls_token", True), ("mean_tokens", False)])
def test_rows_are_what_the_library_says(pooling: str, unit: bool, tmp_path: Path) -> None:
    folder = hub_models.sentences(tmp_path, pooling=pooling, unit=unit)
    track = embedded(folder)
    assert track.values.shape == (5, 32) and track.spec.options["prompt"] == "passage: "
    for row, text in zip(track.values, TEXTS, strict=True):
        found = states(folder, f"passage: {text}")
        wanted = found[0] if pooling == "cls_token" else found.mean(0)
        wanted = wanted / np.linalg.norm(wanted) if unit else wanted
        np.testing.assert_allclose(row, wanted, atol=1e-5)
    np.testing.assert_allclose(track.start_s, 2.0 * np.arange(5))
    np.testing.assert_allclose(track.end_s, track.start_s + 1.5)


def test_a_plain_encoder_is_pooled_by_its_mean(tmp_path: Path) -> None:
    folder = hub_models.sentences(tmp_path)
    for name in ("modules.json", "config_sentence_transformers.json"):
        (tmp_path / name).unlink()
    options = entry(f"sentences={folder}").specs[0].options
    assert (options["pooling"], options["unit"], options["prompt"]) == ("mean", False, "")
    (row,) = embedded(folder, ("今天",)).values
    np.testing.assert_allclose(row, states(folder, "今天").mean(0), atol=1e-5)


def test_keys_follow_what_the_files_say(tmp_path: Path) -> None:
    folder = hub_models.sentences(tmp_path)
    before = entry(f"sentences={folder}").specs[0].recipe()
    rewrite(tmp_path / "config_sentence_transformers.json", prompts={}, default_prompt_name=None)
    after = entry(f"sentences={folder}").specs[0].recipe()
    assert before != after and after["options"]["prompt"] == ""


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("1_Pooling/config.json", {"pooling_mode_weightedmean_tokens": True}, "weightedmean"),
        ("1_Pooling/config.json", {"include_prompt": False}, "all but the prompt"),
        ("config.json", {"model_type": "llama"}, "of the kind 'llama'"),
        ("config.json", {"hidden_size": None}, "says nothing of hidden_size or dim"),
    ],
)
def test_what_is_not_known_is_refused(
    name: str, change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    folder = hub_models.sentences(tmp_path)
    rewrite(tmp_path / name, **change)
    with pytest.raises(WeightsError, match=said):
        entry(f"sentences={folder}")


def test_without_a_tokenizer_it_is_refused(tmp_path: Path) -> None:
    """transformers would make one up that knows no word."""
    folder = hub_models.sentences(tmp_path)
    for path in tmp_path.glob("*token*.json"):
        path.unlink()
    (tmp_path / "vocab.txt").unlink(missing_ok=True)
    with pytest.raises(WeightsError, match="comes without a tokenizer"):
        entry(f"sentences={folder}")


def test_another_layer_is_refused(tmp_path: Path) -> None:
    folder = hub_models.sentences(tmp_path)
    path = tmp_path / "modules.json"
    dense = {"path": "2_Dense", "type": "sentence_transformers.models.Dense"}
    modules = [*json.loads(path.read_text(encoding="utf-8")), dense]
    path.write_text(json.dumps(modules), encoding="utf-8")
    with pytest.raises(WeightsError, match="a part 'Dense'"):
        entry(f"sentences={folder}")


def test_how_a_model_pools_is_fetched_with_it() -> None:
    names = ["config.json", "model.safetensors", "1_Pooling/config.json", "onnx/config.json"]
    assert wanted_files(names) == ["1_Pooling/config.json", "config.json", "model.safetensors"]
