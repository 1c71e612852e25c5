"""One video from file to answers."""

from __future__ import annotations

from pathlib import Path

import pytest

import synth
from triptych.config import Config, load_config
from triptych.features import FeatureStore
from triptych.report.write import write_report
from triptych.video import analyze

pytestmark = pytest.mark.needs("embedded")


def light(*assignments: str) -> Config:
    always = ("extract.preset=light", "extract.asr=never", "report.formats=reel")
    return load_config(assignments=(*always, *assignments))


def test_a_film_that_took_another_s_name_is_not_shown_in_its_place(
    tmp_path: Path, scratch_cache: Path
) -> None:
    store = FeatureStore(tmp_path / "store")
    first = synth.scenes(tmp_path / "a.mp4").path
    analyze(first, config=light(), store=store)
    moved = first.rename(tmp_path / "b.mp4")
    (tmp_path / "a.mp4").write_bytes(b"something else by now")
    again = analyze(moved, config=light(), store=store)
    assert again.info.path == str(moved)
    assert "media" in again.cached
    outputs = write_report(again, tmp_path / "out", config=light(), source={}, run={})
    assert (tmp_path / "out" / outputs["reel"]).stat().st_size > 1000


def test_times_of_a_window_are_those_of_the_film(tmp_path: Path, scratch_cache: Path) -> None:
    film = synth.scenes(tmp_path / "a.mp4").path
    found = analyze(film, config=light(), store=FeatureStore(tmp_path / "store"), start_s=4.0)
    start, end = found.timeline.start_s[0], found.timeline.end_s[-1]
    assert start == pytest.approx(found.info.start_s + 4.0)
    assert all(start <= s.start_s < s.end_s <= end for s in found.shots)
    moments = [f"0:{int(s.start_s - found.info.start_s):02d}" for s in found.summary.segments]
    assert moments and all(m in found.summary.text for m in moments)


def test_a_sound_that_nothing_can_be_said_of_says_so(tmp_path: Path, scratch_cache: Path) -> None:
    path = tmp_path / "hum.mka"
    synth.write(path, times=(), wave=synth.tone(300.0, 2.0))
    found = analyze(path, config=light(), store=FeatureStore(tmp_path / "store"))
    assert found.prediction.ranked == ()
    assert [w for w in found.warnings if "no labels" in w]


def test_finer_rows_are_made_anew_and_the_rest_is_kept(tmp_path: Path, scratch_cache: Path) -> None:
    film, store = synth.scenes(tmp_path / "a.mp4").path, FeatureStore(tmp_path / "store")
    coarse = analyze(film, config=light(), store=store)
    fine = analyze(film, config=light("extract.step_s=0.25"), store=store)
    assert set(coarse.tracks) - set(fine.cached) == {"audio"}
    again = analyze(film, config=light("extract.step_s=1"), store=store)
    assert set(again.tracks) <= set(again.cached)
    assert again.tracks["audio"].values.tobytes() == coarse.tracks["audio"].values.tobytes()
    assert len(fine.timeline) == 4 * len(coarse.timeline)
    assert fine.timeline.present["audio"].all() and fine.timeline.present["image"].all()
    assert fine.duration_s == pytest.approx(coarse.duration_s)
    assert [label.label for label in fine.prediction.ranked] == [
        label.label for label in coarse.prediction.ranked
    ]


@pytest.mark.parametrize(
    ("settings", "step_s"),
    [
        ((), 1.0),
        (("decode.fps=4",), 1.0),
        (("decode.fps=0.5",), 2.0),
        (("extract.step_s=0.5", "decode.fps=0.5"), 0.5),
        (("extract.step_s=5",), 1.0),
    ],
)
def test_the_steps_of_the_timeline(
    settings: tuple[str, ...], step_s: float, tmp_path: Path, scratch_cache: Path
) -> None:
    film = synth.scenes(tmp_path / "a.mp4").path
    steps = analyze(film, config=light(*settings), store=FeatureStore(tmp_path / "s")).timeline
    assert steps.start_s[1] - steps.start_s[0] == pytest.approx(step_s)
