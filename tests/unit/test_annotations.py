"""What people said is read from all layouts, and belongs to the right video."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from triptych.errors import InputError, UsageError
from triptych.learn.annotations import read_annotations
from triptych.learn.people import read_judged


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "start,end,score_1,score_2\n0,2,1,3\n2,4,5,4\n4,5,2,2\n"),
        ("a.csv", "start,end,score\n0,2,1\n2,4,5\n4,5,2\n"),
        ("a.csv", "time,score\n2,5\n0,1\n4,2\n"),
        ("a.jsonl", '{"start":0,"score":[1,3]}\n{"start":2,"score":[5,4]}\n{"start":4,"score":[2,2]}'),
        ("a.json", '{"time":[0,2,4],"score":[[1,5,2],[3,4,2]]}'),
        ("a.json", '{"time":[0,2,4],"score":[1,5,2]}'),
        ("a.json", '[{"time":0,"score":1},{"time":2,"score":5},{"time":4,"score":2}]'),
    ],
)  # fmt: skip
def test_tables_of_one_video(tmp_path: Path, name: str, text: str) -> None:
    (found,) = read_annotations(written(tmp_path / name, text))
    assert found.names == ("a",)
    assert found.start_s.tolist() == [0, 2, 4]
    assert found.end_s.tolist()[:2] == [2, 4] and 5 <= found.end_s[2] <= 6
    assert found.scores[0].tolist() == [1, 5, 2]
    assert len(found.scores) in (1, 2) and found.scores[-1].tolist() in ([1, 5, 2], [3, 4, 2])


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "start,score\n0,1\n2,much\n", "no number"),
        ("a.csv", "start,score\n0,1\n0,2\n", "twice"),
        ("a.csv", "start,end\n0,1\n", "same people"),
        ("a.csv", "start,end,score\n0,2,1\n5,2,3\n", "starts at 5 s ends at 2 s"),
        ("a.csv", "name,size\nx,1\n", "nothing of moments"),
        ("a.csv", "", "nobody"),
        ("a.jsonl", '{"vid":"a","label":[[1,2],[3]]}', "no table"),
        ("a.jsonl", '{"vid":"a","label":[]}', "no table"),
        ("a.json", "{", "not JSON"),
        ("a.json", "[1]", "nothing of moments"),
        ("a.json", '{"time":[0,2],"score":[1,2,3]}', "different lengths"),
        ("a.jsonl", '{"start":0,"score":[1,2]}\n{"start":1,"score":[1]}', "same people"),
        ("a.h5", "text", "no h5 file"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_annotations(written(tmp_path / name, text))


@pytest.mark.needs("shared")
def test_tvsum_itself(shared_data: Path) -> None:
    files = sorted((shared_data / "tvsum_annotations").glob("*.jsonl"))
    found = [one for path in files for one in read_annotations(path)]
    assert len(found) == 50
    assert {one.scores.shape[0] for one in found} == {20}
    assert all(((one.scores >= 1) & (one.scores <= 5)).all() for one in found)
    first = next(one for one in found if "akI8YFjEmUw" in one.names)
    assert first.end_s[-1] == 132.0  # 66 shots of 2 s


def h5(path: Path, **groups: dict[str, Any]) -> Path:
    with h5py.File(path, "w") as file:
        for key, group in groups.items():
            for name, value in group.items():
                file.create_group(key) if key not in file else None
                file[key][name] = value
    return path


def vsumm(**more: Any) -> dict[str, Any]:
    """A video of 100 frames, sampled every ten; two people chose a half each."""
    return {
        "n_frames": 100,
        "picks": np.arange(0, 100, 10),
        "gtscore": np.linspace(0, 1, 10),
        "user_summary": np.stack([np.arange(100) < 50, np.arange(100) >= 50]).astype(np.float32),
        "change_points": np.array([[0, 49], [50, 99]]),
    } | more


def test_h5_says_times_in_seconds_where_it_says_the_rate(tmp_path: Path) -> None:
    path = h5(tmp_path / "a.h5", one=vsumm(fps=20.0, video_name="talks/讲座.mp4"))
    (found,) = read_annotations(path)
    assert found.names == ("talks/讲座.mp4", "one")
    assert found.start_s.tolist() == pytest.approx(np.arange(10) * 0.5)
    assert found.end_s[-1] == pytest.approx(5.0)
    assert found.pieces == ((0.0, 2.5), (2.5, 5.0))
    assert found.scores.shape == (1, 10)
    assert found.timed(99.0) is found


def test_h5_without_a_rate_is_fitted_to_the_video(tmp_path: Path) -> None:
    (found,) = read_annotations(h5(tmp_path / "a.h5", video_1=vsumm()))
    assert found.in_shares
    timed = found.timed(40.0)
    assert timed.end_s[-1] == pytest.approx(40.0) and timed.frames_s == pytest.approx(40.0)
    assert timed.pieces == ((0.0, 20.0), (20.0, 40.0))


def test_h5_with_summaries_alone(tmp_path: Path) -> None:
    group = vsumm(fps=20.0)
    del group["gtscore"], group["picks"]
    (found,) = read_annotations(h5(tmp_path / "a.h5", video_1=group))
    assert found.scores.shape == (2, 100) and found.chosen is not None


def test_an_export_without_people_says_so(tmp_path: Path) -> None:
    group = {k: v for k, v in vsumm().items() if k not in ("gtscore", "user_summary")}
    with pytest.raises(UsageError, match="no gtscore, no user_summary"):
        read_annotations(h5(tmp_path / "a.h5", video_1=group))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"picks": np.arange(9)}, "10 scores of 9 picks"),
        ({"picks": np.arange(100, 0, -10)}, "picks are in no order"),
        ({"picks": None}, "picks is missing"),
        ({"n_frames": None}, "n_frames is missing"),
        ({"n_frames": 0}, "n_frames is 0"),
        ({"user_summary": np.zeros((2, 100))}, "nobody chose anything in user_summary"),
    ],
)
def test_an_h5_whose_parts_do_not_fit(tmp_path: Path, wrong: dict[str, Any], words: str) -> None:
    group = {name: value for name, value in vsumm(**wrong).items() if value is not None}
    with pytest.raises(UsageError, match=f"a.h5: video_1: {words} .each video needs"):
        read_annotations(h5(tmp_path / "a.h5", video_1=group))


# Whose they are: names decide, so empty files will do


def test_videos_are_found_by_name_beside_the_annotations(tmp_path: Path) -> None:
    for name in ("甲.mp4", "more/B.MKV", "c.mp4"):
        written(tmp_path / name, "")
    rows = [{"vid": name, "label": [[1], [2]]} for name in ("甲", "b", "gone")]
    told = written(tmp_path / "people.jsonl", "\n".join(map(json.dumps, rows)))
    for inputs in ([told], [tmp_path]):
        data = read_judged(inputs, out=tmp_path / "model")
        assert {item.source.path.name for item in data.items} == {"甲.mp4", "B.MKV"}
        assert data.warnings == ("annotations of 1 video that are not here: gone",)


def test_videos_may_lie_in_a_folder_of_their_own(tmp_path: Path) -> None:
    written(tmp_path / "films" / "a.mp4", "")
    told = written(tmp_path / "said" / "a.csv", "time,score\n0,1\n1,2\n")
    with pytest.raises(UsageError, match="no video that anybody judged: a"):
        read_judged([told], out=tmp_path / "model")
    data = read_judged([told, tmp_path / "films"], out=tmp_path / "model")
    assert [item.source.path.name for item in data.items] == ["a.mp4"]


def test_a_folder_beside_named_annotations_only_holds_videos(tmp_path: Path) -> None:
    written(tmp_path / "films" / "a.mp4", "")
    written(tmp_path / "films" / "people.jsonl", json.dumps({"vid": "a", "label": [[1], [2]]}))
    told = written(tmp_path / "said" / "a.csv", "time,score\n0,1\n1,2\n2,3\n")
    (item,) = read_judged([told, tmp_path / "films"], out=tmp_path / "model").items
    assert item.people is not None and item.people.scores.shape == (1, 3)
    (item,) = read_judged([tmp_path / "films"], out=tmp_path / "model").items
    assert item.people is not None and item.people.scores.shape == (1, 2)


def test_two_annotations_of_one_video_are_one_too_many(tmp_path: Path) -> None:
    written(tmp_path / "a.mp4", "")
    one = written(tmp_path / "a.csv", "time,score\n0,1\n1,2\n")
    other = written(tmp_path / "a.json", '{"time":[0,1],"score":[2,1]}')
    with pytest.raises(UsageError, match="two annotations of this video"):
        read_judged([one, other], out=tmp_path / "model")


def test_two_videos_of_one_name_need_a_manifest(tmp_path: Path) -> None:
    for folder in "xy":
        written(tmp_path / folder / "a.mp4", "")
    written(tmp_path / "said.csv", "time,score\n0,1\n1,2\n")
    told = written(tmp_path / "a.csv", "time,score\n0,1\n1,2\n")
    with pytest.raises(UsageError, match="several videos are called a"):
        read_judged([told], out=tmp_path / "model")
    rows = "path,importance,group,split\nx/a.mp4,said.csv,one,test\ny/a.mp4,a.csv,,\nz.mp4,,,\n"
    written(tmp_path / "z.mp4", "")
    data = read_judged([written(tmp_path / "all.csv", rows)], out=tmp_path / "model")
    assert [(i.group, i.split) for i in data.items] == [("one", "test"), ("", "")]
    assert data.warnings == ("1 video without annotations had to be left out: z.mp4",)


def test_a_manifest_that_names_nothing(tmp_path: Path) -> None:
    written(tmp_path / "a.mp4", "")
    table = written(tmp_path / "all.csv", "path,importance\na.mp4,gone.csv\n")
    with pytest.raises(UsageError, match="annotations are missing"):
        read_judged([table], out=tmp_path / "model")
    with pytest.raises(UsageError, match="no video that anybody judged"):
        read_judged([written(tmp_path / "b.csv", "path,label\na.mp4,cat\n")], out=tmp_path / "m")


def test_what_is_no_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_judged([tmp_path / "gone.csv"], out=tmp_path / "model")
    with pytest.raises(UsageError, match="neither annotations nor a folder"):
        read_judged([written(tmp_path / "a.mp4", "")], out=tmp_path / "model")
