"""The packaged Whisper-base, loaded once a process for both its uses; or one of the user's own."""

from __future__ import annotations

import functools
import os
import threading
from typing import Any

from triptych.errors import WeightsError
from triptych.extract.sources import Source, find_source
from triptych.extract.weights import find_weights, read_weights

__all__ = ["find_whisper", "own_whisper", "whisper", "whisper_recipe"]

_EXAMPLE = "Systran/faster-whisper-small"
_FILES = ("config.json", "tokenizer.json", "vocabulary.json", "vocabulary.txt")


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
        **_how(),
        files=files,
    )


def find_whisper(given: str) -> Source:
    """A model of the user's own, in the format of CTranslate2.

    Raises:
        WeightsError: it is nowhere, or lacks what belongs to it.
    """
    source = find_source(given, example=_EXAMPLE)
    wanted = ("model.bin", "config.json", "tokenizer.json")  # a missing one would be downloaded
    if gone := [name for name in wanted if not (source.folder / name).is_file()]:
        raise WeightsError(
            f"no model that faster-whisper reads: {', '.join(gone)} is missing",
            path=source.path,
            remedy=f"give one such as {_EXAMPLE}, or convert yours: ct2-transformers-converter "
            "--quantization int8 --copy_files tokenizer.json preprocessor_config.json",
        )
    return source


def whisper_recipe(given: str) -> dict[str, Any]:
    """What could change the words that a model of the user's own recognises."""
    source = find_whisper(given)
    return {
        "weights": source.sha256,
        "files": source.digest_of(*_FILES, "preprocessor_config.json"),
    }


@functools.cache
def own_whisper(given: str) -> Any:
    """The same model class on weights of the user's own; once a process.

    Raises:
        WeightsError: they are nowhere, or changed since the run began.
    """
    from faster_whisper import WhisperModel

    source = find_whisper(given)
    source.check()
    try:
        return WhisperModel(str(source.folder), **_how(), local_files_only=True)
    except (RuntimeError, ValueError, OSError) as err:
        raise WeightsError(
            f"cannot be loaded: {str(err)[:200]}", path=source.path, remedy="fetch it again"
        ) from err


def _how() -> dict[str, Any]:
    # faster-whisper draws bars, whose lock else is one of all processes: a worker that is killed
    # leaves it behind, and Python warns of that at the end of the run.
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    return {"device": "cpu", "compute_type": "int8", "cpu_threads": threads}
