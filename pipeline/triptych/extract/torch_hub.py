"""Weights that torchvision and torchaudio publish, in the cache of torch's hub."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from triptych.errors import WeightsError
from triptych.extract.sources import Source, source_of
from triptych.extract.tensors import read_tensors

__all__ = ["download", "published"]

_DIGEST = re.compile(r"-([0-9a-f]{8,})\.pth$")  # most files are named after their digests


def published(name: str, file: str, *, library: str, family: str) -> Source:
    """A library's own weights of a network, in the cache of torch's hub.

    Raises:
        WeightsError: they are not there, or damaged.
    """
    path = _folder() / file
    if not path.is_file():
        raise WeightsError(
            f"the weights of {library}'s {name!r} are not in {path.parent}",
            remedy=f"triptych models fetch {family}={name}",
        )
    source = source_of(path, given=name, kind="hub", id=f"{library}/{name}", revision=path.name)
    wanted = _DIGEST.search(path.name)
    if wanted and not source.sha256.startswith(wanted[1]):
        raise WeightsError(
            "the file is damaged: its digest is not the one that it is named after",
            path=path,
            remedy=f"remove it, then: triptych models fetch {family}={name}",
        )
    return source


def download(name: str, url: str, *, library: str, family: str) -> None:
    """Download a library's own weights of a network, unless they are here.

    Nothing of a file is run. One that is not named after its digest must be readable, so that
    half of a file is not kept.

    Raises:
        WeightsError: it cannot be done.
    """
    from torch.hub import download_url_to_file

    path = _folder() / url.rpartition("/")[2]
    if path.is_file():
        return
    wanted = _DIGEST.search(path.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            new = Path(folder) / path.name
            download_url_to_file(url, str(new), wanted and wanted[1], progress=False)
            if wanted is None:
                read_tensors(new)
            new.replace(path)
    except (OSError, RuntimeError, WeightsError) as err:
        said = " ".join(str(err).split())[:300] or type(err).__name__
        raise WeightsError(
            f"the weights of {library}'s {name!r} cannot be fetched: {said}",
            remedy=f"check the network, or write {family}=NAME:FILE with a file that you have",
        ) from err


def _folder() -> Path:
    """Where torch's hub keeps files, as `torch.hub.get_dir` says."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    home = Path(os.environ.get("TORCH_HOME") or cache)
    return home.expanduser() / "hub" / "checkpoints"
