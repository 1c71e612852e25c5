"""report.html: what stands in it, and how it behaves in a real browser."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from analysis_factory import NASTY, make_analysis, tone_clip
from browser import document_of, opened
from triptych.config import Config
from triptych.records import Analysis, Chapter, Cue, Segment
from triptych.report import write_report, write_run

CUES = (
    Cue(start_s=0.5, end_s=1.5, text=NASTY, source="embedded"),
    Cue(start_s=2.0, end_s=3.0, text="一只猫在睡觉 🐈‍⬛🎉", source="embedded"),
    Cue(start_s=4.0, end_s=5.0, text="مرحبا <b>بالعالم</b> \u202eabc", source="embedded"),
    Cue(start_s=6.0, end_s=7.0, text="<img src=x onerror=alert(1)> & `x` | y", source="asr"),
)
SEGMENTS = (
    Segment(start_s=1.0, end_s=2.0, score=1.0, words=NASTY, label="<i>动物</i>"),
    Segment(start_s=5.0, end_s=6.5, score=0.5, words="猫", label="sport"),
)


def write(folder: Path, analysis: Analysis, **source: Any) -> str:
    """The page of an analysis."""
    given = {"path": analysis.info.path, "relative": Path(analysis.info.path).name, **source}
    write_report(analysis, folder, config=Config(), source=given, run={})
    return (folder / "report.html").read_text(encoding="utf-8")


def filmed(clip: Path, **options: Any) -> Analysis:
    """An analysis of a clip of ten seconds with words of all kinds."""
    tone_clip(clip)
    analysis = make_analysis(
        seconds=10,
        size=(320, 240),
        cues=CUES,
        segments=SEGMENTS,
        labels=("<u>猫</u>", "b"),
        **options,
    )
    return dataclasses.replace(analysis, info=dataclasses.replace(analysis.info, path=str(clip)))


def data_of(page: str) -> dict[str, Any]:
    """What the page's script reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_the_page_is_closed_to_scripts_and_the_network(tmp_path: Path) -> None:
    page = write(tmp_path / "out", filmed(tmp_path / "a <b> 猫.mp4"))
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    rules = html.unescape(policy[1])
    assert f"script-src 'sha256-{digest}'" in rules
    assert "default-src 'none'" in rules
    assert not re.search(r"https?://", page)
    assert "<b>" not in re.sub(r"<b>\d+%</b>|<b>&lt;1%</b>", "", page)
    assert "<img src=x" not in page
    assert data_of(page)["cues"][0][2] == NASTY


def test_the_video_is_linked_relatively(tmp_path: Path) -> None:
    analysis = filmed(tmp_path / "a <b> 猫.mp4")
    assert data_of(write(tmp_path / "out", analysis))["original"] == (
        "../a%20%3Cb%3E%20%E7%8C%AB.mp4"
    )
    assert data_of(write(tmp_path / "out", analysis, href="x/y.mp4"))["original"] == "x/y.mp4"


def test_all_times_are_the_players(tmp_path: Path) -> None:
    analysis = make_analysis(seconds=20, start_s=8.3)
    data = data_of(write(tmp_path, analysis))
    assert data["begin"] == 0.0
    assert data["duration"] == 20.0
    assert data["cues"][0][:2] == [1.0, 3.0]
    assert data["shots"][0] == [0.0, 4.0]
    assert data["frames"][0][0] == 0.0
    assert data["moments"] == [[4.0, 7.0], [12.0, 14.0]]


def test_a_window_of_a_film_begins_where_it_begins(tmp_path: Path) -> None:
    window = make_analysis(seconds=10, start_s=30.0)
    window = dataclasses.replace(window, info=dataclasses.replace(window.info, start_s=0.0))
    data = data_of(write(tmp_path, window))
    assert (data["begin"], data["duration"]) == (30.0, 40.0)


def test_long_films_stay_small(tmp_path: Path) -> None:
    page = write(tmp_path, make_analysis(seconds=9000, size=(64, 36)))
    data = data_of(page)
    assert len(data["frames"]) == 60
    for values in (data["bins"]["start"], data["loudness"], data["labels"][0]["values"]):
        assert len(values) == 1200
    assert len(page) < 1_500_000


def test_loudness_follows_its_column(tmp_path: Path) -> None:
    analysis = make_analysis(seconds=20)
    track = analysis.tracks["audio"]
    track.values[:, 0] = [-60.0] * 10 + [0.0] * 9 + [float("-inf")]
    assert data_of(write(tmp_path, analysis))["loudness"] == [0.0] * 10 + [1.0] * 9 + [0.0]
    silent = make_analysis(sound=False)
    assert data_of(write(tmp_path, silent))["loudness"] == []


def test_chinese_pages_speak_chinese(tmp_path: Path) -> None:
    page = write(tmp_path, make_analysis(language="zh"))
    assert '<html lang="zh">' in page
    assert "关键时刻" in page


def root_of(dom: str) -> dict[str, str]:
    """The data attributes that the page's script set on the document."""
    found = re.search(r"<html[^>]*>", dom)
    assert found
    return dict(re.findall(r'data-([a-z]+)="([^"]*)"', found[0]))


@pytest.mark.needs("chromium")
def test_in_a_browser_our_script_runs_and_theirs_does_not(tmp_path: Path) -> None:
    write(tmp_path / "out", filmed(tmp_path / "clip & <b> 猫.mp4"))
    root = root_of(document_of(tmp_path / "out" / "report.html"))
    assert root["ready"] == "1"
    assert "pwned" not in root
    assert root["mode"] == "video"
    assert float(root["duration"]) == pytest.approx(10.0, abs=0.2)


