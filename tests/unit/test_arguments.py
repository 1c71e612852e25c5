"""The command line's grammar: flags that scripts rest on, and what they stand for."""

from __future__ import annotations

import argparse

from triptych.arguments import SETTINGS, parser
from triptych.config import Config
from triptych_models.baselines import MODEL_TYPES


def _commands() -> dict[str, argparse.ArgumentParser]:
    (sub,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(sub.choices)


def test_the_flags_that_scripts_rest_on() -> None:
    flags = {
        name: sorted(option for a in command._actions for option in a.option_strings)
        for name, command in _commands().items()
    }
    assert flags == {
        "run": [
            "--asr",
            "--config",
            "--format",
            "--fps",
            "--help",
            "--json",
            "--labels",
            "--lang",
            "--model",
            "--out",
            "--preset",
            "--quiet",
            "--set",
            "--summary",
            "--verbose",
            "--workers",
            "-h",
            "-o",
        ],
        "train": [
            "--asr",
            "--config",
            "--epochs",
            "--folds",
            "--fps",
            "--help",
            "--json",
            "--lang",
            "--loss",
            "--model-type",
            "--optimizer",
            "--out",
            "--preset",
            "--quiet",
            "--seed",
            "--set",
            "--task",
            "--test-share",
            "--verbose",
            "--workers",
            "-h",
            "-o",
        ],
        "evaluate": [
            "--compare",
            "--config",
            "--help",
            "--json",
            "--quiet",
            "--set",
            "--verbose",
            "--workers",
            "-h",
        ],
        "doctor": ["--help", "--json", "-h"],
        "models": ["--help", "--json", "-h"],
    }


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
        assert all(action.help for action in command._actions)
