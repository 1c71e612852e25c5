"""The command line: its flags, its exit codes, what it prints where, and how quickly it answers."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from command import COMMAND, LIGHT, clip, environment, rows_of, states_of, triptych
from triptych import __version__
from triptych.cli import main
from triptych.errors import TriptychError

HEAVY = ("numpy", "torch", "av", "librosa", "openvino", "PIL", "pebble", "jinja2", "rich")
CI_FACTOR = 5  # a shared machine under load

pytestmark = pytest.mark.needs("embedded")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    clip(folder / "good.mp4", seed=1)
    return folder


@pytest.fixture(scope="module")
def finished(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results."""
    out = tmp_path_factory.mktemp("finished") / "out"
    done = triptych("run", films, "-o", out, *LIGHT)
    assert done.returncode == 0, done.stderr
    return out


# How quickly it answers


def test_help_comes_at_once() -> None:
    def seconds() -> float:
        began = time.perf_counter()
        subprocess.run([*COMMAND, "--help"], check=True, capture_output=True, env=environment())
        return time.perf_counter() - began

    assert statistics.median(seconds() for _ in range(5)) < 0.3 * CI_FACTOR


def _imported(*arguments: object) -> set[str]:
    """Heavy modules that are loaded after the command has run in a process of its own."""
    code = (
        "import sys, json, triptych.cli\n"
        "try: status = triptych.cli.main(sys.argv[1:])\n"
        "except SystemExit as end: status = end.code\n"
        f"loaded = [m for m in {HEAVY!r} if m in sys.modules]\n"
        "sys.stderr.write(json.dumps([status, loaded]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        env=environment(),
        check=True,
    )
    status, loaded = json.loads(done.stderr.splitlines()[-1])
    assert not status, done
    return set(loaded)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["train", "--help"],
        ["decode", "--help"],
        ["--version"],
        ["models"],
    ],
)
def test_an_answer_that_needs_no_model_loads_nothing_heavy(arguments: list[str]) -> None:
    assert _imported(*arguments) == set()


def test_a_finished_folder_loads_nothing_heavy(films: Path, finished: Path) -> None:
    again = ("run", films, "-o", finished, *LIGHT)
    assert _imported(*again) <= {"jinja2"}  # the gallery is written once more: done -> cached
    assert _imported(*again) == set()


# Exit codes and where things are printed


def test_all_done_is_0_and_answers_stand_where_promised(films: Path, finished: Path) -> None:
    assert states_of(finished) in ({"good.mp4": "done"}, {"good.mp4": "cached"})
    for name in ("predictions.csv", "summary.json", "index.html", "good.mp4/analysis.json"):
        assert (finished / name).is_file()
    again = triptych("run", films, "-o", finished, *LIGHT)
    assert again.returncode == 0
    assert "1 cached" in again.stdout
    assert "nothing was decoded" in again.stdout
    assert again.stderr == ""


