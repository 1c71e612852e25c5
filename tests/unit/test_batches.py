"""Examples, padding, and long videos averaged to fewer steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from toys import TRACKS, example
from triptych_models.batches import MAX_STEPS, PIXELS, Example, collate, shorten


def picture(value: int) -> np.ndarray:
    return np.full((PIXELS, PIXELS, 3), value, np.uint8)


def test_values_and_masks_must_fit_each_other_and_the_steps() -> None:
    video = example(1, steps=4)
    fewer = {t: m for t, m in video.present.items() if t != "text"}
    with pytest.raises(ValueError, match="video 1: values and masks name other tracks"):
        replace(video, present=fewer)
    for part in ("values", "present"):
        short = {**getattr(video, part), "text": getattr(video, part)["text"][:3]}
        with pytest.raises(ValueError, match="video 1: text is not on its 4 steps"):
            replace(video, **{part: short})
    for judged in ({"step_target": np.zeros(3, np.int64)}, {"importance": np.zeros(9, np.float32)}):
        with pytest.raises(ValueError, match="judged steps of 4"):
            replace(video, **judged)


def test_a_batch_is_padded_behind() -> None:
    videos = [
        example(1, steps=2, share=1.0, words=("a",), pixels=picture(7)),
        example(2, steps=5, share=0.5),
    ]
    batch = collate(videos, TRACKS)
    assert len(batch) == 2
    assert batch.steps.tolist() == [[True] * 2 + [False] * 3, [True] * 5]
    assert batch.time_s[0].tolist() == [0.5, 1.5, 0.0, 0.0, 0.0]
    for track, width in TRACKS.items():
        assert batch.values[track].shape == (2, 5, width)
        assert batch.values[track].dtype == torch.float32
        for row, video in enumerate(videos):
            count, mask = len(video.time_s), video.present[track]
            assert batch.present[track][row].tolist() == [*mask, *[False] * (5 - count)]
            kept = batch.values[track][row, :count][torch.from_numpy(mask)]
            np.testing.assert_array_equal(kept, video.values[track][mask])
            assert not batch.values[track][row][~batch.present[track][row]].any()
    assert batch.words == [("a",), ()]
    assert batch.has_pixels is not None and batch.has_pixels.tolist() == [True, False]
    assert batch.pixels is not None and batch.pixels[0].unique().tolist() == [7]
    assert not batch.pixels[1].any()


def test_a_batch_holds_what_the_model_reads_and_no_more() -> None:
    video = example(1)
    assert list(collate([video], {"audio": 5}).values) == ["audio"]
    unknown = collate([video], {"smell": 3})
    assert unknown.values["smell"].shape == (1, 5, 3) and not unknown.present["smell"].any()
    assert collate([video], {}).values == {}
    with pytest.raises(ValueError, match="video 1: audio has width 5, not 4"):
        collate([video], {"audio": 4})


def test_a_video_without_any_step_is_one_step_of_padding() -> None:
    batch = collate([example(1, steps=0)], TRACKS)
    assert batch.steps.tolist() == [[False]]
    assert not any(m.any() for m in batch.present.values())


def test_a_batch_is_a_copy() -> None:
    """Training puts noise into batches, and must not put it into the videos."""
    video = example(1, share=1.0)
    before = {t: v.copy() for t, v in video.values.items()}
    batch = collate([video], TRACKS)
    for track in TRACKS:
        batch.values[track].fill_(9.0)
        batch.present[track].fill_(False)
    for track in TRACKS:
        np.testing.assert_array_equal(video.values[track], before[track])
        assert video.present[track].all()


def test_rows_that_are_no_numbers_are_not_there() -> None:
    video = example(1, steps=3, share=1.0)
    video.values["image"][1, 2] = np.nan
    video.values["text"][0, 0] = np.inf
    batch = collate([video], TRACKS)
    assert batch.present["image"][0].tolist() == [True, False, True]
    assert batch.present["text"][0].tolist() == [False, True, True]
    assert all(value.isfinite().all() for value in batch.values.values())
    assert video.present["image"].all()  # the video itself is as it was


def test_all_of_a_batch_moves_to_another_device() -> None:
    batch = collate([example(1)], TRACKS).to(torch.device("meta"))
    tensors = [batch.time_s, batch.steps, batch.pixels, batch.has_pixels]
    for tensor in (*tensors, *batch.values.values(), *batch.present.values()):
        assert tensor is not None and tensor.device.type == "meta"


def test_hidden_tracks_are_masked_and_the_rest_is_shared() -> None:
    video = example(1, share=1.0)
    hidden = video.without(["image", "smell"])
    assert not hidden.present["image"].any()
    assert all(hidden.present[t].all() for t in TRACKS if t != "image")
    assert video.present["image"].all()
    assert hidden.values is video.values


def test_steps_are_averaged_over_what_is_present() -> None:
    video = Example(
        name="five steps",
        time_s=np.array([0, 1, 2, 3, 4], np.float32),
        values={"a": np.array([[2], [np.nan], [5], [7], [np.inf]], np.float32)},
        present={"a": np.array([True, False, True, True, False])},
        target=1,
        step_target=np.array([-1, 2, 0, 1, -1]),
        importance=np.array([0.5, np.nan, 0.25, 0.75, np.nan], np.float32),
        words=("a", "b"),
    )
    short = shorten(video, 3)
    assert short.time_s.tolist() == [0.5, 2.5, 4.0]
    assert short.values["a"][:2, 0].tolist() == [2.0, 6.0]
    assert short.present["a"].tolist() == [True, True, False]
    assert short.step_target is not None and short.step_target.tolist() == [2, 0, -1]
    assert short.importance is not None
    np.testing.assert_array_equal(short.importance, np.float32([0.5, 0.5, np.nan]))
    assert (short.name, short.target, short.words) == ("five steps", 1, ("a", "b"))
    for value in (short.time_s, short.values["a"], short.importance):
        assert value.dtype == np.float32


@pytest.mark.parametrize("steps", [0, 1, MAX_STEPS])
def test_what_is_short_enough_stays_as_it_is(steps: int) -> None:
    video = example(1, steps=steps)
    assert shorten(video) is video


@pytest.mark.parametrize("steps", [MAX_STEPS + 1, 2 * MAX_STEPS, 100_000])
def test_long_videos_keep_their_mean_and_their_span(steps: int) -> None:
    video = example(1, steps=steps, tracks={"a": 2}, share=1.0)
    short = shorten(video)
    assert MAX_STEPS / 2 < len(short.time_s) <= MAX_STEPS
    assert (np.diff(short.time_s) > 0).all()
    assert video.time_s[0] <= short.time_s[0] < short.time_s[-1] <= video.time_s[-1]
    run = -(-steps // MAX_STEPS)
    lengths = np.diff(np.append(np.arange(0, steps, run), steps))[:, None]
    mean = (short.values["a"] * lengths).sum(0) / steps
    np.testing.assert_allclose(mean, video.values["a"].mean(0), atol=1e-5)


def test_sums_of_many_large_steps_lose_no_digits() -> None:
    steps = MAX_STEPS * 300
    video = Example(
        name="long",
        time_s=np.arange(steps, dtype=np.float32) * 0.1 + 10_000,
        values={"a": np.full((steps, 1), 16_777_217.0, np.float32)},
        present={"a": np.ones(steps, bool)},
    )
    short = shorten(video)
    np.testing.assert_array_equal(short.values["a"], video.values["a"][: len(short.time_s)])
    assert short.time_s[0] == pytest.approx(video.time_s[:300].mean(dtype=np.float64), abs=1e-3)
