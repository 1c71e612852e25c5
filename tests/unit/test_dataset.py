"""Labels, splits and groups as people write them: folders and manifests."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from triptych.errors import UsageError
from triptych.inputs import find_folders, find_sources
from triptych.learn.dataset import Dataset, check_classes, empty_classes, read_dataset


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def manifest(root: Path, text: str, *, name: str = "set.csv") -> Path:
    path = root / name
    path.write_text(text, encoding="utf-8")
    return path


def read(*inputs: Path, task: Any = "auto") -> Dataset:
    return read_dataset(find_sources(inputs, out=Path("nowhere")), task=task)


def found(dataset: Dataset) -> dict[str, tuple[str, str]]:
    return {i.source.path.name: ("|".join(i.labels), i.split) for i in dataset.items}


# Folders


def test_a_folder_is_a_label(tmp_path: Path) -> None:
    touch(tmp_path, "cat/a.mp4", "cat/more/b.mp4", "dog/c.mp4", "dog/.hidden.mp4", "dog/c.srt")
    dataset = read(tmp_path)
    assert found(dataset) == {"a.mp4": ("cat", ""), "b.mp4": ("cat", ""), "c.mp4": ("dog", "")}
    assert (dataset.task, dataset.labels) == ("single", ("cat", "dog"))
    assert dataset.warnings == ()


@pytest.mark.parametrize(
    ("folder", "split"),
    [("train", "train"), ("Val", "valid"), ("dev", "valid"), ("testing", "test"), ("测试", "test")],
)
def test_first_folders_that_are_all_splits_are_splits(
    tmp_path: Path, folder: str, split: str
) -> None:
    touch(tmp_path, "training/cat/a.mp4", f"{folder}/dog/b.mp4", "notes/readme.txt")
    assert found(read(tmp_path)) == {"a.mp4": ("cat", "train"), "b.mp4": ("dog", split)}


def test_a_class_may_be_called_like_a_split(tmp_path: Path) -> None:
    touch(tmp_path, "train/a.mp4", "plane/b.mp4")
    assert found(read(tmp_path)) == {"a.mp4": ("train", ""), "b.mp4": ("plane", "")}


def test_two_folders_of_one_name_keep_their_labels(tmp_path: Path) -> None:
    touch(tmp_path, "one/cat/a.mp4", "one/dog/b.mp4", "two/cat/a.mp4")
    labels = [i.labels for i in read(tmp_path / "one", tmp_path / "two").items]
    assert labels == [("cat",), ("dog",), ("cat",)]


def test_folders_given_one_by_one_are_the_classes(tmp_path: Path) -> None:
    touch(tmp_path, "雨/a.mp4", "rooster/b.mp4", "rooster/notes/c.txt")
    dataset = read(tmp_path / "雨", tmp_path / "rooster")
    assert found(dataset)["a.mp4"] == ("雨", "") and found(dataset)["b.mp4"] == ("rooster", "")
    assert dataset.labels == ("rooster", "雨")


def test_folders_given_with_a_slash_or_by_globs_are_the_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "rain/a.mp4", "rooster/b.mp4")
    monkeypatch.chdir(tmp_path / "rain")
    for inputs in ([".", "../rooster/"], ["../rain/*.mp4", "../rooster/*.mp4"]):
        dataset = read_dataset(find_sources(inputs, out=tmp_path / "out"))
        assert found(dataset) == {"a.mp4": ("rain", ""), "b.mp4": ("rooster", "")}


def test_splits_given_one_by_one_are_no_classes(tmp_path: Path) -> None:
    touch(tmp_path, "train/a.mp4", "test/b.mp4")
    with pytest.raises(UsageError, match="no video has a label"):
        read(tmp_path / "train", tmp_path / "test")


def test_of_a_single_class_folder_the_one_above_is_asked_for(tmp_path: Path) -> None:
    touch(tmp_path, "rain/a.mp4", "rooster/b.mp4")
    with pytest.raises(UsageError, match=r"no video has a label.*give the folder above"):
        read(tmp_path / "rain")


@pytest.mark.parametrize("inputs", [["."], ["cat", "dog", "空"]])
def test_folders_without_a_video_beside_the_classes_are_named(
    tmp_path: Path, inputs: list[str]
) -> None:
    touch(tmp_path, "cat/more/a.mp4" if inputs == ["."] else "cat/a.mp4", "dog/b.mp4")
    (tmp_path / "空" / "deep").mkdir(parents=True)
    given = [tmp_path / name for name in inputs]
    assert empty_classes(find_folders(given, out=tmp_path / "out"), read(*given)) == ["空"]


def test_a_class_that_one_split_lacks_is_not_empty(tmp_path: Path) -> None:
    touch(tmp_path, "train/cat/a.mp4", "train/dog/b.mp4", "test/cat/c.mp4")
    (tmp_path / "test" / "dog").mkdir()
    (tmp_path / "train" / "空").mkdir()
    assert empty_classes(find_folders([tmp_path], out=tmp_path / "out"), read(tmp_path)) == ["空"]


def test_names_in_chinese_and_in_any_unicode_form(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "café")
    touch(tmp_path, "猫/影片 一.mp4", "狗 狗/b.mp4", f"{decomposed}/c.mp4")
    assert read(tmp_path).labels == ("café", "狗 狗", "猫")


def test_labels_that_are_numbers_stand_in_their_order(tmp_path: Path) -> None:
    touch(tmp_path, "10/a.mp4", "9/b.mp4", "0/c.mp4")
    assert read(tmp_path).labels == ("0", "9", "10")


def test_what_stands_beside_the_class_folders_is_left_out_and_listed(tmp_path: Path) -> None:
    touch(tmp_path, "cat/a.mp4", "dog/b.mp4", "stray.mp4", "labels.csv", "README.md")
    dataset = read(tmp_path)
    assert set(found(dataset)) == {"a.mp4", "b.mp4"}
    assert dataset.warnings == ("1 video without a label had to be left out: stray.mp4",)


@pytest.mark.parametrize("names", [["a.mp4", "b.mp4"], ["train/a.mp4", "test/b.mp4"]])
def test_no_labels_at_all(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(UsageError, match=r"no video has a label.*one folder for each class"):
        read(touch(tmp_path, *names))


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no videos were found"):
        read(tmp_path)


def test_labels_that_look_alike_are_named(tmp_path: Path) -> None:
    dataset = read(touch(tmp_path, "Big Cat/a.mp4", "big_cat/b.mp4", "dog/c.mp4"))
    assert dataset.warnings == (
        "these are different labels, but look like one: 'Big Cat', 'big_cat'",
    )


# Manifests


def test_a_manifest_says_it_all(tmp_path: Path) -> None:
    lines = ["path,label,split,group", "a.mp4, cat ,train,g 1", "b.mp4,dog,Test,g2", "c.mp4,,,"]
    dataset = read(manifest(tmp_path, "\n".join(lines)))
    assert found(dataset) == {"a.mp4": ("cat", "train"), "b.mp4": ("dog", "test")}
    assert [i.group for i in dataset.items] == ["g 1", "g2"]
    (warning,) = dataset.warnings
    assert "1 video without a label had to be left out" in warning and "c.mp4" in warning


def test_several_labels_make_it_multi_label(tmp_path: Path) -> None:
    dataset = read(manifest(tmp_path, "path,label\na.mp4,cat| 狗 |cat\nb.mp4,cat\n"))
    assert dataset.task == "multi"
    assert found(dataset) == {"a.mp4": ("cat|狗", ""), "b.mp4": ("cat", "")}
    assert "--task multi" in dataset.warnings[0]
    assert dataset.counts() == {"cat": 2, "狗": 1}


def test_lists_and_zeros_of_json(tmp_path: Path) -> None:
    rows = [{"path": "a.mp4", "label": ["x", "y"]}, {"path": "b.mp4", "label": 0}]
    text = "\n".join(map(json.dumps, rows))
    dataset = read(manifest(tmp_path, text, name="set.jsonl"))
    assert found(dataset) == {"a.mp4": ("x|y", ""), "b.mp4": ("0", "")}


@pytest.mark.parametrize("label", [["a|b"], {"a": 1}])
def test_labels_that_cannot_be_read(tmp_path: Path, label: object) -> None:
    path = manifest(tmp_path, json.dumps({"path": "a.mp4", "label": label}), name="set.jsonl")
    with pytest.raises(UsageError, match="line 1, label: "):
        read(path)


def test_a_file_listed_twice_has_both_labels(tmp_path: Path) -> None:
    dataset = read(manifest(tmp_path, "path,label\na.mp4,cat\na.mp4,dog\nb.mp4,cat\n"))
    assert found(dataset) == {"a.mp4": ("cat|dog", ""), "b.mp4": ("cat", "")}


def test_a_manifest_adds_to_a_folder(tmp_path: Path) -> None:
    touch(tmp_path, "cat/a.mp4", "dog/b.mp4")
    extra = manifest(tmp_path, "path,split,label\ncat/a.mp4,test,cat\n")
    assert found(read(tmp_path, extra)) == {"a.mp4": ("cat", "test"), "b.mp4": ("dog", "")}


def test_windows_of_one_film_are_items_of_their_own(tmp_path: Path) -> None:
    dataset = read(manifest(tmp_path, "path,label,start,end\na.mp4,x,0,2\na.mp4,y,2,4\n"))
    assert [(i.source.start_s, i.labels) for i in dataset.items] == [(0.0, ("x",)), (2.0, ("y",))]


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown split 'fold 3'.*train, training"):
        read(manifest(tmp_path, "path,label,split\na.mp4,cat,fold 3\n"))


def test_several_labels_do_not_fit_a_single_label_task(tmp_path: Path) -> None:
    path = manifest(tmp_path, "path,label\na.mp4,cat|dog\nb.mp4,cat\n")
    with pytest.raises(UsageError, match="1 video has several labels, the first cat, dog"):
        read(path, task="single")


def test_a_regression_reads_numbers(tmp_path: Path) -> None:
    path = manifest(tmp_path, "path,label\na.mp4,0\nb.mp4, -1.5e0\n")
    dataset = read(path, task="regression")
    assert [i.value for i in dataset.items] == [0.0, -1.5]
    assert dataset.labels == ("value",)
    check_classes(dataset)


@pytest.mark.parametrize("label", ["high", "nan", "inf", "1|2"])
def test_a_regression_refuses_what_is_no_number(tmp_path: Path, label: str) -> None:
    with pytest.raises(UsageError, match="is no number"):
        read(manifest(tmp_path, f"path,label\na.mp4,{label}\n"), task="regression")


# What nothing can be learnt from


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["cat/a.mp4", "cat/b.mp4"], "there is only one label: cat"),
        (["cat/a.mp4", "cat/b.mp4", "dog/c.mp4"], "labels with a single video: dog"),
        (["cat/a.mp4", "cat/b.mp4", "dog/c.mp4", "dog/c.json"], "with a single video: dog"),
    ],
)
def test_too_little_to_learn_from(tmp_path: Path, names: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_classes(read(touch(tmp_path, *names)))


def test_folders_without_media_are_no_classes(tmp_path: Path) -> None:
    names = ["cat/a.mp4", "cat/b.mp4", "dog/c.mp4", "dog/d.mp4", "annotations/a.json"]
    check_classes(read(touch(tmp_path, *names)))


def test_equal_values_teach_nothing(tmp_path: Path) -> None:
    dataset = read(manifest(tmp_path, "path,label\na.mp4,1\nb.mp4,1.0\n"), task="regression")
    with pytest.raises(UsageError, match="all values are the same"):
        check_classes(dataset)
