"""Models of transformers from a folder: no network, no foreign code, no pickle, no chatter."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from triptych.errors import WeightsError
from triptych.extract.sources import Source

__all__ = ["pretrained"]


def pretrained(auto: str, source: Source, **options: Any) -> Any:
    """What one of transformers' `Auto...` classes makes of a model that was found.

    Args:
        auto: name of the class, such as "AutoModel" or "AutoTokenizer".
        source: a folder as `save_pretrained` writes it.
        options: of its `from_pretrained`.

    Raises:
        WeightsError: the folder does not hold what the class needs.
    """
    import transformers
    from safetensors import SafetensorError

    if "Model" in auto:
        import torch

        options = {"dtype": torch.float32, **options}
    try:
        with _quiet():
            made = getattr(transformers, auto).from_pretrained(
                str(source.folder), local_files_only=True, trust_remote_code=False, **options
            )
    except (
        *(OSError, ValueError, KeyError, TypeError, ImportError, RuntimeError),
        SafetensorError,
    ) as err:
        said = " ".join(str(err).split())[:300]
        raise WeightsError(
            f"{auto} of transformers cannot read it: {said}",
            path=source.path,
            remedy="fetch the model again, or give the whole folder that save_pretrained made",
        ) from err
    return made.eval() if "Model" in auto else made


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without progress bars and advice, which are for people at a prompt."""
    from transformers.utils import logging as told_by

    told: Any = told_by
    level, bars = told.get_verbosity(), told.is_progress_bar_enabled()
    told.set_verbosity(logging.CRITICAL)
    told.disable_progress_bar()
    try:
        yield
    finally:
        told.set_verbosity(level)
        if bars:
            told.enable_progress_bar()
