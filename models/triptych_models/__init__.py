"""Models in plain torch; they know nothing of files, videos or the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triptych_models.efficientnet_lite import EfficientNetLite0

__all__ = ["EfficientNetLite0"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # torch takes seconds to import
        from triptych_models import efficientnet_lite

        return getattr(efficientnet_lite, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
