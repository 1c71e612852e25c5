"""train, evaluate and run --model, from clips to answers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import synth
import triptych
from command import analysis_of, environment, rows_of
from command import triptych as command
from labelled import KINDS, coloured, labelled_folder, sounding
from triptych.config import Config, load_config
from triptych.errors import OutputError, UsageError
from triptych.prepare import Silent

pytestmark = pytest.mark.needs("embedded")

QUICK = ("--preset", "light", "--asr", "never", "--epochs", "3", "--folds", "2")
FILES = {"config.json", "labels.json", "metrics.json", "model.safetensors", "README.md"}


def quick(*assignments: str) -> Config:
    always = ("train.preset=light", "extract.asr=never", "train.epochs=3", "train.folds=2")
    return load_config(assignments=(*always, *assignments))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six clips of each of two labels, a damaged one, and what is no clip."""
    root = labelled_folder(tmp_path_factory.mktemp("labelled") / "clips")
    (root / "红" / "坏.mp4").write_bytes(b"no film")
    (root / "红" / "notes.txt").write_text("about the clips")
    (root / "空").mkdir()
    return root


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of the same labels that no model was trained on."""
    return labelled_folder(tmp_path_factory.mktemp("others") / "clips", each=2, first_seed=50)


@pytest.fixture(scope="module")
def trained(
    clips: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any], str]:
    """A model, what the command printed about it, and what it said meanwhile."""
    model = tmp_path_factory.mktemp("trained") / "模型"
    done = command("train", clips, "-o", model, "--json", *QUICK)
    assert done.returncode == 1, done.stderr  # one file is damaged
    return model, json.loads(done.stdout), done.stderr


@pytest.fixture(scope="module")
def model(trained: tuple[Path, dict[str, Any], str]) -> Path:
    return trained[0]


# Training


def test_a_folder_of_classes_becomes_a_model(trained: tuple[Path, dict[str, Any], str]) -> None:
    model, said, _ = trained
    assert {p.name for p in model.iterdir()} >= FILES
    assert not (model / ".work").exists()
    assert (said["videos"], said["used"], said["failed"]) == (14, 12, 1)
    assert said["labels"] == ["红", "蓝"] and said["task"] == "single"
    (failure,) = said["failures"]
    assert failure["path"].endswith("坏.mp4") and failure["stage"] == "open" and failure["remedy"]
    assert any(
        "1 video could not be read, and had to be left out" in warning
        for warning in said["warnings"]
    )
    assert "no video in these folders beside the classes: 空" in said["warnings"]
    metrics = json.loads((model / "metrics.json").read_text(encoding="utf-8"))
    assert metrics == said["metrics"]
    assert metrics["data"]["source"] == "clips"
    assert metrics["data"]["splits"] == {"train": 10, "test": 2}
    assert set(metrics["splits"]) == {"validation", "test"}
    assert set(metrics["features"]) == {"image", "audio"}
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    assert config["features"]["decode"]["fps"] == 4.0  # clips of a second want short steps
    assert config["features"]["step_s"] == 0.25
    assert len(config["features"]["trained_on"]) == 10
    assert "红" in (model / "README.md").read_text(encoding="utf-8")


def test_the_same_again_decodes_nothing_and_gives_the_same(
    clips: Path, trained: tuple[Path, dict[str, Any], str], tmp_path: Path
) -> None:
    model, said, _ = trained
    again = triptych.train([clips], tmp_path / "again", config=quick())
    assert again["states"]["cached"] == 12 and again["states"]["done"] == 0
    assert again["metrics"]["splits"] == said["metrics"]["splits"]
    for name in ("config.json", "labels.json", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (model / name).read_bytes()


class _Interrupted(Silent):
    def learned(self, progress: dict[str, Any]) -> None:
        raise KeyboardInterrupt


def test_an_interrupted_training_leaves_what_was_there_and_goes_on(
    clips: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    with pytest.raises(KeyboardInterrupt):
        triptych.train([clips], out, config=quick(), listener=_Interrupted())
    assert [p.name for p in out.iterdir()] == [".work"]
    with pytest.raises(UsageError, match="no trained model"):
        triptych.evaluate(out, [clips])
    triptych.train([clips], out, config=quick())
    before = {name: (out / name).read_bytes() for name in FILES}
    with pytest.raises(KeyboardInterrupt):
        triptych.train([clips], out, config=quick("train.seed=1"), listener=_Interrupted())
    assert {name: (out / name).read_bytes() for name in FILES} == before
    triptych.train([clips], out, config=quick("train.seed=1"))
    assert (out / "model.safetensors").read_bytes() != before["model.safetensors"]
    assert not (out / ".work").exists()
    older = {name: (out / ".previous" / name).read_bytes() for name in FILES}
    assert older == before  # and still a model
    triptych.evaluate(out / ".previous", [clips])


def test_a_folder_of_other_things_is_never_written_into(clips: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match=r"holds something else than a model: thesis\.tex"):
        triptych.train([clips], tmp_path, config=quick())
    with pytest.raises(OutputError, match="cannot write here"):
        triptych.train([clips], tmp_path / "thesis.tex", config=quick())
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("setting", "said"),
    [("train.model_type=magic", "no 'magic'"), ("extract.preset=nonsense", "no preset")],
)
def test_what_cannot_be_trained_is_refused(
    clips: Path, tmp_path: Path, setting: str, said: str
) -> None:
    config = load_config(assignments=(setting,))
    with pytest.raises(UsageError, match=said):
        triptych.train([clips], tmp_path / "m", config=config)


def test_a_label_that_lost_all_its_videos_is_named(tmp_path: Path, scratch_cache: Path) -> None:
    root = labelled_folder(tmp_path / "clips", each=2)
    for name in ("a.mp4", "b.mp4"):
        (root / "坏").mkdir(exist_ok=True)
        (root / "坏" / name).write_bytes(b"no film")
    with pytest.raises(UsageError, match="every video of these labels failed: 坏"):
        triptych.train([root], tmp_path / "m", config=quick())


def test_several_labels_a_video(clips: Path, tmp_path: Path) -> None:
    rows = ["path,label"]
    for label in KINDS:
        for i in range(6):
            also = f"|{'even' if i % 2 else '奇'}"
            rows.append(f"{clips / label / f'片段 {i}.mp4'},{label}{also}")
    manifest = tmp_path / "set.csv"
    manifest.write_text("\n".join(rows), encoding="utf-8")
    result = triptych.train([manifest], tmp_path / "m", config=quick("train.model_type=linear"))
    assert result["task"] == "multi"
    assert result["labels"] == ["even", "奇", "红", "蓝"]
    shown = triptych.analyze(
        clips / "红" / "片段 0.mp4",
        config=load_config(assignments=(f"predict.model={tmp_path}/m",)),
    )
    assert shown.prediction.kind == "independent"
    assert all(0 <= label.score <= 1 for label in shown.prediction.ranked)
    assert all(isinstance(label.holds, bool) for label in shown.prediction.ranked)
    measured = triptych.evaluate(tmp_path / "m", [manifest])
    assert "mAP" in measured["metrics"] and measured["used"] == 12


def test_a_number_for_each_video(clips: Path, tmp_path: Path) -> None:
    rows = ["path,label"]
    for value, label in enumerate(KINDS):
        rows += [f"{clips / label / f'片段 {i}.mp4'},{100 * value + i}" for i in range(6)]
    manifest = tmp_path / "set.csv"
    manifest.write_text("\n".join(rows), encoding="utf-8")
    config = quick("train.model_type=linear", "train.task=regression")
    result = triptych.train([manifest], tmp_path / "m", config=config)
    assert (
        result["task"] == "regression" and "mae" in result["metrics"]["splits"]["test"]["metrics"]
    )
    shown = triptych.analyze(
        clips / "红" / "片段 0.mp4",
        config=load_config(assignments=(f"predict.model={tmp_path}/m",)),
    )
    (only,) = shown.prediction.ranked
    assert (only.label, shown.prediction.kind) == ("value", "value")
    assert -200 < only.score < 300
    assert f"Predicted value: {only.score:.4g}" in shown.summary.text
    assert sum(only.contributions.values()) == pytest.approx(only.score, rel=1e-3, abs=1e-3)
    assert "mae" in triptych.evaluate(tmp_path / "m", [manifest])["metrics"]


def test_sound_alone(tmp_path: Path, scratch_cache: Path) -> None:
    for label in KINDS:
        for i in range(4):
            sounding(tmp_path / "sounds" / label / f"{i}.wav", label, seed=i)
    result = triptych.train([tmp_path / "sounds"], tmp_path / "m", config=quick())
    assert set(result["metrics"]["features"]) == {"audio"}
    measured = triptych.evaluate(tmp_path / "m", [tmp_path / "sounds"])
    assert measured["used"] == 8
    film = coloured(tmp_path / "film.mp4", "红", seed=3)
    config = load_config(assignments=(f"predict.model={tmp_path}/m",))
    shown = triptych.analyze(film, config=config)
    assert set(shown.prediction.ranked[0].contributions) == {"audio", "prior"}
    silent = synth.numbered_film(tmp_path / "silent.mkv", synth.steady(1.0, 5)).path
    shown = triptych.analyze(silent, config=config)
    assert shown.warnings[-1] == ("no labels: nothing that the model reads (audio) is in this file")
    assert not shown.prediction.step_present.any() and shown.prediction.ranked == ()
    done = command("run", silent, "-o", tmp_path / "out", "--model", tmp_path / "m")
    assert done.returncode == 0, done.stderr
    assert "no labels: nothing that the model reads (audio) is in this file (1 video)" in (
        done.stdout
    )
    assert analysis_of(tmp_path / "out", "silent.mkv")["labels"] == []
    table = (tmp_path / "out" / "predictions.csv").read_text(encoding="utf-8-sig").splitlines()
    assert table[1] == f"{silent},done,,"
    (mute,) = [
        w for w in triptych.evaluate(tmp_path / "m", [_labelled(tmp_path, silent)])["warnings"]
        if "nothing that the model reads" in w
    ]  # fmt: skip
    assert mute.startswith("1 video holds nothing that the model reads (audio): ")


def _labelled(folder: Path, film: Path) -> Path:
    manifest = folder / "silent.csv"
    manifest.write_text(f"path,label\n{film},红\n", encoding="utf-8")
    return manifest


# Evaluation


def test_a_model_is_measured_on_other_videos(model: Path, others: Path) -> None:
    done = command("evaluate", model, others, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["videos"], said["used"], said["failed"]) == (4, 4, 0)
    assert said["labels"] == ["红", "蓝"]
    assert 0 <= said["metrics"]["accuracy"] <= 1
    assert np.sum(said["confusion"]) == 4 and set(said["by_label"]) == {"红", "蓝"}
    assert said["warnings"] == [] and said["seen"] is None
    assert said["unseen"] == {k: said[k] for k in said["unseen"] if k != "videos"} | {"videos": 4}
    shown = command("evaluate", model, "--compare", model, others)
    assert shown.returncode == 0, shown.stderr
    assert "accuracy" in shown.stdout and "模型 on 4 videos" in shown.stdout
    assert "no clear difference" in shown.stdout


def test_videos_that_a_model_was_trained_on_are_counted(model: Path, clips: Path) -> None:
    said = triptych.evaluate(model, [clips])
    (warning,) = said["warnings"]
    assert warning.startswith("the model was trained on 10 of 12 videos: ")
    assert (said["unseen"]["videos"], said["seen"]["videos"]) == (2, 10)
    right = [
        said[part]["metrics"]["accuracy"] * said[part]["videos"] for part in ("unseen", "seen")
    ]
    assert said["metrics"]["accuracy"] * 12 == pytest.approx(sum(right))
    assert np.sum(said["unseen"]["confusion"]) == 2 and np.sum(said["confusion"]) == 12
    shown = command("evaluate", model, clips)
    assert "模型 on 2 videos that it was not trained on\n" in shown.stdout
    assert said["states"]["cached"] == 12 and said["failed"] == 1


def test_labels_that_a_model_does_not_know(model: Path, others: Path, tmp_path: Path) -> None:
    lines = [
        "path,label,split",
        f"{others}/红/片段 0.mp4,红,test",
        f"{others}/蓝/片段 0.mp4,绿,test",
    ]
    manifest = tmp_path / "set.csv"
    manifest.write_text("\n".join([*lines, f"{others}/蓝/片段 1.mp4,蓝,train"]), encoding="utf-8")
    said = triptych.evaluate(model, [manifest])
    assert said["split"] == "test" and said["used"] == 1
    assert (
        "1 video was left out, because the model does not know these labels: 绿"
        in (said["warnings"][0])
    )
    manifest.write_text("\n".join([lines[0], lines[2]]), encoding="utf-8")
    with pytest.raises(UsageError, match="no video has a label that the model knows: 红, 蓝"):
        triptych.evaluate(model, [manifest])


def test_nothing_that_can_be_read_is_3(model: Path, tmp_path: Path) -> None:
    for label in KINDS:
        (tmp_path / "bad" / label).mkdir(parents=True)
        (tmp_path / "bad" / label / "a.mp4").write_bytes(b"no film")
    done = command("evaluate", model, tmp_path / "bad")
    assert done.returncode == 3
    assert "0 of 2 videos used" in done.stdout and "not a video or sound file" in done.stdout


def test_evaluation_needs_labels_and_a_model(model: Path, others: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no video has a label"):
        triptych.evaluate(model, [others / "红"])
    with pytest.raises(UsageError, match="no trained model"):
        triptych.evaluate(tmp_path, [others])
    config = load_config(assignments=("decode.fps=2",))
    with pytest.raises(UsageError, match=r"trained with decode\.fps = 4\.0, not 2\.0"):
        triptych.evaluate(model, [others], config=config)


# Use


def test_a_model_labels_new_videos(model: Path, others: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = ("run", others, "-o", out, "--model", model, "--format", "html,md")
    done = command(*run)
    assert done.returncode == 0, done.stderr
    assert {row["state"] for row in rows_of(out).values()} == {"done"}
    found = analysis_of(out, "红/片段 0.mp4")
    assert found["timeline"]["method"] == "模型" and found["timeline"]["kind"] == "shares"
    assert sorted(label["label"] for label in found["labels"]) == ["红", "蓝"]
    logits = np.array([sum(label["contributions"].values()) for label in found["labels"]])
    shares = np.exp(logits) / np.exp(logits).sum()
    assert shares == pytest.approx([label["score"] for label in found["labels"]], abs=1e-3)
    assert {"image", "audio", "prior"} == set(found["labels"][0]["contributions"])
    steps = found["timeline"]["end_s"][0] - found["timeline"]["start_s"][0]
    assert steps == pytest.approx(0.25)
    assert np.sum(found["timeline"]["scores"], axis=1) == pytest.approx(1.0, abs=1e-4)
    page = (out / "红" / "片段 0.mp4" / "report.html").read_text(encoding="utf-8")
    assert "labels by 模型" in page and "without training" not in page
    assert "Most likely: " in found["summary"]["text"]
    again = command(*run)
    assert "4 cached" in again.stdout and "nothing was decoded" in again.stdout
    heavy = (
        "import sys, triptych.cli; status = triptych.cli.main(sys.argv[1:])\n"
        "assert status == 0 and not {'numpy', 'torch', 'av', 'pebble'} & sys.modules.keys()"
    )
    subprocess.run(
        [sys.executable, "-c", heavy, *map(str, run)],
        check=True,
        capture_output=True,
        env=environment(),
    )


def test_run_and_evaluate_agree(model: Path, others: Path) -> None:
    right = 0
    for label in KINDS:
        for i in range(2):
            shown = triptych.analyze(
                others / label / f"片段 {i}.mp4",
                config=load_config(assignments=(f"predict.model={model}",)),
            )
            right += shown.prediction.ranked[0].label == label
    assert triptych.evaluate(model, [others])["metrics"]["accuracy"] == right / 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--fps", "1"), "trained with decode.fps = 4.0, not 1.0"),
        (("--labels", "everyday"), "labels and a model cannot both be asked for"),
        (("--preset", "embedded"), "trained with extract.preset = 'light', not 'embedded'"),
    ],
)
def test_what_does_not_fit_the_model_is_refused_before_any_video_is_touched(
    model: Path, others: Path, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    done = command("run", others, "-o", tmp_path / "out", "--model", model, *options)
    assert done.returncode == 2 and said in done.stderr
    assert not (tmp_path / "out").exists()


def test_another_model_of_the_same_name_makes_new_answers(
    model: Path, clips: Path, others: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "模型"
    shutil.copytree(model, copy)
    film = others / "红" / "片段 0.mp4"
    run = ("run", film, "-o", tmp_path / "out", "--model", copy, "--format", "json")
    assert command(*run).returncode == 0
    shutil.rmtree(copy)
    triptych.train([clips], copy, config=quick("train.seed=5"))
    assert command(*run).returncode == 0
    assert rows_of(tmp_path / "out")["片段 0.mp4"]["state"] == "done"
