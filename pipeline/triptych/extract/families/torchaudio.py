"""`torchaudio=NAME` of torchaudio.pipelines, `NAME:FILE` with a state_dict of one's own, or FOLDER.

A folder is of a network of other sizes: weights, and a config.json with the fields of a bundle,
`{"model_type": "Wav2Vec2", "params": {...}, "sample_rate": 16000, "normalize_waveform": false}`,
where `params` are the arguments of torchaudio.models.wav2vec2_model (or, of WavLM, wavlm_model).
"""

from __future__ import annotations

import csv
import dataclasses
import functools
from importlib.resources import files
from pathlib import Path
from typing import Any

from triptych.decode.parameters import RATE_HZ
from triptych.errors import UsageError, WeightsError
from triptych.extract.configured import width_of
from triptych.extract.families import Family
from triptych.extract.families.voice import WINDOW_S, even_steps
from triptych.extract.sources import Source, find_source
from triptych.extract.specs import Entry
from triptych.extract.torch_hub import download, published
from triptych.spec import Spec

__all__ = ["FACTORIES", "FAMILY", "describe", "described", "fetch"]

#: What `model_type` may be -> the function of torchaudio.models that makes it.
FACTORIES = {"Wav2Vec2": "wav2vec2_model", "WavLM": "wavlm_model"}
_ADDRESS = "https://download.pytorch.org/torchaudio/models/"
_LAYERS = [[512, 10, 5], *[[512, 3, 2]] * 4, *[[512, 2, 2]] * 2]  # the ear of every bundle


def describe(given: str) -> Entry:
    """The extractor with torchaudio's own weights, with a file of the user's, or with a folder."""
    name, sign, file = given.partition(":")
    if name not in _table() and Path(given).expanduser().exists():
        source = find_source(given)
    elif sign:
        _row(name)
        source = dataclasses.replace(find_source(file), given=given)
    else:
        source = published(name, _row(name)["file"], library="torchaudio", family="torchaudio")
    return described(source)


def described(source: Source) -> Entry:
    """The extractor with weights that were found.

    Raises:
        WeightsError: config.json of a folder does not say what the network is.
    """
    name = source.given.partition(":")[0]
    bundle = _table().get(name)
    if bundle:
        dim, layers, network = int(bundle["dim"]), _LAYERS, name
    else:
        dim, layers, network = _configured(source)
    stride, heard = even_steps([k for _, k, _ in layers], [s for _, _, s in layers], source)
    spec = Spec(
        name="torchaudio",
        version=1,
        modality="audio",
        dim=dim,
        weights=source.sha256,
        options={
            "network": network,
            "files": network if bundle else source.digest_of("config.json"),
            "stride": stride,
            "state": heard,
            "window_s": WINDOW_S,
        },
    )
    return Entry(
        name="torchaudio",
        target="triptych.extract.voice:TorchaudioExtractor",
        specs=(spec,),
        what=f"torchaudio's {network}: {dim}-d embedding a second",
        stepped=True,
        sampled=False,
        networks=True,
        source=source,
    )


def fetch(given: str) -> str:
    """Download torchaudio's own weights into the cache of torch's hub."""
    url = _ADDRESS + _row(given)["file"]
    download(given, url, library="torchaudio", family="torchaudio")
    return describe(given).source.path  # type: ignore[union-attr]


def _configured(source: Source) -> tuple[int, list[Any], str]:
    """Dim, layers of convolution, and kind of a network that config.json describes."""
    config = source.data("config.json")
    params, kind = config.get("params"), str(config.get("model_type"))
    params = params if isinstance(params, dict) else {}
    layers = params.get("extractor_conv_layer_config")
    if kind not in FACTORIES or not isinstance(layers, list) or not all(map(_is_layer, layers)):
        raise WeightsError(
            "config.json does not say which network of torchaudio it is: it has no model_type "
            f"({' or '.join(FACTORIES)}) with params",
            path=source.path,
            remedy=f"name it (torchaudio={FAMILY.examples[0]}:FILE), or write config.json; a model "
            "of transformers goes with voice=",
        )
    if config.get("sample_rate", RATE_HZ) != RATE_HZ:
        layers = []  # which fits nothing
    return width_of(params, "encoder_embed_dim", source=source), layers, kind


def _is_layer(found: Any) -> bool:
    """Channels, width and step."""
    return isinstance(found, list) and len(found) == 3 and all(isinstance(n, int) for n in found)


def _row(name: str) -> dict[str, str]:
    known = _table()
    if name not in known:
        raise UsageError(
            f"torchaudio has no network of speech {name!r}",
            remedy=f"there are {', '.join(known)}; a file is given as HUBERT_BASE:/models/mine.pth",
        )
    return known[name]


@functools.cache
def _table() -> dict[str, dict[str, str]]:
    """What torchaudio says of its bundles, without importing torch to ask it."""
    text = (files(__package__) / "torchaudio_bundles.tsv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {row["name"]: row for row in csv.DictReader(lines, delimiter="\t")}


def _licence(given: str) -> str:
    return _row(given)["licence"]


FAMILY = Family(
    name="torchaudio",
    what="wav2vec 2.0, HuBERT or WavLM of torchaudio by name, or NAME:FILE with weights of your "
    "own: embedding a second",
    describe=describe,
    tracks={"torchaudio": "audio"},
    examples=("HUBERT_BASE", "WAV2VEC2_XLSR53", "WAVLM_BASE_PLUS"),
    extra="",
    fetch=fetch,
    licence=_licence,
)
