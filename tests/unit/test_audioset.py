"""AudioSet taggers: published weights fit, the front end is theirs, rows are of their time."""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models import mobilenet_v3_large
from torchvision.ops.misc import SqueezeExcitation

import synth
from conftest import SHARED_DATA
from families import as_published, published_audioset, settle
from triptych.config import ExtractConfig
from triptych.decode import open_media
from triptych.errors import WeightsError
from triptych.extract import extract
from triptych.extract.families.audioset import tags
from triptych.extract.kaldi import KaldiMel, mel_filters
from triptych.extract.registry import chosen, entry, load
from triptych.records import FeatureTrack, Sound, Spec
from triptych_models import AudioSetMobileNet

RATE_HZ = 32_000
MN04 = SHARED_DATA / "weights" / "mn04_as_mAP_432.pt"
ESC10 = SHARED_DATA / "esc10"
WAVE = np.concatenate(
    [synth.tone(hz, 1.3, rate=RATE_HZ) + synth.noise(1.3, rate=RATE_HZ) for hz in (300, 3000, 9000)]
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("权重") / "mn01.pt"
    torch.save(published_audioset(), path)
    return path


# The network


def test_published_names_fit_every_width() -> None:
    for width, dim in ((0.1, 96), (0.4, 384)):
        network = AudioSetMobileNet.of_published(published_audioset(width)).eval()
        with torch.inference_mode():
            embedding, probabilities = network(torch.randn(2, 64, 128))
        assert network.dim == dim and embedding.shape == (2, dim)
        assert (
            probabilities.shape == (2, 527) and 0 <= probabilities.min() <= probabilities.max() <= 1
        )


@pytest.mark.parametrize("width", [0.5, 1.0, 2.0])  # mn05, mn10, mn20
def test_an_extractor_says_what_torchvision_s_own_network_says(
    width: float, tmp_path: Path
) -> None:
    """Of the width that the file has."""
    torch.manual_seed(3)
    plain = mobilenet_v3_large(weights=None, num_classes=527, width_mult=width)
    stem = plain.features[0][0]
    plain.features[0][0] = torch.nn.Conv2d(1, stem.out_channels, 3, stride=2, padding=1, bias=False)
    for module in plain.modules():
        if isinstance(module, SqueezeExcitation):
            module.scale_activation = torch.nn.Sigmoid()
    settle(plain, torch.randn(4, 1, 128, 200))
    torch.save(as_published(plain.eval()), tmp_path / "mn.pt")
    wave = WAVE[: 2 * RATE_HZ]
    tracks = run(tmp_path / "mn.pt", wave, len(wave), step_s=2.0)
    heard = (torch.from_numpy(columns(wave)).T[None, None] + 4.5) / 5
    with torch.inference_mode():
        embedding = plain.features(heard).mean((2, 3))
        tagged = plain(heard).sigmoid()
    assert tracks["audioset"].values.shape == (1, round(960 * width))
    np.testing.assert_allclose(tracks["audioset"].values, embedding, atol=1e-5)
    np.testing.assert_allclose(tracks["audioset_labels"].values, tagged, atol=1e-5)


def test_a_missing_or_strange_key_is_refused() -> None:
    fewer = published_audioset()
    del fewer["features.16.1.bias"]
    with pytest.raises(RuntimeError, match=r"features\.16\.1\.bias"):
        AudioSetMobileNet.of_published(fewer)
    with pytest.raises((KeyError, RuntimeError)):
        AudioSetMobileNet.of_published({**published_audioset(), "strange.weight": torch.zeros(1)})


@pytest.mark.needs("shared")
def test_the_published_network_has_its_published_size() -> None:
    network = AudioSetMobileNet.of_published(torch.load(MN04, weights_only=True))
    assert sum(p.numel() for p in network.parameters()) == 983_599


# Its front end


def reference(wave: np.ndarray) -> np.ndarray:
    """EfficientAT's preprocessing, written down with torchaudio's mel bands."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own deprecations are not ours to fix
        from torchaudio.compliance.kaldi import get_mel_banks

    bands, _ = get_mel_banks(128, 1024, RATE_HZ, 0.0, 15_000.0, 100.0, -500.0, 1.0)
    bands = torch.nn.functional.pad(bands, (0, 1))
    emphasised = torch.from_numpy(wave[1:] - np.float32(0.97) * wave[:-1])
    spectrum = torch.stft(
        emphasised, 1024, 320, 800, torch.hann_window(800, periodic=False), return_complex=True
    )
    return torch.log(bands @ spectrum.abs() ** 2 + 1e-5).T.numpy()


def columns(wave: np.ndarray, cuts: Sequence[int] = ()) -> np.ndarray:
    mel = KaldiMel()
    return np.concatenate([*map(mel.feed, np.split(wave, cuts)), mel.finish()])


def test_columns_are_those_of_torchaudio() -> None:
    # float32 transforms of other libraries; the whole range is about 15.
    np.testing.assert_allclose(columns(WAVE), reference(WAVE), atol=2e-3)
    assert mel_filters().shape == (513, 128)


@pytest.mark.parametrize("cuts", [(1, 2, 3), (513, 514, 1025), tuple(range(320, 120_000, 3_201))])
def test_columns_do_not_depend_on_the_cutting(cuts: tuple[int, ...]) -> None:
    np.testing.assert_allclose(columns(WAVE, cuts), columns(WAVE), atol=1e-4)


@pytest.mark.parametrize("samples", [0, 1, 2, 319, 320, 321, 32_000, 32_001])
def test_a_hundred_columns_a_second(samples: int) -> None:
    found = columns(WAVE[:samples])
    assert found.shape == (-(-samples // 320) if samples > 1 else 0, 128)
    assert np.isfinite(found).all()


# The extractor


@functools.cache
def loaded(weights: Path):
    return load(f"audioset={weights}")


def run(weights: Path, wave: np.ndarray, size: int, step_s: float = 1.0) -> dict[str, FeatureTrack]:
    coroutine = loaded(weights)(step_s=step_s)
    next(coroutine)
    for at in range(0, len(wave), size):
        start_s = 8.3 + at / RATE_HZ
        coroutine.send(Sound(samples=wave[at : at + size], rate_hz=RATE_HZ, start_s=start_s))
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    return done.value.value


def test_an_entry_says_what_its_file_makes(weights: Path) -> None:
    found = entry(f"audioset={weights}")
    embedding, labels = found.specs
    assert (embedding.name, embedding.dim, labels.name, labels.dim) == (
        "audioset", 96, "audioset_labels", 527,
    )  # fmt: skip
    assert embedding.weights == labels.weights and len(labels.weights) == 64
    assert labels.columns[:2] == ("Speech", "Male speech, man speaking")
    for spec in found.specs:
        assert Spec(**json.loads(json.dumps(spec.recipe())), columns=spec.columns) == spec
    added = chosen(ExtractConfig(preset="light", add=(f"audioset={weights}",)))
    assert added[-1] == found


def test_other_files_are_refused_with_a_remedy(tmp_path: Path) -> None:
    plain, other = tmp_path / "words.pt", tmp_path / "other.pt"
    plain.write_text("no weights")
    torch.save({"a.weight": torch.zeros(3)}, other)
    for path in (plain, other):
        with pytest.raises(WeightsError, match="no weights of an EfficientAT network") as caught:
            entry(f"audioset={path}")
        assert "EfficientAT" in caught.value.remedy
    half = tmp_path / "half.pt"
    torch.save({k: v for k, v in published_audioset().items() if "classifier" not in k}, half)
    with pytest.raises(WeightsError, match="no weights of an EfficientAT network"):
        load(f"audioset={half}")


@pytest.mark.parametrize(
    "name", ["mn10_as_hop_15_mAP_463.pt", "mn10_as_mels_64_mAP_461.pt", "mn10_im_pytorch.pt"]
)
def test_networks_of_another_spectrogram_are_refused(name: str, tmp_path: Path) -> None:
    """Their tensors have the same names and shapes; what they heard in training differs."""
    torch.save(published_audioset(), tmp_path / name)
    with pytest.raises(WeightsError, match="another spectrogram, or on pictures"):
        entry(f"audioset={tmp_path / name}")


def test_a_pickle_that_would_run_code_is_not_run(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "harm",))

    path = tmp_path / "harmful.pt"
    torch.save({**published_audioset(), "harm": Harm()}, path)
    with pytest.raises(WeightsError, match="no weights of an EfficientAT network"):
        load(f"audioset={path}")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("seconds", "step_s", "rows"), [(0.01, 1.0, 1), (2.5, 1.0, 3), (3.9, 0.3, 13), (3.9, 2.5, 2)]
)
def test_rows_follow_the_clock(weights: Path, seconds: float, step_s: float, rows: int) -> None:
    wave = WAVE[: round(seconds * RATE_HZ)]
    for track in run(weights, wave, 320_000, step_s).values():
        assert len(track) == rows and np.isfinite(track.values).all()
        np.testing.assert_allclose(track.start_s, 8.3 + step_s * np.arange(rows))
        assert track.end_s[-1] == pytest.approx(8.3 + seconds)


@pytest.mark.parametrize("step_s", [0.3, 1.0, 2.503])
def test_rows_do_not_depend_on_the_cutting(weights: Path, step_s: float) -> None:
    whole = run(weights, WAVE, len(WAVE), step_s)
    for size in (7_777, 40_001):
        for name, track in run(weights, WAVE, size, step_s).items():
            np.testing.assert_allclose(track.values, whole[name].values, atol=1e-4)


def test_no_sound_and_one_sample_give_no_rows(weights: Path) -> None:
    for samples in (0, 1):
        for track in run(weights, WAVE[:samples], 10).values():
            assert track.values.shape == (0, track.spec.dim)


def test_it_hears_a_film_at_its_own_rate(weights: Path, tmp_path: Path) -> None:
    film = synth.write(tmp_path / "f.mkv", wave=synth.tone(440, 3.2), sound_start_s=8.3)
    with open_media(film) as media:
        tracks = extract(media, [f"audioset={weights}", "audio"])
    assert set(tracks) == {"audioset", "audioset_labels", "audio"}
    for track in tracks.values():
        np.testing.assert_allclose(track.end_s, tracks["audio"].end_s, atol=1e-3)


@pytest.mark.needs("shared")
@pytest.mark.parametrize(
    ("folder", "tag"), [("dog_bark", "Dog"), ("rain", "Rain"), ("person_sneeze", "Sneeze")]
)
def test_known_sounds_are_named(folder: str, tag: str) -> None:
    heard = []
    for path in sorted((ESC10 / folder).glob("1-*.ogg"))[:3]:
        with open_media(path) as media:
            track = extract(media, [f"audioset={MN04}"])["audioset_labels"]
        heard.append(track.values.max(axis=0))
    best = np.argsort(-np.mean(heard, axis=0))[:5]
    assert tag in [tags()[i] for i in best]
