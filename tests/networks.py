"""Networks for the model process of a test: they tell what was in their batch, and obey."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from triptych.config import Config
from triptych.errors import WeightsError
from triptych.extract.engine import engine_name, load_engine
from triptych.inputs import Source
from triptych.journal import Row, failure
from triptych.records import Pixels

SIZE = 8

# What a picture of one grey level makes the network do; all others are ordinary.
LINGER, DIE, BREAK, HANG, EXHAUST, EXHAUST_ALL = 250, 251, 252, 253, 254, 255
FITS = 4  # pictures that the memory is enough for, with EXHAUST among them


class Telling(nn.Module):
    """Rows: the mean grey level; how many pictures but black ones its batch held."""

    def forward(self, rgb: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        means = rgb.float().mean(dim=(1, 2, 3))[:, None]
        orders = set(means.flatten().tolist())
        if LINGER in orders:
            time.sleep(2.0)
        if DIE in orders:
            os.kill(os.getpid(), signal.SIGKILL)
        if BREAK in orders:
            raise ValueError("a bug")
        if HANG in orders:
            time.sleep(600)
        if EXHAUST_ALL in orders or (EXHAUST in orders and len(rgb) > FITS):
            raise torch.OutOfMemoryError("no more")
        return means, (means > 0).sum().float().expand(len(rgb), 1)


class Doubling(nn.Module):
    """Rows: twice the mean grey level; its batch's sum of means."""

    def forward(self, rgb: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        means = rgb.float().mean(dim=(1, 2, 3))[:, None]
        return 2 * means, means.sum().expand(len(rgb), 1)


class Listening(nn.Module):
    """Rows: the loudest sample; how many windows its batch held, and how long they were."""

    def forward(self, windows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        told = torch.tensor([windows.shape]).float().expand(len(windows), 2)
        return windows.amax(1, keepdim=True), told


class Watching(nn.Module):
    """Rows of clips (B, 3, T, H, W): a convolution's means over space and time."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.convolution = nn.Conv3d(3, 4, 3)

    def forward(self, clips: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (self.convolution(clips).mean(dim=(2, 3, 4)),)


def marked(folder: Path) -> nn.Module:
    """A network that leaves a mark each time it is made."""
    (folder / f"{time.monotonic_ns()}").touch()
    return Telling()


def unavailable() -> nn.Module:
    """A network whose weights nobody installed."""
    raise WeightsError("no weights", remedy="install them")


def pictures(*levels: int) -> Pixels:
    """Pictures (B, 8, 8, 3), each of one grey level."""
    wanted = np.array(levels, np.uint8).reshape(-1, 1, 1, 1)
    return np.broadcast_to(wanted, (len(levels), SIZE, SIZE, 3))


def ask(*, source: Source, row: Row, config: Config) -> Row:
    """What a worker of a test does: have the network look at a picture of `row["level"]`."""
    try:
        means, _ = load_engine(Telling, key="telling", shape=(SIZE, SIZE, 3))(
            pictures(row["level"])
        )
    except Exception as err:  # noqa: BLE001 - as a worker does
        return failure(row, err, stage="image")
    return row | {"state": "done", "mean": float(means[0, 0]), "engine": engine_name()}
