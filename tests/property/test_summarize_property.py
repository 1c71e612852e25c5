"""Whatever the film, a summary is ordered, disjoint, within its budget, and only quotes."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synth import cue, timeline
from triptych.predict.summary import summarize
from triptych.records import Prediction, Shot

BUDGETS = st.one_of(
    st.integers(1, 100).map("{}%".format), st.floats(0.01, 80).map("{:.4f}s".format)
)


@given(
    st.integers(0, 50),
    st.lists(st.floats(0.01, 60), max_size=8),
    st.lists(st.tuples(st.floats(-3, 60), st.floats(0, 20), st.sampled_from("abc")), max_size=6),
    BUDGETS,
    st.sampled_from([0.0, 8.3330078125, 1e4]),
    st.lists(st.booleans(), min_size=50, max_size=50),
    st.integers(0, 9),
)
def test_every_summary_keeps_its_promises(
    steps: int,
    edges: list[float],
    said: list[tuple[float, float, str]],
    budget: str,
    start_s: float,
    present: list[bool],
    seed: int,
) -> None:
    values = np.random.default_rng(seed).normal(size=(steps, 6))
    film = timeline({"image": (values, present[:steps])}, start_s=start_s)
    cuts = [start_s, *sorted(start_s + e for e in set(edges)), start_s + max(steps, 61)]
    shots = [Shot(start_s=a, end_s=b) for a, b in itertools.pairwise(cuts)]
    cues = sorted(
        (cue(start_s + a, start_s + a + n, t) for a, n, t in said), key=lambda c: c.start_s
    )
    nothing = Prediction(
        method="none",
        ranked=(),
        labels=(),
        steps=np.zeros((steps, 0), np.float32),
        step_present=np.zeros(steps, bool),
    )
    found = summarize(film, shots=shots, cues=cues, prediction=nothing, budget=budget)
    lengths = [s.end_s - s.start_s for s in found.segments]
    assert sum(lengths) <= found.budget_s + 1e-4 and found.budget_s <= steps + 1e-6
    assert all(length > 0 for length in lengths)
    for before, after in zip(found.segments, found.segments[1:], strict=False):
        assert before.end_s <= after.start_s + 1e-6
    for segment in found.segments:
        assert start_s - 1e-5 <= segment.start_s and segment.end_s <= start_s + steps + 1e-5
        assert 0 <= segment.score <= 1
    assert bool(found.segments) == (steps > 0)
    assert set(found.sentences) <= set(cues)
    assert found.text.count("“") == len(found.sentences)
