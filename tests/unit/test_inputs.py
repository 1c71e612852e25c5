"""What is found where, and which place below OUT each file gets."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from triptych.errors import InputError, UsageError
from triptych.inputs import Source, find_sources


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def find(*inputs: object, out: Path | None = None) -> list[Source]:
    return find_sources([str(i) for i in inputs], out=out or Path("/nowhere/out"))


def places(sources: Sequence[Source]) -> list[str]:
    return [str(s.relative) for s in sources]


def table(path: Path, *rows: str, encoding: str = "utf-8") -> Path:
    path.write_bytes("\n".join(rows).encode(encoding))
    return path


# Folders


def test_a_folder_is_walked_to_its_depths_in_a_stable_order(tmp_path: Path) -> None:
    touch(tmp_path, "b.mp4", "a.mkv", "deep/er/c.mov", "deep/a.mp4")
    found = find(tmp_path)
    assert places(found) == ["a.mkv", "b.mp4", "deep/a.mp4", "deep/er/c.mov"]
    assert found[3].path == tmp_path / "deep/er/c.mov"


def test_hidden_files_and_folders_and_subtitles_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", ".b.mp4", ".git/c.mp4", "a.srt", "a.zh.VTT", "a.ass", "x/.y/z.mp4")
    assert places(find(tmp_path)) == ["a.mp4"]


def test_only_what_has_a_film_s_ending_is_expected_to_be_one(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "B.MKV", "notes.txt", "no-ending", "sound.opus")
    expected = {str(s.relative): s.expected for s in find(tmp_path)}
    assert expected == {
        "a.mp4": True,
        "B.MKV": True,
        "sound.opus": True,
        "notes.txt": False,
        "no-ending": False,
    }


def test_what_the_user_names_is_expected_to_be_media(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    assert find(tmp_path / "notes.txt")[0].expected


def test_results_below_the_input_are_not_taken_for_input(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "out/a.mp4/highlights.mp4", "sub/out/b.mp4")
    assert places(find(tmp_path, out=tmp_path / "out")) == ["a.mp4", "sub/out/b.mp4"]


def test_results_reached_by_another_name_are_not_taken_for_input(tmp_path: Path) -> None:
    touch(tmp_path, "films/a.mp4", "films/out/a.mp4/highlights.mp4")
    (tmp_path / "elsewhere").symlink_to(tmp_path / "films/out")
    assert places(find(tmp_path / "films", out=tmp_path / "elsewhere")) == ["a.mp4"]


def test_linked_folders_are_walked_and_circles_are_not(tmp_path: Path) -> None:
    touch(tmp_path, "films/a.mp4", "more/b.mp4")
    (tmp_path / "films/linked").symlink_to(tmp_path / "more")
    (tmp_path / "films/round").symlink_to(tmp_path / "films")
    (tmp_path / "more/up").symlink_to(tmp_path)
    assert places(find(tmp_path / "films")) == ["a.mp4", "linked/b.mp4"]


def test_what_is_no_file_is_not_passed_over_without_a_word(tmp_path: Path) -> None:
    """Its row says what it is: a failure if its ending, or the user, says that it is a film."""
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nothing.mp4")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nothing.txt")
    os.mkfifo(tmp_path / "pipe.mp4")
    os.mkfifo(tmp_path / "pipe.srt")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "folder" / "media.json")
    expected = {str(s.relative): s.expected for s in find(tmp_path)}
    assert expected.pop("folder/media.json") is False
    assert expected == {"gone.mp4": True, "gone.txt": False, "pipe.mp4": True, "pipe": False}
    for name in ("gone.txt", "pipe"):
        assert all(s.expected for s in (*find(tmp_path / name), *find(tmp_path / f"{name[:3]}*")))


@pytest.mark.parametrize(
    "name",
    [
        "with several  spaces.mp4",
        "-begins-with-a-dash.mp4",
        "中文 影片.mp4",
        "e\u0301 decomposed.mp4",
        "family \U0001f468\u200d\U0001f469\u200d\U0001f467.mp4",
        "two\nlines.mp4",
        "[brackets]*?.mp4",
        "quotes '\" and ; $(x) & more.mp4",
        "~tilde.mp4",
        os.fsdecode(b"not \xff text.mp4"),
    ],
)
def test_awkward_names(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert places(find(tmp_path)) == [name]
    assert places(find(tmp_path / name)) == [name]


# Files and globs


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file or folder") as caught:
        find(tmp_path / "missing.mp4")
    assert caught.value.path == str(tmp_path / "missing.mp4")
    assert caught.value.remedy


def test_an_empty_input_is_not_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a.mp4")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="empty"):
        find("")
    assert places(find(".")) == ["a.mp4"]


def test_globs_keep_the_folders_after_the_first_wildcard(tmp_path: Path) -> None:
    touch(tmp_path, "2024/jan/a.mp4", "2024/feb/a.mp4", "2023/jan/a.mp4", "2024/jan/a.srt")
    assert places(find(tmp_path / "2024/*/*")) == ["feb/a.mp4", "jan/a.mp4"]
    assert places(find(tmp_path / "20*/jan/*.mp4")) == ["2023/jan/a.mp4", "2024/jan/a.mp4"]
    assert places(find(tmp_path / "2024/**/*.mp4")) == ["feb/a.mp4", "jan/a.mp4"]


def test_globs_relative_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "here/x", "films/a.mp4")
    monkeypatch.chdir(tmp_path / "here")
    assert places(find("../films/*.mp4")) == ["a.mp4"]
    assert places(find("../f*/*.mp4")) == ["films/a.mp4"]


def test_a_glob_leaves_results_and_hidden_files_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", ".b.mp4", "out/a.mp4/highlights.mp4")
    assert places(find(tmp_path / "**/*.mp4", out=tmp_path / "out")) == ["a.mp4"]


def test_a_glob_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "only.srt")
    with pytest.raises(InputError, match="no file matches"):
        find(tmp_path / "*")


# Places


def test_files_of_one_name_get_places_that_do_not_depend_on_order(tmp_path: Path) -> None:
    touch(tmp_path, "one/clip.mp4", "two/clip.mp4", "two/other.mp4")
    forth = {s.path: s.relative for s in find(tmp_path / "one", tmp_path / "two")}
    back = {s.path: s.relative for s in find(tmp_path / "two", tmp_path / "one")}
    assert forth == back
    assert sorted(map(str, forth.values())) == ["one/clip.mp4", "other.mp4", "two/clip.mp4"]


def test_files_of_one_name_in_folders_of_one_name(tmp_path: Path) -> None:
    touch(tmp_path, "x/day/clip.mp4", "y/day/clip.mp4")
    forth = find(tmp_path / "x/day/clip.mp4", tmp_path / "y/day")
    back = find(tmp_path / "y/day", tmp_path / "x/day/clip.mp4")
    assert {s.path: s.relative for s in forth} == {s.path: s.relative for s in back}
    assert len(set(places(forth))) == 2
    assert all(place.startswith("day/clip.mp4~") for place in places(forth))


def test_a_place_made_by_renaming_is_not_taken_twice(tmp_path: Path) -> None:
    touch(tmp_path, "one/clip.mp4", "two/clip.mp4", "all/one/clip.mp4")
    found = find(tmp_path / "one", tmp_path / "two", tmp_path / "all")
    assert len(set(places(found))) == 3


def test_what_is_named_twice_is_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "films/a.mp4")
    monkeypatch.chdir(tmp_path)
    found = find(
        "films", "films/a.mp4", tmp_path / "films/a.mp4", "films/*.mp4", "./films/../films"
    )
    assert places(found) == ["a.mp4"]


# Manifests


def test_a_csv_manifest(tmp_path: Path) -> None:
    touch(tmp_path, "clips/a.mp4")
    path = table(
        tmp_path / "list.csv",
        "path,label,start,end,split,group,ignored",
        "clips/a.mp4,cat,,,train,g1,x",
        f"{tmp_path}/clips/a.mp4,dog,1.5,4,,,",
        '"clips/with, comma.mp4",,,2,,,',
    )
    whole, part, tail = find(path)
    assert whole.path == tmp_path / "clips/a.mp4"
    assert str(whole.relative) == "clips/a.mp4"
    assert whole.extra == (("label", "cat"), ("split", "train"), ("group", "g1"))
    assert (whole.start_s, whole.end_s) == (None, None)
    assert (part.start_s, part.end_s) == (1.5, 4.0)
    assert part.relative.name == "a.mp4@1.5-4"
    assert str(tail.relative) == "clips/with, comma.mp4@0-2"


def test_a_jsonl_manifest(tmp_path: Path) -> None:
    rows = [
        {"path": "clips/影片 一.mp4", "start": 2, "label": 3},
        {"path": "clips/影片 一.mp4", "start": 2.25, "end": 3},
    ]
    lines = [json.dumps(r, ensure_ascii=False) for r in rows]
    first, second = find(table(tmp_path / "list.jsonl", lines[0], "", lines[1], ""))
    assert first.path == tmp_path / "clips/影片 一.mp4"
    assert str(first.relative) == "clips/影片 一.mp4@2-"
    assert first.extra == (("label", "3"),)
    assert str(second.relative) == "clips/影片 一.mp4@2.25-3"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_manifests_as_spreadsheets_save_them(tmp_path: Path, encoding: str, end: str) -> None:
    path = tmp_path / "清单.csv"
    path.write_bytes(f"path,label{end}影片/猫.mp4,猫{end}".encode(encoding))
    (only,) = find(path)
    assert only.path == tmp_path / "影片/猫.mp4"
    assert only.extra == (("label", "猫"),)


def test_a_name_with_a_newline_or_a_line_separator_in_a_manifest(tmp_path: Path) -> None:
    (quoted,) = find(table(tmp_path / "a.csv", "path", '"two\nlines.mp4"'))
    assert quoted.path == tmp_path / "two\nlines.mp4"
    name = "one\u2028line\u0085.mp4"
    row = json.dumps({"path": name}, ensure_ascii=False)
    (separated,) = find(table(tmp_path / "a.jsonl", row))
    assert separated.path == tmp_path / name


def test_windows_that_differ_by_little_get_places_of_their_own(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "path,start", "a.mp4,1234.5671", "a.mp4,1234.5672")
    assert len(set(places(find(path)))) == 2


def test_a_window_of_a_long_name_gets_a_name_that_disks_take(tmp_path: Path) -> None:
    name = "长" * 83 + ".mp4"
    rows = [f"{name},{start}" for start in ("1.25", "1234.5")]
    found = places(find(table(tmp_path / "a.csv", "path,start", *rows)))
    assert len(set(found)) == 2
    for place in found:
        assert len(os.fsencode(place)) <= 255
        (tmp_path / place).mkdir()


def test_paths_out_of_the_manifest_s_folder_stay_below_out(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "path", "../../up/a.mp4", "/of/all/b.mp4", "./c.mp4")
    assert places(find(path)) == ["up/a.mp4", "of/all/b.mp4", "c.mp4"]


@pytest.mark.parametrize(
    ("name", "rows", "complaint"),
    [
        ("a.csv", ["path,start", "a.mp4,x"], "line 2, start: 'x' is no number of seconds"),
        ("a.csv", ["path,start", "a.mp4,-1"], "line 2, start"),
        ("a.csv", ["path,end", "a.mp4,nan"], "line 2, end"),
        ("a.csv", ["path,end", "a.mp4,inf"], "line 2, end"),
        ("a.csv", ["path,start,end", "a.mp4,1,2", "a.mp4,3,3"], "line 3: end is not after start"),
        ("a.csv", ["path,end", "a.mp4,0"], "line 2: end is not after start"),
        ("a.csv", ["path,label", ",cat"], "line 2 has no path"),
        ("a.csv", ["file,label", "a.mp4,cat"], "line 2 has no path"),
        ("a.csv", ['path,label\n"a\nb.mp4",x\n,y'], "line 4 has no path"),
        ("a.csv", ["path,start", "..,1"], "line 2: '..' names no file"),
        ("a.csv", ["path", "x" * 200_000], "line 2 is not CSV"),
        ("a.jsonl", ['{"path": "a.mp4"}', "{'path': 'b.mp4'}"], "line 2 is not JSON"),
        ("a.jsonl", ['["a.mp4"]'], "line 1 is not a JSON object"),
        ("a.jsonl", ["", '{"label": "a"}'], "line 2 has no path"),
        ("a.jsonl", ['{"path": null}'], "line 1 has no path"),
        ("a.jsonl", ['{"path": "a.mp4", "start": true}'], "line 1, start"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, name: str, rows: list[str], complaint: str) -> None:
    path = table(tmp_path / name, *rows)
    with pytest.raises(UsageError) as caught:
        find(path)
    assert complaint in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
@pytest.mark.parametrize("mode", [0o000, 0o600])
def test_a_folder_that_may_not_be_read_costs_no_other_file(
    tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.mp4", "shut/b.mp4"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"x")
    (tmp_path / "in" / "shut").chmod(mode)
    try:
        found = find_sources([tmp_path / "in"], out=tmp_path / "out")
    finally:
        (tmp_path / "in" / "shut").chmod(0o700)
    assert "a.mp4" in [str(s.relative) for s in found]
    # Named in a warning, or its film listed, to fail with the reason.
    assert "shut" in caplog.text or "shut/b.mp4" in [str(s.relative) for s in found]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that other users may look into, unlike pytest's."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Be a user whom permissions bind."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX")
def test_a_named_folder_that_may_not_be_read_is_named(open_folder: Path) -> None:
    shut = open_folder / "shut"
    touch(shut, "in/a.mp4")
    shut.chmod(0)
    try:
        with as_nobody():
            with pytest.raises(InputError, match="the folder cannot be read: Permission denied"):
                find(shut)
            for name in ("in", "nowhere", "in/*.mp4"):
                with pytest.raises(InputError, match=r"Permission denied|no file matches"):
                    find(shut / name)
    finally:
        shut.chmod(0o755)


def test_names_that_no_file_can_have_are_missing_files(tmp_path: Path) -> None:
    for name in ("x" * 300, "a\0b", "a.mp4/b.mp4"):
        touch(tmp_path, "a.mp4")
        with pytest.raises(InputError, match="no such file or folder"):
            find(tmp_path / name)


def test_no_results_stand_where_a_run_writes_its_own_files(tmp_path: Path) -> None:
    for name in ("index.html", "run.jsonl/a.mp4", "deep/summary.json", "Predictions.CSV"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"x")
    found = find_sources([tmp_path / "in"], out=tmp_path / "out")
    assert {str(s.relative) for s in found} == {
        "index.html~", "run.jsonl~/a.mp4", "deep/summary.json", "Predictions.CSV~",
    }  # fmt: skip