@pytest.mark.needs("chromium")
def test_in_a_browser_the_highlights_stand_in_for_the_film(tmp_path: Path) -> None:
    analysis = filmed(tmp_path / "clip.mp4")
    write(tmp_path / "out", analysis, href="no-such-file.mpg")
    dom = document_of(tmp_path / "out" / "report.html")
    root = root_of(dom)
    assert root["mode"] == "reel"
    assert float(root["duration"]) == pytest.approx(2.5, abs=0.06)
    assert "cannot play the original" in dom


@pytest.mark.needs("chromium")
def test_in_a_browser_the_frames_stand_in_for_both(tmp_path: Path) -> None:
    analysis = make_analysis(cues=CUES)  # of a file that is not there
    write(tmp_path, analysis)
    dom = document_of(tmp_path / "report.html")
    assert root_of(dom)["mode"] == "frames"
    assert re.search(r'<img id="frame"[^>]*src="data:image/jpeg', dom)


@pytest.mark.parametrize(("language", "word"), [("en", "Sound"), ("zh", "声音")])
def test_sound_alone_has_a_player_of_sound(language: str, word: str, tmp_path: Path) -> None:
    page = write(tmp_path, make_analysis(pictures=False, language=language))
    assert '<audio id="player"' in page and "<video" not in page
    assert f'aria-pressed="true">{word}</button>' in page
    assert '<canvas id="wave"' in page
    film = write(tmp_path, make_analysis(language=language))
    assert "<audio" not in film and '<canvas id="wave"' not in film


@pytest.mark.needs("chromium")
def test_in_a_browser_sound_alone_is_played_and_drawn(tmp_path: Path) -> None:
    tone_clip(tmp_path / "声.m4a", video=False)
    analysis = make_analysis(seconds=10, pictures=False, cues=CUES)
    analysis = dataclasses.replace(
        analysis, info=dataclasses.replace(analysis.info, path=str(tmp_path / "声.m4a"))
    )
    write(tmp_path / "out", analysis)
    dom = document_of(tmp_path / "out" / "report.html")
    root = root_of(dom)
    assert (root["ready"], root["mode"]) == ("1", "video")
    assert float(root["duration"]) == pytest.approx(10.0, abs=0.2)
    drawn = re.search(r'<canvas id="wave"[^>]* width="(\d+)" height="(\d+)"', dom)
    assert drawn and int(drawn[1]) > 300 and int(drawn[2]) > 100


@pytest.mark.needs("chromium")
@pytest.mark.parametrize("options", [{"pictures": False}, {"sound": False}, {"cues": ()}])
def test_in_a_browser_a_missing_modality_is_no_error(
    options: dict[str, Any], tmp_path: Path
) -> None:
    write(tmp_path, make_analysis(segments=(), **options))
    assert root_of(document_of(tmp_path / "report.html", budget_ms=3000))["ready"] == "1"


@pytest.mark.needs("chromium")
def test_in_a_browser_the_gallery_opens(tmp_path: Path) -> None:
    row = {
        "path": NASTY,
        "state": "done",
        "folder": "a",
        "labels": [[NASTY, 0.5]],
        "text": NASTY,
        "outputs": {"html": "report.html"},
    }
    write_run([row, row | {"state": "failed", "error": NASTY}], tmp_path, totals={})
    root = root_of(document_of(tmp_path / "index.html", budget_ms=3000))
    assert root == {"ready": "1"}


@pytest.mark.needs("chromium")
def test_in_a_browser_the_reel_plays_to_its_end_with_its_words(tmp_path: Path) -> None:
    """Of a film whose words are a script, emoji, written from the right, and Chinese."""
    analysis = filmed(tmp_path / "clip & <b> 猫.mp4")
    moments = tuple(
        Segment(start_s=a, end_s=b, score=1.0, words=cue.text)
        for (a, b), cue in zip(((0.2, 1.2), (2.1, 3.1), (4.1, 4.9)), CUES, strict=False)
    )
    summary = dataclasses.replace(
        analysis.summary,
        segments=moments,
        chapters=(Chapter(start_s=0, end_s=5, title=NASTY), Chapter(start_s=5, end_s=10)),
    )
    write(tmp_path / "out", dataclasses.replace(analysis, summary=summary))
    with opened(tmp_path / "out" / "report.html") as page:
        page.run('document.querySelector("[data-mode=reel]").click()')
        page.until("player.readyState >= 2 && player.src.endsWith('highlights.mp4')")
        page.run("""
            seen = new Set();
            player.textTracks[0].mode = "showing";
            player.textTracks[0].addEventListener("cuechange", (event) => {
                for (const cue of event.target.activeCues) seen.add(cue.getCueAsHTML().textContent);
            });
            player.play()
        """)
        page.until("player.ended")
        played = page.run("""({
            length: player.duration,
            at: player.currentTime,
            size: [player.videoWidth, player.videoHeight],
            frames: player.getVideoPlaybackQuality().totalVideoFrames,
            sound: player.webkitAudioDecodedByteCount,
            words: [...seen],
            pwned: document.documentElement.dataset.pwned || "",
            error: String(player.error),
        })""")
        (tmp_path / "page.png").write_bytes(page.picture())
    assert played["length"] == played["at"] == pytest.approx(2.8, abs=1 / 25)
    assert played["size"] == [320, 240]
    assert played["frames"] > 50 and played["sound"] > 10_000
    assert (played["pwned"], played["error"]) == ("", "null")
    shown = {"".join(c for c in cue.text if c != "\u202e") for cue in CUES[:3]}
    assert set(played["words"]) == shown
