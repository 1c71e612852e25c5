"""A trained model as a folder: `config.json`, `labels.json`, `model.safetensors`.

Nothing in it is code: weights are safetensors, the rest is JSON, and all of it is checked before
it is used. A model may have several members, trained on different folds: their logits are
averaged, so that evidence still adds up.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from triptych_models.baselines import build
from triptych_models.batches import MAX_STEPS, Example, Task, collate, shorten
from triptych_models.heads import Output
from triptych_models.inference import mean_logits

__all__ = ["CheckpointError", "Explanation", "TrainedModel", "load_model", "save_model"]

Floats = npt.NDArray[np.float32]

LAYOUT = 2  #: raised when folders of older versions can no longer be read
_CONFIG, _LABELS, _WEIGHTS = "config.json", "labels.json", "model.safetensors"
_SMALLEST_TEMPERATURE = 1e-3


class CheckpointError(ValueError):
    """A folder holds no model, a damaged one, or one of another version."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explanation:
    """What a model says of one video, and why: logits = bias + all contributions."""

    scores: Floats  #: (L,), probabilities, or the value of a regression
    logits: Floats  #: (L,)
    bias: Floats  #: (L,)
    contributions: Mapping[str, Floats]  #: modality -> (T, L); empty: the model cannot tell
    steps: Floats  #: (T, L), probabilities (or values) of each step by itself
    present: npt.NDArray[np.bool_]  #: (T,), whether the step had any evidence
    importance: Floats  #: (T,), 0..1, how much each step counts


@dataclass(slots=True, kw_only=True, eq=False)
class TrainedModel:
    """Members of one kind, what they read, and what their answers mean."""

    name: str
    model_type: str
    task: Task
    labels: tuple[str, ...]
    tracks: Mapping[str, Mapping[str, Any]]  #: name -> {"modality": ..., "dim": ...}
    members: list[nn.Module]
    features: Mapping[str, Any] = field(default_factory=dict)  #: how features were made
    temperature: float = 1.0
    thresholds: tuple[float, ...] | None = None  #: of each label, several labels a video
    offset: float = 0.0  #: of a regression's values
    scale: float = 1.0
    options: Mapping[str, Any] = field(default_factory=dict)  #: of the members' class

    @property
    def parameters(self) -> int:
        """Weights of one member."""
        return sum(p.numel() for p in self.members[0].parameters())

    @property
    def _unit(self) -> float:
        """What one of the members' logits is worth."""
        if self.task == "regression":
            return self.scale
        return 1 / max(self.temperature, _SMALLEST_TEMPERATURE)

    def to(self, device: str | torch.device) -> TrainedModel:
        """Move the members."""
        for member in self.members:
            member.to(device)
        return self

    def logits(self, examples: Sequence[Example]) -> Tensor:
        """Mean of the members' logits (N, L), before calibration."""
        return mean_logits(self.members, examples)

    def scores(self, examples: Sequence[Example]) -> Floats:
        """Calibrated probabilities (N, L), or (N, 1) values of a regression."""
        if not examples:
            return np.zeros((0, max(1, len(self.labels))), np.float32)
        return self._scored(self.logits(examples)).numpy()

    def scored(self, logits: Floats) -> Floats:
        """What `scores` makes of logits (N, L)."""
        return self._scored(torch.from_numpy(logits)).numpy()

    def _scored(self, logits: Tensor) -> Tensor:
        if self.task == "regression":
            return logits * self._unit + self.offset
        logits = logits * self._unit
        return logits.softmax(-1) if self.task == "single" else logits.sigmoid()

    def explain(self, example: Example) -> Explanation:
        """Score one video and say what each step of each modality had to do with it.

        Videos longer than the model reads at once are averaged to fewer steps; what such a run
        of steps contributed is shared out evenly among them.
        """
        short = shorten(example)
        device = next(self.members[0].parameters()).device
        batch = collate([short], _widths(self.tracks)).to(device)
        with torch.inference_mode():
            outputs: list[Output] = [m.eval()(batch) for m in self.members]
        logits = _mean([o.logits[0] for o in outputs])
        said = {
            modality: _mean([o.evidence[modality][0] for o in outputs]) * self._unit
            for modality in outputs[0].evidence
        }
        whole = logits * self._unit + (self.offset if self.task == "regression" else 0.0)
        by_step = [o.steps[0] for o in outputs if o.steps is not None]
        steps = _mean(by_step) if by_step else logits.expand(len(short.time_s), -1)
        weigh = [o.importance[0] for o in outputs if o.importance is not None]
        count = len(example.time_s)
        spread = np.arange(count) // max(1, -(-count // MAX_STEPS))
        shares = np.bincount(spread, minlength=1)[spread][:, None] if count else np.ones((0, 1))
        parts = {t: (v.numpy()[spread] / shares).astype(np.float32) for t, v in said.items()}
        masks = [example.rows(t) for t in example.present if t in self.tracks]
        present = np.any(masks, axis=0) if masks else np.zeros(count, bool)
        bias = whole.numpy() - sum((p.sum(0) for p in parts.values()), np.zeros(len(whole)))
        return Explanation(
            scores=self._scored(logits).numpy(),
            logits=whole.numpy(),
            bias=bias.astype(np.float32),
            contributions=parts,
            steps=self._scored(steps).numpy()[spread],
            present=present,
            importance=_importance(weigh, count, spread),
        )


def _mean(members: list[Tensor]) -> Tensor:
    return torch.stack(members).mean(0).cpu()


def _importance(weigh: list[Tensor], count: int, spread: npt.NDArray[Any]) -> Floats:
    if not weigh:
        return np.ones(count, np.float32)
    return torch.sigmoid(_mean(weigh)).numpy()[spread]


