"""Extractors by name. Built-ins and other people's go through the same door."""

from __future__ import annotations

import importlib
from collections.abc import Generator
from typing import Any, ClassVar, Protocol, TypeAlias

from triptych.errors import UsageError, WeightsError
from triptych.extract.specs import BUILTIN, PRESETS, Entry

__all__ = ["Extraction", "Extractor", "entry", "extractor_names", "load", "preset", "register"]

#: A coroutine: sent the records it takes one by one, then None; returns its tracks.
Extraction: TypeAlias = Generator[None, Any, dict[str, Any]]

_REGISTRY: dict[str, Entry] = dict(BUILTIN)


class Extractor(Protocol):
    """Holds a loaded model; a call starts on one video.

    The call is a coroutine, so that all extractors share one decode while each keeps its
    state in local variables:

        def __call__(self, *, step_s=1.0):
            rows = []
            while (frames := (yield)) is not None:
                rows.append(embed(frames))
            return {"name": FeatureTrack(...)}

    `step_s` is the length of rows in seconds, for those whose rows follow a clock; others,
    with a row a frame or a cue, ignore it.
    """

    takes: ClassVar[tuple[type, ...]]  #: records that it wants to be sent

    def __call__(self, *, step_s: float = 1.0) -> Extraction: ...


def register(new: Entry) -> None:
    """Make an extractor selectable by name; two claims on one name are an error.

    Raises:
        UsageError: another extractor has this name.
    """
    if (known := _REGISTRY.setdefault(new.name, new)) is not new:
        raise UsageError(f"the extractor name {new.name!r} is taken by {known.target}")


def extractor_names() -> tuple[str, ...]:
    """All names, in the order of the data flow for the built-ins."""
    return tuple(_REGISTRY)


def entry(name: str) -> Entry:
    """Look an extractor up.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in _REGISTRY:
        raise UsageError(f"no extractor {name!r}", remedy=f"there are {', '.join(_REGISTRY)}")
    return _REGISTRY[name]


def preset(name: str) -> tuple[Entry, ...]:
    """The extractors of a preset.

    Raises:
        UsageError: there is no such preset.
    """
    if name not in PRESETS:
        raise UsageError(f"no preset {name!r}", remedy=f"there are {', '.join(PRESETS)}")
    return tuple(entry(n) for n in PRESETS[name])


def load(name: str) -> Extractor:
    """Import an extractor and load its weights.

    Raises:
        UsageError: there is none of this name.
        WeightsError: something that it needs is not installed.
    """
    found = entry(name)
    if missing := found.missing():
        raise WeightsError(
            f"the extractor {name!r} needs {', '.join(missing)}",
            remedy=f'pip install "triptych[{found.extra}]"',
        )
    module, _, attribute = found.target.partition(":")
    loaded: Extractor = getattr(importlib.import_module(module), attribute)()
    return loaded
