"""What an extractor is: plain data, so that cache keys need no numerical library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Modality", "Spec"]

Modality = Literal["image", "motion", "audio", "text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What an extractor is: everything that could change its output's bytes.

    A change of the code that changes the values raises `version`.
    """

    name: str
    version: int
    modality: Modality
    dim: int
    weights: str = ""  #: sha256 of the weights file, empty for none
    options: Mapping[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] = ()  #: names of the D columns, where they have names

    def recipe(self) -> dict[str, Any]:
        """The spec as plain JSON data, for cache keys and reports."""
        return {
            "name": self.name,
            "version": self.version,
            "modality": self.modality,
            "dim": self.dim,
            "weights": self.weights,
            "options": _in_order(self.options),
        }


def _in_order(options: Mapping[str, Any]) -> dict[str, Any]:
    """With sorted keys all the way down, as they come back from the store."""
    return {
        key: _in_order(value) if isinstance(value, Mapping) else value
        for key, value in sorted(options.items())
    }
