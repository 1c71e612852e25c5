"""Members of a model, each trained on its own fold; side by side where that saves time.

Processes beside this one train ahead and leave each member's finished state in a file. Then
this one trains all members in order, and finds them trained: so a process that dies costs time
and nothing else, and what comes out is the same with any number of them.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from triptych.errors import UsageError
from triptych.learn.splits import Indices
from triptych_models.baselines import build
from triptych_models.batches import Example, Task
from triptych_models.train import Recipe, fit

__all__ = ["Plan", "train_members"]

log = logging.getLogger(__name__)

Row = dict[str, Any]
_Layout = list[tuple[Example, dict[str, npt.NDArray[np.bool_]]]]  #: without values, and masks
_WORTH = 1.5e8  # numbers read in all epochs, from where on a process saves more than its start


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that members have in common but the videos."""

    model_type: str
    task: Task
    tracks: Mapping[str, Mapping[str, Any]]  #: name -> {"modality": ..., "dim": ...}
    outputs: int
    options: Mapping[str, Any]  #: of the members' class
    recipe: Recipe
    folds: Sequence[tuple[Indices, Indices]]  #: videos to learn from and to check on, by member

    @property
    def modalities(self) -> dict[str, str]:
        return {t: str(v["modality"]) for t, v in self.tracks.items()}


def train_members(
    plan: Plan,
    examples: Sequence[Example],
    *,
    work: Path | None = None,
    workers: int = 1,
    on_epoch: Callable[[Row], None] | None = None,
) -> list[tuple[nn.Module, list[Row]]]:
    """Train all members.

    Args:
        plan: what to train.
        examples: videos that the plan's folds count.
        work: folder where an interrupted training finds its state again.
        workers: processes; 0: one for each core.
        on_epoch: is told of each epoch: member, epoch, losses, score.

    Returns:
        Each member with its epochs.

    Raises:
        UsageError: no such type of model, or not for these tracks.
    """
    tell = on_epoch or (lambda _: None)
    _built(plan, 0)  # what is wrong is said before any process starts
    workers = min(workers or os.cpu_count() or 1, len(plan.folds))
    numbers = sum(v.size for e in examples for v in e.values.values())
    side_by_side = workers > 1 and numbers * plan.recipe.epochs * len(plan.folds) > _WORTH
    with contextlib.ExitStack() as stack:
        if side_by_side:
            if work is None:
                work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            _train_ahead(plan, examples, work=work, workers=workers, tell=tell)
        return [_member(plan, examples, i, work=work, tell=tell) for i in range(len(plan.folds))]


def _member(
    plan: Plan,
    examples: Sequence[Example],
    number: int,
    *,
    work: Path | None,
    tell: Callable[[Row], None],
) -> tuple[nn.Module, list[Row]]:
    """Train one member; what was trained before an interruption is not trained again."""
    member = _built(plan, number)
    learn, check = plan.folds[number]
    history = fit(
        member,
        [examples[i] for i in learn],
        [examples[i] for i in check],
        task=plan.task,
        modalities=plan.modalities,
        recipe=replace(plan.recipe, seed=_seed(plan, number)),
        on_epoch=lambda row: tell({"member": number, **row}),
        resume=None if work is None else work / f"member-{number}.pt",
    )
    return member, [{"member": number, **row} for row in history.epochs]


def _built(plan: Plan, number: int) -> nn.Module:
    """A member as it is before training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_seed(plan, number))
        try:
            return build(
                plan.model_type,
                {t: int(v["dim"]) for t, v in plan.tracks.items()},
                modalities=plan.modalities,
                outputs=plan.outputs,
                **plan.options,
            )
        except ValueError as err:
            raise UsageError(str(err), remedy="choose another --model-type") from err


def _seed(plan: Plan, number: int) -> int:
    return plan.recipe.seed * 1009 + number


def _train_ahead(
    plan: Plan,
    examples: Sequence[Example],
    *,
    work: Path,
    workers: int,
    tell: Callable[[Row], None],
) -> None:
    """Let processes train the members; it returns when all of them have ended."""
    shared = work / "examples"
    shared.mkdir(exist_ok=True)
    layout, said = _share(examples, shared), SimpleQueue[Row | None]()
    processes = [
        _Worker(pickle.dumps((plan, layout, work, [*range(w, len(plan.folds), workers)])), said)
        for w in range(workers)
    ]
    try:
        for _ in processes:
            while (row := said.get()) is not None:
                tell(row)
    finally:
        for process in processes:
            process.end()
        shutil.rmtree(shared, ignore_errors=True)


class _Worker:
    """A process that trains some of the members and says each epoch in a line of JSON."""

    def __init__(self, told: bytes, said: SimpleQueue[Row | None]) -> None:
        # Not forked, and this program's main module not run again: any script may call `train`.
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import _work; _work()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            start_new_session=True,  # Ctrl-C is this program's to answer
        )
        self._told, self._said = told, said
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        try:
            assert self._process.stdin is not None and self._process.stdout is not None
            with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:
                stdin.write(self._told)
            for line in self._process.stdout:
                self._said.put(json.loads(line))
            if code := self._process.wait():
                log.warning("a training process ended with code %d; this one goes on", code)
        finally:
            self._said.put(None)

    def end(self) -> None:
        """Stop what still runs."""
        self._process.kill()
        self._thread.join()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def _work() -> None:
    """Main function of a process beside: the plan from its input, epochs to its output."""
    # Of the process that started this one, and of nobody else.
    plan, layout, work, numbers = pickle.load(sys.stdin.buffer)
    torch.set_num_threads(1)
    examples = _shared(layout, work / "examples")

    def tell(row: Row) -> None:
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()

    try:
        for number in numbers:
            _member(plan, examples, number, work=work, tell=tell)
    except Exception as err:  # the process that waits meets it, too, and says it
        log.debug("training beside ended", exc_info=err)
        sys.exit(1)


def _share(examples: Sequence[Example], folder: Path) -> _Layout:
    """Write the rows of each track as one array, which processes map: one copy for all."""
    for number, track in enumerate(sorted({t for e in examples for t in e.values})):
        rows = [e.values[track] for e in examples if track in e.values]
        shape = (sum(map(len, rows)), rows[0].shape[1])
        path = folder / f"{number}.npy"
        np.concatenate(rows, out=np.lib.format.open_memmap(path, "w+", np.float32, shape))
    return [(replace(e, values={}, present={}), dict(e.present)) for e in examples]


def _shared(layout: _Layout, folder: Path) -> list[Example]:
    """Examples whose values are views of the arrays that `_share` wrote."""
    tracks = sorted({t for _, present in layout for t in present})
    arrays = {t: np.load(folder / f"{i}.npy", mmap_mode="r") for i, t in enumerate(tracks)}
    at, found = dict.fromkeys(tracks, 0), []
    for bare, present in layout:
        values = {t: arrays[t][at[t] : at[t] + len(mask)] for t, mask in present.items()}
        found.append(replace(bare, values=values, present=present))
        at |= {t: at[t] + len(mask) for t, mask in present.items()}
    return found
