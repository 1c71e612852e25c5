"""Models in plain torch; they know nothing of files, videos or the pipeline."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triptych_models.audioset import AudioSetMobileNet
    from triptych_models.autoencoder import Autoencoder
    from triptych_models.efficientnet_lite import EfficientNetLite0
    from triptych_models.transnet import TransNetV2

__all__ = ["AudioSetMobileNet", "Autoencoder", "EfficientNetLite0", "TransNetV2"]

_MODULES = {
    "AudioSetMobileNet": "audioset",
    "Autoencoder": "autoencoder",
    "EfficientNetLite0": "efficientnet_lite",
    "TransNetV2": "transnet",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:  # torch takes seconds to import
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
