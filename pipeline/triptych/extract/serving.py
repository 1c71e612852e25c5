"""One process that runs the networks of all workers, the pictures of many videos in one batch.

A worker decodes; its engine sends items (pictures, clips, windows of sound) to the model process
and waits for the rows. While the device works on one batch, the requests for the next one gather.
A worker has one request on its way at most (16 pictures), so a fast decoder waits for the device
instead of filling the memory.

Every batch of a network has the same shape, padded with zeros: then the rows of an item do not
depend on who else happened to be waiting. Where the device is a CPU, all of this is the same but pinned memory
and bfloat16.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from triptych.config import Device
from triptych.errors import ResourceError, TriptychError, UsageError
from triptych.extract.batches import Batches, Items, Rows
from triptych.extract.torch_networks import lay_out

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["Place", "RemoteEngine", "check_device", "serve"]

log = logging.getLogger(__name__)

_Build: TypeAlias = Callable[[], "nn.Module"]

# Items of a batch: pictures, which workers send 16 at a time, and anything else, which they send
# one by one. A GPU's are guesses, not yet measured.
_PICTURES = {"cuda": 64, "cpu-shared": 16}
_OTHERS = {"cuda": 8, "cpu-shared": 1}
_REMEDY = "end what else uses the GPU, or run with --set runner.device=cpu"
_ROUND_S = 1.0  # between two signs of life
_START_S = 120.0  # importing torch takes seconds, minutes on a busy disk
_CALLERS = 128  # that may be waiting to be let in
_TELLING_S = 5.0


class Beat(Protocol):
    """A number in memory that parent and model process share."""

    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the model process is to be found, and what it runs networks on."""

    address: str  #: of a socket; the process at it may be replaced by another
    authkey: bytes = field(repr=False)
    device: Device

    @property
    def engine(self) -> str:
        """Names the rows that are made there: they are not those of another device."""
        return {"cuda": "torch-cuda-bfloat16"}.get(self.device, f"torch-{self.device}")


class RemoteEngine:
    """An engine whose network runs in the model process."""

    def __init__(
        self,
        build: _Build,
        *,
        key: str,
        shape: tuple[int, ...],
        dtype: Any = np.uint8,
        place: Place,
    ) -> None:
        """Have the network loaded there.

        Args:
            build: a function of a module; the model process calls it once.
            key: identity of network and weights; requests with one key share batches.
            shape: of an item; a length that differs between items is -1.
            dtype: of its numbers.
            place: where the process is.
        """
        self._build, self._key, self._place = build, key, place
        self._line: Connection | None = None
        if -1 not in shape:
            self(np.zeros((0, *shape), dtype))

    def __call__(self, items: Items) -> Rows:
        """Rows of items (B, *shape).

        Raises:
            ResourceError: the process died, is not to be found or cannot run the network.
            WeightsError: the weights of the network are not installed.
        """
        line, self._line = self._line, None
        if line is None or _is_cut(line):
            line = _connected(self._place)
        try:
            line.send((self._key, self._build, items))
            answer: Rows | TriptychError = line.recv()
        except (EOFError, OSError) as err:
            line.close()
            raise ResourceError(
                "the model process died",
                remedy="SIGKILL often means that memory ran out: free some, or run again with "
                "--set runner.device=cpu",
            ) from err
        self._line = line
        if isinstance(answer, TriptychError):
            raise answer
        return answer


def _is_cut(line: Connection) -> bool:
    """Whether the process at its end died since the last answer: between requests nothing comes."""
    try:
        return line.poll()
    except (EOFError, OSError):
        return True


def _connected(place: Place) -> Connection:
    """A line to the process, which may have only just been started."""
    deadline = time.monotonic() + _START_S
    while True:
        try:
            return Client(place.address, authkey=place.authkey)
        except (EOFError, OSError) as err:
            if time.monotonic() > deadline:
                raise ResourceError(
                    f"no model process within {_START_S:g} s",
                    remedy="run again, or with --set runner.device=cpu",
                ) from err
        time.sleep(0.05)


@dataclass(slots=True, kw_only=True, eq=False)
class _Request:
    """Items of one worker, on their way through a network."""

    key: str
    build: _Build
    items: Items
    answer: Future[Rows | TriptychError] = field(default_factory=Future)
    told: threading.Event = field(default_factory=threading.Event)


