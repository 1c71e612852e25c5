"""Networks of many frames: our rows are what their libraries say of the same frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hub_models
import synth
from triptych.decode import open_media
from triptych.errors import UsageError, WeightsError
from triptych.extract import engine, extract
from triptych.extract.drive import pump
from triptych.extract.families.video import NETWORKS
from triptych.extract.footage import Windows
from triptych.extract.registry import entry, load
from triptych.records import FeatureTrack, Footage

hub = pytest.mark.needs("hub")
START_S = 3.5
PICTURES = [synth.textured(n, (64, 48)) for n in range(11)]

#: Class of transformers -> how it says the embedding, and whether it has labels.
KINDS = {
    "VideoMAEForVideoClassification": "head",
    "VivitForVideoClassification": "head",
    "TimesformerForVideoClassification": "head",
    "VideoMAEModel": "mean",
    "TimesformerModel": "first",
    "XCLIPModel": "words",
}


def tracks_of(
    item: str, pictures: list[np.ndarray] | None = None, step_s: float = 0.2, batch: int = 3
) -> dict[str, FeatureTrack]:
    coroutine = load(item)()
    next(coroutine)
    shown = PICTURES if pictures is None else pictures
    for at in range(0, len(shown), batch):
        taken = shown[at : at + batch]
        times = START_S + step_s * (at + np.arange(len(taken), dtype=np.float64))
        coroutine.send(Footage(rgb=np.stack(taken), pts_s=times))
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    return done.value.value


def said(folder: str, kind: str, frames: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
    """Embedding and label probabilities by the library itself."""
    import torch
    import transformers

    network = getattr(transformers, kind).from_pretrained(folder).eval()
    prepare = transformers.AutoImageProcessor.from_pretrained(folder)
    put = prepare(frames, return_tensors="pt")
    with torch.inference_mode():
        if KINDS[kind] == "words":
            row = network.get_video_features(**put).pooler_output[0]
            return (row / row.norm()).numpy(), None
        if KINDS[kind] != "head":
            states = network(**put).last_hidden_state[0]
            return (states.mean(0) if KINDS[kind] == "mean" else states[0]).numpy(), None
        read: list[Any] = []
        network.classifier.register_forward_pre_hook(lambda _, given: read.append(given[0]))
        shares = network(**put).logits[0].softmax(0)
        return read[0][0].numpy(), shares.numpy()


@hub
@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_what_the_library_says_of_each_window(kind: str, tmp_path: Path) -> None:
    folder = hub_models.video(tmp_path, kind)
    tracks = tracks_of(f"video={folder}")
    windows = [PICTURES[:4], PICTURES[4:8], [*PICTURES[8:], PICTURES[10]]]
    for row, frames in enumerate(windows):
        embedding, shares = said(folder, kind, frames)
        np.testing.assert_allclose(tracks["video"].values[row], embedding, atol=1e-5)
        assert (shares is not None) == ("video_labels" in tracks)
        if shares is not None:
            np.testing.assert_allclose(tracks["video_labels"].values[row], shares, atol=1e-5)
    for track in tracks.values():
        np.testing.assert_allclose(track.start_s, START_S + 0.8 * np.arange(3))
        assert track.end_s[-1] == pytest.approx(START_S + 2.2)


@hub
def test_the_spec_says_how_frames_are_taken(tmp_path: Path) -> None:
    folder = hub_models.video(tmp_path)
    embedding, labels = entry(f"video={folder}").specs
    assert labels.columns == ("walk", "跑") and embedding.modality == "motion"
    assert (embedding.options["frames"], embedding.options["fps"]) == (4, 5.0)
    path = tmp_path / "preprocessor_config.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    del told["fps"]
    path.write_text(json.dumps(told), encoding="utf-8")
    other = entry(f"video={folder}").specs[0]
    assert other.options["fps"] == 7.5 and other.recipe() != embedding.recipe()
    path.unlink()
    with pytest.raises(WeightsError, match="how frames are prepared is not known"):
        entry(f"video={folder}")


@hub
def test_a_picture_that_stands_still_is_looked_at_once(tmp_path: Path) -> None:
    item = f"video={hub_models.video(tmp_path)}"
    still = tracks_of(item, [PICTURES[0], PICTURES[1]], step_s=400.0)["video"]
    assert len(still) == 501 and (still.values[1:500] == still.values[0]).all()
    assert (still.values[500] != still.values[0]).any()


@hub
def test_frames_of_a_file_come_at_the_networks_own_rate(tmp_path: Path) -> None:
    """A film of 20 frames a second, of which every fourth is wanted."""
    folder = tmp_path / "model"
    folder.mkdir()
    item = f"video={hub_models.video(folder)}"
    path = synth.write(
        tmp_path / "film.mkv",
        times=synth.steady(1.6, 20),
        picture=lambda n: synth.textured(n, (64, 48)),
    )
    with open_media(path) as media:
        found = extract(media, [item])
        assert media.report.frames_sampled == 0  # those of decode.fps were not asked for
    shown = [synth.textured(n, (64, 48)) for n in range(0, 32, 4)]
    for key, track in tracks_of(item, shown).items():
        np.testing.assert_allclose(found[key].values, track.values, atol=1e-5)
        np.testing.assert_allclose(found[key].start_s, [0.0, 0.8], atol=2e-3)


def test_two_that_want_other_footage_are_refused(tmp_path: Path) -> None:
    class Wants:
        takes = (Footage,)

        def __init__(self, fps: float) -> None:
            self.footage = (fps, 64)

        def __call__(self, *, step_s: float = 1.0) -> Any:
            while (yield) is not None:
                pass
            return {}

    path = synth.write(tmp_path / "film.mkv", times=synth.steady(0.4, 5))
    with open_media(path) as media, pytest.raises(UsageError, match="one and two want footage"):
        pump(media, {"one": Wants(1.0), "two": Wants(2.0)})


def test_windows_take_what_is_on_screen_and_fill_up_the_last() -> None:
    windows = Windows(frames=2, fps=10.0)
    frames = [np.full((1, 1, 3), n, np.uint8) for n in range(4)]
    full = []
    for frame, pts_s in zip(frames, (1.0, 1.1, 1.35, 1.4), strict=True):
        full += list(windows.feed(frame, pts_s))
    full += list(windows.finish())
    assert [[int(f[0, 0, 0]) for f in w] for w in full] == [[0, 1], [1, 1], [3, 3]]
    assert windows.start_s == 1.0 and windows.end_s == pytest.approx(1.45)


@pytest.fixture
def shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Transformers with a few of their blocks: as they are, a window takes many seconds."""
    from torchvision.models.video import mvit, swin_transformer

    def made(make: Any, key: str, less: Any) -> Any:
        return lambda *args, **given: make(*args, **{**given, key: less(given[key])})

    swin = made(swin_transformer._swin_transformer3d, "depths", lambda depths: [1] * len(depths))
    vit = made(mvit._mvit, "block_setting", lambda blocks: [*blocks[:4], *blocks[14:]])
    monkeypatch.setattr(swin_transformer, "_swin_transformer3d", swin)
    monkeypatch.setattr(mvit, "_mvit", vit)


