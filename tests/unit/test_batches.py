"""When the memory is full, batches get smaller, and no row is another picture's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from triptych.errors import ResourceError
from triptych.extract.batches import Batches, Items, Rows, is_out_of_memory

PATIENCE_S = 60

# The process loads a network that makes 100 MB of each picture, four at a time, and is then given
# 450 MB on top of what it holds, and 3.
_GREEDY = """
import logging, resource, sys
from pathlib import Path
import numpy as np
import torch
from torch import nn
from triptych.errors import TriptychError
from triptych.extract import engine

class Greedy(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.wide, self.narrow = nn.Conv2d(3, 1536, 1), nn.Conv2d(1536, 4, 1)

    def forward(self, rgb):
        wide = torch.sin(self.wide(rgb.permute(0, 3, 1, 2).float()))
        return (self.narrow(wide).mean(dim=(2, 3)),)

name = sys.argv[1]
logging.basicConfig(format="%(message)s", stream=sys.stdout)
engine.engine_name = lambda **_: name
torch.set_num_threads(1)
taken = {"key": "greedy", "shape": (128, 128, 3)}
first, second = engine.load_engine(Greedy, **taken), engine.load_engine(Greedy, **taken)
pictures = np.random.default_rng(0).integers(0, 256, (8, 128, 128, 3), np.uint8)
wanted = np.concatenate([first(pictures[n : n + 1])[0] for n in range(8)])
for run, more_mb in ((first, 450), (second, 3)):
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + more_mb * 1_000_000, resource.RLIM_INFINITY))
    try:
        print("right" if np.allclose(run(pictures)[0], wanted, atol=1e-4) else "wrong")
    except TriptychError as err:
        print(type(err).__name__, err.retryable, err.message)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
@pytest.mark.parametrize(
    "engine", ["torch", pytest.param("openvino", marks=pytest.mark.needs("openvino"))]
)
def test_an_engine_without_memory_goes_on_with_fewer_at_once(engine: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _GREEDY, engine],
        env=os.environ | {"TRIPTYCH_CACHE": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *went_on, gave_up = done.stdout.splitlines()
    assert went_on[0] == "the memory is full: batches of 2 from now on"
    assert "right" in went_on and went_on[-1] == "the memory is full: batches of 1 from now on"
    assert gave_up.startswith("ResourceError True the memory is too small for a network")


class TestBatches:
    """Without a network."""

    def test_every_item_is_given_once_in_order(self) -> None:
        sizes = []

        def run(items: Items) -> Rows:
            sizes.append(len(items))
            return (items * 2.0,)

        items = np.arange(7.0)[:, None]
        (rows,) = Batches(run, size=3, remedy="")(items)
        np.testing.assert_array_equal(rows, items * 2)
        assert sizes == [3, 3, 1]
        assert Batches(run, size=3, remedy="")(items[:0])[0].shape == (0, 1)

    def test_batches_of_one_size_are_filled_up(self) -> None:
        def run(items: Items) -> Rows:
            return (items, np.full((len(items), 1), len(items)))

        rows, sizes = Batches(run, size=4, remedy="", padded=True)(np.arange(5)[:, None])
        assert rows.ravel().tolist() == [0, 1, 2, 3, 4]
        assert sizes.ravel().tolist() == [4] * 5

    def test_what_was_too_large_is_not_tried_again(self) -> None:
        tried, freed = [], []

        def run(items: Items) -> Rows:
            tried.append(len(items))
            if len(items) > 2:
                raise MemoryError
            return (items,)

        batches = Batches(run, size=8, remedy="", free=lambda: freed.append(1))
        for _ in range(2):
            assert batches(np.arange(5)[:, None])[0].ravel().tolist() == [0, 1, 2, 3, 4]
        assert tried == [5, 4, 2, 2, 1, 2, 2, 1] and len(freed) == 2

    def test_other_errors_are_not_taken_for_it(self) -> None:
        def run(items: Items) -> Rows:
            raise RuntimeError("a bug")

        with pytest.raises(RuntimeError, match="a bug"):
            Batches(run, size=8, remedy="")(np.zeros((1, 1)))
        assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
        assert not is_out_of_memory(ValueError("can't allocate memory"))

    def test_too_little_for_one_says_what_to_do(self) -> None:
        def run(items: Items) -> Rows:
            raise MemoryError("no more")

        with pytest.raises(ResourceError, match="too small for a network: no more") as err:
            Batches(run, size=2, remedy="free some")(np.zeros((1, 1)))
        assert err.value.remedy == "free some"
