"""Shortened speech says only what was said: sentences, phrases, titles and their sources."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import synth
from triptych.predict.narrate import titled
from triptych.predict.summary import summarize
from triptych.predict.words import best_sentences, keyphrases, phrases_of, vectors_of
from triptych.records import Cue, LabelScore, Prediction, Shot

TALK = [
    "The coral reef is home to thousands of fish.",
    "Warm water bleaches the coral reef.",
    "So we measure the water every day.",
    "Divers plant new coral on the reef.",
    "Thank you.",
]
CHINESE = [
    "客厅一定要装修吊顶吗",
    "告诉我吊顶有什么用",
    "石膏板吊顶便宜",
    "集成吊顶好看",
    "石膏板很轻",
]


def cues_of(texts: list[str], language: str = "und") -> list[Cue]:
    return [synth.cue(4.0 * i, 4.0 * i + 3.5, t, language) for i, t in enumerate(texts)]


def nothing(steps: int) -> Prediction:
    return Prediction(
        method="none",
        ranked=(),
        labels=(),
        steps=np.zeros((steps, 0), np.float32),
        step_present=np.zeros(steps, bool),
    )


@pytest.mark.parametrize(("texts", "language"), [(TALK, "en"), (CHINESE, "zh")])
@pytest.mark.parametrize("asked", ["", "en", "zh"])
def test_each_sentence_of_a_summary_has_a_source_word_for_word(
    texts: list[str], language: str, asked: str
) -> None:
    cues = cues_of(texts, language)
    film = synth.timeline({"text": (np.ones((20, 4)), [True] * 20)})
    found = summarize(
        film, shots=(), cues=cues, prediction=nothing(20), language=asked, budget="8s"
    )
    assert found.language == (asked or language)
    quoted = re.findall("(\\d+:\\d\\d) ?“([^”]*)”", found.text)
    assert len(quoted) == len(found.sentences) == found.text.count("“") > 1
    for (clock, words), cue in zip(quoted, found.sentences, strict=True):
        assert cue in cues and words == cue.text
        assert clock == f"0:{int(cue.start_s):02}"
    said = " ".join(texts).casefold()
    assert found.keyphrases and all(p.casefold() in said for p in found.keyphrases)
    assert all(c.title.casefold() in said for c in found.chapters)


def test_phrases_stand_out_and_are_told_once() -> None:
    assert keyphrases(phrases_of(TALK), most=3) == ("coral reef", "water")
    assert keyphrases(phrases_of(["Thank you.", "And so on, you know."]), most=3) == ()
    assert keyphrases(phrases_of([]), most=3) == ()


def test_chinese_phrases_are_whole_words() -> None:
    assert keyphrases(phrases_of(CHINESE), most=3) == ("石膏板", "吊顶") or set(
        keyphrases(phrases_of(CHINESE), most=3)
    ) == {
        "石膏板",
        "吊顶",
    }


def test_what_is_said_elsewhere_too_stands_out_less() -> None:
    here = ["The river boat. The river bank.", "The boat and the boat."]
    others = [phrases_of([text]) for text in ("a boat", "the boat", "boat")]
    assert keyphrases(phrases_of(here), most=1, elsewhere=others)[0] != "boat"


def test_sentences_differ_and_are_whole() -> None:
    texts = ["The cat sleeps on the stove.", "The cat sleeps on the stove!", "Yes.", "Rain again."]
    cues = cues_of(texts)
    vectors = np.array([[1, 0, 0], [1, 0, 0], [0.8, 0.6, 0], [0.5, 0, 0.87]], np.float32)
    chosen = best_sentences(cues, vectors, most=2)
    assert [c.text for c in chosen] == [texts[0], texts[3]]
    assert best_sentences(cues_of(["…", "!"]), np.ones((2, 3), np.float32), most=2) == ()


def test_a_whole_sentence_is_quoted_before_a_piece_of_one() -> None:
    for piece, whole in (
        ("Warm water bleaches the corals and", "We planted corals by the reef."),
        ("温暖的海水让珊瑚变白，而且", "我们在礁石旁种下了新珊瑚。」"),
    ):
        for texts in ([piece, whole], [whole, piece]):
            (quoted,) = best_sentences(cues_of(texts), np.eye(2, dtype=np.float32), most=1)
            assert quoted.text == whole


def test_rows_of_sentences_find_their_cues() -> None:
    cues = [synth.cue(5, 6, "b"), synth.cue(1, 2, "a")]
    track = synth.track(np.eye(2), [1.0, 5.0], [2.0, 6.0])
    assert vectors_of(cues, track).tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert vectors_of(cues, None).shape[0] == 2


@given(st.lists(st.text(max_size=12), max_size=5))
def test_any_text_is_taken(texts: list[str]) -> None:
    cues = cues_of(texts)
    assert set(best_sentences(cues, vectors_of(cues, None), most=3)) <= set(cues)
    joined = [" ".join(t.split()) for t in texts]
    for phrase in keyphrases(phrases_of(texts), most=5, least=1):
        words = phrase.split()
        assert all(any(w in text for text in joined) for w in words)


def test_a_chapter_is_named_by_what_is_said_in_it() -> None:
    cues = cues_of(["Corals bleach.", "Corals grow.", "Engines roar.", "Engines stop."])
    film = synth.timeline({"text": (np.ones((16, 4)), [True] * 16)})
    chapters = titled([0.0, 8.0, 16.0], timeline=film, cues=cues, prediction=nothing(16), names={})
    assert [c.title for c in chapters] == ["Corals", "Engines"]
    assert [(c.start_s, c.end_s) for c in chapters] == [(0.0, 8.0), (8.0, 16.0)]
    silent = titled([0.0, 8.0], timeline=film, cues=[], prediction=nothing(16), names={})
    assert silent[0].title == ""


def test_labels_that_do_not_stand_out_are_not_named() -> None:
    film = synth.timeline({"image": (np.ones((20, 4)), [True] * 20)})
    labels = tuple("abcdefghij" * 20)[:150]
    flat = Prediction(
        method="m",
        ranked=tuple(LabelScore(label=name, score=1 / 150, contributions={}) for name in labels),
        labels=labels,
        steps=np.full((20, 150), 1 / 150, np.float32),
        step_present=np.ones(20, bool),
    )
    found = summarize(film, shots=[Shot(start_s=0, end_s=20)], cues=(), prediction=flat)
    assert "likely" not in found.text and {s.label for s in found.segments} == {""}
