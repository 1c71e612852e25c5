"""A cut falls into nothing that is said, and clips are as long as they may be."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synth import cue, timeline
from triptych.predict.quiet import Speech
from triptych.predict.segments import chapter_edges, pieces, stretches
from triptych.predict.summary import summarize
from triptych.predict.views import views_of
from triptych.records import Cue, Prediction, Shot, Timeline, Word

SPOKEN = st.lists(st.tuples(st.floats(0, 3), st.floats(0.2, 2.9)), max_size=25)
EDGES = st.lists(st.floats(0.1, 59), max_size=10)


def talk(gaps: list[tuple[float, float]]) -> list[Cue]:
    """Cues one after the other: silence before each, and its length."""
    at, found = 0.0, []
    for silence, length in gaps:
        at += silence
        found.append(cue(at, at + length, "Something is said."))
        at += length
    return found


def inside(time_s: float, cues: Sequence[Cue | Word]) -> bool:
    return any(c.start_s + 2e-6 < time_s < c.end_s - 2e-6 for c in cues)


def film_of(seed: int) -> Timeline:
    scenes = np.random.default_rng(seed).normal(size=(6, 8))
    values = np.repeat(scenes, 10, axis=0)
    return timeline({"image": (values, [True] * 60)})


def shots_between(edges: list[float]) -> list[Shot]:
    cuts = [0.0, *sorted(set(edges)), 60.0]
    return [Shot(start_s=a, end_s=b) for a, b in itertools.pairwise(cuts)]


def worded(cue: Cue, count: int) -> Cue:
    """With so many words, evenly."""
    edges = np.linspace(cue.start_s, cue.end_s, count + 1).tolist()
    spans = itertools.pairwise(edges)
    words = tuple(Word(start_s=a, end_s=max(a, b), text=" a") for a, b in spans)
    return dataclasses.replace(cue, words=words)


@given(SPOKEN, st.integers(1, 9), st.floats(0, 60))
def test_what_is_too_long_to_be_kept_is_cut_between_words(
    gaps: list[tuple[float, float]], count: int, time_s: float
) -> None:
    cues = [worded(c, count) for c in talk(gaps)]
    for longest_s in (1.0, 4.0):
        speech = Speech(cues, longest_s=longest_s)
        short = [c for c in cues if c.end_s - c.start_s <= longest_s]
        words = [w for c in cues for w in c.words if w.end_s - w.start_s <= longest_s - 1e-6]
        for cut in (speech.before(time_s), speech.after(time_s)):
            assert not inside(cut, short) and not inside(cut, words)


@given(SPOKEN, EDGES, st.sampled_from(["15%", "40%", "12s", "3shots", "9shots"]), st.integers(0, 9))
def test_no_cut_falls_into_a_cue(
    gaps: list[tuple[float, float]], edges: list[float], budget: str, seed: int
) -> None:
    cues, film = talk(gaps), film_of(seed)
    found = summarize(
        film,
        shots=shots_between(edges),
        cues=cues,
        prediction=Prediction(
            method="none",
            ranked=(),
            labels=(),
            steps=np.zeros((60, 0), np.float32),
            step_present=np.zeros(60, bool),
        ),
        budget=budget,
    )
    within = [t for s in found.segments for t in (s.start_s, s.end_s) if 0 < t < 60]
    within += [t for c in found.chapters for t in (c.start_s, c.end_s) if 0 < t < 60]
    assert not [t for t in within if inside(t, cues)]
    assert all(s.end_s - s.start_s <= 10 + 1e-5 for s in found.segments)
    if budget.endswith("shots"):
        assert len(found.segments) <= int(budget[:-5])
    assert found.chapters[0].start_s == 0 and found.chapters[-1].end_s == 60
    for before, after in itertools.pairwise(found.chapters):
        assert before.end_s == after.start_s


@given(SPOKEN, EDGES, st.floats(0.5, 8))
def test_stretches_are_apart_and_pieces_fill_them(
    gaps: list[tuple[float, float]], edges: list[float], target_s: float
) -> None:
    speech = Speech(talk(gaps), longest_s=8)
    found = stretches(
        0.0, 60.0, shots=shots_between(edges), speech=speech, shortest_s=1.0, unsure_s=0.25
    )
    assert all(a[1] <= b[0] + 1e-6 for a, b in itertools.pairwise(found))
    for span in found:
        cut = pieces(span, target_s=target_s, speech=speech)
        assert abs(cut[0][0] - span[0]) < 2e-6 and abs(cut[-1][1] - span[1]) < 2e-6
        assert all(a[1] == b[0] for a, b in itertools.pairwise(cut))
        assert max(b - a for a, b in cut) <= max(target_s, 8) + 1e-5


@given(st.integers(0, 99))
def test_chapters_begin_where_the_scene_changes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scenes = rng.normal(size=(3, 64))
    values = np.repeat(scenes, 20, axis=0) + rng.normal(0, 0.05, (60, 64))
    film = timeline({"image": (values, [True] * 60)})
    shots = [Shot(start_s=a, end_s=a + 5.0) for a in np.arange(0.0, 60.0, 5.0).tolist()]
    edges = chapter_edges(film, views_of(film), shots=shots, speech=Speech([], longest_s=8))
    assert edges == [0.0, 20.0, 40.0, 60.0]
