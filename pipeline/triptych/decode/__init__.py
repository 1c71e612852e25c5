"""FILE -> FRAMES, SOUND, CUES.

    with open_media("talk.mp4") as media:
        for chunk in media.stream(fps=1.0):
            ...  # Frames, Sound, Spectrogram or Cue, in the order of the file

One pass over the container serves every consumer. Pictures are chosen by presentation time,
never by index; sound is mono 16 kHz in chunks of 10 s; memory does not grow with the length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triptych.decode.media import Media, open_media

__all__ = ["Media", "open_media"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # av and numpy load when a file is opened, not with the command line
        from triptych.decode import media

        return getattr(media, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
