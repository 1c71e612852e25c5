"""The command line's grammar: flags that scripts rest on, and what they stand for."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from triptych.arguments import parser
from triptych.config import Config
from triptych.flags import SETTINGS
from triptych_models.baselines import MODEL_TYPES


def _commands() -> dict[str, argparse.ArgumentParser]:
    (sub,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(sub.choices)


HELP = {"--help", "-h"}
COMMON = {
    *HELP, "--config", "--frames-fps", "--json", "--log-file", "--log-format", "--quiet", "--set", "--verbose",
    "--workers",
}  # fmt: skip
ANSWERS = {
    *COMMON, "--asr", "--extract", "--format", "--fps", "--labels", "--lang", "--llm", "--max-failures",
    "--metrics",
    "--model", "--ocr", "--out", "--preset", "--summary", "-o",
}  # fmt: skip


def test_the_flags_that_scripts_rest_on() -> None:
    flags = {
        name: {option for a in command._actions for option in a.option_strings}
        for name, command in _commands().items()
    }
    assert flags == {
        "run": {*ANSWERS, "--dry-run", "--overwrite", "--retry-failed", "--verify"},
        "watch": {*ANSWERS, "--once", "--poll", "--settle"},
        "train": {
            *COMMON, "--asr", "--epochs", "--extract", "--folds", "--fps", "--lang", "--loss", "--model-type",
            "--ocr", "--optimizer", "--out", "--preset", "--seed", "--task", "--test-share", "-o",
        },
        "evaluate": {*COMMON, "--compare", "--task"},
        "decode": {
            *COMMON, "--end", "--frames", "--no-spectrogram", "--out", "--overwrite", "--plan",
            "--precision", "--sample", "--short-side", "--sound", "--start", "--tolerance", "-o",
        },
        "reel": {*COMMON, "--length", "--out", "-o"},
        "cache": HELP,
        "doctor": {*HELP, "--json"},
        "models": {*HELP, "--json"},
    }  # fmt: skip


def test_every_named_option_stands_for_a_setting() -> None:
    for command, settings in SETTINGS.items():
        options = {a.dest for a in _commands()[command]._actions}
        for name, (section, key) in settings.items():
            assert name in options
            assert hasattr(getattr(Config(), section), key)


def test_every_model_type_is_named_in_the_help() -> None:
    (option,) = (a for a in _commands()["train"]._actions if a.dest == "model_type")
    assert option.help == f"{', '.join(MODEL_TYPES)} ({MODEL_TYPES[0]})"


def test_every_flag_is_explained() -> None:
    for command in _commands().values():
        for action in command._actions:
            assert action.help or isinstance(action, argparse._SubParsersAction)


@pytest.fixture
def models(tmp_path: Path) -> dict[str, str]:
    """Folders that look like models, by a letter that stands for them."""
    for name in "ab":
        (tmp_path / name).mkdir()
        for file in ("config.json", "labels.json", "model.safetensors"):
            (tmp_path / name / file).touch()
    return {name: str(tmp_path / name) for name in "ab"}


@pytest.mark.parametrize(
    ("words", "compared", "data"),
    [
        ("m d --compare a b", "ab", "d"),
        ("m --compare a b d", "ab", "d"),
        ("m --compare a d e", "a", "de"),
        ("m --compare a --compare b d", "ab", "d"),
        ("m --compare a d --compare b", "ab", "d"),
        ("m --compare a d --quiet e", "a", "de"),
        ("--compare a --quiet m d", "a", "d"),
        ("m d --compare a x", "ax", "d"),
        ("m --compare x d", "x", "d"),
    ],
)
def test_models_to_compare_with_leave_the_data_alone(
    models: dict[str, str], words: str, compared: str, data: str
) -> None:
    given = parser().parse_args(["evaluate", *(models.get(w, w) for w in words.split())])
    assert given.model == "m"
    assert given.compare == [models.get(name, name) for name in compared]
    assert given.inputs == [*data]


def test_an_evaluation_without_data_is_refused(
    models: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["evaluate", "m", "--compare", models["a"]])
    assert "the following arguments are required: DATASET" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run in", "watch in"])
@pytest.mark.parametrize("given", ["", " "])
def test_an_empty_limit_of_failures_is_not_no_limit(
    command: str, given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parser().parse_args([*command.split(), "-o", "out", "--max-failures", given])
    assert caught.value.code == 2
    assert "--max-failures: it is empty: give a number" in capsys.readouterr().err
