"""Small models of every family, made with the libraries' own classes and saved as they save."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["MAKERS", "seeded"]


def seeded() -> Any:
    """Torch with a seed, so that two sessions make the same model."""
    import torch

    torch.manual_seed(3)
    return torch


def torchvision(folder: Path) -> str:
    """A state_dict of one's own."""
    torch = seeded()
    from torchvision.models import mobilenet_v3_small

    path = folder / "权重.pth"
    torch.save(mobilenet_v3_small(weights=None, num_classes=7).state_dict(), path)
    return f"mobilenet_v3_small:{path}"


def timm(folder: Path) -> str:
    """What timm writes for the hub."""
    seeded()
    from timm import create_model
    from timm.models import save_for_hf

    network = create_model("resnet10t", pretrained=False, num_classes=5)
    save_for_hf(network, str(folder), safe_serialization=True)
    return str(folder)


#: Family -> a function that makes a model in an empty folder, and says its source.
MAKERS = {"torchvision": torchvision, "timm": timm}
