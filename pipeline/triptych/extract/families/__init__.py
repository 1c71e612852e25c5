"""Families: extractors whose model the user names, as `FAMILY=SOURCE`.

To add one, write one small file in this folder (`clip.py` is an example) and its name into
`_BUILTIN` below. The file holds

- `FAMILY = Family(...)`, and
- the function `describe(given)` that it points to. It finds the model with
  `triptych.extract.sources.find_source(given)`, reads the model's small JSON files
  (`source.data("config.json")`) and returns an `Entry` with

    - `name`: the family's own,
    - `target`: "module:Class" of the extractor, which is made by `Class(source)`; it should call
      `source.check()` before it reads the weights,
    - `specs`: of each track name, dim, modality, `weights=source.sha256`, and as `options` all
      else that could change a value: preprocessing, and `source.digest_of("config.json", ...)`,
    - `source`: the source, and `what`, `modules`, `extra`, `sampled`, `stepped` as of any entry;
      `networks=True` where the engine of `triptych.extract.engine` runs it, `from_cues=True`
      where it reads words instead of what is decoded.

It imports neither numpy nor torch nor transformers, for it is asked in every run, also where
nothing is left to do. The extractor itself lives in a module of its own, `triptych/extract/*.py`.

Names of tracks are the family's, or begin with it. Someone else's package adds a family with an
entry point of the group `triptych.extractors`, named as the family is: `clip = "package:FAMILY"`.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from triptych.extract.specs import Entry
from triptych.spec import Modality

__all__ = ["Family", "builtin_families"]

#: Modules of this folder, in the order of the data flow: pictures, motion, sound, words.
_BUILTIN: tuple[str, ...] = (
    "autoencoder",
    "torchvision",
    "timm",
    "clip",
    "video",
    "audioset",
    "ast",
    "clap",
    "voice",
    "torchaudio",
    "sentences",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Extractors that differ in their weights alone."""

    name: str
    what: str
    describe: Callable[[str], Entry]  #: what the user wrote after the `=` -> the extractor
    tracks: Mapping[str, Modality]  #: that it makes
    examples: tuple[str, ...]  #: sources that are known to work, the usual one first
    modules: tuple[str, ...] = ()  #: importable modules it needs
    extra: str = "hub"  #: the extra of triptych that brings them
    bring: str = ""  #: how one comes by a model that nothing downloads
    #: Downloads one source; None: a model of the hub, but for those that are brought.
    fetch: Callable[[str], str] | None = field(default=None)
    #: Of one source, where no file beside the weights tells it.
    licence: Callable[[str], str] | None = field(default=None)


@functools.cache
def builtin_families() -> Mapping[str, Family]:
    """By name."""
    modules = [importlib.import_module(f"{__name__}.{name}") for name in _BUILTIN]
    return {module.FAMILY.name: module.FAMILY for module in modules}
