"""Cues of recognised words hold every word, in its place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from triptych.extract.spoken import cues_of
from triptych.records import Word

WORDS = st.lists(
    st.tuples(
        st.sampled_from(
            [" a", " Mr.", " 吗", "吗", "？", " end.", " so,", " incomprehensibilities"]
        ),
        st.floats(0, 3),
        st.floats(0, 4),
    ),
    max_size=60,
)


@given(WORDS)
def test_no_word_is_lost_and_each_is_in_its_place(rows: list[tuple[str, float, float]]) -> None:
    words, at = [], 0.0
    for text, gap_s, length_s in rows:
        words.append(Word(start_s=at + gap_s, end_s=at + gap_s + length_s, text=text))
        at += gap_s + length_s
    cues = cues_of(words, language="en")
    assert [w for cue in cues for w in cue.words] == words
    for cue in cues:
        assert cue.text == "".join(w.text for w in cue.words).strip()
        assert (cue.start_s, cue.end_s) == (cue.words[0].start_s, cue.words[-1].end_s)
        assert len(cue.words) == 1 or cue.end_s - cue.start_s <= 7
