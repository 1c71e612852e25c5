"""Where a model of the user's choice is found, and how its weights are known again."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import families
import synth
from command import environment
from hub import COMMIT, serving
from triptych.errors import UsageError, WeightsError
from triptych.extract import digests
from triptych.extract.fetching import fetch, wanted_files
from triptych.extract.sources import find_source, hub_folder, licence_of
from triptych.extract.unreported import forbid_reports
from triptych.extract.weights import WEIGHTS


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def folder(path: Path, **files: bytes) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (path / name.replace("__", ".")).write_bytes(content)
    return path


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache as huggingface_hub lays it out, with one model."""
    from huggingface_hub import constants

    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    model = cache / "models--maker--small"
    folder(model / "snapshots" / COMMIT, model__safetensors=b"weights", config__json=b'{"a": 1}')
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(COMMIT)
    return cache


class TestFinding:
    """A path, a package, the hub cache: in this order."""

    def test_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "权重.pt"
        path.write_bytes(b"weights")
        found = find_source(str(path))
        assert (found.kind, found.path, found.sha256) == ("path", str(path), sha(b"weights"))
        assert found.told() == {"kind": "path", "path": str(path)}
        found.check()

    def test_a_folder_and_its_settings(self, tmp_path: Path) -> None:
        made = folder(tmp_path / "m", model__safetensors=b"w", config__json=b'{"size": 3}')
        found = find_source(str(made))
        assert found.files == (str(made / "model.safetensors"),)
        assert found.data("config.json") == {"size": 3} and found.data("other.json") == {}
        assert found.digest_of("config.json") != found.digest_of("other.json")

    def test_safetensors_come_before_what_torch_saved(self, tmp_path: Path) -> None:
        made = folder(tmp_path / "m", pytorch_model__bin=b"old", model__safetensors=b"new")
        assert find_source(str(made)).sha256 == sha(b"new")

    def test_all_parts_count(self, tmp_path: Path) -> None:
        index = json.dumps({"weight_map": {"x": "b.safetensors", "y": "a.safetensors"}}).encode()
        made = folder(
            tmp_path / "m",
            model__safetensors__index__json=index,
            a__safetensors=b"a",
            b__safetensors=b"b",
        )
        found = find_source(str(made))
        assert [Path(f).name for f in found.files] == ["a.safetensors", "b.safetensors"]
        assert found.sha256 == sha(
            f"a.safetensors {sha(b'a')}\nb.safetensors {sha(b'b')}\n".encode()
        )
        (made / "b.safetensors").unlink()
        with pytest.raises(WeightsError, match=r"parts of the weights are missing: b\.safetensors"):
            find_source(str(made))

    @pytest.mark.needs("embedded")
    def test_what_a_package_ships(self) -> None:
        found = find_source("efficientnet-lite0")
        assert found.sha256 == WEIGHTS["efficientnet-lite0"].sha256
        assert found.told() == {"kind": "package", "id": "efficientnet-lite0"}

    @pytest.mark.needs("hub")
    def test_a_model_of_the_hub_cache(self, hub: Path) -> None:
        for given in ("maker/small", f"maker/small@{COMMIT}"):
            found = find_source(given)
            assert found.told() == {"kind": "hub", "id": "maker/small", "revision": COMMIT}
            assert found.sha256 == sha(b"weights") and found.data("config.json") == {"a": 1}
        assert hub_folder("maker/other") is None

    @pytest.mark.needs("hub")
    def test_a_path_comes_before_the_hub(
        self, hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder(tmp_path / "maker" / "small", model__safetensors=b"mine")
        monkeypatch.chdir(tmp_path)
        assert find_source("maker/small").sha256 == sha(b"mine")

    @pytest.mark.parametrize(
        ("given", "remedy"),
        [
            ("maker/gone", "triptych models fetch maker/gone"),
            ("/models/gone", "check the path"),
            ("gone", "check the path"),
            ("", "check the path"),
            ("x" * 5000, "check the path"),
        ],
    )
    def test_what_is_nowhere_is_said_with_its_remedy(self, given: str, remedy: str) -> None:
        with pytest.raises(WeightsError, match="is nowhere") as caught:
            find_source(given)
        assert remedy in caught.value.remedy

    def test_a_folder_without_weights_is_refused(self, tmp_path: Path) -> None:
        made = folder(tmp_path / "m", config__json=b"{}", model__ckpt=b"pickled")
        with pytest.raises(WeightsError, match="no weights in this folder"):
            find_source(str(made))

    @pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
    def test_damaged_settings_are_named(self, content: bytes, tmp_path: Path) -> None:
        made = folder(tmp_path / "m", model__safetensors=b"w", config__json=content)
        with pytest.raises(WeightsError, match=r"config\.json"):
            find_source(str(made)).data("config.json")


class TestDigests:
    """Weights are read once, and again when they change."""

    @pytest.fixture
    def weights(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A file that has been left alone for long, in a cache of its own."""
        monkeypatch.setenv("TRIPTYCH_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(digests, "_known", {})
        monkeypatch.setattr(digests, "_GRAIN_S", 0.0)
        path = tmp_path / "weights.bin"
        path.write_bytes(b"x" * (2 << 20))
        return path

    def test_another_process_need_not_read_it(
        self, weights: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = find_source(str(weights)).sha256
        monkeypatch.setattr(digests, "_known", {})
        monkeypatch.setattr(digests, "file_digest", lambda path: pytest.fail("it was read again"))
        assert find_source(str(weights)).sha256 == first

    def test_another_content_has_another_digest(self, weights: Path) -> None:
        first = find_source(str(weights))
        weights.write_bytes(b"y" * (2 << 20))
        os.utime(weights, (1, 1))
        assert find_source(str(weights)).sha256 == sha(b"y" * (2 << 20)) != first.sha256
        with pytest.raises(WeightsError, match="not those that the run began with"):
            first.check()

    @pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b"\xff"])
    def test_a_damaged_memory_costs_a_reading(
        self, weights: Path, damage: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = find_source(str(weights)).sha256
        (kept,) = (tmp_path / "cache" / "weights").iterdir()
        kept.write_bytes(damage)
        monkeypatch.setattr(digests, "_known", {})
        assert find_source(str(weights)).sha256 == first


class TestFetching:
    """The only thing that downloads."""

    def test_one_format_of_weights_is_wanted(self) -> None:
        names = ["config.json", "README.md", "model.safetensors", "pytorch_model.bin", "tf.h5"]
        parts = ["model.safetensors.index.json", "model-00001-of-00002.safetensors"]
        assert wanted_files(names) == ["README.md", "config.json", "model.safetensors"]
        assert wanted_files([*parts, "pytorch_model.bin", "vocab.txt"]) == sorted(
            [*parts, "vocab.txt"]
        )
        assert wanted_files(["pytorch_model.bin", "flax_model.msgpack"]) == ["pytorch_model.bin"]

    @pytest.mark.needs("hub")
    def test_without_a_network_it_says_what_to_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        with pytest.raises(WeightsError, match="'maker/small' cannot be fetched") as caught:
            fetch("maker/small")
        assert "check the id and the network" in caught.value.remedy

    @pytest.mark.parametrize("model", ["small", "../x/y", "nothing=maker/small"])
    def test_what_is_no_model_is_refused(self, model: str) -> None:
        with pytest.raises(UsageError, match=r"no model of the hub|no family"):
            fetch(model)


@pytest.mark.needs("hub")
def test_what_was_fetched_is_found_and_nothing_else_asks_the_network(tmp_path: Path) -> None:
    """From a server on this machine that answers as the hub does."""
    model = folder(
        tmp_path / "model",
        config__json=b'{"model_type": "clip"}',
        preprocessor_config__json=b"{}",
        tokenizer__json=b"{}",
        model__safetensors=b"weights",
        pytorch_model__bin=b"the same, as torch saves it",
        README__md=b"---\nlicense: mit\n---",
    )
    with serving(model) as (address, asked):
        env = environment(tmp_path / "cache") | {"HF_HOME": str(tmp_path / "home")}
        env |= {"HF_ENDPOINT": address, "HF_HUB_DISABLE_XET": "1"}

        def run(*command: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, *command],
                capture_output=True,
                encoding="utf-8",
                env=env,
                check=False,
            )

        code = (
            "from triptych.extract.registry import entry\n"
            "found = entry('clip=maker/small').source; print(found.told(), found.sha256)"
        )
        before = run("-c", code)
        assert "triptych models fetch maker/small" in before.stderr and not asked
        said = run("-m", "triptych", "models", "fetch", "maker/small", "--json")
        assert said.returncode == 0, said.stderr
        fetched = Path(json.loads(said.stdout)["maker/small"])
        names = {path.name for path in fetched.iterdir()}
        settings = {"config.json", "preprocessor_config.json", "tokenizer.json"}
        assert names == {*settings, "model.safetensors", "README.md"}
        assert licence_of(fetched) == "mit"
        asked.clear()
        after = run("-c", code)
        told = {"kind": "hub", "id": "maker/small", "revision": COMMIT}
        assert after.stdout.strip() == f"{told} {sha(b'weights')}", after.stderr
        assert asked == []


_LISTENING = """
import os, socket, sys

def heard(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        if getattr(args[0], "family", None) != getattr(socket, "AF_UNIX", None):
            with open(os.environ["ASKED"], "a") as file:
                print(event, args, file=file)

sys.addaudithook(heard)
"""


@pytest.mark.needs("hub")
def test_a_run_opens_no_connection_and_leaves_nothing_in_the_home_folder(tmp_path: Path) -> None:
    """Nor do its workers, or the libraries that make models ready: OpenVINO would report it."""
    folder(tmp_path / "python", sitecustomize__py=_LISTENING.encode())
    asked, home, out = tmp_path / "asked", tmp_path / "home", tmp_path / "out"
    home.mkdir()
    film = synth.scenes(tmp_path / "film.mkv", scene_s=0.5).path
    preset = tmp_path / "mine.toml"
    preset.write_text('extractors = ["shots"]')
    items = []
    for name in ("clip", "torchaudio"):
        (tmp_path / name).mkdir()
        items += ["--extract", f"{name}={families.MAKERS[name](tmp_path / name)}"]
    env = environment(tmp_path / "cache") | {"HOME": str(home), "ASKED": str(asked)}
    paths = [str(tmp_path / "python"), os.environ.get("PYTHONPATH", "")]
    env |= {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "ORT_DISABLE_TELEMETRY", "CI"):
        env.pop(name, None)

    def run(*command: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *map(str, command)],
            capture_output=True,
            encoding="utf-8",
            env=env,
            check=False,
        )

    run("-c", "import socket; socket.socket().connect_ex(('127.0.0.1', 9))")
    assert asked.exists(), "nobody listens"
    asked.unlink()
    light = ["--preset", preset, "--asr", "never", "--format", "json", "--labels", "cat,汽车"]
    said = run("-m", "triptych", "run", film, "-o", out, *light, *items)
    assert said.returncode == 0, said.stderr
    assert not asked.exists(), asked.read_text()
    assert not (home / "intel").exists()


@pytest.mark.needs("asr")
def test_onnx_runtime_makes_no_id_of_the_machine(tmp_path: Path) -> None:
    """It reports by code of its own, which no hook of Python hears."""
    env = environment() | {"HOME": str(tmp_path)}
    for name in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"):
        env.pop(name, None)
    code = (
        "import numpy, triptych.extract; from faster_whisper.vad import get_speech_timestamps; "
        "print(get_speech_timestamps(numpy.zeros(16_000, numpy.float32)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=env, check=True
    )
    assert said.stdout.strip() == "[]" and list(tmp_path.iterdir()) == []


def test_what_somebody_said_of_reports_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    monkeypatch.delenv("HF_HUB_DISABLE_TELEMETRY", raising=False)
    forbid_reports()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlanguage: zh\nlicense: mit\n---\n# x", "mit"),
        ("---\nlicense: 'apache-2.0'\n---", "apache-2.0"),
        ("# license: mit", ""),
        ("", ""),
    ],
)
def test_the_licence_is_what_the_card_says(card: str, licence: str, tmp_path: Path) -> None:
    assert licence_of(tmp_path) == ""
    (tmp_path / "README.md").write_text(card, encoding="utf-8")
    assert licence_of(tmp_path) == licence


def test_timm_s_settings_name_the_licence_where_no_card_does(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"pretrained_cfg": {"license": "apache-2.0"}}')
    assert licence_of(tmp_path) == "apache-2.0"
