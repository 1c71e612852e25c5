"""Labels by a model of pictures and words: CLIP, SigLIP or Chinese-CLIP.

A label is the mean of its words in a few sentences (prompts.tsv), in the languages that the model
was taught. With one sentence and one picture the scores are those of transformers' pipeline
`zero-shot-image-classification`.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files

import numpy as np

from triptych.extract.clip import Contrast, kept_words
from triptych.extract.kept import Phrases
from triptych.extract.sources import Source
from triptych.features.keys import digest_of
from triptych.predict.vocabulary import Vocabulary
from triptych.records import Floats

__all__ = ["prompted_vectors", "prompts", "scores", "unread_labels"]

_HAN = re.compile(r"[\u3400-\u9fff]")


@functools.cache
def prompts() -> Mapping[str, tuple[str, ...]]:
    """Sentences with a gap, by language."""
    text = (files("triptych.predict") / "prompts.tsv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    found: dict[str, tuple[str, ...]] = {}
    for language, sentence in csv.reader(lines, delimiter="\t"):
        found[language] = (*found.get(language, ()), sentence)
    return found


def prompted_vectors(
    vocabulary: Vocabulary,
    source: Source,
    *,
    languages: Sequence[str],
    sentences: Mapping[str, Sequence[str]] | None = None,
    keep: Callable[[Source, str, Callable[[], Phrases]], Floats] = kept_words,
) -> Floats:
    """Unit vectors (L, D) of labels in the space of a model; made once a machine and kept.

    Args:
        vocabulary: at least one label.
        source: the model.
        languages: that it was taught; words in others are left out where a label has both.
        sentences: by language, instead of those of prompts.tsv.
        keep: embeds phrases with the model, and keeps them.
    """
    known = sentences or prompts()
    texts = [
        tuple(
            sentence.format(word)
            for word in _readable(words, languages)
            for sentence in known[_language(word)]
        )
        for words in vocabulary.phrases
    ]
    return keep(source, f"prompts-{digest_of({'texts': texts})[:16]}", lambda: _rows(texts))


def unread_labels(vocabulary: Vocabulary, *, languages: Sequence[str]) -> tuple[str, ...]:
    """Labels that have no words in a language that the model was taught."""
    known = zip(vocabulary.names, vocabulary.phrases, strict=True)
    return tuple(n for n, words in known if not any(_language(w) in languages for w in words))


def scores(rows: Floats, labels: Floats, contrast: Contrast) -> Floats:
    """What the model itself says of pictures (T, D) and labels (L, D), (T, L) from 0 to 1."""
    logits = contrast.scale * (rows @ labels.T) + contrast.bias
    if contrast.independent:
        return (1 / (1 + np.exp(-logits))).astype(np.float32)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def _readable(words: Sequence[str], languages: Sequence[str]) -> Sequence[str]:
    return [word for word in words if _language(word) in languages] or words


def _language(word: str) -> str:
    return "zh" if _HAN.search(word) else "en"


def _rows(texts: Sequence[Sequence[str]]) -> Phrases:
    rows = [(text, row) for row, each in enumerate(texts) for text in each]
    return [t for t, _ in rows], [r for _, r in rows], [1.0] * len(rows)
