"""Extractors by name. Built-ins, families and other people's go through the same door.

An item of `--extract`, of `extract.add` and of a preset is `NAME`, or `FAMILY=SOURCE` where a
model must be named; `triptych.extract.families` says how a family is added.
"""

from __future__ import annotations

import importlib
from collections.abc import Generator, Iterator
from typing import Any, ClassVar, Protocol, TypeAlias

from triptych.config import ExtractConfig
from triptych.errors import UsageError, WeightsError
from triptych.extract.families import Family, builtin_families
from triptych.extract.plugins import plugin, plugin_points
from triptych.extract.presets import preset_items
from triptych.extract.specs import BUILTIN, Entry, missing_modules
from triptych.spec import Modality

__all__ = [
    "Extraction",
    "Extractor",
    "chosen",
    "entry",
    "extractor_names",
    "families",
    "load",
    "register",
    "track_modalities",
]

#: A coroutine: sent the records it takes one by one, then None; returns its tracks.
Extraction: TypeAlias = Generator[None, Any, dict[str, Any]]

_REGISTRY: dict[str, Entry | Family] = dict(BUILTIN)


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
    with a row a frame or a cue, ignore it. One that takes `Sound` at another rate than 16 kHz
    says so in `rate_hz`, and one that takes `Footage` in `footage`: pictures a second, and pixels of
    their short side. One of a family is made with its `Source`.
    """

    takes: ClassVar[tuple[type, ...]]  #: records that it wants to be sent

    def __call__(self, *, step_s: float = 1.0) -> Extraction: ...


def register(new: Entry | Family) -> None:
    """Make an extractor or a family selectable by name; two claims on one name are an error.

    Packages do so by an entry point instead, see `triptych.extract.plugins`.

    Raises:
        UsageError: another extractor has this name.
    """
    known = builtin_families().get(new.name) or _REGISTRY.setdefault(new.name, new)
    if known is not new:
        taken = known.target if isinstance(known, Entry) else "a family of models"
        raise UsageError(f"the extractor name {new.name!r} is taken by {taken}")


def extractor_names() -> tuple[str, ...]:
    """All that can be selected without naming a model; built-ins in the order of the data flow."""
    return tuple(name for name, found in _REGISTRY.items() if isinstance(found, Entry))


def families() -> dict[str, Family]:
    """All families but those of packages, by name."""
    registered = {name: f for name, f in _REGISTRY.items() if isinstance(f, Family)}
    return {**builtin_families(), **registered}


def entry(item: str) -> Entry:
    """The extractor that an item stands for; of a family its model is looked up.

    Raises:
        UsageError: there is none of this name, or a model is named where none belongs.
        WeightsError: the model that it names is nowhere.
    """
    name, sign, source = item.partition("=")
    name, source = name.strip(), source.strip()
    found = _REGISTRY.get(name) or builtin_families().get(name) or plugin(name)
    if found is None:
        known = ", ".join([*extractor_names(), *(f"{n}=..." for n in families()), *plugin_points()])
        raise UsageError(f"no extractor {name!r}", remedy=f"there are {known}")
    if isinstance(found, Entry):
        if sign:
            raise UsageError(f"the extractor {name!r} takes no model", remedy=f"write {name}")
        return found
    if not source:
        raise UsageError(
            f"{name!r} does not say with which model",
            remedy=f"write {name}=MODEL, for example {name}={found.examples[0]}",
        )
    _require_modules(name, found)
    return found.describe(source)


def chosen(config: ExtractConfig) -> tuple[Entry, ...]:
    """The extractors of a configuration: those of its preset, and what is added to it.

    What is added takes the place of what the preset has of the same name. Of a preset, built-ins
    may be there that are not installed (`Entry.missing`): a run goes on without them, and says so.

    Raises:
        UsageError: no such preset or extractor, one family with two models, or two extractors
            that make tracks of one name.
        WeightsError: a model that is named is nowhere, or what is added is not installed.
    """
    added = _by_name(config.add)
    items = _by_name(preset_items(config.preset)) | added
    found = tuple(entry(item) for item in items.values())
    for each in found:
        if each.name in added:
            _require_modules(each.name, each)
    made: dict[str, str] = {}
    for each in found:
        for spec in each.specs:
            if (other := made.setdefault(spec.name, each.name)) != each.name:
                raise UsageError(
                    f"{other!r} and {each.name!r} both make tracks named {spec.name!r}",
                    remedy="leave one of them out",
                )
    return found


def track_modalities() -> dict[str, Modality]:
    """Names of all tracks that some extractor of this machine can make, and what each is about."""
    found: dict[str, Modality] = {}
    for each in _everything():
        if isinstance(each, Entry):
            found |= {spec.name: spec.modality for spec in each.specs}
        else:
            found |= each.tracks
    return found


def load(wanted: str | Entry) -> Extractor:
    """Import an extractor and load its weights.

    Args:
        wanted: an item such as "image" or "clip=/models/clip", or what `entry` made of it.

    Raises:
        UsageError: there is none of this name.
        WeightsError: something that it needs is not installed.
    """
    found = entry(wanted) if isinstance(wanted, str) else wanted
    _require_modules(found.name, found)
    module, _, attribute = found.target.partition(":")
    kind = getattr(importlib.import_module(module), attribute)
    loaded: Extractor = kind() if found.source is None else kind(found.source)
    return loaded


def _everything() -> Iterator[Entry | Family]:
    yield from _REGISTRY.values()
    yield from builtin_families().values()
    for name in plugin_points():
        try:
            found = plugin(name)
        except UsageError:  # `triptych models` says what is wrong with it
            continue
        if found is not None and name not in _REGISTRY and name not in builtin_families():
            yield found


def _by_name(items: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in items:
        name = item.partition("=")[0].strip()
        if (known := found.setdefault(name, item)) != item:
            raise UsageError(
                f"{known} and {item}: one model of a kind can be used at a time",
                remedy="leave one of them out",
            )
    return found


def _require_modules(name: str, found: Entry | Family) -> None:
    if missing := missing_modules(found.modules):
        brought = f'pip install "triptych[{found.extra}]"' if found.extra else "install them"
        raise WeightsError(f"the extractor {name!r} needs {', '.join(missing)}", remedy=brought)
