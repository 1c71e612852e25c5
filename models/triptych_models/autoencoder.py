"""A convolutional autoencoder: features of pictures, learned from the pictures themselves.

Its code is what is needed to draw a picture again; no label and no other weights are asked for.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["KIND", "SIDE", "Autoencoder", "Recipe", "fit", "load", "save"]

Pixels = npt.NDArray[np.uint8]
Progress = Callable[[Mapping[str, float]], None]

KIND, LAYOUT = "autoencoder", 1  #: of what config.json describes
SIDE = 64  #: pixels of the square that pictures are fitted into
_CONFIG, _WEIGHTS = "config.json", "model.safetensors"
_SMALLEST = SIDE // 16  # of the map before the code


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How it is trained."""

    dim: int = 128  #: of the code
    width: int = 24  #: channels of the first layer; deeper ones have more
    epochs: int = 30  #: at most
    steps: int = 1500  #: batches, at most: a large folder has fewer epochs
    batch: int = 64
    rate: float = 2e-3
    patience: int = 4  #: epochs without a better validation, then it ends
    seed: int = 0


class Autoencoder(nn.Module):
    """Pictures (B, 64, 64, 3) uint8 to codes (B, D), and codes to pictures in 0..1."""

    def __init__(self, *, dim: int, width: int) -> None:
        super().__init__()
        self.dim, self.width = dim, width
        wide = [3, width, 2 * width, 4 * width, 4 * width]
        down: list[nn.Module] = []
        for inner, outer in itertools.pairwise(wide):
            down += [
                nn.Conv2d(inner, outer, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(outer),
                nn.ReLU(inplace=True),
            ]
        self.down = nn.Sequential(*down)
        self.code = nn.Linear(wide[-1] * _SMALLEST**2, dim)
        self.uncode = nn.Linear(dim, wide[-1] * _SMALLEST**2)
        up: list[nn.Module] = []
        for inner, outer in zip(wide[:1:-1], wide[-2:0:-1], strict=True):
            up += [
                nn.ConvTranspose2d(inner, outer, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(outer),
                nn.ReLU(inplace=True),
            ]
        self.up = nn.Sequential(*up, nn.ConvTranspose2d(wide[1], 3, 4, stride=2, padding=1))

    def encode(self, rgb: Tensor) -> Tensor:
        """(B, 64, 64, 3) uint8 to (B, D)."""
        x = rgb.permute(0, 3, 1, 2).float() / 255.0
        return self.code(self.down(x - 0.5).flatten(1))

    def decode(self, code: Tensor) -> Tensor:
        """(B, D) to (B, 64, 64, 3) in 0..1."""
        x = functional.relu(self.uncode(code))
        x = x.reshape(len(x), -1, _SMALLEST, _SMALLEST)
        return self.up(x).permute(0, 2, 3, 1) + 0.5

    def forward(self, rgb: Tensor) -> Tensor:
        """The pictures as they are drawn again."""
        return self.decode(self.encode(rgb))


def fit(
    pictures: Pixels,
    held_out: Pixels,
    *,
    recipe: Recipe | None = None,
    on_epoch: Progress | None = None,
) -> tuple[Autoencoder, dict[str, float]]:
    """Train on pictures (N, 64, 64, 3); the best epoch on those held out is kept.

    The same pictures and recipe give the same network, on one machine with as many threads.

    Returns:
        The network, and its mean squared errors of pixels in 0..1: `error` of the pictures held
        out, `error_of_mean` of the mean picture in its place; `epochs` that it went through.

    Raises:
        ValueError: there are no pictures of one kind or the other.
    """
    if not (len(pictures) and len(held_out)):
        raise ValueError(f"{len(pictures)} pictures to learn from, {len(held_out)} to judge by")
    recipe = recipe or Recipe()
    draws = torch.Generator().manual_seed(recipe.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = Autoencoder(dim=recipe.dim, width=recipe.width)
    every, judged = torch.from_numpy(pictures), torch.from_numpy(held_out)
    batches = -(-len(every) // recipe.batch)
    epochs = max(1, min(recipe.epochs, recipe.steps // batches))
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.rate, total_steps=epochs * batches, pct_start=0.1
    )
    best, kept, since, done = float("inf"), network.state_dict(), 0, 0
    for epoch in range(1, epochs + 1):
        loss = _epoch(network, every, recipe.batch, draws, optimizer, schedule)
        done, error = epoch, _error(network, judged)
        if on_epoch is not None:
            on_epoch({"epoch": epoch, "epochs": epochs, "train_loss": loss, "valid_loss": error})
        since += 1
        if error < best:
            best, since = error, 0
            kept = {name: value.clone() for name, value in network.state_dict().items()}
        if since >= recipe.patience:
            break
    network.load_state_dict(kept)
    mean = every.float().mean(dim=0) / 255
    figures = {"error": best, "error_of_mean": _squares(mean[None], judged), "epochs": done}
    return network.eval(), figures


def _epoch(
    network: Autoencoder,
    every: Tensor,
    size: int,
    draws: torch.Generator,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> float:
    """Mean loss over all pictures, in another order each time, every second one mirrored."""
    network.train()
    total = 0.0
    for places in torch.split(torch.randperm(len(every), generator=draws), size):
        rgb = every[places]
        mirrored = torch.rand(len(rgb), generator=draws) < 0.5
        rgb = torch.where(mirrored[:, None, None, None], rgb.flip(2), rgb)
        loss = functional.mse_loss(network(rgb), rgb.float() / 255)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        total += loss.item() * len(rgb)
    return total / len(every)


def _error(network: Autoencoder, rgb: Tensor) -> float:
    network.eval()
    with torch.inference_mode():
        parts = [
            _squares(network(part).clamp(0, 1), part) * len(part) for part in torch.split(rgb, 256)
        ]
    return sum(parts) / len(rgb)


def _squares(drawn: Tensor, rgb: Tensor) -> float:
    return float(((drawn - rgb.float() / 255) ** 2).mean())


def save(network: Autoencoder, folder: Path, *, recipe: Recipe, learned: Mapping[str, Any]) -> None:
    """Write `config.json` and `model.safetensors` into a folder that is there."""
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(state, folder / _WEIGHTS)
    config = {
        "kind": KIND,
        "layout": LAYOUT,
        "side": SIDE,
        "dim": network.dim,
        "width": network.width,
        "recipe": asdict(recipe),
        "learned": dict(learned),
    }
    (folder / _CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def load(folder: Path) -> Autoencoder:
    """The network of a folder.

    Raises:
        ValueError: it holds something else, or the weights of another network.
        OSError: it cannot be read.
    """
    config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    if config.get("kind") != KIND or (config["layout"], config["side"]) != (LAYOUT, SIDE):
        raise ValueError("not the folder of an autoencoder of this version")
    network = Autoencoder(dim=config["dim"], width=config["width"])
    try:
        network.load_state_dict(load_file(folder / _WEIGHTS))
    except RuntimeError as err:
        raise ValueError(f"the weights do not fit: {err}") from err
    return network.eval()
