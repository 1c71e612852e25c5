"""Scores and summaries against people's: times are brought together, figures are those of the papers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.learn.agreement import (
    MEASURES,
    Annotation,
    agreement,
    misfit,
    onto,
    people_among_themselves,
    wanted,
)
from triptych.learn.importance import means_of
from triptych_models import summary_metrics as metrics


def edges(count: int, step_s: float) -> dict[str, Any]:
    times = np.arange(count + 1) * step_s
    return {"start_s": times[:-1], "end_s": times[1:]}


def steps(count: int, step_s: float = 1.0) -> dict[str, Any]:
    times = np.arange(count + 1) * step_s
    return {"begins": times[:-1], "ends": times[1:]}


def said(scores: Any, *, step_s: float = 2.0, **more: Any) -> Annotation:
    table = np.atleast_2d(np.asarray(scores, float))
    return Annotation(names=("a",), scores=table, **edges(table.shape[1], step_s), **more)


@given(
    values=st.lists(st.floats(-5, 5), min_size=1, max_size=12),
    cut=st.integers(1, 7),
)
def test_means_over_other_stretches_keep_the_whole_mean(values: list[float], cut: int) -> None:
    length = len(values) * 1.5
    marks = np.linspace(0, length, cut + 1)
    found = onto(values, **edges(len(values), 1.5), begins=marks[:-1], ends=marks[1:])
    assert found.mean() == pytest.approx(np.mean(values), abs=1e-9)
    assert found.min() >= min(values) - 1e-9 and found.max() <= max(values) + 1e-9


def test_what_nobody_judged_is_not_known() -> None:
    found = onto([[1.0, np.nan, 3.0]], **edges(3, 2.0), **steps(4, 2.0))
    assert found[0, 0] == 1 and found[0, 2] == 3
    assert np.isnan(found[0, [1, 3]]).all()


def test_people_use_the_whole_scale() -> None:
    target = wanted(said([[1, 2, 3], [3, 4, 5]]), **steps(6))
    assert target is not None
    assert target.tolist() == pytest.approx([0, 0, 0.5, 0.5, 1, 1])
    assert wanted(said([[2, 2, 2]]), **steps(6)) is None
    assert wanted(said([[1, 2]], step_s=1.0), begins=np.array([9.0]), ends=np.array([10.0])) is None


def test_ranks_are_means_over_people() -> None:
    people = said([[1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [1, 3, 2, 5, 4]])
    ours = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], 2)
    found = agreement(people, **steps(10), scores=ours)
    each = [metrics.kendall_tau(p, [1, 2, 3, 4, 5]) for p in people.scores]
    assert found["kendall"] == pytest.approx(np.mean(each))
    assert found.keys() == set(MEASURES)


def test_a_person_who_ranks_nothing_is_left_out() -> None:
    found = agreement(said([[1, 2, 3], [2, 2, 2]]), **steps(6), scores=np.arange(6.0))
    assert found["spearman"] == pytest.approx(1.0)


def test_finer_annotations_are_compared_on_our_steps() -> None:
    fine = np.arange(40.0)[None]
    found = agreement(said(fine, step_s=0.25), **steps(10), scores=np.arange(10.0))
    assert found["kendall"] == pytest.approx(1.0)


def test_summaries_by_both_protocols() -> None:
    """Of ten seconds one person chose the first three, the other the last three."""
    chosen = np.zeros((2, 100), bool)
    chosen[0, :30], chosen[1, 70:] = True, True
    people = said(np.ones((2, 5)), chosen=chosen, frames_s=10.0)
    found = agreement(people, **steps(10), scores=None, spans=[(0.0, 3.0)])
    assert found["f_score_max"] == pytest.approx(1.0) and found["f_score"] == pytest.approx(0.5)
    assert math.isnan(found["kendall"])
    half = agreement(people, **steps(10), scores=None, spans=[(1.5, 3.0), (7.0, 8.5)])
    assert half["f_score_max"] == pytest.approx(0.5) and half["f_score"] == pytest.approx(0.5)


def test_scores_alone_make_a_summary_of_whole_pieces() -> None:
    scores = np.ones(20)
    scores[6:8] = 9.0
    people = said(scores.reshape(10, 2).mean(axis=1))
    assert agreement(people, **steps(20), scores=scores)["f_score"] == pytest.approx(1.0)
    assert agreement(people, **steps(20), scores=-scores)["f_score"] == 0.0
    pieces = ((0.0, 6.0), (6.0, 8.0), (8.0, 20.0))
    cut = said(scores.reshape(10, 2).mean(axis=1), pieces=pieces)
    assert agreement(cut, **steps(20), scores=scores)["f_score"] == pytest.approx(1.0)


def test_a_shot_too_long_for_a_summary_is_made_of_shorter_pieces() -> None:
    """Thirty seconds in one shot: people still have a summary, and can be agreed with."""
    scores = np.ones(30)
    scores[6:10] = 9.0
    people = said(scores.reshape(15, 2).mean(axis=1))
    found = agreement(people, **steps(30), scores=scores, shots=[(0.0, 30.0)])
    assert found["f_score"] == pytest.approx(1.0)
    shots = [(0.0, 6.0), (6.0, 10.0), (10.0, 30.0)]  # those that fit stay whole
    found = agreement(people, **steps(30), scores=None, spans=[(6.0, 10.0)], shots=shots)
    assert found["f_score"] == pytest.approx(1.0)


def test_an_annotation_of_another_length_than_the_film_is_odd() -> None:
    people = said(np.ones(15))  # half a minute
    assert misfit(people, end_s=28.0) is None and misfit(people, end_s=31.5) is None
    assert misfit(people, end_s=55.0) == "it lasts 55 s, and what people said goes on to 30 s"
    assert misfit(people, end_s=20.0) is not None


def test_people_are_compared_with_each_other() -> None:
    rng = np.random.default_rng(0)
    told = people_among_themselves(said(rng.random((4, 30))), duration_s=60.0)
    assert told.keys() == set(MEASURES) and abs(told["kendall"]) < 0.3
    same = people_among_themselves(said(np.tile(np.arange(30.0), (3, 1))), duration_s=60.0)
    assert same == pytest.approx(dict.fromkeys(MEASURES, 1.0))
    assert people_among_themselves(said([[1, 2, 3]]), duration_s=6.0) == {}


def test_means_have_intervals_by_group() -> None:
    rows = [{"a": float(i), "b": math.nan} for i in range(8)]
    found = means_of(rows, groups=[0, 0, 1, 1, 2, 2, 3, 3])
    assert found["metrics"]["a"] == pytest.approx(3.5) and math.isnan(found["metrics"]["b"])
    low, high = found["intervals"]["a"]
    assert low < 3.5 < high and "b" not in found["intervals"]
    assert means_of([], resamples=5) == {"videos": 0, "metrics": {}, "intervals": {}}
    assert means_of(rows, groups=[1] * 8)["intervals"] == {}
