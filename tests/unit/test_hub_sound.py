"""Networks of sound by transformers: our rows are what the library itself says of the same sound."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hub_models
import synth
from command import LIGHT, triptych
from triptych.errors import WeightsError
from triptych.extract.registry import entry, load
from triptych.predict.classify import zero_shot
from triptych.predict.vocabulary import load_vocabulary
from triptych.records import FeatureTrack, Sound

pytestmark = pytest.mark.needs("hub")

START_S = 4.2
VOICES = ("Wav2Vec2Model", "HubertModel", "WavLMModel", "Data2VecAudioModel")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Family -> its item."""
    made = {}
    for name in ("ast", "clap", "voice"):
        folder = tmp_path_factory.mktemp("模型") / name
        folder.mkdir()
        made[name] = f"{name}={getattr(hub_models, name)(folder)}"
    yield made


def wave(seconds: float, rate_hz: int = 16_000) -> np.ndarray:
    parts = [synth.tone(200 + 90 * n, 0.5, rate=rate_hz) for n in range(2 * int(seconds) + 2)]
    loud = np.concatenate(parts)[: round(seconds * rate_hz)]
    return loud + synth.noise(seconds, rate=rate_hz)[: len(loud)]


def tracks_of(
    item: str,
    samples: np.ndarray,
    *,
    rate_hz: int = 16_000,
    chunk_s: float = 10.0,
    step_s: float = 1.0,
) -> dict[str, FeatureTrack]:
    coroutine = load(item)(step_s=step_s)
    next(coroutine)
    size = round(chunk_s * rate_hz)
    for at in range(0, len(samples), size):
        coroutine.send(
            Sound(samples=samples[at : at + size], rate_hz=rate_hz, start_s=START_S + at / rate_hz)
        )
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    return done.value.value


def reference(folder: str, kind: str, extractor: str) -> tuple[Any, Any]:
    import transformers

    network = getattr(transformers, kind).from_pretrained(folder).eval()
    return network, getattr(transformers, extractor).from_pretrained(folder)


class TestAst:
    def test_rows_are_what_the_library_says_of_each_window(self, built: dict[str, str]) -> None:
        import torch

        item, sound = built["ast"], wave(4.5)
        tracks = tracks_of(item, sound)
        network, prepare = reference(item[4:], "ASTForAudioClassification", "ASTFeatureExtractor")
        size = round(1.28 * 16_000)
        for row, at in enumerate(range(0, len(sound), size)):
            with torch.inference_mode():
                put = prepare(sound[at : at + size], sampling_rate=16_000, return_tensors="pt")
                wanted = network(**put).logits[0].softmax(0)
                pooled = network.audio_spectrogram_transformer(**put).pooler_output[0]
            np.testing.assert_allclose(tracks["ast_labels"].values[row], wanted, atol=1e-5)
            np.testing.assert_allclose(tracks["ast"].values[row], pooled, atol=1e-5)
        assert len(tracks["ast"]) == row + 1 == 4
        np.testing.assert_allclose(tracks["ast"].start_s, START_S + 1.28 * np.arange(4))
        assert tracks["ast"].end_s[-1] == pytest.approx(START_S + 4.5)

    def test_it_says_its_labels(self, built: dict[str, str]) -> None:
        embedding, labels = entry(built["ast"]).specs
        assert (embedding.dim, labels.columns) == (32, ("hum", "雨", "bark"))
        assert labels.options["scores"] == "shares" and labels.options["window_s"] == 1.28

    def test_a_crumb_at_the_end_is_left_out(self, built: dict[str, str]) -> None:
        assert len(tracks_of(built["ast"], wave(1.33))["ast"]) == 1
        assert len(tracks_of(built["ast"], wave(1.40))["ast"]) == 2

    def test_several_labels_at_once_are_independent(self, tmp_path: Path) -> None:
        import torch

        folder = hub_models.ast(tmp_path)
        path = tmp_path / "config.json"
        told = json.loads(path.read_text(encoding="utf-8"))
        told["problem_type"] = "multi_label_classification"
        path.write_text(json.dumps(told), encoding="utf-8")
        sound = wave(1.28)
        values = tracks_of(f"ast={folder}", sound)["ast_labels"].values
        network, prepare = reference(folder, "ASTForAudioClassification", "ASTFeatureExtractor")
        with torch.inference_mode():
            put = prepare(sound, sampling_rate=16_000, return_tensors="pt")
            wanted = network(**put).logits.sigmoid()
        np.testing.assert_allclose(values, wanted, atol=1e-5)


class TestClap:
    def test_rows_are_what_the_library_says_of_each_window(self, built: dict[str, str]) -> None:
        import torch

        item, sound = built["clap"], wave(2.4, 48_000)
        track = tracks_of(item, sound, rate_hz=48_000)["clap"]
        assert load(item).rate_hz == 48_000
        network, prepare = reference(item[5:], "ClapModel", "ClapFeatureExtractor")
        for row, at in enumerate(range(0, len(sound), 48_000)):
            with torch.inference_mode():
                put = prepare(sound[at : at + 48_000], sampling_rate=48_000, return_tensors="pt")
                wanted = network.get_audio_features(**put).pooler_output[0]
            np.testing.assert_allclose(track.values[row], wanted, atol=1e-5)
        assert len(track) == row + 1 == 3
        assert track.end_s[-1] == pytest.approx(START_S + 2.4)
        np.testing.assert_allclose(np.linalg.norm(track.values, axis=1), 1.0, atol=1e-5)

    def test_its_labels_are_those_of_the_library(self, built: dict[str, str]) -> None:
        import torch
        from transformers import AutoTokenizer

        item, sound = built["clap"], wave(0.9, 48_000)
        track = tracks_of(item, sound, rate_hz=48_000)["clap"]
        timeline = synth.timeline({"clap": (track.values, [True])})
        found = zero_shot(timeline, load_vocabulary("rain,a dog,汽车"), clap=entry(item))
        network, prepare = reference(item[5:], "ClapModel", "ClapFeatureExtractor")
        tokenizer, logits = AutoTokenizer.from_pretrained(item[5:]), []
        put = prepare(sound, sampling_rate=48_000, return_tensors="pt")
        for label in found.labels:
            tokens = tokenizer(f"This is a sound of {label}.", return_tensors="pt")
            del tokens["token_type_ids"]
            with torch.inference_mode():
                logits.append(network(**put, **tokens).logits_per_audio[0, 0])
        wanted = torch.stack(logits).softmax(0).numpy()
        np.testing.assert_allclose(found.steps[0], wanted, atol=1e-4)
        shares = {each.label: each.score for each in found.ranked}
        np.testing.assert_allclose([shares[name] for name in found.labels], wanted, atol=1e-4)
        assert all(each.contributions.keys() == {"audio"} for each in found.ranked)


