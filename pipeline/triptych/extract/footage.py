"""Footage -> a row for each window of as many frames as a video network looks at, at its rate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from triptych.extract.families.video import described
from triptych.extract.registry import Extraction
from triptych.extract.sources import Source
from triptych.extract.video_networks import network_of
from triptych.records import FeatureTrack, Floats, Footage, Pixels

__all__ = ["VideoExtractor", "Windows"]

_TOLERANCE_S = 1e-6


class VideoExtractor:
    """One row a window, one after the other.

    What is left at the end is filled up with the last frame, as if the film stood still; so is a
    film of a single frame.
    """

    takes: ClassVar[tuple[type, ...]] = (Footage,)

    def __init__(self, source: Source) -> None:
        self._specs = described(source).specs
        options = self._specs[0].options
        self._frames: int = options["frames"]
        self._fps: float = options["fps"]
        self.footage: tuple[float, int] = (self._fps, options["short_side"])
        self._look = network_of(source, self._specs)

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        windows = Windows(frames=self._frames, fps=self._fps)
        rows: list[tuple[Floats, ...]] = []
        held: Pixels | None = None  # what the window before showed, if that was one picture
        while (footage := (yield)) is not None:
            for frame, pts_s in zip(footage.rgb, footage.pts_s.tolist(), strict=True):
                for window in windows.feed(frame, pts_s):
                    # A picture that stands for hours is looked at once.
                    one = window[0] if window[0] is window[-1] else None
                    same = one is not None and one is held
                    rows.append(rows[-1] if same else self._look(window))
                    held = one
        rows.extend(map(self._look, windows.finish()))
        start_s, end_s = windows.start_s or 0.0, windows.end_s
        starts = start_s + np.arange(len(rows), dtype=np.float64) * (self._frames / self._fps)
        ends = np.minimum(np.append(starts[1:], np.inf), end_s) if rows else starts
        return {
            spec.name: FeatureTrack(
                values=np.stack([np.zeros(spec.dim, np.float32), *(row[i] for row in rows)])[1:],
                start_s=starts,
                end_s=np.maximum(ends, starts),
                spec=spec,
            )
            for i, spec in enumerate(self._specs)
        }


class Windows:
    """Frames on screen at even times, in windows of equal length, however uneven they come.

    >>> windows = Windows(frames=3, fps=2.0)
    >>> [w for n in (0.0, 0.4, 1.0, 2.5) for w in windows.feed(n, pts_s=5 + n)]
    [[0.0, 0.4, 1.0]]
    >>> list(windows.finish())
    [[1.0, 1.0, 2.5]]
    """

    def __init__(self, *, frames: int, fps: float) -> None:
        self._frames, self._fps = frames, fps
        self.start_s: float | None = None  #: of the first frame
        self._shown: Pixels | None = None
        self._pts_s = self._gap_s = 0.0
        self._window: list[Pixels] = []
        self._next = 0

    @property
    def end_s(self) -> float:
        """When the last frame is thought to end: as long after as the one before, at most 1 / fps."""
        length_s = min(self._gap_s or 1.0, 1 / self._fps)
        return self._pts_s + length_s

    def feed(self, frame: Pixels, pts_s: float) -> Iterator[list[Pixels]]:
        """Windows that are full before `frame` appears."""
        if self.start_s is None:
            self.start_s = pts_s
        else:
            yield from self._until(pts_s - _TOLERANCE_S)
            self._gap_s = pts_s - self._pts_s
        self._shown, self._pts_s = frame, pts_s

    def finish(self) -> Iterator[list[Pixels]]:
        """The last windows, the very last one filled up."""
        if self._shown is None:
            return
        yield from self._until(self._pts_s + _TOLERANCE_S)
        if self._window:
            yield self._window + [self._window[-1]] * (self._frames - len(self._window))

    def _until(self, time_s: float) -> Iterator[list[Pixels]]:
        """Take the frame that is shown for all wanted times before this one."""
        assert self.start_s is not None and self._shown is not None
        while self.start_s + self._next / self._fps < time_s:
            self._window.append(self._shown)
            self._next += 1
            if len(self._window) == self._frames:
                yield self._window
                self._window = []
