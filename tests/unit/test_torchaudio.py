"""Networks of speech by torchaudio: our rows are what the library itself says of the same sound."""

from __future__ import annotations

import contextlib
import csv
import http.server
import json
import pickle
import threading
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchaudio import models, pipelines

import hub_models
from triptych.errors import UsageError, WeightsError
from triptych.extract.families import torchaudio as family
from triptych.extract.fetching import fetch
from triptych.extract.registry import entry, load
from triptych.records import Sound
from triptych.shelf import model_lines, model_rows

START_S = 4.2
WAVE = np.random.default_rng(3).normal(0, 0.2, round(2.3 * 16_000)).astype(np.float32)


def rows_of(item: str, samples: np.ndarray) -> np.ndarray:
    coroutine = load(item)(step_s=1.0)
    next(coroutine)
    coroutine.send(Sound(samples=samples, rate_hz=16_000, start_s=START_S))
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    (track,) = done.value.value.values()
    assert track.start_s[0] == START_S
    return np.asarray(track.values)


def means(states: torch.Tensor) -> np.ndarray:
    assert len(states) == 115  # of 20 ms
    return np.stack([states[at : at + 50].mean(0).numpy() for at in (0, 50, 100)])


def heard(samples: np.ndarray) -> torch.Tensor:
    """With the 5 ms that the last state rests on."""
    return torch.from_numpy(np.pad(samples, (0, 80)))[None]


class TestFolders:
    """Networks of other sizes than the published ones."""

    @pytest.mark.parametrize("kind", ["Wav2Vec2", "WavLM"])
    def test_rows_are_means_of_the_last_layer(self, kind: str, tmp_path: Path) -> None:
        folder = hub_models.torchaudio(tmp_path, kind)
        make = {"Wav2Vec2": models.wav2vec2_model, "WavLM": models.wavlm_model}[kind]
        network = make(**json.loads((tmp_path / "config.json").read_text("utf-8"))["params"])
        network.load_state_dict(torch.load(tmp_path / "pytorch_model.bin", weights_only=True))
        with torch.inference_mode():
            layers, _ = network.eval().extract_features(heard(WAVE))
        np.testing.assert_allclose(
            rows_of(f"torchaudio={folder}", WAVE), means(layers[-1][0]), atol=1e-5
        )

    @pytest.mark.needs("hub")
    @pytest.mark.parametrize(
        ("kind", "large"),
        [("Wav2Vec2Model", False), ("HubertModel", False), ("HubertModel", True)],
    )
    def test_the_same_network_says_the_same_in_both_forms(
        self, kind: str, large: bool, tmp_path: Path
    ) -> None:
        """Converted from transformers by torchaudio itself."""
        import transformers
        from torchaudio.models.wav2vec2.utils import import_huggingface_model

        network = getattr(transformers, kind)
        more = {"do_stable_layer_norm": True, "feat_extract_norm": "layer"} if large else {}
        small = {"conv_dim": [8] * 7, "num_conv_pos_embeddings": 16, "conv_bias": large}
        small |= {"num_conv_pos_embedding_groups": 2, "hidden_size": 32, "num_hidden_layers": 2}
        torch.manual_seed(3)
        config = network.config_class(**small, **more, num_attention_heads=2, intermediate_size=48)
        theirs, ours = tmp_path / "transformers", tmp_path / "torchaudio"
        ours.mkdir()
        made = network(config).eval()
        made.save_pretrained(theirs)
        prepare = transformers.Wav2Vec2FeatureExtractor(do_normalize=False)
        prepare.save_pretrained(theirs)
        hub_models.torchaudio(ours, levelled=large)
        told = json.loads((ours / "config.json").read_text("utf-8"))
        (ours / "config.json").write_text(json.dumps(told | {"normalize_waveform": False}))
        state = import_huggingface_model(made).state_dict()
        torch.save(state, ours / "pytorch_model.bin")
        found = rows_of(f"torchaudio={ours}", WAVE)
        np.testing.assert_allclose(found, rows_of(f"voice={theirs}", WAVE), atol=1e-5)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"model_type": "hubert"}, "does not say which network"),
            ({"params": None}, "does not say which network"),
            ({"params": {"extractor_conv_layer_config": [[8, 10]]}}, "does not say which network"),
            ({"params": {"extractor_conv_layer_config": [[8, 10, 7]]}}, "encoder_embed_dim"),
            ({"sample_rate": 8000}, "16 kHz"),
        ],
    )
    def test_other_descriptions_are_refused(
        self, change: dict[str, Any], message: str, tmp_path: Path
    ) -> None:
        folder = hub_models.torchaudio(tmp_path)
        told = json.loads((tmp_path / "config.json").read_text("utf-8"))
        (tmp_path / "config.json").write_text(json.dumps(told | change))
        with pytest.raises(WeightsError, match=message):
            entry(f"torchaudio={folder}")

    def test_weights_of_other_sizes_are_refused(self, tmp_path: Path) -> None:
        folder = hub_models.torchaudio(tmp_path)
        for change in ({"encoder_num_layers": 3}, {"encoder_num_heads": 3}, {"strange": 1}):
            told = json.loads((tmp_path / "config.json").read_text("utf-8"))
            changed = told | {"params": told["params"] | change}
            (tmp_path / "config.json").write_text(json.dumps(changed))
            with pytest.raises(WeightsError, match="these are no weights of 'Wav2Vec2'"):
                load(f"torchaudio={folder}")
            (tmp_path / "config.json").write_text(json.dumps(told))

    def test_a_pickle_is_not_run(self, tmp_path: Path) -> None:
        class Harm:
            def __reduce__(self) -> tuple[Any, ...]:
                return Path.touch, (tmp_path / "harm",)

        folder = hub_models.torchaudio(tmp_path)
        (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({"a": Harm()}))
        with pytest.raises(WeightsError, match="without risk"):
            load(f"torchaudio={folder}")
        assert not (tmp_path / "harm").exists()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torch's hub keeps files."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    place = tmp_path / "hub" / "checkpoints"
    place.mkdir(parents=True)
    return place


