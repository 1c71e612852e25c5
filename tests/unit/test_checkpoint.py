"""Models as folders: they come back as they were, or are refused by name and reason."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from toys import example, state_of, trained_model
from triptych_models.checkpoint import CheckpointError, TrainedModel, load_model, save_model
from triptych_models.inference import forward_all

pytestmark = pytest.mark.usefixtures("one_thread")

FILES = {"config.json", "labels.json", "model.safetensors"}
TASKS = ["single", "multi", "regression"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model that is in order."""
    save_model(trained_model(), tmp_path / "模型 1")
    return tmp_path / "模型 1"


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


# Whole


@pytest.mark.parametrize("task", TASKS)
def test_a_model_comes_back_as_it_was(task: Any, tmp_path: Path) -> None:
    model = trained_model(
        task,
        temperature=1.7,
        offset=-3.5 if task == "regression" else 0.0,
        scale=12.0 if task == "regression" else 1.0,
        thresholds=(0.25, 0.5, 1 / 3) if task == "multi" else None,
        features={"fps": 2.0, "说": ["a", None, {"b": True}]},
    )
    save_model(model, tmp_path / "m")
    assert {p.name for p in (tmp_path / "m").iterdir()} == FILES
    loaded = load_model(str(tmp_path / "m"))
    for name in ("task", "labels", "model_type", "temperature", "thresholds", "offset", "scale"):
        assert getattr(loaded, name) == getattr(model, name), name
    assert loaded.name == "m" and dict(loaded.features) == model.features
    assert loaded.tracks == model.tracks and [*loaded.tracks] == [*model.tracks]
    assert [state_of(m) for m in loaded.members] == [state_of(m) for m in model.members]
    assert not any(m.training for m in loaded.members)
    some = [example(i, steps=i) for i in range(7)]
    np.testing.assert_array_equal(loaded.scores(some), model.scores(some))


def test_the_same_model_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_model(trained_model(), tmp_path / name)
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_other_files_stay_and_a_later_model_takes_the_place(folder: Path) -> None:
    (folder / "README.md").write_text("about it")
    save_model(trained_model("regression"), folder)
    assert load_model(folder).task == "regression"
    assert {p.name for p in folder.iterdir()} == FILES | {"README.md"}


