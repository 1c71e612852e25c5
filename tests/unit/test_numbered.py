"""Folders of numbered pictures: what is a film, what each picture's time is, what identifies it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image, ImageCms

import synth
from command import LIGHT, rows_of, triptych
from triptych.decode import open_media
from triptych.errors import DecodeError, InputError, NotMediaError, UsageError
from triptych.features.index import DigestIndex
from triptych.features.keys import media_digest
from triptych.inputs import Source, find_sources
from triptych.learn.dataset import read_dataset
from triptych.numbered import are_numbered
from triptych.records import FRAMES, Frames, MediaInfo

ENDINGS = ("jpg", "jpeg", "png", "bmp", "webp", "tif", "TIFF")
OUT = Path("/nowhere/out")


def film(
    folder: Path, numbers: Sequence[int] = range(1, 6), *, name: str = "frame_%06d.png"
) -> Path:
    """Pictures that show their own numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    prefix, digits = name.split("%0", 1)
    width, ending = digits.split("d", 1)
    for number in numbers:
        picture = Image.fromarray(synth.numbered(number))
        picture.save(folder / f"{prefix}{number:0{int(width)}}{ending}")
    return folder


def shown(folder: Path, fps: float, **window: float) -> list[tuple[float, int]]:
    """Times and numbers of all its frames."""
    with open_media(folder, frames_fps=fps) as media:
        chunks = [c for c in media.stream(fps=240.0, **window) if isinstance(c, Frames)]
        assert media.report.errors == 0 and not media.report.partial
    return [
        (round(float(t), 6), synth.number_of(p))
        for c in chunks
        for t, p in zip(c.pts_s, c.rgb, strict=True)
    ]


def find(*inputs: object, fps: float | None = None) -> list[Source]:
    return find_sources([str(i) for i in inputs], out=OUT, frames_fps=fps)


# Decoding


