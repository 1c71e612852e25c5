"""The model process answers as an engine of one's own does, whoever else asks and whatever dies."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

import synth
from command import until
from networks import (
    BREAK,
    DIE,
    EXHAUST,
    EXHAUST_ALL,
    FITS,
    HANG,
    LINGER,
    SIZE,
    Doubling,
    Listening,
    Telling,
    Watching,
    marked,
    pictures,
    unavailable,
)
from triptych import children
from triptych.children import ModelProcess, model_process
from triptych.errors import ResourceError, UsageError, WeightsError
from triptych.extract import engine
from triptych.extract.engine import engine_name, load_engine, send_to
from triptych.extract.serving import Place, RemoteEngine

BATCH = 16  # on a CPU


@pytest.fixture(scope="module")
def shared() -> Iterator[ModelProcess]:
    """One process for all tests that leave it as it was."""
    with model_process("cpu-shared") as models:
        assert models is not None
        yield models


@pytest.fixture
def models() -> Iterator[ModelProcess]:
    """A process of the test's own, to break."""
    with model_process("cpu-shared") as models:
        assert models is not None
        yield models


def caller(
    models: ModelProcess, build: Callable[[], nn.Module] = Telling, key: str = "telling"
) -> RemoteEngine:
    return RemoteEngine(build, key=key, shape=(SIZE, SIZE, 3), place=Place(**models.place))


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(len(calls)) as threads:
        return [f.result() for f in [threads.submit(call) for call in calls]]


