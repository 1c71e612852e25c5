"""What features are made with: plain data, compared and digested without a numerical library."""

from __future__ import annotations

import dataclasses
from typing import Any

from triptych.config import Config, ExtractConfig
from triptych.extract.registry import chosen
from triptych.features.keys import DECODE_VERSION
from triptych.features.words import missing_reader, word_recipe

__all__ = ["features_recipe"]


def features_recipe(config: Config) -> dict[str, Any]:
    """All that could change what `collect` makes of one content on this machine.

    >>> features_recipe(Config())["decode"]["fps"]
    1.0
    """
    entries = [entry for entry in chosen(config.extract) if not entry.missing()]
    extract = config.extract
    hears = extract.asr != "never" and not missing_reader("asr", extract)
    reads = extract.ocr != "never" and not missing_reader("ocr", extract)
    # What is off by default is named only where it is on: keys stay what they were without it.
    captions = {"captions": word_recipe("ocr", extract)} if reads else {}
    return {
        "decode": {**dataclasses.asdict(config.decode), "version": DECODE_VERSION},
        "extract": {
            "preset": extract.preset,
            "asr": extract.asr,
            "language": extract.language,
            **({"add": list(extract.add)} if extract.add else {}),
            **({"ocr": extract.ocr} if extract.ocr != "never" else {}),
        },
        "step_s": extract.step_s,
        "tracks": {spec.name: spec.recipe() for entry in entries for spec in entry.specs},
        "speech": _speech(extract) if hears else None,
        **captions,
    }


def _speech(config: ExtractConfig) -> dict[str, Any]:
    told = word_recipe("asr", config)
    del told["language"]  # named beside it
    return told