def test_some_failed_is_1(films: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no film")
    done = triptych("run", films, tmp_path / "bad.mp4", "-o", tmp_path / "out", *LIGHT)
    assert done.returncode == 1
    assert states_of(tmp_path / "out") == {"bad.mp4": "failed", "good.mp4": "done"}
    (line,) = (line for line in done.stderr.splitlines() if "bad.mp4" in line)
    assert "open: not a video or sound file (give files that ffmpeg can play" in line
    assert "1 done, 1 failed" in done.stdout


def test_nothing_succeeded_is_3(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no film")
    (tmp_path / "in").mkdir()
    assert triptych("run", tmp_path / "bad.mp4", "-o", tmp_path / "out", *LIGHT).returncode == 3
    (tmp_path / "in" / "notes.txt").write_text("milk, eggs")
    none = triptych("run", tmp_path / "in", "-o", tmp_path / "out2", *LIGHT)
    assert none.returncode == 3
    assert "no video: none of these files is a video or sound file" in none.stdout
    assert "\n1 input: 1 skipped, in " in f"\n{none.stdout}"
    planned = triptych("run", tmp_path / "in", "-o", tmp_path / "out3", *LIGHT, "--dry-run")
    assert planned.returncode == 3
    assert "skipped: " in planned.stdout and "to decode" not in planned.stdout


@pytest.mark.parametrize("content", ["", "path\n", "subtitles"])
def test_no_input_at_all_is_an_error_in_words(tmp_path: Path, content: str) -> None:
    given = tmp_path / ("in" if content in ("", "subtitles") else "list.csv")
    if given.suffix:
        given.write_text(content)
    else:
        given.mkdir()
        (given / "a.srt").write_text(content)
    for more in ([], ["--dry-run"]):
        done = triptych("run", given, "-o", tmp_path / "out", *LIGHT, *more)
        assert done.returncode == 2
        assert "triptych: no file to analyse: " in done.stderr
        assert not (tmp_path / "out").exists()


def test_text_in_a_folder_is_skipped_but_a_failure_when_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("milk, eggs")
    clip(tmp_path / "in" / "film.mp4", seed=2)
    run = ("run", tmp_path / "in", "-o", tmp_path / "out", *LIGHT)
    for film in ("done", "cached"):
        assert triptych(*run).returncode == 0
        assert states_of(tmp_path / "out") == {"film.mp4": film, "notes.txt": "skipped"}
    named = ("run", tmp_path / "in" / "notes.txt", "-o", tmp_path / "out", *LIGHT)
    assert triptych(*named).returncode == 3
    assert states_of(tmp_path / "out") == {"notes.txt": "failed"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["{missing}"], "missing.mp4: no such file or folder (check the path)"),
        (["{film}", "--config", "{missing}"], "missing.mp4: cannot read: No such file"),
        (["{film}", "--set", "decode.fsp=2"], "config.decode: unknown fsp (known: fps,"),
        (["{film}", "--set", "decod.fps=2"], "config: unknown decod (known: decode,"),
        (["{film}", "--set", "fps"], "cannot read --set 'fps' (write section.key=value)"),
        (["{film}", "--fps", "0"], "decode.fps must be above 0, and at most 240"),
        (["{film}", "--format", "json,pdf"], "'pdf' is none of json, md"),
        (["{film}", "--extract", "audioset=gone.pt"], "give a file like mn04_as_mAP_432.pt"),
        (["{film}", "--extract", "clip=/gone"], "give an id of the hub, such as openai/"),
        (["{film}", "--preset", "huge"], "no preset 'huge' (there are embedded, full, light"),
        (["{film}", "--summary", "half"], "cannot read the summary length 'half' (write a share"),
        (["{film}", "--max-failures", "few"], "cannot read --max-failures 'few' (write a number"),
        (["{film}", "--labels", "./no-such.txt"], "no-such.txt: no such file of labels"),
        (["{film}", "--labels", "cat,Cat"], "labels given more than once"),
        (["{film}", "-o", "/proc/none/out"], "/proc/none/out: cannot write here"),
        (["{film}", "-o", "{film}/out"], "/out: cannot write here"),
        (["{film}", "-o", "{folder}"], "the folder of its results would be the file itself"),
        (["{folder}", "-o", "{folder}"], "the folder of its results would be the file itself"),
        (["{film}", "--fps", "fast"], "argument --fps: invalid float value: 'fast'"),
        (["{film}", "--asr", "maybe"], "argument --asr: invalid choice: 'maybe'"),
        (["{film}", "--unknown"], "unrecognized arguments: --unknown"),
        ([], "the following arguments are required: INPUT"),
    ],
)
def test_a_mistake_in_the_command_is_2_and_says_what_to_do(
    films: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    complaint: str,
) -> None:
    names = {"folder": films, "film": films / "good.mp4", "missing": tmp_path / "missing.mp4"}
    filled = [text.format(**names) for text in arguments]
    if "-o" not in filled:
        filled += ["-o", str(tmp_path / "out")]
    try:
        status = main(["run", *filled])
    except SystemExit as end:  # argparse
        status = int(end.code or 0)
    said = capsys.readouterr()
    assert status == 2
    assert complaint in said.err
    assert said.out == ""
    assert not (tmp_path / "out" / "run.jsonl").exists()
    assert "Traceback" not in said.err


