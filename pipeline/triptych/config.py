"""Configuration: frozen, nested, typo-proof, echoed into every report.

A TOML file (`--config`), then `--set section.key=value`, then the named options of the
command line, each over the one before. A misspelt key is an error, never ignored.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from triptych.amounts import bytes_of
from triptych.errors import InputError, UsageError
from triptych.numbered import FPS_RANGE

__all__ = [
    "Config",
    "DecodeConfig",
    "ExtractConfig",
    "PredictConfig",
    "ReportConfig",
    "RunnerConfig",
    "TrainConfig",
    "from_mapping",
    "given_settings",
    "load_config",
]

C = TypeVar("C")
Asr = Literal["auto", "always", "never"]
Ocr = Literal["never", "strip", "full"]
Device = Literal["cpu", "cuda", "cpu-shared"]
Format = Literal[
    "json",
    "md",
    "storyboard",
    "reel",
    "vtt",
    "chapters",
    "html",
    "preview",
    "ffmetadata",
    "edl",
    "otio",
]
FORMATS: tuple[Format, ...] = typing.get_args(Format)
#: What people look at; the others are for a gallery of one's own, and for editing.
USUAL_FORMATS: tuple[Format, ...] = FORMATS[: FORMATS.index("html") + 1]


@dataclass(frozen=True, kw_only=True)
class DecodeConfig:
    """What leaves the decoder."""

    fps: float = 1.0  #: sampled frames a second, by presentation time
    short_side: int = 256  #: sampled frames are scaled to this, aspect kept
    max_pixels: int = 8192 * 8192  #: larger pictures are refused
    max_duration_s: float = 24 * 3600.0  #: reading stops here, with a warning


@dataclass(frozen=True, kw_only=True)
class ExtractConfig:
    """Which embeddings are made, and how words are found."""

    preset: str = "embedded"  #: a set of extractors by name, or a .toml file of one's own
    add: tuple[str, ...] = ()  #: extractors besides: "motion", or with a model "clip=/models/clip"
    asr: Asr = "auto"  #: auto: where a video has no cues; always: instead of its cues
    #: Whisper of one's own for it: a folder as faster-whisper takes it, or an id of the hub.
    asr_model: str = ""
    #: Burned-in captions, where a video has no subtitles: in the lower third, or everywhere.
    ocr: Ocr = "never"
    language: str = ""  #: of the speech, for example "zh"; empty: detected
    step_s: float = 1.0  #: length of the rows made of sound; below 1 of the timeline's steps too


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """Which labels are asked for, and how long the summary and its clips may be."""

    labels: str = "everyday"  #: a built-in list, a file, or words with commas
    model: str = ""  #: folder of a trained model, whose labels then take their place
    top: int = 5  #: labels in predictions.csv
    summary: str = "15%"  #: share of the duration ("15%"), seconds ("30s") or clips ("8shots")
    shortest_clip_s: float = 1.0  #: of the summary; less is a flicker
    longest_clip_s: float = 10.0  #: of the summary; speech that lasts longer may be cut into
    llm: str = ""  #: a local language model that rewrites the summary: its folder, or an id
    language: str = ""  #: of labels and texts: "en", "zh"; empty: texts follow the cues


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """Which files are written for each video; analysis.json always is."""

    formats: tuple[Format, ...] = USUAL_FORMATS


@dataclass(frozen=True, kw_only=True)
class RunnerConfig:
    """How a folder is worked through. Nothing here makes an answer stale.

    Only `device` can change one, as devices differ in the last digits.
    """

    workers: int = 0  #: 0: one a core
    device: Device = "cpu"  #: cuda: one process runs all networks, on a GPU; cpu-shared: on a CPU
    time_limit_s: float = 0.0  #: for one video; 0: from its size, or its length where known
    memory_limit_mb: int = 0  #: of a worker's own data; more is a failure of its video; 0: none
    #: Of folders of numbered pictures, which are films then; 0: only where a manifest says so.
    frames_fps: float = 0.0
    #: Of the feature store after a run, such as "20GB": what was used longest ago goes; empty: none.
    cache_limit: str = ""
    verify: bool = False  #: read every file, even if it seems not to have changed
    max_failures: str = ""  #: of `run`: "20" or "10%" failed are too many; empty: never


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a model is trained. Nothing here changes what `run` answers."""

    model_type: str = "fusion"  #: or gated, attention, a baseline; see triptych_models.baselines
    #: features: no labels are learned, but what pictures have in common, as an extractor.
    task: Literal["auto", "single", "multi", "regression", "importance", "features"] = "auto"
    #: Of the cross-validation, and members of the model; 1: one fixed part; 0: 5, or 4 of many.
    folds: int = 0
    test_share: float = 0.2  #: held out where the data names no test videos; 0: none
    seed: int = 0
    epochs: int = 0  #: at most; 0: as many as the model's recipe says
    optimizer: Literal["adamw", "sgd"] = "adamw"
    loss: Literal["auto", "cross_entropy", "bce", "mse"] = "auto"  #: auto: by the task
    # Clips differ in length, so these are chosen for each set of clips. What is set in [decode]
    # and [extract] to something else than the default is kept, too.
    preset: str = ""  #: empty: full where OpenCV is installed, else extract.preset
    step_s: float = 0.0  #: 0: a twelfth of the median clip, 0.25 to 1 s
    fps: float = 0.0  #: 0: a frame for each step


