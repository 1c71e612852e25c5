"""Extractors by name: built-ins and other people's through one door."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import synth
from command import clip
from triptych.config import ExtractConfig
from triptych.decode import open_media
from triptych.errors import UsageError, WeightsError
from triptych.extract import extractor_names, register, registry
from triptych.extract.drive import pump
from triptych.extract.presets import PRESETS, preset_items
from triptych.extract.registry import Extraction, chosen, entry, families, load
from triptych.extract.specs import BUILTIN, Entry
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

    def test_figures_that_are_no_numbers_are_not_kept(self, tmp_path: Path) -> None:
        class Failed(Brightness):
            def __call__(self, *, step_s: float = 1.0) -> Extraction:
                tracks = yield from super().__call__(step_s=step_s)
                tracks["brightness"].values[0] = np.nan
                return tracks

        path = clip(tmp_path / "film.mp4", sound=False)
        with (
            open_media(path) as media,
            pytest.raises(ValueError, match="'brightness' holds figures"),
        ):
            pump(media, {"brightness": Failed()})

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


#: What is in them; keys of what is stored rest on the specs of these.
PRESENT = {
    "embedded": ("image", "shots", "audio", "music", "speech", "sound_tags", "text"),
    "full": (
        *("image", "shots", "motion", "motion_image"),
        *("audio", "music", "speech", "sound_tags", "text"),
    ),
    "light": ("image", "shots", "audio", "text"),
}


class TestChoosing:
    """Presets, and what is added to them."""

    @pytest.mark.parametrize("name", PRESENT)
    def test_a_preset_is_its_extractors(self, name: str) -> None:
        found = chosen(ExtractConfig(preset=name))
        assert found == tuple(BUILTIN[each] for each in PRESENT[name])

    @pytest.mark.parametrize("name", PRESETS)
    def test_presets_name_what_there_is(self, name: str) -> None:
        for item in preset_items(name):
            family, _, source = item.partition("=")
            assert family in (families() if source else BUILTIN)

    def test_an_unknown_preset_lists_the_known_ones(self) -> None:
        with pytest.raises(UsageError, match="no preset 'huge'") as caught:
            chosen(ExtractConfig(preset="huge"))
        assert all(name in caught.value.remedy for name in PRESETS)

    def test_what_is_added_comes_after_the_preset_and_once(self) -> None:
        found = chosen(ExtractConfig(preset="light", add=("motion", "audio", "motion")))
        assert [e.name for e in found] == ["image", "shots", "audio", "text", "motion"]

    @pytest.mark.parametrize(
        ("item", "said", "remedy"),
        [
            ("motion=/models/x", "'motion' takes no model", "write motion"),
            ("", "no extractor ''", "there are image, "),
        ],
    )
    def test_a_wrong_item_is_refused(self, item: str, said: str, remedy: str) -> None:
        with pytest.raises(UsageError, match=said) as caught:
            chosen(ExtractConfig(add=(item,)))
        assert remedy in caught.value.remedy

    @pytest.mark.usefixtures("empty_registry")
    def test_what_is_added_must_be_installed(self) -> None:
        register(Entry(name="far", target="x:Y", specs=(), modules=("no_such",), extra="moon"))
        with pytest.raises(WeightsError, match="'far' needs no_such"):
            chosen(ExtractConfig(add=("far",)))

    @pytest.mark.usefixtures("empty_registry")
    def test_two_tracks_of_one_name_are_refused(self) -> None:
        register(Entry(name="other", target="x:Y", specs=BUILTIN["audio"].specs))
        with pytest.raises(UsageError, match="'audio' and 'other' both make tracks named 'audio'"):
            chosen(ExtractConfig(add=("other",)))


class TestOwnPreset:
    """A file of the user's own."""

    def test_it_is_read_from_its_path(self, tmp_path: Path) -> None:
        path = tmp_path / "相机.toml"
        path.write_text('what = "声音"\nextractors = ["audio", "shots"]', encoding="utf-8")
        assert [e.name for e in chosen(ExtractConfig(preset=str(path)))] == ["audio", "shots"]

    @pytest.mark.parametrize(
        "text", ["extractors = 3", "extractors = []", "extractors = [1]", "what = 'x'", "= ", "a=1"]
    )
    def test_what_it_must_be_is_said(self, text: str, tmp_path: Path) -> None:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match=r"mine\.toml"):
            chosen(ExtractConfig(preset=str(path)))

    def test_one_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="cannot be read: No such file"):
            chosen(ExtractConfig(preset=str(tmp_path / "gone.toml")))


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
