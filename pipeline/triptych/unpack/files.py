"""The files of one film while they are filled: who takes which chunk, and what they say of it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from triptych.decode.onepass import Chunk
from triptych.decode.spectrogram import N_MELS
from triptych.records import Cue, Frames, MediaInfo, Sound, Spectrogram
from triptych.unpack.drawing import PNG, draw_spectrogram
from triptych.unpack.frames import FramesFolder
from triptych.unpack.sampling import Sampled
from triptych.unpack.sound import SoundFile
from triptych.unpack.spectrum import NPZ, SpectrogramFile
from triptych.unpack.wishes import Wishes
from triptych.unpack.words import Words

__all__ = ["Files"]


class Files:
    """Takes the chunks of a film; use it as a context manager.

    Args:
        folder: that is filled.
        wishes: what is wanted.
        sampled: which frames are; None for none.
    """

    def __init__(self, folder: Path, *, wishes: Wishes, sampled: Sampled | None) -> None:
        self.words = Words()
        self._folder = folder
        self._frames = self._sound = self._spectrogram = None
        if sampled is not None:
            facts_of = sampled.facts_of
            self._frames = FramesFolder(folder, kind=wishes.frames, facts_of=facts_of)
        if wishes.sound != "none":
            self._sound = SoundFile(folder / f"sound.{wishes.sound}", kind=wishes.sound)
        if wishes.spectrogram:
            self._spectrogram = SpectrogramFile(folder)
        self._open = contextlib.ExitStack()

    @property
    def hears(self) -> bool:
        """Whether sound is taken, or what it is made into."""
        return self._sound is not None or self._spectrogram is not None

    def __enter__(self) -> Self:
        for each in (self._frames, self._sound, self._spectrogram):
            if each is not None:
                self._open.enter_context(each)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, err, trace)

    def take(self, chunk: Chunk) -> None:
        """Write a chunk where it belongs.

        Raises:
            OSError: the disk will not have it.
        """
        if isinstance(chunk, Frames) and self._frames:
            self._frames.write(chunk)
        elif isinstance(chunk, Sound) and self._sound:
            self._sound.write(chunk)
        elif isinstance(chunk, Spectrogram) and self._spectrogram:
            self._spectrogram.write(chunk)
        elif isinstance(chunk, Cue):
            self.words.write(chunk)

    def finish(self, info: MediaInfo) -> dict[str, Any]:
        """Write what could not be written before the end; returns what media.json says of it all.

        Raises:
            OSError: the disk will not have it.
        """
        self.words.finish(self._folder, zero_s=info.start_s)
        return {
            "frames": self._frames.finish() if self._frames else None,
            "sound": self._sound.finish() if self._sound else None,
            "spectrogram": self._drawn(info) if self._spectrogram else None,
            "cues": self.words.sources(),
        }

    def _drawn(self, info: MediaInfo) -> dict[str, Any] | None:
        kept = self._spectrogram
        if kept is None or not kept.columns:
            return None
        with kept.finished() as columns:
            draw_spectrogram(
                columns,
                self._folder / PNG,
                title=Path(info.path).name,
                start_s=kept.start_s - info.start_s,
                hop_s=kept.hop_s,
            )
        return {
            "files": [NPZ, PNG],
            "columns": kept.columns,
            "bands": N_MELS,
            "start_s": round(kept.start_s, 6),
            "hop_s": kept.hop_s,
        }
