"""Models of transformers as their small JSON files describe them; the library is not imported."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from triptych.errors import WeightsError
from triptych.extract.sources import Source, find_source

__all__ = ["TOKENIZERS", "configured", "entries_of", "label_names", "require_one_of", "width_of"]


#: Any of these is a tokenizer that transformers can read.
TOKENIZERS = (
    *("tokenizer.json", "vocab.json", "vocab.txt"),
    *("spiece.model", "sentencepiece.bpe.model", "tokenizer.model"),
)


def configured(
    given: str, *, kinds: Collection[str], example: str, wanted: str
) -> tuple[Source, dict[str, Any]]:
    """A model and its config.json.

    Args:
        given: what the user wrote.
        kinds: values of `model_type` that fit.
        example: of what could have been written.
        wanted: what a model must be, for the message.

    Raises:
        WeightsError: it is nowhere, or another kind of model.
    """
    source = find_source(given, example=example)
    config = source.data("config.json")
    kind = config.get("model_type")
    if kind not in kinds:
        found = f"this is a model of the kind {kind!r}" if kind else "there is no config.json here"
        raise WeightsError(
            f"{found}, wanted {wanted}", path=source.path, remedy=f"give one such as {example}"
        )
    return source, config


def require_one_of(names: Collection[str], *, what: str, source: Source) -> None:
    """Refuse a folder that lacks a part for which transformers would make something up.

    Raises:
        WeightsError: none of the files is there.
    """
    if not any((source.folder / name).is_file() for name in names):
        raise WeightsError(
            f"the model comes without {what}: there is none of {', '.join(names)}",
            path=source.path,
            remedy="copy these files beside the weights, or fetch the model again",
        )


def width_of(config: Mapping[str, Any], *names: str, source: Source) -> int:
    """The first of these settings that is there, a whole number above zero.

    Raises:
        WeightsError: none is.
    """
    for name in names:
        found = config.get(name)
        if isinstance(found, int) and found > 0:
            return found
    raise WeightsError(
        f"config.json says nothing of {' or '.join(names)}",
        path=source.path,
        remedy="give the folder that save_pretrained made",
    )


def label_names(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of a classifier's columns; none where it has none, or where two are alike."""
    named = config.get("id2label")
    if not isinstance(named, dict):
        return ()
    try:
        found = tuple(str(named[str(i)]) for i in range(len(named)))
    except KeyError:
        return ()
    return found if len(set(found)) == len(found) else ()


def entries_of(source: Source, name: str) -> Sequence[Mapping[str, Any]]:
    """A JSON file of the model's folder that holds a list of tables; empty where there is none.

    Raises:
        WeightsError: it cannot be read.
    """
    path = source.folder / name
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as err:
        raise WeightsError(
            f"cannot be read: {err}", path=path, remedy="copy or fetch the model again"
        ) from err
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise WeightsError("is no list of tables", path=path, remedy="fetch the model again")
    return found
