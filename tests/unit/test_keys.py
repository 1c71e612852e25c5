"""A key changes with everything that could change an entry's bytes, and with nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from triptych.decode.spectrogram import HOP, N_FFT, N_MELS, RATE_HZ
from triptych.errors import InputError
from triptych.extract.registry import entry, extractor_names
from triptych.features import entry_key, file_digest

MEDIA = "ab" * 32
RECIPE = {"spec": {"name": "image", "version": 1, "options": {"a": 1}}, "fps": 1.0}


def test_the_key_names_the_maker() -> None:
    key = entry_key("image", MEDIA, RECIPE)
    name, _, digest = key.rpartition("-")
    assert name == "image" and len(digest) == 32 and int(digest, 16) >= 0


@pytest.mark.parametrize(
    "other",
    [
        ("image_labels", MEDIA, RECIPE),
        ("image", "cd" * 32, RECIPE),
        ("image", MEDIA, {**RECIPE, "fps": 2.0}),
        ("image", MEDIA, {**RECIPE, "new": None}),
        ("image", MEDIA, {**RECIPE, "spec": {**RECIPE["spec"], "version": 2}}),
        ("image", MEDIA, {**RECIPE, "spec": {**RECIPE["spec"], "options": {"a": 2}}}),
    ],
)
def test_every_part_counts(other: tuple) -> None:
    assert entry_key("image", MEDIA, RECIPE) != entry_key(*other)


def test_the_layout_of_entries_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = entry_key("image", MEDIA, RECIPE)
    monkeypatch.setattr("triptych.features.keys.LAYOUT", 2)
    assert entry_key("image", MEDIA, RECIPE) != before


def test_a_known_key_stays() -> None:
    # Another value here means that every cache in the world is made anew: raise LAYOUT, say so.
    assert entry_key("image", MEDIA, RECIPE) == "image-7ef0a8b65c7d5b7693e89c4bff33ace0"


def test_numbers_that_json_does_not_know_are_refused() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        entry_key("image", MEDIA, {"fps": float("nan")})


def test_all_built_in_specs_have_different_keys() -> None:
    specs = [spec for name in extractor_names() for spec in entry(name).specs]
    assert len({entry_key("x", MEDIA, {"spec": s.recipe()}) for s in specs}) == len(specs)


@pytest.mark.parametrize("name", ["audio", "speech"])
def test_the_parameters_of_the_spectrogram_are_part_of_the_key(name: str) -> None:
    (spec,) = entry(name).specs
    parameters = spec.recipe()["options"]["log_mel"]
    assert (parameters["rate_hz"], parameters["n_fft"]) == (RATE_HZ, N_FFT)
    assert (parameters["hop"], parameters["n_mels"]) == (HOP, N_MELS)
    keys = {entry_key(name, MEDIA, {"spec": spec.recipe()})}
    for parameter in parameters:
        other = {**spec.options, "log_mel": {**parameters, parameter: 0}}
        keys.add(entry_key(name, MEDIA, {"spec": replace(spec, options=other).recipe()}))
    assert len(keys) == 1 + len(parameters)


@pytest.mark.parametrize("size", [0, 1, 65_536, 1_000_003])
def test_a_files_digest_is_its_sha256(tmp_path: Path, size: int) -> None:
    content = bytes(i % 251 for i in range(size))
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    assert file_digest(path) == hashlib.sha256(content).hexdigest()


def test_a_name_is_no_part_of_the_digest(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mkv"):
        (tmp_path / name).write_bytes(b"same")
    assert file_digest(tmp_path / "a.mp4") == file_digest(str(tmp_path / "b.mkv"))


def test_a_missing_file_has_no_digest(tmp_path: Path) -> None:
    for path in (tmp_path / "none.mp4", tmp_path):
        with pytest.raises(InputError) as caught:
            file_digest(path)
        assert caught.value.path == str(path) and caught.value.remedy
