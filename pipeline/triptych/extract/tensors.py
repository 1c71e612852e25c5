"""Weights of a single file as tensors; nothing that a file says is run."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triptych.errors import WeightsError
from triptych.extract.sources import Source

if TYPE_CHECKING:
    import torch

__all__ = ["check_finite", "read_tensors", "weights_of"]


def weights_of(source: Source) -> dict[str, torch.Tensor]:
    """The tensors of a single file by name, also where they lie in a larger checkpoint.

    Raises:
        WeightsError: it holds something else.
    """
    import torch

    (path,) = source.files
    found = read_tensors(Path(path))
    while isinstance(found, dict) and isinstance(inner := found.get("state_dict"), dict):
        found = inner
    if not isinstance(found, dict) or not all(torch.is_tensor(each) for each in found.values()):
        raise WeightsError(
            "it holds no state_dict", path=path, remedy="save model.state_dict() alone"
        )
    check_finite(found, source)
    return {str(name).removeprefix("module."): value for name, value in found.items()}


def check_finite(weights: Mapping[str, torch.Tensor], source: Source) -> None:
    """Refuse weights that a failed training left behind: all answers would be no numbers.

    Raises:
        WeightsError: some are NaN or infinite.
    """
    import torch

    for name, each in weights.items():
        if each.is_floating_point() and not bool(torch.isfinite(each).all()):
            raise WeightsError(
                f"the weights {name!r} hold figures that are no numbers (NaN or infinite)",
                path=source.path,
                remedy="train, convert or fetch the model again",
            )


def read_tensors(path: Path) -> Any:
    """What a file of safetensors holds, or one of torch that is read without running anything.

    Raises:
        WeightsError: it is neither.
    """
    from pickle import UnpicklingError

    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what it then refuses
            mapped = zipfile.is_zipfile(path)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as err:  # of a file that is something else torch raises whatever comes
        said = str(err).splitlines()[0] if str(err) else "it is cut short"
        if isinstance(err, (UnpicklingError, LookupError)):  # torch's own words advise to run it
            said = "more than tensors, or nothing of torch, is pickled in it"
        raise WeightsError(
            f"no weights that can be read without risk: {said}",
            path=path,
            remedy="save them again as safetensors, or with torch.save(model.state_dict())",
        ) from err
