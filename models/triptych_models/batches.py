"""Videos of any length and with any modality missing -> padded tensors with masks.

In shapes, B = videos, T = time steps, D = feature width, L = labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["MAX_STEPS", "Batch", "Example", "LabelTask", "Task", "collate", "shorten"]

LabelTask = Literal["single", "multi", "regression"]
Task = Literal["single", "multi", "regression", "importance"]
Floats = npt.NDArray[np.float32]

#: Longer videos are averaged to this many steps: attention costs the square of them.
MAX_STEPS = 512
#: Side of the small picture that pixel baselines read.
PIXELS = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """One video on common steps. What is not present is masked, whatever its values."""

    name: str  #: for messages
    time_s: Floats  #: (T,), centre of each step, seconds from the start
    values: Mapping[str, Floats]  #: track -> (T, D); a track may be missing altogether
    present: Mapping[str, npt.NDArray[np.bool_]]  #: track -> (T,)
    target: Any = None  #: class index; (L,) of 0 and 1; a number
    step_target: npt.NDArray[np.int64] | None = None  #: (T,) class of each step, -1 for unknown
    importance: Floats | None = None  #: (T,) in 0..1, where people have judged it
    words: tuple[str, ...] = ()  #: what was said
    pixels: npt.NDArray[np.uint8] | None = None  #: (64, 64, 3)

    def __post_init__(self) -> None:
        if self.values.keys() != self.present.keys():
            raise ValueError(f"{self.name}: values and masks name other tracks")
        for track, mask in self.present.items():
            if not len(self.values[track]) == len(mask) == len(self.time_s):
                raise ValueError(f"{self.name}: {track} is not on its {len(self.time_s)} steps")
        for said in (self.step_target, self.importance):
            if said is not None and len(said) != len(self.time_s):
                raise ValueError(f"{self.name}: {len(said)} judged steps of {len(self.time_s)}")

    def rows(self, track: str) -> npt.NDArray[np.bool_]:
        """Steps (T,) that the track has something to say of: present, and finite numbers."""
        mask = self.present[track].copy()
        mask[mask] = np.isfinite(self.values[track][mask]).all(axis=1)
        return mask

    def without(self, tracks: Sequence[str]) -> Example:
        """The same video with these tracks masked."""
        hidden = {t: m & (t not in tracks) for t, m in self.present.items()}
        return replace(self, present=hidden)


@dataclass(slots=True, kw_only=True)
class Batch:
    """Videos side by side. Masks are True where something is."""

    time_s: Tensor  #: (B, T)
    steps: Tensor  #: (B, T), False for padding
    values: dict[str, Tensor]  #: track -> (B, T, D)
    present: dict[str, Tensor]  #: track -> (B, T)
    words: list[tuple[str, ...]] = field(default_factory=list)
    pixels: Tensor | None = None  #: uint8 (B, 64, 64, 3)
    has_pixels: Tensor | None = None  #: (B,)

    def __len__(self) -> int:
        return len(self.time_s)

    def to(self, device: torch.device) -> Batch:
        """The batch on another device."""
        return replace(
            self,
            time_s=self.time_s.to(device),
            steps=self.steps.to(device),
            values={k: v.to(device) for k, v in self.values.items()},
            present={k: v.to(device) for k, v in self.present.items()},
            pixels=None if self.pixels is None else self.pixels.to(device),
            has_pixels=None if self.has_pixels is None else self.has_pixels.to(device),
        )


def shorten(example: Example, max_steps: int = MAX_STEPS) -> Example:
    """Average runs of neighbouring steps until there are at most `max_steps`.

    Step targets of a run that is averaged are its first known one; importance is the mean of
    what was judged.
    """
    steps = len(example.time_s)
    run = -(-steps // max_steps)
    if run <= 1:
        return example
    starts = np.arange(0, steps, run)
    values, present = {}, {}
    for track in example.present:
        values[track], present[track] = _means(example.values[track], example.rows(track), starts)
    known = example.step_target
    return replace(
        example,
        time_s=_means(example.time_s[:, None], np.ones(steps, bool), starts)[0][:, 0],
        values=values,
        present=present,
        importance=None if example.importance is None else _judged(example.importance, starts),
        step_target=None if known is None else _first_known(known, starts),
    )


def _means(
    rows: Floats, mask: npt.NDArray[np.bool_], starts: npt.NDArray[Any]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Mean of the rows under the mask, run by run, and whether a run has any."""
    count = np.add.reduceat(mask.astype(np.int64), starts)
    # What is not under the mask may be NaN, which times zero is still NaN.
    kept = np.where(mask[:, None], rows, 0).astype(np.float64)
    total = np.add.reduceat(kept, starts, axis=0)
    return (total / np.maximum(count, 1)[:, None]).astype(np.float32), count > 0


def _judged(importance: Floats, starts: npt.NDArray[Any]) -> Floats:
    mean, known = _means(importance[:, None], ~np.isnan(importance), starts)
    return np.where(known, mean[:, 0], np.float32(np.nan))


def _first_known(known: npt.NDArray[np.int64], starts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    runs = np.split(known, starts[1:])
    return np.array([next((k for k in run if k >= 0), -1) for run in runs], np.int64)


def collate(examples: Sequence[Example], tracks: Mapping[str, int]) -> Batch:
    """Pad videos to one length.

    Args:
        examples: at least one, each with at most `MAX_STEPS` steps (see `shorten`).
        tracks: name -> width of the tracks that the model reads; others are left out.

    Raises:
        ValueError: a track has another width.
    """
    rows, longest = len(examples), max(1, max(len(e.time_s) for e in examples))
    time_s, steps = np.zeros((rows, longest), np.float32), np.zeros((rows, longest), bool)
    values = {t: np.zeros((rows, longest, width), np.float32) for t, width in tracks.items()}
    present = {t: np.zeros((rows, longest), bool) for t in tracks}
    for row, example in enumerate(examples):
        count = len(example.time_s)
        time_s[row, :count], steps[row, :count] = example.time_s, True
        for track in tracks.keys() & example.values.keys():
            value, mask = example.values[track], example.rows(track)
            if value.shape[1] != tracks[track]:
                raise ValueError(
                    f"{example.name}: {track} has width {value.shape[1]}, not {tracks[track]}"
                )
            # Masked values may hold anything, even NaN; zeros stay harmless through any sum.
            values[track][row, :count][mask] = value[mask]
            present[track][row, :count] = mask
    pixels = np.zeros((rows, PIXELS, PIXELS, 3), np.uint8)
    for row, example in enumerate(examples):
        if example.pixels is not None:
            pixels[row] = example.pixels
    return Batch(
        time_s=torch.from_numpy(time_s),
        steps=torch.from_numpy(steps),
        values={t: torch.from_numpy(v) for t, v in values.items()},
        present={t: torch.from_numpy(m) for t, m in present.items()},
        words=[e.words for e in examples],
        pixels=torch.from_numpy(pixels),
        has_pixels=torch.tensor([e.pixels is not None for e in examples]),
    )
