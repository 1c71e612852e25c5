"""Features in other tools' layouts: what their own readers find is what the store holds."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import resource
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
import webdataset

from command import environment
from exported import OTHER, PART, SAME, TALK, Finished
from triptych.errors import OutputError, UsageError
from triptych.records import FeatureTrack
from triptych.share import LAYOUTS, arrays, export, read_mmsa, tables

pytestmark = pytest.mark.needs("embedded")


def same(track: FeatureTrack, values: Any, start_s: Any, end_s: Any) -> None:
    """Every bit, and the types."""
    for mine, theirs in ((track.values, values), (track.start_s, start_s), (track.end_s, end_s)):
        found = np.asarray(theirs)
        assert (found.dtype, found.shape) == (mine.dtype, mine.shape)
        assert found.tobytes() == np.ascontiguousarray(mine).tobytes()


def test_the_store_has_something_to_compare_with(finished: Finished) -> None:
    """Else equal could mean empty."""
    assert finished.tracks.keys() == {TALK, SAME, OTHER, PART}
    for tracks in finished.tracks.values():
        assert tracks.keys() == {"image", "image_labels", "shots", "audio", "text"}
        assert len(tracks["image"]) > 2
    assert len(finished.tracks[SAME]["audio"]) == 0
    assert len(finished.tracks[OTHER]["text"]) == 2
    assert finished.tracks[OTHER]["image"].start_s[0] == pytest.approx(8.3)


# Each layout, by its reader


def test_npz_by_numpy(finished: Finished) -> None:
    told = export(finished.out, finished.target, layout="npz")
    assert set(told["files"]) == {f"{finished.key(name)}.npz" for name in finished.tracks}
    for name, tracks in finished.tracks.items():
        with np.load(finished.target / f"{finished.key(name)}.npz", allow_pickle=False) as file:
            assert len(file.files) == 3 * len(tracks)
            for track_name, made in tracks.items():
                same(
                    made,
                    file[track_name],
                    file[f"{track_name}_start_s"],
                    file[f"{track_name}_end_s"],
                )


def test_parquet_by_pyarrow(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_GROUP_BYTES", 20_000)
    export(finished.out, finished.target, layout="parquet")
    table = pq.read_table(finished.target)  # the folder: what is no table in it is passed over
    rows = table.to_pylist()
    assert len(rows) == sum(len(t) for tracks in finished.tracks.values() for t in tracks.values())
    for name, tracks in finished.tracks.items():
        for track_name, made in tracks.items():
            mine = [r for r in rows if (r["video"], r["track"]) == (name, track_name)]
            values = np.array([r["values"] for r in mine], np.float32).reshape(made.values.shape)
            times = (np.array([r[k] for r in mine], np.float64) for k in ("start_s", "end_s"))
            same(made, values, *times)
    told = {r["video"]: (r["labels"], r["split"], r["group"]) for r in rows}
    assert told == {
        TALK: (["知识", "talk"], "train", None),
        SAME: (["cat"], "val", None),
        OTHER: (["dog"], "test", None),
        PART: (["talk"], None, None),
    }
    assert table.schema.field("values").type.value_type == "float"
    meta = pq.ParquetFile(finished.target / "features.parquet").metadata
    sizes = [meta.row_group(i).total_byte_size for i in range(meta.num_row_groups)]
    assert len(sizes) > 3 and max(sizes) < 3 * 20_000


def test_vsumm_by_h5py(finished: Finished) -> None:
    told = export(finished.out, finished.target, layout="vsumm")
    assert told["files"] == ["features.h5"]
    with h5py.File(finished.target / "features.h5") as file:
        assert set(file) == {finished.key(name) for name in finished.tracks}
        for name, tracks in finished.tracks.items():
            group = file[finished.key(name)]
            assert set(group) == {
                "features", "n_frames", "n_steps", "picks", "change_points", "n_frame_per_seg",
                "fps", "video_name",
            }  # fmt: skip
            made = tracks["image"]
            same(made, group["features"][()], made.start_s, made.end_s)
            assert group["video_name"].asstr()[()] == name
            assert group["n_steps"][()] == len(made) == len(group["picks"])
            assert group["n_frame_per_seg"][()].sum() == group["n_frames"][()]
        assert file[finished.key(TALK)]["n_frames"][()] == pytest.approx(15, abs=1)
        # Five frames a second, of which every one or second was taken.
        picks = file[finished.key(OTHER)]["picks"][()]
        assert picks[0] == 0 and set(np.diff(picks)) <= {1, 2} and picks[-1] < 15


def test_mmsa_by_the_restricted_reader_and_by_pickle(finished: Finished) -> None:
    export(finished.out, finished.target, layout="mmsa")
    data = read_mmsa(finished.target / "features.pkl")
    with (finished.target / "features.pkl").open("rb") as file:
        plain = pickle.load(file)
    assert data.keys() == plain.keys() == {"train", "valid", "test"}
    ids = {split: part["id"] for split, part in data.items()}
    assert ids == {"train": [TALK, PART], "valid": [SAME], "test": [OTHER]}
    for split, part in data.items():
        for ours, theirs in (("text", "text"), ("audio", "audio"), ("image", "vision")):
            assert part[theirs].dtype == np.float32 and part[theirs].flags.writeable
            assert plain[split][theirs].tobytes() == part[theirs].tobytes()
            assert plain[split][theirs].flags.writeable
            for i, name in enumerate(part["id"]):
                made = finished.tracks[name][ours]
                rows = part[f"{theirs}_lengths"][i]
                same(made, part[theirs][i, :rows], made.start_s, made.end_s)
                assert not part[theirs][i, rows:].any()
        assert len(part["raw_text"]) == len(part["id"])
    assert data["test"]["raw_text"] == ["大家好 Goodbye"]
    assert data["train"]["annotations"] == ["知识|talk", "talk"]
    assert "classification_labels" not in data["test"]  # one video has two labels


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # the package's reader
def test_webdataset_by_its_package_and_by_tarfile(finished: Finished) -> None:
    told = export(finished.out, finished.target, layout="webdataset")
    assert told["files"] == ["shard-000000.tar"]
    shard = finished.target / "shard-000000.tar"
    samples = {
        sample["__key__"]: sample
        for sample in webdataset.WebDataset(str(shard), shardshuffle=False).decode()
    }
    assert set(samples) == {finished.key(name) for name in finished.tracks}
    with tarfile.open(shard) as tar:
        members = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
    for name, tracks in finished.tracks.items():
        key = finished.key(name)
        facts = json.loads(members[f"{key}.json"])
        assert facts == samples[key]["json"]
        assert facts["video"] == name
        for track_name, made in tracks.items():
            times = facts["tracks"][track_name]
            spans = [np.array(times[k], np.float64) for k in ("start_s", "end_s")]
            same(made, samples[key][f"{track_name}.npy"], *spans)
            same(made, np.load(io.BytesIO(members[f"{key}.{track_name}.npy"])), *spans)
    facts = samples[finished.key(TALK)]["json"]
    assert (facts["labels"], facts["split"]) == (["知识", "talk"], "train")
    assert facts["predicted"][0][1] >= facts["predicted"][-1][1]


def test_a_shard_is_closed_when_it_is_large_enough(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "_SHARD_BYTES", 1)
    told = export(finished.out, finished.target, layout="webdataset")
    assert told["files"] == [f"shard-{i:06d}.tar" for i in range(4)]
    keys = []
    for name in told["files"]:
        with tarfile.open(finished.target / name) as tar:
            keys.append({member.name.split(".")[0] for member in tar})
    assert sorted(map(len, keys)) == [1, 1, 1, 1] and len(set.union(*keys)) == 4


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_features_give_the_same_files(finished: Finished, layout: str) -> None:
    first = export(finished.out, finished.target, layout=layout)
    second = export(finished.out, finished.target.with_name("again"), layout=layout)
    assert first["files"] == second["files"] != []
    for name in first["files"]:
        one, two = (Path(r["target"]) / name for r in (first, second))
        assert one.read_bytes() == two.read_bytes(), name


# What is told


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_was_written_and_what_was_not(finished: Finished, layout: str) -> None:
    told = export(finished.out, finished.target, layout=layout)
    assert json.loads((finished.target / "_export.json").read_text()) == told
    written = {p.name for p in finished.target.iterdir()}
    assert written == {*told["files"], "_export.json"}
    assert [v["video"] for v in told["videos"]] == [TALK, SAME, OTHER, PART]
    assert all(v["key"] == finished.key(v["video"]) for v in told["videos"])
    (skipped,) = told["skipped"]  # and not notes.txt, which the manifest does not name
    assert skipped["video"] == "bad.mp4"
    assert "not a video" in skipped["reason"]


def test_chosen_tracks_alone_are_written(finished: Finished) -> None:
    told = export(finished.out, finished.target, layout="npz", tracks=["audio", "shots"])
    assert all(v["tracks"].keys() == {"audio", "shots"} for v in told["videos"])
    motion = export(finished.out, finished.target / "m", layout="npz", tracks=["motion"])
    assert motion["videos"] == motion["files"] == []
    assert {s["reason"] for s in motion["skipped"][:4]} == {"it has none of these tracks"}
    assert not (finished.target / "m").exists()


# What is refused


def test_a_folder_that_is_not_empty_is_left_alone(finished: Finished) -> None:
    finished.target.mkdir()
    (finished.target / "shard-000007.tar").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        export(finished.out, finished.target, layout="webdataset")
    assert [p.name for p in finished.target.iterdir()] == ["shard-000007.tar"]


def test_what_a_killed_export_left_is_no_obstacle(finished: Finished) -> None:
    finished.target.mkdir()
    (finished.target / ".part-0123456789ab-features.parquet").write_text("half")
    assert export(finished.out, finished.target, layout="parquet")["files"]


def test_a_file_is_no_folder(finished: Finished) -> None:
    finished.target.write_text("mine")
    with pytest.raises(UsageError, match="cannot export to it"):
        export(finished.out, finished.target, layout="npz")
    assert finished.target.read_text() == "mine"


@pytest.mark.parametrize(
    ("layout", "tracks", "what"),
    [
        ("csv", None, "no layout 'csv'"),
        ("npz", ["imgae"], "no track 'imgae'"),
        ("vsumm", ["image", "shots"], "holds one track"),
        ("mmsa", ["image", "audio", "motion"], "one track for vision, not image and motion"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(
    finished: Finished, layout: str, tracks: list[str] | None, what: str
) -> None:
    with pytest.raises(UsageError, match=what) as info:
        export(finished.out, finished.target, layout=layout, tracks=tracks)
    assert info.value.remedy
    assert not finished.target.exists()


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no results of `triptych run`"):
        export(tmp_path, tmp_path / "target", layout="npz")


@pytest.mark.parametrize(("layout", "package"), [("parquet", "pyarrow"), ("vsumm", "h5py")])
def test_a_package_that_is_missing_is_named(
    finished: Finished, monkeypatch: pytest.MonkeyPatch, layout: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=package) as info:
        export(finished.out, finished.target, layout=layout)
    assert info.value.remedy == 'pip install "triptych[export]"'


@contextlib.contextmanager
def small_files(size: int) -> Iterator[None]:
    """The system refuses to let any file of this process grow above `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_an_export_for_which_there_is_no_room_leaves_nothing(finished: Finished) -> None:
    path = finished.out / TALK / "analysis.json"
    analysis = json.loads(path.read_text(encoding="utf-8"))
    analysis["tracks"] = [t for t in analysis["tracks"] if t["name"] != "image"]
    path.write_text(json.dumps(analysis), encoding="utf-8")
    tracks = ["shots", "image"]  # of the first video only the former: that file has room
    with small_files(20_000), pytest.raises(OutputError, match="cannot write") as info:
        export(finished.out, finished.target, layout="npz", tracks=tracks)
    assert finished.key(SAME) in str(info.value.path)
    assert list(finished.target.iterdir()) == []
    assert len(export(finished.out, finished.target, layout="npz", tracks=tracks)["files"]) == 4


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    code = "import sys, triptych.share; print([m for m in ('numpy', 'av') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )
    assert done.stdout.strip() == "[]"
