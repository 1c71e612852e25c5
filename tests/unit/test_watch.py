"""Which files of a folder are complete, and when watching ends by itself."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from triptych.arrivals import Arrival, Looks
from triptych.errors import InputError, UsageError
from triptych.watch import watch

SETTLE_S = 5.0


class Told:
    """A listener that remembers what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.totals: list[int] = []

    def start(self, total: int) -> None:
        self.totals.append(total)

    def note(self, message: str) -> None:
        self.notes.append(message)

    def finished(self, row: dict[str, object]) -> None:
        raise AssertionError(f"nothing was to be done: {row}")

    def learned(self, progress: dict[str, object]) -> None:
        raise AssertionError(f"nothing was to be learned: {progress}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "收件箱"
    found.mkdir()
    return found


@pytest.fixture
def looks(folder: Path) -> Looks:
    return Looks(folder, folder / "out", settle_s=SETTLE_S)


def write(path: Path, text: str = "film") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def seen(looks: Looks, now: float) -> dict[str, Arrival]:
    found = looks.look(now)
    assert found is not None
    return found


def complete(looks: Looks, now: float) -> set[str]:
    return {place for place, file in seen(looks, now).items() if file.complete}


def grow(path: Path, text: str = "more") -> None:
    with path.open("a") as file:
        file.write(text)


def test_a_file_is_complete_when_left_alone_for_two_looks_and_so_long(
    folder: Path, looks: Looks
) -> None:
    write(folder / "电影.mp4")
    assert complete(looks, 0.0) == set()
    assert complete(looks, SETTLE_S - 0.1) == set()
    assert complete(looks, SETTLE_S) == {"电影.mp4"}


def test_one_look_is_never_enough(folder: Path) -> None:
    write(folder / "a.mp4")
    looks = Looks(folder, folder / "out", settle_s=0.0)
    assert complete(looks, 100.0) == set()
    assert complete(looks, 100.0) == {"a.mp4"}


def test_a_file_that_grows_starts_anew(folder: Path, looks: Looks) -> None:
    film = write(folder / "a.mp4")
    complete(looks, 0.0)
    for step in range(1, 5):
        grow(film)
        assert complete(looks, step * SETTLE_S) == set()
    assert complete(looks, 5 * SETTLE_S) == {"a.mp4"}
    grow(film)
    assert complete(looks, 6 * SETTLE_S) == set()


def test_another_content_of_the_same_size_and_time_is_seen(folder: Path, looks: Looks) -> None:
    """As `cp -p` and `rsync` leave it, which give the copy the time of the original."""
    film = write(folder / "a.mp4", "one")
    complete(looks, 0.0)
    before = film.stat()
    write(folder / "b", "two").replace(film)
    os.utime(film, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert film.stat().st_mtime_ns == before.st_mtime_ns
    assert complete(looks, SETTLE_S) == set()
    assert complete(looks, 2 * SETTLE_S) == {"a.mp4"}


def test_permission_that_is_given_is_seen(folder: Path, looks: Looks) -> None:
    film = write(folder / "a.mp4")
    film.chmod(0o000)
    first = seen(looks, 0.0)["a.mp4"].stamp
    film.chmod(0o644)
    assert seen(looks, 1.0)["a.mp4"].stamp != first


@pytest.mark.parametrize("late", ["a.srt", "a.zh.srt", "a.mp4.vtt"])
def test_a_file_waits_for_its_subtitles(late: str, folder: Path, looks: Looks) -> None:
    write(folder / "a.mp4")
    write(folder / "b.mp4")
    complete(looks, 0.0)
    subtitles = write(folder / late, "1")
    assert complete(looks, SETTLE_S) == {"b.mp4"}
    grow(subtitles)
    assert complete(looks, 2 * SETTLE_S) == {"b.mp4"}
    assert complete(looks, 3 * SETTLE_S) == {"a.mp4", "b.mp4"}


@pytest.mark.parametrize(
    "name",
    [
        "a.mp4.part",
        "a.mp4.PART",
        "未确认 123.crdownload",
        "a.tmp",
        "a.mp4.download/a.mp4",
        ".a.mp4",
        ".hidden/a.mp4",
        "a.srt",
        "out/a.mp4/reel.mp4",
    ],
)
def test_what_is_left_alone(name: str, folder: Path, looks: Looks) -> None:
    write(folder / name)
    assert seen(looks, 0.0) == {}


@pytest.mark.parametrize("companion", ["a.mp4.part", "a.mp4.aria2"])
def test_a_place_that_is_kept_for_a_download_is_left_alone(
    companion: str, folder: Path, looks: Looks
) -> None:
    """Firefox makes an empty file under the last name; aria2 one of full size."""
    write(folder / "a.mp4", "\0" * 100)
    write(folder / companion)
    assert seen(looks, 0.0) == {}
    (folder / companion).unlink()
    assert seen(looks, 1.0).keys() == {"a.mp4"}


def test_a_file_that_is_renamed_into_place_is_complete_at_the_next_look_but_one(
    folder: Path, looks: Looks
) -> None:
    part = write(folder / "a.mp4.part")
    assert seen(looks, 0.0) == {}
    part.rename(folder / "a.mp4")
    assert complete(looks, SETTLE_S) == set()
    assert complete(looks, 2 * SETTLE_S) == {"a.mp4"}


def test_a_link_that_leads_nowhere_is_heard_of_and_its_target_too(
    folder: Path, looks: Looks, tmp_path: Path
) -> None:
    (folder / "a.mp4").symlink_to(tmp_path / "film.mp4")
    complete(looks, 0.0)
    assert complete(looks, SETTLE_S) == {"a.mp4"}
    write(tmp_path / "film.mp4")
    assert complete(looks, 2 * SETTLE_S) == set()


def test_a_folder_that_is_gone_and_back(folder: Path, looks: Looks) -> None:
    write(folder / "a.mp4")
    complete(looks, 0.0)
    away = folder.rename(folder.with_name("away"))
    assert looks.look(SETTLE_S) is None
    away.rename(folder)
    assert complete(looks, 2 * SETTLE_S) == {"a.mp4"}


def test_places_are_those_of_a_run(folder: Path, looks: Looks) -> None:
    for name in ("b/a.mp4", "a.mp4", "b/电影 2.mkv"):
        write(folder / name)
    assert list(seen(looks, 0.0)) == ["a.mp4", "b/a.mp4", "b/电影 2.mkv"]


def test_an_empty_folder_is_done_at_once(folder: Path) -> None:
    told = Told()
    assert watch(folder, folder / "out", listener=told, poll_s=0.01, settle_s=0, once=True) is None
    assert told.notes == [
        f"watching {folder}",
        f"nothing to do: no file in {folder}, nor in the folders in it",
    ]
    assert told.totals == [0]
    assert not (folder / "out").exists()


def test_files_that_still_grow_are_left_and_that_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = write(folder / "a.mp4")
    sleep = time.sleep

    def growing(seconds: float) -> None:
        grow(film)
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", growing)
    told = Told()
    watch(folder, folder / "out", listener=told, poll_s=0.01, settle_s=0.05, once=True)
    assert told.notes[1:] == [
        f"nothing to do: 1 file in {folder} is not complete; look again later"
    ]


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_no_folder_at_the_start_is_an_error(name: str, tmp_path: Path) -> None:
    write(tmp_path / "file")
    with pytest.raises(InputError, match="no such folder"):
        watch(tmp_path / name, tmp_path / "out", once=True)


@pytest.mark.parametrize("times", [{"poll_s": 0.0}, {"poll_s": -1.0}, {"settle_s": -0.1},
                                   {"poll_s": float("nan")}, {"settle_s": float("inf")}])  # fmt: skip
def test_times_that_are_none(times: dict[str, float], folder: Path) -> None:
    with pytest.raises(UsageError, match="apart"):
        watch(folder, folder / "out", once=True, **times)