def test_pictures_with_a_colour_profile_that_has_a_name(tmp_path: Path) -> None:
    """As screenshots have. A profile's name once ended the process, hence the command."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for mode in ("RGB", "RGBA", "P", "L", "LA", "I;16"):
        folder = tmp_path / mode.replace(";", "")
        folder.mkdir()
        for number in range(1, 4):
            picture = Image.fromarray(synth.numbered(number)).convert("L" if ";" in mode else mode)
            picture = picture.convert("I").convert(mode) if ";" in mode else picture
            picture.save(folder / f"{number}.png", icc_profile=profile)
        done = triptych("decode", folder, "--frames-fps", 1, "-o", tmp_path / f"{folder.name}.out")
        assert done.returncode == 0, (mode, done.stderr)
        assert len(list((tmp_path / f"{folder.name}.out" / "frames").iterdir())) == 3


@pytest.mark.parametrize("ending", ENDINGS)
def test_pictures_of_every_kind_are_a_film(tmp_path: Path, ending: str) -> None:
    folder = film(tmp_path / "frames", [7, 8, 9], name=f"img%05d.{ending}")
    assert shown(folder, 25) == [(0.0, 7), (0.04, 8), (0.08, 9)]


def test_what_is_said_of_it(tmp_path: Path) -> None:
    with open_media(film(tmp_path / "frames"), frames_fps=29.97) as media:
        info: MediaInfo = media.info
    assert (info.container, info.fps, info.width, info.height) == (FRAMES, 29.97, 96, 64)
    assert info.duration_s == pytest.approx(5 / 29.97, abs=1e-6)
    assert (info.start_s, info.audio, info.text) == (0.0, None, ())


def test_gaps_keep_their_time_and_numbers_need_no_padding(tmp_path: Path) -> None:
    folder = film(tmp_path / "frames", [98, 99, 102, 110], name="%01d.png")
    assert shown(folder, 10) == [(0.0, 98), (0.1, 99), (0.4, 102), (1.2, 110)]


@pytest.mark.parametrize("fps", [0.1, 23.976, 30_000 / 1001, 240.0])
def test_rates_are_exact(tmp_path: Path, fps: float) -> None:
    times = [t for t, _ in shown(film(tmp_path / "frames", range(10)), fps)]
    assert times == [round(n / fps, 6) for n in range(10)]


@pytest.mark.parametrize(
    "name",
    [
        "100%%_%03d.png",
        "%%d*?[0-9]_%03d.png",
        "-i_%03d.png",
        "two\nlines %03d.png",
        "影片 e\u0301 %03d.png",
        "concat:a|b_%03d.png",
        "http:_%03d.png",
    ],
)
def test_names_are_names_and_no_patterns(tmp_path: Path, name: str) -> None:
    folder = film(tmp_path / "all %03d *", [1, 2, 3], name=name.replace("%%", "%"))
    assert [number for _, number in shown(folder, 5)] == [1, 2, 3]


def test_a_window_of_it_is_exact(tmp_path: Path) -> None:
    folder = film(tmp_path / "frames", range(50))
    assert shown(folder, 10, start_s=2.0, end_s=2.5) == [
        (round(n / 10, 6), n) for n in range(20, 25)
    ]


def test_pictures_of_several_sizes_are_no_film(tmp_path: Path) -> None:
    folder = film(tmp_path / "frames")
    Image.fromarray(synth.plain(synth.RED, (32, 32))).save(folder / "frame_000004.png")
    with pytest.raises(DecodeError, match="pictures of several sizes") as caught:
        shown(folder, 25)
    told = caught.value.message
    assert "frame_000001.png has 96x64" in told and "frame_000004.png has 32x32" in told


def test_a_broken_picture_costs_itself(tmp_path: Path) -> None:
    folder = film(tmp_path / "frames")
    whole = (folder / "frame_000003.png").read_bytes()
    for broken in (b"", whole[: len(whole) // 2], b"no picture"):
        (folder / "frame_000003.png").write_bytes(broken)
        with open_media(folder, frames_fps=5) as media:
            found = [c for c in media.stream(fps=5) if isinstance(c, Frames)]
        numbers = [synth.number_of(p) for c in found for p in c.rgb]
        assert [n for n in numbers if n != 3] in ([1, 2, 4, 5], [1, 2, 2, 4, 5])


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["a_1.png", "a_2.png", "b_1.png"], "several series: a_.*b_"),
        (["a_1.png", "a_2.jpg"], "several series"),
        (["a_1.png", "a_2.png", "cover.png"], "'cover.png' has no number"),
        (["a_1.png", "a_01.png"], "have one number"),
        (["a_1.png", "a_99999999999.png"], "the numbers jump from 1 to 99999999999"),
        (["text.txt"], "no numbered pictures"),
    ],
)
def test_what_is_unclear_is_told(tmp_path: Path, names: list[str], complaint: str) -> None:
    for name in names:
        path = tmp_path / name
        Image.fromarray(synth.plain(synth.RED)).save(path, "PNG") if path.suffix != ".txt" else (
            path.touch()
        )
    with pytest.raises(DecodeError, match=complaint) as caught:
        open_media(tmp_path, frames_fps=25)
    assert caught.value.path == str(tmp_path) and caught.value.remedy


def test_a_folder_that_nobody_called_a_film_is_told_how(tmp_path: Path) -> None:
    with pytest.raises(NotMediaError, match=r"a folder of 5 pictures.*--frames-fps 25.*column fps"):
        open_media(film(tmp_path / "frames"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError):
        open_media(tmp_path / "empty")


# Identity


def test_the_digest_is_of_the_pictures_their_order_and_the_rate(tmp_path: Path) -> None:
    folder = film(tmp_path / "a")
    known = media_digest(folder, frames_fps=25)
    assert media_digest(film(tmp_path / "b", name="x%03d.png"), frames_fps=25.0) == known
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in folder.iterdir():  # other numbers, the same times
        shutil.copy(path, moved / f"{int(path.stem[-6:]) + 10:06}.png")
    assert media_digest(moved, frames_fps=25) == known
    different = {known, media_digest(folder, frames_fps=24)}
    (folder / "frame_000002.png").rename(folder / "frame_000009.png")
    different.add(media_digest(folder, frames_fps=25))
    (folder / "frame_000001.png").write_bytes((folder / "frame_000003.png").read_bytes())
    different.add(media_digest(folder, frames_fps=25))
    assert len(different) == 4


def test_a_picture_that_changes_is_seen(tmp_path: Path) -> None:
    folder = film(tmp_path / "frames")
    (source,) = find(folder, fps=25)
    with DigestIndex(tmp_path / "digests.sqlite") as digests:
        size, known = digests.identity(source)
        assert size == sum(p.stat().st_size for p in folder.iterdir())
        assert digests.identity(source) == (size, known)
        Image.fromarray(synth.textured(1)).save(folder / "frame_000003.png")
        assert digests.identity(source)[1] != known


# What is found


def test_most_names_must_be_numbered() -> None:
    assert are_numbered(["1.jpg", "2.JPG", "Thumbs.db", ".3.jpg"])
    assert not are_numbered(["1.jpg", ".2.jpg"])
    assert not are_numbered(["a.jpg", "b.jpg", "c1.jpg"])
    assert not are_numbered(["1.mp4", "2.mp4"])


def test_a_folder_of_them_is_one_input(tmp_path: Path) -> None:
    film(tmp_path / "all/cat/one")
    film(tmp_path / "all/dog/two")
    (tmp_path / "all/dog/two/film.mp4").touch()
    (tmp_path / "all/dog/photo.jpg").touch()
    for fps in (None, 25.0):
        found = {
            str(s.relative): (s.frames_fps, s.expected) for s in find(tmp_path / "all", fps=fps)
        }
        assert found == {
            "cat/one": (fps, fps is not None),
            "dog/two": (fps, fps is not None),
            "dog/photo.jpg": (None, False),
            "dog/two/film.mp4": (None, True),
        }
    (named,) = find(tmp_path / "all/cat/one")
    assert named.expected and str(named.relative) == "one"


def test_globs_find_such_folders_too(tmp_path: Path) -> None:
    film(tmp_path / "one")
    film(tmp_path / "two")
    assert [str(s.relative) for s in find(tmp_path / "*", fps=5)] == ["one", "two"]


def test_a_manifest_says_the_rate_of_each(tmp_path: Path) -> None:
    film(tmp_path / "one")
    film(tmp_path / "two")
    (tmp_path / "film.mp4").touch()
    table = tmp_path / "list.csv"
    table.write_text("path,fps,start,label\none,30000/1001,,a\ntwo,,0.1,b\nfilm.mp4,N/A,,c\n")
    rates = {str(s.relative): s.frames_fps for s in find(table, fps=5)}
    assert rates == {"one": 30_000 / 1001, "two@0.1-": 5, "film.mp4": None}
    table.write_text("path,fps\none,fast\n")
    with pytest.raises(UsageError, match="line 2, fps: 'fast' is no number"):
        find(table)
    table.write_text("path,fps\none,5\none,6\n")
    with pytest.raises(UsageError, match="two rates for one folder"):
        find(table)


def test_a_tree_of_such_folders_is_a_data_set(tmp_path: Path) -> None:
    for name in ("train/cat/a", "train/dog/b", "test/cat/c"):
        film(tmp_path / name, [1, 2])
    found = read_dataset(find(tmp_path, fps=25))
    assert {(i.source.path.name, i.labels, i.split) for i in found.items} == {
        ("a", ("cat",), "train"),
        ("b", ("dog",), "train"),
        ("c", ("cat",), "test"),
    }


# The command


@pytest.mark.needs("embedded")
def test_a_run_over_frames_and_photographs(tmp_path: Path, scratch_cache: Path) -> None:
    inputs, out = tmp_path / "in", tmp_path / "out"
    film(inputs / "clip 影片", range(10))
    (inputs / "clip 影片.srt").write_text("1\n00:00:00,100 --> 00:00:01,500\nhello\n")
    run = ("run", inputs, "-o", out, *LIGHT[:-1], "json,html,reel")
    told = triptych(*run, cache=scratch_cache)
    assert told.returncode == 3
    assert "a folder of 10 pictures" in told.stderr and "--frames-fps 25" in told.stderr
    (row,) = rows_of(out).values()
    assert row["state"] == "skipped" and "--frames-fps" in row["error"]
    planned = triptych(*run, "--dry-run", cache=scratch_cache)
    assert "a folder of 10 pictures" in planned.stdout

    rate = ("--frames-fps", 5)
    told = triptych(*run, *rate, cache=scratch_cache)
    assert told.returncode == 0, told.stdout + told.stderr
    analysis = json.loads((out / "clip 影片" / "analysis.json").read_text(encoding="utf-8"))
    assert analysis["source"]["media"]["container"] == FRAMES
    assert analysis["timeline"]["end_s"][-1] == pytest.approx(2.0)
    assert (out / "clip 影片" / "highlights.mp4").stat().st_size > 1000
    page = (out / "clip 影片" / "report.html").read_text(encoding="utf-8")
    assert 'src="highlights.mp4"' in page
    assert "hello" in page
    Image.fromarray(synth.textured(3)).save(inputs / "clip 影片" / "frame_000004.png")
    assert "1 done" in triptych(*run, *rate, cache=scratch_cache).stdout
