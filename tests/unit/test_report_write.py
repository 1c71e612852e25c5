"""Which files a video gets, what stands in analysis.json, and what a failure costs."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from analysis_factory import make_analysis, tone_clip
from triptych.config import FORMATS, USUAL_FORMATS, Config, ReportConfig
from triptych.errors import OutputError
from triptych.records import Analysis, Chapter, Cue, Word
from triptych.report import write_report

ALL = {
    "vtt": "transcript.vtt",
    "chapters": "chapters.vtt",
    "poster": "poster.jpg",
    "storyboard": "storyboard.jpg",
    "reel": "highlights.mp4",
    "md": "summary.md",
    "html": "report.html",
    "json": "analysis.json",
}
OTHERS = {
    "ffmetadata": "chapters.ffmetadata",
    "preview": "preview.webp",
    "edl": "highlights.edl",
    "otio": "highlights.otio",
}


@pytest.fixture
def filmed(tmp_path: Path) -> Analysis:
    """An analysis of a clip that exists."""
    clip = tmp_path / "猫 & dog.mp4"
    tone_clip(clip, scenes=5, scene_s=1.0)
    analysis = make_analysis(seconds=5, size=(320, 240))
    segments = tuple(
        dataclasses.replace(s, start_s=i + 1.0, end_s=i + 1.5)
        for i, s in enumerate(analysis.summary.segments)
    )
    return dataclasses.replace(
        analysis,
        info=dataclasses.replace(analysis.info, path=str(clip)),
        summary=dataclasses.replace(
            analysis.summary,
            segments=segments,
            chapters=(Chapter(start_s=0, end_s=5, title="开头"),),
        ),
    )


def write(
    analysis: Analysis, folder: Path, formats: tuple[Any, ...] | None = None, **run: object
) -> dict[str, str]:
    """`write_report` with the arguments a runner would give."""
    config = Config() if formats is None else Config(report=ReportConfig(formats=formats))
    source = {"path": analysis.info.path, "relative": Path(analysis.info.path).name, "size": 9}
    return write_report(analysis, folder, config=config, source=source, run=run)


def read(folder: Path) -> dict[str, Any]:
    """analysis.json as data."""
    data: dict[str, Any] = json.loads((folder / "analysis.json").read_text(encoding="utf-8"))
    return data


def test_every_file_is_written_and_nothing_else(filmed: Analysis, tmp_path: Path) -> None:
    outputs = write(filmed, tmp_path / "out")
    assert outputs == ALL
    assert {p.name for p in (tmp_path / "out").iterdir()} == set(ALL.values())


def test_files_for_editors_are_written_when_they_are_asked_for(
    filmed: Analysis, tmp_path: Path
) -> None:
    write(filmed, tmp_path / "out")
    wanted = OTHERS if importlib.util.find_spec("opentimelineio") else OTHERS | {"otio": ""}
    outputs = write(filmed, tmp_path / "out", formats=tuple(OTHERS))
    assert outputs == {k: v for k, v in wanted.items() if v} | {
        k: ALL[k] for k in ("poster", "json")
    }
    assert {p.name for p in (tmp_path / "out").iterdir()} == set(outputs.values())
    assert set(ALL) - {"poster"} == set(USUAL_FORMATS)
    assert set(ALL) | set(OTHERS) == {*FORMATS, "poster"}


def test_files_without_content_are_absent(tmp_path: Path) -> None:
    silent = make_analysis(cues=(), segments=(), pictures=False, sound=True)
    outputs = write(silent, tmp_path)
    assert set(outputs) == {"md", "html", "json"}
    assert read(tmp_path)["outputs"] == {k: ALL[k] for k in ("html", "json", "md")}


def test_files_of_an_earlier_run_do_not_stay(filmed: Analysis, tmp_path: Path) -> None:
    write(filmed, tmp_path / "out")
    outputs = write(filmed, tmp_path / "out", formats=("md",))
    assert set(outputs) == {"md", "poster", "json"}
    assert {p.name for p in (tmp_path / "out").iterdir()} == set(outputs.values())


def test_the_same_answers_give_the_same_bytes(filmed: Analysis, tmp_path: Path) -> None:
    for name, host in (("a", "one"), ("b", "two")):
        write(filmed, tmp_path / name, host=host)
    for file in ALL.values():
        first, second = ((tmp_path / name / file).read_bytes() for name in ("a", "b"))
        if file == "analysis.json":
            first, second = (d[: d.rindex(b'"run": ')] for d in (first, second))
        assert first == second, file


def test_the_keys_of_analysis_json(filmed: Analysis, tmp_path: Path) -> None:
    write(filmed, tmp_path, host="here")
    data = read(tmp_path)
    assert shape(data) == GOLDEN
    assert data["run"] == {
        "host": "here",
        "seconds": {"decode": 1.25, "extract": 2.5},
        "cached": ["pixels"],
    }
    assert data["cues"][1]["text"] == "一只猫在睡觉"
    assert "一只猫在睡觉".encode() in (tmp_path / "analysis.json").read_bytes()


def test_words_that_were_heard_have_their_times(tmp_path: Path) -> None:
    words = (Word(start_s=1, end_s=1.5, text=" Hi,"), Word(start_s=1.5, end_s=2, text=" you"))
    cue = Cue(start_s=1, end_s=2, text="Hi, you", source="asr", words=words)
    write(make_analysis(cues=(cue, dataclasses.replace(cue, words=()))), tmp_path)
    heard, read_only = read(tmp_path)["cues"]
    assert heard["words"] == [
        {"start_s": 1, "end_s": 1.5, "text": "Hi,"},
        {"start_s": 1.5, "end_s": 2, "text": "you"},
    ]
    assert "words" not in read_only
    assert "Hi, you\n" in (tmp_path / "transcript.vtt").read_text("utf-8")


def shape(data: Mapping[str, Any]) -> dict[str, Any]:
    """Keys two levels deep, of lists those of the first item."""

    def keys(value: Any) -> Any:
        if isinstance(value, list):
            return keys(value[0]) if value else None
        return list(value) if isinstance(value, dict) else None

    return {name: keys(value) for name, value in data.items()}


GOLDEN = {
    "schema_version": None,
    "source": [
        "path",
        "relative",
        "size",
        "sha256",
        "media",
        "duration_s",
        "partial",
    ],
    "config": ["decode", "extract", "predict", "report"],
    "versions": [
        "triptych",
        "av",
        "libavcodec",
        "libavdevice",
        "libavfilter",
        "libavformat",
        "libavutil",
        "libswresample",
        "libswscale",
        "numpy",
    ],
    "weights": ["audio", "pixels", "words"],
    "tracks": ["name", "modality", "rows", "dim", "start_s", "end_s", "spec", "present_share"],
    "shots": ["start_s", "end_s"],
    "cues": ["start_s", "end_s", "text", "source", "language"],
    "labels": ["label", "score", "contributions"],
    "timeline": ["start_s", "end_s", "labels", "method", "kind", "scores", "scored", "present"],
    "summary": [
        "method",
        "budget_s",
        "text",
        "language",
        "segments",
        "sentences",
        "chapters",
        "keyphrases",
        "generated",
        "importance",
    ],
    "outputs": ["chapters", "html", "json", "md", "poster", "reel", "storyboard", "vtt"],
    "outputs_keys": ["reel"],
    "warnings": None,
    "run": ["host", "seconds", "cached"],
}


def test_the_timeline_holds_the_five_best_labels_only(filmed: Analysis, tmp_path: Path) -> None:
    write(filmed, tmp_path)
    data = read(tmp_path)
    timeline = data["timeline"]
    assert timeline["labels"] == [entry["label"] for entry in data["labels"][:5]]
    assert len(data["labels"]) == 6
    assert [len(row) for row in timeline["scores"]] == [5] * 5
    assert timeline["present"]["pixels"] == [1, 1, 1, 1, 1]


def test_a_figure_that_is_none_becomes_null(filmed: Analysis, tmp_path: Path) -> None:
    info = dataclasses.replace(filmed.info, fps=float("nan"))
    write(dataclasses.replace(filmed, info=info), tmp_path, formats=())
    assert read(tmp_path)["source"]["media"]["fps"] is None


def test_a_name_that_is_no_unicode_survives(filmed: Analysis, tmp_path: Path) -> None:
    source = {"path": "/v/\udcff.mp4", "relative": "\udcff.mp4"}
    write_report(filmed, tmp_path, config=Config(), source=source, run={})
    assert read(tmp_path)["source"]["path"] == "/v/\udcff.mp4"
    assert "%FF.mp4" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_reel_of_the_same_moments_is_kept(filmed: Analysis, tmp_path: Path) -> None:
    write(filmed, tmp_path / "out")
    reel = tmp_path / "out" / "highlights.mp4"
    before = reel.stat().st_mtime_ns
    Path(filmed.info.path).unlink()  # so that it could not be cut again
    assert "reel" in write(filmed, tmp_path / "out")
    assert reel.stat().st_mtime_ns == before

    other = dataclasses.replace(filmed.summary, segments=filmed.summary.segments[:1])
    outputs = write(dataclasses.replace(filmed, summary=other), tmp_path / "out")
    assert "reel" not in outputs
    assert not reel.exists()


def test_one_file_that_fails_costs_only_itself(
    filmed: Analysis, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Path(filmed.info.path).unlink()
    outputs = write(filmed, tmp_path / "out")
    assert set(outputs) == set(ALL) - {"reel"}
    (warning,) = [w for w in read(tmp_path / "out")["warnings"] if "highlights.mp4" in w]
    assert "cannot read" in warning
    (record,) = [r for r in caplog.records if "highlights.mp4" in r.message]
    assert record.levelname == "WARNING"
    assert "highlights.mp4" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_an_unusable_folder_is_an_output_error(filmed: Analysis, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError) as caught:
        write(filmed, tmp_path / "file" / "out")
    assert caught.value.path
    assert caught.value.remedy


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
@pytest.mark.parametrize("limit", [500, 12_000, 30_000])
def test_a_full_disk_is_an_output_error_and_leaves_no_scraps(tmp_path: Path, limit: int) -> None:
    """A limit on the size of files is as near to a full disk as a test may come."""
    script = f"""
        import resource, sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        from analysis_factory import make_analysis, tone_clip
        import dataclasses
        from triptych.config import Config
        from triptych.errors import OutputError
        from triptych.report import write_report
        folder = Path({str(tmp_path)!r})
        tone_clip(folder / "clip.mp4", size=(640, 480))
        analysis = make_analysis(seconds=10)
        info = dataclasses.replace(analysis.info, path=str(folder / "clip.mp4"))
        analysis = dataclasses.replace(analysis, info=info)
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
        try:
            write_report(analysis, folder / "out", config=Config(), source={{}}, run={{}})
        except OutputError as err:
            assert err.remedy, err
            print("caught", err)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "caught" in done.stdout, done.stdout + done.stderr
    left = {p.name for p in (tmp_path / "out").iterdir()}
    assert left <= set(ALL.values()) - {"analysis.json"}


def test_importing_the_package_loads_nothing_heavy() -> None:
    script = (
        "import sys, triptych.report, triptych.report.run\n"
        "print(sorted({'numpy', 'av', 'PIL', 'jinja2'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
