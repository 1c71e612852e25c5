"""The same seed, an interrupted training, an early end: the same model in the end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from toys import (
    SHORT,
    TWO,
    example,
    learned,
    linear,
    small,
    state_of,
    videos,
)
from triptych_models import train as training
from triptych_models.inference import forward_all
from triptych_models.losses import label_loss
from triptych_models.train import History

pytestmark = pytest.mark.usefixtures("one_thread")

# The same every time


def test_a_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    states = []
    for seed, noise in ((1, 0), (1, 77), (2, 0)):
        model = small(TWO)
        torch.manual_seed(noise)  # what others drew before is no matter
        learned(model, videos(16), videos(6, seed=3), recipe=replace(SHORT, seed=seed, epochs=2))
        states.append(state_of(model))
    assert states[0] == states[1] != states[2]


def test_random_numbers_of_others_are_left_alone() -> None:
    model = linear()
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    learned(model, videos(6), recipe=replace(SHORT, epochs=1))
    assert torch.equal(torch.rand(3), wanted)


def test_the_videos_are_left_as_they_were() -> None:
    some = videos(12)
    before = [{t: v.tobytes() for t, v in e.values.items()} for e in some]
    masks = [{t: m.tobytes() for t, m in e.present.items()} for e in some]
    learned(linear(), some, some, recipe=replace(SHORT, epochs=2))
    assert [{t: v.tobytes() for t, v in e.values.items()} for e in some] == before
    assert [{t: m.tobytes() for t, m in e.present.items()} for e in some] == masks


# Early stopping


def test_the_best_epoch_is_kept_and_training_ends_when_nothing_gets_better() -> None:
    """Labels of noise: what is learned soon does harm."""
    rng = np.random.default_rng(0)
    noise = [example(i, tracks=TWO, target=int(rng.integers(3))) for i in range(36)]
    train, valid = noise[:18], noise[18:]
    model = linear()
    recipe = replace(SHORT, epochs=60, patience=3, learning_rate=0.05)
    history = learned(model, train, valid, recipe=recipe)
    losses = [row["valid_loss"] for row in history.epochs]
    assert history.best_epoch == int(np.argmin(losses)) + 1
    assert len(losses) == history.best_epoch + 3 < 60
    kept = label_loss(
        forward_all(model, valid), torch.tensor([e.target for e in valid]), loss="cross_entropy"
    )
    assert float(kept) == min(losses) == history.best_loss
    again = linear()
    ended = learned(again, train, valid, recipe=replace(recipe, patience=0, epochs=12))
    assert len(ended.epochs) == 12 > ended.best_epoch + 3


# Interruptions


class _Stopped(Exception):
    pass


def without_times(history: History) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history.epochs]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_an_interrupted_training_ends_as_if_it_had_not_been(
    optimizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_SAVE_EVERY_S", 0.0)
    train, valid = videos(16), videos(6, seed=3)
    recipe = replace(SHORT, epochs=6, optimizer=optimizer)
    whole = small(TWO)
    wanted = learned(whole, train, valid, recipe=recipe)
    state, told_of = tmp_path / "state.pt", []
    for stop in (1, 3, 4, 99):

        def on_epoch(row: dict[str, float], stop: int = stop) -> None:
            told_of.append(row["epoch"])
            if row["epoch"] == stop:
                raise _Stopped

        model = small(TWO)
        try:
            found = learned(model, train, valid, recipe=recipe, on_epoch=on_epoch, resume=state)
        except _Stopped:
            assert stop < 99
        assert [p.name for p in tmp_path.iterdir()] == ["state.pt"] * (stop > 1)
    assert told_of == [1, 1, 2, 3, 3, 4, 4, 5, 6]
    assert state_of(model) == state_of(whole)
    assert without_times(found) == without_times(wanted)
    assert (found.best_epoch, found.best_loss) == (wanted.best_epoch, wanted.best_loss)


def test_a_training_that_is_finished_is_not_done_again(tmp_path: Path) -> None:
    train, valid = videos(12), videos(6, seed=3)
    first, again = linear(), linear()
    for model in (first, again):
        rows: list[Any] = []
        history = learned(
            model, train, valid, recipe=replace(SHORT, epochs=3), on_epoch=rows.append,
            resume=tmp_path / "state.pt",
        )  # fmt: skip
        assert len(rows) == (3 if model is first else 0)
        assert len(history.epochs) == 3
    assert state_of(first) == state_of(again)


@pytest.mark.parametrize("left", [0, 10, 0.5, "junk"])
def test_a_damaged_state_is_no_state(
    left: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state, train = tmp_path / "state.pt", videos(12)
    recipe = replace(SHORT, epochs=2)
    first, again = linear(), linear()
    learned(first, train, recipe=recipe, resume=state)
    whole = state.read_bytes()
    state.write_bytes(
        b"no state" * 50
        if left == "junk"
        else whole[: int(left * len(whole)) if isinstance(left, float) else left]
    )
    learned(again, train, recipe=recipe, resume=state)
    assert state_of(first) == state_of(again)
    assert "is damaged, so training starts again" in caplog.text
    assert len(state.read_bytes()) == len(whole)


def test_a_state_that_runs_code_is_not_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "state.pt"
    torch.save({"model": _Trap(tmp_path / "sprung")}, state)
    learned(linear(), videos(6), recipe=replace(SHORT, epochs=1), resume=state)
    assert not (tmp_path / "sprung").exists()
    assert "is damaged" in caplog.text


class _Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)
