"""A model is run only on features that are made as they were for its training."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from triptych.config import Config, load_config
from triptych.errors import UsageError, WeightsError
from triptych.features import recipe
from triptych.features.recipe import features_recipe
from triptych.fuse.provenance import adopted, is_model, model_digest

SETTINGS = ("decode.fps=4", "extract.step_s=0.25", "extract.preset=light", "extract.asr=never")


def make_model(
    folder: Path, *, reads: tuple[str, ...] = ("audio", "shots"), **changes: Any
) -> Path:
    """The files of a model, as far as provenance reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    features = features_recipe(load_config(assignments=SETTINGS)) | changes
    data = {"tracks": {name: {} for name in reads}, "features": features}
    (folder / "config.json").write_text(json.dumps(data), encoding="utf-8")
    (folder / "labels.json").write_text("{}", encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"")
    return folder


def asking(model: Path, *assignments: str) -> Config:
    return load_config(assignments=(f"predict.model={model}", *assignments))


def test_features_follow_the_model(tmp_path: Path) -> None:
    config = adopted(asking(make_model(tmp_path), "runner.workers=2"))
    assert (config.decode.fps, config.extract.step_s) == (4.0, 0.25)
    assert (config.extract.preset, config.extract.asr) == ("light", "never")
    assert config.runner.workers == 2
    assert adopted(config) == config


def test_extractors_that_were_added_follow_the_model(tmp_path: Path) -> None:
    """One that is asked for besides is no harm, and a model may lie elsewhere by now."""
    path = tmp_path / "权重.pth"
    path.write_bytes(b"weights")
    item, moved = f"torchvision=resnet18:{path}", f"torchvision=resnet18:{path}.moved"
    features = features_recipe(load_config(assignments=(*SETTINGS, f"extract.add={item}")))
    assert features["extract"]["add"] == [item]
    model = make_model(tmp_path / "model", reads=("torchvision",), **features)
    assert adopted(asking(model)).extract.add == (item,)
    assert adopted(asking(model, "extract.add=colour")).extract.add == (item, "colour")
    path.rename(f"{path}.moved")
    assert adopted(asking(model, f"extract.add={moved}")).extract.add == (moved,)
    with pytest.raises(WeightsError, match="is nowhere"):
        adopted(asking(model))
    Path(f"{path}.moved").write_bytes(b"other weights")
    with pytest.raises(UsageError, match="with another 'torchvision': weights"):
        adopted(asking(model, f"extract.add={moved}"))


def test_without_a_model_nothing_changes() -> None:
    config = load_config(assignments=("decode.fps=3",))
    assert adopted(config) is config


