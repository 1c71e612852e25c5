"""Video networks of transformers and torchvision, each with the preparation it was published with."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from triptych.errors import WeightsError
from triptych.extract.engine import load_engine
from triptych.extract.families.video import NETWORKS
from triptych.extract.pretrained import answering, network, pretrained
from triptych.extract.sources import Source
from triptych.extract.tensors import weights_of
from triptych.records import Floats, Pixels, Spec

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Look", "network_of"]

#: Frames of one window (H, W, 3) -> a row (D,) for each spec.
Look: TypeAlias = Callable[[Sequence[Pixels]], tuple[Floats, ...]]

_CLASSES = {
    "videomae": "VideoMAE",
    "vivit": "Vivit",
    "timesformer": "Timesformer",
    "xclip": "XCLIP",
}


def network_of(source: Source, specs: Sequence[Spec]) -> Look:
    """A function from the frames of a window to its rows.

    Raises:
        WeightsError: the weights changed since the run began, or are those of another network.
    """
    source.check()
    options = specs[0].options
    name, side = options["network"], options["short_side"]
    prepare = _as_torchvision(name) if name in NETWORKS else _as_transformers(source, name)
    clip = prepare([np.zeros((side, side, 3), np.uint8)] * options["frames"])
    known_by = f"{specs[-1].name}-{name}-v{specs[0].version}-{specs[0].weights[:12]}"
    run = load_engine(
        functools.partial(_network, source, name, len(specs) > 1),
        key=f"{known_by}-{options.get('files', '')}",
        shape=clip.shape,
        dtype=clip.dtype,
        proven=False,
    )
    return lambda frames: tuple(rows[0] for rows in run(prepare(frames)[None]))


def _as_transformers(source: Source, name: str) -> Callable[[Sequence[Pixels]], Floats]:
    """Frames as a model was published to see them: (T, 3, H, W)."""
    prepare = pretrained(f"{'Vivit' if name == 'vivit' else 'VideoMAE'}ImageProcessor", source)

    def prepared(frames: Sequence[Pixels]) -> Floats:
        # A picture of three rows could be taken for one of three channels.
        made = prepare(list(frames), return_tensors="pt", input_data_format="channels_last")
        clip: Floats = made["pixel_values"][0].numpy()
        return clip

    return prepared


def _as_torchvision(name: str) -> Callable[[Sequence[Pixels]], Floats]:
    """Frames as torchvision's networks see them: (3, T, H, W)."""
    import torch
    from torchvision.models import get_model_weights

    prepare = get_model_weights(name).DEFAULT.transforms()

    def prepared(frames: Sequence[Pixels]) -> Floats:
        clip: Floats = prepare(torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)).numpy()
        return clip

    return prepared


def _network(source: Source, name: str, named: bool) -> nn.Module:
    """From clips to embeddings, and to probabilities where its labels have names."""
    if name in NETWORKS:
        return _of_torchvision(source, name)
    made = _CLASSES[name]
    if named:
        return _classifier(network(f"{made}ForVideoClassification", source))
    if name == "xclip":
        return _beside_words(network("XCLIPModel", source))
    return _encoder(network(f"{made}Model", source), whole=name == "videomae")


def _classifier(made: Any) -> nn.Module:
    """What the classifier reads, and what it says."""
    from torch import nn

    head, made.classifier = made.classifier, nn.Identity()

    def answer(parts: Any, clips: Tensor) -> tuple[Tensor, ...]:
        embedding = parts["made"](pixel_values=clips).logits
        return embedding, parts["head"](embedding).softmax(1)

    return answering(nn.ModuleDict({"made": made, "head": head}), answer)


def _encoder(made: Any, *, whole: bool) -> nn.Module:
    """The state of the token that stands for the window, or the mean where there is none."""

    def answer(made: Any, clips: Tensor) -> tuple[Tensor, ...]:
        states = made(pixel_values=clips).last_hidden_state
        return (states.mean(1) if whole else states[:, 0],)

    return answering(made, answer)


def _beside_words(made: Any) -> nn.Module:
    """A unit vector in the space that the model's texts share."""
    made.text_model = None  # of no use here, and half of the memory

    def answer(made: Any, clips: Tensor) -> tuple[Tensor, ...]:
        found = made.get_video_features(pixel_values=clips).pooler_output
        return (found / found.norm(p=2, dim=1, keepdim=True),)

    return answering(made, answer)


def _of_torchvision(source: Source, name: str) -> nn.Module:
    from torch import nn
    from torchvision.models import get_model

    made = get_model(name, weights=None)
    last = [n for n, module in made.named_modules() if isinstance(module, nn.Linear)][-1]
    made.set_submodule(last, nn.Identity())
    # Of the classifier nothing is read: weights for other classes fit, too.
    weights = {n: w for n, w in weights_of(source).items() if not n.startswith(f"{last}.")}
    try:
        made.load_state_dict(weights)
    except RuntimeError as err:
        raise WeightsError(
            f"these are no weights of {name!r}: {' '.join(str(err).split())[:200]}",
            path=source.path,
            remedy="name the network that they were trained in",
        ) from err
    return answering(made, lambda made, clips: (made(clips),))