def test_a_model_that_cannot_be_written_leaves_the_one_before(folder: Path) -> None:
    before = {name: (folder / name).read_bytes() for name in FILES}
    with pytest.raises(ValueError, match="JSON"):
        save_model(trained_model(temperature=float("nan")), folder)
    with pytest.raises(TypeError):
        save_model(trained_model(features={"a": object()}), folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


@pytest.mark.parametrize("done", [0, 1, 2])
def test_a_model_that_is_half_written_is_no_model(
    folder: Path, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never the weights of one and the labels of another."""
    whole, moved = Path.replace, []

    def full_disk(self: Path, target: Path) -> Path:
        if len(moved) == done:
            raise OSError(28, "No space left on device")
        moved.append(target)
        return whole(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full_disk)
        with pytest.raises(OSError, match="No space"):
            save_model(trained_model(labels=("x", "y", "z")), folder)
    refused(folder, r"no config\.json")
    assert not any(p.name.startswith(".") for p in folder.iterdir())
    save_model(trained_model(labels=("x", "y", "z")), folder)
    assert load_model(folder).labels == ("x", "y", "z")


def test_members_speak_together() -> None:
    model, some = trained_model(members=3, temperature=2.0), [example(i) for i in range(4)]
    each = np.stack([forward_all(m, some).numpy() for m in model.members])
    assert np.ptp(each, axis=0).max() > 0.1
    np.testing.assert_allclose(model.scores(some), softmax(each.mean(0) / 2.0), atol=1e-6)
    np.testing.assert_allclose(model.scored(each.mean(0)), model.scores(some), atol=1e-6)
    several = replace_task(model, "multi")
    wanted = 1 / (1 + np.exp(-each.mean(0) / 2.0))
    np.testing.assert_allclose(several.scores(some), wanted, atol=1e-6)


def replace_task(model: TrainedModel, task: Any) -> TrainedModel:
    return replace(model, task=task)


def test_no_videos_have_no_scores() -> None:
    assert trained_model().scores([]).shape == (0, 3)
    assert trained_model("regression").scores([]).shape == (0, 1)


# Damaged, foreign, hostile


def refused(folder: Path, reason: str | None = None) -> None:
    with pytest.raises(CheckpointError, match=reason) as caught:
        load_model(folder)
    assert str(folder) in str(caught.value)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "so it is no trained model")
    refused(tmp_path, r"no config\.json in it")
    (tmp_path / "file").write_text("{}")
    refused(tmp_path / "file")


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_that_is_missing_or_is_a_folder(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refused(folder)
    (folder / name).mkdir()
    refused(folder)


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.9999])
def test_a_file_that_ends_early(folder: Path, name: str, share: float) -> None:
    data = (folder / name).read_bytes().rstrip(b"\n")
    (folder / name).write_bytes(data[: int(share * len(data))])
    refused(folder)


@pytest.mark.parametrize("name", ["config.json", "labels.json"])
@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"null",
        b"3",
        b'"text"',
        b"\xff\xfe\x00",
        pytest.param(b"[" * 100_000, id="deep"),
        b"{}",
        b"<html>",
        b"\0\0",
    ],
)
def test_foreign_descriptions(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    refused(folder)


def test_garbled_weights(folder: Path) -> None:
    """The head of the file says what is where; no byte of it may be wrong."""
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    head = 8 + int.from_bytes(whole[:8], "little")
    rng = np.random.default_rng(0)
    for at in [*range(8), *rng.integers(8, head, 40)]:
        garbled = bytearray(whole)
        garbled[at] ^= 0xA5
        path.write_bytes(garbled)
        refused(folder)
    path.write_bytes(rng.bytes(5000))
    refused(folder)
    path.write_bytes(whole + b"more")
    refused(folder)


class _Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", sorted(FILES))
def test_no_pickle_is_ever_read(folder: Path, name: str, tmp_path: Path) -> None:
    trap = _Trap(tmp_path / "sprung")
    (folder / name).write_bytes(pickle.dumps(trap))
    refused(folder)
    torch.save({"members.0.head.bias": trap}, folder / name)
    refused(folder)
    pickle.loads(pickle.dumps(trap))
    assert (tmp_path / "sprung").exists()  # so it would have been seen
    (tmp_path / "sprung").unlink()
    refused(folder)
    assert not (tmp_path / "sprung").exists()


def changed(folder: Path, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads((folder / name).read_text(encoding="utf-8"))
    change(data)
    (folder / name).write_text(json.dumps(data), encoding="utf-8")


def sealed(folder: Path) -> None:
    """With the digest of the weights that are in it now."""
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    changed(folder, "config.json", lambda c: c.update(weights_sha256=digest))


@pytest.mark.parametrize("layout", [0, 1, "2", None, [2]])
def test_another_layout(folder: Path, layout: Any) -> None:
    changed(folder, "config.json", lambda c: c.update(layout=layout))
    refused(folder, "this version reads 2")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model_type", "magic"), ("model_type", "gated"), ("model_type", ["fusion"]),
        ("members", 0), ("members", -1), ("members", 1), ("members", 3), ("members", "x"),
        ("members", float("inf")), ("members", float("nan")), ("members", None),
        ("tracks", {}), ("tracks", []), ("tracks", {"image": 3}),
        ("tracks", {"image": {"modality": "image", "dim": 6}}),
        ("tracks", {"image": {"modality": "image", "dim": -6}}),
        ("tracks", {"image": {"modality": "image", "dim": float("inf")}}),
        ("state", []), ("state", None),
        ("options", {"width": 32}), ("options", {"depth": "x"}), ("options", {"magic": 1}),
        ("options", {"outputs": 3}), ("options", [1]), ("options", None),
        ("temperature", 0), ("temperature", -1), ("temperature", float("nan")),
        ("temperature", "warm"), ("temperature", None),
        ("offset", float("inf")), ("scale", float("nan")), ("scale", {}),
        ("features", 7), ("features", None),
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_be(folder: Path, key: str, value: Any) -> None:
    changed(folder, "config.json", lambda c: c.update({key: value}))
    refused(folder)
    changed(folder, "config.json", lambda c: c.pop(key))
    refused(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("task", "magic"), ("task", None), ("task", ["single"]), ("task", "regression"),
        ("labels", []), ("labels", ["a", "b"]), ("labels", None), ("labels", 3), ("labels", "abc"),
        ("thresholds", [0.5]), ("thresholds", [0.5] * 4), ("thresholds", ["a", "b", "c"]),
        ("thresholds", [0.5, 0.5, float("nan")]), ("thresholds", 0.5),
    ],
)  # fmt: skip
def test_labels_that_cannot_be(folder: Path, key: str, value: Any) -> None:
    changed(folder, "labels.json", lambda c: c.update({key: value}))
    refused(folder)


def test_weights_of_another_model(folder: Path, tmp_path: Path) -> None:
    save_model(trained_model(labels=("a", "b")), tmp_path / "other")
    shutil.copy(tmp_path / "other" / "model.safetensors", folder)
    refused(folder, "damaged, or of another model")
    sealed(folder)
    refused(folder, "damaged")
    save_file({"weights": torch.zeros(3)}, folder / "model.safetensors")
    sealed(folder)
    refused(folder)


def test_a_single_flipped_bit_of_the_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)
    refused(folder, "damaged, or of another model")


def test_a_weight_too_few_or_too_many(folder: Path) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    save_file({k: v for k, v in weights.items() if k != "members.1.head.bias"}, path)
    sealed(folder)
    refused(folder, "Missing key")
    save_file(weights | {"members.1.head.extra": torch.zeros(3)}, path)
    sealed(folder)
    refused(folder, "Unexpected key")
    save_file(weights | {"members.2.head.bias": torch.zeros(3)}, path)
    sealed(folder)
    refused(folder, "1 weights of no member")
    save_file(weights, path)
    sealed(folder)
    load_model(folder)
