"""What the image network costs a picture, and whether its answers are those of plain torch.

    OMP_NUM_THREADS=1 python bench/extract.py pictures

Frames are real: one a second of the films in `long_video` and `fight_surv`. *Plain torch* is the
network as loaded, in float32, on the whole batch; *ours* is what `run` uses on this machine; the
*floor* is OpenVINO's bare inference in float32 on the whole batch, *floor, bfloat16* the same in
the precision that changes answers. Candidates take turns in every round; milliseconds are CPU
time of one thread.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from measure import spread

from triptych.decode import open_media
from triptych.extract.engine import engine_name
from triptych.extract.image import _network, centre_crop, load_lite0
from triptych.extract.torch_networks import torch_engine
from triptych.records import Frames

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
BATCHES = (1, 8, 16, 32)
CHUNK = 16  # pictures that the decoder gives at once

Pixels = npt.NDArray[np.uint8]
Rows = tuple[npt.NDArray[np.float32], ...]
Engine = Callable[[Pixels], Rows]


def add_parser(commands: Any) -> None:
    """The sub-command `pictures`."""
    parser = commands.add_parser("pictures", help=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shared", type=Path, default=DATA, help="folder of the data sets")
    parser.add_argument("--every", type=int, default=6, help="which clips of fight_surv")
    parser.add_argument("--rounds", type=int, default=15)
    parser.set_defaults(run=pictures)


def pictures(asked: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds a picture, and how alike the answers are."""
    frames = real_frames(asked.shared, every=asked.every)
    engines = candidates()
    return {
        "engine": engine_name(mixed=True),
        "frames": len(frames),
        "alike": alike(engines, frames),
        "ms a picture": {
            f"batch {size}": timed(engines, frames, size=size, rounds=asked.rounds)
            for size in BATCHES
        },
    }


def real_frames(shared: Path, *, every: int, fps: float = 1.0) -> Pixels:
    """Pictures (N, 224, 224, 3), cut as the image network takes them."""
    films = sorted((shared / "long_video").glob("*.mp4"))
    films += sorted((shared / "fight_surv").rglob("*.mp4"))[::every]
    found = [frame for film in films for frame in _frames(film, fps)]
    return np.concatenate(found)


def _frames(film: Path, fps: float) -> Iterator[Pixels]:
    with open_media(film) as media:
        for chunk in media.stream(fps=fps, short_side=256, sound=False, text=False):
            if isinstance(chunk, Frames):
                yield centre_crop(chunk.rgb)


def candidates() -> dict[str, Engine]:
    """By the names of the report; "plain torch" is what the others are compared with."""
    import torch

    torch.set_num_threads(1)
    network = _network().eval()

    def plain(rgb: Pixels) -> Rows:
        with torch.inference_mode():
            return tuple(out.numpy() for out in network(torch.from_numpy(rgb)))

    made = {
        "plain torch": plain,
        "ours": load_lite0(),
        "ours, torch": torch_engine(_network, shape=(224, 224, 3), at_once=1),
    }
    if importlib.util.find_spec("openvino"):
        for name, precision in (("floor", "f32"), ("floor, bfloat16", "bf16")):
            made[name] = bare(network, precision)
    return made


def bare(network: Any, precision: str) -> Engine:
    """OpenVINO with nothing around it."""
    import openvino
    import torch

    model = openvino.convert_model(
        network,
        example_input=torch.zeros((1, 224, 224, 3), dtype=torch.uint8),
        input=[([-1, 224, 224, 3], openvino.Type.u8)],
    )
    settings = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}
    settings["INFERENCE_PRECISION_HINT"] = precision
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    return functools.partial(_inferred, request)


def _inferred(request: Any, rgb: Pixels) -> Rows:
    return tuple(np.array(out) for out in request.infer([rgb]).values())


def alike(engines: dict[str, Engine], frames: Pixels) -> dict[str, Any]:
    """Cosine to plain torch's embeddings, and the share of frames with the same first label."""
    found = {name: _rows(run, frames) for name, run in engines.items()}
    wanted, labels = found.pop("plain torch")
    report = {}
    for name, (rows, shares) in found.items():
        norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(wanted, axis=1)
        cosines = (rows * wanted).sum(axis=1) / norms
        same = shares.argmax(axis=1) == labels.argmax(axis=1)
        report[name] = {
            "cosine, least": round(float(cosines.min()), 6),
            "cosine, mean": round(float(cosines.mean()), 6),
            "same first label": round(float(same.mean()), 4),
            "other first label": int((~same).sum()),
        }
    return report


def _rows(run: Engine, frames: Pixels) -> Rows:
    parts = [run(frames[at : at + CHUNK]) for at in range(0, len(frames), CHUNK)]
    return tuple(np.concatenate(each) for each in zip(*parts, strict=True))


def timed(engines: dict[str, Engine], frames: Pixels, *, size: int, rounds: int) -> dict[str, Any]:
    """Each candidate on the same batch, another one in each round."""
    taken: dict[str, list[float]] = {name: [] for name in engines}
    for number in range(1 + rounds):  # the first one warms up
        at = number * size % (len(frames) - size)
        for name, run in engines.items():
            began = time.process_time()
            run(frames[at : at + size])
            taken[name].append((time.process_time() - began) / size * 1000)
    return {name: spread(each[1:]) | _beside(taken, name) for name, each in taken.items()}


def _beside(taken: dict[str, list[float]], name: str) -> dict[str, float]:
    """How many times as long others took, round by round."""
    others = [each for each in ("plain torch", "floor") if each in taken and each != name]
    return {f"{each} / it": _ratio(taken[each][1:], taken[name][1:]) for each in others}


def _ratio(over: Sequence[float], under: Sequence[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(over, under, strict=True)), 2)
