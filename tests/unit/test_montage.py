"""The reel of a whole folder: which moments, in which order, at which size; and the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from analysis_factory import COLORS, TONES_HZ, tone_clip
from command import clip, triptych
from triptych.config import Config
from triptych.decode.media import open_media
from triptych.errors import InputError, UsageError
from triptych.prepare import Silent
from triptych.records import MediaInfo
from triptych.reels import folder_reel
from triptych.report.montage import Film, Moment, choose, read_film, results_in


def film(*moments: tuple[float, float, float]) -> Film:
    """A film with moments (start, end, score)."""
    info = MediaInfo(
        path="x", container="mp4", start_s=0, duration_s=100, width=64, height=64, fps=25,
        video="h264", audio=None, text=(),
    )  # fmt: skip
    best = sorted((Moment(*m) for m in moments), key=lambda m: -m.score)
    return Film(title="x", media=Path("x"), info=info, duration_s=100, moments=tuple(best))


def length_of(chosen: list[tuple[int, Moment]]) -> float:
    return sum(moment.length_s for _, moment in chosen)


def test_the_best_of_each_then_the_second_best_in_folder_order() -> None:
    films = [film((0, 3, 0.5), (10, 13, 1.0)), film(), film((5, 9, 1.0), (20, 24, 0.9))]
    shown = [(i, m.start_s, m.end_s) for i, m in choose(films, 10.5)]
    assert shown == [(0, 0, 3), (0, 10, 13), (2, 5, 9)]
    assert [(i, m.start_s) for i, m in choose(films, 7)] == [(0, 10), (2, 5)]


def test_long_moments_are_shortened_and_short_ones_are_not() -> None:
    films = [film((0, 2, 1.0)), film((0, 30, 1.0)), film((7, 20, 1.0))]
    chosen = choose(films, 10)
    assert [round(m.length_s, 6) for _, m in chosen] == [2, 4, 4]
    assert chosen[2][1].start_s == 7


def test_of_too_many_films_some_are_left_out_evenly() -> None:
    chosen = choose([film((0, 5, 1.0))] * 101, 15)
    assert len(chosen) == 10
    assert [i for i, _ in chosen] == [round(k * 100 / 9) for k in range(10)]
    assert length_of(chosen) == pytest.approx(15)
    assert [i for i, _ in choose([film((0, 5, 1.0))] * 3, 1.0)] == [0]
    assert choose([film()], 10) == choose([], 10) == []


def result(out: Path, media: Path, moments: list[tuple[float, float]], **source: Any) -> None:
    """The folder of a video that was analysed."""
    with open_media(media) as opened:
        info = opened.info
    told = {name: getattr(info, name) for name in info.__dataclass_fields__ if name != "path"}
    data = {
        "source": {
            "path": str(media),
            "relative": media.name,
            "duration_s": info.duration_s,
            "media": told,
            **source,
        },
        "summary": {
            "segments": [
                {"start_s": info.start_s + a, "end_s": info.start_s + b, "score": 1.0 - i / 10}
                for i, (a, b) in enumerate(moments)
            ]
        },
    }
    (out / media.name).mkdir(parents=True)
    (out / media.name / "analysis.json").write_text(json.dumps(data), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Results of films of all kinds: wide, tall, silent, late, sound alone, gone."""
    media = tmp_path / "media"
    media.mkdir()
    tone_clip(media / "1 宽 & <b>.mp4", size=(320, 180))
    tone_clip(media / "2 tall.mp4", size=(120, 240), start_s=8.0)
    tone_clip(media / "3 silent.mkv", size=(160, 90), audio=False, uneven=True)
    tone_clip(media / "4 heard.m4a", video=False)
    tone_clip(media / "5 gone.mp4", scenes=1, size=(64, 64))
    for path in sorted(media.iterdir()):
        result(tmp_path / "out", path, [(2.5, 3.5), (6.5, 7.5)])
    (media / "5 gone.mp4").unlink()
    return tmp_path / "out"


def reel_of(folder: Path, target: Path, **options: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"length": "60s", "config": Config(), "listener": Silent()} | options
    return folder_reel(folder, target, **given)