class TestBundles:
    """Published networks by name."""

    def test_the_table_is_torchaudio_s_own(self) -> None:
        text = (files("triptych.extract.families") / "torchaudio_bundles.tsv").read_text("utf-8")
        rows = csv.DictReader([x for x in text.splitlines() if x[0] != "#"], delimiter="\t")
        table = {row["name"]: row for row in rows}
        kind = pipelines.Wav2Vec2Bundle
        bundles = {n: b for n, b in vars(pipelines).items() if isinstance(b, kind)}
        assert bundles.keys() - table.keys() == {"MMS_FA"}
        names = {"MIT": "MIT License", "CC-BY-NC-4.0": "CC BY-NC 4.0"}
        for name, row in table.items():
            bundle = bundles[name]
            assert (row["file"], int(row["dim"])) == (
                bundle._path, bundle._params["encoder_embed_dim"],
            )  # fmt: skip
            layers = bundle._params["extractor_conv_layer_config"]
            assert [list(layer) for layer in layers] == family._LAYERS
            assert bundle.sample_rate == 16_000 and bundle._model_type in family.FACTORIES
            assert names[row["licence"]] in bundle.__doc__

    @pytest.mark.parametrize(
        "name", ["HUBERT_BASE", "WAV2VEC2_ASR_LARGE_LV60K_10M", "WAVLM_BASE_PLUS"]
    )
    def test_rows_are_what_the_bundle_says(
        self, name: str, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of a single layer, or the file would be too large for a test."""
        bundle = getattr(pipelines, name)
        monkeypatch.setitem(bundle._params, "encoder_num_layers", 1)
        make = {"Wav2Vec2": models.wav2vec2_model, "WavLM": models.wavlm_model}
        torch.manual_seed(3)
        state = make[bundle._model_type](**bundle._params).state_dict()
        if bundle._params["aux_num_out"]:  # published with more letters than are used
            state["aux.weight"] = torch.randn(32, state["aux.weight"].shape[1])
            state["aux.bias"] = torch.randn(32)
        torch.save(state, home / bundle._path)
        network = bundle.get_model()
        with torch.inference_mode():
            layers, _ = network.extract_features(heard(WAVE))
            states = layers[-1][0]
            if bundle._params["encoder_layer_norm_first"]:
                states = network.model.encoder.transformer.layer_norm(states)
        assert bundle._normalize_waveform == (name == "WAV2VEC2_ASR_LARGE_LV60K_10M")
        found = rows_of(f"torchaudio={name}", WAVE)
        np.testing.assert_allclose(found, means(states), atol=1e-5)
        own = home / "我的.pth"  # as somebody saves what get_model made
        torch.save(network.state_dict(), own)
        (home / bundle._path).unlink()
        assert np.array_equal(rows_of(f"torchaudio={name}:{own}", WAVE), found)

    def test_its_weights_must_be_fetched_first(self, home: Path) -> None:
        with pytest.raises(WeightsError, match="torchaudio's 'HUBERT_BASE' are not in") as caught:
            entry("torchaudio=HUBERT_BASE")
        assert caught.value.remedy == "triptych models fetch torchaudio=HUBERT_BASE"

    @pytest.mark.parametrize("given", ["HUBERT", "", "MMS_FA", "HUBERT:/models/x.pth"])
    def test_an_unknown_network_lists_the_known_ones(self, given: str) -> None:
        with pytest.raises(UsageError) as caught:
            entry(f"torchaudio={given}")
        assert not given or "WAVLM_LARGE" in caught.value.remedy

    def test_weights_of_another_network_are_refused(self, tmp_path: Path) -> None:
        torch.save({"strange": torch.zeros(1)}, tmp_path / "other.pth")
        with pytest.raises(WeightsError, match="no weights of 'HUBERT_BASE'"):
            load(f"torchaudio=HUBERT_BASE:{tmp_path / 'other.pth'}")

    def test_licences_are_said_before_anything_is_fetched(self, home: Path) -> None:
        said = "\n".join(model_lines(model_rows()))
        fetch_it = "triptych models fetch torchaudio=HUBERT_BASE"
        assert f"torchaudio=HUBERT_BASE: MIT, not here: {fetch_it}" in said
        (home / "hubert_fairseq_base_ls960.pth").write_bytes(b"here")
        assert "torchaudio=HUBERT_BASE: MIT\n" in "\n".join(model_lines(model_rows()))


@contextlib.contextmanager
def serving(content: bytes, *, told: int) -> Iterator[str]:
    """A server that sends `content`, of which it says that it is so many bytes."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(told))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


class TestFetching:
    """Into the cache of torch's hub, from a server on this machine."""

    @pytest.fixture
    def weights(self, tmp_path: Path) -> bytes:
        torch.save({"a": torch.randn(5000)}, tmp_path / "weights")
        return (tmp_path / "weights").read_bytes()

    def test_what_was_fetched_is_found(
        self, weights: bytes, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with serving(weights, told=len(weights)) as address:
            monkeypatch.setattr(family, "_ADDRESS", address)
            path = Path(fetch("torchaudio=HUBERT_BASE"))
        assert path == home / "hubert_fairseq_base_ls960.pth" and path.read_bytes() == weights
        assert fetch("torchaudio=HUBERT_BASE") == str(path)  # nobody is asked
        source = entry("torchaudio=HUBERT_BASE").source
        assert source is not None and source.told() == {
            "kind": "hub", "id": "torchaudio/HUBERT_BASE", "revision": path.name,
        }  # fmt: skip
        assert list(home.iterdir()) == [path]

    @pytest.mark.parametrize("kept", [3000, 0])
    def test_half_of_a_file_is_not_kept(
        self, kept: int, weights: bytes, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with serving(weights[:kept], told=len(weights)) as address:
            monkeypatch.setattr(family, "_ADDRESS", address)
            with pytest.raises(WeightsError, match="'HUBERT_BASE' cannot be fetched"):
                fetch("torchaudio=HUBERT_BASE")
        assert list(home.iterdir()) == []

    def test_what_would_run_code_is_not_kept(
        self, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Harm:
            def __reduce__(self) -> tuple[Any, ...]:
                return Path.touch, (tmp_path / "harm",)

        content = pickle.dumps(Harm())
        with serving(content, told=len(content)) as address:
            monkeypatch.setattr(family, "_ADDRESS", address)
            with pytest.raises(WeightsError, match="'HUBERT_BASE' cannot be fetched"):
                fetch("torchaudio=HUBERT_BASE")
        assert list(home.iterdir()) == [] and not (tmp_path / "harm").exists()

    @pytest.mark.parametrize("item", ["torchvision=resnet18", "video=mc3_18"])
    def test_a_file_with_another_digest_is_not_kept(
        self, item: str, weights: bytes, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from torchvision.models import get_model_weights

        told = get_model_weights(item.partition("=")[2]).DEFAULT.value
        with serving(weights, told=len(weights)) as address:
            monkeypatch.setattr(told, "url", address + told.url.rpartition("/")[2])
            with pytest.raises(WeightsError, match=r"cannot be fetched: invalid hash value"):
                fetch(item)
        assert list(home.iterdir()) == []

    def test_without_a_network_it_says_what_to_do(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(family, "_ADDRESS", "http://127.0.0.1:9/")
        with pytest.raises(WeightsError, match="cannot be fetched") as caught:
            fetch("torchaudio=HUBERT_BASE")
        assert "torchaudio=NAME:FILE" in caught.value.remedy
