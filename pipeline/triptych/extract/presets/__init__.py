"""Sets of extractors by name, each a small file: what it is for, and items as of `--extract`.

what = "Pictures and sound of our cameras"
extractors = ["image", "audio", "clip=/models/clip"]
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from triptych.errors import UsageError

__all__ = ["PRESETS", "Preset", "load_preset", "preset_items"]

#: Those that come with Triptych, the usual one first.
PRESETS = ("embedded", "full", "light", "clip", "best")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A set of extractors."""

    name: str
    what: str
    extractors: tuple[str, ...]


def load_preset(name: str) -> Preset:
    """A preset by its name, or by the path of a file of one's own.

    Raises:
        UsageError: there is none, or the file is not as it should be.
    """
    if name in PRESETS:
        return _parsed(name, (files(__name__) / f"{name}.toml").read_text(encoding="utf-8"))
    path = Path(name).expanduser()
    if path.suffix != ".toml":
        raise UsageError(
            f"no preset {name!r}", remedy=f"there are {', '.join(PRESETS)}, or a .toml file"
        )
    try:
        return _parsed(name, path.read_text(encoding="utf-8"))
    except OSError as err:
        raise UsageError(
            f"the preset cannot be read: {err.strerror or err}",
            path=name,
            remedy=f"check the path, or use {', '.join(PRESETS)}",
        ) from err


def preset_items(name: str) -> tuple[str, ...]:
    """The extractors of a preset, as they would be written after `--extract`.

    Raises:
        UsageError: as of `load_preset`.
    """
    return load_preset(name).extractors


def _parsed(name: str, text: str) -> Preset:
    try:
        data = tomllib.loads(text)
    except ValueError as err:
        raise UsageError(
            f"not valid TOML: {err}",
            path=name,
            remedy='write for example extractors = ["image", "audio"]',
        ) from err
    items, what = data.pop("extractors", None), data.pop("what", "")
    well = isinstance(items, list) and items and all(isinstance(item, str) for item in items)
    if data or not well or not isinstance(what, str):
        raise UsageError(
            "a preset is a text `what` and a list of texts `extractors`, and nothing else",
            path=name,
            remedy='for example extractors = ["image", "audio"]',
        )
    return Preset(name=name, what=what, extractors=tuple(items))
