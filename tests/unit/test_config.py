"""Settings from a file, from --set and from options: each over the one before, no typos."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from triptych.config import (
    USUAL_FORMATS,
    Config,
    DecodeConfig,
    from_mapping,
    load_config,
    parse_budget,
)
from triptych.errors import InputError, UsageError


def toml(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_later_sources_win(tmp_path: Path) -> None:
    path = toml(tmp_path, "[decode]\nfps = 2\nshort_side = 128\nmax_pixels = 1000\n")
    config = load_config(
        path,
        assignments=("decode.short_side=64", "decode.max_pixels=2000"),
        options={"decode": {"max_pixels": 3000}},
    )
    decode = config.decode
    assert (decode.fps, decode.short_side, decode.max_pixels) == (2.0, 64, 3000)


def test_every_setting_can_be_given_as_text() -> None:
    config = load_config(
        assignments=(
            "decode.fps=0.5",
            "extract.asr=never",
            "extract.step_s=0.25",
            "predict.labels=cat, dog = pet",
            "predict.top=3",
            "report.formats=json, html",
            " runner.workers = 2 ",
        )
    )
    assert config.decode.fps == 0.5
    assert config.extract.asr == "never"
    assert config.extract.step_s == 0.25
    assert config.predict.labels == "cat, dog = pet"
    assert config.predict.top == 3
    assert config.report.formats == ("json", "html")
    assert config.runner.workers == 2


def test_nothing_given_is_the_default() -> None:
    assert load_config() == Config()
    assert Config().report.formats == USUAL_FORMATS


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "[decod]\nfps = 1",
            "unknown decod (known: decode, extract, predict, report, runner, train)",
        ),
        ("[decode]\nfsp = 1", "config.decode: unknown fsp"),
        ("decode = 3", "config.decode is a section, not a value"),
        ("[decode]\nfps = true", "config.decode.fps: cannot read True as float"),
        ('[decode]\nfps = "fast"', "config.decode.fps: cannot read 'fast' as float"),
        ("[runner]\nworkers = 1.5", "config.runner.workers: cannot read 1.5 as int"),
        ('[predict]\nlabels = ["cat", "dog"]', "config.predict.labels"),
        ("[predict]\ntop = []", "config.predict.top"),
        ("[report]\nformats = 3", "config.report.formats: cannot read 3 as a list"),
        ('[report]\nformats = ["jsn"]', "'jsn' is none of json, md"),
        ('[extract]\nasr = "sometimes"', "'sometimes' is none of auto, always, never"),
        ("[extract]\nstep_s = 0.05", "extract.step_s must be between 0.1 and 10"),
        ("[extract]\nstep_s = 10.5", "extract.step_s must be between 0.1 and 10"),
        ("[extract]\nstep_s = nan", "extract.step_s must be"),
        ("[decode]\nfps = 0", "decode.fps must be above 0, and at most 240"),
        ("[decode]\nfps = nan", "decode.fps must be"),
        ("[decode]\nmax_duration_s = inf", "decode.max_duration_s must be"),
        ("[runner]\nworkers = -1", "runner.workers must be 0 or more"),
        ('[predict]\nsummary = "half"', "cannot read the summary length 'half'"),
        ("[decode\nfps = 1", "not valid TOML"),
    ],
)
def test_a_mistake_in_the_file_is_an_error_that_names_it(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load_config(toml(tmp_path, text))
    assert complaint in str(caught.value)


@pytest.mark.parametrize("text", ["fps=2", "decode.fps", "decode=2", ".fps=2", "decode.=2", "="])
def test_an_assignment_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="section"):
        load_config(assignments=(text,))


def test_a_value_where_a_section_belongs_is_an_error_in_any_mixture(tmp_path: Path) -> None:
    path = toml(tmp_path, "decode = 3")
    with pytest.raises(UsageError, match="section"):
        load_config(path, options={"decode": {"fps": 2.0}})
    with pytest.raises(UsageError, match="section"):
        load_config(path, assignments=("decode.fps=2",))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.toml: cannot read: No such file"):
        load_config(tmp_path / "missing.toml")
    with pytest.raises(InputError, match="cannot read"):
        load_config(tmp_path)
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"a\.toml: not valid TOML"):
        load_config(tmp_path / "a.toml")


@pytest.mark.parametrize("text", ["", "%", "s", "0%", "101%", "-3s", "0s", "nan%", "infs", "15"])
def test_lengths_that_mean_nothing(text: str) -> None:
    with pytest.raises(UsageError, match="15%, seconds such as 30s, or a number such as 8shots"):
        parse_budget(text)


def test_the_recipe_is_what_can_change_an_answer() -> None:
    runner = ("runner.workers=3", "runner.time_limit_s=9", "runner.device=cuda")
    assert load_config(assignments=runner).recipe() == Config().recipe()
    assert load_config(assignments=("decode.fps=2",)).recipe() != Config().recipe()
    assert load_config(assignments=("extract.step_s=2",)).recipe() != Config().recipe()
    json.dumps(Config().recipe(), allow_nan=False)


def test_unknown_keys_list_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        from_mapping(DecodeConfig, {"fsp": 1.0})
    assert caught.value.remedy == "known: fps, max_duration_s, max_pixels, short_side"


@pytest.mark.parametrize("value", [True, "true", [1], {"a": 1}, None])
def test_a_number_is_no_switch_or_list(value: object) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        from_mapping(DecodeConfig, {"max_pixels": value})


def test_options_do_not_change_what_they_were_given() -> None:
    options = {"decode": {"fps": 2.0}}
    load_config(assignments=("decode.short_side=64",), options=options)
    assert options == {"decode": {"fps": 2.0}}


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().decode.fps = 2.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("15%", ("share", 0.15)),
        ("100%", ("share", 1.0)),
        ("0.5%", ("share", 0.005)),
        ("30s", ("seconds", 30.0)),
        (" 2.5s ", ("seconds", 2.5)),
        ("1e3s", ("seconds", 1000.0)),
    ],
)
def test_summary_lengths_are_read(text: str, meaning: tuple[str, float]) -> None:
    assert parse_budget(text) == (meaning[0], pytest.approx(meaning[1]))
