"""Which videos are tested on, and what is said about tests that are too easy."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
import pytest

import synth
from triptych.config import TrainConfig
from triptych.inputs import Source
from triptych.learn.dataset import Dataset, Item, Split, group_of, target_of
from triptych.learn.leaks import leaks, split_names
from triptych.records import Sample


def item(name: str, label: str, *, group: str = "", split: Split = "") -> Item:
    source = Source(path=Path(name), relative=PurePosixPath(name))
    return Item(source=source, labels=(label,), group=group, split=split)


def videos(*items: Item) -> Dataset:
    return Dataset(task="single", items=items)


def sample(seed: int) -> Sample:
    vector = np.random.default_rng(seed).normal(size=(2, 16))
    line = synth.timeline({"image": (vector, [True, True])})
    return Sample(timeline=line, words=(), picture=None)


def warned(dataset: Dataset, seeds: list[int], digests: list[str] | None = None) -> list[str]:
    digests = digests or [f"{i:064x}" for i in range(len(dataset.items))]
    groups = [group_of(i, d) for i, d in zip(dataset.items, digests, strict=True)]
    return leaks(
        dataset,
        [sample(seed) for seed in seeds],
        digests=digests,
        groups=groups,
        splits=[i.split or "train" for i in dataset.items],
    )


TEN = [item(f"{i}.mp4", "ab"[i % 2]) for i in range(10)]


@pytest.mark.parametrize(("share", "held"), [(0.2, 2), (0.5, 5), (0.0, 0)])
def test_a_share_is_held_out(share: float, held: int) -> None:
    splits = split_names(videos(*TEN), list("abcdefghij"), options=TrainConfig(test_share=share))
    assert splits.count("test") == held and splits.count("train") == 10 - held


def test_splits_that_were_given_stay() -> None:
    given: list[Split] = ["test", "valid", "", "train"]
    items = [item(f"{i}.mp4", "ab"[i % 2], split=s) for i, s in enumerate(given)]
    splits = split_names(videos(*items), list("abcd"), options=TrainConfig())
    assert splits == ["test", "valid", "train", "train"]


def test_validation_videos_are_not_held_out() -> None:
    items = [item(f"{i}.mp4", "ab"[i % 2], split="valid" if i < 4 else "") for i in range(12)]
    splits = split_names(videos(*items), [str(i) for i in range(12)], options=TrainConfig())
    assert splits[:4] == ["valid"] * 4 and "test" in splits[4:]


def test_a_group_stays_whole() -> None:
    splits = split_names(videos(*TEN), list("aabbccddee"), options=TrainConfig())
    assert all(a == b for a, b in zip(splits[::2], splits[1::2], strict=True))
    assert "test" in splits


def test_two_groups_have_none_to_spare() -> None:
    assert "test" not in split_names(videos(*TEN), list("aaaaabbbbb"), options=TrainConfig())


def test_nothing_wrong_nothing_said() -> None:
    assert warned(videos(*TEN), list(range(10))) == []


def test_a_group_in_two_splits_is_named() -> None:
    found = videos(
        item("1.mp4", "a", group="g", split="train"), item("2.mp4", "b", group="g", split="test"),
        item("3.mp4", "a", group="h"), item("4.mp4", "b", group="i"),
    )  # fmt: skip
    (warning,) = warned(found, [1, 2, 3, 4])
    assert warning == "1 group is in several splits, so what is tested is partly known: g"


def test_one_content_with_two_labels_is_named() -> None:
    found = videos(*TEN[:4])
    digests = ["x" * 64, "x" * 64, "y" * 64, "z" * 64]
    assert "the same content has different labels: 1.mp4" in warned(found, [1, 1, 3, 4], digests)


def test_a_label_of_one_group_is_named() -> None:
    found = videos(*(item(f"{i}.mp4", "ab"[i // 2], group="pppq"[i]) for i in range(4)))
    (warning,) = warned(found, [1, 2, 3, 4])
    assert "labels of one group only" in warning and warning.endswith(": a")


def test_videos_that_look_the_same_are_named() -> None:
    items = [item(f"{i}.mp4", "ab"[i % 2], split="test" if i == 9 else "") for i in range(10)]
    across, within = warned(videos(*items), [0, 1, 2, 3, 4, 5, 6, 0, 8, 1])
    assert "1.mp4 (train) and 9.mp4 (test)" in across
    assert "0.mp4 (no group) and 7.mp4 (no group)" in within


def test_targets() -> None:
    both = Item(source=TEN[0].source, labels=("b", "c"))
    assert target_of(TEN[1], ("a", "b", "c"), task="single") == 1
    assert target_of(both, ("a", "b", "c"), task="multi") == [0.0, 1.0, 1.0]
    assert target_of(Item(source=TEN[0].source, value=2.5), (), task="regression") == 2.5
    with pytest.raises(ValueError, match="not in"):
        target_of(TEN[1], ("a", "c"), task="single")


def test_one_giant_group_is_never_all_that_is_left() -> None:
    groups = ["giant"] * 100 + ["b"] * 10 + ["c"] * 10
    items = [item(f"{i}.mp4", "ab"[i % 2]) for i in range(len(groups))]
    splits = split_names(videos(*items), groups, options=TrainConfig())
    assert len({g for g, s in zip(groups, splits, strict=True) if s != "test"}) > 1