def test_what_agrees_with_the_model_may_be_asked_for(tmp_path: Path) -> None:
    adopted(asking(make_model(tmp_path), *SETTINGS), given={("decode", "fps")})


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("decode.fps=2", "trained with decode.fps = 4.0, not 2.0"),
        ("extract.step_s=0.5", "trained with extract.step_s = 0.25, not 0.5"),
        ("decode.short_side=384", "trained with decode.short_side = 256, not 384"),
        ("extract.asr=always", "trained with extract.asr = 'never', not 'always'"),
        ("predict.labels=cat,dog", "labels and a model cannot both be asked for"),
    ],
)
def test_a_contradiction_is_refused(tmp_path: Path, setting: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        adopted(asking(make_model(tmp_path), setting))
    assert "leave" in caught.value.remedy


def test_a_default_that_was_asked_for_outright_is_a_contradiction_too(tmp_path: Path) -> None:
    model = make_model(tmp_path)
    adopted(asking(model, "decode.fps=1"))
    with pytest.raises(UsageError, match=r"decode\.fps = 4\.0, not 1\.0"):
        adopted(asking(model, "decode.fps=1"), given={("decode", "fps")})
    with pytest.raises(UsageError, match="labels and a model"):
        adopted(asking(model), given={("predict", "labels")})


def changed_spec(**changes: Any) -> dict[str, Any]:
    tracks = features_recipe(load_config(assignments=SETTINGS))["tracks"]
    return {"tracks": tracks | {"audio": tracks["audio"] | changes}}


@pytest.mark.parametrize(
    ("changes", "said", "remedy"),
    [
        (changed_spec(version=0), "another 'audio': version 0, now ", "train the model again"),
        (changed_spec(weights="ab" * 32), "weights abababab..., now none", "train the model again"),
        ({"tracks": {}}, "does not say how 'audio' was made", "train the model again"),
        ({"decode": {"fps": 4.0, "short_side": 256, "version": -1}}, "decoded in another way",
         "train the model again"),
    ],
)  # fmt: skip
def test_features_that_are_made_otherwise_now_are_refused(
    tmp_path: Path, changes: dict[str, Any], said: str, remedy: str
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        adopted(asking(make_model(tmp_path, **changes)))
    assert remedy in caught.value.remedy


def test_tracks_that_the_model_does_not_read_may_differ(tmp_path: Path) -> None:
    adopted(asking(make_model(tmp_path, reads=("shots",), **changed_spec(version=0))))


def test_an_extractor_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model(tmp_path, reads=("image",))
    entry = recipe.chosen(Config().extract)[0]
    gone = dataclasses.replace(entry, modules=("a_module_that_nobody_has",))
    for module in ("features.recipe", "fuse.provenance"):
        monkeypatch.setattr(f"triptych.{module}.chosen", lambda config: (gone,))
    with pytest.raises(UsageError, match="reads 'image', which needs a_module") as caught:
        adopted(asking(model))
    assert 'pip install "triptych[embedded]"' in caught.value.remedy


@pytest.mark.parametrize(
    ("speech", "said"),
    [
        ({"version": 0, "weights": "x"}, "recognis"),
    ],
)
def test_another_recogniser_of_speech_is_refused(
    tmp_path: Path, speech: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        adopted(asking(make_model(tmp_path, speech=speech)))


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no trained model: it has no config\.json"):
        adopted(asking(tmp_path))
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        adopted(asking(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match=r"has no config\.json"):
        model_digest(tmp_path)
    assert not is_model(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"tracks": 1}', '{"tracks": {}, "features": {"a": 1}}']
)
def test_a_damaged_model_is_named(tmp_path: Path, text: str) -> None:
    (make_model(tmp_path) / "config.json").write_text(text)
    with pytest.raises(UsageError, match=r"config\.json of the model is damaged"):
        adopted(asking(tmp_path))


def test_a_model_of_unknown_features_is_refused(tmp_path: Path) -> None:
    (make_model(tmp_path) / "config.json").write_text('{"tracks": {}, "features": {}}')
    with pytest.raises(UsageError, match="does not say how its features were made"):
        adopted(asking(tmp_path))


def test_damaged_weights_are_refused_before_any_work(tmp_path: Path) -> None:
    model = make_model(tmp_path)
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    for weights, damaged in ((b"", False), (b"other", True)):
        config["weights_sha256"] = hashlib.sha256(b"").hexdigest()
        (model / "config.json").write_text(json.dumps(config), encoding="utf-8")
        (model / "model.safetensors").write_bytes(weights)
        with pytest.raises(UsageError) if damaged else contextlib.nullcontext() as caught:
            adopted(asking(tmp_path))
        assert not damaged or "model.safetensors is damaged" in str(caught)


def test_the_digest_is_of_all_that_answers_depend_on(tmp_path: Path) -> None:
    model = make_model(tmp_path)
    assert is_model(model)
    before = model_digest(model)
    (model / "README.md").write_text("words")
    assert model_digest(model) == before
    (model / "model.safetensors").write_bytes(b"other")
    assert model_digest(model) != before


def test_it_needs_no_numerical_library(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom triptych.config import load_config\n"
        "from triptych.fuse.provenance import adopted, model_digest\n"
        "adopted(load_config(assignments=('predict.model=' + sys.argv[1],)))\n"
        "model_digest(sys.argv[1])\n"
        "assert not {'numpy', 'torch', 'av'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code, make_model(tmp_path)], check=True)
