"""Laws of the fusion model: what is not there, and in what order things come, changes nothing."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from toys import MODALITIES, TRACKS, answer, example, lively, small
from triptych_models.batches import MAX_STEPS, Example, shorten
from triptych_models.fusion import Fusion
from triptych_models.inference import forward_all

pytestmark = pytest.mark.usefixtures("one_thread")

CLOSE = {"atol": 2e-4, "rtol": 1e-4}
few = settings(max_examples=settings().max_examples // 4)  # each runs models
SEEDS = st.integers(0, 2**31)


@cache
def model(depth: int, outputs: int = 3) -> Fusion:
    made = lively(small(depth=depth, outputs=outputs), seed=depth)
    assert isinstance(made, Fusion)
    return made


MODELS = st.builds(model, st.integers(0, 2), st.sampled_from([1, 3]))


@st.composite
def videos(draw: st.DrawFn, *, least: int = 1) -> Example:
    """A few steps, some of them present, or none; tracks are masked or missing altogether."""
    made = example(
        draw(SEEDS),
        steps=draw(st.integers(least, 9)),
        share=draw(st.sampled_from([0.0, 0.3, 0.8, 1.0])),
    )
    for track in draw(st.sets(st.sampled_from(sorted(TRACKS)))):
        made = lacking(made, track) if draw(st.booleans()) else made.without([track])
    return made


def lacking(video: Example, track: str) -> Example:
    """The video as if nobody had ever looked for the track."""
    return replace(
        video,
        values={t: v for t, v in video.values.items() if t != track},
        present={t: m for t, m in video.present.items() if t != track},
    )


def same(found: Any, wanted: Any) -> None:
    torch.testing.assert_close(found, wanted, **CLOSE)


@few
@given(MODELS, st.lists(videos(), min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_videos_changes_nothing(
    which: Fusion, batch: list[Example], random: Any
) -> None:
    order = random.sample(range(len(batch)), len(batch))
    found, shuffled = answer(which, batch), answer(which, [batch[i] for i in order])
    same(shuffled.logits, found.logits[order])
    same(shuffled.steps, found.steps[order])
    same(shuffled.importance, found.importance[order])
    for modality, value in found.evidence.items():
        same(shuffled.evidence[modality], value[order])


@few
@given(MODELS, videos(), st.integers(1, 60))
def test_more_padding_changes_nothing(which: Fusion, video: Example, more: int) -> None:
    count = len(video.time_s)
    alone = answer(which, [video])
    padded = answer(which, [video, example(1, steps=count + more, share=1.0)])
    same(padded.logits[:1], alone.logits)
    same(padded.steps[:1, :count], alone.steps)
    same(padded.importance[:1, :count], alone.importance)
    for modality, value in alone.evidence.items():
        same(padded.evidence[modality][:1, :count], value)
        assert not padded.evidence[modality][0, count:].any()


@few
@given(MODELS, videos(), st.sampled_from([np.nan, np.inf, -np.inf, 1e38, -7.0]), st.booleans())
def test_values_under_a_mask_change_nothing(
    which: Fusion, video: Example, junk: float, long: bool
) -> None:
    """Also not in what is measured, and not where steps are averaged to fewer."""
    if long:
        times = np.tile(video.time_s, 400)
        video = replace(
            video,
            time_s=times,
            values={t: np.tile(v, (400, 1)) for t, v in video.values.items()},
            present={t: np.tile(m, 400) for t, m in video.present.items()},
        )
    masks = video.present
    dirty = {t: np.where(masks[t][:, None], v, np.float32(junk)) for t, v in video.values.items()}
    soiled = replace(video, values=dirty)
    assert torch.equal(forward_all(which, [soiled]), forward_all(which, [video]))
    fresh = [small(), small()]
    for other, seen in zip(fresh, (video, soiled), strict=True):
        other.prepare([example(3), seen])
    for key, value in fresh[0].state_dict().items():
        assert torch.equal(value, fresh[1].state_dict()[key]), key


@few
@given(MODELS, videos(), st.sampled_from(sorted(TRACKS)))
def test_a_missing_track_is_a_masked_track(which: Fusion, video: Example, track: str) -> None:
    missing, masked = (
        answer(which, [lacking(video, track)]),
        answer(which, [video.without([track])]),
    )
    assert torch.equal(missing.logits, masked.logits)
    assert torch.equal(missing.steps, masked.steps)


OF_TRACKS = {"standardize", "project", "wide"}  #: parts with weights for each track


@few
@given(MODELS, videos(), st.sampled_from(sorted(TRACKS)), st.booleans())
def test_what_is_absent_has_no_say(
    which: Fusion, video: Example, track: str, with_modality: bool
) -> None:
    """Whatever was learned of a track alone, or of all tracks of a modality."""
    modality = MODALITIES[track]
    gone = {t for t in TRACKS if MODALITIES[t] == modality} if with_modality else {track}
    hidden, other = video.without(sorted(gone)), copy.deepcopy(which)
    changed = 0
    for key, weights in other.state_dict().items():
        names = {*key.split(".")}
        absent = gone if names & OF_TRACKS else {modality} if with_modality else set()
        if names & absent:
            weights.uniform_(-3, 3)
            changed += 1
    assert changed >= 5
    assert torch.equal(answer(other, [hidden]).logits, answer(which, [hidden]).logits)


@few
@given(MODELS, videos(), st.sampled_from([np.nan, np.inf, -np.inf]), SEEDS)
def test_a_row_that_is_no_number_is_a_missing_row(
    which: Fusion, video: Example, junk: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    values, present = {}, {}
    for track, value in video.values.items():
        broken = rng.random(len(value)) < 0.4
        values[track] = value.copy()
        values[track][broken, rng.integers(0, value.shape[1])] = junk
        present[track] = video.present[track] & ~broken
    found = answer(which, [replace(video, values=values)])
    assert torch.equal(found.logits, answer(which, [replace(video, present=present)]).logits)


@few
@given(MODELS, st.lists(videos(), min_size=1, max_size=4))
def test_logits_are_the_bias_and_all_evidence(which: Fusion, batch: list[Example]) -> None:
    found = answer(which, batch)
    assert set(found.evidence) == set(found.parts) == set(MODALITIES.values())
    for modality, part in found.parts.items():
        same(found.evidence[modality].sum(1), part)
    same(found.logits, which.head.bias + sum(v.sum(1) for v in found.evidence.values()))
    for row, video in enumerate(batch):
        for modality, value in found.evidence.items():
            own = [m for t, m in video.present.items() if MODALITIES[t] == modality]
            here = np.any(own, axis=0) if own else np.zeros(len(video.time_s), bool)
            assert not value[row, : len(here)][~torch.from_numpy(here)].any()


@few
@given(MODELS, videos(), st.randoms(use_true_random=False))
def test_steps_may_come_in_any_order_as_times_travel_with_them(
    which: Fusion, video: Example, random: Any
) -> None:
    order = random.sample(range(len(video.time_s)), len(video.time_s))
    shuffled = replace(
        video,
        time_s=video.time_s[order],
        values={t: v[order] for t, v in video.values.items()},
        present={t: m[order] for t, m in video.present.items()},
    )
    found, other = answer(which, [video]), answer(which, [shuffled])
    same(other.logits, found.logits)
    same(other.steps, found.steps[:, order])
    for modality, value in found.evidence.items():
        same(other.evidence[modality], value[:, order])


@few
@given(MODELS, st.integers(0, 9), st.booleans())
def test_a_video_with_nothing_gives_the_bias(which: Fusion, steps: int, missing: bool) -> None:
    nothing = example(0, steps=steps, share=0.0)
    if missing:
        nothing = replace(nothing, values={}, present={})
    found = answer(which, [nothing, example(1)])
    assert torch.equal(found.logits[0], which.head.bias)
    for tensor in (found.logits, found.steps, found.importance, *found.evidence.values()):
        assert tensor.isfinite().all()


@few
@given(videos(), st.sampled_from(sorted(set(MODALITIES.values()))))
def test_without_exchange_a_hidden_modality_takes_its_part_away_and_no_more(
    video: Example, modality: str
) -> None:
    hidden = video.without([t for t, m in MODALITIES.items() if m == modality])
    found, other = answer(model(0), [video]), answer(model(0), [hidden])
    same(other.logits, found.logits - found.parts[modality])
    for name, part in other.parts.items():
        same(part, torch.zeros_like(part) if name == modality else found.parts[name])


@few
@given(SEEDS, st.integers(2, 9), st.sampled_from([1, 2]))
def test_what_modalities_tell_each_other_is_heard(seed: int, steps: int, depth: int) -> None:
    """Else the law above would hold of a model without any exchange at all."""
    video = example(seed, steps=steps, share=1.0)
    hidden = video.without(["text"])
    found, other = answer(model(depth), [video]), answer(model(depth), [hidden])
    assert (found.parts["image"] - other.parts["image"]).abs().max() > 1e-4


@few
@given(MODELS, videos(), st.floats(0, 4000, width=32))
def test_answers_are_finite_at_any_time_and_of_any_size(
    which: Fusion, video: Example, later_s: float
) -> None:
    huge = {t: v * np.float32(1e30) for t, v in video.values.items()}
    found = answer(which, [replace(video, values=huge, time_s=video.time_s + np.float32(later_s))])
    assert found.logits.isfinite().all() and found.steps.isfinite().all()


@few
@given(SEEDS, st.integers(1, 700), st.integers(1, 60), st.sampled_from([0.0, 0.2, 1.0]))
def test_shortening_keeps_means(seed: int, steps: int, most: int, share: float) -> None:
    video = example(seed, steps=steps, share=share)
    short = shorten(video, most)
    run = -(-steps // most)
    assert len(short.time_s) == -(-steps // run) <= most
    for track, mask in video.present.items():
        for i, at in enumerate(range(0, steps, run)):
            own = video.values[track][at : at + run][mask[at : at + run]]
            assert short.present[track][i] == (len(own) > 0)
            if len(own):
                np.testing.assert_allclose(short.values[track][i], own.mean(0), atol=1e-5)
    for i, at in enumerate(range(0, steps, run)):
        assert short.time_s[i] == pytest.approx(video.time_s[at : at + run].mean(), rel=1e-6)
    if run == 1:
        assert short is video


@pytest.mark.parametrize("steps", [1, MAX_STEPS, MAX_STEPS + 1, 3 * MAX_STEPS - 1])
@pytest.mark.parametrize("depth", [0, 2])
def test_one_step_and_very_many(steps: int, depth: int) -> None:
    video = example(1, steps=steps, share=1.0)
    alone = forward_all(model(depth), [video])
    assert alone.shape == (1, 3) and alone.isfinite().all()
    same(forward_all(model(depth), [video, example(2), video])[[0, 2]], alone.expand(2, -1))
