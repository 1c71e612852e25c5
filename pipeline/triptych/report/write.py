"""One video's files, each whole or not at all, analysis.json last."""

from __future__ import annotations

import importlib.util
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from triptych.atomic import is_disk_trouble
from triptych.config import Config
from triptych.errors import OutputError, TriptychError
from triptych.records import Analysis
from triptych.report.analysis import analysis_data, analysis_text
from triptych.report.captions import vtt_text
from triptych.report.chapters import chapters_ffmetadata, chapters_vtt
from triptych.report.files import published, remove, write_bytes, write_text
from triptych.report.markdown import summary_text

__all__ = ["FILES", "write_report"]

log = logging.getLogger(__name__)

#: Format -> file name, in the order of writing: the page names the files before it.
FILES = {
    "vtt": "transcript.vtt",
    "chapters": "chapters.vtt",
    "ffmetadata": "chapters.ffmetadata",
    "poster": "poster.jpg",
    "storyboard": "storyboard.jpg",
    "preview": "preview.webp",
    "reel": "highlights.mp4",
    "edl": "highlights.edl",
    "otio": "highlights.otio",
    "md": "summary.md",
    "html": "report.html",
    "json": "analysis.json",
}


def write_report(
    analysis: Analysis,
    folder: Path,
    *,
    config: Config,
    source: Mapping[str, Any],
    run: Mapping[str, Any],
) -> dict[str, str]:
    """Write one video's files into its folder.

    A file that fails costs only itself: the reason becomes a warning in analysis.json. A
    reel that was cut from the same moments of the same video is kept, not cut again.

    Args:
        analysis: what was found.
        folder: the video's own folder; made if it is not there.
        config: the resolved configuration; `report.formats` chooses the files.
        source: where the file is (`path`, `relative`, `size`, ...); `href`, if present, is
            the link from `folder` to the video, already percent-encoded.
        run: whatever may differ between two identical runs (host, date, worker).

    Returns:
        Format -> name of the file written for it. A format without content for this video
        is absent.

    Raises:
        OutputError: the disk is full or read-only, or the folder cannot be made.
    """
    job = _Job(analysis, folder, config, source)
    job.kept_keys = _keys_of_last_time(folder)
    # Present means finished: the old one must not speak for files that are being replaced.
    remove(folder / FILES["json"])
    for name in FILES:
        if name != "json":
            job.attempt(name)
    outputs = {**job.outputs, "json": FILES["json"]}
    data = analysis_data(
        analysis,
        config=config,
        source=source,
        run=run,
        outputs=dict(sorted(outputs.items())),
        outputs_keys=job.keys,
        warnings=job.warnings,
    )
    write_text(folder / FILES["json"], analysis_text(data), errors="backslashreplace")
    return outputs


def _keys_of_last_time(folder: Path) -> dict[str, str]:
    try:
        data = json.loads((folder / FILES["json"]).read_text(encoding="utf-8"))
        return {str(k): str(v) for k, v in data["outputs_keys"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        log.debug("%s: nothing to keep from an earlier run: %r", folder, err)
        return {}


@dataclass(slots=True)
class _Job:
    """The files of one video while they are written."""

    analysis: Analysis
    folder: Path
    config: Config
    source: Mapping[str, Any]
    outputs: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    kept_keys: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.warnings.extend(self.analysis.warnings)

    @property
    def title(self) -> str:
        """The video's file name."""
        return Path(str(self.source.get("relative") or self.analysis.info.path)).name

    def attempt(self, name: str) -> None:
        """Write one file if it is asked for and has content, else remove an older one."""
        path = self.folder / FILES[name]
        makers: dict[str, Callable[[Path], bool]] = {
            "vtt": self._vtt,
            "chapters": self._chapters,
            "ffmetadata": self._ffmetadata,
            "poster": self._poster,
            "storyboard": self._storyboard,
            "preview": self._preview,
            "reel": self._reel,
            "edl": self._edl,
            "otio": self._otio,
            "md": self._md,
            "html": self._html,
        }
        written = False
        if name == "poster" or name in self.config.report.formats:
            try:
                written = makers[name](path)
            except MemoryError:
                raise
            except Exception as err:
                if isinstance(err, OutputError) or is_disk_trouble(err):
                    raise _as_output_error(err, path) from err
                self._warn(path.name, err)
        if written:
            self.outputs[name] = path.name
        else:
            remove(path)

    def _warn(self, file: str, err: Exception) -> None:
        reason = err.message if isinstance(err, TriptychError) else f"{type(err).__name__}: {err}"
        log.warning("%s: %s was not written: %s", self.analysis.info.path, file, reason)
        log.debug("why %s was not written", file, exc_info=err)
        self.warnings.append(f"{file} was not written: {reason}")

    def _vtt(self, path: Path) -> bool:
        return _write_if_words(path, vtt_text(self.analysis.cues, self.analysis.info.start_s))

    def _chapters(self, path: Path) -> bool:
        return _write_if_words(path, chapters_vtt(self.analysis))

    def _ffmetadata(self, path: Path) -> bool:
        return _write_if_words(path, chapters_ffmetadata(self.analysis, name=self.title))

    def _edl(self, path: Path) -> bool:
        from triptych.report.edits import edl_text

        return _write_if_words(path, edl_text(self.analysis, name=self.title))

    def _otio(self, path: Path) -> bool:
        if importlib.util.find_spec("opentimelineio") is None:
            return False  # which the run has said
        from triptych.report.edits import otio_text
        from triptych.report.page import link_to_original

        url = link_to_original(self.analysis, self.folder, self.source)
        return _write_if_words(path, otio_text(self.analysis, name=self.title, url=url))

    def _preview(self, path: Path) -> bool:
        from triptych.report.preview import preview_webp

        return _write_if_any(path, preview_webp(self.analysis))

    def _poster(self, path: Path) -> bool:
        from triptych.report.pictures import poster_jpeg

        return _write_if_any(path, poster_jpeg(self.analysis))

    def _storyboard(self, path: Path) -> bool:
        from triptych.report.storyboard import storyboard_jpeg

        return _write_if_any(path, storyboard_jpeg(self.analysis, name=self.title))

    def _reel(self, path: Path) -> bool:
        from triptych.report.reel import reel_key, stretches, write_reel

        info = self.analysis.info
        if not (info.video or info.audio) or not stretches(self.analysis.summary.segments):
            return False
        key = reel_key(self.analysis)
        if self.kept_keys.get("reel") == key and path.is_file():
            log.debug("%s: kept, cut from the same moments", path)
        else:
            with published(path) as scratch:
                write_reel(scratch, Path(info.path), self.analysis)
        self.keys["reel"] = key
        return True

    def _md(self, path: Path) -> bool:
        write_text(path, summary_text(self.analysis, name=self.title, warnings=self.warnings))
        return True

    def _html(self, path: Path) -> bool:
        from triptych.report.page import page_html

        html = page_html(
            self.analysis,
            folder=self.folder,
            config=self.config,
            source=self.source,
            outputs={**self.outputs, "html": FILES["html"], "json": FILES["json"]},
            warnings=self.warnings,
        )
        write_text(path, html)
        return True


def _write_if_words(path: Path, text: str) -> bool:
    if text:
        write_text(path, text)
    return bool(text)


def _write_if_any(path: Path, data: bytes | None) -> bool:
    if data is not None:
        write_bytes(path, data)
    return data is not None


def _as_output_error(err: Exception, path: Path) -> OutputError:
    if isinstance(err, OutputError):
        return err
    return OutputError(str(err), path=path, remedy="free some space, or choose another --out")
