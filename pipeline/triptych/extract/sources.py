"""Where a model of the user's choice is: what was typed, found on this machine and never fetched.

A local file or folder; else the id of weights that an installed package ships; else the id of a
model in the local hub cache. `triptych models fetch` is the only thing that downloads, see
`triptych.extract.fetching`.

Neither numpy nor torch is imported here: a run over finished videos asks for the digests, too.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from triptych.errors import WeightsError
from triptych.extract.digests import file_digest, remembered_digest
from triptych.extract.weights import WEIGHTS, find_weights

__all__ = ["Source", "find_source", "hub_folder", "is_hub_id", "licence_of", "source_of"]

Kind = Literal["path", "package", "hub"]

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", re.ASCII)
#: Names of weights in a folder, best first; an index names the parts of a model that has several.
_WEIGHTS = (
    "model.safetensors.index.json",
    "model.safetensors",
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
    "model.bin",  # of CTranslate2
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A model that was found, and what identifies its weights."""

    given: str  #: as the user wrote it
    kind: Kind
    path: str  #: absolute, of the file or the folder
    files: tuple[str, ...]  #: the weights' own, absolute
    sha256: str  #: of the weights; of several files that of their names and digests
    id: str = ""  #: of the weights in a package, or of the model on the hub
    revision: str = ""  #: of the model on the hub

    @property
    def folder(self) -> Path:
        """Where the files that belong to the weights are."""
        path = Path(self.path)
        return path if path.is_dir() else path.parent

    def data(self, name: str) -> dict[str, Any]:
        """A JSON file of the model's folder; empty where there is none.

        Raises:
            WeightsError: it cannot be read.
        """
        path = self.folder / name
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as err:
            raise WeightsError(
                f"cannot be read: {err}", path=path, remedy="copy or fetch the model again"
            ) from err
        if not isinstance(found, dict):
            raise WeightsError("is no table of settings", path=path, remedy="fetch it again")
        return found

    def digest_of(self, *names: str) -> str:
        """Identifies small files beside the weights, those of them that are there."""
        whole = hashlib.sha256()
        for path in (self.folder / name for name in names):
            if path.is_file():
                whole.update(f"{path.name} {file_digest(path)}\n".encode())
        return whole.hexdigest()[:16]

    def check(self) -> None:
        """Read the weights again, and see that they are still the ones that keys were made with.

        Raises:
            WeightsError: they are not.
        """
        if _joined([(Path(f), file_digest(Path(f))) for f in self.files]) != self.sha256:
            raise WeightsError(
                "the weights are not those that the run began with",
                path=self.path,
                remedy="run again when the file has its final content",
            )

    def told(self) -> dict[str, str]:
        """Which source was used, as the report says it."""
        if self.kind == "hub":
            return {"kind": "hub", "id": self.id, "revision": self.revision}
        if self.kind == "package":
            return {"kind": "package", "id": self.id}
        return {"kind": "path", "path": self.path}


def find_source(given: str, *, example: str = "") -> Source:
    """Find a model on this machine by what the user wrote.

    Args:
        given: a path, an id of `triptych models`, or of the hub (`org/name`, `org/name@revision`).
        example: of what could have been written, for the message.

    Raises:
        WeightsError: it is nowhere, or it has no weights that can be read without risk.
    """
    path = Path(given).expanduser()
    if given and _exists(path):
        return source_of(path, given=given)
    if given in WEIGHTS:
        parts = find_weights(given)
        if len(parts) == 1:
            return source_of(parts[0], given=given, kind="package", id=given)
    if is_hub_id(given):
        name, _, revision = given.partition("@")
        if (folder := hub_folder(name, revision=revision)) is not None:
            return source_of(folder, given=given, kind="hub", id=name, revision=folder.name)
        raise WeightsError(
            f"the model {given!r} is nowhere: it is no file or folder, no installed package ships "
            "it, and it is not in the local hub cache",
            remedy=f"triptych models fetch {given}",
        )
    wanted = "an id of the hub"
    if example:
        wanted = f"{wanted}, such as {example}" if is_hub_id(example) else f"a file like {example}"
    raise WeightsError(
        f"the model {given!r} is nowhere: it is no file or folder, and no installed package "
        "ships it",
        remedy=f"check the path, or give {wanted}",
    )


def source_of(
    path: Path, *, given: str, kind: Kind = "path", id: str = "", revision: str = ""
) -> Source:
    """A file or folder that is there, with the digest of its weights.

    Raises:
        WeightsError: no weights are in it, or they cannot be read.
    """
    path = path.absolute()
    files = _weights_in(path) if path.is_dir() else [path]
    return Source(
        given=given,
        kind=kind,
        path=str(path),
        files=tuple(map(str, files)),
        sha256=_joined([(file, remembered_digest(file)) for file in files]),
        id=id,
        revision=revision,
    )


def is_hub_id(given: str) -> bool:
    """Whether this could be a model on the hub.

    >>> is_hub_id("openai/clip-vit-base-patch32"), is_hub_id("/models/clip"), is_hub_id("a/b/c")
    (True, False, False)
    """
    return _HUB_ID.fullmatch(given) is not None and not given.startswith((".", "~"))


def hub_folder(name: str, *, revision: str = "") -> Path | None:
    """The folder of a model in the local hub cache; None where it is not there.

    Args:
        name: `org/name`.
        revision: a branch, tag or commit; empty for the main one.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import snapshot_download

    try:
        # Whatever else the hub has of it need not be here: one format of the weights is enough.
        found = snapshot_download(
            name,
            revision=revision or None,
            local_files_only=True,
            allow_patterns="config.json",
        )
    except (OSError, ValueError):
        return None
    return Path(found)


def licence_of(folder: Path) -> str:
    """The licence that a model's card or settings name; empty where they name none."""
    card = _text(folder / "README.md")
    head = card.split("---", 2)[1] if card.startswith("---") else ""
    if found := re.search(r"^license:[ \t]*[\"']?([^\s\"'#]+)", head, re.MULTILINE):
        return found[1]
    named = re.search(r'"license"\s*:\s*"([^"]+)"', _text(folder / "config.json"))
    return named[1] if named else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a name, or with a zero byte
        return False


def _weights_in(folder: Path) -> list[Path]:
    """The files of a model's weights; safetensors where there are any."""
    for name in _WEIGHTS:
        if not (folder / name).is_file():
            continue
        return _parts(folder / name) if name.endswith(".index.json") else [folder / name]
    others = sorted(p for p in folder.iterdir() if p.suffix == ".safetensors")
    if len(others) == 1:
        return others
    raise WeightsError(
        f"no weights in this folder: it has none of {', '.join(_WEIGHTS)}",
        path=folder,
        remedy="give the folder that save_pretrained made, or fetch the model again",
    )


def _parts(index: Path) -> list[Path]:
    try:
        named = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        parts = [index.parent / name for name in sorted(set(named))]
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as err:
        raise WeightsError(
            f"cannot be read: {err}", path=index, remedy="copy or fetch the model again"
        ) from err
    if gone := [part.name for part in parts if not part.is_file()]:
        raise WeightsError(
            f"parts of the weights are missing: {', '.join(gone)}",
            path=index.parent,
            remedy="copy or fetch the model again",
        )
    return parts


def _joined(digests: Sequence[tuple[Path, str]]) -> str:
    """Digest of all files; of one file its own."""
    if len(digests) == 1:
        return digests[0][1]
    lines = "".join(f"{path.name} {digest}\n" for path, digest in digests)
    return hashlib.sha256(lines.encode()).hexdigest()