def test_no_command_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_quiet_prints_nothing_when_all_is_well(films: Path, tmp_path: Path) -> None:
    done = triptych("run", films, "-o", tmp_path / "out", "--quiet", *LIGHT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert states_of(tmp_path / "out") == {"good.mp4": "done"}


def test_quiet_prints_nothing_when_the_cache_cannot_be_written(films: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = triptych(
        "run", films, "-o", tmp_path / "out", "--quiet", *LIGHT, cache=tmp_path / "file" / "cache"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_json_prints_one_object_and_nothing_else(films: Path, finished: Path) -> None:
    done = triptych("run", films, "-o", finished, "--json", *LIGHT)
    totals = json.loads(done.stdout)
    assert done.stderr == ""
    assert totals["states"]["cached"] == totals["videos"] == 1
    assert totals["frames_decoded"] == 0
    assert totals["rows"][0]["path"] == str(films / "good.mp4")


def test_json_is_json_whatever_the_terminal_and_the_name(tmp_path: Path) -> None:
    name = os.fsdecode("电影 \U0001f600 ".encode() + b"\xff.mp4")
    (tmp_path / name).write_text("no film")
    for encoding in ("utf-8", "ascii", "gb18030"):
        done = subprocess.run(
            [*COMMAND, "run", tmp_path / name, "-o", tmp_path / "out", "--json", *LIGHT],
            capture_output=True,
            env=environment() | {"PYTHONIOENCODING": encoding},
            check=False,
        )
        assert done.returncode == 3, done.stderr
        totals = json.loads(done.stdout.decode(encoding))
        assert totals["rows"][0]["path"] == str(tmp_path / name)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_name_that_the_terminal_cannot_show_is_no_end(tmp_path: Path, encoding: str) -> None:
    name = os.fsdecode("电影 ".encode() + b"\xff.mp4")
    (tmp_path / name).write_text("no film")
    done = subprocess.run(
        [*COMMAND, "run", tmp_path / name, "-o", tmp_path / "out", *LIGHT],
        capture_output=True,
        env=environment() | {"PYTHONIOENCODING": encoding},
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert rb"\udcff.mp4: open: not a video" in done.stdout
    assert rb"\udcff.mp4: open: not a video" in done.stderr
    assert rows_of(tmp_path / "out")[name]["state"] == "failed"


def test_verbose_logs_what_happens_inside_the_workers(films: Path, tmp_path: Path) -> None:
    done = triptych("run", films, "-o", tmp_path / "out", "--verbose", *LIGHT)
    assert "DEBUG triptych.events" in done.stderr
    assert "good.mp4: report took" in done.stderr


def test_a_config_file_counts(films: Path, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(
        '[predict]\nlabels = "猫,狗"\n[report]\nformats = ["json", "md"]\n', encoding="utf-8"
    )
    done = triptych(
        "run", films, "-o", tmp_path / "out", "--preset", "light", "--asr", "never",
        "--config", tmp_path / "run.toml",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    analysis = json.loads((tmp_path / "out/good.mp4/analysis.json").read_text("utf-8"))
    assert {label["label"] for label in analysis["labels"]} == {"猫", "狗"}
    assert analysis["config"]["predict"]["labels"] == "猫,狗"
    made = {path.name for path in (tmp_path / "out/good.mp4").iterdir()}
    assert made == {"analysis.json", "summary.md", "poster.jpg"}


def test_names_with_a_dash_can_be_given(tmp_path: Path) -> None:
    clip(tmp_path / "-film-.mp4", seed=3)
    for given in (["-o", "out", "--", "-film-.mp4"], ["./-film-.mp4", "-o", "out2"]):
        done = triptych("run", *LIGHT, *given, cwd=tmp_path)
        assert done.returncode == 0, done.stderr


# The other commands


def test_version() -> None:
    assert triptych("--version").stdout == f"triptych {__version__}\n"


def test_the_doctor_speaks_to_people_and_to_programs() -> None:
    assert "extra embedded: ok" in triptych("doctor").stdout
    facts = json.loads(triptych("doctor", "--json").stdout)
    assert facts["triptych"] == __version__


def test_models_speak_to_people_and_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    assert "Apache-2.0" in capsys.readouterr().out
    assert main(["models", "--json"]) == 0
    assert {"extractor", "preset", "weights"} <= {
        r["kind"] for r in json.loads(capsys.readouterr().out)
    }


def test_an_error_of_ours_is_told_without_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise TriptychError("went\nwrong", path="a\x1bb", remedy="do this")

    monkeypatch.setattr("triptych.doctor.examine", fail)
    assert main(["doctor"]) == 2
    assert capsys.readouterr().err == "triptych: a\\x1bb: went\\nwrong (do this)\n"


def test_a_reader_that_has_seen_enough_is_no_crash() -> None:
    command = [sys.executable, "-m", "triptych", "models", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        said = process.stderr.read().decode()
    assert said == ""