class TestTorchvision:
    @pytest.mark.parametrize("name", ["mc3_18", "r2plus1d_18", "mvit_v2_s", "swin3d_t"])
    def test_rows_are_what_the_classifier_reads(
        self, name: str, tmp_path: Path, shallow: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import torch
        from torchvision.models import get_model, get_model_weights

        if name != "mc3_18":  # OpenVINO prepares some for half a minute, once; to the same rows
            monkeypatch.setattr(engine, "engine_name", lambda **_: "torch")
        torch.manual_seed(5)
        path, (_, _, frames, fps) = tmp_path / "权重.pth", NETWORKS[name]
        network = get_model(name, weights=None, num_classes=3).eval()
        torch.save(network.state_dict(), path)
        shown = [synth.textured(n, (171, 128)) for n in range(frames)]
        track = tracks_of(f"video={name}:{path}", shown, step_s=1 / fps, batch=16)["video"]
        read: list[Any] = []
        last = [m for m in network.modules() if isinstance(m, torch.nn.Linear)][-1]
        last.register_forward_pre_hook(lambda _, given: read.append(given[0]))
        prepare = get_model_weights(name).DEFAULT.transforms()
        with torch.inference_mode():
            network(prepare(torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2))[None])
        np.testing.assert_allclose(track.values, read[0], atol=1e-5)
        assert np.ptp(track.values) > 1e-2
        assert track.end_s[0] == pytest.approx(START_S + frames / fps)

    @pytest.mark.parametrize("name", NETWORKS)
    def test_the_table_says_what_torchvision_says(self, name: str) -> None:
        import torch
        from torchvision.models import get_model, get_model_weights

        with torch.device("meta"):
            network = get_model(name, weights=None)
        last = [m for m in network.modules() if isinstance(m, torch.nn.Linear)][-1]
        file, dim, _, _ = NETWORKS[name]
        assert last.in_features == dim
        assert get_model_weights(name).DEFAULT.url.endswith(f"/{file}")

    def test_its_own_weights_must_be_fetched_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        with pytest.raises(WeightsError, match="'r2plus1d_18' are not in") as caught:
            entry("video=r2plus1d_18")
        assert caught.value.remedy == "triptych models fetch video=r2plus1d_18"

    def test_weights_of_another_network_are_refused(self, tmp_path: Path) -> None:
        import torch

        path = tmp_path / "other.pth"
        torch.save({"strange": torch.zeros(1)}, path)
        with pytest.raises(WeightsError, match="no weights of 'mc3_18'"):
            load(f"video=mc3_18:{path}")
