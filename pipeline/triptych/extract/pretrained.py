"""Models of transformers from a folder: no network, no foreign code, no pickle, no chatter."""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from triptych.amounts import counted
from triptych.errors import WeightsError
from triptych.extract.sources import Source
from triptych.extract.tensors import check_finite

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["answering", "hushed", "network", "pretrained"]


def pretrained(auto: str, source: Source, **options: Any) -> Any:
    """What one of transformers' `Auto...` classes makes of a model that was found.

    Args:
        auto: name of the class, such as "AutoModel" or "AutoTokenizer".
        source: a folder as `save_pretrained` writes it.
        options: of its `from_pretrained`.

    Raises:
        WeightsError: the folder does not hold what the class needs.
    """
    from pickle import UnpicklingError

    import transformers
    from safetensors import SafetensorError

    hushed()
    if "Model" in auto:
        import torch

        options = {"dtype": torch.float32, **options}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = getattr(transformers, auto).from_pretrained(
                str(source.folder), local_files_only=True, trust_remote_code=False, **options
            )
    except (
        *(OSError, ValueError, KeyError, TypeError, ImportError, RuntimeError, EOFError),
        *(SafetensorError, UnpicklingError),
    ) as err:
        said = " ".join(str(err).split())[:300] or type(err).__name__
        if isinstance(err, UnpicklingError):  # torch's own words advise to run it
            said = "more than tensors, or nothing of torch, is pickled in its weights"
        raise WeightsError(
            f"{auto} of transformers cannot read it: {said}",
            path=source.path,
            remedy='pip install "triptych[hub]"'
            if isinstance(err, ImportError)
            else "fetch the model again, or give the whole folder that save_pretrained made",
        ) from err
    return made.eval() if hasattr(made, "eval") else made


def network(kind: str, source: Source, *, spared: tuple[str, ...] = ()) -> Any:
    """A network in float32, with nothing of it missing: random numbers would take the place.

    Args:
        kind: a class of transformers.
        source: a folder as `save_pretrained` writes it.
        spared: beginnings of the names of tensors that may be missing, because nothing reads them.

    Raises:
        WeightsError: the weights changed since the run began, or are not of such a network.
    """
    import torch

    source.check()
    made, told = pretrained(kind, source, output_loading_info=True, dtype=torch.float32)
    missing = sorted(n for n in told["missing_keys"] if not (spared and n.startswith(spared)))
    if missing:
        some = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise WeightsError(
            f"{counted(len(missing), 'tensor')} missing: {some}",
            path=source.path,
            remedy="fetch the model again, or give another",
        )
    check_finite(made.state_dict(), source)
    return made.eval()


def answering(made: Any, answer: Callable[[Any, Tensor], tuple[Tensor, ...]]) -> nn.Module:
    """A network for an engine: it takes one tensor and gives some, a row an item.

    Args:
        made: the network, or several in a `ModuleDict`.
        answer: given it and the items.
    """
    from torch import nn

    class Answering(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = made

        def forward(self, items: Tensor) -> tuple[Tensor, ...]:
            return answer(self.network, items)

    return Answering()


@functools.cache
def hushed() -> None:
    """Once a process: no progress bars and no advice, which are for people at a prompt."""
    from tqdm import tqdm
    from transformers.utils import logging as told_by

    told: Any = told_by
    told.set_verbosity_error()
    told.disable_progress_bar()
    tqdm.set_lock(threading.RLock())  # else one of all processes, which a killed worker leaves