def _widths(tracks: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    return {name: int(track["dim"]) for name, track in tracks.items()}


def save_model(model: TrainedModel, folder: str | os.PathLike[str]) -> None:
    """Write a model; the folder gets all of the three files, or keeps what it had.

    Other files that stand in the folder, a model card for example, stay.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / f".part-{uuid.uuid4().hex}"
    scratch.mkdir()
    config = {
        "layout": LAYOUT,
        "model_type": model.model_type,
        "options": dict(model.options),
        "members": len(model.members),
        "state": [_memory(m) for m in model.members],
        "tracks": {t: dict(v) for t, v in model.tracks.items()},
        "features": dict(model.features),
        "temperature": model.temperature,
        "offset": model.offset,
        "scale": model.scale,
    }
    labels = {
        "task": model.task,
        "labels": [*model.labels],
        "thresholds": None if model.thresholds is None else [*model.thresholds],
    }
    tensors = {
        f"members.{i}.{key}": value.detach().cpu().clone().contiguous()
        for i, member in enumerate(model.members)
        for key, value in member.state_dict().items()
    }
    try:
        save_file(tensors, scratch / _WEIGHTS, metadata={"format": "pt"})
        config["weights_sha256"] = _digest(scratch / _WEIGHTS)
        for name, data in ((_LABELS, labels), (_CONFIG, config)):
            text = json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False)
            (scratch / name).write_text(text + "\n", encoding="utf-8")
        (folder / _CONFIG).unlink(missing_ok=True)  # without it the folder is no model
        for name in (_WEIGHTS, _LABELS, _CONFIG):
            (scratch / name).replace(folder / name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _memory(member: nn.Module) -> dict[str, Any]:
    """What a member learned besides weights, a vocabulary for example; plain JSON data."""
    keep = getattr(member, "memory", None)
    return keep() if keep is not None else {}


def load_model(folder: str | os.PathLike[str]) -> TrainedModel:
    """Read a model that `save_model` wrote.

    Raises:
        CheckpointError: it is no such folder, of another version, or damaged.
    """
    folder = Path(folder)
    config, labels = _json(folder, _CONFIG), _json(folder, _LABELS)
    if config.get("layout") != LAYOUT:
        raise CheckpointError(
            f"{folder}: written in layout {config.get('layout')}, this version reads {LAYOUT}"
        )
    try:
        if config["weights_sha256"] != _digest(folder / _WEIGHTS):
            raise CheckpointError(f"{folder}: {_WEIGHTS} is damaged, or of another model")
        tracks = {str(t): dict(v) for t, v in config["tracks"].items()}
        task: Task = labels["task"]
        names = tuple(str(n) for n in labels["labels"])
        outputs = 1 if task in ("regression", "importance") else len(names)
        given = labels.get("thresholds")
        thresholds = None if given is None else tuple(map(float, given))
        numbers = {name: float(config[name]) for name in ("temperature", "offset", "scale")}
        if task not in ("single", "multi", "regression", "importance"):
            raise CheckpointError(f"{folder}: an unknown task {task!r}")
        if not isinstance(labels["labels"], list) or not outputs:
            raise CheckpointError(f"{folder}: no labels in it")
        if thresholds is not None and len(thresholds) != len(names):
            raise CheckpointError(f"{folder}: {len(thresholds)} thresholds, {len(names)} labels")
        if not all(map(math.isfinite, (*numbers.values(), *(thresholds or ())))):
            raise CheckpointError(f"{folder}: not all numbers in it are finite")
        if numbers["temperature"] <= 0:
            raise CheckpointError(f"{folder}: a temperature of {numbers['temperature']}")
        members = _members(folder, config, tracks, outputs=outputs)
        return TrainedModel(
            name=folder.resolve().name,
            model_type=config["model_type"],
            task=task,
            labels=names,
            tracks=tracks,
            members=members,
            features=dict(config["features"]),
            thresholds=thresholds,
            options=config["options"],
            **numbers,
        )
    except CheckpointError:
        raise
    except (
        ArithmeticError,  # int of a number that is infinite
        AttributeError,
        IndexError,
        KeyError,
        OSError,
        RuntimeError,
        SafetensorError,
        TypeError,
        ValueError,
    ) as err:
        raise CheckpointError(f"{folder}: the model in it is damaged: {err}") from err


def _members(
    folder: Path,
    config: Mapping[str, Any],
    tracks: Mapping[str, Mapping[str, Any]],
    *,
    outputs: int,
) -> list[nn.Module]:
    """Build the members and fill in their weights; all that is in the file has its place."""
    members = []
    with safe_open(folder / _WEIGHTS, "pt") as weights:
        left = set(weights.keys())
        for i in range(int(config["members"])):
            member = build(
                config["model_type"],
                _widths(tracks),
                modalities={t: v["modality"] for t, v in tracks.items()},
                outputs=outputs,
                memory=config["state"][i],
                **config["options"],
            )
            own = f"members.{i}."
            mine = {key for key in left if key.startswith(own)}
            member.load_state_dict({k.removeprefix(own): weights.get_tensor(k) for k in mine})
            members.append(member.eval())
            left -= mine
    if not members or left:
        raise CheckpointError(f"{folder}: {len(members)} members, {len(left)} weights of no member")
    return members


def _json(folder: Path, name: str) -> dict[str, Any]:
    try:
        data = json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise CheckpointError(f"{folder}: no {name} in it, so it is no trained model") from err
    except (OSError, RecursionError, ValueError) as err:
        raise CheckpointError(f"{folder}: cannot read {name}: {err}") from err
    if not isinstance(data, dict):
        raise CheckpointError(f"{folder}: {name} is not a JSON object")
    return data
