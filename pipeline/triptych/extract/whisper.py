"""The packaged Whisper-base, loaded once a process for both its uses."""

from __future__ import annotations

import functools
import os
from typing import Any

from triptych.extract.weights import find_weights, read_weights

__all__ = ["whisper"]


@functools.cache
def whisper() -> Any:
    """faster-whisper's model on the packaged weights, int8, on this process's threads.

    Raises:
        WeightsError: the weights are not installed, or are not the pinned ones.
    """
    from faster_whisper import WhisperModel

    folder = find_weights("whisper-base")[1].parent
    files: dict[str, Any] = {
        name: (folder / name).read_bytes()
        for name in ("config.json", "tokenizer.json", "vocabulary.json")
    }
    files["model.bin"] = read_weights("whisper-base")
    return WhisperModel(
        "whisper-base",
        device="cpu",
        compute_type="int8",
        cpu_threads=int(os.environ.get("OMP_NUM_THREADS", "1")),
        files=files,
    )
