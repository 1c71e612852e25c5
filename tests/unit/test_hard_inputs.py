"""Real files that break pipelines end as their manifest predicts, and as ffmpeg decodes them."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import pytest

from triptych.decode import open_media
from triptych.errors import TriptychError
from triptych.records import Frames, MediaInfo, Sound

# What differs from the manifest, and why.
DIFFERENT: dict[str, dict[str, str]] = {
    # It counts up to the first error; going on after it gives 21 frames more.
    "decord/corrupted.mp4": {"decoded": "49"},
    # It looked at the first of two picture streams, this project at the larger one.
    "torchcodec/nasa_13013.mp4": {"decoded": "390", "w": "480", "h": "270"},
    "torchcodec/nasa_13013_rotated__45076a6.mp4": {"decoded": "390", "w": "480", "h": "270"},
    # A B-frame is left over from the film that it was cut from; the container starts later.
    "hachoir/sample.ts": {"first_pts": "0.36"},
}
# Frames that a full decode gives and this project does not show, and why.
NOT_SHOWN = {
    "hachoir/sample.ts": 1,  # that B-frame
    "opencv/Megamind.avi": 1,  # of packed B-frames, whose times are swapped: the first of them
}


@dataclass
class Told:
    """What one reader makes of a file."""

    decoded: int = 0
    times: list[float] = field(default_factory=list)  #: of its pictures
    errors: int = 0
    sound_s: float = 0.0  #: length of the sound, holes with it
    sound_start_s: float | None = None


def by_ffmpeg(path: Path, indexes: list[int]) -> Told:
    """A plain full decode of some streams, over all errors."""
    told, end_s = Told(), 0.0
    with av.open(str(path), metadata_errors="replace") as container:
        for packet in container.demux(*(container.streams[i] for i in indexes)):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                told.errors += 1
                continue
            for frame in frames:
                if isinstance(frame, av.VideoFrame):
                    told.decoded += 1
                    told.times.append(frame.time)
                else:
                    if told.sound_start_s is None:
                        told.sound_start_s = frame.time
                    end_s = max(end_s, frame.time + frame.samples / frame.sample_rate)
    told.sound_s = end_s - (told.sound_start_s or 0.0)
    return told


def by_triptych(path: Path) -> tuple[Told, MediaInfo, list[int]]:
    """What `open_media` gives, and the streams that it chose."""
    told = Told()
    with open_media(path) as media:
        # At this rate every frame is wanted, so that none may be skipped.
        for chunk in media.stream(fps=1000.0, short_side=8):
            if isinstance(chunk, Frames):
                told.times += chunk.pts_s.tolist()
            elif isinstance(chunk, Sound):
                if told.sound_start_s is None:
                    told.sound_start_s = chunk.start_s
                told.sound_s += len(chunk.samples) / chunk.rate_hz
        told.decoded, told.errors = media.report.frames_decoded, media.report.errors
        chosen = media.streams.video, media.streams.audio
        return told, media.info, [s.index for s in chosen if s is not None]


@pytest.mark.needs("shared")
def test_every_hard_input_is_read_like_ffmpeg_or_refused_clearly(shared_data: Path) -> None:
    folder, wrong, read = shared_data / "hard_inputs", [], 0
    with (folder / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 60
    for row in rows:
        name, path = row["file"], folder / row["file"]
        row |= DIFFERENT.get(name, {})
        try:
            ours, info, indexes = by_triptych(path)
        except TriptychError as err:
            if row["decoded"] not in ("", "0") or (row["streams"] and not _is_hopeless(name)):
                wrong.append(f"{name}: refused: {err}")
            elif err.path != str(path) or not err.remedy:
                wrong.append(f"{name}: no path or no remedy: {err!r}")
            continue
        read += 1
        if row["open_error"]:
            wrong.append(f"{name}: opened, though {row['open_error']}")
        theirs = by_ffmpeg(path, indexes)
        wrong += [f"{name}: {what}" for what in against_manifest(row, info, ours)]
        wrong += [f"{name}: {what}" for what in against_ffmpeg(name, ours, theirs)]
    assert read > 50
    assert not wrong, "\n".join(wrong)


def _is_hopeless(name: str) -> bool:
    """Files that open, and of which ffmpeg decodes not one frame either."""
    return name in ("hachoir/pentax_320x240.mov", "mutagen/64bit.mp4")


def against_manifest(row: dict[str, str], info: MediaInfo, ours: Told) -> list[str]:
    """Where a decode differs from what the manifest says."""
    found: list[str] = []

    def check(what: str, got: object, wanted: object) -> None:
        if got != wanted:
            found.append(f"{what} is {got!r}, not {wanted!r}")

    decoded = int(row["decoded"] or 0)
    check("frames decoded", ours.decoded, decoded)
    if row["decode_error"]:
        check("errors were counted", ours.errors > 0, True)
    check("sound", info.audio is not None, "audio:" in row["streams"])
    if row["dur"] and abs((info.duration_s or 0) - float(row["dur"])) > 0.01:
        found.append(f"it claims {info.duration_s} s, not {row['dur']}")
    if decoded:
        rotation = int(row["rotation"].strip("[]"))
        width, height = round(int(row["w"]) * _fraction(row["sar"])), int(row["h"])
        size = (height, width) if rotation % 180 else (width, height)
        check("size", (info.width, info.height), size)
        check("rotation", info.rotation, rotation)
        check("first picture", round(ours.times[0], 3), round(float(row["first_pts"]), 3))
    return found


def against_ffmpeg(name: str, ours: Told, theirs: Told) -> list[str]:
    """Where a decode differs from a plain one of the same streams."""
    found = []
    if (ours.decoded, ours.errors) != (theirs.decoded, theirs.errors):
        found.append(f"{ours.decoded} frames and {ours.errors} errors, "
                     f"not {theirs.decoded} and {theirs.errors}")  # fmt: skip
    times = np.unique(np.round(theirs.times, 6))
    if len(ours.times) != len(times) - NOT_SHOWN.get(name, 0):
        found.append(f"{len(ours.times)} pictures, not {len(times)}")
    elif len(times) and np.abs(times[:, None] - ours.times).min(axis=0).max() > 1e-5:
        found.append("pictures at times when ffmpeg shows none")
    if abs(ours.sound_s - theirs.sound_s) > 0.03:
        found.append(f"{ours.sound_s:.3f} s of sound, not {theirs.sound_s:.3f}")
    if abs((ours.sound_start_s or 0) - (theirs.sound_start_s or 0)) > 1e-5:
        found.append(f"sound begins at {ours.sound_start_s}, not {theirs.sound_start_s}")
    return found


def _fraction(text: str) -> float:
    over, _, under = text.partition("/")
    return float(over) / float(under or 1) if text else 1.0