def check_device(device: Device) -> None:
    """Refuse a device that torch cannot use here; this imports torch.

    Raises:
        UsageError: it is not there.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "runner.device is cuda, but torch finds no GPU that it can use",
            remedy="look at the driver (nvidia-smi), or leave this setting out",
        )


def serve(place: Place, *, beat: Beat) -> None:
    """Run networks for all who call at `place`, until something happens that was not foreseen.

    Args:
        place: where to listen, on which device to run.
        beat: is set to the time (`time.monotonic`) about once a second.

    Raises:
        UsageError: the device is not there.
    """
    networks = _Networks(place.device)
    waiting: Queue[_Request] = Queue()  # a request a caller, see `_attend`
    with Listener(place.address, authkey=place.authkey, backlog=_CALLERS) as listener:
        threading.Thread(target=_let_in, args=(listener, waiting), daemon=True).start()
        while True:
            beat.value = time.monotonic()
            for requests in _taken(waiting):
                networks.answer(requests)


def _let_in(listener: Listener, waiting: Queue[_Request]) -> None:
    while True:
        try:
            line = listener.accept()
        except (AuthenticationError, EOFError, OSError):  # it died at the door
            time.sleep(0.05)
            continue
        threading.Thread(target=_attend, args=(line, waiting), daemon=True).start()


def _attend(line: Connection, waiting: Queue[_Request]) -> None:
    """Take one caller's requests, the next when the last is answered, until it is gone.

    In a thread of its own: a caller that was stopped halfway keeps no other waiting.
    """
    with contextlib.suppress(EOFError, OSError), line:
        while True:
            key, build, items = line.recv()
            request = _Request(key=key, build=build, items=items)
            waiting.put(request)
            answer = request.answer.result()
            try:
                line.send(answer)
            finally:
                request.told.set()


def _taken(waiting: Queue[_Request]) -> Iterator[list[_Request]]:
    """All that waits, by what can share a batch; nothing where nobody calls for a while."""
    together: dict[tuple[Any, ...], list[_Request]] = {}
    with contextlib.suppress(Empty):
        request = waiting.get(timeout=_ROUND_S)
        while True:
            together.setdefault((request.key, request.items.shape[1:]), []).append(request)
            request = waiting.get_nowait()
    yield from together.values()


class _Networks:
    """The networks of this process, each loaded when it is first asked for."""

    def __init__(self, device: Device) -> None:
        import torch

        check_device(device)
        self._device = torch.device("cuda" if device == "cuda" else "cpu")
        self._sizes = _PICTURES[device], _OTHERS[device]
        self._networks: dict[str, nn.Module] = {}
        self._batches: dict[tuple[Any, ...], Batches] = {}

    def answer(self, requests: Sequence[_Request]) -> None:
        """Run one network for some callers together; each gets its rows, or what went wrong.

        Raises:
            ResourceError: something unforeseen. After an error on a GPU nothing may work there
                until another process begins.
        """
        broken: TriptychError | None = None
        answers: list[Rows | TriptychError]
        try:
            items = np.concatenate([r.items for r in requests])
            rows = self._engine(requests[0])(items)
            ends = np.cumsum([len(r.items) for r in requests])[:-1]
            answers = list(zip(*(np.split(each, ends) for each in rows), strict=True))
        except TriptychError as err:
            answers = [err] * len(requests)
        except Exception as err:  # noqa: BLE001 - the callers are told, then the process ends
            broken = ResourceError(
                f"the model process failed: {type(err).__name__}: {err}",
                remedy="run again with --set runner.device=cpu; if that goes well, please report "
                "this",
            )
            answers = [broken] * len(requests)
        for request, answer in zip(requests, answers, strict=True):
            request.answer.set_result(answer)
        if broken:
            for request in requests:
                request.told.wait(_TELLING_S)
            raise broken

    def _network(self, request: _Request) -> nn.Module:

        if request.key not in self._networks:
            network = request.build().eval().to(self._device)
            lay_out(network)
            self._networks[request.key] = network
            log.info("%s runs on %s for all workers", request.key, self._device)
        return self._networks[request.key]

    def _engine(self, request: _Request) -> Batches:
        """A network for items of one shape, as many of them as fit into the device's memory."""
        network, items = self._network(request), request.items
        known = (request.key, items.shape[1:])
        if known not in self._batches:
            size = self._sizes[items.dtype != np.uint8]
            run = functools.partial(_forward, network, self._device)
            self._batches[known] = Batches(
                run, size=size, padded=True, remedy=_REMEDY, free=self._free
            )
        return self._batches[known]

    def _free(self) -> None:
        import torch

        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def _forward(network: nn.Module, device: torch.device, items: Items) -> Rows:
    import torch

    on_gpu = device.type == "cuda"
    put = torch.from_numpy(items)
    if on_gpu:
        put = put.pin_memory()
    half = torch.autocast(device.type, torch.bfloat16, enabled=on_gpu)
    with torch.inference_mode(), half:
        outputs: Any = network(put.to(device, non_blocking=True))
    return tuple(out.float().cpu().numpy() for out in outputs)
