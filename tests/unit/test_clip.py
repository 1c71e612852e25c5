"""Models of pictures and words: small ones of the real classes, saved as transformers saves them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import families
import synth
from command import analysis_of, clip, environment, triptych
from triptych.config import ExtractConfig
from triptych.errors import UsageError, WeightsError
from triptych.extract.clip import contrast_of
from triptych.extract.registry import chosen, entry, load
from triptych.extract.specs import Entry
from triptych.predict.classify import zero_shot
from triptych.predict.contrast import prompted_vectors, prompts, scores, unread_labels
from triptych.predict.vocabulary import load_vocabulary
from triptych.records import Timeline

pytestmark = pytest.mark.needs("hub")

KINDS = ("clip", "siglip", "chinese_clip")
SPIECE = pytest.param("siglip_spiece", marks=pytest.mark.needs("sentencepiece"))  # SigLIP v1
LABELS = "cat,dog,汽车"
PICTURE = synth.textured(5, (90, 120))
ONE = "This is a photo of {}."  # the sentence of transformers' own pipeline


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A folder of each kind."""
    return {kind: families.clip(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}


@pytest.fixture(params=[*KINDS, SPIECE])
def model(
    request: pytest.FixtureRequest, models: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Entry:
    kind = request.param
    if kind not in models:
        models[kind] = families.clip(tmp_path_factory.mktemp(kind), kind)
    return entry(f"clip={models[kind]}")


def rows_of(found: Entry, picture: np.ndarray) -> np.ndarray:
    coroutine = load(found)()
    next(coroutine)
    coroutine.send(synth.frames([picture]))
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    return np.asarray(done.value.value["clip"].values)


def said_by_transformers(found: Entry, picture: np.ndarray, backend: str) -> dict[str, float]:
    from transformers import AutoImageProcessor, pipeline
    from transformers.utils import logging

    logging.disable_progress_bar()
    assert found.source is not None
    processor = AutoImageProcessor.from_pretrained(found.source.path, backend=backend)
    task = "zero-shot-image-classification"
    judge = pipeline(task, model=found.source.path, image_processor=processor)
    answers = judge(Image.fromarray(picture), candidate_labels=LABELS.split(","))
    return {answer["label"]: answer["score"] for answer in answers}


def judged(found: Entry, picture: np.ndarray) -> dict[str, float]:
    assert found.source is not None
    labels = prompted_vectors(
        load_vocabulary(LABELS),
        found.source,
        languages=("en", "zh"),
        sentences={"en": [ONE], "zh": [ONE]},
    )
    (row,) = scores(rows_of(found, picture), labels, contrast_of(found.source))
    return dict(zip(LABELS.split(","), row.tolist(), strict=True))


def assert_same(found: dict[str, float], wanted: dict[str, float]) -> None:
    assert found == pytest.approx(wanted, abs=1e-5)
    assert max(wanted.values()) - min(wanted.values()) > 1e-3, "the same answer for every label"


def test_scores_are_those_of_transformers_own_pipeline(model: Entry) -> None:
    """With Pillow, by which these models were taught; torchvision rounds resized pixels otherwise."""
    assert_same(judged(model, PICTURE), said_by_transformers(model, PICTURE, "pil"))


def test_pictures_that_need_no_resizing_are_the_same_by_any_backend(model: Entry) -> None:
    side = 32 if isinstance(model.specs[0].options["resize"], list) else 35
    picture = synth.textured(5, (side, side))
    assert_same(judged(model, picture), said_by_transformers(model, picture, "torchvision"))


def test_its_track_is_the_only_evidence_where_nothing_else_is(model: Entry) -> None:
    assert model.source is not None
    row, vocabulary = rows_of(model, PICTURE), load_vocabulary(LABELS)
    line = Timeline(
        start_s=np.zeros(1),
        end_s=np.ones(1),
        values={"clip": row},
        present={"clip": np.ones(1, bool)},
    )
    prediction = zero_shot(line, vocabulary, clip=model)
    languages = model.specs[0].options["languages"]
    labels = prompted_vectors(vocabulary, model.source, languages=languages)
    logits = contrast_of(model.source).scale * (row @ labels.T)[0]
    wanted = np.exp(logits) / np.exp(logits).sum()
    found = {each.label: each.score for each in prediction.ranked}
    assert [found[n] for n in vocabulary.names] == pytest.approx(wanted.tolist(), abs=1e-5)
    assert prediction.steps[0].tolist() == pytest.approx(wanted.tolist(), abs=1e-5)
    assert all(each.contributions.keys() == {"image"} for each in prediction.ranked)


def test_a_label_is_the_mean_of_its_sentences(model: Entry) -> None:
    """Each of them as transformers reads it."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    assert model.source is not None
    vocabulary, languages = load_vocabulary(LABELS), model.specs[0].options["languages"]
    tokenizer = AutoTokenizer.from_pretrained(model.source.path)
    network = AutoModel.from_pretrained(model.source.path).eval()
    siglip = model.specs[0].options["kind"] == "siglip"
    padded = {"padding": "max_length", "max_length": 64} if siglip else {}
    found = prompted_vectors(vocabulary, model.source, languages=languages)
    for row, word in zip(found, ("cat", "dog", "汽车"), strict=True):
        sentences = prompts()["zh" if word == "汽车" else "en"]
        each = []
        for sentence in sentences:
            tokens = tokenizer(sentence.format(word), return_tensors="pt", **padded)
            with torch.inference_mode():
                vector = network.get_text_features(**tokens).pooler_output[0]
            each.append((vector / vector.norm()).numpy())
        wanted = np.mean(each, axis=0)
        np.testing.assert_allclose(row, wanted / np.linalg.norm(wanted), atol=1e-5)
    assert len(each) > 1


def test_words_of_a_language_that_it_was_not_taught_are_left_out(models: dict[str, str]) -> None:
    everyday = load_vocabulary("everyday")
    source = entry(f"clip={models['clip']}").source
    assert source is not None
    taught = prompted_vectors(everyday, source, languages=["en"])
    assert not np.allclose(taught, prompted_vectors(everyday, source, languages=["en", "zh"]))
    assert unread_labels(everyday, languages=["en"]) == ()
    assert unread_labels(load_vocabulary("猫,dog"), languages=["en"]) == ("猫",)
    assert set(prompts()) == {"en", "zh"}
    assert all(sentence.count("{}") == 1 for each in prompts().values() for sentence in each)


class TestChoosing:
    """What is no model of pictures and words."""

    def write(self, folder: Path, config: Any, **files: Any) -> str:
        (folder / "model.safetensors").write_bytes(b"")
        (folder / "config.json").write_text(json.dumps(config))
        for name in ("tokenizer", "preprocessor_config"):
            (folder / f"{name}.json").write_text("{}")
        for name, content in files.items():
            (folder / f"{name}.json").write_text(json.dumps(content))
        return f"clip={folder}"

    @pytest.mark.parametrize("kind", ["bert", "siglip2", None])
    def test_another_kind_is_refused(self, tmp_path: Path, kind: str | None) -> None:
        item = self.write(tmp_path, {"model_type": kind} if kind else {})
        with pytest.raises(WeightsError, match="there are clip, chinese_clip, siglip"):
            entry(item)

    def test_a_hub_s_sparse_settings_mean_what_they_mean_to_transformers(
        self, tmp_path: Path
    ) -> None:
        """As google/siglip-base-patch16-224 and openai/clip-vit-base-patch32 have them."""
        sparse = {"model_type": "siglip", "text_config": {}, "vision_config": {}}
        (spec,) = entry(self.write(tmp_path, sparse)).specs
        assert (spec.dim, spec.options["resize"], spec.options["crop"]) == (768, [224, 224], 224)
        old = {"size": 224, "crop_size": 224, "resample": 3, "do_center_crop": True}
        item = self.write(tmp_path, {"model_type": "clip"}, preprocessor_config=old)
        (spec,) = entry(item).specs
        assert (spec.dim, spec.options["resize"], spec.options["crop"]) == (512, 224, 224)

    def test_pictures_that_are_no_squares_are_refused(self, tmp_path: Path) -> None:
        wide = {"size": {"height": 224, "width": 448}, "do_center_crop": False}
        item = self.write(tmp_path, {"model_type": "siglip"}, preprocessor_config=wide)
        with pytest.raises(WeightsError, match="another shape than squares"):
            entry(item)

    def test_a_damaged_folder_is_named(self, tmp_path: Path, models: dict[str, str]) -> None:
        item = self.write(tmp_path, {"model_type": "clip"})
        with pytest.raises(WeightsError, match="AutoModel of transformers cannot read it"):
            load(item)

    def test_a_tensor_that_is_missing_is_named(
        self, tmp_path: Path, models: dict[str, str]
    ) -> None:
        """transformers would put random numbers in its place."""
        from safetensors.torch import load_file, save_file

        shutil.copytree(models["clip"], tmp_path / "less")
        tensors = load_file(tmp_path / "less" / "model.safetensors")
        del tensors["visual_projection.weight"]
        save_file(tensors, tmp_path / "less" / "model.safetensors", {"format": "pt"})
        with pytest.raises(WeightsError, match=r"1 tensor missing: visual_projection\.weight"):
            load(f"clip={tmp_path / 'less'}")

    @pytest.mark.parametrize(
        ("gone", "said"),
        [("tokenizer.json", "a tokenizer"), ("preprocessor_config.json", "an image processor")],
    )
    def test_a_folder_without_a_part_is_refused(self, tmp_path: Path, gone: str, said: str) -> None:
        """transformers would make one up, of five words."""
        item = self.write(tmp_path, {"model_type": "clip"})
        (tmp_path / gone).unlink()
        with pytest.raises(WeightsError, match=f"comes without {said}"):
            entry(item)

    def test_weights_of_a_failed_training_are_refused(
        self, tmp_path: Path, models: dict[str, str]
    ) -> None:
        from safetensors.torch import load_file, save_file

        shutil.copytree(models["clip"], tmp_path / "failed")
        tensors = load_file(tmp_path / "failed" / "model.safetensors")
        tensors["visual_projection.weight"][0, 0] = float("nan")
        save_file(tensors, tmp_path / "failed" / "model.safetensors", {"format": "pt"})
        with pytest.raises(
            WeightsError, match=r"'visual_projection\.weight' hold figures that are"
        ):
            load(f"clip={tmp_path / 'failed'}")

    def test_siglip_s_first_words_need_sentencepiece(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Said before anything is decoded, not when labels are compared."""
        item = self.write(tmp_path, {"model_type": "siglip"})
        monkeypatch.setitem(sys.modules, "sentencepiece", None)  # as if it were not there
        assert "sentencepiece" not in entry(item).modules
        (tmp_path / "spiece.model").write_bytes(b"")
        with pytest.raises(WeightsError, match="'clip' needs sentencepiece") as caught:
            chosen(ExtractConfig(preset="light", add=(item,)))
        assert caught.value.remedy == 'pip install "triptych[hub]"'
        told = {"tokenizer_class": "GemmaTokenizer"}  # as SigLIP 2 has it
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(told))
        assert "sentencepiece" not in entry(item).modules

    def test_it_must_be_named(self) -> None:
        with pytest.raises(UsageError, match="'clip' does not say with which model"):
            entry("clip")


def test_a_run_asks_it_and_a_second_one_loads_nothing(
    models: dict[str, str], tmp_path: Path
) -> None:
    clip(tmp_path / "in" / "film.mp4", sound=False)
    preset = tmp_path / "mine.toml"
    preset.write_text('extractors = ["shots"]')  # no sentence encoder
    run = ["run", tmp_path / "in", "-o", tmp_path / "out", "--preset", preset, "--asr", "never"]
    run += ["--extract", f"clip={models['clip']}", "--labels", "cat,汽车", "--format", "json"]
    said = triptych(*run)
    assert said.returncode == 0, said.stderr
    analysis = analysis_of(tmp_path / "out", "film.mp4")
    assert {score["label"] for score in analysis["labels"]} == {"cat", "汽车"}
    assert all(score["contributions"].keys() == {"image"} for score in analysis["labels"])
    assert analysis["weights"]["clip"]["source"] == {"kind": "path", "path": models["clip"]}
    assert any("clip was taught en alone" in each for each in analysis["warnings"])
    code = (
        "import sys; from triptych.cli import main; status = main(sys.argv[1:]); "
        "print({'torch', 'transformers', 'numpy'} & sys.modules.keys(), status)"
    )
    again = subprocess.run(
        [sys.executable, "-c", code, *map(str, run), "--quiet"],
        capture_output=True,
        encoding="utf-8",
        env=environment(),
        check=True,
    )
    assert again.stdout.strip() == "set() 0"
