"""Samples of labelled videos: what they are made with, and when they are made again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import synth
from labelled import coloured
from triptych.config import Config, load_config
from triptych.features import FeatureStore, words
from triptych.features.index import DigestIndex
from triptych.inputs import Source, find_sources
from triptych.learn.dataset import Dataset, Item, read_dataset
from triptych.learn.examples import Names, identify, load_sample, sample_key, sample_recipe
from triptych.prepare import Silent
from triptych.records import Sample
from triptych.samples import fitting_config, gather_samples, identify_all

LIGHT = ("train.preset=light", "extract.asr=never")


def dataset(root: Path) -> Dataset:
    return read_dataset(find_sources([root], out=Path("nowhere")))


def fitted(root: Path, *assignments: str) -> Config:
    items = dataset(root).items
    config = load_config(assignments=assignments)
    return fitting_config(items, identify_all(items), config=config)


# Steps and frames


@pytest.fixture(scope="module")
def lengths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of 1, 7 and 20 s, and a file that cannot be opened."""
    root = tmp_path_factory.mktemp("lengths")
    for i, seconds in enumerate((1.0, 7.2, 20.0)):
        path = root / "a" / f"{i}.mkv"
        path.parent.mkdir(exist_ok=True)
        synth.write(path, times=synth.steady(seconds, 2), picture=lambda _: synth.plain(synth.RED))
    (root / "a" / "bad.mp4").write_bytes(b"no film")
    return root


def test_a_middling_clip_has_a_dozen_steps(lengths: Path, scratch_cache: Path) -> None:
    config = fitted(lengths)
    assert config.extract.step_s in (0.55, 0.6)  # 7.2 s / 12; the last frame's length is a guess
    assert config.decode.fps == pytest.approx(1 / config.extract.step_s, abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "step_s", "fps"),
    [
        (("train.step_s=0.5",), 0.5, 2.0),
        (("extract.step_s=0.5",), 0.5, 2.0),
        (("train.step_s=1", "train.fps=1"), 1.0, 1.0),
        (("train.step_s=0.5", "decode.fps=3"), 0.5, 3.0),
        (("train.step_s=2", "extract.step_s=0.5", "train.fps=4", "decode.fps=3"), 2.0, 4.0),
    ],
)
def test_what_was_asked_for_is_kept(
    lengths: Path, settings: tuple[str, ...], step_s: float, fps: float
) -> None:
    config = fitted(lengths, *settings)
    assert (config.extract.step_s, config.decode.fps) == (step_s, fps)


def test_windows_count_with_their_own_lengths(lengths: Path, scratch_cache: Path) -> None:
    manifest = lengths / "set.csv"
    manifest.write_text("path,label,start,end\na/2.mkv,x,2,8\na/2.mkv,y,17,99\na/2.mkv,x,1,7\n")
    assert fitted(manifest).extract.step_s == 0.5  # of 6, under 3 and 6 s
    manifest.unlink()


def test_without_a_recogniser_speech_is_never_recognised(
    lengths: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fitted(lengths, "train.step_s=1", "extract.asr=never").extract.asr == "never"
    monkeypatch.setitem(words._NEEDS, "asr", ("a_module_that_nobody_has",))
    assert fitted(lengths, "train.step_s=1", "extract.asr=always").extract.asr == "never"


# What is kept


def key_of(path: Path, config: Config) -> str:
    source = Source(path=path, relative=path.name)  # type: ignore[arg-type]
    with DigestIndex() as digests:
        row = identify(source, names=Names(), digests=digests)
    return sample_key(row, source, recipe=sample_recipe(config))


@pytest.mark.parametrize(
    "setting",
    ["decode.fps=2", "extract.step_s=0.5", "extract.preset=light", "predict.language=zh"],
)
def test_a_sample_is_made_again_when_anything_changes(tmp_path: Path, setting: str) -> None:
    film = tmp_path / "a.mp4"
    film.write_bytes(b"whatever")
    before = key_of(film, Config())
    assert key_of(film, load_config(assignments=(setting,))) != before
    film.write_bytes(b"something else")
    assert key_of(film, Config()) != before


def test_subtitles_beside_a_film_count(tmp_path: Path) -> None:
    film = tmp_path / "a.mp4"
    film.write_bytes(b"whatever")
    before = key_of(film, Config())
    (tmp_path / "b.srt").touch()
    assert key_of(film, Config()) == before
    (tmp_path / "a.zh.srt").write_text("1")
    assert (one := key_of(film, Config())) != before
    (tmp_path / "a.zh.srt").write_text("2")
    assert key_of(film, Config()) not in (before, one)


def test_what_does_not_change_it_does_not_count(tmp_path: Path) -> None:
    film = tmp_path / "a.mp4"
    film.write_bytes(b"whatever")
    before = key_of(film, Config())
    moved = film.rename(tmp_path / "b.mp4")
    settings = ("runner.workers=2", "predict.top=3", "train.seed=1", "report.formats=md")
    assert key_of(moved, load_config(assignments=settings)) == before


@pytest.mark.needs("embedded")
def test_a_kept_sample_is_all_that_is_read(
    tmp_path: Path, scratch_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for label in ("红", "蓝"):
        for seed in range(2):
            coloured(tmp_path / "clips" / label / f"{seed}.mp4", label, seed=70 + seed)
    items = dataset(tmp_path / "clips").items
    rows = identify_all(items)
    config = fitting_config(items, rows, config=load_config(assignments=LIGHT))
    first = gather_samples(items, rows, config=config, listener=Silent())
    assert first.states["done"] == 4 and len(first.samples) == 4
    only = tmp_path / "cache"
    monkeypatch.setenv("TRIPTYCH_CACHE", str(only))
    for sample, row in zip(first.samples, first.rows, strict=True):
        FeatureStore().put(row["key"], sample)
    again = gather_samples(items, rows, config=config, listener=Silent())
    assert again.states["cached"] == 4
    for a, b in zip(first.samples, again.samples, strict=True):
        assert list(a.timeline.values) == list(b.timeline.values) == ["audio", "image"]
        assert all(np.array_equal(v, b.timeline.values[n]) for n, v in a.timeline.values.items())
    assert {p.name.partition("-")[0] for p in (only / "features").rglob("*.*")} == {"sample"}


def test_a_thousand_samples_are_read_in_about_a_second(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tracks = {"image": 1280, "motion": 30, "audio": 206, "speech": 512, "text": 512}
    values: dict[str, Any] = {n: (rng.normal(size=(12, d)), [True] * 12) for n, d in tracks.items()}
    sample = Sample(
        timeline=synth.timeline(values),
        words=("a", "few", "words"),
        picture=rng.integers(0, 256, (64, 64, 3), np.uint8),
    )
    store = FeatureStore(tmp_path)
    keys = [f"sample-{i:032x}" for i in range(1000)]
    for key in keys:
        store.put(key, sample)
    began = time.process_time()
    assert all(load_sample(store, key) for key in keys)
    assert time.process_time() - began < 3.0  # 0.3 s where nothing else runs


# Files that cannot be read


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_a_file_that_cannot_be_read_is_a_row(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.mp4"
    if kind == "folder":
        path.mkdir()
    source = Source(path=path, relative=path.name)  # type: ignore[arg-type]
    (row,) = identify_all([Item(source=source, labels=("x",))])
    assert row["state"] == "failed" and row["stage"] == "read" and row["remedy"]
    found = gather_samples([Item(source=source)], [row], config=Config(), listener=Silent())
    assert found.items == () and found.failures[0]["path"] == str(path)
