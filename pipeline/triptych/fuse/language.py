"""Where a language model is; plain data and the standard library, as finished runs ask it, too."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

from triptych.errors import UsageError

__all__ = ["REMEDY", "llm_digest", "llm_folder"]

REMEDY = "give the folder of a model with safetensors, or the id of one fetched before"


def llm_folder(name: str) -> Path:
    """Where a language model is: a folder, or what was fetched of an id; nothing is downloaded.

    Raises:
        UsageError: transformers is not installed, or there is no such model here.
    """
    if importlib.util.find_spec("transformers") is None:
        raise UsageError(
            "a language model needs transformers", remedy='pip install "triptych[hub]"'
        )
    folder = Path(os.path.expanduser(name))
    if not folder.is_dir():
        folder = _fetched(name)
    lacks = [what for what in ("config.json", "*.safetensors") if not [*folder.glob(what)]]
    if lacks:
        raise UsageError(
            f"no language model: it has no {' and no '.join(lacks)}", path=folder, remedy=REMEDY
        )
    return folder


def _fetched(name: str) -> Path:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        found = None
    if not isinstance(found, str):
        fetched = "ORG/NAME" if Path(name).is_absolute() or Path(name).exists() else name
        raise UsageError(
            f"no language model {name!r} on this machine",
            remedy=f"{REMEDY}: `hf download {fetched}` fetches one; a run never does",
        )
    return Path(found).parent


def llm_digest(name: str) -> list[list[Any]]:
    """What tells a model from another one, or from itself after a change; nothing large is read.

    Raises:
        UsageError: as `llm_folder`.
    """
    files = sorted(path for path in llm_folder(name).iterdir() if path.is_file())
    return [[path.name, (told := path.stat()).st_size, told.st_mtime_ns] for path in files]