@dataclass(frozen=True, kw_only=True)
class Config:
    """The whole configuration of a run."""

    decode: DecodeConfig = field(default_factory=DecodeConfig)
    extract: ExtractConfig = field(default_factory=ExtractConfig)
    predict: PredictConfig = field(default_factory=PredictConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    runner: RunnerConfig = field(default_factory=RunnerConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        _require(0 < self.decode.fps <= 240, "decode.fps", "above 0, and at most 240")
        _require(16 <= self.decode.short_side <= 4096, "decode.short_side", "between 16 and 4096")
        _require(self.decode.max_pixels > 0, "decode.max_pixels", "above 0")
        _require(
            0 < self.decode.max_duration_s < float("inf"),
            "decode.max_duration_s",
            "above 0 and finite",
        )
        _require(0.1 <= self.extract.step_s <= 10, "extract.step_s", "between 0.1 and 10")
        spoken = self.predict.language.lower()[:2]
        _require(spoken in ("", "en", "zh"), "predict.language (--lang)", "en or zh")
        _require(self.predict.top >= 1, "predict.top", "at least 1")
        _require(self.runner.workers >= 0, "runner.workers", "0 or more")
        _require(self.runner.time_limit_s >= 0, "runner.time_limit_s", "0 or more")
        _require(self.runner.memory_limit_mb >= 0, "runner.memory_limit_mb", "0 or more")
        low, high = FPS_RANGE
        rate = self.runner.frames_fps
        _require(
            rate == 0 or low <= rate <= high,
            "runner.frames_fps (--frames-fps)",
            f"between {low:g} and {high:g}",
        )
        parse_budget(self.predict.summary)
        _require(self.predict.shortest_clip_s >= 0.1, "predict.shortest_clip_s", "at least 0.1")
        _require(
            self.predict.shortest_clip_s <= self.predict.longest_clip_s < float("inf"),
            "predict.longest_clip_s",
            "finite, and not below predict.shortest_clip_s",
        )
        parse_failures(self.runner.max_failures)
        if self.runner.cache_limit:
            bytes_of(self.runner.cache_limit)
        self._check_training()

    def _check_training(self) -> None:
        train = self.train
        _require(0 <= train.folds <= 20, "train.folds", "between 0 and 20")
        _require(0 <= train.test_share < 0.9, "train.test_share", "0 or more, and below 0.9")
        _require(train.epochs >= 0, "train.epochs", "0 or more")
        _require(0 <= train.seed < 2**31, "train.seed", "0 or more")
        _require(train.step_s == 0 or 0.1 <= train.step_s <= 10, "train.step_s", "0, or 0.1 to 10")
        _require(0 <= train.fps <= 240, "train.fps", "0, or at most 240")

    def recipe(self) -> dict[str, Any]:
        """The part that can change an answer of `run`, as JSON data."""
        data = dataclasses.asdict(self)
        del data["runner"], data["train"]
        return data


def _require(condition: bool, key: str, what: str) -> None:
    if not condition:
        raise UsageError(f"{key} must be {what}")


def parse_budget(text: str) -> tuple[Literal["share", "seconds", "shots"], float]:
    """Read a summary budget.

    >>> parse_budget("15%")
    ('share', 0.15)
    >>> parse_budget("30s")
    ('seconds', 30.0)
    >>> parse_budget("8shots")
    ('shots', 8.0)
    """
    if (shots := re.fullmatch(r"\s*(\d{1,6})\s*shots?\s*", text)) and int(shots[1]) > 0:
        return "shots", float(shots[1])
    body, unit = text.strip()[:-1], text.strip()[-1:]
    try:
        value = float(body)
    except ValueError:
        value = -1.0
    if unit == "%" and 0 < value <= 100:
        return "share", value / 100
    if unit == "s" and 0 < value < float("inf"):
        return "seconds", value
    raise UsageError(
        f"cannot read the summary length {text!r}",
        remedy="write a share such as 15%, seconds such as 30s, or a number such as 8shots",
    )


def parse_failures(text: str) -> tuple[Literal["share", "count"], float]:
    """Read how many failures are allowed.

    >>> parse_failures("20"), parse_failures("10%"), parse_failures("")
    (('count', 20.0), ('share', 0.1), ('count', inf))
    """
    body = text.strip()
    if not body:
        return "count", float("inf")
    try:
        value = float(body.removesuffix("%")) if body.endswith("%") else int(body)
    except ValueError:
        value = -1
    if body.endswith("%") and 0 <= value <= 100:
        return "share", value / 100
    if not body.endswith("%") and value >= 0:
        return "count", float(value)
    raise UsageError(
        f"cannot read --max-failures {text!r}",
        remedy="write a number of videos such as 20, or a share such as 10%",
    )


def from_mapping(cls: type[C], raw: Mapping[str, Any], where: str = "config") -> C:
    """Build a config dataclass from plain data; unknown keys and wrong types are errors.

    >>> from_mapping(RunnerConfig, {"wokers": 2})
    Traceback (most recent call last):
    triptych.errors.UsageError: config: unknown wokers (known: cache_limit, device, frames_fps, max_failures, memory_limit_mb, time_limit_s, verify, workers)
    """
    hints = typing.get_type_hints(cls)
    known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    if extra := sorted(raw.keys() - known):
        raise UsageError(
            f"{where}: unknown {', '.join(extra)}", remedy=f"known: {', '.join(sorted(known))}"
        )
    return cls(**{k: _coerce(hints[k], v, f"{where}.{k}") for k, v in raw.items()})


def _coerce(hint: Any, value: Any, where: str) -> Any:
    """`value` as the type a field asks for; strings (from --set) are read."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise UsageError(f"{where} is a section, not a value")
        return from_mapping(hint, value, where)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        if value not in args:
            raise UsageError(f"{where}: {value!r} is none of {', '.join(map(str, args))}")
        return value
    if origin is tuple:
        items = (
            [p.strip() for p in value.split(",") if p.strip()] if isinstance(value, str) else value
        )
        if not isinstance(items, list | tuple):
            raise UsageError(f"{where}: cannot read {value!r} as a list")
        return tuple(_coerce(args[0], item, where) for item in items)
    if isinstance(hint, types.UnionType):
        hint = next(a for a in args if a is not type(None))
    try:
        if hint is bool and isinstance(value, str):
            return {"true": True, "false": False}[value.lower()]
        if isinstance(value, bool) != (hint is bool):
            raise ValueError("a switch where a value belongs, or the reverse")
        if hint is str and not isinstance(value, str):
            raise TypeError("a text is wanted")
        if hint is int and isinstance(value, float):
            raise ValueError("a whole number is wanted")
        return hint(value)
    except (KeyError, TypeError, ValueError) as err:
        raise UsageError(f"{where}: cannot read {value!r} as {hint.__name__}") from err


def load_config(
    path: str | Path | None = None,
    *,
    assignments: tuple[str, ...] = (),
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Config:
    """Resolve the configuration.

    Args:
        path: a TOML file.
        assignments: `section.key=value` texts.
        options: section -> key -> value, from the named options.

    Raises:
        UsageError: a key or value that does not exist or cannot be read.
        InputError: the file cannot be read.
    """
    return from_mapping(Config, _layered(path, assignments, options or {}))


def given_settings(
    path: str | Path | None = None,
    *,
    assignments: tuple[str, ...] = (),
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> set[tuple[str, str]]:
    """The settings that somebody asked for, as (section, key); arguments as of `load_config`."""
    raw = _layered(path, assignments, options or {})
    return {(section, key) for section, values in raw.items() for key in values}


def _layered(
    path: str | Path | None,
    assignments: tuple[str, ...],
    options: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    raw: dict[str, Any] = {}
    if path is not None:
        try:
            raw = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as err:
            raise InputError(f"cannot read: {err.strerror}", path=path) from err
        except ValueError as err:
            raise UsageError(f"not valid TOML: {err}", path=path) from err
    for text in assignments:
        key, sign, value = text.partition("=")
        section, dot, name = key.strip().partition(".")
        if not (section and dot and name and sign):
            raise UsageError(f"cannot read --set {text!r}", remedy="write section.key=value")
        _section_of(raw, section)[name] = value.strip()
    for section, values in options.items():
        _section_of(raw, section).update(values)
    return raw


def _section_of(raw: dict[str, Any], name: str) -> dict[str, Any]:
    section = raw.setdefault(name, {})
    if not isinstance(section, dict):
        raise UsageError(f"config.{name} is a section, not a value")
    return section