class TestVoice:
    @pytest.mark.parametrize("kind", VOICES)
    def test_rows_are_means_of_the_librarys_states(self, kind: str, tmp_path: Path) -> None:
        import torch

        folder, sound = hub_models.voice(tmp_path, kind), wave(3.3)
        track = tracks_of(f"voice={folder}", sound)["voice"]
        network, prepare = reference(folder, kind, "Wav2Vec2FeatureExtractor")
        with torch.inference_mode():
            padded = np.pad(sound, (0, 80))
            put = prepare(padded, sampling_rate=16_000, return_tensors="pt")
            states = network(put["input_values"]).last_hidden_state[0].numpy()
        assert len(states) == 165 and len(track) == 4
        for row, at in enumerate(range(0, 165, 50)):
            np.testing.assert_allclose(track.values[row], states[at : at + 50].mean(0), atol=1e-5)
        assert track.end_s[-1] == pytest.approx(START_S + 3.3)

    def test_windows_join_without_a_gap(self, built: dict[str, str]) -> None:
        import torch

        item, sound = built["voice"], wave(23.0)
        track = tracks_of(item, sound, chunk_s=3.7)["voice"]
        assert len(track) == 23
        network, prepare = reference(item[6:], "HubertModel", "Wav2Vec2FeatureExtractor")
        for begin, first, last in ((0, 0, 10), (10, 10, 20), (13, 20, 23)):  # the last reaches back
            window = np.pad(sound, (0, 80))[begin * 16_000 : (begin + 10) * 16_000 + 80]
            put = prepare(window, sampling_rate=16_000, return_tensors="pt")
            with torch.inference_mode():
                states = network(put["input_values"]).last_hidden_state[0].numpy()
            for row in range(first, last):
                wanted = states[50 * (row - begin) :][:50].mean(0)
                np.testing.assert_allclose(track.values[row], wanted, atol=1e-5)

    def test_a_model_for_another_rate_is_refused(self, tmp_path: Path) -> None:
        folder = hub_models.voice(tmp_path)
        path = tmp_path / "preprocessor_config.json"
        told = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(told | {"sampling_rate": 8000}), encoding="utf-8")
        with pytest.raises(WeightsError, match="16 kHz"):
            entry(f"voice={folder}")


class TestWrongModels:
    @pytest.mark.parametrize("family", ["ast", "clap", "voice", "sentences"])
    def test_another_kind_is_named(self, family: str, built: dict[str, str]) -> None:
        other = built["voice" if family == "ast" else "ast"].partition("=")[2]
        with pytest.raises(WeightsError, match=r"this is a model of the kind '(hubert|audio-spec)"):
            entry(f"{family}={other}")

    def test_missing_weights_are_not_made_up(self, tmp_path: Path) -> None:
        from safetensors.torch import load_file, save_file

        folder = hub_models.voice(tmp_path)
        path = tmp_path / "model.safetensors"
        weights = load_file(path)
        del weights["encoder.layers.1.final_layer_norm.weight"]
        save_file(weights, path, metadata={"format": "pt"})
        with pytest.raises(WeightsError, match=r"1 tensor missing: encoder\.layers\.1"):
            load(f"voice={folder}")

    def test_a_pickle_is_not_run(self, tmp_path: Path) -> None:
        class Harm:
            def __reduce__(self) -> tuple[Any, ...]:
                return Path.touch, (tmp_path / "harm",)

        folder = hub_models.voice(tmp_path)
        (tmp_path / "model.safetensors").unlink()
        (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({"a": Harm()}))
        with pytest.raises(WeightsError, match="more than tensors"):
            load(f"voice={folder}")
        assert not (tmp_path / "harm").exists()

    def test_a_model_that_cannot_be_loaded_ends_a_run_before_its_first_video(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "坏").mkdir()
        folder = hub_models.voice(tmp_path / "坏")
        path = tmp_path / "坏" / "model.safetensors"
        path.write_bytes(path.read_bytes()[:5000])
        film = synth.write(tmp_path / "film.wav", wave=synth.tone(440, 1.0))
        out = tmp_path / "out"
        said = triptych("run", film, "-o", out, *LIGHT, "--extract", f"voice={folder}")
        assert said.returncode == 2 and "Traceback" not in said.stderr
        assert "AutoModel of transformers cannot read it" in said.stderr
        assert "坏" in said.stderr and not (out / "summary.json").exists()

    def test_weights_that_changed_are_not_read(self, tmp_path: Path) -> None:
        found = entry(f"voice={hub_models.voice(tmp_path)}")
        with (tmp_path / "model.safetensors").open("ab") as file:
            file.write(b"\0")
        with pytest.raises(WeightsError, match="not those that the run began with"):
            load(found)
