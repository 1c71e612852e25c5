"""Which videos are finished, which failed before, and which are to be worked on.

A finished video is known by what it holds and by everything that its answers depend on. A video
that failed stays failed, unless the machine was to blame, something changed, or the user asks.
"""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from triptych.config import Config
from triptych.errors import InputError, TriptychError, UsageError
from triptych.extract.registry import chosen
from triptych.extract.specs import ASR_VERSION, OCR_VERSION
from triptych.extract.whisper import whisper_recipe
from triptych.features.index import DigestIndex
from triptych.features.keys import digest_of, file_digest
from triptych.fuse.language import llm_digest
from triptych.fuse.provenance import model_digest
from triptych.inputs import Source
from triptych.journal import Journal, Row, given_up, seen_again

__all__ = ["Redo", "Survey", "check_sources"]

#: What of that which ended before is done again: nothing, what failed or is partial, all.
Redo = Literal["nothing", "failed", "all"]

_REPORT_VERSION = 4  # raised when finished folders should be written again


def check_sources(sources: Sequence[Source], out: Path) -> None:
    """Refuse inputs that cannot lead to results.

    Raises:
        InputError: there are none.
        UsageError: the results of one would stand where it stands itself.
    """
    if not sources:
        raise InputError(
            "no file to analyse: nothing in what was given could be a video or sound file",
            remedy="check the folders; hidden files, subtitles and the results are left out",
        )
    for source in sources:
        if os.path.abspath(out / source.relative) == os.path.abspath(source.path):
            raise UsageError(
                "the folder of its results would be the file itself",
                path=source.path,
                remedy="choose another folder for the results",
            )


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Tells what is to be done from what is done."""

    config: Config  #: with what its model needs adopted
    journal: Journal
    out: Path
    redo: Redo
    digests: DigestIndex

    @functools.cached_property
    def _model_digest(self) -> str:
        model = self.config.predict.model
        return model_digest(model) if model else ""

    @functools.cached_property
    def _extractors(self) -> list[Any]:
        entries = [entry for entry in chosen(self.config.extract) if not entry.missing()]
        return [[spec.recipe() for spec in entry.specs] for entry in entries]

    @functools.cached_property
    def _asr(self) -> Any:
        own = self.config.extract.asr_model
        return [ASR_VERSION, whisper_recipe(own)] if own else ASR_VERSION

    @functools.cached_property
    def _llm_digest(self) -> list[list[Any]]:
        llm = self.config.predict.llm
        return llm_digest(llm) if llm else []

    def row_of(self, source: Source) -> Row:
        """The row of a source; `state` is empty when it is to be worked on."""
        row = self._identified(source)
        if row["state"] or self.redo == "all":
            return row
        known = self.journal.finished(row, self.out)
        if known is None or self._is_wanted_again(known, source):
            return row
        return seen_again(known)

    def _is_wanted_again(self, known: Row, source: Source) -> bool:
        state, asked = known["state"], self.redo == "failed"
        if state == "skipped":
            return source.expected  # passed over in a folder, a failure when the user names it
        if state != "failed":
            return state == "partial" and asked
        limit_s = self.config.runner.time_limit_s
        changed = known.get("time_limit_s", limit_s) != limit_s
        return asked or changed or known.get("retryable", True) or not source.expected

    def _identified(self, source: Source) -> Row:
        """A row that knows what the file holds; its `state` is set if it cannot be read."""
        row: Row = {
            "path": str(source.path),
            "state": "",
            "stage": "",
            "error": "",
            "remedy": "",
            "relative": str(source.relative),
            "folder": str(source.relative),
            "attempt": 1,
            **dict(source.extra),
        }
        if source.start_s is not None or source.end_s is not None:
            row["window"] = [source.start_s, source.end_s]
        try:
            row["size"], row["sha256"] = self.digests.identity(
                source, verify=self.config.runner.verify
            )
            row["fingerprint"] = self._fingerprint(source, row["sha256"])
        except (TriptychError, OSError) as err:
            row["fresh"] = True
            return given_up(row, err, expected=source.expected, stage="read")
        return row

    def _fingerprint(self, source: Source, digest: str) -> str:
        """Digest of everything that could change the answers for one source."""
        from triptych import __version__
        from triptych.decode.sidecar import find_sidecars

        config = self.config
        return digest_of(
            {
                "media": digest,
                "window": [source.start_s, source.end_s],
                "sidecars": [[p.name, file_digest(p)] for p in find_sidecars(source.path)],
                "name": source.path.name,
                "extra": dict(source.extra),
                "config": config.recipe(),
                "labels": _labels_content(config.predict.labels),
                "model": self._model_digest,
                "llm": self._llm_digest,
                "extractors": self._extractors,
                "asr": _has("faster_whisper") and self._asr,
                "ocr": config.extract.ocr != "never" and _has("rapidocr") and OCR_VERSION,
                "otio": "otio" in config.report.formats and _has("opentimelineio"),
                "version": [__version__, _REPORT_VERSION],
            }
        )


def _has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _labels_content(labels: str) -> str:
    """Of a file its content, so that editing it counts."""
    path = Path(os.path.expanduser(labels.strip()))
    try:
        return file_digest(path) if path.is_file() else labels
    except (OSError, ValueError):  # too long for a name, or with a zero byte: words, then
        return labels
