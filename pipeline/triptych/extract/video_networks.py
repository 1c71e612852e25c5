"""Video networks of transformers and torchvision, each with the preparation it was published with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from triptych.errors import WeightsError
from triptych.extract.families.video import NETWORKS
from triptych.extract.pretrained import network, pretrained
from triptych.extract.sources import Source
from triptych.extract.tensors import weights_of
from triptych.records import Floats, Pixels, Spec

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
    name = specs[0].options["network"]
    if name in NETWORKS:
        return _of_torchvision(source, name)
    made = _CLASSES[name]
    prepare = pretrained(f"{'Vivit' if name == 'vivit' else 'VideoMAE'}ImageProcessor", source)
    if len(specs) > 1:
        return _classifier(network(f"{made}ForVideoClassification", source), prepare)
    if name == "xclip":
        return _beside_words(network("XCLIPModel", source), prepare)
    return _encoder(network(f"{made}Model", source), prepare, whole=name == "videomae")


def _classifier(made: Any, prepare: Any) -> Look:
    """What the classifier reads, and what it says."""
    import torch

    head, made.classifier = made.classifier, torch.nn.Identity()

    def look(frames: Sequence[Pixels]) -> tuple[Floats, ...]:
        with torch.inference_mode():
            embedding = made(**_prepared(prepare, frames)).logits
            return embedding[0].numpy(), head(embedding)[0].softmax(0).numpy()

    return look


def _encoder(made: Any, prepare: Any, *, whole: bool) -> Look:
    """The state of the token that stands for the window, or the mean where there is none."""
    import torch

    def look(frames: Sequence[Pixels]) -> tuple[Floats, ...]:
        with torch.inference_mode():
            states = made(**_prepared(prepare, frames)).last_hidden_state[0]
        return ((states.mean(0) if whole else states[0]).numpy(),)

    return look


def _beside_words(made: Any, prepare: Any) -> Look:
    """A unit vector in the space that the model's texts share."""
    import torch

    made.text_model = None  # of no use here, and half of the memory

    def look(frames: Sequence[Pixels]) -> tuple[Floats, ...]:
        with torch.inference_mode():
            row = made.get_video_features(**_prepared(prepare, frames)).pooler_output[0]
            return (torch.nn.functional.normalize(row, dim=0).numpy(),)

    return look


def _prepared(prepare: Any, frames: Sequence[Pixels]) -> Any:
    # A picture of three rows could be taken for one of three channels.
    return prepare(list(frames), return_tensors="pt", input_data_format="channels_last")


def _of_torchvision(source: Source, name: str) -> Look:
    import torch
    from torchvision.models import get_model, get_model_weights

    source.check()
    made = get_model(name, weights=None)
    last = [n for n, module in made.named_modules() if isinstance(module, torch.nn.Linear)][-1]
    made.set_submodule(last, torch.nn.Identity())
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
    made.eval()
    prepare = get_model_weights(name).DEFAULT.transforms()

    def look(frames: Sequence[Pixels]) -> tuple[Floats, ...]:
        pictures = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
        with torch.inference_mode():
            return (made(prepare(pictures)[None])[0].numpy(),)

    return look
