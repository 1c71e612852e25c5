"""A trained model and one video on common steps -> what the model says of it, and why."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from triptych.errors import UsageError
from triptych.fuse.provenance import model_digest
from triptych.fuse.sample import example_of, sample_of
from triptych.records import Cue, Floats, Thumbnails, Timeline

if TYPE_CHECKING:
    from triptych_models.batches import Example
    from triptych_models.checkpoint import Explanation, TrainedModel

__all__ = ["explained", "is_evident", "one_thread", "reads", "scored", "trained_model"]

_MANY = 64  # examples that a thread is worth starting for


def trained_model(folder: str | os.PathLike[str]) -> TrainedModel:
    """The model of a folder, read once a process and again when the folder has changed.

    Raises:
        UsageError: it is no model, or a damaged one.
    """
    folder = os.path.expanduser(os.fspath(folder))
    return _loaded(folder, model_digest(folder))


@functools.lru_cache(maxsize=4)
def _loaded(folder: str, digest: str) -> TrainedModel:
    from triptych_models.checkpoint import CheckpointError, load_model

    try:
        return load_model(folder)
    except CheckpointError as err:
        raise UsageError(
            str(err).removeprefix(f"{folder}: "),
            path=folder,
            remedy="copy the folder again, or train the model again",
        ) from err


def explained(
    model: TrainedModel, timeline: Timeline, *, cues: Sequence[Cue], thumbnails: Thumbnails
) -> Explanation:
    """What a model makes of a video.

    No step is present where the video holds nothing that the model reads: what it says then is
    its prior, and no answer.

    Args:
        model: see `trained_model`.
        timeline: of the steps that the model was trained on.
        cues: what was said.
        thumbnails: none for sound alone.
    """
    sample = sample_of(timeline, cues=cues, thumbnails=thumbnails)
    example = example_of(sample, name="this video")
    explanation = model.explain(example)
    if _tracks(model):
        return explanation
    evident = np.full(len(timeline), is_evident(model, example))
    return dataclasses.replace(explanation, present=evident)


def is_evident(model: TrainedModel, example: Example) -> bool:
    """Whether a video holds anything that a model reads."""
    if tracks := _tracks(model):
        return any(example.rows(t).any() for t in example.present if t in tracks)
    seen = example.pixels is not None and hasattr(model.members[0], "pixels")
    return bool(example.words) or seen


def _tracks(model: TrainedModel) -> dict[str, int]:
    """The tracks that a model reads; none for models of words and pixels."""
    read: dict[str, int] = model.members[0].tracks  # type: ignore[assignment]
    return read


def reads(model: TrainedModel) -> str:
    """What a model reads, in words."""
    if tracks := _tracks(model):
        return ", ".join(sorted(tracks))
    return "words, pictures" if hasattr(model.members[0], "pixels") else "words"


def scored(model: TrainedModel, examples: Sequence[Example]) -> Floats:
    """Scores of many videos, (N, L), on all cores."""
    import torch

    cores = os.cpu_count() or 1
    parts = max(1, min(cores, len(examples) // _MANY))
    size = -(-len(examples) // parts)
    chunks = [examples[at : at + size] for at in range(0, max(1, len(examples)), size or 1)]
    # Torch lets go of Python's lock. How many threads it computes with is set for each of its
    # callers: without that, the threads of two of these fight for the cores, for minutes.
    with (
        one_thread(),
        ThreadPoolExecutor(parts, initializer=torch.set_num_threads, initargs=(1,)) as threads,
    ):
        return np.concatenate(list(threads.map(model.scores, chunks)))


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with a single thread.

    These models are small: threads wait for each other longer than they work, and many times as
    long while other programs use the cores.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
