"""Figures of summaries agree with SciPy, with exhaustive search, and with what was published."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from conftest import SHARED_DATA
from triptych_models.summary_metrics import (
    f_score,
    human_agreement,
    kendall_tau,
    shot_summary,
    spearman_rho,
)

SCORES = st.lists(st.tuples(st.integers(0, 4), st.integers(-9, 9)), min_size=2, max_size=60)


@given(SCORES)
def test_rank_correlations_are_those_of_scipy(pairs: list[tuple[int, int]]) -> None:
    a, b = np.array(pairs).T
    if len(set(a.tolist())) < 2 or len(set(b.tolist())) < 2:
        assert np.isnan(kendall_tau(a, b)) and np.isnan(spearman_rho(a, b))
        return
    assert kendall_tau(a, b) == pytest.approx(stats.kendalltau(a, b).statistic)
    assert spearman_rho(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)


def test_scores_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="steps"):
        kendall_tau([1, 2], [1, 2, 3])


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=8),
    st.integers(0, 2**31),
    st.floats(0.1, 1.0),
)
def test_a_summary_of_shots_is_the_best_there_is(
    lengths: list[int], seed: int, share: float
) -> None:
    ends = np.cumsum(lengths).tolist()
    shots = list(zip([0, *ends[:-1]], ends, strict=True))
    scores = np.random.default_rng(seed).integers(0, 20, ends[-1])
    capacity = int(share * ends[-1])
    worth = [int(scores[a:b].sum()) for a, b in shots]
    best = max(
        sum(worth[i] for i in some)
        for size in range(len(shots) + 1)
        for some in itertools.combinations(range(len(shots)), size)
        if sum(lengths[i] for i in some) <= capacity
    )
    chosen = shot_summary(scores, shots, share=share)
    assert chosen.sum() <= capacity
    assert scores[chosen].sum() == best
    assert all(chosen[a:b].all() or not chosen[a:b].any() for a, b in shots)


def test_the_protocols_differ_in_whom_they_believe() -> None:
    people = [[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0]]
    ours = [1, 1, 0, 0]
    assert f_score(people, ours, protocol="summe") == 1.0
    assert f_score(people, ours, protocol="tvsum") == pytest.approx((1 + 0 + 2 / 3) / 3)
    assert f_score([[0, 0]], [0, 0], protocol="tvsum") == 0.0
    with pytest.raises(ValueError, match="do not fit"):
        f_score(people, [1, 0], protocol="tvsum")


@pytest.mark.needs("shared")
def test_people_agree_as_was_published() -> None:
    """Otani et al., CVPR 2019: tau 0.177 and rho 0.204, means over 50 videos."""
    found = [
        human_agreement(np.array(json.loads(line)["label"]).T)
        for path in sorted((SHARED_DATA / "tvsum_annotations").glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    assert np.mean(found, axis=0).tolist() == pytest.approx([0.177, 0.204], abs=0.0005)


def test_chance_agrees_with_nobody() -> None:
    rng = np.random.default_rng(0)
    tau, rho = human_agreement(rng.normal(size=(30, 60)))
    assert abs(tau) < 0.02 and abs(rho) < 0.03
