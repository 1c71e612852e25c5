"""FEATURES FOR OTHER TOOLS.

    from triptych.share import export, read_mmsa

    export("out/", "features/", layout="parquet")     # what a finished run has, nothing decoded
    read_mmsa("features/features.pkl")                # without trusting the file

Layouts: parquet, npz, vsumm (h5), mmsa (pkl), webdataset (tar). docs/schema.md has their names
and shapes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triptych.share.mmsa import read_mmsa
    from triptych.share.write import LAYOUTS, export

__all__ = ["LAYOUTS", "export", "read_mmsa"]

_HOMES = {
    "LAYOUTS": "triptych.share.write",
    "export": "triptych.share.write",
    "read_mmsa": "triptych.share.mmsa",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:  # numpy loads when features are read
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