def test_a_folder_of_all_kinds_of_films(folder: Path, tmp_path: Path) -> None:
    made = reel_of(folder, tmp_path / "reel.mp4")
    assert (made["videos"], made["moments"], made["seconds"]) == (3, 6, 6.0)
    (gone,) = made["left_out"]
    assert made["sound_only"] == 1
    assert gone["path"].endswith("5 gone.mp4") and "gone" in gone["reason"]
    with av.open(str(tmp_path / "reel.mp4")) as container:
        titles = [(c["start"], c["metadata"]["title"]) for c in container.chapters()]
        assert titles == [(0, "1 宽 & <b>"), (2000, "2 tall"), (4000, "3 silent")]
        video = container.streams.video[0]
        assert (video.width, video.height) == (320, 180)
        assert container.duration == pytest.approx(6_000_000, abs=40_000)
        frames = [(f.time, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
    for at_s, rgb in frames:
        assert at_s is not None
        wanted = COLORS[(1, 3)[int(at_s % 2)]]
        assert np.abs(rgb[90, 160].astype(int) - wanted).max() < 40, at_s
        bars = rgb[90, 20].astype(int)
        assert (np.abs(bars).max() < 20) == (2.0 <= at_s < 4.0 - 1e-3), at_s
    with av.open(str(tmp_path / "reel.mp4")) as container:
        wave = np.concatenate([f.to_ndarray().mean(axis=0) for f in container.decode(audio=0)])
    for begin, scene in ((0, 1), (1, 3), (2, 1), (3, 3)):
        piece = wave[int((begin + 0.1) * 48_000) : int((begin + 0.9) * 48_000)]
        spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece))))
        assert spectrum.argmax() / 0.8 == pytest.approx(TONES_HZ[scene], abs=8)
    assert np.abs(wave[int(4.1 * 48_000) : int(5.9 * 48_000)]).max() < 0.01


def test_shares_and_short_reels(folder: Path, tmp_path: Path) -> None:
    assert reel_of(folder, tmp_path / "a.mp4", length="4.5s")["seconds"] == 4.0
    made = reel_of(folder, tmp_path / "b.mp4", length="13%")  # of four films of ten seconds
    assert made["seconds"] == 5.0


def test_what_it_refuses(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="MP4"):
        reel_of(folder, tmp_path / "reel.avi")
    with pytest.raises(UsageError, match="one of the videos"):
        reel_of(folder, tmp_path / "media" / "2 tall.mp4")
    with pytest.raises(UsageError, match="length"):
        reel_of(folder, tmp_path / "reel.mp4", length="long")
    with pytest.raises(InputError):
        reel_of(tmp_path / "nowhere", tmp_path / "reel.mp4")
    for path in (tmp_path / "media").iterdir():
        path.unlink()
    with pytest.raises(UsageError, match="no key moment"):
        reel_of(folder, tmp_path / "reel.mp4")
    assert not (tmp_path / "reel.mp4").exists()


def test_results_that_are_damaged_or_were_moved(folder: Path, tmp_path: Path) -> None:
    first, *_ = results_in(folder)
    assert first.name.startswith("1 ")
    href = "../../media/1%20%E5%AE%BD%20%26%20%3Cb%3E.mp4"
    data = json.loads((first / "analysis.json").read_text("utf-8"))
    data["source"] |= {"path": "/nowhere/x.mp4", "href": href}
    (first / "analysis.json").write_text(json.dumps(data), encoding="utf-8")
    assert read_film(first).media.is_file()
    for damage in ("", "{}", "[]", '{"source": {"media": 1, "path": "x"}}'):
        (first / "analysis.json").write_text(damage, encoding="utf-8")
        with pytest.raises(InputError):
            read_film(first)


def test_the_command_analyses_a_folder_of_videos_first(tmp_path: Path) -> None:
    for seed, name in enumerate("ab"):
        clip(tmp_path / "in" / f"{name}.mp4", seed=seed)
    target = tmp_path / "reel.mp4"
    options = ("--json", "--set", "extract.preset=light", "--set", "extract.asr=never")
    done = triptych("reel", tmp_path / "in", "-o", target, *options)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert (made["reel"], made["videos"], made["left_out"]) == (str(target), 2, [])
    assert made["seconds"] == pytest.approx(2.0, abs=0.2) and made["sound_only"] == 0
    assert target.stat().st_size > 1000
    assert {p.name for p in tmp_path.iterdir()} == {"in", "reel.mp4"}
