"""`sentences=SOURCE`: an encoder of sentences, in any language that it was trained in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from triptych.errors import WeightsError
from triptych.extract.configured import TOKENIZERS, configured, entries_of, require_one_of, width_of
from triptych.extract.families import Family
from triptych.extract.sources import Source
from triptych.extract.specs import Entry
from triptych.spec import Spec

__all__ = ["FAMILY", "POOLINGS", "describe", "spec_of"]

#: Kinds of encoders: a state for each token comes out of them.
KINDS = (
    *("bert", "roberta", "xlm-roberta", "distilbert", "mpnet", "albert", "electra", "camembert"),
    *("deberta", "deberta-v2", "modernbert", "ernie", "xlm-roberta-xl", "nystromformer"),
)
POOLINGS = ("mean", "cls", "max", "lasttoken")
_FILES = (
    *("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json"),
    *("merges.txt", "special_tokens_map.json", "sentencepiece.bpe.model", "spiece.model"),
)
_DOCUMENTS = ("passage", "document")  # names of prompts for what is searched, not searched for
_MODE = re.compile("^pooling_mode_|_tokens?$")
_KNOWN = ("Transformer", "Pooling", "Normalize")


def describe(given: str) -> Entry:
    """The extractor with one encoder.

    Raises:
        WeightsError: it is nowhere, or made of parts that are not known here.
    """
    source, config = configured(
        given, kinds=KINDS, example=FAMILY.examples[0], wanted="an encoder of sentences"
    )
    require_one_of(TOKENIZERS, what="a tokenizer", source=source)
    spec = spec_of(source, config)
    return Entry(
        name="sentences",
        target="triptych.extract.sentences:SentenceExtractor",
        specs=(spec,),
        modules=FAMILY.modules,
        extra=FAMILY.extra,
        what=f"{source.given}: {spec.dim}-d embedding of every cue",
        sampled=False,
        from_cues=True,
        source=source,
    )


def spec_of(source: Source, config: Mapping[str, Any]) -> Spec:
    """What the files of the sentence-transformers library say of pooling, length and prompts.

    A plain encoder, without them, is pooled by the mean of its tokens, as that library would.
    """
    modules = entries_of(source, "modules.json")
    kinds = [str(m.get("type", "")).rpartition(".")[2] for m in modules]
    if unknown := [kind for kind in kinds if kind not in _KNOWN]:
        raise WeightsError(
            f"the model has a part {unknown[0]!r}, which is not known here",
            path=source.folder / "modules.json",
            remedy="choose a model of a transformer, pooling and normalisation",
        )
    paths = dict(zip(kinds, (str(m.get("path", "")) for m in modules), strict=True))
    pooling = source.data(f"{paths['Pooling']}/config.json") if "Pooling" in paths else {}
    length = source.data("sentence_bert_config.json").get("max_seq_length")
    return Spec(
        name="sentences",
        version=1,
        modality="text",
        dim=width_of(config, "hidden_size", "dim", source=source),
        weights=source.sha256,
        options={
            "files": source.digest_of(*_FILES),
            "pooling": _pooling(pooling, source),
            "unit": "Normalize" in kinds,
            "prompt": _prompt(source.data("config_sentence_transformers.json")),
            "longest": length if isinstance(length, int) else None,
        },
    )


def _pooling(config: Mapping[str, Any], source: Source) -> str:
    named = config.get("pooling_mode")
    if isinstance(named, str):
        found = [named]
    else:
        on = [k for k, v in config.items() if v is True and k.startswith("pooling_mode_")]
        found = [_MODE.sub("", name) for name in on]
    if not config:
        return "mean"
    if config.get("include_prompt") is False:
        found.append("all but the prompt")
    if len(found) == 1 and found[0] in POOLINGS:
        return found[0]
    raise WeightsError(
        f"pooling by {' and '.join(found) or 'nothing'} is not known here",
        path=source.path,
        remedy=f"choose a model that pools by one of {', '.join(POOLINGS)}",
    )


def _prompt(config: Mapping[str, Any]) -> str:
    """What cues begin with: the prompt for texts that are searched, else the usual one."""
    prompts = config.get("prompts")
    if not isinstance(prompts, dict):
        return ""
    names = (*_DOCUMENTS, config.get("default_prompt_name"))
    return next((str(prompts[name]) for name in names if name in prompts), "")


FAMILY = Family(
    name="sentences",
    what="a sentence encoder of transformers: embedding of every cue",
    describe=describe,
    tracks={"sentences": "text"},
    examples=(
        "intfloat/multilingual-e5-small",
        "BAAI/bge-small-zh-v1.5",
        "sentence-transformers/all-MiniLM-L6-v2",
    ),
    modules=("transformers",),
)
