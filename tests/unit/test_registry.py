"""Extractors by name: built-ins and other people's through one door."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

import synth
from triptych.errors import UsageError, WeightsError
from triptych.extract import extractor_names, register, registry
from triptych.extract.registry import Extraction, entry, load, preset
from triptych.extract.specs import BUILTIN, PRESETS, Entry
from triptych.records import Frames, Spec

BRIGHTNESS = Spec(name="brightness", version=1, modality="image", dim=1)


class Brightness:
    """Somebody else's extractor."""

    takes = (Frames,)

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        rows, times = [], []
        while (frames := (yield)) is not None:
            rows += frames.rgb.mean(axis=(1, 2, 3)).tolist()
            times += frames.pts_s.tolist()
        ends = [*times[1:], times[-1] + 1.0] if times else []
        return {"brightness": synth.track(np.array(rows)[:, None], times, ends, spec=BRIGHTNESS)}


MINE = Entry(name="brightness", target=f"{__name__}:Brightness", specs=(BRIGHTNESS,))


@pytest.fixture
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is registered in a test is forgotten after it."""
    monkeypatch.setattr(registry, "_REGISTRY", dict(BUILTIN))
    yield


@pytest.mark.usefixtures("empty_registry")
class TestRegistering:
    """Another extractor."""

    def test_it_is_found_and_loaded_like_the_built_ins(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        register(MINE)
        assert extractor_names() == (*BUILTIN, "brightness")
        assert entry("brightness") is MINE
        assert isinstance(load("brightness"), Brightness)

    def test_twice_the_same_is_no_conflict(self) -> None:
        register(MINE)
        register(MINE)
        assert extractor_names().count("brightness") == 1

    def test_a_taken_name_is_refused(self) -> None:
        with pytest.raises(UsageError, match=r"'image' is taken by triptych\.extract\.image"):
            register(Entry(name="image", target="mine:Image", specs=()))
        assert entry("image") is BUILTIN["image"]

    def test_what_is_not_installed_is_said_with_its_remedy(self) -> None:
        register(
            Entry(name="far", target="x:Y", specs=(), modules=("no_such_module",), extra="moon")
        )
        with pytest.raises(WeightsError, match="needs no_such_module") as caught:
            load("far")
        assert caught.value.remedy == 'pip install "triptych[moon]"'


def test_an_unknown_name_lists_the_known_ones() -> None:
    for look in (entry, load):
        with pytest.raises(UsageError, match="no extractor 'imgae'") as caught:
            look("imgae")
        assert all(name in caught.value.remedy for name in BUILTIN)


def test_presets_name_existing_extractors() -> None:
    for name in PRESETS:
        assert [e.name for e in preset(name)] == list(PRESETS[name])
    with pytest.raises(UsageError, match="no preset 'huge'") as caught:
        preset("huge")
    assert "embedded" in caught.value.remedy


def test_every_entry_says_what_it_is() -> None:
    names = [spec.name for found in BUILTIN.values() for spec in found.specs]
    assert len(set(names)) == len(names), "two extractors make tracks of one name"
    for name, found in BUILTIN.items():
        assert found.name == name and found.what and found.specs
        assert bool(found.extra) == bool(found.modules)
        for spec in found.specs:
            assert spec.version >= 1 and spec.dim >= 1
            assert len(spec.columns) in (0, spec.dim)
            assert found.modules or not spec.weights, "a model's weights come in a package"


@pytest.mark.parametrize("name", BUILTIN)
def test_a_recipe_reads_the_same_before_and_after_the_store(name: str) -> None:
    """The store sorts keys, and answers are made of what it gives back."""
    for spec in BUILTIN[name].specs:
        options = spec.recipe()["options"]
        assert json.dumps(options) == json.dumps(options, sort_keys=True)
