"""FILE -> FRAMES, SPECTROGRAM, SOUND, WORDS as plain files: `triptych decode`, without any model.

    from triptych.unpack import Wishes, unpack

    unpack(["talk.mp4"], "talk/", wishes=Wishes(sample="every:5", sound="flac"))

Each file is read once, in bounded chunks, in a process of its own. What is written of it appears
whole or not at all, `media.json` last. docs/schema.md says what is in the files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triptych.unpack.command import plans, unpack
    from triptych.unpack.wishes import Wishes

__all__ = ["Wishes", "plans", "unpack"]

_HOMES = {
    "Wishes": "triptych.unpack.wishes",
    "plans": "triptych.unpack.command",
    "unpack": "triptych.unpack.command",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:  # the command line asks this package for its grammar alone
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
