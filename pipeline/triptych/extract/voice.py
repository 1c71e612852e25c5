"""Sound -> mean states of wav2vec 2.0, HuBERT or WavLM, one row a step."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from triptych.decode.parameters import RATE_HZ
from triptych.errors import WeightsError
from triptych.extract.engine import Build, Engine, load_engine
from triptych.extract.families import torchaudio as torchaudio_family
from triptych.extract.families import voice as voice_family
from triptych.extract.pretrained import answering, network, pretrained
from triptych.extract.registry import Extraction
from triptych.extract.rows import RowCutter, row_spans
from triptych.extract.sources import Source
from triptych.extract.tensors import weights_of
from triptych.records import FeatureTrack, Floats, Sound
from triptych.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["TorchaudioExtractor", "VoiceExtractor"]

_UNREAD = ("masked_spec_embed",)  # stands for what is hidden in training


class StateMeans:
    """One row a step: the mean of the last layer's states in it.

    Sound is heard in windows, each with the few samples after it that its last state rests on.
    The last window reaches back, so that it is as long as the others.
    """

    takes: ClassVar[tuple[type, ...]] = (Sound,)

    def __init__(self, spec: Spec, states: Callable[[Floats], Floats]) -> None:
        """`states` makes those (T, D) of one window of samples."""
        self._spec, self._states = spec, states
        options = spec.options
        self._stride: int = options["stride"]
        self._more: int = options["state"] - self._stride
        self._window: int = options["window_s"] * RATE_HZ

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        rows: list[Floats] = []
        cutter = RowCutter(step_s=step_s, rate_hz=RATE_HZ // self._stride)
        held, before = np.zeros(0, np.float32), np.zeros(0, np.float32)
        start_s, end_s = None, 0.0
        while (sound := (yield)) is not None:
            start_s = sound.start_s if start_s is None else start_s
            end_s = sound.end_s
            held = np.concatenate([held, sound.samples])
            while len(held) >= self._window + self._more:
                states = self._states(held[: self._window + self._more])
                rows.extend(piece.mean(0) for piece in cutter.feed(states))
                before, held = held[: self._window], held[self._window :]
        if count := len(held) // self._stride:
            reached = np.concatenate([before[count * self._stride :], held])
            whole = len(reached) // self._stride * self._stride + self._more
            padded = np.pad(reached, (0, self._more))[:whole]
            rows.extend(piece.mean(0) for piece in cutter.feed(self._states(padded)[-count:]))
        rows.extend(piece.mean(0) for piece in cutter.finish())
        starts, ends = row_spans(len(rows), start_s=start_s or 0.0, end_s=end_s, step_s=step_s)
        values = np.stack([np.zeros(self._spec.dim, np.float32), *rows])[1:]
        track = FeatureTrack(values=values, start_s=starts, end_s=ends, spec=self._spec)
        return {self._spec.name: track}


class VoiceExtractor(StateMeans):
    """Networks of transformers."""

    def __init__(self, source: Source) -> None:
        spec = voice_family.spec_of(source, source.data("config.json"))
        prepare = pretrained("AutoFeatureExtractor", source)
        run = _engine(functools.partial(_of_transformers, source), spec, source)

        def states(samples: Floats) -> Floats:
            prepared = prepare(samples, sampling_rate=RATE_HZ, return_tensors="np")
            return run(prepared["input_values"])[0][0]

        super().__init__(spec, states)


class TorchaudioExtractor(StateMeans):
    """Networks of torchaudio; of one that was taught to write down speech, what it writes from."""

    def __init__(self, source: Source) -> None:
        (spec,) = torchaudio_family.described(source).specs
        build = functools.partial(_of_torchaudio, source, spec.options["network"])
        run = _engine(build, spec, source)
        super().__init__(spec, lambda samples: run(samples[None])[0][0])


def _engine(build: Build, spec: Spec, source: Source) -> Engine:
    """From windows of any length to states."""
    source.check()
    known_by = f"{spec.name}-v{spec.version}-{spec.weights[:12]}-{spec.options.get('files', '')}"
    return load_engine(build, key=known_by, shape=(-1,), dtype=np.float32)


def _of_transformers(source: Source) -> nn.Module:
    made = network("AutoModel", source, spared=_UNREAD)
    return answering(made, lambda made, windows: (made(windows).last_hidden_state,))


def _of_torchaudio(source: Source, name: str) -> nn.Module:
    """The network; of some the sound of a window is brought to one level before."""
    from torchaudio import models, pipelines

    if name in torchaudio_family.FACTORIES:
        told = source.data("config.json")
    else:
        told = {key.removeprefix("_"): each for key, each in vars(getattr(pipelines, name)).items()}
    make = getattr(models, torchaudio_family.FACTORIES[told["model_type"]])
    # What makes letters of the states is not read; a bundle's own network is wrapped in another.
    weights = {key.removeprefix("model."): each for key, each in weights_of(source).items()}
    try:
        made = make(**{**told["params"], "aux_num_out": None})
        made.load_state_dict({k: each for k, each in weights.items() if not k.startswith("aux.")})
    except (RuntimeError, TypeError, ValueError) as err:
        said = " ".join(str(err).split())[:200]
        raise WeightsError(
            f"these are no weights of {name!r}: {said}",
            path=source.path,
            remedy="name the network that they were trained in",
        ) from err
    levelled = bool(told.get("normalize_waveform"))

    def answer(made: Any, windows: Tensor) -> tuple[Tensor, ...]:
        if levelled:
            from torch.nn.functional import layer_norm

            windows = layer_norm(windows, windows.shape[1:])
        return (made(windows)[0],)

    return answering(made, answer)
