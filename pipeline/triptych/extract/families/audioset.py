"""`audioset=FILE`: taggers of the 527 sounds of AudioSet, as EfficientAT publishes them."""

from __future__ import annotations

import functools
import pickletools
import re
import zipfile
from importlib import resources
from pathlib import Path

from triptych.errors import WeightsError
from triptych.extract.families import Family
from triptych.extract.sources import Source, find_source
from triptych.extract.specs import Entry
from triptych.spec import Spec

__all__ = ["BANDS", "COLUMNS_HZ", "FAMILY", "RATE_HZ", "WINDOW_S", "describe", "specs_of", "tags"]

RATE_HZ, COLUMNS_HZ, BANDS = 32_000, 100, 128  # of the sound and its spectrogram
WINDOW_S = 2  # heard around the middle of each row; rows that last longer are heard as a whole
_EXAMPLE = "mn04_as_mAP_432.pt"
_MODULES = ("torch", "torchvision")
#: Files of EfficientAT whose tensors look the same: for other spectrograms, and for ImageNet.
_OTHER = re.compile(r"_(hop|mels)_\d|^mn\d+_im")
_LAST_NORM = "features.16.1.bias"  # one value for each of the embedding's columns


def describe(given: str) -> Entry:
    """The extractor for one file of weights.

    Raises:
        WeightsError: there is no such file, or it holds another network.
    """
    source = find_source(given, example=_EXAMPLE)
    if _OTHER.search(Path(source.path).name):
        raise WeightsError(
            "its name says that this network was trained on another spectrogram, or on pictures",
            path=source.path,
            remedy=f"give one such as {_EXAMPLE} or mn10_as_mAP_471.pt",
        )
    return Entry(
        name="audioset",
        target="triptych.extract.audioset:AudioSetExtractor",
        specs=specs_of(source),
        modules=_MODULES,
        what=FAMILY.what,
        stepped=True,
        sampled=False,
        networks=True,
        source=source,
    )


def specs_of(source: Source) -> tuple[Spec, Spec]:
    """Of the embedding and of the tags.

    Raises:
        WeightsError: the file holds another network.
    """
    options = {"rate_hz": RATE_HZ, "bands": BANDS, "window_s": WINDOW_S}
    embedding = Spec(
        name="audioset",
        version=1,
        modality="audio",
        dim=_width(Path(source.files[0])),
        weights=source.sha256,
        options=options,
    )
    labels = Spec(
        name="audioset_labels",
        version=1,
        modality="audio",
        dim=len(tags()),
        weights=source.sha256,
        options=options,
        columns=tags(),
    )
    return embedding, labels


@functools.cache
def tags() -> tuple[str, ...]:
    """Names of AudioSet's 527 classes, in the order of the probabilities."""
    file = resources.files("triptych.extract") / "audioset_tags.txt"
    lines = file.read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


def _width(path: Path) -> int:
    """Columns of the embedding: how many numbers the last normalisation has.

    Read off the file's table of contents, of which nothing is run.
    """
    try:
        with zipfile.ZipFile(path) as file:
            table = next(name for name in file.namelist() if name.endswith("/data.pkl"))
            steps = pickletools.genops(file.read(table))
        next(True for _, value, _ in steps if value == _LAST_NORM)
        return next(value for step, value, _ in steps if step.name.startswith("BININT") and value)
    except (OSError, zipfile.BadZipFile, StopIteration, ValueError) as err:
        raise WeightsError(
            "these are no weights of an EfficientAT network",
            path=path,
            remedy=f"give a file such as {_EXAMPLE} from the EfficientAT releases",
        ) from err


FAMILY = Family(
    name="audioset",
    what="EfficientAT's MobileNets: embedding and 527 sounds of AudioSet a second",
    describe=describe,
    tracks={"audioset": "audio", "audioset_labels": "audio"},
    examples=(_EXAMPLE,),
    modules=_MODULES,
    extra="",
    bring="a file of the EfficientAT releases",
)
