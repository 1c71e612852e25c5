"""Training: seeded, resumable, the same on a CPU every time.

Training videos lose modalities, lose steps, and get steps of other videos in their place, so
that what is missing or wrong at the time of use is an ordinary input.
"""

from __future__ import annotations

import logging
import math
import pickle
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from triptych_models.batches import Batch, Example, Task, collate, shorten
from triptych_models.fusion import Fusion
from triptych_models.heads import Output
from triptych_models.inference import outputs, parts_all
from triptych_models.losses import (
    FITTING,
    Loss,
    default_loss,
    importance_loss,
    label_loss,
    total_loss,
)
from triptych_models.summary_metrics import spearman_rho
from triptych_models.targets import label_weights, steps_of, targets_of

__all__ = ["History", "Recipe", "fit"]

log = logging.getLogger(__name__)

_SAVE_EVERY_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a model is trained. docs/decisions.md says where the figures come from."""

    epochs: int = 8
    patience: int = 6  #: epochs without a better validation loss before it ends; 0: never
    batch: int = 64
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    loss: Loss | Literal["auto"] = "auto"
    auxiliary: float = 0.5  #: weight of the losses of each modality by itself
    modality_dropout: float = 0.2  #: chance that a modality of a video is hidden
    step_dropout: float = 0.1  #: chance that a step of a track is hidden
    swap_noise: float = 0.1  #: chance that a step of a track is that of another video
    balance: float = 0.5  #: 0: labels weigh as often as they occur; 1: all the same
    mixed_precision: bool = False  #: bfloat16 where it is safe
    seed: int = 0


@dataclass(slots=True)
class History:
    """What happened, epoch by epoch, and the best state."""

    epochs: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_loss: float = math.inf
    #: modality -> (epoch, loss) where its evidence alone was best; only without exchange
    best_of: dict[str, tuple[int, float]] = field(default_factory=dict)

    @property
    def last_gain(self) -> int:
        """The last epoch at which anything got better."""
        return max([self.best_epoch, *(epoch for epoch, _ in self.best_of.values())])


def fit(
    model: nn.Module,
    train: Sequence[Example],
    valid: Sequence[Example] = (),
    *,
    task: Task,
    modalities: Mapping[str, str],
    recipe: Recipe,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
    resume: Path | None = None,
) -> History:
    """Train a model in place; it ends with the weights of its best epoch.

    Where modalities stand alone, each has those of the epoch at which it alone was best.

    Args:
        model: of `fusion` or `baselines`; `prepare` is called with the training videos.
        train: videos with targets, of their own or of their steps.
        valid: videos for early stopping; without any, all epochs are run and the last kept.
        task: what the targets are.
        modalities: track -> modality of the tracks that it reads.
        recipe: how.
        on_epoch: is told of each epoch.
        resume: file that keeps the state; if it is there, training goes on from it.

    Raises:
        ValueError: no training videos, one without a target, a loss that does not fit the task,
            or a model that says nothing of what is to be learned.
    """
    if not train:
        raise ValueError("no videos to train on")
    if recipe.loss not in ("auto", *FITTING[task]):
        raise ValueError(f"the loss {recipe.loss} is not for the task {task}")
    for example in (*train, *valid):
        if task == "importance":
            if example.importance is None or bool(np.isnan(example.importance).all()):
                raise ValueError(f"{example.name}: nobody judged it")
            continue
        by_step = example.step_target is not None and bool((example.step_target >= 0).any())
        if example.target is None and not by_step:
            raise ValueError(f"{example.name}: no target to learn")
        if by_step and task != "single":
            raise ValueError(f"{example.name}: steps have one label each, the task is {task}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return _Trainer(model, train, valid, task, modalities, recipe).run(on_epoch, resume)


class _Trainer:
    def __init__(
        self,
        model: nn.Module,
        train: Sequence[Example],
        valid: Sequence[Example],
        task: Task,
        modalities: Mapping[str, str],
        recipe: Recipe,
    ) -> None:
        self.model, self.task, self.modalities, self.recipe = model, task, modalities, recipe
        self.train, self.valid = [[shorten(e) for e in part] for part in (train, valid)]
        self.loss: Loss = default_loss(task) if recipe.loss == "auto" else recipe.loss
        self.history, self.epoch = History(), 0
        self.random = np.random.default_rng(recipe.seed)
        model.prepare(self.train)  # type: ignore[operator]
        self.device = next(model.parameters()).device
        self.weights = label_weights(self.train, task, self.loss, recipe.balance)
        decayed = [p for p in model.parameters() if p.ndim > 1]
        plain = [p for p in model.parameters() if p.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": recipe.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]
        self.optimizer: torch.optim.Optimizer = (
            torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
            if recipe.optimizer == "adamw"
            else torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=0.9, nesterov=True)
        )
        updates = recipe.epochs * math.ceil(len(self.train) / recipe.batch) + 1
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            recipe.learning_rate,
            total_steps=updates,
            # A warm-up of a single update has no length, and torch divides by it.
            pct_start=0.2 if updates != 5 else 0.25,
            cycle_momentum=False,
        )
        self.best = _copied(model)
        #: modality -> names of its own weights; empty for models whose evidence mixes
        self.own: dict[str, frozenset[str]] = {}
        # Importance has no evidence of single modalities to be kept by.
        if isinstance(model, Fusion) and task != "importance":
            self.own = {m: own for m in model.norm if (own := model.weights_of(m))}
        # Terms of a sum of numbers must agree on its size; labels are only made likelier. And
        # the labels of steps are learned by all modalities together, see `total_loss`.
        by_step = any(e.step_target is not None for e in self.train)
        self.apart = len(self.own) > 1 and self.loss != "mse" and not by_step

    def run(
        self, on_epoch: Callable[[dict[str, float]], None] | None, resume: Path | None
    ) -> History:
        if resume is not None and resume.exists():
            self._restore(resume)
        saved = time.monotonic()
        while self.epoch < self.recipe.epochs and not self._stale():
            row = self._one_epoch()
            self.history.epochs.append(row)
            if on_epoch is not None:
                on_epoch(row)
            if resume is not None and time.monotonic() - saved > _SAVE_EVERY_S:
                self._save(resume)
                saved = time.monotonic()
        if resume is not None:
            self._save(resume)
        self.model.load_state_dict(self.best)
        self.model.eval()
        return self.history

    def _stale(self) -> bool:
        waited = self.epoch - self.history.last_gain
        return bool(self.valid) and 0 < self.recipe.patience <= waited

    def _one_epoch(self) -> dict[str, float]:
        began = time.monotonic()
        self.model.train()
        order, losses = self.random.permutation(len(self.train)), []
        for start in range(0, len(order), self.recipe.batch):
            chosen = [self.train[i] for i in order[start : start + self.recipe.batch]]
            batch = self._roughened(collate(chosen, self.model.tracks))  # type: ignore[arg-type]
            loss = self._loss(batch.to(self.device), chosen)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.schedule.step()
            losses.append(float(loss.detach()))
        self.epoch += 1
        row = {"epoch": self.epoch, "train_loss": float(np.mean(losses))}
        alone: dict[str, float] = {}
        if self.valid:
            figures, alone = self._validate()
            row |= figures
        better = row.get("valid_loss", -self.epoch) < self.history.best_loss
        if better or not self.valid:
            self.history.best_epoch = self.epoch
            self.history.best_loss = row.get("valid_loss", math.inf)
            self._keep(set(self.best).difference(*(self.own[m] for m in alone)))
        # One that learns by heart in an epoch must not end the learning of the others.
        for modality, own_loss in alone.items():
            if own_loss < self.history.best_of.get(modality, (0, math.inf))[1]:
                self.history.best_of[modality] = (self.epoch, own_loss)
                self._keep(self.own[modality])
        return row | {"seconds": time.monotonic() - began}

    def _keep(self, names: Iterable[str]) -> None:
        """Keep these weights as they are now."""
        state = self.model.state_dict()
        self.best |= {name: state[name].detach().clone() for name in names}

    def _loss(self, batch: Batch, examples: Sequence[Example]) -> Tensor:
        target = None if self.task == "importance" else targets_of(examples, self.task)
        with torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.recipe.mixed_precision
        ):
            output: Output = self.model(batch)
        output = _in_float32(output)
        judged = steps_of(examples, batch, "importance", math.nan)
        if self.task == "importance":
            return importance_loss(output, judged, loss=self.loss)
        return total_loss(
            output,
            batch,
            None if target is None else target.to(self.device),
            loss=self.loss,
            modalities=self.modalities,
            auxiliary=self.recipe.auxiliary,
            apart=self.apart,
            weights=None if self.weights is None else self.weights.to(self.device),
            step_target=steps_of(examples, batch, "step_target", -1),
            importance=judged,
        )

    def _roughened(self, batch: Batch) -> Batch:
        """Hide modalities and steps, and put in steps of other videos; never all of a video."""
        recipe, random = self.recipe, self.random
        groups = sorted(set(self.modalities.values()))
        # Those that learn apart need not learn that another may be missing.
        chance = 0.0 if self.apart else recipe.modality_dropout
        hidden = random.random((len(groups), len(batch))) < chance
        left = torch.zeros(len(batch), dtype=torch.bool)
        kept = {}
        for track, mask in batch.present.items():
            drop = hidden[groups.index(self.modalities[track])][:, None]
            drop = drop | (random.random(mask.shape) < recipe.step_dropout)
            kept[track] = mask & ~torch.from_numpy(drop)
            left |= kept[track].any(1)
        for track, mask in batch.present.items():
            batch.present[track] = torch.where(left[:, None], kept[track], mask)
            batch.values[track] = self._swapped(batch.values[track], batch.present[track])
        return batch

    def _swapped(self, values: Tensor, present: Tensor) -> Tensor:
        if not self.recipe.swap_noise or not present.any():
            return values
        places = present.nonzero()
        strange = torch.from_numpy(self.random.random(len(places)) < self.recipe.swap_noise)
        other = torch.from_numpy(self.random.integers(0, len(places), len(places)))[strange]
        (video, step), (from_video, from_step) = places[strange].T, places[other].T
        values[video, step] = values[from_video, from_step]
        return values

    def _validate(self) -> tuple[dict[str, float], dict[str, float]]:
        """Figures, and the loss of each modality's evidence alone where it can stand alone."""
        if self.task == "importance":
            return self._validate_importance(), {}
        logits, parts, target = self._answered()
        loss = float(label_loss(logits, target, loss=self.loss))
        score = -loss
        if self.task == "single":
            score = float((logits.argmax(1) == target).float().mean())
        elif self.task == "multi":
            score = float(((logits > 0) == (target > 0.5)).float().mean())
        bias = logits - sum(parts.values())
        alone = {
            modality: float(label_loss(bias + part, target, loss=self.loss))
            for modality, part in parts.items()
            if modality in self.own and len(parts) > 1
        }
        return {"valid_loss": loss, "valid_score": score}, alone

    def _validate_importance(self) -> dict[str, float]:
        """The loss of steps, and how well the steps of a video are ranked, in the mean."""
        losses, ranks = [], []
        for chosen, batch, output in outputs(self.model, self.valid):
            judged = steps_of([self.valid[i] for i in chosen], batch, "importance", math.nan)
            assert judged is not None and output.importance is not None
            loss = importance_loss(_in_float32(output), judged, loss=self.loss)
            losses.append((float(loss), int((~judged.isnan()).sum())))
            for said, wanted in zip(output.importance.cpu(), judged.cpu(), strict=True):
                known = ~wanted.isnan()
                ranks.append(spearman_rho(said[known].numpy(), wanted[known].numpy()))
        total = sum(count for _, count in losses)
        known_ranks = [rank for rank in ranks if not math.isnan(rank)]
        return {
            "valid_loss": sum(loss * count for loss, count in losses) / total,
            "valid_score": float(np.mean(known_ranks)) if known_ranks else 0.0,
        }

    def _answered(self) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Logits of the validation videos, or of their steps where those are judged, and truth.

        Of videos also what each modality gave to them.
        """
        if any(e.step_target is not None for e in self.valid):
            rows, truth = [], []
            for chosen, batch, output in outputs(self.model, self.valid):
                known = steps_of([self.valid[i] for i in chosen], batch, "step_target", -1)
                if known is not None and output.steps is not None and (known >= 0).any():
                    rows.append(output.steps[known >= 0].float().cpu())
                    truth.append(known[known >= 0].cpu())
            if rows:
                return torch.cat(rows), {}, torch.cat(truth)
        target = targets_of(self.valid, self.task)
        if target is None:
            raise ValueError("labels are of steps, and this type of model says nothing of steps")
        return *parts_all(self.model, self.valid), target

    def _save(self, path: Path) -> None:
        state = {
            "model": self.model.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "torch": torch.get_rng_state(),
            "numpy": self.random.bit_generator.state,
            "epoch": self.epoch,
            "history": [
                self.history.epochs,
                self.history.best_epoch,
                self.history.best_loss,
                self.history.best_of,
            ],
        }
        part = path.with_name(f".part-{path.name}")
        torch.save(state, part)
        part.replace(path)

    def _restore(self, path: Path) -> None:
        try:
            state: dict[str, Any] = torch.load(path, weights_only=True)
        except (EOFError, OSError, RuntimeError, ValueError, pickle.UnpicklingError) as err:
            log.warning("%s is damaged, so training starts again: %s", path, err)
            return
        self.model.load_state_dict(state["model"])
        self.best, self.epoch = state["best"], state["epoch"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["torch"])
        self.random.bit_generator.state = state["numpy"]
        self.history = History(*state["history"])


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in model.state_dict().items()}


def _in_float32(output: Output) -> Output:
    output.logits = output.logits.float()
    output.parts = {m: v.float() for m, v in output.parts.items()}
    output.steps = None if output.steps is None else output.steps.float()
    output.importance = None if output.importance is None else output.importance.float()
    return output
