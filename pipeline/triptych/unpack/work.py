"""In a worker process: one film to its folder of files, and a row that says how it went."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from triptych import __version__, faults
from triptych.config import Config
from triptych.inputs import Source
from triptych.journal import Row, given_up
from triptych.unpack.place import MADE_BY, MEDIA, NAMES, PARTS, publish, writing
from triptych.unpack.wishes import Wishes

if TYPE_CHECKING:
    from triptych.decode.media import Chunk, Media
    from triptych.decode.plan import DecodePlan
    from triptych.events import Stopwatch
    from triptych.unpack.files import Files
    from triptych.unpack.sampling import Sampled

__all__ = ["plan_one", "unpack_one"]

_SCHEMA_VERSION = 1  # of media.json
_AS_IT_IS = 1 << 20  # pixels of the short side; pictures are never enlarged


def unpack_one(
    *, source: Source, row: Row, config: Config, out: Path, wishes: Wishes, news: Path
) -> Row:
    """Write the files of one film.

    Args:
        source: the film, or a window of it.
        row: what is known of it; `folder` is where its files go.
        config: limits.
        out: the folder that all of this command goes to.
        wishes: what is wanted.
        news: the file that stages are told in; see `triptych.events`.
    """
    from triptych.events import Stopwatch, telling

    faults.reached("worker.begun", row["relative"])
    began, watch = time.monotonic(), Stopwatch()
    scratch = out / f"{PARTS}{uuid4().hex[:12]}"
    try:
        with telling(news, video=row["path"], relative=row["relative"], worker=os.getpid()):
            job = _Job(source, config=config, wishes=wishes, watch=watch)
            told, frames_decoded = job.done(scratch, Path(row["folder"]))
    except Exception as err:  # noqa: BLE001 - it becomes the row of this film
        return given_up(row, err, expected=source.expected, stage="decode")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    faults.reached("worker.answered", row["relative"])
    return row | {
        "state": "partial" if told["partial"] else "done",
        "duration_s": told["read"]["seconds"],
        "outputs": told["outputs"],
        "warnings": told["warnings"],
        "fresh": True,
        "decoded": True,
        "frames_decoded": frames_decoded,
        "seconds": {k: round(v, 4) for k, v in watch.items()},
        "elapsed_s": round(time.monotonic() - began, 4),
    }


def plan_one(*, source: Source, row: Row, config: Config, wishes: Wishes, news: Path) -> Row:
    """Say what would be decoded of one film; nothing is.

    Args:
        source: the film, or a window of it.
        row: what is known of it.
        config: limits.
        wishes: what is wanted.
        news: the file that stages are told in.
    """
    from triptych.events import Stopwatch, telling

    try:
        with telling(news, video=row["path"], relative=row["relative"], worker=os.getpid()):
            job = _Job(source, config=config, wishes=wishes, watch=Stopwatch())
            plan, seconds = job.planned()
    except Exception as err:  # noqa: BLE001 - it becomes the row of this film
        return given_up(row, err, expected=source.expected, stage="plan")
    found = {"plan": plan.facts(), "lines": list(plan.lines()), "duration_s": seconds}
    return row | found | {"state": "done", "fresh": True}


class _Job:
    """One film on its way into files."""

    def __init__(self, source: Source, *, config: Config, wishes: Wishes, watch: Stopwatch) -> None:
        self.path, self.watch = source.path, watch
        self.limits, self.frames_fps = config.decode, source.frames_fps
        if source.start_s is not None or source.end_s is not None:  # of a manifest's row
            wishes = dataclasses.replace(wishes, start_s=source.start_s, end_s=source.end_s)
        self.wishes = wishes

    def _opened(self) -> Media:
        from triptych.decode.media import open_media

        limit = self.limits.max_pixels
        return open_media(self.path, max_pixels=limit, frames_fps=self.frames_fps)

    def planned(self) -> tuple[DecodePlan, float]:
        """What would be decoded, and of how many seconds."""
        from triptych.decode.sampling import sample_of
        from triptych.events import stage
        from triptych.unpack.sampling import options

        with stage("open", self.path, self.watch):
            media = self._opened()
        with media, stage("plan", self.path, self.watch):
            start_s, end_s = self._window(media)
            info = media.info
            length_s = max(0.0, min(end_s, info.start_s + (info.duration_s or 0.0)) - start_s)
            policy = sample_of(self.wishes.sample)
            plan = media.plan(start_s=start_s, end_s=end_s, **options(self.wishes, policy))
            return plan, round(length_s, 6)

    def done(self, scratch: Path, place: Path) -> tuple[dict[str, Any], int]:
        """Fill `scratch` and make it `place`; returns what media.json says, and frames decoded."""
        from triptych.events import stage
        from triptych.unpack.files import Files
        from triptych.unpack.sampling import Sampled

        with stage("open", self.path, self.watch):
            media = self._opened()
        with media:
            start_s, end_s = self._window(media)
            sampled = None
            if self.wishes.frames != "none":
                with stage("sample", self.path, self.watch):
                    sampled = Sampled(media, self.wishes, start_s=start_s, end_s=end_s)
            with self._writing(place):
                scratch.mkdir(parents=True)
            with Files(scratch, wishes=self.wishes, sampled=sampled) as files:
                with stage("subtitles", self.path, self.watch):
                    zero_s = media.info.start_s
                    files.words.read_beside(self.path, zero_s=zero_s, start_s=start_s, end_s=end_s)
                for chunk in self._decoded(media, sampled, hears=files.hears):
                    with self._writing(place):
                        files.take(chunk)
                with self._writing(place):
                    told = self._told(media, files)
        with self._writing(place):
            told["outputs"] = [n for n in NAMES if n == MEDIA or (scratch / n).exists()]
            text = json.dumps(told, ensure_ascii=False, indent=1) + "\n"
            # A file's name may hold bytes that are no text; JSON knows the escapes.
            (scratch / MEDIA).write_bytes(text.encode("utf-8", "backslashreplace"))
            publish(scratch, place)
        return told, media.report.frames_decoded

    @contextlib.contextmanager
    def _writing(self, place: Path) -> Iterator[None]:
        from triptych.events import stage

        with stage("write", self.path, self.watch), writing(place):
            yield

    def _decoded(self, media: Media, sampled: Sampled | None, *, hears: bool) -> Iterator[Chunk]:
        """The chunks, each timed."""
        from triptych.events import stage
        from triptych.unpack.sampling import options

        wishes = self.wishes
        start_s, end_s = self._window(media)
        chunks = media.stream(
            short_side=wishes.short_side or _AS_IT_IS,
            pictures=sampled is not None,
            sound=hears,
            start_s=None if wishes.start_s is None else start_s,
            end_s=None if wishes.end_s is None else end_s,
            max_duration_s=self.limits.max_duration_s,
            **(options(wishes, sampled.policy) if sampled else {}),
        )
        while True:
            with stage("decode", self.path, self.watch):
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk

    def _window(self, media: Media) -> tuple[float, float]:
        """What is wanted, on the container's clock."""
        zero_s, wishes = media.info.start_s, self.wishes
        end_s = float("inf") if wishes.end_s is None else zero_s + wishes.end_s
        return zero_s + (wishes.start_s or 0.0), end_s

    def _told(self, media: Media, files: Files) -> dict[str, Any]:
        """What media.json says, but for the names of the files."""
        info, report = media.info, media.report
        written = files.finish(info)
        begin_s, _ = self._window(media)
        end_s = max(begin_s, report.end_s)
        claims = dataclasses.asdict(info)
        return {
            "made_by": MADE_BY,
            "schema_version": _SCHEMA_VERSION,
            "version": __version__,
            "path": claims.pop("path"),
            "asked": dataclasses.asdict(self.wishes),
            "media": claims,
            "read": {
                "start_s": round(begin_s, 6),
                "end_s": round(end_s, 6),
                "seconds": round(end_s - begin_s, 6),
                "errors": report.errors,
            },
            **written,
            "partial": report.partial,
            "warnings": [*report.warnings, *files.words.warnings],
        }