class TestRows:
    """What comes back."""

    def test_each_picture_has_its_row_in_order_however_many_they_are(
        self, shared: ModelProcess
    ) -> None:
        run = caller(shared)
        for count in (1, BATCH, BATCH + 1, 3 * BATCH - 1):
            levels = range(1, count + 1)
            means, together = run(pictures(*levels))
            assert means.tolist() == [[level] for level in levels]
            assert means.dtype == together.dtype == np.float32
            assert together.max() <= BATCH

    def test_no_pictures_have_no_rows(self, shared: ModelProcess) -> None:
        means, together = caller(shared)(pictures())
        assert means.shape == together.shape == (0, 1)

    @pytest.mark.needs("embedded")
    def test_they_are_those_of_torch_in_this_process(
        self, shared: ModelProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from triptych.extract.image import _network

        shown = np.stack([synth.textured(n, (224, 224)) for n in range(20)])
        place = Place(**shared.place)
        there = RemoteEngine(_network, key="lite0", shape=(224, 224, 3), place=place)
        monkeypatch.setattr(engine, "engine_name", lambda **_: "torch")
        here = load_engine(_network, key="unused", shape=(224, 224, 3))
        for got, wanted in zip(there(shown), here(shown), strict=True):
            assert got.shape == wanted.shape
            np.testing.assert_allclose(got, wanted, atol=1e-4)

    @pytest.mark.needs("embedded")
    def test_they_do_not_depend_on_what_else_is_in_the_batch(self, shared: ModelProcess) -> None:
        from triptych.extract.image import _network

        shown = np.stack([synth.textured(n, (224, 224)) for n in range(7)])
        place = Place(**shared.place)
        run = RemoteEngine(_network, key="lite0", shape=(224, 224, 3), place=place)
        together = run(shown)
        for first, last in ((0, 1), (3, 7), (6, 7)):
            for got, wanted in zip(run(shown[first:last]), together, strict=True):
                assert got.tobytes() == wanted[first:last].tobytes()

    def test_clips_have_the_rows_of_this_process(
        self, shared: ModelProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clips = np.random.default_rng(0).standard_normal((3, 3, 4, 8, 8)).astype(np.float32)
        taken: dict[str, Any] = {"key": "watching", "shape": clips.shape[1:], "dtype": np.float32}
        there = RemoteEngine(Watching, place=Place(**shared.place), **taken)
        monkeypatch.setattr(engine, "engine_name", lambda **_: "torch")
        here = load_engine(Watching, **taken)
        np.testing.assert_allclose(there(clips)[0], here(clips)[0], atol=1e-6)

    def test_windows_of_sound_may_differ_in_length(self, shared: ModelProcess) -> None:
        place = Place(**shared.place)
        runs = [
            RemoteEngine(Listening, key="listening", shape=(-1,), dtype=np.float32, place=place)
            for _ in range(3)
        ]
        windows = [np.linspace(-1, n, 50 + n // 2, dtype=np.float32)[None] for n in (1, 2, 3)]
        found = at_once(*(functools.partial(*each) for each in zip(runs, windows, strict=True)))
        for (loudest, told), window in zip(found, windows, strict=True):
            assert loudest.tolist() == [[window.max()]]
            assert told.tolist() == [[1, window.shape[1]]]


class TestCallers:
    """Several at once."""

    def test_those_that_wait_share_the_next_batch(self, shared: ModelProcess) -> None:
        first, second, third = (caller(shared) for _ in range(3))

        def later(run: RemoteEngine, *levels: int) -> Any:
            time.sleep(0.7)  # while the first one's batch is going
            return run(pictures(*levels))

        alone, (some, some_with), (others, others_with) = at_once(
            lambda: first(pictures(LINGER)),
            lambda: later(second, 1, 2, 3),
            lambda: later(third, 9, 8),
        )
        assert alone[1].tolist() == [[1]]
        assert some.tolist() == [[1], [2], [3]] and others.tolist() == [[9], [8]]
        assert set(some_with.flatten()) == set(others_with.flatten()) == {5}

    def test_a_crowd_is_answered_in_batches_that_do_not_grow(self, shared: ModelProcess) -> None:
        """Nine callers with nearly a batch each: no more than one batch is on the device."""

        def often(seed: int) -> list[Any]:
            run = caller(shared)
            levels = [1 + (seed * 15 + n) % 200 for n in range(15)]
            rows = [run(pictures(*levels)) for _ in range(5)]
            assert all(means.flatten().tolist() == levels for means, _ in rows)
            return [together.max() for _, together in rows]

        most = max(max(each) for each in at_once(*(functools.partial(often, n) for n in range(9))))
        assert 15 <= most <= BATCH

    def test_networks_do_not_mix(self, shared: ModelProcess) -> None:
        other = caller(shared, Doubling, "doubling")
        lingering, telling = caller(shared), caller(shared)

        def later(run: RemoteEngine, level: int) -> Any:
            time.sleep(0.7)
            return run(pictures(level))

        _, told, doubled = at_once(
            lambda: lingering(pictures(LINGER)), lambda: later(telling, 5), lambda: later(other, 7)
        )
        assert [rows.tolist() for rows in told] == [[[5]], [[1]]]
        assert [rows.tolist() for rows in doubled] == [[[14]], [[7]]]

    def test_a_network_is_loaded_once_for_all(self, shared: ModelProcess, tmp_path: Path) -> None:
        build = functools.partial(marked, tmp_path)
        at_once(*(functools.partial(caller, shared, build, "marked") for _ in range(4)))
        assert len(list(tmp_path.iterdir())) == 1

    def test_one_that_goes_without_its_answer_costs_the_others_nothing(
        self, shared: ModelProcess
    ) -> None:
        line = Client(shared.place["address"], authkey=shared.place["authkey"])
        line.send(("telling", Telling, pictures(LINGER)))
        line.close()
        assert caller(shared)(pictures(3))[0].tolist() == [[3]]

    def test_one_that_stops_halfway_costs_the_others_nothing(self, shared: ModelProcess) -> None:
        with Client(shared.place["address"], authkey=shared.place["authkey"]):
            assert caller(shared)(pictures(3))[0].tolist() == [[3]]

    def test_who_does_not_know_the_key_is_not_heard(self, shared: ModelProcess) -> None:
        with pytest.raises(AuthenticationError):
            Client(shared.place["address"], authkey=b"guessed")
        assert caller(shared)(pictures(3))[0].tolist() == [[3]]


class TestTrouble:
    """What may go wrong in the process, and what becomes of it."""

    def test_weights_that_are_missing_are_the_caller_s_error_alone(
        self, shared: ModelProcess
    ) -> None:
        with pytest.raises(WeightsError, match="no weights") as missing:
            caller(shared, unavailable, "unavailable")
        assert missing.value.remedy == "install them"
        assert caller(shared)(pictures(3))[0].tolist() == [[3]]

    def test_a_full_memory_makes_batches_smaller(self, models: ModelProcess) -> None:
        run = caller(models)
        means, together = run(pictures(EXHAUST, *range(1, 10)))
        assert means.flatten().tolist() == [EXHAUST, *range(1, 10)]
        assert together.max() <= FITS
        assert run(pictures(*range(1, 10)))[1].max() <= FITS  # what was full stays full

    def test_a_memory_too_small_for_one_picture_is_said(self, models: ModelProcess) -> None:
        run = caller(models)
        with pytest.raises(ResourceError, match="too small for a network: no more") as err:
            run(pictures(EXHAUST_ALL))
        assert "runner.device=cpu" in err.value.remedy
        assert run(pictures(3))[0].tolist() == [[3]]

    def test_a_death_is_said_and_another_process_takes_over(
        self, models: ModelProcess, caplog: pytest.LogCaptureFixture
    ) -> None:
        run, bystander = caller(models), caller(models)
        with pytest.raises(ResourceError, match="the model process died") as err:
            run(pictures(DIE))
        assert err.value.remedy and err.value.retryable
        until(lambda: not models._process.is_alive())
        models.keep()
        assert "the model process is replaced" in caplog.text
        assert run(pictures(3))[0].tolist() == [[3]]
        # Who had nothing on its way has lost nothing.
        assert bystander(pictures(4))[0].tolist() == [[4]]

    def test_what_was_not_foreseen_is_said_and_another_process_takes_over(
        self, models: ModelProcess
    ) -> None:
        run = caller(models)
        with pytest.raises(ResourceError, match="the model process failed: ValueError: a bug"):
            run(pictures(BREAK))
        until(lambda: not models._process.is_alive())
        models.keep()
        assert caller(models)(pictures(3))[0].tolist() == [[3]]

    def test_one_that_hangs_is_replaced(
        self, models: ModelProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = caller(models)

        def ask() -> None:
            with pytest.raises(ResourceError, match="the model process died"):
                run(pictures(HANG))

        asked = threading.Thread(target=ask)
        asked.start()
        models.keep()
        assert asked.is_alive()  # it has time
        monkeypatch.setattr(children, "_SILENCE_S", 3.0)
        first = models._process.pid
        until(lambda: models.keep() or models._process.pid != first)
        asked.join(10)
        assert not asked.is_alive()
        monkeypatch.undo()
        assert caller(models)(pictures(3))[0].tolist() == [[3]]

    def test_losing_it_again_and_again_is_an_error(self, models: ModelProcess) -> None:
        for _ in range(3):
            models._process.kill()
            models._process.join()
            models.keep()
        models.worked()  # a video went well
        for _ in range(3):
            models._process.kill()
            models._process.join()
            models.keep()
        models._process.kill()
        models._process.join()
        with pytest.raises(ResourceError, match="lost again and again: the model process died"):
            models.keep()

    def test_a_gpu_that_is_not_there_is_an_error_of_use(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        with model_process("cuda") as models:
            assert models is not None
            with pytest.raises(UsageError, match=r"runner\.device is cuda"):
                until(models.keep)


def test_where_each_worker_runs_its_own_networks_there_is_no_process() -> None:
    with model_process("cpu") as models:
        assert models is None


def test_the_engine_says_where_networks_run(shared: ModelProcess) -> None:
    local = engine_name()
    try:
        send_to(Place(**shared.place))
        assert engine_name() == "torch-cpu-shared"
        run = load_engine(Telling, key="telling", shape=(SIZE, SIZE, 3))
        assert run(pictures(3))[0].tolist() == [[3]]
        send_to(Place(address="", authkey=b"", device="cuda"))
        assert engine_name() == "torch-cuda-bfloat16"
    finally:
        send_to(None)
    assert engine_name() == local in ("openvino", "torch")
