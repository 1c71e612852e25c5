"""A model is only as good as its features: they must be made as they were for its training.

Plain data and the standard library: a run in which nothing is new answers without torch.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from triptych.config import Config
from triptych.errors import UsageError
from triptych.extract.registry import chosen
from triptych.features.recipe import features_recipe

__all__ = ["FOLLOWED", "adopted", "gives_labels", "is_model", "model_digest"]

#: Settings that follow the model: (section, key).
FOLLOWED = (
    ("decode", "fps"),
    ("decode", "short_side"),
    ("extract", "preset"),
    ("extract", "asr"),
    ("extract", "ocr"),
    ("extract", "language"),
    ("extract", "step_s"),
)
_FILES = ("config.json", "labels.json", "model.safetensors")
_AGAIN = "train the model again, or use the Triptych that it was trained with"


def is_model(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a trained model, by its files' names."""
    return all((_at(folder) / name).is_file() for name in _FILES)


def model_digest(folder: str | os.PathLike[str]) -> str:
    """sha256 over all that the answers of a model depend on.

    Raises:
        UsageError: it is no model, or cannot be read.
    """
    whole = hashlib.sha256()
    for name in _FILES:
        whole.update(hashlib.sha256(_content(_at(folder), name)).digest())
    return whole.hexdigest()


def gives_labels(folder: str | os.PathLike[str]) -> bool:
    """Whether labels are those of the model of a folder; not of one of importance, nor of none."""
    if not os.fspath(folder):
        return False
    try:
        task = json.loads(_content(_at(folder), "labels.json")).get("task")
    except (AttributeError, ValueError):  # damaged, which is said where it is read whole
        return True
    return bool(task != "importance")


def adopted(config: Config, *, given: Collection[tuple[str, str]] = ()) -> Config:
    """The configuration that `predict.model` needs; the same one where there is no model.

    Args:
        config: what was asked for.
        given: settings that were asked for outright. One that has its default may not have been.

    Raises:
        UsageError: it is no model; what was asked for, or what is installed, does not fit it.
    """
    folder = _at(config.predict.model)
    if not config.predict.model:
        return config
    asked_for = config.predict.labels != Config().predict.labels or ("predict", "labels") in given
    if asked_for and gives_labels(folder):
        raise UsageError(
            "labels and a model cannot both be asked for",
            remedy="leave the labels out: a trained model has its own",
        )
    tracks, features = _read(folder)
    wanted = {s: dict(features[s]) for s in ("decode", "extract")}
    wanted["extract"]["step_s"] = features["step_s"]
    sections: dict[str, dict[str, Any]] = {"decode": {}, "extract": {}}
    for section, key in FOLLOWED:
        default = getattr(getattr(Config(), section), key)
        needed = wanted[section].get(key, default)
        asked = getattr(getattr(config, section), key)
        if asked != needed and (asked != default or (section, key) in given):
            raise UsageError(
                f"the model was trained with {section}.{key} = {needed!r}, "
                f"not {asked!r} as is asked for",
                path=folder,
                remedy="leave that setting out, or train a model with it",
            )
        sections[section][key] = needed
    sections["extract"]["add"] = _added(config, wanted["extract"].get("add", ()))
    fitting = dataclasses.replace(
        config,
        decode=dataclasses.replace(config.decode, **sections["decode"]),
        extract=dataclasses.replace(config.extract, **sections["extract"]),
    )
    for what, remedy in _differences(tracks, features, fitting):
        raise UsageError(what, path=folder, remedy=remedy)
    return fitting


def _added(config: Config, needed: Iterable[str]) -> tuple[str, ...]:
    """The model's own extractors, and those asked for; a model may lie elsewhere by now."""
    asked = {item.partition("=")[0]: item for item in config.extract.add}
    return tuple({**{item.partition("=")[0]: item for item in needed}, **asked}.values())


def _at(folder: str | os.PathLike[str]) -> Path:
    return Path(os.path.expanduser(os.fspath(folder)))


def _read(folder: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The tracks that the model reads, and how all features were made for it."""
    try:
        data = json.loads(_content(folder, "config.json"))
        tracks, features = data["tracks"], data["features"]
        weights = hashlib.sha256(_content(folder, "model.safetensors")).hexdigest()
        if data.get("weights_sha256", weights) != weights:
            raise UsageError(
                "model.safetensors is damaged, or of another model",
                path=folder,
                remedy="copy the folder again, or train the model again",
            )
        for part in (tracks, features):
            if not isinstance(part, dict):
                raise TypeError("a table is missing")
        if not features:
            raise UsageError(
                "it does not say how its features were made, so they cannot be made for it",
                path=folder,
                remedy="use a model that `triptych train` made",
            )
        {s: features[s][k] for s, k in FOLLOWED if k not in ("step_s", "ocr")}, features["step_s"]
        features["tracks"].keys(), features["decode"]["version"]
    except (AttributeError, KeyError, TypeError, ValueError) as err:
        if isinstance(err, UsageError):
            raise
        raise UsageError(
            f"config.json of the model is damaged: {type(err).__name__}: {err}",
            path=folder,
            remedy="copy the folder again, or train the model again",
        ) from err
    return tracks, features


def _content(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as err:
        if folder.is_dir() and isinstance(err, FileNotFoundError):
            what = f"no trained model: it has no {name}"
        else:
            what = f"the model cannot be read: {err.strerror}"
        raise UsageError(
            what, path=folder, remedy="give a folder that `triptych train -o` made"
        ) from err


def _differences(
    tracks: Mapping[str, Any], features: Mapping[str, Any], config: Config
) -> Iterator[tuple[str, str]]:
    """What is not as it was when the model was trained, and what to do about it."""
    now = features_recipe(config)
    if features["decode"]["version"] != now["decode"]["version"]:
        yield "the model was trained on videos that were decoded in another way", _AGAIN
    for name in tracks:
        then, here = features["tracks"].get(name), now["tracks"].get(name)
        if then is None:
            yield f"the model does not say how {name!r} was made", _AGAIN
        elif here is None:
            yield _absent(name, config)
        elif then != here:
            parts = [k for k in sorted(then.keys() | here.keys()) if then.get(k) != here.get(k)]
            said = ", ".join(f"{k} {_short(then.get(k))}, now {_short(here.get(k))}" for k in parts)
            yield f"the model was trained with another {name!r}: {said}", _AGAIN
    hears = features.get("speech")
    if hears and not now["speech"]:
        yield (
            "the model was trained on recognised speech, which is not installed here",
            'pip install "triptych[asr,embedded]"',
        )
    elif hears and hears != now["speech"]:
        yield "the model was trained with another recogniser of speech", _AGAIN
    reads = features.get("captions")
    if reads and "captions" not in now:
        yield (
            "the model was trained on burned-in captions, which cannot be read here",
            'pip install "triptych[ocr]"',
        )
    elif reads and reads != now["captions"]:
        yield "the model was trained with another reader of captions", _AGAIN


def _absent(name: str, config: Config) -> tuple[str, str]:
    for entry in chosen(config.extract):
        if any(spec.name == name for spec in entry.specs) and (missing := entry.missing()):
            return (
                f"the model reads {name!r}, which needs {', '.join(missing)}",
                f'pip install "triptych[{entry.extra}]"',
            )
    return f"the model reads {name!r}, which this Triptych does not make", _AGAIN


def _short(value: object) -> str:
    text = str(value) or "none"
    return f"{text[:8]}..." if len(text) == 64 else text
